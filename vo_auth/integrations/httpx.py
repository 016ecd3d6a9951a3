"""httpx: transports that carry the right permit to the right place, and nowhere else.

>>> import httpx  # doctest: +SKIP
>>> from vo_auth.integrations.httpx import PermitTransport  # doctest: +SKIP
>>> client = httpx.Client(transport=PermitTransport("https://archive.eso.org"))  # doctest: +SKIP

Transports, because httpx asks them anew for each hop of a redirect and keeps the request that it gave, which stays
plain. What is set on a client is kept in ``response.request``, and headers of one's own follow redirects everywhere.
"""

from __future__ import annotations

import base64
import copy
import hashlib
from collections import OrderedDict
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin

import anyio.to_thread
import httpx
from requests.utils import select_proxy

from ..certified import certified_context, is_verifying
from ..domain import Origin, Target
from ..environ import EnvironmentSettings
from ..errors import VoAuthError
from ..exchange import Exchange, edge_of
from ..kin import akin
from ..steps import Answered, Call, Hop, Peek, Send, Step, Steps, failed
from ._httpx_body import DRAIN, AsyncBody, Body

if TYPE_CHECKING:
    from ..permit import CertificatePermit
    from ..registry import Registry
    from ..secret import Secret
    from ..wallet import Wallet

__all__ = ["AsyncPermitTransport", "PermitTransport"]

_REMEMBERED = 64
_NO_CONNECTION = (httpx.ConnectError, httpx.ConnectTimeout)


class _Permits:
    """What both transports share: the decisions, and the connections to choose from."""

    _ordinary: type[Any]  # the one that can be asked where it connects to

    def __init__(
        self,
        url: str | None = None,
        *,
        inner: Any = None,
        account: str | None = None,
        required: bool = True,
        interactive: bool | None = None,
        min_life: float | str | None = None,
        sources: Mapping[str, str] | None = None,
        registry: Registry | None = None,
        wallet: Wallet | None = None,
        **credentials: str | Secret,
    ) -> None:
        edge = edge_of(
            url,
            account=account,
            required=required,
            interactive=interactive,
            min_life=min_life,
            sources=sources,
            registry=registry,
            wallet=wallet,
            credentials=credentials,
        )
        self._exchange = Exchange(edge)
        self._given = inner
        self._environment = EnvironmentSettings()
        self._by_proxy: dict[str | None, Any] = {}
        self._certified: dict[tuple[int, int], tuple[CertificatePermit, Any]] = {}
        self._ambient: OrderedDict[bytes, None] = OrderedDict()

    def __repr__(self) -> str:
        named = self._exchange.edge.policy.archive
        return f"<{type(self).__name__}{f' for {named}' if named else ''}>"

    # ---------------------------------------------------------------- where it goes

    def _hop(self, request: httpx.Request) -> Hop:
        url = request.url
        origin = _origin(url)
        plain = str(url.copy_with(userinfo=b"")) if url.userinfo else str(url)
        authorization = request.headers.get("Authorization", "")
        return Hop(
            url=plain,
            target=Target(origin, url.raw_path.partition(b"?")[0].decode("ascii")),
            authorization="" if self._is_ambient(authorization, url) else authorization,
            cookie=request.headers.get("Cookie", ""),
            distrust=self._distrust(request, origin, plain),
            can_resend=isinstance(request.stream, httpx.ByteStream),
            no_connection=_NO_CONNECTION,
        )

    def _is_ambient(self, authorization: str, url: httpx.URL) -> bool:
        """Say whether only userinfo in a URL produced a header; it is known again after a redirect."""
        if not authorization:
            return False
        mark = hashlib.sha256(authorization.encode()).digest()
        if url.userinfo:
            pair = base64.b64encode(f"{url.username}:{url.password}".encode()).decode()
            if authorization == f"Basic {pair}":
                self._ambient[mark] = None
                if len(self._ambient) > _REMEMBERED:
                    self._ambient.popitem(last=False)
        return mark in self._ambient

    def _distrust(self, request: httpx.Request, origin: Origin, url: str) -> str:
        """Return why no permit may go on the connection that a request would get."""
        inner = self._connections(url)
        if isinstance(inner, httpx.MockTransport):
            return ""  # it dials nothing
        pool = self._pool_of(inner)
        if pool is None:
            return (
                f"{type(inner).__qualname__} cannot tell where it connects to: put {type(self).__name__} directly "
                f"around an httpx.{self._ordinary.__name__}"
            )
        if {"target", "sni_hostname"} & request.extensions.keys():
            return "its extensions name another target, or another name for the server"
        if origin.scheme == "https" and not is_verifying(pool._ssl_context):
            return "its certificate is not verified (verify=False); give verify= an SSL context that trusts it"
        if origin.scheme == "http" and origin.is_loopback and _has_proxy(pool):
            return "a proxy is in between, which would read it"
        return ""

    def _pool_of(self, inner: Any) -> Any:
        """Return the connection pool of a transport that connects as httpx's own does; None for any other."""
        name = "handle_request" if self._ordinary is httpx.HTTPTransport else "handle_async_request"
        if not isinstance(inner, self._ordinary) or getattr(type(inner), name) is not getattr(self._ordinary, name):
            return None
        pool = getattr(inner, "_pool", None)
        return pool if hasattr(pool, "_ssl_context") else None

    # ---------------------------------------------------------------- by which connections

    def _connections(self, url: str) -> Any:
        """Return the transport that was given, else one for the proxy that the environment names for a URL."""
        if self._given is not None:
            return self._given
        origin = _origin(httpx.URL(url))
        is_local = origin.scheme == "http" and origin.is_loopback  # no proxy reads what stays on this machine
        proxy = None if is_local else select_proxy(url, self._environment.proxies(url))
        known = self._by_proxy.get(proxy)
        return known or self._by_proxy.setdefault(proxy, self._ordinary(proxy=proxy))  # one for all threads

    def _connections_for(self, step: Send) -> Any:
        inner, permit = self._connections(step.url), step.certificate
        pool = None if permit is None else self._pool_of(inner)
        if permit is None or pool is None:
            return inner
        key = id(permit), id(inner)
        known = self._certified.get(key)
        if known is None:
            twin, twins_pool = copy.copy(inner), copy.copy(pool)
            twins_pool._ssl_context = certified_context(permit, pool._ssl_context)
            twins_pool._connections, twins_pool._requests = [], []
            twin._pool = twins_pool
            known = self._certified.setdefault(key, (permit, twin))  # the permit is kept: nobody else gets its id
        return known[1]

    def _all_connections(self) -> list[Any]:
        """Return what is to be closed, and forget it."""
        found = [*self._by_proxy.values(), *(twin for _, twin in self._certified.values())]
        self._by_proxy.clear()
        self._certified.clear()
        return [*found, *([self._given] if self._given is not None else [])]

    # ---------------------------------------------------------------- request and answer

    def _request(self, plain: httpx.Request, step: Send) -> httpx.Request:
        """Return the request to send: a copy that carries the permit, or the plain one."""
        if step.question:
            timeout = {"timeout": plain.extensions["timeout"]} if "timeout" in plain.extensions else {}
            return httpx.Request("GET", step.url, headers=step.headers(""), extensions=timeout)
        if step.dressing is None:
            return plain
        headers = plain.headers.copy()
        if self._is_ambient(headers.get("Authorization", ""), plain.url):
            del headers["Authorization"]
        for name, value in step.headers(headers.get("Cookie", "")).items():
            headers[name] = value
        return httpx.Request(
            plain.method, step.url, headers=headers, stream=plain.stream, extensions=dict(plain.extensions)
        )

    @staticmethod
    def _answered(response: httpx.Response, step: Send, body: Body | AsyncBody) -> Answered:
        location = response.headers.get("Location", "") if 300 <= response.status_code < 400 else ""
        cookies: list[str] = []
        if step.dressing is not None:
            response.stream = body
            cookies = response.headers.get_list("Set-Cookie")
            if cookies:
                del response.headers["Set-Cookie"]
        return Answered(
            response, response.status_code, response.headers, step.url, _joined(step.url, location), cookies
        )


