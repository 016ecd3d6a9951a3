"""What the archive's signed token says: ``SignedToken.java`` of opencadc/core. Its signature is for the archive."""

from __future__ import annotations

import base64

__all__ = ["domains_of", "end_of", "owner_of", "plain"]


def plain(text: str) -> str:
    """Return a token without what surrounds it as a cookie: ``CADC_SSO="…";``."""
    return text.strip().removeprefix("CADC_SSO=").removesuffix(";").strip().strip('"')


def _told(token: str, name: str) -> list[str]:
    """Return what a token says about one thing; nothing for a token of another kind."""
    try:
        text = base64.b64decode(plain(token), validate=True).decode()
    except ValueError:
        return []
    return [pair.partition("=")[2] for pair in text.split("&") if pair.lower().startswith(f"{name}=")]


def end_of(token: str) -> float | None:
    """Return a token's end in seconds since the epoch; None where it cannot be read."""
    ends = [int(end) / 1000 for end in _told(token, "expirytime") if end.isdecimal() and len(end) < 15]
    return min(ends, default=None)


def owner_of(token: str) -> str:
    """Return the user's name; empty where it cannot be read."""
    return "".join(_told(token, "userid")[:1])


def domains_of(token: str) -> list[str]:
    """Return the ends of host names that a token is for; none where it names none."""
    return [name for value in _told(token, "domain") if (name := value.lower().strip("."))]
