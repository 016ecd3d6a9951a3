"""The transport edge: the permit goes onto a copy of the request, and stays here.

Decided once per hop, on the connection that will really be made. What goes back to the caller (response, history,
hooks, exceptions) holds the plain request.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from requests import PreparedRequest, Response
from requests.adapters import BaseAdapter, HTTPAdapter
from requests.auth import _basic_auth_str
from requests.cookies import RequestsCookieJar
from requests.exceptions import InvalidURL, RequestException, UnrewindableBodyError
from requests.utils import get_auth_from_url, get_netrc_auth, rewind_body

from .archive import Answer, Archive, Verdict
from .domain import Origin, Target
from .edge import Dressing, Edge
from .errors import (
    BodyNotReplayableError,
    CallerHeaderWarning,
    InsecureTransportError,
    LicenceRequiredError,
    LoginPageError,
    RefusedWarning,
)
from .login import parse_date
from .registry import Match
from .scrub import scrubbed
from .wire import dressed_copy, drop, keep_cookies, peek_into, redirect_target

if TYPE_CHECKING:
    import ssl

    from .permit import Presentation

__all__ = ["Adapters", "PermitAdapter"]

_OBSERVE_EVERY = 30.0
# Adapters of test libraries that dial nothing, and so have no connection to ask about.
_DIAL_NOTHING = frozenset({"requests_mock.adapter.Adapter"})


class PermitAdapter(BaseAdapter):
    """Wrap a transport adapter with the edge.

    Parameters
    ----------
    inner
        The adapter that makes connections.
    edge
        The decisions of the session.
    """

    def __init__(self, inner: BaseAdapter, edge: Edge) -> None:
        super().__init__()
        self.inner = inner
        self.edge = edge
        self._jars: dict[tuple[str, str, Origin], RequestsCookieJar] = {}
        self._certified: OrderedDict[int, _CertifiedAdapter] = OrderedDict()
        self._observed: dict[str, float] = {}

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name == "inner":
            raise AttributeError(name)
        return getattr(self.inner, name)

    def __reduce__(self) -> tuple[Any, ...]:
        return _as_it_is, (self.inner,)  # the session that takes it puts its own edge around it

    def __repr__(self) -> str:
        return f"<PermitAdapter around {self.inner!r}>"

    def close(self) -> None:
        """Close the connections, those with client certificates included."""
        self.inner.close()
        while self._certified:
            self._certified.popitem()[1].close()

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
        target = self._target(request, kwargs)
        claim = self.edge.claim(target)
        if claim is None or self._is_callers(request, claim[0]):
            return self._mine(self.inner.send(request, **kwargs), request)
        match, plain_http = claim
        if not plain_http:
            self._require_verified(target.origin, match, kwargs)
        dressing = self.edge.dress(match, plain_http=plain_http, url=request.url or "")
        if dressing is None:
            return self._as_everybody(self._mine(self.inner.send(request, **kwargs), request), match.archive)
        return self._converse(request, dressing, target, kwargs)

    # ---------------------------------------------------------------- where it goes

    def _target(self, request: PreparedRequest, kwargs: Mapping[str, Any]) -> Target:
        ask = getattr(self.inner, "build_connection_pool_key_attributes", None)
        url = request.url or ""
        if ask is None:
            target = Target.from_url(url)
            kind = type(self.inner)
            if f"{kind.__module__}.{kind.__qualname__}" not in _DIAL_NOTHING and self.edge.claim(target):
                raise InsecureTransportError(
                    f"{kind.__qualname__} cannot tell where it connects to, so no permit is given to it for "
                    f"{target.origin}: mount an HTTPAdapter there"
                )
            return target
        try:
            host, _ = ask(request, kwargs.get("verify", True), kwargs.get("cert"))
        except ValueError as error:
            raise InvalidURL(error, request=request) from None
        return Target(Origin.of(host["scheme"], host["host"], host["port"]), _path(request))

    def _require_verified(self, origin: Origin, match: Match, kwargs: Mapping[str, Any]) -> None:
        if origin.scheme != "https" or (kwargs.get("verify", True) and not _unverified_pools(self.inner)):
            return
        raise InsecureTransportError(
            f"{match.archive.title}: no permit goes to {origin} while its certificate is not verified "
            "(verify=False); give verify= the path of the CA bundle to trust, or use vo_auth.anonymous()"
        )

    def _is_callers(self, request: PreparedRequest, match: Match) -> bool:
        """Say whether the caller set an Authorization header: it stays, and is said once."""
        given = request.headers.get("Authorization")
        if given is None or given in _ambient_headers(request.url or ""):
            return False
        self.edge.say_once(
            CallerHeaderWarning,
            match.archive.name,
            f"This request has an Authorization header of its own; the permit for {match.archive.title} is not added.",
        )
        return True

    # ---------------------------------------------------------------- request and answer

    def _converse(
        self, request: PreparedRequest, dressing: Dressing, target: Target, kwargs: Mapping[str, Any]
    ) -> Response:
        """Send, judge the answer, and send once more with another permit where that can help."""
        response = self._transmit(request, dressing, target, kwargs)
        if dressing.match.archive.silent and dressing.wallet.has_ended(dressing.want, dressing.held):
            drop(response)  # an ended permit is answered like none: this proves nothing
            held = dressing.wallet.replaced(dressing.want, dressing.held)
            dressing = self._next(request, self.edge.again(dressing, held), dressing)
            response = self._transmit(request, dressing, target, kwargs)
        verdict = self._judge(response, dressing.match.archive)
        if verdict in (Verdict.OK, Verdict.NOT_ENTITLED):
            return response
        another = self.edge.again(dressing, dressing.wallet.refused(dressing.want, dressing.held))
        if another is not None:
            drop(response)
            dressing = self._next(request, another, dressing)
            response = self._transmit(request, dressing, target, kwargs)
            verdict = self._judge(response, dressing.match.archive)
        return self._settled(response, verdict, dressing)

    def _next(self, request: PreparedRequest, dressing: Dressing | None, old: Dressing) -> Dressing:
        assert dressing is not None
        body = request.body
        if body is None or isinstance(body, str | bytes):
            return dressing
        try:
            rewind_body(request)
        except UnrewindableBodyError:
            raise BodyNotReplayableError(
                f"{old.match.archive.title} refused the permit after the body was sent; the permit is renewed, "
                "but this body cannot be sent twice: call again with a new one",
                request=request,
            ) from None
        return dressing

    def _as_everybody(self, response: Response, archive: Archive) -> Response:
        """Return an answer that came without a permit, unless it is a login page: that is never data."""
        if self._judge(response, archive) is Verdict.LOGIN_PAGE:
            drop(response)
            raise LoginPageError(
                f"{archive.title} answers the anonymous with a login page where data was due: "
                f"log in with `vo-auth login {archive.name}`, and ask with a permit",
                request=response.request,
            )
        return response

    def _settled(self, response: Response, verdict: Verdict, dressing: Dressing) -> Response:
        archive, account = dressing.match.archive, dressing.held.key.account
        if verdict in (Verdict.LOGIN_PAGE, Verdict.LICENCE):
            drop(response)
            if verdict is Verdict.LOGIN_PAGE:
                raise LoginPageError(
                    f"{archive.title} answers with a login page where data was due (account {account!r}): "
                    f"run `vo-auth login {archive.name}`, then check the account's rights",
                    request=response.request,
                )
            page = archive.pages.licence or "its page"
            raise LicenceRequiredError(
                f"{archive.title} wants its licence accepted before it gives data: do so at {page}",
                request=response.request,
            )
        if verdict is Verdict.REFUSED:
            rights = f" (see {archive.pages.rights})" if archive.pages.rights else ""
            self.edge.say_once(
                RefusedWarning,
                (archive.name, account),
                f"{archive.title} refused a valid permit of account {account!r} with status {response.status_code}: "
                f"the account has no right to this URL{rights}.",
            )
        return response

    def _judge(self, response: Response, archive: Archive) -> Verdict:
        return archive.judge(
            Answer(
                status=response.status_code,
                headers=response.headers,
                url=response.url,
                location=redirect_target(response),
                peek=peek_into(response),
            )
        )

    def _transmit(
        self, request: PreparedRequest, dressing: Dressing, target: Target, kwargs: Mapping[str, Any]
    ) -> Response:
        outcome = self._senddressed_copy(request, dressing, target, kwargs)
        if isinstance(outcome, BaseException):
            raise outcome  # out here: the frames that held the dressed request are gone
        self._observe(outcome, dressing)
        return outcome

    def _senddressed_copy(
        self, request: PreparedRequest, dressing: Dressing, target: Target, kwargs: Mapping[str, Any]
    ) -> Response | BaseException:
        """Return the response, or the exception without what it remembers of the permit."""
        url = dressing.https_url or request.url or ""
        presentation = dressing.held.grant.permit.present(url)
        origin = Origin("https", target.origin.host, 443) if dressing.https_url else target.origin
        jar = self._jar(dressing, origin)
        options = dict(kwargs)
        if origin.scheme == "http":
            options["proxies"] = {}  # loopback in clear: not by way of another machine
        try:
            dressed = dressed_copy(request, url, presentation, jar)
            response = self._transport(presentation, origin, dressing, options).send(dressed, **options)
            keep_cookies(response, dressed, jar)
        except BaseException as error:
            if isinstance(error, RequestException):
                error.request = request
            return scrubbed(error)
        return self._mine(response, request)

    def _transport(
        self, presentation: Presentation, origin: Origin, dressing: Dressing, options: Mapping[str, Any]
    ) -> BaseAdapter:
        """Return who makes the connection: a pool of its own for each client certificate."""
        if dressing.https_url:
            self._require_verified(origin, dressing.match, options)
        context = presentation.ssl_context
        if context is None:
            return self.inner
        adapter = self._certified.get(id(context))
        if adapter is None:
            if len(self._certified) >= 4:
                self._certified.popitem(last=False)[1].close()
            adapter = self._certified[id(context)] = _CertifiedAdapter(context, self.inner)
        return adapter

    def _mine(self, response: Response, request: PreparedRequest) -> Response:
        response.request = request
        response.connection = self  # type: ignore[assignment]  # it is one adapter or another
        return response

    def _jar(self, dressing: Dressing, origin: Origin) -> RequestsCookieJar:
        key = (dressing.held.key.archive, dressing.held.key.account, origin)
        return self._jars.setdefault(key, RequestsCookieJar())

    def _observe(self, response: Response, dressing: Dressing) -> None:
        """Learn the archive's time now and then: reading a date costs as much as the rest of the edge."""
        archive, wallet = dressing.match.archive, dressing.wallet
        now = wallet.clock.elapsed()
        last = self._observed.get(archive.name)
        if last is not None and now - last < _OBSERVE_EVERY:
            return
        date = parse_date(response.headers)
        if date is not None:
            self._observed[archive.name] = now
            wallet.observe(archive, date)


