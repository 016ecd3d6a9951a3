"""Lengths of time as people write them."""

from __future__ import annotations

import math
import re

__all__ = ["in_words", "seconds_in"]

_UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
_FORM = re.compile(r"(\d+(?:\.\d+)?)\s*([a-z]*)")


def seconds_in(text: float | str) -> float:
    """Return a length of time in seconds.

    Parameters
    ----------
    text
        A number of seconds, or text as ``"90"``, ``"45 min"``, ``"8h"``, ``"1.5d"``.

    Returns
    -------
    float
        Seconds.

    Raises
    ------
    ValueError
        When it is something else.

    Examples
    --------
    >>> seconds_in("8h")
    28800.0
    """
    if isinstance(text, int | float):
        if not 0 <= text < math.inf:
            raise ValueError(f"{text!r} is no length of time")
        return float(text)
    match = _FORM.fullmatch(text.strip().lower())
    if match is None or match[2] not in _UNITS:
        raise ValueError(f"{text!r} is no length of time; write seconds, or as in '45 min', '8h', '2d'")
    return float(match[1]) * _UNITS[match[2]]


def in_words(seconds: float) -> str:
    """Return a length of time as people write it.

    Parameters
    ----------
    seconds
        The length.

    Returns
    -------
    str
        In the largest unit that leaves no fraction.

    Examples
    --------
    >>> in_words(7200), in_words(5400), in_words(45)
    ('2 h', '90 min', '45 s')
    """
    for unit in ("d", "h", "min"):
        count, rest = divmod(seconds, _UNITS[unit])
        if count and not rest:
            return f"{count:.0f} {unit}"
    return f"{seconds:.0f} s"
