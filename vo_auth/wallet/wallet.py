"""The wallet: a fresh permit for whoever asks, and one login for all of them."""

from __future__ import annotations

import os
import weakref
from collections.abc import Iterable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import replace
from typing import ClassVar

from ..archive import Archive
from ..clock import Clock
from ..credentials import Chosen, CredentialChain, CredentialSource, ExplicitSource
from ..errors import (
    CredentialsNotFoundError,
    LoginInProgressError,
    PermitExpiredError,
    PromptCancelledError,
)
from ..permit import PermitState
from ..secret import Secret
from . import rejections
from .accounts import Account, resolve
from .foretelling import foretold
from .held import Held, Want
from .keeping import Keeping
from .kept import KeptPasswords
from .lock import Locks
from .logins import Logins
from .memory import MemorySource
from .obtaining import Obtainer
from .persistence import Persistence
from .redeem import Redeemer
from .rejections import Rejections
from .renewal import Renewals
from .shelf import Shelf
from .single_flight import SingleFlight
from .standing import Standing, differ
from .vault import Vault
from .waiting import Waiting

__all__ = ["Wallet"]


class Wallet:
    """Keep permits, renew them, remember them across processes.

    Parameters
    ----------
    vault
        The file; None: memory only.
    sources
        Where credentials come from.
    clock
        This machine's clocks.
    patience
        Seconds for which a login endpoint that cannot be reached is tried again after a permit's end.
    """

    LOGOUT_WAIT: ClassVar[float] = 15.0  # seconds, for a renewal that is under way

    def __init__(
        self,
        vault: Vault | None,
        sources: Iterable[CredentialSource],
        *,
        clock: Clock | None = None,
        patience: float = 600.0,
    ) -> None:
        self.clock = clock or Clock()
        self._standing = Standing(self.clock)
        self._memory = MemorySource()
        self._shelf = Shelf(vault, self.clock)
        self._locks = Locks(self._shelf.lock_folder(), self.clock, patience=patience)
        self._kept = KeptPasswords(vault) if vault is not None else None
        self._keeping = Keeping(self._kept)
        chain = CredentialChain((*sources, self._memory, *([self._kept] if self._kept else [])))
        self._logins = Logins(chain, Rejections(self._shelf.vault, self.clock), self.clock, self._standing.skew_of)
        self._own = any(isinstance(source, ExplicitSource) for source in chain.sources)
        redeemer = Redeemer(self._shelf, self._logins, self.clock)
        self._obtainer = Obtainer(
            logins=self._logins,
            locks=self._locks,
            shelf=self._shelf,
            standing=self._standing,
            memory=self._memory,
            keeping=self._keeping,
            own=self._own,
        )
        self._waiting = Waiting(self._shelf, self._standing, self.clock)
        self._flight = SingleFlight(
            clock=self.clock,
            locks=self._locks,
            shelf=self._shelf,
            standing=self._standing,
            obtainer=self._obtainer,
            redeemer=redeemer,
            persistence=Persistence(redeemer, self._obtainer, self._shelf, self.clock, patience=patience),
            keeping=self._keeping,
            waiting=self._waiting,
            account=None if self._own else lambda archive: self.account(archive, None),
        )
        self._renewals = Renewals(self._flight.renew_quietly, self.clock)
        _WALLETS.add(self)

    # ---------------------------------------------------------------- what sessions ask

    def account(self, archive: Archive, label: str | None) -> Account:
        """Return the account that a session with this label means now.

        Raises
        ------
        UnusableCredentialsError
            When a file that a variable names cannot be used.
        """
        if self._own:  # a session's own credentials: the environment has no say
            return Account(label or "", is_label=bool(label))
        return resolve(archive, label, self._shelf.last_login, self._shelf.user_of)

    def permit(self, want: Want) -> Held:
        """Return a permit that is known to be valid now.

        Parameters
        ----------
        want
            For which archive, account and realm.

        Returns
        -------
        Held
            From memory where it is fresh; a stale one at once, while a new one is fetched in the background.

        Raises
        ------
        VoAuthError
            When no permit can be had; never is the caller left to go on without one.
        """
        held = self._shelf.in_memory(want.key)
        if held is not None:
            state = self._standing.state(want, held)
            if state is PermitState.STALE:
                self._renewals.start(want, held)
            if state is not PermitState.EXPIRED:
                return held
        return self._flight.obtain(want)

    def refused(self, want: Want, held: Held, *, dead: bool = False) -> Held | None:
        """Return another permit after the archive refused this one, or None when it is about rights.

        Parameters
        ----------
        want
            As for :meth:`permit`.
        held
            What was refused.
        dead
            Whether the archive said that it is about the permit, not about rights: then also a young one is replaced.

        Returns
        -------
        Held or None
            None for a permit younger than a minute, for the second refusal in ten minutes, and where nothing at hand
            makes another one: the refusal is the archive's answer.

        Raises
        ------
        VoAuthError
            When the credentials that made it are refused as well, or the login cannot be reached.
        """
        current = self._shelf.in_memory(want.key)
        if current is not None and self._standing.is_usable(want, current, refused=held):
            return current
        if self._standing.is_about_rights(held, dead=dead):
            return None
        try:
            renewed = self._flight.obtain(replace(want, interactive=False), refused=held)
        except (CredentialsNotFoundError, PermitExpiredError, PromptCancelledError):
            return None
        return renewed if differ(renewed, held) else None

    def replaced(self, want: Want, held: Held) -> Held:
        """Return another permit for one that ended while its request was on the way.

        Raises
        ------
        VoAuthError
            When no permit can be had.
        """
        current = self._shelf.in_memory(want.key)
        if current is not None and self._standing.is_usable(want, current, refused=held):
            return current
        return self._flight.obtain(want)

    def has_ended(self, want: Want, held: Held) -> bool:
        """Say whether a permit has reached its end by now: an answer that came with it proves nothing then."""
        left = self._standing.left(held)
        return left is not None and left <= 0

    def observe(self, archive: Archive, date: float, *, took: float = 0.0) -> None:
        """Learn the archive's own time from the Date of an answer that came just now, so long after its request."""
        self._standing.observe(archive, date, took=took)

    # ---------------------------------------------------------------- what people ask

    def login(
        self,
        want: Want,
        *,
        credentials: Mapping[str, str | Secret] | None = None,
        flow: str | None = None,
        force: bool = False,
        keep: bool | str = False,
        ask_username: bool = True,
    ) -> Held:
        """Log in now, also with credentials that were rejected before.

        Parameters
        ----------
        want
            For which archive and account.
        credentials
            Credentials to use and to keep in this process; None: those of the sources.
        flow
            The name of the flow to use; None: the first that fits.
        force
            Log in although a valid permit is held.
        keep
            Keep the password once the archive has accepted it: True, or ``"file"`` for also in a plain file. Then, too,
            a valid permit does not do.
        ask_username
            Whether a person may name another user than the account's.

        Returns
        -------
        Held
            The permit.

        Raises
        ------
        VoAuthError
            When no permit can be had.
        ValueError
            When the archive has no flow of that name.
        """
        explicit = ExplicitSource(credentials, want.archive) if credentials else None
        if explicit is not None and not want.account.is_label:
            want = replace(want, account=Account())  # whose credentials these are, they say themselves
        want = replace(want, archive=self._logins.with_flow(want.archive, flow))
        self._keeping.require_place(keep, interactive=want.interactive)
        held = self._login(want, explicit, force=force or bool(keep), ask_username=ask_username)
        self._keeping.settle(want, held, wish=keep or None)
        return held

    def _login(self, want: Want, explicit: ExplicitSource | None, *, force: bool, ask_username: bool) -> Held:
        with self._locks.hold(want.key.lock, what=want.archive.title):
            current = self._shelf.current(want.key)
            if current is not None and not force and explicit is None and self._standing.is_usable(want, current):
                self._shelf.put(current)
                return current
            self._obtainer.forget_refusals(want.archive.name)
            held = self._obtainer.log_in(want, explicit=explicit, by_hand=True, ask_username=ask_username)
            return self._standing.long_enough(
                want, self._flight.keep(want, replace(self._standing.alive(want, held), stored=True))
            )

    def logout(self, archive: str, account: str | None = None) -> list[Held]:
        """Forget an archive's permits, in memory, in the vault and in what this process was told.

        Parameters
        ----------
        archive
            The archive's name; its plugin may be gone.
        account
            Only this account; None: every one.

        Returns
        -------
        list of Held
            What was forgotten.
        """
        self._memory.forget(archive, account)  # first: a renewal that begins now finds nothing to renew with
        with ExitStack() as stack:
            # a renewal under way ends before its permit is forgotten
            for lock in dict.fromkeys(key.lock for key in self._shelf.keys(archive, account)):
                with suppress(LoginInProgressError):
                    stack.enter_context(self._locks.hold(lock, what=archive, limit=self.LOGOUT_WAIT))
            try:
                return self._shelf.forget(archive, account)
            finally:
                if self._kept is not None:
                    self._kept.forget(archive, account)

    def foretell(self, want: Want, held: Held) -> str:
        """Say when work with a permit will stop and what to do; empty when the permit renews without a person."""
        return foretold(want, held, standing=self._standing, logins=self._logins)

    def destroy(self, archives: Iterable[str] = ()) -> None:
        """Remove the wallet's files, also those that cannot be opened any more, and the key to them.

        Parameters
        ----------
        archives
            Whose passwords in the keyring are removed, too.

        Raises
        ------
        WalletError
            When a file, or the key, cannot be removed.
        """
        if self._shelf.vault is None or self._kept is None:
            return
        if self._shelf.vault.is_encrypted:
            for archive in archives:
                self._kept.sweep(archive)
        self._shelf.vault.destroy()

    def revoke(self, archive: Archive, held: Held) -> bool:
        """Revoke a permit at the archive; False where the archive cannot.

        Raises
        ------
        LoginError
            When no answer could be had.
        """
        return self._logins.revoke(Want(archive=archive), held)

    def foresee(self, want: Want) -> tuple[str, str, str]:
        """Return account, kind of permit and its source, as a request would get it now; nothing is sent.

        Raises
        ------
        CredentialsNotFoundError, UnusableCredentialsError, PermitExpiredError
            When a request could get none without asking a person.
        """
        held = self.usable(want)
        if held is not None:
            state = self._standing.state(want, held).value
            return held.key.account, held.grant.permit.kind, f"held, {state}, from {held.origin}"
        chosen = self.preview(want)
        return chosen.username or want.account.label, "new", f"{chosen.flow.name} with {chosen.origin}"

    def usable(self, want: Want) -> Held | None:
        """Return the permit that is held and could be sent now, or None."""
        held = self._shelf.current(want.key)
        return held if held is not None and self._standing.is_usable(want, held) else None

    def preview(self, want: Want) -> Chosen:
        """Return the credentials that a login would use now, and every source that was asked before; nothing is sent.

        Raises
        ------
        CredentialsNotFoundError, UnusableCredentialsError, PermitExpiredError
            When there are none that need no person.
        """
        return self._logins.choose(replace(want, interactive=False))

    @property
    def sources(self) -> tuple[CredentialSource, ...]:
        """The sources of credentials, in the order in which they are asked."""
        return self._logins.sources

    def credentials(self, want: Want) -> Mapping[str, Secret]:
        """Return the credentials that a login would use now, without asking a person; empty where there are none."""
        return self._logins.at_hand(want)

    def everything(self) -> list[Held]:
        """Return all that is held, in memory and in the vault."""
        return self._shelf.everything()

    def kept(self, held: Held) -> str:
        """Say how a permit is kept: ``encrypted file``, ``plain file`` or ``memory``."""
        return self._shelf.kept if held.stored else "memory"

    def state(self, archive: Archive, held: Held) -> PermitState:
        """Say how a permit stands now."""
        return self._standing.state(Want(archive=archive), held)

    def seconds_left(self, archive: str, held: Held) -> float | None:
        """Return how long a permit holds; None where its end is not known."""
        return self._standing.left(held)

    def _after_fork(self) -> None:
        for part in (self._locks, self._renewals, self._shelf, self._memory, self._waiting):
            part.renew_after_fork()


_WALLETS: weakref.WeakSet[Wallet] = weakref.WeakSet()


def _renew_all_after_fork() -> None:
    rejections.renew_after_fork()
    for wallet in list(_WALLETS):
        wallet._after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_all_after_fork)
