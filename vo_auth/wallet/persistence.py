"""A login endpoint that cannot be reached is tried again, for as long as a running job may wait."""

from __future__ import annotations

import logging

from ..clock import Clock
from ..errors import LoginUnreachableError
from ..scrub import scrubbed
from .held import Held, Key, Want
from .obtaining import Obtainer
from .redeem import Redeemer
from .shelf import Shelf

__all__ = ["Persistence"]

_LOG = logging.getLogger("vo_auth.wallet")
_FIRST_WAIT, _LONGEST_WAIT = 1.0, 30.0


class Persistence:
    """Renew or log in, more than once where the network fails; remember failures for those who waited for them.

    Parameters
    ----------
    redeemer, obtainer, shelf, clock
        Of the wallet; it holds the lock of the account.
    patience
        Seconds for which a job that has had a permit before tries again.
    """

    def __init__(self, redeemer: Redeemer, obtainer: Obtainer, shelf: Shelf, clock: Clock, *, patience: float) -> None:
        self._redeemer = redeemer
        self._obtainer = obtainer
        self._shelf = shelf
        self._clock = clock
        self._patience = patience
        self._failures: dict[Key, tuple[int, LoginUnreachableError]] = {}

    def failures(self, key: Key) -> int:
        """Return how many logins have failed so far."""
        return self._failures[key][0] if key in self._failures else 0

    def require_no_more_than(self, before: int, key: Key) -> None:
        """Require that no login has failed while this one waited for it: it would only fail once more.

        Raises
        ------
        LoginUnreachableError
            When one has.
        """
        failures, failure = self._failures.get(key, (0, None))
        if failure is not None and failures > before:
            raise LoginUnreachableError(str(failure), retry_after=failure.retry_after)

    def obtain(self, want: Want, current: Held | None, refused: Held | None, *, persistent: bool) -> Held:
        """Return a new permit, not stored yet.

        Parameters
        ----------
        want
            For which archive and account.
        current
            The permit at hand, whatever its state.
        refused
            A permit that is not to be returned.
        persistent
            Whether to try again for as long as a running job may wait.

        Raises
        ------
        VoAuthError
            When no permit can be had.
        """
        patience = self._patience if persistent else 0.0
        start, wait = self._clock.elapsed(), _FIRST_WAIT
        while True:
            try:
                return self._redeemer.redeem(want, current) or self._obtainer.log_in(want, refused=refused)
            except LoginUnreachableError as error:
                pause = max(wait, error.retry_after or 0.0)
                if self._clock.elapsed() - start + pause > patience:
                    self._failures[want.key] = self.failures(want.key) + 1, scrubbed(error)
                    raise
                _LOG.warning("%s; next try in %.0f s", error, pause)
            self._clock.sleep(pause)
            wait = min(wait * 2, _LONGEST_WAIT)
            current = self._shelf.current(want.key) if current is not None else None
