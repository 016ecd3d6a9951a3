"""aiohttp and, by way of it, fsspec: a client middleware that carries the right permit to the right place.

>>> import aiohttp  # doctest: +SKIP
>>> from vo_auth.integrations.aiohttp import PermitMiddleware  # doctest: +SKIP
>>> session = aiohttp.ClientSession(middlewares=(PermitMiddleware("https://archive.eso.org"),))  # doctest: +SKIP

aiohttp calls its middlewares anew for each hop of a redirect, with a request that it has made anew (since 3.12). The
permit is in that request only while it is sent; ``response.request_info``, errors and the session's cookies stay plain.
"""

from __future__ import annotations

import asyncio
import itertools
import ssl
import warnings
from collections import OrderedDict
from collections.abc import Mapping
from contextlib import suppress
from http.cookies import SimpleCookie
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin

import aiohttp
from aiohttp import hdrs
from aiohttp.client_middlewares import ClientHandlerType
from aiohttp.helpers import strip_auth_from_url
from aiohttp.payload import BytesPayload
from multidict import CIMultiDict, CIMultiDictProxy
from requests.utils import select_proxy
from yarl import URL

from ..certified import certified_context, is_verifying
from ..domain import Origin, Target
from ..environ import EnvironmentSettings
from ..errors import VoAuthError
from ..exchange import Exchange, edge_of
from ..kin import akin
from ..steps import Answered, Call, Hop, Peek, Send, Step, Steps, failed
from ..wire import decoded_start

if TYPE_CHECKING:
    from ..permit import CertificatePermit
    from ..registry import Registry
    from ..secret import Secret
    from ..wallet import Wallet

__all__ = ["EnvironmentProxies", "PermitMiddleware", "fsspec_options"]

_DRAIN = 64 * 1024
_CERTIFIED = 4
_NO_CONNECTION = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)
_NUMBERS = itertools.count(1)


