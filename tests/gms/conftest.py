"""An archive of the tests' own, with a login and a group membership service, under names of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest
from aiohttp import web

from vo_auth import Archive, Domain
from vo_auth.flows import LoginRequest
from vo_auth.sandbox import Bench, Sandbox, StandIn

HOST, ELSEWHERE = "gms.alpha.example", "gms.elsewhere.example"
SEARCH = f"https://{HOST}/gms/search"
PI = {"username": "demo-pi", "password": "obviously-fake-pi"}
COLLEAGUE = {"username": "demo-colleague", "password": "obviously-fake-colleague"}
MEMBERS = {"demo-pi": ("muse-gto", "Surveys.2026", "a~b_c-d,e"), "demo-colleague": ("muse-gto",)}

ALPHA = Archive(
    name="alpha",
    title="Archive Alpha",
    domains=(Domain(f"https://{HOST}/gms"), Domain(f"https://{HOST}/tap"), Domain(f"https://{HOST}/mirror")),
    flows=(LoginRequest(url=f"https://{HOST}/login", life=3600),),
    groups=SEARCH,
)


@dataclass(slots=True)
class Service:
    """The group membership service: strict by itself, and odd where a test says how."""

    bench: Bench
    tokens: dict[str, str] = field(default_factory=dict)
    reply: Callable[[web.Request, str], web.Response | None] | None = None

    async def log_in(self, request: web.Request) -> web.Response:
        form = await request.post()
        if not any(one == {**form} for one in (PI, COLLEAGUE)):
            return web.Response(status=401)
        token = f"obviously-fake-token-{self.bench.count('logins')}"
        self.tokens[token] = str(form["username"])
        return web.Response(text=token)

    async def search(self, request: web.Request) -> web.Response:
        user = self.tokens.get(request.headers.get("Authorization", "").removeprefix("Bearer "), "")
        if not user:
            return web.Response(status=401, text="Log in first.", headers={"WWW-Authenticate": "Bearer"})
        if self.reply is not None:
            odd = self.reply(request, user)
            if odd is not None:
                return odd
        return self.names(request, user)

    def names(self, request: web.Request, user: str, end: str = "\r\n", **headers: str) -> web.Response:
        asked = request.query.getall("group", [])
        names = [name for name in MEMBERS[user] if not asked or name in asked]
        return web.Response(text="".join(name + end for name in names), headers=headers)


@dataclass(frozen=True, slots=True)
class Stage:
    """A sandbox with the archive in it."""

    sandbox: Sandbox
    service: Service

    @property
    def asked(self) -> list[str]:
        """The queries of the requests to the service."""
        return [entry.query for entry in self.sandbox.received.at(HOST, "/gms/search")]

    @property
    def logins(self) -> int:
        return self.service.bench.counters["logins"]

    def outside(self) -> int:
        return len(self.sandbox.received.at(ELSEWHERE))


@pytest.fixture
def archive() -> Archive:
    """Override this for another archive."""
    return ALPHA


@pytest.fixture
def stage(archive: Archive, install: Callable[..., None]) -> Iterator[Stage]:
    services: list[Service] = []

    def app(bench: Bench) -> web.Application:
        services.append(Service(bench))
        application = web.Application()
        application.router.add_post("/login", services[0].log_in)
        application.router.add_get("/{place}/search{end:/?}", services[0].search)
        return application

    install(archive)
    alpha = StandIn(archive="alpha", hosts=(HOST,), credentials={"pi": PI, "colleague": COLLEAGUE}, app=app)
    other = StandIn(archive="elsewhere", hosts=(ELSEWHERE,), credentials={}, app=lambda _: web.Application())
    with Sandbox(standins=[], extra=[alpha, other]) as sandbox, sandbox.activated():
        yield Stage(sandbox, services[0])
