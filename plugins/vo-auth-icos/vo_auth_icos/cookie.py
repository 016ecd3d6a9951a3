"""What the cookie's value says (``CookieToToken.scala`` of cpauth), and icoscp_core's file of it (its ``auth.py``)."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from vo_auth import Secret
from vo_auth.archive import Grant

__all__ = ["end_of", "owner_of", "read_file", "write_file"]


def _told(value: str) -> list[Any]:
    """Return end in ms, e-mail and source; nothing for the older layout, which the archive takes as well."""
    with suppress(ValueError, RecursionError):
        start, separator, _ = base64.b64decode(value).partition(b"\x1e")  # the signature is the archive's to check
        told = json.loads(start)
        if separator and isinstance(told, list) and len(told) == 3:
            return told
    return [None, None, None]


def end_of(value: str) -> float | None:
    """Return the end of a cookie in seconds since the epoch; None where it cannot be read."""
    end = _told(value)[0]
    return end / 1000 if isinstance(end, int) and 0 < end < 1e14 else None


def owner_of(value: str) -> str:
    """Return the user's e-mail; empty where it cannot be read."""
    return str(_told(value)[1] or "")


def read_file(text: str) -> Mapping[str, Secret] | None:
    """Return the credentials in a file of icoscp_core; None when it is none."""
    try:
        data = json.loads(text)
        data["user_id"]
    except (ValueError, RecursionError, TypeError, KeyError):
        return None
    with suppress(ValueError, TypeError):
        password = _inverted(bytes.fromhex(data.get("password") or "")).decode()
        values = {"username": data["user_id"], "password": password, "cookie": data.get("cookie_value")}
        return {name: Secret(value) for name, value in values.items() if value}
    raise ValueError("it is not as icoscp_core writes it; write it anew, with auth.init_config_file() say")


def write_file(values: Mapping[str, Secret], grant: Grant) -> str:
    """Return such a file's text: with the password where it is known, with the cookie in any case."""
    user, password = (values.get(name, Secret("")).reveal() for name in ("username", "password"))
    (cookie,) = grant.permit.present("").cookies.items()
    user, password = user or grant.identity, _inverted(password.encode()).hex()
    return json.dumps({"user_id": user, "password": password, "cookie_value": "=".join(cookie) + ";"})


def _inverted(content: bytes) -> bytes:
    """Undo icoscp_core's obfuscation, which is its own inverse and hides nothing."""
    return bytes(byte ^ 0xFF for byte in content)
