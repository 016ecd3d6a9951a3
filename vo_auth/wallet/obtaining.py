"""A login from whatever credentials there are, a person's included."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace

from ..credentials import Chosen, ExplicitSource
from ..errors import CredentialsNotFoundError, CredentialsRejectedError, PromptCancelledError
from ..grant import Flow
from ..scrub import scrubbed
from .held import Held, Key, Want
from .keeping import Keeping
from .lock import Locks
from .logins import Logins
from .memory import MemorySource
from .shelf import Shelf
from .standing import Standing

__all__ = ["Obtainer"]


class Obtainer:
    """Choose credentials and log in; remember in this process who declined, and what was typed.

    Parameters
    ----------
    logins, locks, shelf, standing, memory, keeping
        Of the wallet; it holds the lock of the account.
    own
        Whether the credentials belong to one session alone.
    """

    def __init__(
        self,
        *,
        logins: Logins,
        locks: Locks,
        shelf: Shelf,
        standing: Standing,
        memory: MemorySource,
        keeping: Keeping,
        own: bool,
    ) -> None:
        self._logins = logins
        self._locks = locks
        self._shelf = shelf
        self._standing = standing
        self._memory = memory
        self._keeping = keeping
        self._own = own
        self._cancelled: dict[Key, str] = {}

    def forget_refusals(self, archive: str) -> None:
        """Ask again for this archive, whoever declined before."""
        for key in [key for key in self._cancelled if key.archive == archive]:
            self._cancelled.pop(key, None)

    def log_in(
        self,
        want: Want,
        *,
        explicit: ExplicitSource | None = None,
        by_hand: bool = False,
        ask_username: bool = False,
        refused: Held | None = None,
        deadline: float = 30.0,
    ) -> Held:
        """Return what a login gives, not stored yet; or what another process obtained for the same user meanwhile.

        Parameters
        ----------
        want
            For which archive and account.
        explicit
            Credentials to use instead of the sources' own.
        by_hand
            Whether a person says so: then also with credentials that were rejected before.
        ask_username
            Whether a person may name another user than the account's.
        refused
            A permit that is not to be returned.
        deadline
            Seconds for the login client.

        Raises
        ------
        VoAuthError
            When no permit can be had.
        """
        if want.resource:
            want = _for_one_service(want)
        cancelled = self._cancelled.get(want.key)
        if cancelled:
            want = replace(want, interactive=False)
        try:
            with self._person(want, asked=want.interactive is not False):
                chosen = self._logins.choose(want, explicit=explicit, ask_username=ask_username)
            theirs = None if by_hand else self._obtained_meanwhile(want, chosen, refused)
            if theirs is not None:
                return theirs
            with self._person(want, asked=chosen.is_attended):
                held = self._sent(want, chosen, again=by_hand, deadline=deadline)
        except PromptCancelledError as error:
            self._cancelled[want.key] = str(error)
            raise scrubbed(error) from None
        except CredentialsNotFoundError:
            if cancelled:
                raise PromptCancelledError(cancelled) from None
            raise
        if not self._own:
            self._keeping.accepted(chosen, held)
            if chosen.source in ("prompt", "arguments"):
                self._memory.remember(want.archive.name, held.key.account, chosen.values)
        return held

    def _sent(self, want: Want, chosen: Chosen, *, again: bool, deadline: float) -> Held:
        try:
            return self._logins.login(want, chosen, again=again, deadline=deadline)
        except CredentialsRejectedError as error:
            self._keeping.rejected(want, chosen)
            raise scrubbed(error) from None

    def _person(self, want: Want, *, asked: bool) -> AbstractContextManager[None]:
        return self._locks.person(want.key.lock) if asked else nullcontext()

    def _obtained_meanwhile(self, want: Want, chosen: Chosen, refused: Held | None) -> Held | None:
        """Return what another process obtained, now that the user is known."""
        if not want.account.is_unnamed or not chosen.flow.login_urls or not chosen.username or self._own:
            return None
        theirs = self._shelf.current(want.key._replace(account=chosen.username))
        if theirs is not None and self._standing.is_usable(want, theirs, refused=refused):
            return theirs
        return None


def _for_one_service(want: Want) -> Want:
    """Return the wish with those flows alone that ask for one service, and without asking a person for it.

    Raises
    ------
    CredentialsNotFoundError
        When the archive has none.
    """
    flows = tuple(flow for flow in want.archive.flows_of(want.account.label) if _asks_for_services(flow))
    if not flows:
        raise CredentialsNotFoundError(f"{want.archive.title} makes no permits for one service alone")
    return replace(want, archive=replace(want.archive, flows=flows, account_flows={}), interactive=False)


def _asks_for_services(flow: Flow) -> bool:
    return bool(getattr(flow, "resource_parameter", "")) and not getattr(flow, "attended", False)
