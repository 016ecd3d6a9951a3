"""One login for any number of threads and processes: locks that the system releases when their holder dies."""

from __future__ import annotations

import hashlib
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from ..clock import Clock
from ..errors import LoginInProgressError, MissingDependencyError, WalletError, WalletWarning

if TYPE_CHECKING:
    from filelock import BaseFileLock

__all__ = ["Locks", "file_lock"]

_PERSON = 60.0  # seconds to wait behind a login that waits for a person


def file_lock(path: Path, *, poll_interval: float) -> BaseFileLock:
    """Return a lock between processes that the system releases when its holder dies.

    Raises
    ------
    MissingDependencyError
        When filelock is not installed.
    """
    try:
        from filelock import FileLock
    except ImportError:
        raise MissingDependencyError(
            "Keeping permits for other processes needs filelock: pip install filelock (or set VO_AUTH_WALLET=memory)"
        ) from None
    return FileLock(path, mode=0o600, poll_interval=poll_interval, fallback_to_soft=False)


class Locks:
    """A lock per name: between threads always, between processes where there is a folder.

    Parameters
    ----------
    folder
        Where lock files are; None: threads of this process only.
    clock
        For waiting.
    patience
        Seconds to wait behind a login that no person holds up.
    """

    def __init__(self, folder: Path | None, clock: Clock, *, patience: float) -> None:
        self._folder = folder
        self._clock = clock
        self._patience = patience
        self.renew_after_fork()

    def renew_after_fork(self) -> None:
        """Forget locks that threads of the parent process held."""
        self._guard = threading.Lock()
        self._threads: dict[str, threading.Lock] = {}
        self._asking: set[str] = set()

    @contextmanager
    def hold(self, name: str, *, what: str, wait: bool = True, limit: float | None = None) -> Iterator[bool]:
        """Hold the lock of this name.

        Parameters
        ----------
        name
            What it protects.
        what
            For the message when it cannot be had in time.
        wait
            False: yield False at once when somebody else holds it.
        limit
            Seconds to wait at most; None: as long as a login may take.

        Yields
        ------
        bool
            Whether the lock is held.

        Raises
        ------
        LoginInProgressError
            When another login does not come to an end.
        WalletError
            When the file system has no locks.
        """
        with self._guard:
            lock = self._threads.setdefault(name, threading.Lock())
        limit = self._patience + _PERSON if limit is None else limit
        with self._thread_lock(lock, name, what=what, wait=wait, limit=limit) as held:
            if not held or self._folder is None:
                yield held
                return
            with self._file_lock(name, what=what, wait=wait, limit=limit) as both:
                yield both

    @contextmanager
    def person(self, name: str) -> Iterator[None]:
        """Say to those who wait that a person is being asked."""
        marker = self._path(name).with_suffix(".person") if self._folder is not None else None
        self._asking.add(name)
        if marker is not None:
            with suppress(OSError):
                marker.touch(mode=0o600)
        try:
            yield
        finally:
            self._asking.discard(name)
            if marker is not None:
                with suppress(OSError):
                    marker.unlink()

    def _path(self, name: str) -> Path:
        assert self._folder is not None
        return self._folder / (hashlib.sha256(name.encode()).hexdigest()[:32] + ".lock")

    def _waits_for_person(self, name: str) -> bool:
        """Say whether whoever holds the lock asks a person: a thread of ours, or the process it waits for itself."""
        return name in self._asking or (self._folder is not None and self._path(name).with_suffix(".person").exists())

    @contextmanager
    def _thread_lock(self, lock: threading.Lock, name: str, *, what: str, wait: bool, limit: float) -> Iterator[bool]:
        start = self._clock.elapsed()
        while not lock.acquire(timeout=1.0 if wait else 0.0):
            if not wait:
                yield False
                return
            self._check(start, limit, self._waits_for_person(name), what)
        try:
            yield True
        finally:
            lock.release()

    @contextmanager
    def _file_lock(self, name: str, *, what: str, wait: bool, limit: float) -> Iterator[bool]:
        path = self._path(name)
        lock = file_lock(path, poll_interval=0.02)
        start = self._clock.elapsed()
        while True:
            try:
                lock.acquire(timeout=1.0 if wait else 0.0)
                break
            except TimeoutError:  # filelock's Timeout is one
                if not wait:
                    yield False
                    return
                self._check(start, limit, self._waits_for_person(name), what)
            except NotImplementedError:
                raise WalletError(
                    f"The file system of {path.parent} has no locks: set VO_AUTH_HOME to a local folder"
                ) from None
            except OSError as error:  # a read-only or full file system: the vault works in memory as well
                warnings.warn(
                    f"{path.parent} cannot hold locks ({error.strerror}): other processes may log in to {what} too",
                    WalletWarning,
                    stacklevel=6,
                )
                break
        with suppress(OSError):  # left behind by a process that was killed while it asked
            path.with_suffix(".person").unlink()
        try:
            yield True
        finally:
            lock.release()

    def _check(self, start: float, limit: float, person: bool, what: str) -> None:
        if self._clock.elapsed() - start > (min(_PERSON, limit) if person else limit):
            raise LoginInProgressError(
                f"Another login to {what} has not come to an end"
                + (": it waits for a person at another terminal" if person else "")
                + "; finish or end it, then try again"
            )
