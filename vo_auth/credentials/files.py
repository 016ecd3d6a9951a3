"""Files that hold a secret of the user's."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from ..archive import Archive, KnownFile
from ..errors import UnusableCredentialsError
from ..secret import Secret
from .base import Found, Passed, Wanted

__all__ = ["KnownFileSource", "read_protected", "understood", "write_protected"]

_LIMIT = 64 * 1024


def read_protected(path: str | os.PathLike[str], *, what: str, shared: bool = True) -> str:
    """Return the text of a file that only its owner may read.

    Parameters
    ----------
    path
        Where it is; ``~`` is expanded.
    what
        What the file is, for messages.
    shared
        Whether a file of another owner will do, or a link; not where anybody could have put one.

    Returns
    -------
    str
        The text.

    Raises
    ------
    UnusableCredentialsError
        When it is missing, not a plain file, larger than 64 KiB, not text, open to others, or another user's where
        that will not do. On Windows access rights are not modes and are not looked at. A file that the system provides
        (of another owner, as container secrets are) may be readable, but not writable, by others.
    """
    try:
        place = Path(path).expanduser()
        follow = 0 if shared else getattr(os, "O_NOFOLLOW", 0)
        descriptor = os.open(place, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | follow)
        with os.fdopen(descriptor, "rb") as file:
            _check(os.fstat(file.fileno()), place, what, shared=shared)
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


def _check(status: os.stat_result, place: Path, what: str, *, shared: bool) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise UnusableCredentialsError(f"{what} in {place} is not a plain file")
    if os.name != "posix":
        return
    own = status.st_uid == os.geteuid()
    if not own and not shared:
        raise UnusableCredentialsError(f"{what} in {place} is a file of another user: remove it, or have it removed")
    if status.st_mode & (0o077 if own else 0o022):
        raise UnusableCredentialsError(f"{what} in {place} is open to other users; close it with: chmod 600 {place}")


def write_protected(path: str | os.PathLike[str], text: str, *, what: str) -> Path:
    """Write a file that only its owner may read: whole or not at all.

    Parameters
    ----------
    path
        Where to; ``~`` is expanded, a folder that is not there is made for the owner alone.
    text
        What to write.
    what
        What the file is, for messages.

    Returns
    -------
    pathlib.Path
        The file.

    Raises
    ------
    UnusableCredentialsError
        When it cannot be written.
    """
    try:
        place = Path(os.path.realpath(Path(path).expanduser()))  # a link stays one
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(prefix=f".{place.name}-", dir=place.parent)  # made 0600
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            os.replace(name, place)
        except BaseException:
            with suppress(OSError):
                os.unlink(name)
            raise
    except OSError as error:
        raise UnusableCredentialsError(f"{what} in {path} cannot be written: {error.strerror}") from None
    except (RuntimeError, ValueError):
        raise UnusableCredentialsError(f"{what}: the path {os.fspath(path)!r} makes no sense") from None
    return place


def understood(text: str, formats: Iterable[KnownFile]) -> tuple[Mapping[str, Secret] | None, str]:
    """Return the credentials in a text that is of one of the formats, or what is wrong with them.

    It raises nothing: the frames of a traceback would show the text.

    Parameters
    ----------
    text
        What is in a file.
    formats
        Which kinds of file it may be.

    Returns
    -------
    tuple
        The credentials, or None where it is of no such format; and what is wrong, or an empty text.
    """
    for known in formats:
        try:
            values = known.read(text)
        except ValueError as error:
            return None, f"it is damaged: {error}"
        if values is not None:
            return values, ""
    return None, ""


class KnownFileSource:
    """Files in which other programs of an archive's users keep credentials."""

    name = "files"
    rank = 60

    def find(self, wanted: Wanted) -> Found | Passed | None:
        """Return what the first of the archive's known files holds for the account.

        Raises
        ------
        UnusableCredentialsError
            When one is there that is damaged, or open to others.
        """
        passed: Passed | None = None
        for known in wanted.archive.known.files:
            place = Path(os.path.expanduser(known.path))
            if not os.path.lexists(place):
                continue
            values, fault = understood(read_protected(place, what="The credentials file"), [known])
            if values is None:
                fault = fault or "it is of another kind"
                raise UnusableCredentialsError(f"The credentials file {place} of {wanted.archive.title}: {fault}")
            owner = values.get("username")
            user = owner.reveal() if owner else ""
            if not wanted.serves(user) or (not user and not wanted.is_default) or (wanted.username not in ("", user)):
                passed = passed or Passed(f"{place} does not say that it is of this account's user")
                continue
            kept = {name: values[name] for name in (*wanted.names, "username") if name in values}
            if kept:
                return Found(values=kept, origin=str(place))
        return passed

    def looked_at(self, archive: Archive) -> str:
        """Say which files were looked for."""
        return "none at " + ", ".join(known.path for known in archive.known.files) if archive.known.files else ""
