"""CADC and CANFAR for vo_auth."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vo_auth.hookspecs import hookimpl

if TYPE_CHECKING:
    from vo_auth.sandbox import StandIn

__all__ = ["vo_auth_standins"]


@hookimpl
def vo_auth_standins() -> list[StandIn]:
    """Return the archive's stand-in."""
    from .standin import STANDIN

    return [STANDIN]
