"""Pages and documents that stand where data was due: told by their type and their first bytes."""

from __future__ import annotations

import re
from collections.abc import Mapping

from ..errors import AnswerError

__all__ = ["FIRST", "require_data"]

#: How many first bytes of an answer are looked at before a file is made.
FIRST = 8192

_HTML_TYPES = ("text/html", "application/xhtml+xml")
_HTML = re.compile(rb"(?:<\?xml[^>]*>\s*|<!--.*?-->\s*)*<(?:!doctype\s+html|html|head)\b", re.IGNORECASE | re.DOTALL)
_MARKS = b"\xef\xbb\xbf\xff\xfe \t\r\n"
# DALI 1.1, section 4.4: <INFO name="QUERY_STATUS" value="ERROR">message</INFO>
_INFO = re.compile(rb"<(?:\w+:)?INFO\b(?P<attributes>[^>]*QUERY_STATUS[^>]*)>(?P<text>[^<]*)", re.DOTALL)
_VOTABLE = re.compile(rb"<(?:\w+:)?VOTABLE\b")
_ERROR = re.compile(rb"value\s*=\s*[\"']ERROR[\"']")
_DATALINK = "content=datalink"


def require_data(headers: Mapping[str, str], start: bytes, *, who: str, name: str, from_table: bool = False) -> None:
    """Require that an answer is data.

    Parameters
    ----------
    headers
        Case-insensitive.
    start
        The first bytes of the content; empty for a packed one.
    who
        The archive, for the message.
    name
        The file's name: one that says HTML may be HTML.
    from_table
        Whether a table gave the URL as that of data.

    Raises
    ------
    AnswerError
        When it is a page, an error document, or a DataLink document instead of what it links to.
    """
    content_type = headers.get("Content-Type", "").lower().replace(" ", "")
    media = content_type.partition(";")[0]
    text = start.lstrip(_MARKS)
    if not name.lower().endswith((".html", ".htm", ".xhtml")) and (media in _HTML_TYPES or _HTML.match(text)):
        raise AnswerError(
            f"{who} answers with an HTML page where data was due, perhaps a login or an error: look at it in a "
            "browser; pages=True (--pages) saves it"
        )
    if not text.startswith(b"<"):
        return
    if _VOTABLE.search(text):
        info = _INFO.search(text)
        if info is not None and _ERROR.search(info["attributes"]):
            raise AnswerError(f"{who} answers with an error where data was due: {_said(info['text'])}")
    if from_table and _DATALINK in content_type:
        raise AnswerError(
            f"{who} answers with a list of links (DataLink) where data was due: "
            "say which to fetch, with semantics='#this' (--semantics '#this')"
        )


def _said(text: bytes) -> str:
    """Return a server's words: one line, short, without controls and without the query of any URL."""
    words = " ".join(text.decode("utf-8", "replace").split())
    plain = "".join(character for character in words if character.isprintable())
    return re.sub(r"\?\S+", "?…", plain)[:200] or "it gives no reason"
