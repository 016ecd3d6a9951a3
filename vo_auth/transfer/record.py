"""What is asked of a download, and what it answers: plain values."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

__all__ = ["Downloaded", "Event", "Failed", "Item", "Kind", "Options", "Progress", "host_of", "key_of", "shown"]

Kind = Literal["started", "progress", "waiting", "renewed", "finished", "present", "failed", "note"]


def shown(url: str) -> str:
    """Return a URL as it may be shown: without userinfo, and with its query masked.

    A presigned URL's query is a permit; so are the query values of some archives' services.

    Parameters
    ----------
    url
        Any text.

    Returns
    -------
    str
        For people and logs.

    Examples
    --------
    >>> shown("https://pi:secret@store.example.org/raw/x.fits?X-Amz-Signature=abc#frag")
    'https://store.example.org/raw/x.fits?…'
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        return "(a URL that cannot be read)"
    host = parts.netloc.rpartition("@")[2]
    text = parts._replace(netloc=host, query="", fragment="").geturl()
    text = "".join(character if character.isprintable() else "�" for character in text)  # a server may have written it
    return f"{text}?…" if parts.query else text


def key_of(url: str) -> str:
    """Return what a URL is called in the journal: a digest, so that no signature in it is kept.

    Parameters
    ----------
    url
        As it was asked for; the fragment is no part of a request.

    Returns
    -------
    str
        Hexadecimal.
    """
    return hashlib.sha256(url.partition("#")[0].encode("utf-8", "surrogatepass")).hexdigest()


def host_of(url: str) -> str:
    """Return the host of a URL with its port, as it is written; empty for none.

    Parameters
    ----------
    url
        Any text.
    """
    try:
        return urlsplit(url).netloc.rpartition("@")[2].lower()
    except ValueError:
        return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One file to fetch.

    Parameters
    ----------
    url
        Where it is.
    size
        Bytes, where a table says so exactly.
    digest
        What it must have, as ``sha256:…``; empty for none.
    is_page
        Whether an HTML page is what is wanted.
    from_table
        Whether a table brought it: a DataLink document in its place is then no data.
    problem
        Why there is nothing to fetch, in the words of the table.
    """

    url: str = field(repr=False)
    size: int | None = None
    digest: str = ""
    is_page: bool = False
    from_table: bool = False
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Downloaded:
    """A file that is there, whole.

    Parameters
    ----------
    path
        The file.
    url
        Where it came from, as it was asked for.
    size
        Bytes of the file.
    digest
        As ``sha256:…``, where one was asked for or the archive gave one that was checked; else empty.
    seconds
        How long the transfer took; 0 for a file that was there before.
    identity
        Whose permit it was fetched with, as ``eso:DEMOPI``; empty for nobody's.
    is_new
        Whether it was fetched now; False: it was there already.
    is_proved
        Whether its length or digest proves it whole; False where the server told neither and closed the connection
        to say that it was done (RFC 9112, section 6.3).
    """

    path: Path
    url: str = field(repr=False)
    size: int
    digest: str = ""
    seconds: float = 0.0
    identity: str = ""
    is_new: bool = True
    is_proved: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """A file that could not be had.

    Parameters
    ----------
    url
        Where it would have come from.
    error
        Why not.
    """

    url: str = field(repr=False)
    error: Exception

    @property
    def reason(self) -> str:
        """Why not, in one line."""
        return str(self.error).partition("\n")[0] or type(self.error).__name__


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened, for a display or a log; it holds no secret.

    Parameters
    ----------
    kind
        ``started``, ``progress``, ``waiting``, ``renewed``, ``finished``, ``present``, ``failed`` or ``note``.
    number
        Which file of the list; -1 for none.
    url
        Its URL, masked.
    path
        Its file, where the name is known.
    received
        Bytes of it that are there.
    size
        Bytes of the whole file; None where not known.
    seconds
        How long it took, or how long the wait is.
    digest, identity
        As in :class:`Downloaded`.
    text
        For a person.
    """

    kind: Kind
    number: int = -1
    url: str = ""
    path: str = ""
    received: int = 0
    size: int | None = None
    seconds: float = 0.0
    digest: str = ""
    identity: str = ""
    text: str = ""

    def to_record(self) -> dict[str, Any]:
        """Return it for JSON: without what is empty."""
        values = {one.name: getattr(self, one.name) for one in fields(self)}
        values["seconds"] = round(self.seconds, 3) or None
        values["number"] = None if self.number < 0 else self.number
        return {name: value for name, value in values.items() if value not in ("", None)}


Progress = Callable[[Event], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How to fetch.

    Parameters
    ----------
    workers
        Files at once.
    per_host
        Files at once from one host.
    overwrite
        Whether files of the same name may be replaced.
    check
        Whether files that are there are asked for again.
    digest
        The algorithm of a digest to compute of every file; empty for none.
    pages
        Whether HTML pages and error documents are saved.
    retries
        Attempts in a row that may bring nothing, per file, before it is given up.
    pause
        Seconds before the first new attempt; they double from one to the next.
    longest
        Seconds to wait at most, whatever a server asks for.
    timeout
        Seconds to wait for a connection, and for an answer.
    stall
        Seconds without any data after which a transfer is cut and resumed.
    durable
        Whether each file is on the disk itself (fsync) before it is called finished.
    """

    workers: int = 4
    per_host: int = 4
    overwrite: bool = False
    check: bool = False
    digest: str = ""
    pages: bool = False
    retries: int = 5
    pause: float = 1.0
    longest: float = 600.0
    timeout: tuple[float, float] = (30.0, 120.0)
    stall: float = 60.0
    durable: bool = False

    def __post_init__(self) -> None:
        for name in ("workers", "per_host"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1")
        if self.retries < 0:
            raise ValueError("retries must not be negative")
        if self.digest and self.digest not in hashlib.algorithms_available:
            raise ValueError(f"there is no digest {self.digest!r}; sha256 is one")
