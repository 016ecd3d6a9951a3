"""Servers on loopback that write down what reaches them, a proxy that gives them names, and archives to talk to.

A test asks what a server *received*, never what a parser thinks of a URL. Ports of one machine are several origins;
names with https live behind the proxy, which maps ``name:443`` to a server and keeps every byte that it could read.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import trustme

import vo_auth
from vo_auth import Archive, Domain
from vo_auth.archive import Grant, LoginContext
from vo_auth.clock import Clock
from vo_auth.credentials import ExplicitSource
from vo_auth.flows import CertificateFile, HttpBasic, PastedCookie, PastedToken
from vo_auth.permit import BearerPermit
from vo_auth.registry import Registry
from vo_auth.secret import Secret
from vo_auth.wallet import Wallet

TOKEN = "obviously-fake-token-of-alpha"


@dataclass(frozen=True, slots=True)
class Seen:
    """One request as it arrived."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    certificate: str
    connection: int

    @property
    def authorization(self) -> str:
        return self.headers.get("authorization", "")

    @property
    def cookies(self) -> dict[str, str]:
        pairs = (pair.strip().partition("=") for pair in self.headers.get("cookie", "").split(";"))
        return {name: value for name, _, value in pairs if name}


@dataclass(slots=True)
class Reply:
    """What a server answers."""

    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b"data"
    chunks: tuple[bytes, ...] = ()
    raw: Callable[[Any], None] | None = None  # writes what it likes to the connection


def redirect(url: str, status: int = 302, *headers: tuple[str, str]) -> Reply:
    return Reply(status, (("Location", url), *headers), b"")


class Recorder(ThreadingHTTPServer):
    """A server that writes down what it receives and answers as it is told."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        self.received: list[Seen] = []
        self.replies: dict[str, Any] = {}
        self.context = context
        self.connections = 0
        super().__init__(("127.0.0.1", 0), _Handler)
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    @property
    def url(self) -> str:
        return f"https://localhost:{self.port}" if self.context else f"http://127.0.0.1:{self.port}"

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        connection.settimeout(20)
        self.connections += 1
        return connection, (*address, self.connections)

    def finish_request(self, request: Any, client_address: Any) -> None:
        if self.context is not None:  # in the thread of the connection
            try:
                request = self.context.wrap_socket(request, server_side=True)
            except OSError:
                return
        try:
            super().finish_request(request, client_address)
        finally:
            request.close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that go away are part of the tests."""

    def answer(self, seen: Seen) -> Reply:
        reply = self.replies.get(urlsplit(seen.path).path, self.replies.get("*", Reply()))
        return reply(seen) if callable(reply) else reply


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Recorder
    wbufsize = -1  # one packet for a small answer

    def log_message(self, *args: Any) -> None:
        """Print nothing."""

    def handle_one_request(self) -> None:
        self.raw_requestline = self.rfile.readline(65537)
        if not self.raw_requestline or not self.parse_request():
            self.close_connection = True
            return
        if self.headers.get("Transfer-Encoding") == "chunked":
            body = b""
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        else:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        names = {name.lower() for name in self.headers}
        headers = {name: ", ".join(self.headers.get_all(name, [])) for name in names}
        seen = Seen(self.command, self.path, headers, body, self._certificate(), self.client_address[2])
        self.server.received.append(seen)
        self._send(self.server.answer(seen))

    def _certificate(self) -> str:
        shown = self.connection.getpeercert() if isinstance(self.connection, ssl.SSLSocket) else None
        subject = dict(pair for part in (shown or {}).get("subject", ()) for pair in part)
        return str(subject.get("commonName", ""))

    def _send(self, reply: Reply) -> None:
        if reply.raw is not None:
            reply.raw(self)
            self.close_connection = True
            return
        self.send_response(reply.status)
        for name, value in reply.headers:
            self.send_header(name, value)
        if reply.chunks:
            self.send_header("Transfer-Encoding", "chunked")
        else:
            self.send_header("Content-Length", str(len(reply.body)))
        self.end_headers()
        if self.command == "HEAD":
            pass
        elif reply.chunks:
            for chunk in (*reply.chunks, b""):
                self.wfile.write(b"%x\r\n%s\r\n" % (len(chunk), chunk))
                self.wfile.flush()
                time.sleep(0.005)  # so that each chunk is a packet of its own: what is tested must not depend on it
        else:
            self.wfile.write(reply.body)
        self.wfile.flush()


class Proxy(ThreadingHTTPServer):
    """A forward proxy: CONNECT to names that it knows; plain http is answered by the server that the name has there."""

    daemon_threads = True
    block_on_close = False

    def __init__(self) -> None:
        self.heads: list[str] = []  # all that it could read
        self.names: dict[tuple[str, int], Recorder] = {}
        super().__init__(("127.0.0.1", 0), _ProxyHandler)
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """As above."""


