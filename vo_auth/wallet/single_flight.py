"""One login for whoever needs the same permit: any number of threads and processes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from ..archive import Archive
from ..clock import Clock
from ..errors import CredentialsNotFoundError, CredentialsRejectedError, PermitExpiredError
from ..permit import PermitState
from ..scrub import scrubbed
from .accounts import Account, require_same_user
from .held import Held, Want
from .keeping import Keeping
from .lock import Locks
from .obtaining import Obtainer
from .persistence import Persistence
from .redeem import Redeemer
from .renewal import Renewals
from .shelf import Shelf
from .standing import Standing, differ, is_better
from .waiting import Waiting

__all__ = ["SingleFlight"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SingleFlight:
    """Obtain permits under the lock of their account.

    Parameters
    ----------
    clock, locks, shelf, standing, obtainer, redeemer, persistence, keeping, waiting
        Of the wallet.
    account
        Returns the account that a session without a label means now; None where credentials belong to one session.
    """

    clock: Clock
    locks: Locks
    shelf: Shelf
    standing: Standing
    obtainer: Obtainer
    redeemer: Redeemer
    persistence: Persistence
    keeping: Keeping
    waiting: Waiting
    account: Callable[[Archive], Account] | None

    def obtain(self, want: Want, *, refused: Held | None = None) -> Held:
        """Return a permit that may be sent: another thread's or process's, a renewed one, or that of a login.

        Parameters
        ----------
        want
            For which archive and account.
        refused
            A permit that is not to be returned.

        Raises
        ------
        VoAuthError
            When no permit can be had.
        """
        try:
            held = self._obtain(want, refused)
        except (CredentialsNotFoundError, CredentialsRejectedError, PermitExpiredError) as error:
            if not self.waiting.can_help(want):
                raise
            reason = scrubbed(error)
        else:
            self.keeping.settle(want, held)
            return held
        return self.waiting.wait(want, reason, refused=refused)

    def keep(self, want: Want, held: Held, *, previous: Held | None = None) -> Held:
        """Put a permit on disk, where it came from a login, and into memory, before anybody uses it."""
        if previous is not None and not held.refusal_renewed:
            held = held.after_refusal(previous.refusal_renewed)
        if want.account.is_label:
            require_same_user(want.archive, self.shelf.current(held.key), held)
        held = self.shelf.store(held, is_default=want.account.is_default or not want.account.is_label)
        unnamed = want.account.is_unnamed and held.key != want.key  # the login told who it is
        self.shelf.put(held, alias=want.key if unnamed else None)
        return held

    def renew_quietly(self, want: Want, held: Held) -> bool:
        """Renew a stale permit without asking anybody; True when there is a better one now."""
        alias = want.key
        want = replace(self._settled(want), interactive=False, min_life=0.0)
        with self.locks.hold(want.key.lock, what=want.archive.title, wait=False) as mine:
            if not mine:
                return True  # somebody else is at it
            current = self.shelf.current(want.key)
            if current is None:
                return False  # logged out meanwhile
            if self.standing.state(want, current) in (PermitState.FRESH, PermitState.UNKNOWN):
                self.shelf.put(current, alias=alias)
                return True
            renewed = self.redeemer.redeem(want, current, deadline=Renewals.DEADLINE) or self.obtainer.log_in(
                want, refused=current, deadline=Renewals.DEADLINE
            )
            if not is_better(renewed, current):
                return False
            self.shelf.put(self.keep(want, self.standing.alive(want, renewed), previous=current), alias=alias)
            return True

    def _obtain(self, want: Want, refused: Held | None) -> Held:
        failed_before = self.persistence.failures(want.key)
        with self.locks.hold(want.key.lock, what=want.archive.title):
            self.persistence.require_no_more_than(failed_before, want.key)
            named = self._settled(want)
            if named.key != want.key:
                held = self._obtain(named, refused)
                self.shelf.put(held, alias=want.key)
                return held
            return self._obtain_locked(want, refused)

    def _obtain_locked(self, want: Want, refused: Held | None) -> Held:
        current = self.shelf.current(want.key)
        if current is not None:
            self.standing.suppose(current)
            if self.standing.is_usable(want, current, refused=refused):
                self.shelf.put(current)
                return current
            if self.standing.lives_too_short(want, current):
                return self.standing.long_enough(want, current)
        long_running = self.shelf.in_memory(want.key) is not None
        held = self.persistence.obtain(want, current, refused, persistent=long_running)
        if refused is not None and differ(held, refused):
            held = held.after_refusal(self.clock.wall())
        return self.standing.long_enough(want, self.keep(want, self.standing.alive(want, held), previous=current))

    def _settled(self, want: Want) -> Want:
        """Give an account that had no name the one of a login that another thread or process made meanwhile."""
        if want.account.label or self.account is None:
            return want
        return replace(want, account=self.account(want.archive))
