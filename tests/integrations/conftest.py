"""An archive, a third party, and one way to ask them by each HTTP library."""

from __future__ import annotations

import asyncio
import contextvars
import gzip
import ssl
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import httpx
import pytest
from aiohttp import web

from vo_auth import Archive, Domain
from vo_auth.archive import Answer, Grant, LoginContext, Verdict, WhoAmI, judge_status
from vo_auth.clock import Clock
from vo_auth.credentials import ExplicitSource
from vo_auth.flows import CertificateFile, HttpBasic, PastedCookie, PastedToken
from vo_auth.integrations.aiohttp import EnvironmentProxies, PermitMiddleware
from vo_auth.integrations.httpx import AsyncPermitTransport, PermitTransport
from vo_auth.permit import BearerPermit
from vo_auth.registry import Registry
from vo_auth.sandbox import Bench, Sandbox, StandIn
from vo_auth.sandbox.files import send_bytes
from vo_auth.secret import Secret
from vo_auth.wallet import Wallet

ALPHA, SIBLING, ELSEWHERE = "alpha.example.org", "data.alpha.example.org", "elsewhere.example.org"
PAGE = b"<html><form>please log in</form></html>"


# -------------------------------------------------------------------- servers


def application(bench: Bench) -> web.Application:
    """Answer at every host; ``bench.knobs["accept"]`` says which Authorization headers are good at /private."""

    async def data(request: web.Request) -> web.Response:
        for act in bench.knobs.pop("meanwhile", ()):
            act()
        return web.Response(text=f"data for {request.headers.get('Authorization', '')[:6] or 'nobody'}")

    async def lead(request: web.Request) -> web.Response:
        return web.Response(status=int(request.query.get("status", "302")), headers={"Location": request.query["url"]})

    async def private(request: web.Request) -> web.Response:
        good = request.headers.get("Authorization", "") in bench.knob("accept", ())
        if good:
            return web.Response(text=f"private {await request.text()}")
        return web.Response(text=str(bench.knob("refusal", "not for you")), status=401)

    async def cookie(_: web.Request) -> web.Response:
        response = web.Response(text="here it is")
        response.headers.add("Set-Cookie", "session=obviously-fake-planted; Path=/; Secure; HttpOnly")
        response.headers.add("Set-Cookie", "second=obviously-fake-second; Path=/")
        return response

    async def page(request: web.Request) -> web.Response:
        bench.count("pages")
        if "gzip" in request.query:
            return web.Response(
                body=gzip.compress(PAGE), headers={"Content-Type": "text/html", "Content-Encoding": "gzip"}
            )
        return web.Response(body=PAGE, content_type="text/html")

    async def harmless(_: web.Request) -> web.Response:
        return web.Response(body=b"<html>" + b"data " * 40_000, content_type="text/html")

    async def broken(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "1000"})
        await response.prepare(request)
        await response.write(b"the start")
        assert request.transport is not None
        request.transport.close()
        return response

    async def whoami(_: web.Request) -> web.Response:
        return web.Response(text=str(bench.knob("whoami", "")))

    bench.knobs["file"] = bytes(range(256)) * 20

    async def file(request: web.Request) -> web.StreamResponse:
        return await send_bytes(request, bench.knobs["file"], filename="file.bin")

    app = web.Application()
    app.add_routes(
        [
            web.get("/data", data),
            web.get("/deep/data", data),
            web.get("/to", lead),
            web.post("/to", lead),
            web.route("*", "/private", private),
            web.get("/file", file),
            web.get("/cookie", cookie),
            web.get("/page", page),
            web.get("/harmless", harmless),
            web.get("/broken", broken),
            web.get("/whoami", whoami),
        ]
    )
    return app


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    standins = [
        StandIn(archive="alpha", hosts=(ALPHA, SIBLING), credentials={}, app=application),
        StandIn(archive="elsewhere", hosts=(ELSEWHERE,), credentials={}, app=application),
    ]
    with Sandbox(standins=standins, credentials=False) as sandbox, sandbox.activated():
        yield sandbox


# -------------------------------------------------------------------- an archive