class _ProxyHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Proxy

    def log_message(self, *args: Any) -> None:
        """Print nothing."""

    def parse_request(self) -> bool:
        ok = super().parse_request()
        if ok:
            self.server.heads.append(f"{self.requestline}\n{self.headers}")
        return ok

    def do_CONNECT(self) -> None:
        host, _, port = self.path.rpartition(":")
        known = self.server.names.get((host, int(port)))
        self.close_connection = True
        if known is None:
            self.send_error(403)
            return
        self.send_response(200)
        self.end_headers()
        with socket.create_connection(("127.0.0.1", known.port)) as there:
            back = threading.Thread(target=_pump, args=(there, self.connection), daemon=True)
            back.start()
            _pump(self.connection, there)
            back.join(5)

    def _forward(self) -> None:
        parts = urlsplit(self.path)
        known = self.server.names.get((parts.hostname or "", parts.port or 80))
        self.close_connection = True
        if known is None:
            self.send_error(403)
            return
        headers = {name.lower(): value for name, value in self.headers.items()}
        path = parts._replace(scheme="", netloc="").geturl()
        seen = Seen(self.command, path, headers, b"", "", 0)
        known.received.append(seen)
        reply = known.answer(seen)
        self.send_response(reply.status)
        for name, value in (*reply.headers, ("Content-Length", str(len(reply.body))), ("Connection", "close")):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(reply.body)

    do_GET = do_POST = do_HEAD = _forward  # noqa: N815 (the names that http.server asks for)


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


@dataclass(slots=True)
class Time:
    """A clock that tests move."""

    start: float = field(default_factory=time.time)
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
    make: Callable[[LoginContext], Grant] | None = None

    def login(self, ctx: LoginContext) -> Grant:
        if self.make is not None:
            return self.make(ctx)
        self.logins.append(f"fake-minted-{len(self.logins) + 1}")
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


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="session")
def ca(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("authority") / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return str(path)


class Net:
    """Servers, names and sessions of one test."""

    def __init__(self, authority: trustme.CA, ca: str, folder: Path, environment: pytest.MonkeyPatch) -> None:
        self._authority, self.ca, self._folder, self._environment = authority, ca, folder, environment
        self._stack = contextlib.ExitStack()
        self._proxy: Proxy | None = None

    def close(self) -> None:
        self._stack.close()

    def keep(self, thing: Any) -> Any:
        self._stack.callback(thing.close)
        return thing

    def _start(self, server: Any) -> Any:
        self._stack.callback(server.server_close)
        self._stack.callback(server.shutdown)
        return server

    # servers

    def server(self, *names: str, tls: bool = False, authority: trustme.CA | None = None) -> Recorder:
        authority = authority or self._authority
        context = None
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            authority.issue_cert("localhost", "127.0.0.1", *names).configure_cert(context)
            self._authority.configure_trust(context)
            context.verify_mode = ssl.CERT_OPTIONAL
        return self._start(Recorder(context))

    @property
    def proxy(self) -> Proxy:
        """A proxy that this process uses from now on, as the environment says."""
        if self._proxy is None:
            self._proxy = self._start(Proxy())
            for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
                self._environment.setenv(name, self._proxy.url)
            self._environment.setenv("REQUESTS_CA_BUNDLE", self.ca)
        return self._proxy

    def name(self, host: str, port: int = 443) -> Recorder:
        """Serve https under a name."""
        server = self.server(host, tls=True)
        self.proxy.names[host, port] = server
        return server

    def plain_name(self, host: str, port: int = 80) -> Recorder:
        """Serve plain http under a name, by way of the proxy alone."""
        server = self.server()
        self.proxy.names[host, port] = server
        return server

    def certificate(self, common_name: str, path: Path | None = None) -> Path:
        """Write a client certificate with its key."""
        leaf = self._authority.issue_cert(common_name=common_name)
        path = path or self._folder / f"{common_name}.pem"
        path.write_bytes(leaf.private_key_and_cert_chain_pem.bytes())
        path.chmod(0o600)
        return path

    # archives and sessions

    def archive(self, *bases: str | Domain, name: str = "alpha", **more: Any) -> Archive:
        domains = tuple(base if isinstance(base, Domain) else Domain(base) for base in bases)
        more.setdefault("flows", (PastedToken(), PastedCookie(), CertificateFile(), HttpBasic()))
        return Archive(name=name, title=f"Archive {name.title()}", domains=domains, **more)

    def session(self, *archives: Archive, url: str | None = None, **more: Any) -> vo_auth.AuthSession:
        """Make a session for the first archive; with a token of its own unless told otherwise."""
        own = {"token", "cookie", "certificate", "username", "wallet", "file"}
        if not own & more.keys():
            more["token"] = TOKEN
        url = archives[0].domains[0].base if url is None else url
        return self.keep(vo_auth.AuthSession(url=url or None, registry=Registry(archives), **more))

    def wallet(self, source: Mapping[str, str] | None = None, time: Time | None = None) -> Wallet:
        """Make a wallet in memory with credentials for every archive, or with none."""
        return Wallet(None, [ExplicitSource(source)] if source else [], clock=time.clock if time else None)

    def minted(self, *bases: str | Domain, life: float | None = 3600.0, **more: Any) -> tuple[Archive, Mint, Wallet]:
        """Make an archive whose tokens are minted, and a wallet for it with movable time."""
        mint = Mint(life=life)
        archive = self.archive(*bases, flows=(mint,), **more)
        return archive, mint, self.wallet({"username": "demo", "password": "obviously-fake"}, mint.time)


@pytest.fixture
def net(authority: trustme.CA, ca: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Net]:
    net = Net(authority, ca, tmp_path, monkeypatch)
    yield net
    net.close()


@pytest.fixture
def reply() -> type[Reply]:
    return Reply


@pytest.fixture
def redirected() -> Callable[..., Reply]:
    return redirect


@pytest.fixture
def token() -> str:
    return TOKEN
