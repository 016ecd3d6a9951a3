"""Settings of flows that a user's configuration file may change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any, TypeVar

from .server import OAuthServer

__all__ = ["SERVER_OPTIONS", "with_options"]

F = TypeVar("F")

SERVER_OPTIONS = ("issuer", "discovery", "token_url", "authorization_url", "revocation_url", "jwks_url")


def with_options(flow: F, options: Mapping[str, object]) -> F:
    """Return a flow with some of its fields set; those of its server are named like its own.

    Parameters
    ----------
    flow
        A frozen record with ``options``.
    options
        Values by name.

    Returns
    -------
    flow
        A new record.

    Raises
    ------
    ValueError
        When a name is not among ``flow.options``, or a value is of a wrong type or makes no sense.
    """
    mine: dict[str, Any] = {}
    servers: dict[str, Any] = {}
    known: tuple[str, ...] = flow.options  # type: ignore[attr-defined]  # by its own contract
    server = getattr(flow, "server", None)
    for name, value in options.items():
        if name not in known:
            raise ValueError(f"there is no setting {name!r}; there are {', '.join(sorted(known))}")
        holder: object = server if isinstance(server, OAuthServer) and name in SERVER_OPTIONS else flow
        (mine if holder is flow else servers)[name] = _typed(name, value, getattr(holder, name))
    if servers:
        mine["server"] = _replaced(server, servers)
    changed: F = _replaced(flow, mine)
    return changed


def _typed(name: str, value: object, current: object) -> object:
    if isinstance(current, Mapping):
        if not isinstance(value, Mapping) or not all(isinstance(item, str) for pair in value.items() for item in pair):
            raise ValueError(f"{name!r} is a table of texts")
        return dict(value)
    kinds = {"discovery": (bool, str)}.get(name, (int, float) if isinstance(current, float) else (type(current),))
    if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
        words = {str: "a text", bool: "true or false", int: "a number", float: "a number"}
        raise ValueError(f"{name!r} is {' or '.join(dict.fromkeys(words[kind] for kind in kinds))}")
    return float(value) if isinstance(current, float) and isinstance(value, int) else value


def _replaced(record: Any, changes: Mapping[str, Any]) -> Any:
    assert {field.name for field in fields(record)} >= set(changes)
    return replace(record, **changes)
