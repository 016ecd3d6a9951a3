"""Servers on loopback that answer as they are told, and archives that live on them."""

from __future__ import annotations

import contextlib
import ssl
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import trustme

import vo_auth
from vo_auth import Archive, Domain, Pages
from vo_auth.flows import LoginRequest, PastedToken
from vo_auth.inquiry import ServerWord
from vo_auth.registry import Registry
from vo_auth.wallet.renewal import Renewals

PASSWORD = "obviously-fake-planted-password"
PERMIT = "obviously-fake-planted-permit"
PAGES = Pages(
    register="https://archive.example.org/register",
    rights="https://archive.example.org/rights",
    licence="https://archive.example.org/licence",
    profile="https://archive.example.org/profile",
    account="https://archive.example.org/account",
)


@dataclass
class Answer:
    """What a server answers to a path."""

    status: int = 200
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b"data"
    drops: bool = False


class Server(ThreadingHTTPServer):
    """A server that writes down what it received."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        self.received: list[tuple[str, str, dict[str, str]]] = []
        self.answers: dict[str, Answer] = {"*": Answer()}
        self.headers_for: Callable[[dict[str, str]], list[tuple[str, str]]] = lambda headers: []
        super().__init__(("127.0.0.1", 0), _Handler)
        self._tls = context is not None
        if context is not None:
            self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        scheme, host = ("https", "localhost") if self._tls else ("http", "127.0.0.1")
        return f"{scheme}://{host}:{self.server_address[1]}"

    def reply(self, status: int, *headers: tuple[str, str], body: bytes = b"data", path: str = "*") -> None:
        self.answers[path] = Answer(status, list(headers), body)

    def drop(self, path: str = "*") -> None:
        self.answers[path] = Answer(drops=True)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that go away are part of the tests."""

    def close(self) -> None:
        self.shutdown()
        self.server_close()
        self._thread.join(5)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def log_message(self, *args: object) -> None:
        """Print nothing."""

    def _answer(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = urlsplit(self.path).path
        self.server.received.append((self.command, self.path, {k.lower(): v for k, v in self.headers.items()}))
        answer = self.server.answers.get(path, self.server.answers["*"])
        if answer.drops:
            self.close_connection = True
            return
        self.send_response(answer.status)
        for name, value in [*answer.headers, *self.server.headers_for(self.server.received[-1][2])]:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        self.wfile.write(answer.body)

    do_GET = do_POST = do_CONNECT = _answer  # noqa: N815 - http.server names them so


class Net:
    """The servers of one test, and archives on them."""

    def __init__(self, environment: pytest.MonkeyPatch) -> None:
        self._environment = environment
        self._stack = contextlib.ExitStack()

    def server(self, context: ssl.SSLContext | None = None) -> Server:
        server = Server(context)
        self._stack.callback(server.close)
        return server

    def archive(self, data: str, login: str = "", **options: Any) -> Archive:
        """Return an archive whose data are at one server, and whose login is at another one."""
        flow = LoginRequest(url=f"{login}/login", answer="text", present="bearer") if login else PastedToken()
        fields = {"name": "alpha", "title": "Archive Alpha", "pages": PAGES, "flows": (flow,), **options}
        return Archive(domains=(Domain(data),), **fields)

    def use(self, *archives: Archive) -> None:
        """Let all of vo_auth know these archives alone."""
        registry = Registry(archives)
        for name, module in list(sys.modules.items()):
            if name.startswith("vo_auth.") and "default_registry" in vars(module):
                self._environment.setattr(module, "default_registry", lambda: registry)

    def credentials(self, **values: str) -> None:
        for name, value in values.items():
            self._environment.setenv(f"VO_AUTH_ALPHA_{name.upper()}", value)

    def session(self, archive: Archive, **options: Any) -> vo_auth.AuthSession:
        self.use(archive)
        session = vo_auth.session_for(archive.domains[0].base, **{"interactive": False, **options})
        self._stack.callback(session.close)
        return session

    def ask(self, server: Server, **options: Any) -> ServerWord:
        self.use(self.archive(server.url, **options))
        self.credentials(token=PERMIT)
        said = vo_auth.explain(f"{server.url}/x", ask=True).said
        assert said is not None
        return said

    def close(self) -> None:
        self._stack.close()


@dataclass
class Tls:
    """A certificate authority of one test."""

    authority: trustme.CA
    bundle: str

    def context(self, **options: Any) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.authority.issue_cert("localhost", **options).configure_cert(context)
        return context


@pytest.fixture
def tls(tmp_path: Path) -> Tls:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    return Tls(authority, str(tmp_path / "authority.pem"))


@pytest.fixture
def net(monkeypatch: pytest.MonkeyPatch) -> Iterator[Net]:
    # one wallet per folder and process: each test has its own folder
    net = Net(monkeypatch)
    yield net
    net.close()
    for thread in threading.enumerate():
        if thread.name == "vo_auth renewal":
            thread.join(Renewals.DEADLINE)
