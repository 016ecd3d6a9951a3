"""Look at a token that might be a JWT: a hint about its end, never a check.

Checks of signatures are joserfc's work; this one never raises and is never trusted with more than renewing early.
"""

from __future__ import annotations

import base64
import json
from contextlib import suppress
from typing import Any

__all__ = ["expiry_of", "issued_of", "read_claims"]


def read_claims(token: str) -> dict[str, Any]:
    """Return the claims of a JWT without verifying anything (RFC 7519, section 3).

    Parameters
    ----------
    token
        Any text.

    Returns
    -------
    dict
        The claims; empty when the text is no JWT: opaque tokens are not guessed at.

    Examples
    --------
    >>> read_claims("opaque")
    {}
    """
    parts = token.split(".")
    if len(parts) != 3:
        return {}
    with suppress(ValueError, RecursionError):
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
        if isinstance(claims, dict):
            return claims
    return {}


def _moment(token: str, claim: str) -> float | None:
    value = read_claims(token).get(claim)
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < 1e11:
        return float(value)
    return None


def expiry_of(token: str) -> float | None:
    """Return the ``exp`` of a JWT in seconds since the epoch, or None where there is none that makes sense."""
    return _moment(token, "exp")


def issued_of(token: str) -> float | None:
    """Return the ``iat`` of a JWT in seconds since the epoch, or None where there is none that makes sense."""
    return _moment(token, "iat")
