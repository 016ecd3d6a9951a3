"""One request and its answer in steps, for HTTP libraries other than requests.

The steps are those of :class:`~vo_auth.adapter.PermitAdapter`, without its input and output: a generator says what is
to be done next, and the library's own integration does it, with or without an event loop. So all libraries share one
set of decisions, and none of them blocks a loop while a login runs.
"""

from __future__ import annotations

import os
import weakref
from collections.abc import Generator, Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from .answers import ABOUT_THE_SENDER, anonymous_error, final_error, warn_about_rights, weigh
from .archive import Answer, Archive, Verdict, judge_status
from .claims import Dressing, NoHttpsError, Policy, no_https
from .domain import Target
from .duration import seconds_in
from .edge import Edge
from .errors import BodyNotReplayableError, CallerHeaderWarning, InsecureTransportError
from .login_client import parse_date
from .naming import edge_for
from .registry import Registry, default_registry
from .steps import Answered, Call, Drop, Hop, Peek, Send, Step, Steps
from .wire import bare_request, has_cookie, secure_url

if TYPE_CHECKING:
    from .secret import Secret
    from .wallet import Wallet

__all__ = ["Exchange", "edge_of"]

_OBSERVE_EVERY = 30.0


class Exchange:
    """The exchanges of one transport.

    Parameters
    ----------
    edge
        Its decisions.
    """

    def __init__(self, edge: Edge) -> None:
        self.edge = edge
        self._observed: dict[str, float] = {}
        _EXCHANGES.add(self)

    def steps(self, hop: Hop) -> Steps:
        """Return what is to be done with one request, step by step.

        Parameters
        ----------
        hop
            The request.

        Returns
        -------
        Generator
            Its value is the answer for the caller.
        """
        archive, dressing = yield Call(partial(self._plan, hop))
        if dressing is not None:
            try:
                return (yield from self._converse(hop, dressing))
            except NoHttpsError as error:
                if not self.edge.goes_without(dressing.claim, error):
                    raise
        answer: Answered = yield Send(hop.url)
        if archive is not None:
            page = anonymous_error((yield from self._judged(answer, archive)), answer.status, archive)
            if page is not None:
                yield Drop(answer)
                raise page
        return answer

    def _plan(self, hop: Hop) -> tuple[Archive | None, Dressing | None]:
        """Return what the request gets, and the archive whose login pages must not pass for data."""
        claim = self.edge.claim(hop.target)
        if claim is None:
            self.edge.leave_alone(hop.target)
            return None, None
        archive = claim.match.archive
        callers = self._callers_own(hop, archive)
        if callers:
            return self._left(archive, callers)
        if self.edge.why_undressed(claim):
            return archive, None
        if hop.distrust:
            raise InsecureTransportError(
                f"{archive.title}: no permit goes to {claim.target.origin}: {hop.distrust}; or use vo_auth.anonymous()"
            )
        dressing = self.edge.dress(claim)
        if dressing is None or dressing.held.grant.permit.kind != "certificate":
            return archive, dressing
        if claim.target.origin.scheme == "http":
            raise InsecureTransportError(
                f"{archive.title}: a client certificate cannot be presented to {claim.target.origin} over plain http: "
                "use its https address, or a token"
            )
        return self._left(archive, "a client certificate") if hop.has_certificate else (archive, dressing)

    @staticmethod
    def _callers_own(hop: Hop, archive: Archive) -> str:
        if hop.authorization:
            return "an Authorization header"
        if not hop.cookie or not archive.cookies:
            return ""
        request = bare_request(hop.url)
        request.headers["Cookie"] = hop.cookie
        return "a login cookie" if has_cookie(request, archive.cookies) else ""

    def _left(self, archive: Archive, what: str) -> tuple[None, None]:
        self.edge.say_once(
            CallerHeaderWarning,
            archive.name,
            f"This request has {what} of its own; the permit for {archive.title} is not added.",
        )
        return None, None

    # ---------------------------------------------------------------- request and answer

    def _converse(self, hop: Hop, dressing: Dressing) -> Steps:
        answer = yield from self._transmit(hop, dressing)
        wallet = dressing.wallet
        if dressing.archive.silent and wallet.has_ended(dressing.want, dressing.held):
            yield Drop(answer)  # an ended permit is answered like none: this proves nothing
            held = yield Call(partial(wallet.replaced, dressing.want, dressing.held))
            dressing = self._next(hop, self.edge.again(dressing, held), dressing)
            answer = yield from self._transmit(hop, dressing)
        is_known, verdict = yield from self._parted(hop, answer, dressing)
        if verdict not in {Verdict.OK, *ABOUT_THE_SENDER} and not is_known:
            another = yield from self._another(answer, dressing, verdict)
            if another is not None:
                yield Drop(answer)
                dressing = self._next(hop, another, dressing)
                answer = yield from self._transmit(hop, dressing)
                _, verdict = yield from self._parted(hop, answer, dressing)
        error = final_error(verdict, answer.status, dressing)
        if error is not None:
            yield Drop(answer)
            raise error
        warn_about_rights(verdict, answer.status, dressing, self.edge)
        return answer

    def _another(self, answer: Answered, dressing: Dressing, verdict: Verdict) -> Generator[Step, Any, Dressing | None]:
        try:
            another: Dressing | None = yield Call(partial(self.edge.refused, dressing, dead=verdict is Verdict.DEAD))
        except BaseException:
            yield Drop(answer)  # nobody else would: a full pool would wait for its connection for ever
            raise
        return another

    def _next(self, hop: Hop, dressing: Dressing | None, old: Dressing) -> Dressing:
        assert dressing is not None
        if not hop.can_resend:
            raise BodyNotReplayableError(
                f"{old.archive.title} did not take the permit after the body was sent; the permit is renewed, "
                "but this body cannot be sent twice: call again with a new one"
            )
        return dressing

    def _transmit(self, hop: Hop, dressing: Dressing, *, question: bool = False) -> Steps:
        url = secure_url(hop.url) if dressing.claim.plain_http and not question else hop.url
        started = dressing.wallet.clock.elapsed()
        try:
            answer: Answered = yield Send(url, dressing, self.edge.cookies, question)
        except hop.no_connection as error:
            if dressing.claim.plain_http and isinstance(error, Exception):
                raise no_https(dressing.claim, None, error) from None
            raise
        self.edge.cookies.keep_lines(dressing.jar, url, answer.set_cookie)
        self._observe(answer, dressing, started)
        return answer

    def _judged(self, answer: Answered, archive: Archive) -> Generator[Step, Any, Verdict]:
        """Ask the archive; where its judge wants to see more of the body, let that be read and ask again."""
        if answer.status < 400 and archive.judge is judge_status and not archive.told:
            return Verdict.OK
        while True:
            seen = Answer(
                status=answer.status,
                headers=answer.headers,
                url=answer.url,
                location=answer.location,
                peek=partial(_look, answer),
            )
            try:
                return weigh(seen, archive)
            except _UnseenError as unseen:
                count = unseen.count
            yield Peek(answer, count)

    def _parted(self, hop: Hop, answer: Answered, dressing: Dressing) -> Generator[Step, Any, tuple[bool, Verdict]]:
        """Judge an answer; where a page stands in place of data, ask the archive whether it knows the permit's owner.

        Returns
        -------
        tuple
            Whether it does, and the verdict: DEAD if it takes the sender for nobody.
        """
        verdict = yield from self._judged(answer, dressing.archive)
        claim, whoami = dressing.claim, dressing.archive.whoami
        if verdict not in (Verdict.LICENCE, Verdict.LOGIN_PAGE) or whoami is None:
            return False, verdict
        target = Target(claim.target.origin, whoami.path)
        if not claim.match.domain.covers(target):
            return False, verdict
        yield Drop(answer)
        try:
            told = yield from self._transmit(
                replace(hop, url=f"{target.origin}{target.path}", target=target), dressing, question=True
            )
        except Exception:  # of whatever library
            return False, verdict
        yield Peek(told, _WHOLE)
        try:
            name = whoami.read(
                Answer(status=told.status, headers=told.headers, url=told.url, peek=lambda count: told.start[:count])
            )
        except ValueError:
            return False, verdict
        finally:
            yield Drop(told)
        return bool(name), (verdict if name else Verdict.DEAD)

    def _observe(self, answer: Answered, dressing: Dressing, started: float) -> None:
        archive, wallet = dressing.archive, dressing.wallet
        now = wallet.clock.elapsed()
        last = self._observed.get(archive.name)
        if last is not None and now - last < _OBSERVE_EVERY:
            return
        self._observed[archive.name] = now
        date = parse_date(answer.headers)
        if date is not None:
            wallet.observe(archive, date, took=now - started)


