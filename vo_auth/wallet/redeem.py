"""Refresh tokens that an archive replaces each time: none is lost, and none is sent twice without need."""

from __future__ import annotations

import warnings
from dataclasses import replace

from ..clock import Clock
from ..errors import WalletWarning
from .held import Held, Want
from .logins import Logins
from .shelf import Shelf

__all__ = ["Redeemer"]


class Redeemer:
    """Redeem the refresh token of a permit, with a note on disk that this has begun.

    An archive that rotates refresh tokens has replaced the old one before its answer arrives. A process that is killed
    in between leaves the note: the next one tries the old token once, and can say why a login is needed.

    Parameters
    ----------
    shelf, logins, clock
        Of the wallet; it holds the lock of the account.
    """

    def __init__(self, shelf: Shelf, logins: Logins, clock: Clock) -> None:
        self._shelf = shelf
        self._logins = logins
        self._clock = clock

    def redeem(self, want: Want, current: Held | None, *, deadline: float = 30.0) -> Held | None:
        """Return a new permit, not stored yet, or None where only a login can make one.

        Parameters
        ----------
        want
            For which archive and account.
        current
            The permit at hand, read under the lock.
        deadline
            Seconds for the login client.

        Raises
        ------
        LoginError
            When no answer could be had; the refresh token may still be good.
        """
        if want.resource:
            return self._redeem_for_one_service(want, deadline)
        if current is None or current.grant.refresh is None:
            return None
        return self._redeemed(want, current, deadline)

    def _redeem_for_one_service(self, want: Want, deadline: float) -> Held | None:
        """Ask with the account's refresh token for a permit for one service (RFC 8707, section 2.2).

        The token's successor belongs to the account, not to this permit: it is on disk before the permit is used.
        """
        base = self._shelf.current(want.key.base)
        if base is None or base.grant.refresh is None or not self._logins.asks_for_services(want, base):
            return None
        renewed = self._redeemed(want, base, deadline)
        if renewed is None:
            return None
        self._note(replace(base, grant=replace(base.grant, refresh=renewed.grant.refresh), redeeming=0.0))
        return replace(renewed, grant=replace(renewed.grant, refresh=None))

    def _redeemed(self, want: Want, current: Held, deadline: float) -> Held | None:
        self._note(replace(current, redeeming=self._clock.wall()))
        renewed = self._logins.renew(want, current, deadline=deadline)
        if renewed is not None:
            return renewed
        # Refused: sending it again could only look like theft (RFC 9700, 4.14.2).
        self._note(replace(current, grant=replace(current.grant, refresh=None), redeeming=0.0))
        if current.redeeming:
            warnings.warn(
                f"The last renewal of the permit for {want.archive.title} was interrupted before its result was saved, "
                "and the archive does not take the old refresh token: a new login is needed",
                WalletWarning,
                stacklevel=2,
            )
        return None

    def _note(self, held: Held) -> None:
        held = self._shelf.store(held, is_default=False)
        if self._shelf.in_memory(held.key) is not None:
            self._shelf.put(held)
