"""The wallet's file: permits that survive the process, whole or absent, for its owner alone."""

from __future__ import annotations

import json
import os
import secrets
import stat
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from ..errors import MissingDependencyError, WalletError, WalletWarning
from ..scrub import scrubbed
from .lock import file_lock

__all__ = ["Vault", "state_home"]

_FORMAT = "vo_auth permits"
_VERSION = 1
_LIMIT = 16 * 1024 * 1024
_NEW = ".permits-"  # the start of a new file's name before it is renamed


def state_home() -> Path:
    """Return the folder of all state: ``VO_AUTH_HOME``, else the place for state on this system.

    Raises
    ------
    MissingDependencyError
        When the system's place cannot be found without platformdirs.
    """
    if home := os.environ.get("VO_AUTH_HOME"):
        return Path(home).expanduser()
    try:
        import platformdirs
    except ImportError:
        raise MissingDependencyError(
            "Finding the place for permits needs platformdirs: pip install platformdirs (or set VO_AUTH_HOME)"
        ) from None
    return Path(platformdirs.user_state_path("vo_auth", appauthor=False))


def _empty() -> dict[str, Any]:
    return {"format": _FORMAT, "version": _VERSION, "salt": secrets.token_hex(16), "entries": [], "defaults": {},
            "rejected": {}}  # fmt: skip


class Vault:
    """A JSON file, 0600 in a 0700 folder, written whole under a lock.

    Parameters
    ----------
    home
        The folder; made when something is first written.
    """

    def __init__(self, home: Path) -> None:
        self.home = home
        self.path = home / "permits.json"

    def read(self) -> dict[str, Any]:
        """Return the content; an empty one when there is no file or it was damaged (and set aside).

        Raises
        ------
        WalletError
            When the file is a link, no plain file, another user's, or of a later format; or others may write to its
            folder.
        """
        try:
            return self._read()
        except WalletError as error:
            raise scrubbed(error) from None  # the frames below hold what was read

    def update(self, change: Callable[[dict[str, Any]], None]) -> None:
        """Read, change and write the content under the file's lock.

        Parameters
        ----------
        change
            Changes the content in place.

        Raises
        ------
        WalletError
            When the folder or file cannot be used.
        """
        try:
            with self._locked():
                self._update(change)
        except WalletError as error:
            raise scrubbed(error) from None

    def prepare(self) -> Path:
        """Make the folder and return the one for locks.

        Raises
        ------
        WalletError
            When it cannot be made, or others may write to it.
        """
        locks = self.home / "locks"
        try:
            self.home.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._check_folder()
            locks.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            if isinstance(error, WalletError):
                raise
            raise WalletError(f"The folder {self.home} cannot be used: {error.strerror}; set VO_AUTH_HOME") from None
        return locks

    def _read(self, *, locked: bool = False) -> dict[str, Any]:
        content = self._bytes()
        data = _empty() if content is None else self._parsed(content)
        if data is not None:
            return data
        if not locked:
            with self._locked():  # a whole one may be there by now: only who holds the lock sets a file aside
                return self._read(locked=True)
        self._set_aside()
        return _empty()

    def _update(self, change: Callable[[dict[str, Any]], None]) -> None:
        content = self._read(locked=True)
        change(content)
        self._write(json.dumps(content).encode())

    def _bytes(self) -> bytes | None:
        try:
            self._check_folder()
            flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
            descriptor = os.open(self.path, flags)
        except FileNotFoundError:
            return None
        except OSError as error:
            if isinstance(error, WalletError):
                raise
            reason = "it is a link" if self.path.is_symlink() else error.strerror
            raise WalletError(
                f"The wallet {self.path} is not used: {reason}; move it away or set VO_AUTH_HOME"
            ) from None
        try:
            self._check(descriptor)  # before it becomes a file object, which a folder cannot
        except BaseException:
            os.close(descriptor)
            raise
        with os.fdopen(descriptor, "rb") as file:
            return file.read(_LIMIT)

    def _check_folder(self) -> None:
        status = self.home.stat()
        if os.name == "posix" and (status.st_uid != os.geteuid() or status.st_mode & 0o022):
            raise WalletError(
                f"The folder {self.home} belongs to, or may be written by, others: chmod 700 it or set VO_AUTH_HOME"
            )

    @contextmanager
    def _locked(self) -> Iterator[None]:
        lock = file_lock(self.prepare() / "vault.lock", poll_interval=0.01)
        try:
            lock.acquire(timeout=30.0)
        except (OSError, NotImplementedError) as error:  # filelock's Timeout is an OSError
            raise WalletError(f"The wallet {self.path} cannot be locked ({type(error).__name__})") from None
        try:
            yield
        finally:
            lock.release()

    def _check(self, descriptor: int) -> None:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise WalletError(f"The wallet {self.path} is not a plain file; move it away or set VO_AUTH_HOME")
        if os.name != "posix":
            return
        if status.st_uid != os.geteuid():
            raise WalletError(f"The wallet {self.path} belongs to another user; move it away or set VO_AUTH_HOME")
        if status.st_mode & 0o077:
            os.fchmod(descriptor, 0o600)
            warnings.warn(f"{self.path} was open to other users; closed now (mode 0600)", WalletWarning, stacklevel=2)

    def _parsed(self, content: bytes) -> dict[str, Any] | None:
        """Return what a file holds, or None when it is damaged."""
        with suppress(ValueError, RecursionError):
            data = json.loads(content)
            if isinstance(data, dict) and data.get("format") == _FORMAT:
                if isinstance(data.get("version"), int) and data["version"] > _VERSION:
                    raise WalletError(
                        f"The wallet {self.path} was written by a later vo_auth; update, or set VO_AUTH_HOME"
                    )
                empty = _empty()
                if all(isinstance(data.get(name), type(value)) for name, value in empty.items()):
                    return data
        return None

    def _set_aside(self) -> None:
        aside = self.path.with_name(f"{self.path.name}.damaged-{secrets.token_hex(4)}")
        with suppress(OSError):
            os.replace(self.path, aside)
        warnings.warn(f"{self.path} is damaged; it was moved to {aside.name}", WalletWarning, stacklevel=2)

    def _write(self, content: bytes) -> None:
        """Write a new file beside the old one and rename it: whole or absent, on disk when this returns."""
        for orphan in self.home.glob(f"{_NEW}*"):  # of a writer that was killed: this one holds the lock
            with suppress(OSError):
                orphan.unlink()
        try:
            descriptor, name = tempfile.mkstemp(prefix=_NEW, dir=self.home)  # made 0600
            try:
                with os.fdopen(descriptor, "wb") as file:
                    file.write(content)
                    file.flush()
                    os.fsync(file.fileno())
                os.replace(name, self.path)
            except BaseException:
                with suppress(OSError):
                    os.unlink(name)
                raise
            self._sync_folder()
        except OSError as error:
            raise WalletError(f"The wallet {self.path} cannot be written: {error.strerror}") from None

    def _sync_folder(self) -> None:
        if os.name != "posix":  # Windows cannot open a folder
            return
        descriptor = os.open(self.home, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
