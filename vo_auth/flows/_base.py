"""What the flows share."""

from __future__ import annotations

from ..archive import Grant, LoginContext

__all__ = ["NoRenewal"]


class NoRenewal:
    """A flow whose permit only another login replaces, and which has nothing to revoke."""

    __slots__ = ()

    @property
    def optional(self) -> tuple[str, ...]:
        """Names of credentials that are used where they are there."""
        return ()

    def renew(self, ctx: LoginContext, grant: Grant) -> Grant | None:
        """Return None: only a login can do it."""
        return None

    def revoke(self, ctx: LoginContext, grant: Grant) -> bool:
        """Return False: this permit cannot be revoked here."""
        return False
