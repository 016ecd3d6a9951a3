"""Files that vo_auth wrote for other programs at the user's word: noted, so that a logout finds them again.

What is noted is where a file is and what the system says of it, nothing of what is in it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from .credentials import write_protected
from .wallet.lock import file_lock
from .wallet.vault import state_home

__all__ = ["Written", "archives_written", "note_written", "take_written"]

_LIMIT = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """A file that vo_auth wrote.

    Parameters
    ----------
    archive, account
        Whose credentials are in it.
    path
        Where it is.
    stamp
        What the system said of it then: its number, size and time of change.
    """

    archive: str
    account: str
    path: str
    stamp: str

    @property
    def is_unchanged(self) -> bool:
        """Whether nobody has written to it since."""
        return _stamp(self.path) == self.stamp


_MEMORY: list[Written] = []  # of this process, where nothing is to be kept on disk


def note_written(path: str | os.PathLike[str], *, archive: str, account: str) -> None:
    """Note a file that was just written.

    Parameters
    ----------
    path
        Where it is.
    archive, account
        Whose credentials are in it.

    Raises
    ------
    UnusableCredentialsError
        When the note cannot be kept.
    """
    place = os.path.realpath(path)
    item = Written(archive=archive, account=account, path=place, stamp=_stamp(place))

    def change(items: list[Written]) -> list[Written]:
        return [*(other for other in items if other.path != place), item]

    _change(change)


def take_written(archive: str, account: str | None) -> list[Written]:
    """Return the files that were written for an archive, and forget them.

    Parameters
    ----------
    archive
        The archive's name.
    account
        Those of this account alone; None: of every one.

    Returns
    -------
    list of Written
        Files that may be gone, or changed by others.
    """
    taken: list[Written] = []

    def change(items: list[Written]) -> list[Written]:
        taken[:] = [item for item in items if item.archive == archive and account in (None, item.account)]
        return [item for item in items if item not in taken]

    _change(change)
    return taken


def archives_written() -> list[str]:
    """Return the names of the archives for which files were written."""
    return sorted({item.archive for item in _read()})


def _change(change: Callable[[list[Written]], list[Written]]) -> None:
    if _in_memory():
        _MEMORY[:] = change(_MEMORY)
        return
    if not _place().exists() and not change([]):
        return  # nothing was written, and nothing is
    with _locked():
        old = _read()
        new = change(old)
        if new == old:
            return
        if not new:
            with suppress(OSError):
                _place().unlink()
            return
        text = json.dumps({"files": [asdict(item) for item in new]}, indent=1)
        write_protected(_place(), text, what="The list of written files")


def _in_memory() -> bool:
    return os.environ.get("VO_AUTH_WALLET") == "memory"


def _place() -> Path:
    return state_home() / "written.json"


def _read() -> list[Written]:
    if _in_memory():
        return list(_MEMORY)
    try:
        with _place().open("rb") as file:
            items = json.loads(file.read(_LIMIT))["files"]
        return [Written(**{name: str(item[name]) for name in Written.__slots__}) for item in items]
    except (OSError, ValueError, KeyError, TypeError):
        return []


@contextmanager
def _locked() -> Iterator[None]:
    folder = state_home() / "locks"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with file_lock(folder / "written.lock", poll_interval=0.01):
        yield


def _stamp(path: str) -> str:
    try:
        status = os.lstat(path)
    except OSError:
        return ""
    return f"{status.st_ino}:{status.st_size}:{status.st_mtime_ns}"
