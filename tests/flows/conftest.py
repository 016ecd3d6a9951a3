"""A login endpoint on loopback that records what it is sent and answers what a test says."""

from __future__ import annotations

import json
import socket
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

sys.path.append(str(Path(__file__).parent))

from authority import Authority, Visitor

from vo_auth import Archive, Domain, Secret
from vo_auth.archive import Flow, LoginContext, Person
from vo_auth.clock import Clock
from vo_auth.login_client import LoginClient


@dataclass
class Received:
    """One request as it arrived."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def query(self) -> list[tuple[str, str]]:
        return parse_qsl(urlsplit(self.target).query, keep_blank_values=True, strict_parsing=True)

    @property
    def form(self) -> list[tuple[str, str]]:
        return parse_qsl(self.body.decode("ascii"), keep_blank_values=True, strict_parsing=True)


@dataclass
class Reply:
    """What to answer; ``write`` takes the connection over."""

    status: int = 200
    body: bytes | str | object = b""
    headers: list[tuple[str, str]] = field(default_factory=list)
    write: Callable[[Any], None] | None = None

    @property
    def content(self) -> bytes:
        if isinstance(self.body, bytes):
            return self.body
        return self.body.encode() if isinstance(self.body, str) else json.dumps(self.body).encode()


class Endpoint:
    """A server; ``replies`` are given one after the other, the last one for ever."""

    def __init__(self) -> None:
        self.received: list[Received] = []
        self.replies: list[Reply] = [Reply()]
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_one_request(self) -> None:
                try:
                    super().handle_one_request()
                except OSError:  # the client has gone
                    self.close_connection = True

            def answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                endpoint.received.append(Received(self.command, self.path, dict(self.headers), body))
                reply = endpoint.replies.pop(0) if len(endpoint.replies) > 1 else endpoint.replies[0]
                if reply.write is not None:
                    self.close_connection = True
                    reply.write(self)
                    return
                self.send_response(reply.status)
                for name, value in reply.headers:
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(reply.content)))
                self.end_headers()
                self.wfile.write(reply.content)

            do_GET = do_POST = do_PUT = do_CONNECT = answer  # noqa: N815 - http.server names them so

            def date_time_string(self, timestamp: float | None = None) -> str:
                return endpoint.date or super().date_time_string(timestamp)  # type: ignore[arg-type]

            def log_message(self, *args: object) -> None:
                pass

        self.date = ""
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def reply(self, *replies: Reply) -> None:
        self.replies = list(replies)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture(name="make_endpoint")
def _make_endpoint() -> Iterator[Callable[[], Endpoint]]:
    made: list[Endpoint] = []

    def make() -> Endpoint:
        made.append(Endpoint())
        return made[-1]

    yield make
    for endpoint in made:
        endpoint.close()


@pytest.fixture
def endpoint(make_endpoint: Callable[[], Endpoint]) -> Endpoint:
    return make_endpoint()


@pytest.fixture
def reply() -> type[Reply]:
    return Reply


@dataclass
class Bench:
    """Run flows against archives that exist for one test."""

    clients: list[LoginClient] = field(default_factory=list)

    def archive(self, *flows: Flow, name: str = "example") -> Archive:
        domains = (Domain("https://archive.example.org"),)
        return Archive(name=name, title="An Example Archive", domains=domains, flows=flows)

    def context(
        self,
        flow: Flow,
        *,
        deadline: float = 10.0,
        clock: Clock | None = None,
        person: Person | None = None,
        resource: str = "",
        **credentials: str,
    ) -> LoginContext:
        archive = self.archive(flow)
        client = LoginClient(archive.title, archive.credential_origins(), deadline=deadline, clock=clock)
        self.clients.append(client)
        secrets = {name: Secret(value) for name, value in credentials.items()}
        return LoginContext(archive=archive, client=client, credentials=secrets, person=person, resource=resource)

    def login(self, flow: Flow, **credentials: str) -> Any:
        return flow.login(self.context(flow, **credentials))


@pytest.fixture
def bench() -> Iterator[Bench]:
    here = Bench()
    yield here
    for client in here.clients:
        client.close()


@pytest.fixture
def authority() -> Iterator[Authority]:
    server = Authority()
    yield server
    server.close()


@pytest.fixture
def visitor() -> Visitor:
    return Visitor()


@pytest.fixture
def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
