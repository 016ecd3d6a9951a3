"""A small web server that misbehaves on request: plain sockets, so that every byte is the test's own."""

from __future__ import annotations

import socket
import struct
import threading
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Any, Self

OLD = formatdate(1_600_000_000, usegmt=True)
FITS = b"SIMPLE  =                    T".ljust(2880) + bytes(range(256)) * 11 + bytes(64)
BIG = FITS * 200


@dataclass
class Page:
    """What is at one path, and how it is delivered."""

    data: bytes = FITS
    status: int = 200
    etag: str = '"v1"'
    modified: str = ""
    content_type: str = "application/fits"
    headers: dict[str, str] = field(default_factory=dict)
    ranges: bool = True
    honours_if_range: bool = True
    framing: str = "length"  # or chunked, close
    announced: int | None = None  # another Content-Length than that of the data
    cuts: list[int] = field(default_factory=list)  # after how many bytes each of the first answers breaks off
    reset: bool = True  # break off by RST; False: FIN, as at the end
    drip: float = 0.0  # seconds between small pieces
    hold: int = 0  # after how many bytes to wait until the server is told to go on
    before: Callable[[Request], Page | None] | None = None  # may answer with another page


@dataclass
class Request:
    """What arrived."""

    path: str
    headers: dict[str, str]

    def __getitem__(self, name: str) -> str:
        return self.headers.get(name.lower(), "")


class Server:
    """Serves pages on loopback from a thread for each connection."""

    def __init__(self) -> None:
        self.pages: dict[str, Page] = {}
        self.received: list[Request] = []
        self.go_on = threading.Event()  # what a held answer waits for
        self.busy = self.most_busy = 0
        self.counts: dict[str, int] = defaultdict(int)
        self._guard = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self._listener.getsockname()[1]

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def add(self, path: str, **options: Any) -> str:
        self.pages[path] = Page(**options)
        return f"{self.base}{path}"

    def asked(self, path: str) -> list[Request]:
        return [request for request in self.received if request.path.partition("?")[0] == path]

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.go_on.set()
        self._listener.shutdown(socket.SHUT_RDWR)  # wakes up who waits in accept
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._converse, args=(connection,), daemon=True).start()

    def _converse(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as lines:
            try:
                while (request := _read(lines)) is not None:
                    with self._guard:
                        self.received.append(request)
                        self.busy += 1
                        self.most_busy = max(self.most_busy, self.busy)
                    try:
                        if not self._answer(connection, request):
                            return
                    finally:
                        with self._guard:
                            self.busy -= 1
            except OSError:
                return

    def _answer(self, connection: socket.socket, request: Request) -> bool:
        """Answer; return whether the connection stays open."""
        path = request.path.partition("?")[0]
        page = self.pages.get(path, Page(data=b"no such file", status=404, content_type="text/plain"))
        if page.before is not None:
            page = page.before(request) or page
        status, headers, data = _delivered(page, request)
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        connection.sendall(f"HTTP/1.1 {status} X\r\n{head}\r\n".encode("latin-1"))
        cut = page.cuts.pop(0) if page.cuts and status < 300 else None
        sent = data if cut is None else data[:cut]
        if page.framing == "chunked" and status < 300:
            for start in range(0, len(sent), 1000):
                piece = sent[start : start + 1000]
                connection.sendall(b"%x\r\n%s\r\n" % (len(piece), piece))
            if cut is None:
                connection.sendall(b"0\r\n\r\n")
        elif page.hold and not self.go_on.is_set():
            connection.sendall(sent[: page.hold])
            self.go_on.wait(60)
            connection.sendall(sent[page.hold :])
        elif page.drip:
            for start in range(0, len(sent), 10):
                connection.sendall(sent[start : start + 10])
                if self.go_on.wait(page.drip):
                    return False
        else:
            connection.sendall(sent)
        if cut is not None and page.reset:
            if cut:
                self._wait_until_read(connection)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return cut is None and page.framing != "close" and not page.drip and page.announced is None

    @staticmethod
    def _wait_until_read(connection: socket.socket) -> None:
        """Wait until the client's side has acknowledged all: a reset drops what lies in between."""
        import array
        import fcntl
        import termios
        import time

        unsent = array.array("i", [1])
        while unsent[0]:
            fcntl.ioctl(connection.fileno(), termios.TIOCOUTQ, unsent)
            time.sleep(0.001)


def _read(lines: Any) -> Request | None:
    first = lines.readline().split()
    if len(first) < 2:
        return None
    headers = {}
    while (line := lines.readline().strip()) != b"":
        name, _, value = line.decode("latin-1").partition(":")
        headers[name.strip().lower()] = value.strip()
    return Request(first[1].decode("latin-1"), headers)


def _delivered(page: Page, request: Request) -> tuple[int, dict[str, str], bytes]:
    headers = {"Content-Type": page.content_type, "Date": formatdate(usegmt=True)}
    if page.etag:
        headers["ETag"] = page.etag
    if page.modified:
        headers["Last-Modified"] = page.modified
    headers |= page.headers
    status, data = page.status, page.data
    if status == 200:
        if page.etag and request["If-None-Match"] == page.etag:
            return 304, {**headers, "Content-Length": "0"}, b""
        start = _start(page, request)
        if start is not None and start >= len(data):
            return 416, {**headers, "Content-Range": f"bytes */{len(data)}", "Content-Length": "0"}, b""
        if start is not None:
            headers.setdefault("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
            status, data = 206, data[start:]
        else:
            headers.pop("Content-Range", None)
    if page.framing == "chunked" and status < 300:
        headers["Transfer-Encoding"] = "chunked"
    elif page.framing == "close" and status < 300:
        headers["Connection"] = "close"
    else:
        headers["Content-Length"] = str(len(data) if page.announced is None else page.announced)
    return status, headers, data


def _start(page: Page, request: Request) -> int | None:
    asked = request["Range"]
    if not page.ranges or not asked:
        return None
    condition = request["If-Range"]
    if condition and page.honours_if_range and condition not in (page.etag, page.modified):
        return None
    return int(asked.removeprefix("bytes=").rstrip("-"))
