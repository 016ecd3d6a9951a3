"""One web server for every host name of the sandbox."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

from aiohttp import web

from .faults import Fault, date_header, take_fault
from .journal import ReceivedJournal
from .standin import Bench, Received, StandIn
from .tls import peer_certificate

if TYPE_CHECKING:
    from asyncio import Task

    from aiohttp.abc import AbstractStreamWriter
    from aiohttp.http_parser import RawRequestMessage
    from aiohttp.streams import StreamReader
    from aiohttp.web_protocol import RequestHandler

__all__ = ["Dispatcher", "split_authority"]

_DEFAULT_PORTS = {"http": 80, "https": 443}


def split_authority(authority: str, default_port: int) -> tuple[str, int]:
    """Split ``host:port`` as it stands in a Host header or in a CONNECT request.

    Parameters
    ----------
    authority
        With or without a port.
    default_port
        Where none is named.

    Returns
    -------
    tuple
        The host name in lower case, and the port (0 where it is no number).

    Examples
    --------
    >>> split_authority("Archive.ESO.org:443", 80)
    ('archive.eso.org', 443)
    >>> split_authority("[::1]", 80)
    ('::1', 80)
    """
    host, separator, port = authority.strip().rpartition(":")
    if not separator or port.endswith("]"):
        host, port = authority.strip(), str(default_port)
    number = int(port) if port.isascii() and port.isdigit() else (0 if port else default_port)
    return host.lower().strip("[]"), number


class Dispatcher:
    """Give each request to the stand-in that its Host header names, and write it down before.

    Parameters
    ----------
    standins
        With their benches.
    received
        Where every request is written down.
    """

    def __init__(self, standins: Iterable[tuple[StandIn, Bench]], received: ReceivedJournal) -> None:
        self._standins = list(standins)
        self._received = received
        self._places: dict[str, tuple[Bench, web.Server]] = {}
        self._stack = AsyncExitStack()

    @property
    def hosts(self) -> tuple[str, ...]:
        """The host names that are served, sorted."""
        return tuple(sorted(host.lower() for standin, _ in self._standins for host in standin.hosts))

    async def start(self) -> web.Server:
        """Make the applications of all stand-ins.

        Returns
        -------
        web.Server
            Answers for every host name; it does not listen yet.
        """
        for standin, bench in self._standins:
            server = await self._start_app(standin, bench)
            self._places.update((host.lower(), (bench, server)) for host in standin.hosts)
        return web.Server(self._answer, request_factory=self._make_request)

    async def stop(self) -> None:
        """End the applications, each with its own clean-up."""
        await self._stack.aclose()

    async def _start_app(self, standin: StandIn, bench: Bench) -> web.Server:
        app = standin.app(bench)
        app.on_response_prepare.append(_clock_of(bench))
        runner = web.AppRunner(app, access_log=None)
        self._stack.push_async_callback(runner.cleanup)
        await runner.setup()
        assert runner.server is not None
        return runner.server

    def _make_request(
        self,
        message: RawRequestMessage,
        payload: StreamReader,
        protocol: RequestHandler,
        writer: AbstractStreamWriter,
        task: Task[None],
    ) -> web.BaseRequest:
        # An application's handlers need requests that the application itself has made.
        host, _ = split_authority(message.headers.get("Host", ""), 0)
        place = self._places.get(host)
        if place is None:
            return web.BaseRequest(message, payload, protocol, writer, task, asyncio.get_running_loop())
        return place[1].request_factory(message, payload, protocol, writer, task)

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        entry = _write_down(request)
        self._received.add(entry)
        place = self._places.get(entry.host)
        if place is None:
            return _misdirected(entry, self.hosts)
        bench, server = place
        fault = take_fault(bench, entry.method, entry.path)
        if fault is not None:
            answer = await _fail(fault, request, bench)
            if answer is not None:
                return answer
        return await server.request_handler(request)


def _write_down(request: web.BaseRequest) -> Received:
    path, _, query = request.raw_path.partition("?")
    host, port = split_authority(request.headers.get("Host", ""), _DEFAULT_PORTS[request.scheme])
    return Received(
        scheme=request.scheme,
        host=host,
        port=port,
        method=request.method,
        path=path,
        query=query,
        headers=_joined(request.headers),
        client_certificate=peer_certificate(request),
    )


def _joined(headers: Mapping[str, str]) -> dict[str, str]:
    joined: dict[str, str] = {}
    for name, value in headers.items():
        key = name.lower()
        joined[key] = f"{joined[key]}, {value}" if key in joined else value
    return joined


def _misdirected(entry: Received, hosts: Iterable[str]) -> web.Response:
    known = "\n".join(f"  {host}" for host in hosts)
    return web.Response(status=421, text=f"The sandbox does not serve {entry.host!r}. It serves:\n{known}\n")


async def _fail(fault: Fault, request: web.BaseRequest, bench: Bench) -> web.StreamResponse | None:
    if fault.delay:
        await asyncio.sleep(fault.delay)
    if fault.drop:
        if request.transport is not None:
            request.transport.close()
        return web.Response()  # goes nowhere: the connection is closed
    status, headers, body = fault.answer()
    if not status:
        return None
    return web.Response(status=status, headers={"Date": date_header(bench), **headers}, body=body.encode())


def _clock_of(bench: Bench) -> Any:
    async def set_date(_request: web.Request, response: web.StreamResponse) -> None:
        if bench.knob("clock_skew"):
            response.headers["Date"] = date_header(bench)

    return set_date
