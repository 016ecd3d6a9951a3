"""The transport edge: the permit goes onto a copy of the request, and stays here.

Decided once per hop, on the connection that will really be made. What goes back to the caller (response, history,
hooks, exceptions) holds the plain request.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections import OrderedDict
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from requests import ConnectionError as NoConnectionError
from requests import PreparedRequest, Response
from requests.adapters import BaseAdapter
from requests.auth import _basic_auth_str
from requests.exceptions import InvalidURL, RequestException, UnrewindableBodyError
from requests.utils import get_auth_from_url, get_netrc_auth, rewind_body

from .answers import ABOUT_THE_SENDER, judge, parted, settled, unless_login_page
from .archive import Verdict
from .claims import Claim, Dressing, NoHttpsError, no_https
from .connections import CertifiedAdapter, dials_as_written, dials_nothing, is_unverified, tells
from .domain import Origin, Target
from .edge import Edge
from .errors import BodyNotReplayableError, CallerHeaderWarning, InsecureTransportError
from .login_client import parse_date
from .scrub import scrubbed
from .sent import Sent, noted
from .wire import (
    AmbientHeader,
    add_cookies,
    dressed_copy,
    drop,
    has_cookie,
    hide_cookies,
    secure_url,
)

if TYPE_CHECKING:
    from .permit import Permit

__all__ = ["PermitAdapter"]

_OBSERVE_EVERY = 30.0
_REMEMBERED = 64
_CERTIFIED = 4
_OWN = frozenset({"inner", "edge"})


_OUTSIDE = Sent(why="no installed archive claims this origin and path")


class PermitAdapter(BaseAdapter):
    """Wrap a transport adapter with the edge.

    Parameters
    ----------
    inner
        The adapter that makes connections; attributes that are read or set here are its own.
    edge
        The decisions of the session.
    netrc
        Whether the session around it may have read a netrc file: an Authorization header from there is replaced.
    """

    def __init__(self, inner: BaseAdapter, edge: Edge, *, netrc: bool = True) -> None:
        super().__init__()
        self.inner = inner
        self.edge = edge
        self._netrc = netrc
        self._claims: dict[str, Claim] = {}
        self._certified: OrderedDict[tuple[int, object], CertifiedAdapter] = OrderedDict()
        self._guard = threading.Lock()
        self._observed: dict[str, float] = {}
        _ADAPTERS.add(self)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name == "inner":
            raise AttributeError(name)
        return getattr(self.inner, name)

    def __setattr__(self, name: str, value: Any) -> None:
        if name in _OWN or name.startswith("_"):
            super().__setattr__(name, value)
        else:
            setattr(self.inner, name, value)  # session.get_adapter(url).max_retries = 3

    def __reduce__(self) -> tuple[Any, ...]:
        return _as_it_is, (self.inner,)  # the session that takes it puts its own edge around it

    def __repr__(self) -> str:
        return f"<PermitAdapter around {self.inner!r}>"

    def close(self) -> None:
        """Close the connections, those with client certificates included."""
        self.inner.close()
        while self._certified:
            self._certified.popitem()[1].close()

    def renew_after_fork(self) -> None:
        """Forget who held the locks in the parent, and close: a shared connection would mix the answers of two."""
        self._guard = threading.Lock()
        self.edge.renew_after_fork()
        self.close()

    def send(self, request: PreparedRequest, *args: Any, **kwargs: Any) -> Response:
        """Send a request, dressed where a permit is due.

        Parameters
        ----------
        request
            The plain request.
        *args, **kwargs
            As for ``requests.adapters.HTTPAdapter.send``.

        Returns
        -------
        requests.Response
            Its ``request`` is the plain one.

        Raises
        ------
        VoAuthError
            When a permit is due and cannot be had, or cannot go.
        requests.RequestException
            As the wrapped adapter raises; with the plain request.
        """
        if args:
            kwargs |= zip(("stream", "timeout", "verify", "cert", "proxies"), args, strict=False)
        claim = self._claim(request, kwargs)
        if claim is None:
            return noted(self._plainly(request, kwargs), _OUTSIDE)
        callers = self._callers_own(request, claim)
        if callers:
            return self._with_callers_own(request, kwargs, claim, callers)
        why = self.edge.why_undressed(claim)
        dressing = None
        if not why:
            self._require_safe(claim, kwargs)
            dressing = self.edge.dress(claim)
        if dressing is None:
            sent = Sent(claim.match.archive.name, why=why or "no credentials were found, and none were required")
            return noted(unless_login_page(self._plainly(request, kwargs), claim.match.archive), sent)
        if dressing.held.grant.permit.kind == "certificate" and claim.target.origin.scheme == "http":
            raise InsecureTransportError(
                f"{claim.match.archive.title}: a client certificate cannot be presented to {claim.target.origin} over "
                "plain http: use its https address, or a token"
            )
        if kwargs.get("cert") and dressing.held.grant.permit.kind == "certificate" and not claim.plain_http:
            return self._with_callers_own(request, kwargs, claim, "a client certificate")
        try:
            return self._converse(request, dressing, kwargs)
        except NoHttpsError as error:
            if not self.edge.goes_without(claim, error):
                raise
        sent = Sent(claim.match.archive.name, why="it was asked by plain http, and https does not answer")
        return noted(unless_login_page(self._plainly(request, kwargs), claim.match.archive), sent)

    # ---------------------------------------------------------------- where it goes

    def _claim(self, request: PreparedRequest, kwargs: Mapping[str, Any]) -> Claim | None:
        """Return whose request it is; decided on what the wrapped adapter says that it will dial."""
        url = request.url or ""
        remembered = self._claims.get(url)
        if remembered is not None:
            return remembered
        target = self._target(request, kwargs)
        claim = self.edge.claim(target)
        if claim is None:
            self.edge.leave_alone(target)
        elif dials_as_written(self.inner):  # then the same URL is the same claim
            if len(self._claims) >= _REMEMBERED:
                self._claims.clear()
            self._claims[url] = claim
        return claim

    def _target(self, request: PreparedRequest, kwargs: Mapping[str, Any]) -> Target:
        if not tells(self.inner):
            return Target.from_url(request.url or "")
        try:
            host, _ = self.inner.build_connection_pool_key_attributes(
                request, kwargs.get("verify", True), kwargs.get("cert")
            )
        except ValueError as error:
            raise InvalidURL(error, request=request) from None
        return Target(Origin.of(host["scheme"], host["host"], host["port"]), request.path_url.partition("?")[0])

    def _require_safe(self, claim: Claim, kwargs: Mapping[str, Any]) -> None:
        """Require that the connection is known and verified, before anything is asked for a permit."""
        origin = claim.target.origin
        if not tells(self.inner) and not dials_nothing(self.inner):
            raise InsecureTransportError(
                f"{type(self.inner).__qualname__} cannot tell where it connects to, so no permit is given to it for "
                f"{origin}: mount an HTTPAdapter there"
            )
        if origin.scheme == "https" and (not kwargs.get("verify", True) or is_unverified(self.inner)):
            raise InsecureTransportError(
                f"{claim.match.archive.title}: no permit goes to {origin} while its certificate is not verified "
                "(verify=False); give verify= the path of the CA bundle to trust, or use vo_auth.anonymous()"
            )

    def _callers_own(self, request: PreparedRequest, claim: Claim) -> str:
        """Return what the caller logs in with, in words, or an empty text: it stays, and is said once."""
        given = request.headers.get("Authorization")
        if given is not None and not isinstance(given, AmbientHeader):
            if given not in self._ambient_headers(request.url or ""):
                return "an Authorization header"
            request.headers["Authorization"] = AmbientHeader(given)  # still known after a redirect
        names = claim.match.archive.cookies
        return "a login cookie" if names and has_cookie(request, names) else ""

    def _ambient_headers(self, url: str) -> list[str]:
        """Return the Authorization headers that userinfo in the URL or a netrc file would have produced."""
        pairs = [get_auth_from_url(url) if "@" in url else None, get_netrc_auth(url) if self._netrc else None]
        return [_basic_auth_str(*pair) for pair in pairs if pair and any(pair)]

    def _with_callers_own(
        self, request: PreparedRequest, kwargs: Mapping[str, Any], claim: Claim, what: str
    ) -> Response:
        """Send what the caller dressed; it is said once."""
        archive = claim.match.archive
        self.edge.say_once(
            CallerHeaderWarning,
            archive.name,
            f"This request has {what} of its own; the permit for {archive.title} is not added.",
        )
        return noted(self._plainly(request, kwargs), Sent(archive.name, why=f"the caller gave {what}"))

    # ---------------------------------------------------------------- request and answer

    def _plainly(self, request: PreparedRequest, kwargs: Mapping[str, Any]) -> Response:
        response = self.inner.send(request, **kwargs)
        response.connection = self  # type: ignore[assignment]  # it is one adapter or another
        return response

    def _converse(self, request: PreparedRequest, dressing: Dressing, kwargs: Mapping[str, Any]) -> Response:
        """Send, judge the answer, and send once more with another permit where that can help."""
        response = self._transmit(request, dressing, kwargs)
        if dressing.archive.silent and dressing.wallet.has_ended(dressing.want, dressing.held):
            drop(response)  # an ended permit is answered like none: this proves nothing
            held = dressing.wallet.replaced(dressing.want, dressing.held)
            dressing = self._next(request, self.edge.again(dressing, held), dressing)
            response = self._transmit(request, dressing, kwargs)
        is_known, verdict = self._judged(response, dressing, kwargs)
        if verdict is Verdict.OK:
            return response
        if verdict in ABOUT_THE_SENDER:
            return settled(response, verdict, dressing, self.edge)
        try:
            another = None if is_known else self.edge.refused(dressing, dead=verdict is Verdict.DEAD)
        except BaseException:
            drop(response)  # nobody else would: a blocking pool would wait for its connection for ever
            raise
        if another is not None:
            drop(response)
            dressing = self._next(request, another, dressing)
            response = self._transmit(request, dressing, kwargs)
            _, verdict = self._judged(response, dressing, kwargs)
        return settled(response, verdict, dressing, self.edge)

    def _judged(self, response: Response, dressing: Dressing, kwargs: Mapping[str, Any]) -> tuple[bool, Verdict]:
        verdict = judge(response, dressing.archive)
        if verdict not in (Verdict.LICENCE, Verdict.LOGIN_PAGE):
            return False, verdict
        return parted(response, verdict, dressing, lambda asked: self._transmit(asked, dressing, kwargs))

    def _next(self, request: PreparedRequest, dressing: Dressing | None, old: Dressing) -> Dressing:
        assert dressing is not None
        body = request.body
        if body is None or isinstance(body, str | bytes | bytearray):
            return dressing
        try:
            rewind_body(request)
        except UnrewindableBodyError:
            raise BodyNotReplayableError(
                f"{old.archive.title} did not take the permit after the body was sent; the permit is renewed, "
                "but this body cannot be sent twice: call again with a new one",
                request=request,
            ) from None
        return dressing

    def _transmit(self, request: PreparedRequest, dressing: Dressing, kwargs: Mapping[str, Any]) -> Response:
        started = dressing.wallet.clock.elapsed()
        outcome = self._send_dressed(request, dressing, kwargs)
        if isinstance(outcome, NoConnectionError) and dressing.claim.plain_http:
            raise no_https(dressing.claim, request, outcome)
        if isinstance(outcome, BaseException):
            raise outcome  # out here: the frames that held the dressed request are gone
        self._observe(outcome, dressing, started)
        return outcome

    def _send_dressed(
        self, request: PreparedRequest, dressing: Dressing, kwargs: Mapping[str, Any]
    ) -> Response | BaseException:
        """Return the response, or the exception without what it remembers of the permit."""
        url = request.url or ""
        origin = dressing.claim.target.origin
        options = {**kwargs, "proxies": {}} if origin.scheme == "http" and origin.is_loopback else kwargs
        permit, cookies = dressing.held.grant.permit, self.edge.cookies
        try:
            if dressing.claim.plain_http:
                url = secure_url(url)
            presentation = permit.present(url)
            dressed = dressed_copy(request, url, presentation)
            kept = cookies.header(dressing.jar, dressed)
            if kept or presentation.cookies:
                add_cookies(dressed, presentation.cookies, kept)
            if presentation.ssl_context is None:
                response = self.inner.send(dressed, **options)
            else:
                response = self._certified_by(permit, options).send(dressed, **{**options, "cert": None})
            cookies.keep(dressing.jar, dressed, response)
        except BaseException as error:
            return self._plain_error(error, request)
        held = dressing.held
        return noted(self._mine(response, request), Sent(held.key.archive, held.key.account, permit.kind))

    def _certified_by(self, permit: Permit, options: Mapping[str, Any]) -> BaseAdapter:
        """Return connections that present a certificate: a pool for each permit and each choice whom to trust.

        A TLS context takes in the CA bundle of every connection made with it, so neither is shared.
        """
        key = (id(permit), options.get("verify", True))
        with self._guard:
            adapter = self._certified.get(key)
            if adapter is None:
                if len(self._certified) >= _CERTIFIED:
                    self._certified.popitem(last=False)[1].close()
                adapter = self._certified[key] = CertifiedAdapter(permit, self.inner)
        return adapter

    def _plain_error(self, error: BaseException, request: PreparedRequest) -> BaseException:
        if isinstance(error, RequestException):
            error.request = request
            if error.response is not None:  # of an adapter that raises for a status
                hide_cookies(error.response)
                self._mine(error.response, request)
        return scrubbed(error)

    def _mine(self, response: Response, request: PreparedRequest) -> Response:
        response.request = request
        response.connection = self  # type: ignore[assignment]  # as above
        return response

    def _observe(self, response: Response, dressing: Dressing, started: float) -> None:
        """Learn the archive's time now and then: reading a date costs as much as the rest of the edge."""
        archive, wallet = dressing.archive, dressing.wallet
        now = wallet.clock.elapsed()
        last = self._observed.get(archive.name)
        if last is not None and now - last < _OBSERVE_EVERY:
            return
        self._observed[archive.name] = now
        date = parse_date(response.headers)
        if date is not None:
            wallet.observe(archive, date, took=now - started)


def _as_it_is(inner: BaseAdapter) -> BaseAdapter:
    return inner


_ADAPTERS: weakref.WeakSet[PermitAdapter] = weakref.WeakSet()


def _renew_all_after_fork() -> None:
    for adapter in list(_ADAPTERS):
        adapter.renew_after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_all_after_fork)
