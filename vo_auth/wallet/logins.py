"""One login or renewal: credentials chosen, rejections respected, nothing secret left in what is raised."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import TypeVar

from ..archive import Archive, Flow, Grant, LoginContext, Person
from ..clock import Clock
from ..credentials import Chosen, CredentialChain, CredentialSource, ExplicitSource
from ..errors import (
    CredentialsNotFoundError,
    CredentialsRejectedError,
    LoginAnswerError,
    PermitExpiredError,
    VoAuthError,
)
from ..login_client import LoginClient
from ..remedies import login_trouble
from ..scrub import scrubbed
from ..secret import Secret
from .held import Held, Key, Want
from .rejections import Rejections

__all__ = ["Logins"]

T = TypeVar("T")
_CLIENT = ("client_id", "client_secret")
_LOG = logging.getLogger("vo_auth.wallet")

_UNCHANGING = frozenset({"arguments", "this process", "keyring", "prompt"})  # sources of tokens that stay as they are


class Logins:
    """Turn wishes into grants, through the chain of sources and the archive's flows.

    Parameters
    ----------
    chain
        Where credentials come from.
    rejections
        What not to send again.
    clock
        This machine's clocks.
    skew_of_archive
        Returns by how many seconds an archive's clock is ahead.
    """

    def __init__(
        self,
        chain: CredentialChain,
        rejections: Rejections,
        clock: Clock,
        skew_of_archive: Callable[[Archive], float],
    ) -> None:
        self._chain = chain
        self._rejections = rejections
        self._clock = clock
        self._skew_of = skew_of_archive
        self._clients: dict[Key, Mapping[str, Secret]] = {}  # whose refresh tokens are, as this process was told

    @property
    def sources(self) -> tuple[CredentialSource, ...]:
        """The sources of credentials, in the order in which they are asked."""
        return self._chain.sources

    def with_flow(self, archive: Archive, name: str | None) -> Archive:
        """Return the archive with one of its flows alone.

        Raises
        ------
        ValueError
            When it has no flow of that name.
        """
        if name is None:
            return archive
        flows = tuple(flow for flow in archive.flows if flow.name == name)
        if not flows:
            known = ", ".join(repr(flow.name) for flow in archive.flows)
            raise ValueError(f"{archive.title} has no flow {name!r}; it has {known}")
        return replace(archive, flows=flows, account_flows={})

    def choose(self, want: Want, *, explicit: ExplicitSource | None = None, ask_username: bool = False) -> Chosen:
        """Return credentials that are worth sending; those that are known to have ended are passed over.

        Raises
        ------
        CredentialsNotFoundError, UnusableCredentialsError, PromptCancelledError
            As the chain does.
        PermitExpiredError
            When all there is has ended.
        """
        chain = CredentialChain([explicit]) if explicit else self._chain
        archive = replace(want.archive, flows=want.archive.flows_of(want.account.label))
        ended: dict[tuple[str, str], tuple[str, float]] = {}
        passed: dict[tuple[str, str], str] = {}
        while True:
            try:
                chosen = chain.choose(
                    archive,
                    account=want.account.label,
                    username=want.account.username,
                    is_default=want.account.is_default,
                    interactive=want.interactive,
                    ask_username=ask_username,
                    unless=passed,
                )
            except CredentialsNotFoundError as error:
                raise _nothing_left(want, error, ended) from None
            end = self._end_of(want, chosen)
            if end is not None and end <= self._clock.wall() + self._skew_of(want.archive):
                ended[chosen.source, chosen.flow.name] = chosen.origin, end
                passed[chosen.source, chosen.flow.name] = f"that of {chosen.origin} ended at {_moment(end)}"
            elif explicit is None and not ask_username and _is_of_another(want, chosen):
                passed[chosen.source, chosen.flow.name] = f"has those of {chosen.username}, another user"
            else:
                return chosen

    def at_hand(self, want: Want) -> Mapping[str, Secret]:
        """Return the credentials that can be had without asking a person; empty where there are none."""
        try:
            return self.choose(replace(want, interactive=False)).values
        except CredentialsNotFoundError:
            return {}

    def renews(self, want: Want) -> bool:
        """Say whether what is at hand makes another permit, time and again, without a person."""
        try:
            chosen = self.choose(replace(want, interactive=False, min_life=0.0))
        except VoAuthError:
            return False
        if chosen.flow.unattended:
            return True
        if chosen.source == "environment":  # a file that others write anew; a variable stays as it is
            return "_FILE" in chosen.origin or "certificate" in chosen.flow.asks
        return chosen.source not in _UNCHANGING

    def login(self, want: Want, chosen: Chosen, *, again: bool = False, deadline: float = 30.0) -> Held:
        """Send the credentials.

        Parameters
        ----------
        want
            For whom.
        chosen
            Credentials and flow.
        again
            Send them although they were rejected before: a person says so.
        deadline
            Seconds for the login client.

        Raises
        ------
        CredentialsRejectedError
            When the archive refuses them, or refused them before.
        VoAuthError
            As the flow does.
        """
        archive = want.archive
        _trace(archive, chosen)
        if chosen.flow.login_urls and not chosen.is_attended:  # a person's own attempts are not counted
            with self._rejections.sending(archive.name, chosen.values):
                grant, skew = self._sent(want, chosen, again=again, deadline=deadline)
        else:
            grant, skew = self._run(want, chosen, deadline=deadline)
        _LOG.debug("%s: login by %s with %s: done", archive.name, chosen.flow.name, chosen.origin)
        label = want.account.label_for(chosen.username) or grant.identity
        held = self._held(want, label, grant, skew, flow=chosen.flow, origin=chosen.origin)
        self._clients[held.key.base] = {name: chosen.values[name] for name in _CLIENT if name in chosen.values}
        return held

    def _sent(self, want: Want, chosen: Chosen, *, again: bool, deadline: float) -> tuple[Grant, float]:
        archive = want.archive
        if not again and self._rejections.holds(archive.name, chosen.values):
            raise CredentialsRejectedError(
                f"{archive.title} rejected these credentials (from {chosen.origin}) before; they are not sent again, "
                f"because accounts get locked: correct them, or run: vo-auth login {archive.name}"
            )
        try:
            result = self._run(want, chosen, deadline=deadline)
        except CredentialsRejectedError:
            self._rejections.add(archive.name, chosen.values)
            raise
        self._rejections.forget(archive.name, chosen.values)
        return result

    def renew(self, want: Want, current: Held, *, deadline: float = 30.0) -> Held | None:
        """Redeem what a grant brought for its own renewal; None where only a login can do it.

        Raises
        ------
        LoginError
            When no answer could be had.
        """
        flow = _flow_of(want.archive, current)
        if flow is None:
            return None
        grant, skew = self._act(
            want,
            current.key.account,
            self._clients.get(current.key.base, {}),
            lambda ctx: flow.renew(ctx, current.grant),
            deadline=deadline,
        )
        _LOG.debug("%s: renewal by %s: %s", want.archive.name, flow.name, "not possible" if grant is None else "done")
        if grant is None:
            return None
        return self._held(want, current.key.account, grant, skew, flow=flow, origin=current.origin)

    def asks_for_services(self, want: Want, current: Held) -> bool:
        """Say whether the flow of a grant can ask for a permit for one service."""
        return bool(getattr(_flow_of(want.archive, current), "resource_parameter", ""))

    def revoke(self, want: Want, current: Held) -> bool:
        """Revoke a grant at the archive; False where the archive cannot.

        Raises
        ------
        LoginError
            When no answer could be had.
        """
        flow = _flow_of(want.archive, current)
        if flow is None:
            return False
        revoked, _ = self._act(
            want,
            current.key.account,
            self._clients.get(current.key.base, {}),
            lambda ctx: flow.revoke(ctx, current.grant),
            deadline=10.0,
        )
        return revoked

    def _run(self, want: Want, chosen: Chosen, *, deadline: float) -> tuple[Grant, float]:
        return self._act(
            want,
            want.account.label,
            chosen.values,
            chosen.flow.login,
            deadline=deadline,
            attended=chosen.is_attended,
        )

    def _act(
        self,
        want: Want,
        account: str,
        credentials: Mapping[str, Secret],
        act: Callable[[LoginContext], T],
        *,
        deadline: float,
        attended: bool = False,
    ) -> tuple[T, float]:
        """Let a flow act; what it raises leaves without the frames that held its secrets."""
        failure: VoAuthError
        with self._client(want.archive, deadline) as client:
            ctx = LoginContext(
                archive=want.archive,
                client=client,
                credentials=credentials,
                account=account,
                realm=want.realm,
                resource=want.resource,
                person=_person(want) if attended else None,
            )
            try:
                return act(ctx), client.skew
            except VoAuthError as error:
                failure = login_trouble(want.archive, client.last_answer, scrubbed(error))
            except Exception as error:  # a fault of a plugin's flow; its text may repeat what was sent
                failure = LoginAnswerError(
                    f"{want.archive.title}: the login failed inside its flow with {type(error).__name__}: "
                    "report it to the plugin's authors"
                )
        raise failure  # out here: the frames of the flow held the secrets

    def _client(self, archive: Archive, deadline: float) -> LoginClient:
        return LoginClient(
            archive.title,
            archive.credential_origins(),
            deadline=deadline,
            clock=self._clock,
            skew=self._skew_of(archive),
        )

    def _held(self, want: Want, label: str, grant: Grant, skew: float, *, flow: Flow, origin: str) -> Held:
        obtained = self._clock.instant()
        return Held(
            key=Key(want.archive.name, label, want.realm, want.resource),
            grant=grant,
            flow=flow.name,
            origin=origin,
            obtained=obtained,
            server_time=obtained.wall + skew,
            stored=bool(flow.login_urls),
        )

    def _end_of(self, want: Want, chosen: Chosen) -> float | None:
        """Return the end of a permit that the user already holds; nothing is sent to learn it."""
        if chosen.flow.login_urls or chosen.source == "arguments":
            return None  # what was passed as an argument is judged where it is used
        return self._run(want, chosen, deadline=1.0)[0].expires


def _person(want: Want) -> Person | None:
    from ..credentials.prompt import person_for

    return person_for(want.archive, want.interactive)


def _trace(archive: Archive, chosen: Chosen) -> None:
    """Trace a choice; nothing of what was found is written down."""
    for attempt in chosen.attempts:
        _LOG.debug("%s: source %s: %s", archive.name, attempt.source, attempt.outcome)
    _LOG.debug(
        "%s: source %s is used: %s, for the flow %s", archive.name, chosen.source, chosen.origin, chosen.flow.name
    )


def _flow_of(archive: Archive, held: Held) -> Flow | None:
    return next((flow for flow in archive.flows if flow.name == held.flow), None)


def _is_of_another(want: Want, chosen: Chosen) -> bool:
    """Say whether credentials are of another user than the one the account is known to be of."""
    return bool(chosen.username and want.account.username) and chosen.username != want.account.username


def _nothing_left(
    want: Want, error: CredentialsNotFoundError, ended: Mapping[tuple[str, str], tuple[str, float]]
) -> VoAuthError:
    if not ended:
        return error
    rest = str(error).partition("\n")[2]
    return PermitExpiredError(f"{_ended(want.archive, ended.values())}\n{rest}", attempts=error.attempts)


def _ended(archive: Archive, passed: Iterable[tuple[str, float]]) -> str:
    ends = ", ".join(f"the one from {origin} at {_moment(end)}" for origin, end in passed)
    page = f" at {archive.pages.token}" if archive.pages.token else ""
    return (
        f"The permit for {archive.title} has ended ({ends}): get a new one{page}, or run: vo-auth login {archive.name}"
    )


def _moment(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(seconds))
