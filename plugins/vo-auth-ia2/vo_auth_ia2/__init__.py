"""IA2, the archives of INAF, for vo_auth."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vo_auth.hookspecs import hookimpl

from .archive import IA2

if TYPE_CHECKING:
    from vo_auth.archive import Archive
    from vo_auth.sandbox import StandIn

__all__ = ["IA2", "vo_auth_archives", "vo_auth_standins"]


@hookimpl
def vo_auth_archives() -> list[Archive]:
    """Return IA2."""
    return [IA2]


@hookimpl
def vo_auth_standins() -> list[StandIn]:
    """Return IA2's stand-in."""
    from .standin import STANDIN

    return [STANDIN]
