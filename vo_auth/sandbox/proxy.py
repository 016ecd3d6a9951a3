"""The forward proxy: the way by which unmodified programs reach the stand-ins under their real names."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from .dispatch import split_authority
from .journal import Journal

__all__ = ["ForwardProxy", "ProxyEntry"]

_CHUNK = 65536
_HEAD_LIMIT = 256 * 1024
_PATIENCE = 1.0  # seconds for a client to take the last bytes
_HOP_BY_HOP = frozenset({"connection", "keep-alive", "proxy-connection", "proxy-authorization"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxyEntry:
    """One request as the proxy itself saw it.

    Parameters
    ----------
    method
        ``CONNECT`` for https.
    target
        ``host:port`` of a CONNECT, else the whole URL.
    headers
        Names in lower case.
    refusal
        Why it was not carried further; empty where it was.
    """

    method: str
    target: str
    headers: Mapping[str, str]
    refusal: str = ""


class _RefusedError(Exception):
    """The answer that the proxy gives in place of the archive's."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


class ForwardProxy:
    """Carry CONNECT tunnels and plain http requests to the sandbox's own servers, and to nowhere else.

    Parameters
    ----------
    hosts
        The host names of the sandbox.
    ports
        Where they are served: the real port number → the port on the loopback interface.
    log
        Where each request is written down.
    """

    def __init__(self, *, hosts: Iterable[str], ports: Mapping[int, int], log: Journal[ProxyEntry]) -> None:
        self._hosts = frozenset(hosts)
        self._ports = dict(ports)
        self._log = log
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> int:
        """Listen on a free port of the loopback interface.

        Returns
        -------
        int
            The port.
        """
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0, limit=_HEAD_LIMIT, backlog=1024)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def stop(self) -> None:
        """Stop listening and cut what is still connected."""
        if self._server is not None:
            self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._carry(reader, writer)
        except _RefusedError as refused:
            writer.write(self._refusal(refused))
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # one side went away or talks no http: there is nobody to tell
        finally:
            await _close(writer)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        request_line, *lines = head.split("\r\n")[:-2]
        method, target, version = _words(request_line)
        entry = ProxyEntry(method=method, target=target, headers=_headers(lines))
        try:
            port, path = self._way(method, target)
        except _RefusedError as refused:
            self._log.add(replace(entry, refusal=refused.reason))
            raise
        self._log.add(entry)
        if method == "CONNECT":
            greeting = b"HTTP/1.1 200 Connection established\r\n\r\n"
            await self._relay(reader, writer, port, to_client=greeting)
        else:
            request = "\r\n".join([f"{method} {path} {version}", *_onward(lines), "Connection: close", "", ""])
            await self._relay(reader, writer, port, to_server=request.encode("latin-1"))

    def _way(self, method: str, target: str) -> tuple[int, str]:
        if method == "CONNECT":
            return self._port(*split_authority(target, 443)), ""
        scheme, _, rest = target.partition("://")
        if not rest or scheme.lower() != "http":
            raise _RefusedError(501, "The sandbox's proxy takes CONNECT and http:// URLs alone")
        authority = urlsplit(target).netloc
        host, port = split_authority(authority.rpartition("@")[2], 80)
        path = rest[len(authority) :].partition("#")[0]
        return self._port(host, port), path if path.startswith("/") else f"/{path}"

    def _port(self, host: str, port: int) -> int:
        if host not in self._hosts:
            raise _RefusedError(403, f"The sandbox does not know the host {host}")
        if port not in self._ports:
            raise _RefusedError(403, f"The sandbox serves {host} on the ports 443 and 80 alone")
        return self._ports[port]

    def _refusal(self, refused: _RefusedError) -> bytes:
        known = "".join(f"  {host}\n" for host in sorted(self._hosts))
        body = f"{refused.reason}. It knows:\n{known}".encode()
        # Most clients show nothing of a refused CONNECT but its reason phrase.
        reason = refused.reason.encode("ascii", "replace").decode()
        head = [
            f"HTTP/1.1 {refused.status} {reason}",
            "Content-Type: text/plain; charset=utf-8",
            f"Content-Length: {len(body)}",
            "Connection: close",
        ]
        return "\r\n".join([*head, "", ""]).encode() + body

    async def _relay(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        port: int,
        *,
        to_client: bytes = b"",
        to_server: bytes = b"",
    ) -> None:
        onward_reader, onward_writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            writer.write(to_client)
            onward_writer.write(to_server)
            up = asyncio.ensure_future(_pump(reader, onward_writer))
            try:
                await _pump(onward_reader, writer)
            finally:
                up.cancel()
                await asyncio.gather(up, return_exceptions=True)
        finally:
            await _close(onward_writer)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while chunk := await reader.read(_CHUNK):
            writer.write(chunk)
            await writer.drain()
        writer.write_eof()
    except OSError:
        writer.transport.abort()  # the other direction ends too: half a connection is of no use
        raise


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    try:
        await asyncio.wait_for(writer.wait_closed(), _PATIENCE)
    except (OSError, TimeoutError):
        writer.transport.abort()


def _words(request_line: str) -> tuple[str, str, str]:
    words = request_line.split(" ")
    if len(words) != 3:
        raise _RefusedError(400, "This is not an http request")
    return words[0].upper(), words[1], words[2]


def _headers(lines: Iterable[str]) -> dict[str, str]:
    pairs = (line.partition(":") for line in lines)
    return {name.strip().lower(): value.strip() for name, _, value in pairs}


def _onward(lines: Iterable[str]) -> list[str]:
    return [line for line in lines if line.partition(":")[0].strip().lower() not in _HOP_BY_HOP]