class _CertifiedAdapter(HTTPAdapter):
    """Connections that present one client certificate."""

    def __init__(self, context: ssl.SSLContext, like: BaseAdapter) -> None:
        self._context = context
        super().__init__(max_retries=getattr(like, "max_retries", 0))

    def build_connection_pool_key_attributes(self, request: PreparedRequest, verify: Any, cert: Any = None) -> Any:
        host, pool = super().build_connection_pool_key_attributes(request, verify, cert)
        return host, {**pool, "ssl_context": self._context}


def _as_it_is(inner: BaseAdapter) -> BaseAdapter:
    return inner


class Adapters(OrderedDict[str, Any]):
    """A session's adapters, each wrapped in the edge whenever it is mounted.

    Parameters
    ----------
    edge
        The decisions of the session.
    adapters
        What is mounted already.
    """

    def __init__(self, edge: Edge, adapters: Mapping[str, BaseAdapter] | None = None) -> None:
        self._edge = edge
        super().__init__(adapters or {})

    def __setitem__(self, prefix: str, adapter: Any) -> None:
        if isinstance(adapter, PermitAdapter):
            adapter = adapter if adapter.edge is self._edge else PermitAdapter(adapter.inner, self._edge)
        else:
            adapter = PermitAdapter(adapter, self._edge)
        super().__setitem__(prefix, adapter)

    def __reduce__(self) -> tuple[Any, ...]:
        return OrderedDict, ([(prefix, adapter.inner) for prefix, adapter in self.items()],)


def _path(request: PreparedRequest) -> str:
    return request.path_url.partition("?")[0]


def _unverified_pools(inner: BaseAdapter) -> bool:
    """Say whether an adapter was built to connect without checking certificates, whatever ``verify`` says."""
    settings = getattr(getattr(inner, "poolmanager", None), "connection_pool_kw", None) or {}
    return settings.get("cert_reqs") in ("CERT_NONE", "NONE", 0) or settings.get("assert_hostname") is False


def _ambient_headers(url: str) -> list[str]:
    """Return the Authorization headers that userinfo in the URL or a netrc file would have produced."""
    pairs = [get_auth_from_url(url) if "@" in url else None, get_netrc_auth(url)]
    return [_basic_auth_str(*pair) for pair in pairs if pair and any(pair)]
