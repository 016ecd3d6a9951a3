"""Files as an archive delivers them: a name, a length, one range at a time."""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from urllib.parse import quote

from aiohttp import hdrs, web

__all__ = ["send_bytes"]


async def send_bytes(
    request: web.Request,
    data: bytes,
    *,
    filename: str,
    content_type: str = "application/octet-stream",
    etag: str | None = None,
    last_modified: datetime | None = None,
    inline: bool = False,
) -> web.StreamResponse:
    """Answer GET or HEAD with a file, or with the one range of it that was asked for.

    Parameters
    ----------
    request
        Its method, ``Range``, ``If-Range`` and ``If-None-Match`` are honoured (RFC 9110, sections 13 and 14).
    data
        The whole file.
    filename
        The name for ``Content-Disposition`` (RFC 6266).
    content_type
        As it is sent.
    etag
        A strong validator without quotes; one is made of the data if None is given.
    last_modified
        When the file was changed, with a time zone, or None.
    inline
        Whether the file is meant to be shown rather than saved.

    Returns
    -------
    web.StreamResponse
        200, 206, 304 or 416.
    """
    tag = f'"{etag or hashlib.sha256(data).hexdigest()[:32]}"'
    headers = {
        hdrs.ETAG: tag,
        hdrs.ACCEPT_RANGES: "bytes",
        hdrs.CONTENT_DISPOSITION: _disposition(filename, inline=inline),
        hdrs.CONTENT_TYPE: content_type,
    }
    if last_modified is not None:
        headers[hdrs.LAST_MODIFIED] = format_datetime(last_modified.astimezone(UTC), usegmt=True)
    if tag in _tags(request.headers.get(hdrs.IF_NONE_MATCH, "")):
        return web.Response(status=304, headers=headers)
    part = _asked(request, tag, last_modified, len(data))
    if part is None:
        return web.Response(body=data, headers=headers)
    if part.start >= part.stop:
        headers[hdrs.CONTENT_RANGE] = f"bytes */{len(data)}"
        headers[hdrs.CONTENT_TYPE] = "text/plain"
        return web.Response(status=416, headers=headers, text="the range lies behind the end of the file\n")
    headers[hdrs.CONTENT_RANGE] = f"bytes {part.start}-{part.stop - 1}/{len(data)}"
    return web.Response(status=206, body=data[part.start : part.stop], headers=headers)


def _disposition(filename: str, *, inline: bool) -> str:
    kind = "inline" if inline else "attachment"
    plain = re.sub(r'[^\x20-\x7e]|["\\]', "_", filename)
    if plain == filename:
        return f'{kind}; filename="{filename}"'
    return f"{kind}; filename=\"{plain}\"; filename*=UTF-8''{quote(filename, safe='')}"


def _tags(header: str) -> list[str]:
    return [one.strip().removeprefix("W/") for one in header.split(",")]


def _asked(request: web.Request, tag: str, last_modified: datetime | None, size: int) -> range | None:
    """Return the bytes that were asked for; None means all of them, an empty range that there are none."""
    found = re.fullmatch(r"\s*bytes\s*=\s*(\d*)\s*-\s*(\d*)\s*", request.headers.get(hdrs.RANGE, ""), re.IGNORECASE)
    if found is None or found.groups() == ("", ""):
        return None  # no range, another unit, or several: a server may always send the whole file
    if not _unchanged(request.headers.get(hdrs.IF_RANGE), tag, last_modified):
        return None
    first, last = found.groups()
    if not first:
        return range(max(0, size - int(last)), size) if int(last) else range(size, size)
    if last and int(last) < int(first):
        return None  # RFC 9110, section 14.1.1: such a range is invalid and is ignored
    return range(min(int(first), size), min(int(last) + 1, size) if last else size)


def _unchanged(condition: str | None, tag: str, last_modified: datetime | None) -> bool:
    if condition is None or condition == tag:
        return True
    if condition.startswith(('"', "W/")) or last_modified is None:
        return False
    try:
        return parsedate_to_datetime(condition) == last_modified.replace(microsecond=0)
    except ValueError:
        return False