class PermitMiddleware:
    """A client middleware that adds the permit to each request inside its archive's domains.

    Logins run in a thread; the event loop goes on meanwhile. Errors of vo_auth that it raises are
    ``aiohttp.ClientError`` as well. Put it last: middlewares behind it, and tracing, would see the permit.

    Parameters
    ----------
    url
        A URL of the archive that the session is for; None: it serves every archive for which credentials are at hand.
    account, required, interactive, min_life, sources, registry, wallet
        As for :class:`vo_auth.AuthSession`.
    **credentials
        As for :func:`vo_auth.session_for`: they belong to this middleware alone, and are never pickled.

    Raises
    ------
    PluginNotInstalledError
        When the URL belongs to a known archive whose plugin is not installed.
    TypeError
        When credentials are given without a URL, or under a name that is not known, or together with ``sources``.
    ValueError
        When ``min_life`` cannot be read, or a source is not known.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        account: str | None = None,
        required: bool = True,
        interactive: bool | None = None,
        min_life: float | str | None = None,
        sources: Mapping[str, str] | None = None,
        registry: Registry | None = None,
        wallet: Wallet | None = None,
        **credentials: str | Secret,
    ) -> None:
        recipe: dict[str, Any] = {
            "account": account,
            "required": required,
            "interactive": interactive,
            "min_life": min_life,
            "sources": sources,
        }
        edge = edge_of(url, **recipe, registry=registry, wallet=wallet, credentials=credentials)
        self._recipe = {"url": url, **recipe}
        self._exchange = Exchange(edge)
        self._certified: OrderedDict[tuple[int, int], tuple[CertificatePermit, Any, ssl.SSLContext]] = OrderedDict()
        # fsspec takes file systems for the same when their arguments look alike: each of these looks different.
        self._number = next(_NUMBERS)

    def __repr__(self) -> str:
        named = self._exchange.edge.policy.archive
        return f"<PermitMiddleware {self._number}{f' for {named}' if named else ''}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return _again, (self._recipe, self._exchange.edge.has_own_credentials)

    async def __call__(self, request: aiohttp.ClientRequest, handler: ClientHandlerType) -> aiohttp.ClientResponse:
        """Send one request, or one hop of it, dressed where a permit is due.

        Parameters
        ----------
        request
            As aiohttp has made it; it is plain again afterwards.
        handler
            What sends it.

        Returns
        -------
        aiohttp.ClientResponse
            Without the cookies that an authenticated answer sets: they stay here.

        Raises
        ------
        VoAuthError
            When a permit is due and cannot be had, or cannot go; it is an ``aiohttp.ClientError`` too.
        aiohttp.ClientError
            As the connection raises.
        """
        try:
            return await self._carry_out(self._exchange.steps(self._hop(request)), request, handler)
        except VoAuthError as error:
            akin(error, aiohttp.ClientError)
            raise

    async def _carry_out(
        self, steps: Steps, request: aiohttp.ClientRequest, handler: ClientHandlerType
    ) -> aiohttp.ClientResponse:
        step = next(steps)
        try:
            while True:
                value = await self._outcome(step, request, handler)
                step = steps.throw(value) if isinstance(value, BaseException) else steps.send(value)
        except StopIteration as end:
            answer: Answered = end.value
            response: aiohttp.ClientResponse = answer.native
            return response

    async def _outcome(self, step: Step, request: aiohttp.ClientRequest, handler: ClientHandlerType) -> Any:
        try:
            return await self._do(step, request, handler)
        except BaseException as error:
            return failed(step, error)

    async def _do(self, step: Step, request: aiohttp.ClientRequest, handler: ClientHandlerType) -> Any:
        if isinstance(step, Call):
            return await asyncio.to_thread(step.work)
        if isinstance(step, Send):
            return await self._send(step, _question(request, step) if step.question else request, handler)
        response = step.answer.native
        if isinstance(step, Peek):
            step.answer.start = await _start(response, step.count, decoded=_is_decoded(request))
            step.answer.looked = step.count
        else:
            await _drop(response)
        return None

    # ---------------------------------------------------------------- where it goes

    def _hop(self, request: aiohttp.ClientRequest) -> Hop:
        url = request.url
        origin = Origin.of(url.scheme, url.raw_host, url.port)
        return Hop(
            url=str(url),
            target=Target(origin, url.raw_path),
            authorization=_callers(request),
            cookie=request.headers.get(hdrs.COOKIE, ""),
            distrust=_distrust(request, origin),
            can_resend=isinstance(request.body, bytes | BytesPayload),
            no_connection=_NO_CONNECTION,
        )

    # ---------------------------------------------------------------- request and answer

    async def _send(self, step: Send, request: aiohttp.ClientRequest, handler: ClientHandlerType) -> Answered:
        if step.dressing is None:
            return _answered(await handler(request), step)
        headers, plain = request.headers, request.headers.copy()
        url, trust = request.url, request._ssl
        try:
            if not _callers(request):  # userinfo or netrc do not swap the identity
                headers.pop(hdrs.AUTHORIZATION, None)
            for name, value in step.headers(headers.get(hdrs.COOKIE, "")).items():
                headers[name] = value
            if step.url != str(url):
                request.url = URL(step.url, encoded=True)
            if step.certificate is not None:
                request._ssl = self._context(step.certificate, request)
            response = await handler(request)
        finally:  # request_info and errors look at these very headers
            headers.clear()
            headers.extend(plain)
            request.url, request._ssl = url, trust
        answer = _answered(response, step)
        _hide_cookies(response)
        return answer

    def _context(self, permit: CertificatePermit, request: aiohttp.ClientRequest) -> ssl.SSLContext:
        """Return the TLS context that presents a certificate: connections are shared by those of the same context."""
        like = _context_of(request)
        assert like is not None  # a certificate goes by https alone
        key = id(permit), id(like)
        if key not in self._certified:
            if len(self._certified) >= _CERTIFIED:
                self._certified.popitem(last=False)
            # both are kept, so that nobody else gets their ids
            self._certified[key] = permit, like, certified_context(permit, like)
        return self._certified[key][2]


class EnvironmentProxies:
    """A client middleware that uses the proxies that the environment names.

    aiohttp's own ``trust_env`` does so, too, and reads netrc files besides, for every host that a redirect leads to.
    """

    def __init__(self) -> None:
        self._environment = EnvironmentSettings()

    def __repr__(self) -> str:
        return "<EnvironmentProxies>"

    async def __call__(self, request: aiohttp.ClientRequest, handler: ClientHandlerType) -> aiohttp.ClientResponse:
        """Send one request, or one hop of it, by its proxy.

        Parameters
        ----------
        request
            As aiohttp has made it; a proxy that it has stays.
        handler
            What sends it.

        Returns
        -------
        aiohttp.ClientResponse
            As it came.
        """
        url = str(request.url)
        is_local = Origin.of(request.url.scheme, request.url.raw_host, request.url.port).is_loopback
        proxy = None if is_local else select_proxy(url, self._environment.proxies(url))
        if proxy and request.proxy is None:
            request.proxy, request.proxy_auth = strip_auth_from_url(URL(proxy))
        return await handler(request)


def fsspec_options(url: str | None = None, **options: Any) -> dict[str, Any]:
    """Return the arguments that let fsspec's ``HTTPFileSystem``, and whatever opens files by it, carry permits.

    Each call makes file systems of its own: fsspec shares one between those who give it the same arguments.

    Parameters
    ----------
    url
        A URL of the archive; None: every archive for which credentials are at hand is served.
    **options
        As for :class:`PermitMiddleware`.

    Returns
    -------
    dict
        For ``fsspec.open(url, **options)`` or ``astropy.io.fits.open(url, use_fsspec=True, fsspec_kwargs=options)``.
        The proxies that the environment names are used.

    Raises
    ------
    PluginNotInstalledError, TypeError, ValueError
        As for :class:`PermitMiddleware`.
    """
    return {
        "client_kwargs": {"middlewares": (EnvironmentProxies(), PermitMiddleware(url, **options))},
        "ssl": ssl.create_default_context(),  # aiohttp's own is as old as the process
    }


def _again(recipe: dict[str, Any], had_credentials: bool) -> PermitMiddleware:
    middleware = PermitMiddleware(**recipe)
    if had_credentials:
        middleware._exchange.edge.lost_credentials()
    return middleware


def _callers(request: aiohttp.ClientRequest) -> str:
    """Return the Authorization header that the caller set.

    What userinfo in a URL, also in a redirect's, and a netrc file produce is a Basic header, and a request does not
    tell where it has it from: one that is not the session's own is taken for theirs.
    """
    given = request.headers.get(hdrs.AUTHORIZATION, "")
    if not given.lower().startswith("basic "):
        return given
    session = request.session
    own = [session.headers.get(hdrs.AUTHORIZATION), session.auth.encode() if session.auth else None]
    return given if given in own else ""


def _distrust(request: aiohttp.ClientRequest, origin: Origin) -> str:
    """Return why no permit may go on the connection that a request would get."""
    connector = request.session.connector
    if not isinstance(connector, aiohttp.TCPConnector):
        return f"{type(connector).__qualname__} cannot tell where it connects to: use a TCPConnector"
    if origin.scheme == "https":
        if request.server_hostname not in (None, request.url.raw_host):
            return "its server_hostname names another server"
        if not is_verifying(_context_of(request)):
            return "its certificate is not verified (ssl=False); give ssl= an SSL context that trusts it"
    elif origin.is_loopback and request.proxy is not None:
        return "a proxy is in between, which would read it"
    return ""


def _context_of(request: aiohttp.ClientRequest) -> ssl.SSLContext | None:
    """Return the TLS context that the connection of a request will have; None where it cannot be known."""
    ask = getattr(request.session.connector, "_get_ssl_context", None)
    context = ask(request) if ask is not None else None
    return context if isinstance(context, ssl.SSLContext) else None


def _question(request: aiohttp.ClientRequest, step: Send) -> aiohttp.ClientRequest:
    """Return a GET of ours, by the same way as a request of the caller's."""
    return type(request)(
        hdrs.METH_GET,
        URL(step.url, encoded=True),
        loop=request.loop,
        response_class=request.response_class,
        session=request.session,
        ssl=request.ssl,
        proxy=request.proxy,
        proxy_auth=request.proxy_auth,
        proxy_headers=request.proxy_headers,
    )


