"""Files for their owner alone: whole or absent, in a folder that nobody else may write to."""

from __future__ import annotations

import errno
import os
import secrets
import stat
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ..errors import WalletError, WalletWarning
from .lock import file_lock

__all__ = ["PrivateFile", "PrivateFolder"]

_LIMIT = 24 * 1024 * 1024
_NEW = ".permits-"  # the start of a new file's name before it is renamed


class PrivateFolder:
    """A folder, 0700, with locks in it.

    Parameters
    ----------
    path
        Where it is; made when something is first written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def prepare(self) -> Path:
        """Make the folder and return the one for locks.

        Raises
        ------
        WalletError
            When it cannot be made, or others may write to it.
        """
        locks = self.path / "locks"
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.check()
            locks.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            if isinstance(error, WalletError):
                raise
            raise WalletError(f"The folder {self.path} cannot be used: {error.strerror}; set VO_AUTH_HOME") from None
        return locks

    def check(self) -> None:
        """Require that nobody else may change what is in the folder.

        Raises
        ------
        FileNotFoundError
            When it is not there.
        WalletError
            When others may.
        """
        status = self.path.stat()
        if os.name == "posix" and (status.st_uid != os.geteuid() or status.st_mode & 0o022):
            raise WalletError(
                f"The folder {self.path} belongs to, or may be written by, others: chmod 700 it or set VO_AUTH_HOME"
            )

    @contextmanager
    def locked(self, what: Path) -> Iterator[None]:
        """Let one process and thread at a time change files.

        Raises
        ------
        WalletError
            When the lock cannot be had.
        """
        lock = file_lock(self.prepare() / "vault.lock", poll_interval=0.01)
        try:
            lock.acquire(timeout=30.0)
        except (OSError, NotImplementedError) as error:  # filelock's Timeout is an OSError
            raise WalletError(f"The wallet {what} cannot be locked ({type(error).__name__})") from None
        try:
            yield
        finally:
            lock.release()

    def sync(self) -> None:
        """Let the names of files reach the disk."""
        if os.name != "posix":  # Windows cannot open a folder
            return
        descriptor = os.open(self.path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


class PrivateFile:
    """A file, 0600, that is replaced as a whole.

    Parameters
    ----------
    folder
        Where it is.
    name
        Its name there.
    """

    def __init__(self, folder: PrivateFolder, name: str) -> None:
        self.folder = folder
        self.path = folder.path / name

    def exists(self) -> bool:
        """Say whether there is anything of that name, were it a broken link."""
        return os.path.lexists(self.path)

    def read(self) -> bytes | None:
        """Return the content, or None when there is no file.

        Raises
        ------
        WalletError
            When it is a link, no plain file, another user's; or others may write to its folder.
        """
        try:
            try:
                return self._read()
            except OSError as error:
                if error.errno != errno.ESTALE:  # NFS: another machine renamed a new file to its place meanwhile
                    raise
            return self._read()
        except FileNotFoundError:
            return None
        except WalletError:
            raise
        except OSError as error:
            reason = "it is a link" if self.path.is_symlink() else error.strerror
            raise WalletError(
                f"The wallet {self.path} is not used: {reason}; move it away or set VO_AUTH_HOME"
            ) from None

    def _read(self) -> bytes:
        self.folder.check()
        flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
        descriptor = os.open(self.path, flags)
        try:
            self._check(descriptor)  # before it becomes a file object, which a folder cannot
        except BaseException:
            os.close(descriptor)
            raise
        with os.fdopen(descriptor, "rb") as file:
            return file.read(_LIMIT + 1)

    def write(self, content: bytes) -> None:
        """Write a new file beside the old one and rename it: whole or absent, on disk when this returns.

        Raises
        ------
        WalletError
            When that fails; the old file is as it was.
        """
        if len(content) > _LIMIT:
            raise WalletError(f"The wallet {self.path} would become too large: log out of archives you do not use")
        for orphan in self.folder.path.glob(f"{_NEW}*"):  # of a writer that was killed: this one holds the lock
            with suppress(OSError):
                orphan.unlink()
        try:
            descriptor, name = tempfile.mkstemp(prefix=_NEW, dir=self.folder.path)  # made 0600
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
            self.folder.sync()
        except OSError as error:
            raise WalletError(f"The wallet {self.path} cannot be written: {error.strerror}") from None

    def remove(self) -> None:
        """Remove the file, if there is one.

        Raises
        ------
        WalletError
            When that fails.
        """
        try:
            self.path.unlink(missing_ok=True)
            self.folder.sync()
        except OSError as error:
            raise WalletError(f"{self.path} cannot be removed: {error.strerror}") from None

    def set_aside(self) -> None:
        """Move a damaged file out of the way, with a warning."""
        aside = self.path.with_name(f"{self.path.name}.damaged-{secrets.token_hex(4)}")
        with suppress(OSError):
            os.replace(self.path, aside)
        warnings.warn(f"{self.path} is damaged; it was moved to {aside.name}", WalletWarning, stacklevel=2)

    def remove_set_aside(self) -> None:
        """Remove what was set aside; the permits in it may still hold.

        Raises
        ------
        WalletError
            When that fails.
        """
        for aside in self.folder.path.glob(f"{self.path.name}.damaged-*"):
            try:
                aside.unlink(missing_ok=True)
            except OSError as error:
                raise WalletError(f"{aside} may hold permits and cannot be removed: {error.strerror}") from None

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
