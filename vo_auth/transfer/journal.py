"""The journal of a folder: which URL became which file, so that the same command goes on where it ended.

JSON, one record a line; the last one of a URL counts. Lines are only ever added, each with one write, so that several
processes may work in one folder and a kill tears the last line at most. URLs are kept as digests: a journal holds no
signature.
"""

from __future__ import annotations

import errno
import json
import os
import stat
import threading
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal

from ..errors import DownloadError, DownloadWarning

__all__ = ["Entry", "JOURNAL", "Journal"]

JOURNAL = ".vo-auth-get.jsonl"
_HEADER = {"format": "vo-auth downloads", "version": 1}
_LIMIT = 1 << 30
_ENCODER = json.JSONEncoder(separators=(",", ":"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What is known of one URL.

    Parameters
    ----------
    url
        Its digest.
    shown
        For people: masked.
    state
        ``part``: under way; ``done``: whole; ``gone``: nothing is there.
    name
        Its file.
    part
        Its unfinished file.
    size
        Bytes of the file when done, else bytes to come in all; None where not known.
    etag, modified
        The server's validators, strong ones alone while under way (RFC 9110, section 13.1.5).
    coding
        The Content-Encoding of what is in the part.
    identity
        Whose permit brought it.
    digest
        As ``sha256:…``; empty where none was taken.
    proved
        Whether it is known to be whole.
    """

    url: str
    shown: str = ""
    state: Literal["part", "done", "gone"]
    name: str = ""
    part: str = ""
    size: int | None = None
    etag: str = ""
    modified: str = ""
    coding: str = ""
    identity: str = ""
    digest: str = ""
    proved: bool = True

    @property
    def validator(self) -> str:
        """What If-Range may say; empty where nothing tells two versions apart."""
        return self.etag or self.modified


_TYPES: dict[str, tuple[type, ...]] = {
    one.name: (int, type(None)) if one.name == "size" else (bool,) if one.name == "proved" else (str,)
    for one in fields(Entry)
}


class Journal:
    """The journal of one folder.

    Parameters
    ----------
    folder
        Where it is.

    Raises
    ------
    DownloadError
        When it cannot be read or written.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / JOURNAL
        self._guard = threading.Lock()
        self._entries: dict[str, Entry] = {}
        try:
            self._fd = self._open()
        except OSError as error:
            raise _unusable(self.path, error) from None

    def close(self) -> None:
        """Close the file; what a worker that was left behind still writes goes nowhere."""
        with self._guard:
            os.close(self._fd)
            self._fd = -1

    def entries(self) -> list[Entry]:
        """Return what is known, one entry per URL."""
        with self._guard:
            return list(self._entries.values())

    def find(self, url: str) -> Entry | None:
        """Return what is known of a URL, by its digest; None where nothing is there."""
        entry = self._entries.get(url)
        return None if entry is None or entry.state == "gone" else entry

    def note(self, entry: Entry) -> None:
        """Add what is now known of a URL.

        Raises
        ------
        OSError
            When it cannot be written.
        """
        record = {name: value for name in _TYPES if (value := getattr(entry, name)) not in ("", None)}
        line = _ENCODER.encode(record).encode() + b"\n"
        with self._guard:
            self._entries[entry.url] = entry
            _write_all(self._fd, line)

    def _open(self) -> int:
        """Open or begin the file; one that is none of ours is set aside."""
        for _ in range(3):
            fd = _opened(self.path)
            try:
                lines = _lines(fd)
                if lines is not None:
                    self._begin(fd, lines)
                    return fd
            except BaseException:
                os.close(fd)
                raise
            os.close(fd)
            self._set_aside()
        raise OSError(errno.EEXIST, "it keeps coming back damaged")

    def _begin(self, fd: int, lines: list[bytes]) -> None:
        if not lines:
            _write_all(fd, _ENCODER.encode(_HEADER).encode() + b"\n")
            return
        if not lines[-1].endswith(b"\n"):  # torn by a kill
            _write_all(fd, b"\n")
        for entry in _read(lines[1:]):
            self._entries[entry.url] = entry

    def _set_aside(self) -> None:
        number = 0
        while True:
            number += 1
            aside = self.path.with_name(f"{JOURNAL}.set-aside-{number}")
            if not os.path.lexists(aside):
                break
        os.rename(self.path, aside)
        warnings.warn(
            f"{self.path} is damaged or of another version: it is kept as {aside.name}, and a new one is begun. "
            "Unfinished parts from before are not resumed.",
            DownloadWarning,
            stacklevel=6,
        )


def _opened(path: Path) -> int:
    flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
    fd = os.open(path, flags | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0), 0o600)
    status = os.fstat(fd)
    if not stat.S_ISREG(status.st_mode):
        os.close(fd)
        raise OSError(errno.EINVAL, "it is not a plain file")
    if os.name == "posix" and status.st_mode & 0o077 and status.st_uid == os.geteuid():
        os.fchmod(fd, 0o600)
    return fd


def _lines(fd: int) -> list[bytes] | None:
    """Return the lines of a journal; None when it is none of ours."""
    if os.fstat(fd).st_size > _LIMIT:
        return None
    with os.fdopen(os.dup(fd), "rb") as file:
        file.seek(0)
        lines = file.readlines()
    if not lines:
        return []
    header = _parsed(lines[0])
    is_ours = header is not None and all(header.get(name) == value for name, value in _HEADER.items())
    return lines if is_ours else None


def _read(lines: list[bytes]) -> Iterator[Entry]:
    """Yield what can be read; a damaged line costs its file another transfer, and nothing else."""
    for line in lines:
        record = _parsed(line)
        if record is None or not all(isinstance(value, _TYPES.get(name, ())) for name, value in record.items()):
            continue
        if record.get("url") and record.get("state") in ("part", "done", "gone") and _are_plain(record):
            yield Entry(**record)


def _are_plain(record: dict[str, Any]) -> bool:
    """Say whether the names stay in the folder, whoever wrote them."""
    names = [record[name] for name in ("name", "part") if record.get(name)]
    return all(name not in (".", "..") and not set(name) & set("/\\\0") for name in names)


def _parsed(line: bytes) -> dict[str, Any] | None:
    try:
        record = json.loads(line)
    except ValueError:
        return None
    return record if isinstance(record, dict) else None


def _write_all(fd: int, data: bytes) -> None:
    while data:
        data = data[os.write(fd, data) :]


def _unusable(path: Path, error: OSError) -> DownloadError:
    return DownloadError(
        f"The folder {path.parent} cannot be used for downloads: {error.strerror or error} ({path.name}); "
        "choose another one"
    )
