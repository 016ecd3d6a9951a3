"""One login for any number of threads and processes: locks that the system releases when their holder dies."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ..clock import Clock
from ..errors import LoginInProgressError, WalletError

__all__ = ["Locks"]

_PERSON = 60.0  # seconds to wait behind a login that waits for a person


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

    @contextmanager
    def hold(self, name: str, *, what: str, wait: bool = True) -> Iterator[bool]:
        """Hold the lock of this name.

        Parameters
        ----------
        name
            What it protects.
        what
            For the message when it cannot be had in time.
        wait
            False: yield False at once when somebody else holds it.

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
        with self._thread_lock(lock, name, what=what, wait=wait) as held:
            if not held or self._folder is None:
                yield held
                return
            with self._file_lock(self._path(name), what=what, wait=wait) as both:
                yield both

    @contextmanager
    def person(self, name: str) -> Iterator[None]:
        """Say to those who wait that a person is being asked."""
        if self._folder is None:
            yield
            return
        marker = self._path(name).with_suffix(".person")
        with suppress(OSError):
            marker.touch(mode=0o600)
        try:
            yield
        finally:
            with suppress(OSError):
                marker.unlink()

    def _path(self, name: str) -> Path:
        assert self._folder is not None
        return self._folder / (hashlib.sha256(name.encode()).hexdigest()[:32] + ".lock")

    def _waits_for_person(self, name_or_path: str | Path) -> bool:
        if self._folder is None:
            return False
        path = name_or_path if isinstance(name_or_path, Path) else self._path(name_or_path)
        return path.with_suffix(".person").exists()

    @contextmanager
    def _thread_lock(self, lock: threading.Lock, name: str, *, what: str, wait: bool) -> Iterator[bool]:
        start, limit = self._clock.elapsed(), self._patience + _PERSON
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
    def _file_lock(self, path: Path, *, what: str, wait: bool) -> Iterator[bool]:
        from filelock import FileLock, Timeout

        lock = FileLock(path, mode=0o600, poll_interval=0.02, fallback_to_soft=False)
        start, limit = self._clock.elapsed(), self._patience + _PERSON
        while True:
            try:
                lock.acquire(timeout=1.0 if wait else 0.0)
                break
            except Timeout:
                if not wait:
                    yield False
                    return
                self._check(start, limit, self._waits_for_person(path), what)
            except NotImplementedError:
                raise WalletError(
                    f"The file system of {path.parent} has no locks: set VO_AUTH_HOME to a local folder"
                ) from None
        try:
            yield True
        finally:
            lock.release()

    def _check(self, start: float, limit: float, person: bool, what: str) -> None:
        if self._clock.elapsed() - start > (_PERSON if person else limit):
            raise LoginInProgressError(
                f"Another login to {what} has not come to an end"
                + (": it waits for a person at another terminal" if person else "")
                + "; finish or end it, then try again"
            )
