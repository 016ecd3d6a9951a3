"""A sandbox with ESO's stand-in and, where asked, hosts that redirect; connections are closed at the end of a test."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

import pytest
import requests
from aiohttp import web
from requests.adapters import HTTPAdapter

with warnings.catch_warnings(action="ignore"):
    # astropy and astroquery, first imported here, warn that the isolated XDG folders do not exist.
    import pyvo  # noqa: F401
    from pyvo.dal.exceptions import DALServiceError  # noqa: F401

from vo_auth.sandbox import Bench, Received, Sandbox, StandIn

ESO_URL = "https://archive.eso.org/tap_obs/availability"


@pytest.fixture(autouse=True)
def _closed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Close what pyvo and astroquery leave open: unread answers, and the connections of sessions of their own."""
    opened: list[Any] = []
    send = HTTPAdapter.send

    def kept(self: HTTPAdapter, *args: Any, **kwargs: Any) -> requests.Response:
        opened.append(self)
        response = send(self, *args, **kwargs)
        opened.append(response)
        return response

    monkeypatch.setattr(HTTPAdapter, "send", kept)
    yield
    for item in reversed(opened):
        item.close()


@pytest.fixture
def sandbox(vo_auth_sandbox: Sandbox) -> Sandbox:
    return vo_auth_sandbox


@pytest.fixture
def sent(sandbox: Sandbox) -> Callable[..., list[Received]]:
    """Run something and return what the servers of archives received meanwhile, logins left out."""

    def call(work: Callable[[], object]) -> list[Received]:
        before = len(sandbox.received.all())
        work()
        return [one for one in sandbox.received.all()[before:] if one.host != "www.eso.org"]

    return call


def relay(archive: str, *hosts: str) -> StandIn:
    """Make hosts that lead on: ``/to?URL`` redirects, ``/data`` answers."""

    def app(_bench: Bench) -> web.Application:
        async def lead(request: web.Request) -> web.Response:
            return web.Response(status=302, headers={"Location": request.query["url"]})

        async def data(_request: web.Request) -> web.Response:
            return web.Response(text="data")

        application = web.Application()
        application.add_routes([web.get("/to", lead), web.get("/data", data)])
        return application

    return StandIn(archive=archive, hosts=hosts, credentials={}, app=app)


def through(*hosts: str, last: str) -> str:
    """Return a URL that leads through hosts to another URL."""
    url = last
    for host in reversed(hosts):
        url = f"https://{host}/to?url={quote(url, safe='')}"
    return url


@pytest.fixture
def chained() -> Callable[..., str]:
    return through