_WHOLE = 64 * 1024


class _UnseenError(BaseException):
    """A judge wants to see more of a body than was read; no ``except Exception`` of a plugin stops it."""

    def __init__(self, count: int) -> None:
        super().__init__(count)
        self.count = count


def _look(answer: Answered, count: int) -> bytes:
    if answer.looked < count:
        raise _UnseenError(count)
    return answer.start[:count]


# -------------------------------------------------------------------- what integrations share


def edge_of(
    url: str | None,
    *,
    account: str | None,
    required: bool,
    interactive: bool | None,
    min_life: float | str | None,
    sources: Mapping[str, str] | None,
    registry: Registry | None,
    wallet: Wallet | None,
    credentials: Mapping[str, str | Secret],
) -> Edge:
    """Return the edge of a transport; the arguments are those of :class:`vo_auth.AuthSession`.

    Raises
    ------
    PluginNotInstalledError
        When the URL belongs to a known archive whose plugin is not installed.
    TypeError
        When credentials are given without a URL, or under a name that is not known, or together with ``sources``.
    UnusableCredentialsError
        When the file of credentials cannot be used.
    ValueError
        When ``min_life`` cannot be read, or a source is not known.
    """
    given = {name: value for name, value in credentials.items() if value is not None}
    if given and url is None:
        raise TypeError("credentials need the URL of the archive they are for: url=…, token=…")
    if given and sources:
        raise TypeError("credentials belong to one transport alone, so that no source is asked: leave out `sources`")
    policy = Policy(
        account=account,
        required=required,
        interactive=interactive,
        min_life=seconds_in(min_life) if min_life is not None else 0.0,
    )
    return edge_for(policy, url, registry or default_registry(), wallet, given, sources=sources)


_EXCHANGES: weakref.WeakSet[Exchange] = weakref.WeakSet()


def _renew_all_after_fork() -> None:
    for exchange in list(_EXCHANGES):
        exchange.edge.renew_after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_all_after_fork)
