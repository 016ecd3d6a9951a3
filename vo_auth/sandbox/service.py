"""The sandbox's servers in one background thread with one event loop."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aiohttp import web

from .dispatch import Dispatcher
from .error import SandboxError
from .journal import Journal
from .proxy import ForwardProxy, ProxyEntry

if TYPE_CHECKING:
    import ssl
    from collections.abc import Mapping

__all__ = ["Address", "Service"]

_PATIENCE = 30.0  # seconds for a start or an end; both take a fraction of one
_SHUTDOWN = 0.05  # seconds that a running answer gets at the end
_REAL_PORTS = (443, 80)
_BACKLOG = 1024  # as many connections as a test opens at once


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where the servers listen, all on the loopback interface.

    Parameters
    ----------
    ports
        The real port (443 or 80) → the port on the loopback interface.
    proxy_port
        Of the forward proxy.
    """

    ports: Mapping[int, int]
    proxy_port: int


class Service:
    """Run the servers from :meth:`start` to :meth:`stop`.

    Parameters
    ----------
    dispatcher
        Answers the requests.
    context
        The server's side of TLS.
    proxy_log
        Where the proxy writes down what it sees.
    ports
        For https and http; 0 takes any free port.
    """

    def __init__(
        self,
        dispatcher: Dispatcher,
        *,
        context: ssl.SSLContext,
        proxy_log: Journal[ProxyEntry],
        ports: tuple[int, int] = (0, 0),
    ) -> None:
        self._dispatcher = dispatcher
        self._context = context
        self._proxy_log = proxy_log
        self._wanted = ports
        self._address: Future[Address] = Future()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._end: asyncio.Event | None = None
        self._thread = threading.Thread(target=self._run, name="vo-auth-sandbox", daemon=True)

    def start(self) -> Address:
        """Start everything and wait until it listens.

        Returns
        -------
        Address

        Raises
        ------
        Exception
            What a stand-in, or the operating system, raised.
        """
        self._thread.start()
        return self._address.result(timeout=_PATIENCE)

    def stop(self) -> None:
        """Stop everything and wait until the thread has ended.

        Raises
        ------
        SandboxError
            It does not end; a stand-in's clean-up hangs.
        """
        if self._loop is not None and self._end is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._end.set)
        if self._thread.ident is not None:
            self._thread.join(timeout=_PATIENCE)
        if self._thread.is_alive():
            raise SandboxError("the sandbox's servers do not end: the clean-up of a stand-in hangs")

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:
            if self._address.done():
                raise
            self._address.set_exception(error)

    async def _serve(self) -> None:
        self._loop, self._end = asyncio.get_running_loop(), asyncio.Event()
        async with AsyncExitStack() as stack:
            address = await self._listen(stack)
            self._address.set_result(address)
            await self._end.wait()

    async def _listen(self, stack: AsyncExitStack) -> Address:
        stack.push_async_callback(self._dispatcher.stop)
        runner = web.ServerRunner(await self._dispatcher.start(), shutdown_timeout=_SHUTDOWN)
        stack.push_async_callback(runner.cleanup)
        await runner.setup()
        https, http = self._wanted
        secure = web.TCPSite(runner, "127.0.0.1", https, ssl_context=self._context, backlog=_BACKLOG)
        plain = web.TCPSite(runner, "127.0.0.1", http, backlog=_BACKLOG)
        for website in (secure, plain):  # in the order of the real ports
            await website.start()
        ports = {real: address[1] for real, address in zip(_REAL_PORTS, runner.addresses, strict=True)}
        proxy = ForwardProxy(hosts=self._dispatcher.hosts, ports=ports, log=self._proxy_log)
        stack.push_async_callback(proxy.stop)
        return Address(ports=ports, proxy_port=await proxy.start())