def _answered(response: aiohttp.ClientResponse, step: Send) -> Answered:
    location = response.headers.get(hdrs.LOCATION, "") if 300 <= response.status < 400 else ""
    with suppress(ValueError):  # else aiohttp will say what is wrong with it, if it is to follow
        location = urljoin(step.url, location) if location else ""
    cookies = response.headers.getall(hdrs.SET_COOKIE, []) if step.dressing is not None else []
    return Answered(response, response.status, response.headers, step.url, location, cookies)


def _hide_cookies(response: aiohttp.ClientResponse) -> None:
    """Remove cookies from everywhere in an answer where the session, or its users, would find them."""
    if hdrs.SET_COOKIE not in response.headers:
        return
    response.cookies = SimpleCookie()
    kept = CIMultiDict(response.headers)
    kept.popall(hdrs.SET_COOKIE)
    response._headers = CIMultiDictProxy(kept)
    response._raw_headers = tuple(pair for pair in response.raw_headers if pair[0].lower() != b"set-cookie")
    for name in ("headers", "raw_headers"):  # remembered by the properties of these names
        response._cache.pop(name, None)


# -------------------------------------------------------------------- bodies


def _is_decoded(request: aiohttp.ClientRequest) -> bool:
    return request.session.auto_decompress


async def _start(response: aiohttp.ClientResponse, count: int, *, decoded: bool) -> bytes:
    """Return the first bytes of a body, and put them back."""
    taken = b""
    while len(taken) < count and (part := await response.content.read(count - len(taken))):
        taken += part
    if taken:
        with warnings.catch_warnings(action="ignore", category=DeprecationWarning):  # there is no other way yet
            response.content.unread_data(taken)
    encoding = "" if decoded else response.headers.get(hdrs.CONTENT_ENCODING, "")
    return decoded_start(taken, encoding, count) if encoding else taken


async def _drop(response: aiohttp.ClientResponse) -> None:
    with suppress(Exception):
        await response.content.read(_DRAIN)
    if response.content.at_eof():
        response.release()
    else:
        response.close()