def _origin(url: httpx.URL) -> Origin:
    return Origin.of(url.scheme, url.raw_host.decode("ascii"), url.port)


def _has_proxy(pool: Any) -> bool:
    return hasattr(pool, "_proxy_url") or getattr(pool, "_proxy", None) is not None


def _joined(url: str, location: str) -> str:
    try:
        return urljoin(url, location) if location else ""
    except ValueError:  # httpx will say what is wrong with it, if it is to follow
        return location


class PermitTransport(_Permits, httpx.BaseTransport):
    """A transport for ``httpx.Client`` that adds the permit to each request inside its archive's domains.

    Errors of vo_auth that it raises are ``httpx.TransportError`` as well.

    Parameters
    ----------
    url
        A URL of the archive that the client is for; None: it serves every archive for which credentials are at hand.
    inner
        What makes the connections, an ``httpx.HTTPTransport``; None: one that uses the proxies that the environment
        names. Transports that retry, cache or log belong around this one.
    account, required, interactive, min_life, sources, registry, wallet
        As for :class:`vo_auth.AuthSession`.
    **credentials
        As for :func:`vo_auth.session_for`: they belong to this transport alone.

    Raises
    ------
    PluginNotInstalledError
        When the URL belongs to a known archive whose plugin is not installed.
    TypeError
        When credentials are given without a URL, or under a name that is not known, or together with ``sources``.
    ValueError
        When ``min_life`` cannot be read, or a source is not known.

    Examples
    --------
    >>> PermitTransport("https://archive.example.org/tap", token="obviously-fake")
    <PermitTransport for this-url>
    """

    _ordinary = httpx.HTTPTransport

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request, dressed where a permit is due.

        Parameters
        ----------
        request
            The plain request; it stays plain.

        Returns
        -------
        httpx.Response
            Without the cookies that an authenticated answer sets: they stay here.

        Raises
        ------
        VoAuthError
            When a permit is due and cannot be had, or cannot go; it is an ``httpx.TransportError`` too.
        httpx.TransportError
            As the wrapped transport raises.
        """
        try:
            return self._carry_out(self._exchange.steps(self._hop(request)), request)
        except VoAuthError as error:
            akin(error, httpx.TransportError)
            raise

    def _carry_out(self, steps: Steps, request: httpx.Request) -> httpx.Response:
        step = next(steps)
        try:
            while True:
                value = self._outcome(step, request)
                step = steps.throw(value) if isinstance(value, BaseException) else steps.send(value)
        except StopIteration as end:
            answer: Answered = end.value
            response: httpx.Response = answer.native
            return response

    def _outcome(self, step: Step, request: httpx.Request) -> Any:
        try:
            return self._do(step, request)
        except BaseException as error:
            return failed(step, error)

    def _do(self, step: Step, request: httpx.Request) -> Any:
        if isinstance(step, Call):
            return step.work()
        if isinstance(step, Send):
            response = self._connections_for(step).handle_request(self._request(request, step))
            return self._answered(response, step, Body(response.stream))
        response = step.answer.native
        if isinstance(step, Peek):
            response.stream = body = _looked_into(response, Body)
            step.answer.start = body.look(step.count, response.headers.get("Content-Encoding", ""))
            step.answer.looked = step.count
            return None
        with suppress(Exception):
            _looked_into(response, Body).look(DRAIN, "")
        response.close()
        return None

    def close(self) -> None:
        """Close the connections, those with client certificates included."""
        for inner in self._all_connections():
            inner.close()


class AsyncPermitTransport(_Permits, httpx.AsyncBaseTransport):
    """A transport for ``httpx.AsyncClient``, with asyncio or trio; logins run in a thread, the loop goes on meanwhile.

    Parameters
    ----------
    url, account, required, interactive, min_life, sources, registry, wallet, **credentials
        As for :class:`PermitTransport`.
    inner
        What makes the connections, an ``httpx.AsyncHTTPTransport``; None: one that uses the proxies that the
        environment names.

    Raises
    ------
    PluginNotInstalledError, TypeError, ValueError
        As for :class:`PermitTransport`.
    """

    _ordinary = httpx.AsyncHTTPTransport

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request, dressed where a permit is due.

        Parameters
        ----------
        request
            The plain request; it stays plain.

        Returns
        -------
        httpx.Response
            Without the cookies that an authenticated answer sets: they stay here.

        Raises
        ------
        VoAuthError
            When a permit is due and cannot be had, or cannot go; it is an ``httpx.TransportError`` too.
        httpx.TransportError
            As the wrapped transport raises.
        """
        try:
            return await self._carry_out(self._exchange.steps(self._hop(request)), request)
        except VoAuthError as error:
            akin(error, httpx.TransportError)
            raise

    async def _carry_out(self, steps: Steps, request: httpx.Request) -> httpx.Response:
        step = next(steps)
        try:
            while True:
                value = await self._outcome(step, request)
                step = steps.throw(value) if isinstance(value, BaseException) else steps.send(value)
        except StopIteration as end:
            answer: Answered = end.value
            response: httpx.Response = answer.native
            return response

    async def _outcome(self, step: Step, request: httpx.Request) -> Any:
        try:
            return await self._do(step, request)
        except BaseException as error:
            return failed(step, error)

    async def _do(self, step: Step, request: httpx.Request) -> Any:
        if isinstance(step, Call):
            return await anyio.to_thread.run_sync(step.work, abandon_on_cancel=True)
        if isinstance(step, Send):
            response = await self._connections_for(step).handle_async_request(self._request(request, step))
            return self._answered(response, step, AsyncBody(response.stream))
        response = step.answer.native
        if isinstance(step, Peek):
            response.stream = body = _looked_into(response, AsyncBody)
            step.answer.start = await body.look(step.count, response.headers.get("Content-Encoding", ""))
            step.answer.looked = step.count
            return None
        with suppress(Exception):
            await _looked_into(response, AsyncBody).look(DRAIN, "")
        await response.aclose()
        return None

    async def aclose(self) -> None:
        """Close the connections, those with client certificates included."""
        for inner in self._all_connections():
            await inner.aclose()


def _looked_into(response: httpx.Response, kind: type[Any]) -> Any:
    """Return the body of an answer as one that can be looked into."""
    return response.stream if isinstance(response.stream, kind) else kind(response.stream)
