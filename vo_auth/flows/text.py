"""Text of servers, before a person sees it."""

from __future__ import annotations

import re
import unicodedata

__all__ = ["plain_text"]

# Terminal escapes: CSI, OSC (up to BEL or ST), and the short ones (ECMA-48); also with the 8-bit introducers.
_ESCAPES = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"
    r"|(?:\x1b[\]PX^_]|[\x9d\x90\x98\x9e\x9f]).*?(?:\x07|\x1b\\|\x9c|$)"
    r"|\x1b[ -/]*[0-~]?",
    re.DOTALL,
)


def plain_text(text: str, *, limit: int = 200) -> str:
    r"""Return text in one line, without terminal escapes, controls and what turns the direction of writing.

    Parameters
    ----------
    text
        Any text.
    limit
        How many characters are kept.

    Returns
    -------
    str
        Nothing that a terminal or a page could take for more than text.

    Examples
    --------
    >>> plain_text("\x1b[31mred\x1b[0m and \u202egnp.exe")
    'red and gnp.exe'
    """
    text = _ESCAPES.sub("", text)
    kept = "".join(" " if char.isspace() else char for char in text if char.isspace() or _is_visible(char))
    kept = " ".join(kept.split())
    return kept if len(kept) <= limit else kept[: limit - 1] + "…"


def _is_visible(char: str) -> bool:
    return not unicodedata.category(char).startswith("C")  # controls, formats (bidi among them), halves, private ones
