"""The listener that a browser is sent back to, on this machine alone (RFC 8252, section 7.3)."""

from __future__ import annotations

import os
import secrets
import socket
import socketserver
import threading
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

from ..errors import LoginError
from ._redirect import read_answer
from .page import HEADERS, final_page

__all__ = ["Loopback"]

_LONGEST_TARGET = 16 * 1024
_CONNECTIONS = 16


class Loopback:
    """Wait on 127.0.0.1 for the browser that comes back from a login, and show it how the login ended.

    Everything else is answered with a bare error and does not end the wait: other paths, methods and hosts (a name that
    an attacker's site makes lead here sends its own name), another state, a second parameter of a name.

    Parameters
    ----------
    title
        The archive, for the page.
    state
        What the browser must bring back.
    path
        Where it must arrive.
    port
        0 for a free one.
    grace
        Seconds for which the end waits for the browser to fetch its last page.

    Raises
    ------
    LoginError
        When the port is taken.
    """

    def __init__(self, *, title: str, state: str, path: str, port: int = 0, grace: float = 2.0) -> None:
        self.title = title
        self.grace = grace
        self.state = state
        self.path = path
        self.final_path = f"/{secrets.token_urlsafe(16)}"
        self._url = ""
        self._come = threading.Event()
        self._ended = threading.Event()
        self._shown = threading.Event()
        self._page = ("", "", True)
        try:
            self._server = _Server(self, port)
        except OSError as error:
            what = f"port {port} of this machine is taken" if port else f"no port is free ({error.strerror})"
            raise LoginError(f"{title}: the browser could not come back: {what}; set another redirect_port") from None
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, name="vo_auth loopback", daemon=True
        )

    @property
    def redirect_uri(self) -> str:
        """Where the browser has to be sent."""
        return f"http://127.0.0.1:{self._server.server_port}{self.path}"

    def __enter__(self) -> Loopback:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        try:
            if not self._ended.is_set():
                heading = f"The login to {self.title} did not work"
                self.end(heading, "The program that asked for it says why.", has_failed=True)
            if self._url and (kind is None or issubclass(kind, Exception)):
                self._shown.wait(self.grace)
        finally:
            self._server.shutdown()
            self._server.close()
            self._thread.join()

    def arrived(self, seconds: float) -> str | None:
        """Wait for the browser.

        Parameters
        ----------
        seconds
            How long.

        Returns
        -------
        str or None
            Where it was sent; None when it has not come.
        """
        return self._url if self._come.wait(seconds) else None

    def end(self, heading: str, text: str, *, has_failed: bool = False) -> None:
        """Say how the login ended, on the page that the browser waits for."""
        self._page = (heading, text, has_failed)
        self._ended.set()

    def answer(self, target: str, hosts: list[str]) -> tuple[int, dict[str, str], str]:
        """Return status, headers and text for what was asked."""
        if hosts != [f"127.0.0.1:{self._server.server_port}"]:  # DNS rebinding
            return 421, {}, "not here"
        path = target.partition("?")[0]
        if path == self.final_path:
            return self._final()
        if path != self.path:
            return 404, {}, "nothing here"
        url = f"{self.redirect_uri}{target[len(path) :]}"
        try:
            read_answer(url, redirect_uri=self.redirect_uri, state=self.state)
        except ValueError:
            return 400, {}, "not this login"
        if not self._come.is_set():  # what comes again, by a reload, changes nothing
            self._url = url
            self._come.set()
        return 303, {"Location": self.final_path}, ""  # so that the code does not stay in the address bar

    def _final(self) -> tuple[int, dict[str, str], str]:
        if not self._come.is_set():
            return 404, {}, "nothing here"
        self._ended.wait(60.0)  # a token endpoint may take its time
        heading, text, has_failed = self._page
        if not self._ended.is_set():
            heading, text, has_failed = "Almost there", f"The program is still talking to {self.title}.", False
        return 200, {}, final_page(heading=heading, text=text, has_failed=has_failed)

    def shown(self) -> None:
        """Note that the browser has the last page."""
        self._shown.set()


class _Server(ThreadingHTTPServer):
    """One with few connections: the oldest gives way to a new one, so that nobody keeps the browser out."""

    daemon_threads = True
    request_queue_size = 64
    block_on_close = False
    allow_reuse_address = os.name == "posix"  # elsewhere it would let two listen at one port

    def __init__(self, loopback: Loopback, port: int) -> None:
        self.loopback = loopback
        self._open: deque[socket.socket] = deque()
        self._guard = threading.Lock()
        super().__init__(("127.0.0.1", port), _Handler)

    def server_bind(self) -> None:
        """Bind, without the look-up of this machine's name that may take long."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = "127.0.0.1", self.server_address[1]

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._guard:
            self._open.append(request)
            oldest = self._open.popleft() if len(self._open) > _CONNECTIONS else None
        if oldest is not None:
            _cut(oldest)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._guard, suppress(ValueError):
            self._open.remove(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: it is about a connection that went away, and its text may hold what was asked."""

    def close(self) -> None:
        """Close the port and every connection."""
        self.server_close()
        with self._guard:
            rest = list(self._open)
        for connection in rest:
            _cut(connection)


def _cut(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


class _Handler(BaseHTTPRequestHandler):
    timeout = 5.0  # for each read
    server: _Server

    def do_GET(self) -> None:
        loopback = self.server.loopback
        if len(self.path) > _LONGEST_TARGET:
            self.send_error(414)
            return
        status, headers, text = loopback.answer(self.path, self.headers.get_all("Host") or [])
        self._send(status, headers, text, is_page=status == 200)
        if status == 200:
            loopback.shown()

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Answer what cannot be understood, without repeating any of it."""
        self._send(405 if code == 501 else code, {}, "not understood")

    def _send(self, status: int, headers: Mapping[str, str], text: str, *, is_page: bool = False) -> None:
        body = text.encode()
        kind = "html" if is_page else "plain"
        self.close_connection = True
        self.send_response(status)
        for name, value in {**HEADERS, **headers, "Content-Type": f"text/{kind}; charset=utf-8"}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def version_string(self) -> str:
        return "vo_auth"

    def log_message(self, *args: object) -> None:
        """Log nothing: the request line holds the code."""
