"""Files that hold a secret of the user's."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path

from ..errors import UnusableCredentialsError

__all__ = ["read_protected"]

_LIMIT = 64 * 1024


def read_protected(path: str | os.PathLike[str], *, what: str) -> str:
    """Return the text of a file that only its owner may read.

    Parameters
    ----------
    path
        Where it is; ``~`` is expanded.
    what
        What the file is, for messages.

    Returns
    -------
    str
        The text.

    Raises
    ------
    UnusableCredentialsError
        When it is missing, not a plain file, larger than 64 KiB, not text, or open to others. On Windows access
        rights are not modes and are not looked at. A file that the system provides (of another owner, as container
        secrets are) may be readable, but not writable, by others.
    """
    try:
        place = Path(path).expanduser()
        descriptor = os.open(place, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
        with os.fdopen(descriptor, "rb") as file:
            _check(os.fstat(file.fileno()), place, what)
            content = file.read(_LIMIT + 1)
    except UnusableCredentialsError:  # an OSError, too, as all our errors are
        raise
    except OSError as error:
        raise UnusableCredentialsError(f"{what} in {path} cannot be read: {error.strerror}") from None
    except (RuntimeError, ValueError):  # a home that does not exist, a NUL in the name
        raise UnusableCredentialsError(f"{what}: the path {os.fspath(path)!r} makes no sense") from None
    if len(content) > _LIMIT:
        raise UnusableCredentialsError(f"{what} in {place} is larger than {_LIMIT} bytes: is it the right file?")
    with suppress(UnicodeDecodeError):
        return content.decode("utf-8-sig")  # editors on Windows put a mark at the start
    # Out here: the decoder's error holds the file's content.
    raise UnusableCredentialsError(f"{what} in {place} is not text in UTF-8: is it the right file?")


def _check(status: os.stat_result, place: Path, what: str) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise UnusableCredentialsError(f"{what} in {place} is not a plain file")
    if os.name != "posix":
        return
    own = status.st_uid == os.geteuid()
    if status.st_mode & (0o077 if own else 0o022):
        raise UnusableCredentialsError(f"{what} in {place} is open to other users; close it with: chmod 600 {place}")
