"""The address at which a login in a browser ends, and what it must hold."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Mapping
from urllib.parse import parse_qsl, urlsplit

__all__ = ["is_plain_path", "path_of", "read_answer"]

_ONCE = ("code", "state", "error", "iss")


def read_answer(url: str, *, redirect_uri: str, state: str) -> Mapping[str, str]:
    """Return the parameters with which an authorization server sent a browser back (RFC 6749, section 4.1.2).

    Parameters
    ----------
    url
        Where the browser was sent.
    redirect_uri
        Where it had to be sent.
    state
        What this login gave along.

    Returns
    -------
    Mapping
        Its parameters; there is either a code or an error.

    Raises
    ------
    ValueError
        When it does not answer this login; the text does not quote it.
    """
    base, _, query = url.partition("?")
    if base != redirect_uri:
        raise ValueError("this is not the address that this login ends at")
    try:
        pairs = parse_qsl(query.partition("#")[0], keep_blank_values=True, max_num_fields=50, errors="strict")
    except ValueError:
        raise ValueError("this address cannot be read") from None
    names = [name for name, _ in pairs]
    if any(names.count(name) > 1 for name in _ONCE):  # RFC 6749, 3.1: never more than once
        raise ValueError("this address says something twice")
    answer = dict(pairs)
    if not hmac.compare_digest(answer.get("state", "").encode(), state.encode()):
        raise ValueError("this address is from another login, or only a part of it was copied")
    if bool(answer.get("code")) == bool(answer.get("error")):
        raise ValueError("this address has no code")
    return answer


def path_of(redirect_path: str, name: str) -> str:
    """Return a configured path, else one of this archive that nobody can guess."""
    return redirect_path or f"/{name}/{secrets.token_urlsafe(16)}"


def is_plain_path(path: str) -> bool:
    """Say whether this can be the path of a redirect address."""
    return path.startswith("/") and not path.startswith("//") and urlsplit(path).path == path and path.isascii()
