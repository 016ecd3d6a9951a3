"""An unfinished file: written by one process at a time, never through a link, and left behind whatever happens."""

from __future__ import annotations

import errno
import os
import stat
import sys
from pathlib import Path
from types import TracebackType
from typing import Self

from ..errors import TransferError

__all__ = ["DiskError", "Part"]

_SAFE = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
_HELD = (errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES, errno.EDEADLK)
_LOCK_AT = 1 << 40  # on Windows a lock is on bytes: on some that are never there


class DiskError(TransferError):
    """The disk does not take it: nothing else can be written either."""


class Part:
    """A file that grows; its bytes are with the system as soon as they are written, so a kill loses none.

    Parameters
    ----------
    path
        Where it is.
    is_new
        Make it, and fail if something of the name is there; False: open what is there.

    Raises
    ------
    FileExistsError, FileNotFoundError, OSError
        As the system says.
    TransferError
        When another process writes it, or it is no plain file of its own.
    """

    def __init__(self, path: Path, *, is_new: bool) -> None:
        self.path = path
        flags = os.O_RDWR | _SAFE | (os.O_CREAT | os.O_EXCL if is_new else getattr(os, "O_NONBLOCK", 0))
        self.fd = os.open(path, flags, 0o666)  # a file like any other: the umask decides
        try:
            self._require_own()
            self.size = os.fstat(self.fd).st_size
        except BaseException:
            os.close(self.fd)
            raise

    def _require_own(self) -> None:
        if not stat.S_ISREG(os.fstat(self.fd).st_mode):
            raise TransferError(f"{self.path.name} in the folder is not a plain file: remove it")
        if not _locked(self.fd):
            raise TransferError(f"Another process is writing {self.path.name}: wait for it to end")

    def write(self, data: memoryview) -> None:
        """Add bytes at the end.

        Raises
        ------
        DiskError
            When the disk is full, say; what could be written is part of the file.
        """
        try:
            while len(data):
                written = _write_at(self.fd, data, self.size)
                self.size += written
                data = data[written:]
        except OSError as error:
            raise DiskError(
                f"{self.path.name} cannot be written: {error.strerror or error}; what came so far is kept"
            ) from None

    def clear(self) -> None:
        """Begin again."""
        os.ftruncate(self.fd, 0)
        self.size = 0

    def start(self, count: int) -> bytes:
        """Return its first bytes."""
        os.lseek(self.fd, 0, os.SEEK_SET)
        return os.read(self.fd, count)

    def sync(self) -> None:
        """Bring it to the disk itself."""
        os.fsync(self.fd)

    def close(self) -> None:
        """Close it, and let others have it."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


if sys.platform == "win32":
    import msvcrt

    def _write_at(fd: int, data: memoryview, offset: int) -> int:
        os.lseek(fd, offset, os.SEEK_SET)
        return os.write(fd, data)

    def _locked(fd: int) -> bool:
        try:
            os.lseek(fd, _LOCK_AT, os.SEEK_SET)
            msvcrt.locking(fd, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    _write_at = os.pwrite

    def _locked(fd: int) -> bool:
        """Take the lock that the system releases when its holder dies; True where the file system has none."""
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            return error.errno not in _HELD
        return True
