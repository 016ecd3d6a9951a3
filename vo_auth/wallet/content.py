"""What the wallet's files say, in JSON."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

__all__ = ["Content", "LaterVersionError", "empty", "joined", "parsed"]

Content = dict[str, Any]

_FORMAT = "vo_auth permits"
_VERSION = 1


class LaterVersionError(Exception):
    """A later vo_auth wrote it: neither damaged nor to be changed."""


def empty() -> Content:
    """Return what a new file holds."""
    return {"format": _FORMAT, "version": _VERSION, "salt": secrets.token_hex(16), "entries": [], "defaults": {},
            "rejected": {}}  # fmt: skip


def parsed(text: bytes) -> Content | None:
    """Return what a file holds, or None when it is damaged.

    Raises
    ------
    LaterVersionError
        When it is of a later version.
    """
    with suppress(ValueError, RecursionError):
        data = json.loads(text)
        if isinstance(data, dict) and data.get("format") == _FORMAT:
            if isinstance(data.get("version"), int) and data["version"] > _VERSION:
                raise LaterVersionError
            if all(isinstance(data.get(name), type(value)) for name, value in empty().items()):
                return data
    return None


def joined(kept: Content, moved: Content) -> Content:
    """Return one vault's content with another's joined to it: of two permits under one key the later one.

    Parameters
    ----------
    kept
        Of the vault that stays; its words win where there is no telling which is later.
    moved
        Of the one that goes.
    """
    entries = list(kept["entries"])
    places = {_key_of(record): place for place, record in enumerate(entries)}
    for record in moved["entries"]:
        place = places.get(_key_of(record))
        if place is None:
            entries.append(record)
        elif _issued(record) > _issued(entries[place]):
            entries[place] = record
    passwords = [*kept.get("passwords", []), *moved.get("passwords", [])]
    seen = {str([one.get("archive"), one.get("account")]): one for one in reversed(passwords) if isinstance(one, dict)}
    return {
        **moved,
        **kept,
        "entries": entries,
        "defaults": {**moved["defaults"], **kept["defaults"]},
        **({"passwords": list(seen.values())} if passwords else {}),
    }


def _key_of(record: Any) -> str:
    if not isinstance(record, Mapping):
        return repr(record)
    return str([record.get(name, "") for name in ("archive", "account", "realm", "resource")])


def _issued(record: Any) -> float:
    with suppress(KeyError, TypeError, ValueError):
        return float(record["grant"]["issued"])
    return float("-inf")