@dataclass(slots=True)
class Time:
    """A clock that tests move."""

    passed: float = 0.0

    @property
    def clock(self) -> Clock:
        return Clock(
            wall=lambda: time.time() + self.passed, elapsed=lambda: time.monotonic() + self.passed, sleep=lambda _: None
        )


@dataclass(frozen=True, slots=True)
class Mint:
    """A flow that makes a new token for each login, without any server."""

    logins: list[str] = field(default_factory=list)
    life: float | None = 3600.0
    time: Time = field(default_factory=Time)
    name: str = "mint"
    asks: tuple[str, ...] = ("username", "password")
    optional: tuple[str, ...] = ()
    unattended: bool = True
    login_urls: tuple[str, ...] = ()
    before: Callable[[], object] = lambda: None

    def login(self, ctx: LoginContext) -> Grant:
        self.before()
        self.logins.append(f"obviously-fake-minted-{len(self.logins) + 1}")
        now = self.time.clock.wall()
        return Grant(
            permit=BearerPermit(Secret(self.logins[-1])),
            identity=ctx.value("username"),
            issued=now,
            expires=None if self.life is None else now + self.life,
        )

    def renew(self, ctx: LoginContext, grant: Grant) -> Grant | None:
        return None

    def revoke(self, ctx: LoginContext, grant: Grant) -> bool:
        return False


def judge(answer: Answer) -> Verdict:
    is_page = answer.status == 200 and answer.headers.get("content-type", "").startswith("text/html")
    if is_page and b"please log in" in answer.peek(4096):
        return Verdict.LOGIN_PAGE
    return judge_status(answer)


def read_name(answer: Answer) -> str:
    return answer.peek(100).decode()


def alpha(**changes: Any) -> Archive:
    """Make the archive of the tests."""
    given: dict[str, Any] = {
        "name": "alpha",
        "title": "Archive Alpha",
        "domains": (Domain(f"https://{ALPHA}", upgrade_http=True), Domain(f"https://{SIBLING}/deep")),
        "flows": (PastedToken(), PastedCookie(), CertificateFile(), HttpBasic()),
        "judge": judge,
    }
    return Archive(**{**given, **changes})


@pytest.fixture
def archive() -> Callable[..., Archive]:
    return alpha


@dataclass(frozen=True, slots=True)
class Minted:
    """What a client needs for an archive whose tokens are minted."""

    mint: Mint
    options: Mapping[str, Any]


@pytest.fixture
def minted() -> Callable[..., Minted]:
    """Make an archive with minted tokens, and a wallet in memory with movable time."""

    def make(*, life: float | None = 3600.0, before: Callable[[], object] = lambda: None, **changes: Any) -> Minted:
        mint = Mint(life=life, before=before)
        changed = alpha(flows=(mint,), **changes)
        wallet = Wallet(
            None, [ExplicitSource({"username": "demo", "password": "obviously-fake"})], clock=mint.time.clock
        )
        return Minted(mint, {"url": f"https://{ALPHA}", "registry": Registry([changed]), "wallet": wallet})

    return make


@pytest.fixture
def whoami() -> WhoAmI:
    return WhoAmI(path="/whoami", read=read_name)


# -------------------------------------------------------------------- clients


@dataclass(frozen=True, slots=True)
class Got:
    """An answer, and all that a caller can look at afterwards."""

    status: int
    body: bytes
    url: str
    native: Any
    request_headers: Mapping[str, str]
    seen: tuple[object, ...]

    @property
    def text(self) -> str:
        return self.body.decode()


class Httpx:
    error = httpx.TransportError

    def __init__(self, sandbox: Sandbox, *, verified: bool = True, single: bool = False, **options: Any) -> None:
        changed = not verified or single
        inner = httpx.HTTPTransport(proxy=sandbox.proxy, **_settings(verified, single)) if changed else None
        self.edge = PermitTransport(inner=inner, **options)
        self.client = httpx.Client(transport=self.edge, follow_redirects=True)

    def get(self, url: str, *, method: str = "GET", **options: Any) -> Got:
        return _got(self.client.request(method, url, **options), self)

    def close(self) -> None:
        self.client.close()


