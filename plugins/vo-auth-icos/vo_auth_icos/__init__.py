"""ICOS Carbon Portal, ICOS Cities and SITES for vo_auth."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vo_auth.hookspecs import hookimpl

from .archive import ICOS, SITES

if TYPE_CHECKING:
    from vo_auth.archive import Archive
    from vo_auth.sandbox import StandIn

__all__ = ["ICOS", "SITES", "vo_auth_archives", "vo_auth_standins"]


@hookimpl
def vo_auth_archives() -> list[Archive]:
    """Return the two archives that share this software."""
    return [ICOS, SITES]


@hookimpl
def vo_auth_standins() -> list[StandIn]:
    """Return their stand-ins."""
    from .standin import STANDINS

    return list(STANDINS)
