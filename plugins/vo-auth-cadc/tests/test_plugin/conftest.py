"""vo_auth and its CADC plugin against the stand-in, each test in a sandbox of its own."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from aiohttp import web
from requests.adapters import HTTPAdapter

import vo_auth
from vo_auth.sandbox import Bench, Sandbox, StandIn
from vo_auth_cadc.standin import OBSERVATIONS, STANDIN, make_certificate

MAIN = "https://ws.cadc-ccda.hia-iha.nrc-cnrc.gc.ca"
ACCESS = "https://ws-cadc.canfar.net/ac"
TAP_URL = f"{MAIN}/argus"
FILES = {item.observation_id: f"https://cadc-west-01.canfar.net/raven/files/{item.uri}" for item in OBSERVATIONS}
CONTENT = {item.observation_id: item.content for item in OBSERVATIONS}
OWN_FILE = "scuba2_demo_1"  # of the PI's: metadata are public, the file is not
SEARCH = {
    "REQUEST": "doQuery",
    "LANG": "ADQL",
    "FORMAT": "csv",
    "QUERY": "SELECT observationID FROM caom2.Observation ORDER BY observationID",
}
PUBLIC = ["700001o", "700002p", "scuba2_demo_1"]
OWN = [*PUBLIC, "scuba2_demo_2"]
PI, VISITOR = STANDIN.credentials["pi"], STANDIN.credentials["visitor"]
DELEGATED = "delegated certificate"


def third_party(host: str = "storage.example.org") -> StandIn:
    """A server that is none of the archive's; every request there is recorded by the sandbox."""

    async def answer(_: web.Request) -> web.Response:
        return web.Response(body=b"elsewhere")

    def app(_: Bench) -> web.Application:
        application = web.Application()
        application.router.add_get("/{path:.*}", answer)
        return application

    return StandIn(archive="elsewhere", hosts=(host,), credentials={}, app=app)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Start no other archive's stand-in for the tests here: each has a sandbox of its own."""
    for item in items:
        if item.path.parent == Path(__file__).parent and item.get_closest_marker("vo_auth_sandbox") is None:
            item.add_marker(pytest.mark.vo_auth_sandbox(only=["cadc"]))


@pytest.fixture(autouse=True)
def _closed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Close what pyvo and astroquery leave open: unread answers, and the connections of sessions of their own."""
    opened: list[Any] = []
    send = HTTPAdapter.send

    def kept(self: HTTPAdapter, *args: Any, **kwargs: Any) -> requests.Response:
        opened.append(self)
        opened.append(send(self, *args, **kwargs))
        return opened[-1]

    monkeypatch.setattr(HTTPAdapter, "send", kept)
    yield
    for item in reversed(opened):
        item.close()


@pytest.fixture
def bench(vo_auth_sandbox: Sandbox) -> Bench:
    return vo_auth_sandbox.bench("cadc")


@pytest.fixture
def session_for(vo_auth_sandbox: Sandbox) -> Iterator[Callable[..., vo_auth.AuthSession]]:
    """Make sessions that are closed at the end."""
    opened: list[vo_auth.AuthSession] = []

    def make(url: str = TAP_URL, **options: Any) -> vo_auth.AuthSession:
        opened.append(vo_auth.session_for(url, **options))
        return opened[-1]

    yield make
    for session in opened:
        session.close()


@pytest.fixture
def session(session_for: Callable[..., vo_auth.AuthSession]) -> vo_auth.AuthSession:
    return session_for()


@pytest.fixture
def without_credentials(vo_auth_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in vo_auth_sandbox.environ:
        if name.startswith("VO_AUTH_CADC_"):
            monkeypatch.delenv(name, raising=False)


@pytest.fixture
def certificate(vo_auth_sandbox: Sandbox) -> Callable[..., Path]:
    """Write a role's certificate, by default where cadcutils looks."""

    def write(role: str = "pi", *, name: str = ".ssl/cadcproxy.pem", mode: int = 0o600, **options: Any) -> Path:
        path = vo_auth_sandbox.home / name
        path.parent.mkdir(mode=0o700, exist_ok=True)
        path.write_text(make_certificate(vo_auth_sandbox.authority, role, **options))
        os.chmod(path, mode)
        return path

    return write


def seen(session: requests.Session) -> list[str]:
    """Return the observations that a session's user sees."""
    answer = session.get(f"{TAP_URL}/sync", params=SEARCH)
    assert answer.status_code == 200, answer.text
    return answer.text.split()[1:]


def shown_at(sandbox: Sandbox, host: str | None = None) -> list[str]:
    """Return what kind of permit came with each request, logins left out."""
    kinds = []
    for entry in sandbox.received.all() if host is None else sandbox.received.at(host):
        if entry.path not in {"/ac/login", "/cred/generate"}:
            found = [
                *(["certificate"] if entry.client_certificate else []),
                *([entry.authorization.partition(" ")[0].lower()] if entry.authorization else []),
                *(["cookie"] if entry.cookie else []),
            ]
            kinds.append("+".join(found) or "nothing")
    return kinds
