"""CADC and CANFAR for vo_auth."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vo_auth.hookspecs import hookimpl

from .archive import CADC

if TYPE_CHECKING:
    from vo_auth.archive import Archive
    from vo_auth.sandbox import StandIn

__all__ = ["CADC", "vo_auth_archives", "vo_auth_standins"]


@hookimpl
def vo_auth_archives() -> list[Archive]:
    """Return the archive."""
    return [CADC]


@hookimpl
def vo_auth_standins() -> list[StandIn]:
    """Return the archive's stand-in."""
    from .standin import STANDIN

    return [STANDIN]