class InLoop:
    """A client that lives in an event loop."""

    def __init__(self) -> None:
        self.runner = asyncio.Runner()

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.runner.run(work, context=contextvars.copy_context())  # the caller's own, as a task would have it

    def get(self, url: str, **options: Any) -> Got:
        got: Got = self.run(self.ask(url, **options))
        return got

    async def ask(self, url: str, **options: Any) -> Got:
        raise NotImplementedError

    async def end(self) -> None:
        raise NotImplementedError

    def close(self) -> None:
        self.run(self.end())
        self.runner.close()


class AsyncHttpx(InLoop):
    error = httpx.TransportError

    def __init__(self, sandbox: Sandbox, *, verified: bool = True, single: bool = False, **options: Any) -> None:
        super().__init__()
        changed = not verified or single
        inner = httpx.AsyncHTTPTransport(proxy=sandbox.proxy, **_settings(verified, single)) if changed else None
        self.edge = AsyncPermitTransport(inner=inner, **options)
        self.client = httpx.AsyncClient(transport=self.edge, follow_redirects=True)

    async def ask(self, url: str, *, method: str = "GET", **options: Any) -> Got:
        return _got(await self.client.request(method, url, **options), self)

    async def end(self) -> None:
        await self.client.aclose()


def _settings(verified: bool, single: bool) -> dict[str, Any]:
    return {"verify": verified, "limits": httpx.Limits(max_connections=1 if single else 10)}


def _got(response: httpx.Response, client: Httpx | AsyncHttpx) -> Got:
    seen = (response, response.request, dict(response.request.headers), dict(response.headers), response.extensions)
    past = [dict(one.request.headers) for one in response.history], [dict(one.headers) for one in response.history]
    return Got(
        response.status_code,
        response.content,
        str(response.url),
        response,
        response.request.headers,
        (*seen, *past, repr(client.edge), vars(client.client), list(client.client.cookies.jar)),
    )


class Aiohttp(InLoop):
    error = aiohttp.ClientError

    def __init__(self, _: Sandbox, *, verified: bool = True, single: bool = False, **options: Any) -> None:
        super().__init__()
        self.edge = PermitMiddleware(**options)
        self.client: aiohttp.ClientSession = self.run(self._start(verified=verified, single=single))

    async def _start(self, *, verified: bool, single: bool) -> aiohttp.ClientSession:
        trust = ssl.create_default_context() if verified else False
        connector = aiohttp.TCPConnector(ssl=trust, limit=1 if single else 100)
        return aiohttp.ClientSession(connector=connector, middlewares=(EnvironmentProxies(), self.edge))

    async def ask(self, url: str, *, method: str = "GET", content: Any = None, **options: Any) -> Got:
        async with self.client.request(method, url, data=content, **options) as response:
            body = await response.read()
        infos = [(one.request_info, dict(one.headers), one.raw_headers) for one in (response, *response.history)]
        jar = [(cookie.key, cookie.value) for cookie in self.client.cookie_jar]
        return Got(
            response.status,
            body,
            str(response.url),
            response,
            response.request_info.headers,
            (response, infos, response.cookies, jar, repr(self.edge)),
        )

    async def end(self) -> None:
        await self.client.close()


KINDS = {"httpx": Httpx, "httpx-async": AsyncHttpx, "aiohttp": Aiohttp}


@pytest.fixture(params=list(KINDS))
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def client(kind: str, sandbox: Sandbox) -> Iterator[Callable[..., Any]]:
    """Make clients of one library; with a token of their own unless told otherwise."""
    opened: list[Any] = []

    def make(**options: Any) -> Any:
        if not {"wallet", "cookie", "certificate", "username", "token"} & options.keys():
            options["token"] = "obviously-fake-token"
        options.setdefault("url", f"https://{ALPHA}")
        options.setdefault("registry", Registry([alpha()]))
        opened.append(KINDS[kind](sandbox, **options))
        return opened[-1]

    yield make
    for one in opened:
        one.close()
