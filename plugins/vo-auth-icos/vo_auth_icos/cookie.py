"""What the value of the cookie says of itself, and the file in which icoscp_core keeps it.

Sources: ``CookieToToken.scala`` of ICOS-Carbon-Portal/cpauth; ``auth.py`` of icoscp_core 0.3.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from vo_auth import Secret
from vo_auth.archive import Grant
from vo_auth.permit import CookiePermit

__all__ = ["end_of", "owner_of", "read_file", "write_file"]


def _told(value: str) -> list[Any]:
    """Return end in ms, e-mail and source; empty for the older layout, which the archive takes as well."""
    with suppress(ValueError, RecursionError):
        start, separator, _ = base64.b64decode(value).partition(b"\x1e")  # the signature is the archive's to check
        told = json.loads(start)
        if separator and isinstance(told, list) and len(told) == 3:
            return told
    return []


def end_of(value: str) -> float | None:
    """Return the end of a cookie in seconds since the epoch; None where it cannot be read."""
    end = next(iter(_told(value)), None)
    return end / 1000 if isinstance(end, int) and 0 < end < 1e14 else None


def owner_of(value: str) -> str:
    """Return the user's e-mail; empty where it cannot be read."""
    told = _told(value)
    return told[1] if told and isinstance(told[1], str) else ""


def read_file(text: str) -> Mapping[str, Secret] | None:
    """Return the credentials in a file of icoscp_core; None when it is none."""
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(data, dict) or "user_id" not in data:
        return None
    values = {"username": data["user_id"], "cookie": data.get("cookie_value", ""), "password": data.get("password", "")}
    if not all(isinstance(value, str) for value in values.values()):
        raise ValueError("user_id, password and cookie_value are text")
    try:
        values["password"] = _inverted(bytes.fromhex(values["password"])).decode()
    except ValueError:
        values["password"] = None
    if values["password"] is None:
        raise ValueError("its password is not as icoscp_core writes it; make it anew with auth.init_config_file()")
    return {name: Secret(value) for name, value in values.items() if value}


def write_file(values: Mapping[str, Secret], grant: Grant) -> str:
    """Return such a file's text: with the password where it is known, with the cookie in any case."""
    username, password = (values[name].reveal() if name in values else "" for name in ("username", "password"))
    assert isinstance(grant.permit, CookiePermit)
    data = {
        "user_id": username or grant.identity,
        "password": _inverted(password.encode()).hex(),
        "cookie_value": f"{grant.permit.name}={grant.permit.value.reveal()};",
    }
    return json.dumps(data)


def _inverted(content: bytes) -> bytes:
    """Undo icoscp_core's obfuscation, which is its own inverse and hides nothing."""
    return bytes(byte ^ 0xFF for byte in content)
