"""What the headers of an answer say about a file and its parts (RFC 9110, sections 8, 13 and 14)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from enum import Enum

from requests import Response

from ..sent import sent_with
from .journal import Entry

__all__ = ["Reply", "Step", "identity_of", "next_step", "retry_after"]

_RANGE = re.compile(r"bytes\s+(\d+)-(\d+)/(\d+|\*)", re.IGNORECASE)


class Step(Enum):
    """What to do with an answer."""

    WHOLE = "take it from its beginning"
    APPEND = "add it to what is there"
    AGAIN = "ask again, for all of it"
    SAME = "nothing: the file is the same"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What an answer's headers say.

    Parameters
    ----------
    status
        The HTTP status.
    length
        Bytes of this answer's content; None where not said.
    first, last, total
        Of a part: its first and last byte, and the bytes of the whole; None where not said.
    etag
        A strong one; empty where there is none.
    modified
        Last-Modified as it came.
    date
        Date as it came.
    coding
        The Content-Encoding; empty for none.
    identity
        Whose permit it was sent with, along all redirects.
    """

    status: int
    length: int | None
    first: int | None = None
    last: int | None = None
    total: int | None = None
    etag: str = ""
    modified: str = ""
    date: str = ""
    coding: str = ""
    identity: str = ""

    @classmethod
    def of(cls, response: Response) -> Reply:
        """Read the headers of an answer."""
        headers = response.headers
        etag = headers.get("ETag", "").strip()
        coding = headers.get("Content-Encoding", "").strip().lower()
        found = _RANGE.fullmatch(headers.get("Content-Range", "").strip())
        first, last, total = found.groups() if found else (None, None, None)
        return cls(
            status=response.status_code,
            length=_length(response),
            first=_number(first),
            last=_number(last),
            total=_number(total),
            etag=etag if etag.startswith('"') else "",  # a weak one says nothing about bytes
            modified=headers.get("Last-Modified", "").strip(),
            date=headers.get("Date", ""),
            coding="" if coding == "identity" else coding,
            identity=identity_of(response),
        )

    @property
    def size(self) -> int | None:
        """Bytes of the whole file; None where not said."""
        return self.total if self.status == 206 else self.length

    @property
    def strong_date(self) -> str:
        """Last-Modified, if it is a strong validator: a second or more before Date (RFC 9110, section 8.8.2.2)."""
        try:
            age = parsedate_to_datetime(self.date) - parsedate_to_datetime(self.modified)
        except (TypeError, ValueError):
            return ""
        return self.modified if age.total_seconds() >= 1 else ""


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.isdecimal() else None


def _length(response: Response) -> int | None:
    if "chunked" in response.headers.get("Transfer-Encoding", "").lower():
        return None
    return _number(response.headers.get("Content-Length", "").strip())


def identity_of(response: Response) -> str:
    """Return whose permits an answer and the redirects that led to it were asked with.

    Parameters
    ----------
    response
        From any session.

    Returns
    -------
    str
        As ``eso:DEMOPI``; empty for nobody's.
    """
    found = []
    for hop in (*response.history, response):
        sent = sent_with(hop)
        if sent is not None and sent.permit:
            found.append(f"{sent.archive}:{sent.account}")
    return " ".join(dict.fromkeys(found))


def next_step(reply: Reply, entry: Entry | None, offset: int) -> Step | None:
    """Say what to do with an answer; two versions or two identities are never joined.

    Parameters
    ----------
    reply
        The answer.
    entry
        What is known of the part; None for none.
    offset
        The byte from which on was asked; 0 for all.

    Returns
    -------
    Step or None
        None when the status is no success.
    """
    if reply.status == 304:
        return Step.SAME
    if reply.status in (200, 203):
        return Step.WHOLE
    if reply.status == 416 and offset:
        return Step.AGAIN
    if reply.status != 206 or not offset or entry is None:
        return None
    fits = (
        reply.first == offset
        and reply.last is not None
        and (entry.size is None or reply.total in (None, entry.size))
        and _is_same_version(reply, entry)
        and reply.coding == entry.coding
        and reply.identity == entry.identity
    )
    return Step.APPEND if fits else Step.AGAIN


def _is_same_version(reply: Reply, entry: Entry) -> bool:
    """Compare validators again: a server may send parts and know nothing of If-Range.

    A part must come with the ETag that the whole would have, but need not with its Last-Modified (RFC 9110, 15.3.7).
    """
    if entry.etag:
        return reply.etag == entry.etag
    return reply.modified == entry.modified or (not reply.modified and reply.total == entry.size)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that a Retry-After header asks to wait (RFC 9110, section 10.2.3); None for no such header.

    Parameters
    ----------
    headers
        Case-insensitive; a date is counted from the answer's own Date.

    Returns
    -------
    float or None
        At least 0.

    Examples
    --------
    >>> retry_after({"Retry-After": "7"})
    7.0
    """
    value = headers.get("Retry-After", "").strip()
    if value.isdecimal():
        return float(value)
    try:
        wait = parsedate_to_datetime(value) - parsedate_to_datetime(headers.get("Date", ""))
    except (TypeError, ValueError):
        return None
    return max(wait.total_seconds(), 0.0)
