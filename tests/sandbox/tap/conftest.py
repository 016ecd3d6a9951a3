"""A small archive with a TAP service, on http and loopback, in a thread of its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import pytest
import pyvo
import requests
from aiohttp import web

from vo_auth.sandbox.tap import Column, Table, TapService, TapSettings

EXAMPLES = """<?xml version="1.0" encoding="utf-8"?>
<html xmlns="http://www.w3.org/1999/xhtml"><body vocab="ivo://ivoa.net/std/DALI-examples">
<div id="two" typeof="example"><h2 property="name">Two frames</h2>
<pre property="query">select top 2 * from dbo.raw order by dp_id</pre></div></body></html>
"""

RAW_COLUMNS = (
    Column(name="dp_id", datatype="char", arraysize="*", ucd="meta.id;meta.main", indexed=True, principal=True),
    Column(name="ra", datatype="double", unit="deg", ucd="pos.eq.ra", description="Right ascension, J2000 & ICRS"),
    Column(name="dec", datatype="double", unit="deg", ucd="pos.eq.dec"),
    Column(name="Exposure", datatype="float", unit="s", ucd="time.duration;obs.exposure"),
    Column(name="n_exp", datatype="int"),
    Column(name="prog_id", datatype="char", arraysize="*"),
    Column(name="date_obs", datatype="char", arraysize="*", xtype="timestamp"),
    Column(name="public", datatype="boolean"),
)
RAW_ROWS = tuple(
    {
        "dp_id": f"{'SECRET' if secret else 'FRAME'}.{number:02}",
        "ra": 10.0 * number,
        "dec": -10.0 + number,
        "Exposure": None if number == 3 else 1.5 * number,
        "n_exp": number % 3,
        "prog_id": "60.A-0001(S)" if secret else "098.C-0739(C)",
        "date_obs": f"2016-09-{number + 10}T04:15:07.252",
        "public": number % 2 == 0,
    }
    for number, secret in enumerate([False, True, False, False, True, False, False, True])
)
OBSCORE_COLUMNS = (
    Column(name="obs_id", datatype="char", arraysize="*"),
    Column(name="s_ra", datatype="double", unit="deg"),
    Column(name="s_region", datatype="char", arraysize="*", xtype="adql:REGION"),
)
OBSCORE_ROWS = tuple(
    {"obs_id": row["dp_id"], "s_ra": row["ra"], "s_region": "POLYGON J2000 0 -20 20 -20 20 0 0 0"}
    for row in RAW_ROWS[:4]
)


def rights(user: str | None) -> tuple[str, tuple[Any, ...]]:
    """The PI sees everything, a member one secret frame, everybody else none."""
    if user == "pi":
        return "1", ()
    return "prog_id <> ? OR dp_id = ?", ("60.A-0001(S)", "SECRET.04" if user == "member" else "")


RAW = Table(name="dbo.raw", columns=RAW_COLUMNS, rows=RAW_ROWS, description="Raw frames", rights=rights)
OBSCORE = Table(name="ivoa.ObsCore", columns=OBSCORE_COLUMNS, rows=OBSCORE_ROWS, utype="obscore")


@dataclass
class Archive:
    """The running service and its knobs."""

    url: str = ""
    seconds: float = 0.0
    time: float = 1_790_000_000.0
    received: list[str] = field(default_factory=list)
    gate: threading.Event = field(default_factory=threading.Event)
    arrived: threading.Condition = field(default_factory=threading.Condition)
    sessions: list[requests.Session] = field(default_factory=list)
    responses: list[requests.Response] = field(default_factory=list)

    def session(self, user: str | None = None) -> requests.Session:
        session = requests.Session()
        if user:
            session.headers["X-User"] = user
        # pyvo streams its answers and does not always read them to the end: keep them, close them at the end
        session.hooks["response"].append(lambda response, **_: self.responses.append(response))
        self.sessions.append(session)
        return session

    def tap(self, user: str | None = None) -> pyvo.dal.TAPService:
        return pyvo.dal.TAPService(self.url, session=self.session(user))

    stop: Callable[[], None] = lambda: None

    def wait_for(self, line: str) -> None:
        """Wait until a request has arrived."""
        with self.arrived:
            assert self.arrived.wait_for(lambda: line in self.received, timeout=20)

    def dawdle(self) -> float:
        """Hold a query until the gate is open, then say how long it takes."""
        assert self.gate.wait(20)
        return self.seconds

    def note(self, line: str) -> None:
        with self.arrived:
            self.received.append(line)
            self.arrived.notify_all()

    def close(self) -> None:
        for opened in (*self.responses, *self.sessions):
            opened.close()


def _who(request: web.Request) -> str | None:
    return request.headers.get("X-User")


async def _serve(app: web.Application, archive: Archive, ready: threading.Event, ends: list[Any]) -> None:
    runner = web.AppRunner(app, shutdown_timeout=5)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    archive.url = f"http://127.0.0.1:{runner.addresses[0][1]}/tap_obs"
    end = asyncio.Event()
    ends += [asyncio.get_running_loop(), end]
    ready.set()
    await end.wait()
    await runner.cleanup()


@pytest.fixture
def archive(request: pytest.FixtureRequest) -> Iterator[Archive]:
    """Serve the archive; an indirect parameter is the time in seconds that a query may take."""
    archive = Archive()
    archive.gate.set()
    settings = TapSettings(
        base_path="/tap_obs",
        title="A small archive",
        default_maxrec=6,
        max_rows=50,
        default_duration=getattr(request, "param", 20),
        max_duration=100,
        examples=EXAMPLES,
        minimum_seconds=archive.dawdle,
    )
    service = TapService(
        tables=(RAW, OBSCORE),
        settings=settings,
        identify=_who,
        headers=lambda _request, user: {"X-VO-Authenticated": user} if user else {},
        clock=lambda: archive.time,
    )

    @web.middleware
    async def note(request: web.Request, handler: Any) -> web.StreamResponse:
        archive.note(f"{request.method} {request.path}")
        return await handler(request)

    app = web.Application(middlewares=[note])
    app.add_routes(service.routes())
    app.on_shutdown.append(service.shutdown)
    ready, ends = threading.Event(), []
    thread = threading.Thread(target=lambda: asyncio.run(_serve(app, archive, ready, ends)))
    thread.start()
    assert ready.wait(20)
    loop, end = ends

    def stop() -> None:
        if thread.is_alive():
            loop.call_soon_threadsafe(end.set)
            thread.join(20)

    archive.stop = stop
    yield archive
    archive.close()
    stop()
    assert not thread.is_alive()


@pytest.fixture
def in_background() -> Iterator[Callable[..., Future[Any]]]:
    """Run something in a thread while the test goes on."""
    with ThreadPoolExecutor(4) as pool:
        yield pool.submit
