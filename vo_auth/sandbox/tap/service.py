"""A TAP 1.1 service as routes of an aiohttp application."""

from __future__ import annotations

import asyncio
import html
import logging
import threading
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence

from aiohttp import web

from ..votable import error_votable
from .engine import Database, QueryStoppedError
from .jobs import JobList
from .model import QueryError, Table, TapSettings
from .output import ERROR_TYPE
from .parameters import read_parameters
from .resources import Handler, JobResources, text
from .runner import Runner
from .schema import tap_schema
from .vosi import availability_document, capabilities_document, table_document, tables_document

__all__ = ["TapService"]

_log = logging.getLogger(__name__)


class TapService:
    """Answer TAP requests from tables in memory (TAP 1.1, UWS 1.1, VOSI 1.1).

    Parameters
    ----------
    tables
        With their rows and their rights; TAP_SCHEMA is made from them.
    settings
        How the service presents itself, and its limits.
    identify
        Says who sends a request; None for the anonymous. It may raise an aiohttp HTTP exception instead.
    headers
        Further headers of every answer, made of the request and the user.
    clock
        The service's time in seconds since the epoch.
    """

    def __init__(
        self,
        *,
        tables: Sequence[Table],
        settings: TapSettings,
        identify: Callable[[web.Request], str | None],
        headers: Callable[[web.Request, str | None], Mapping[str, str]] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.settings = settings
        self._tables = (*tables, *tap_schema(tables, table_columns=settings.table_columns))
        self._identify = identify
        self._headers = headers
        self._since = clock()
        self._runner = Runner(Database(self._tables), settings, clock)
        self._jobs = JobResources(jobs=JobList(clock), runner=self._runner, settings=settings, clock=clock)

    def close(self) -> None:
        """Stop all queries and all jobs, and let go of everyone who waits for one."""
        self._jobs.close()
        self._runner.close()

    async def shutdown(self, _app: web.Application) -> None:
        """Close the service when its application ends: ``app.on_shutdown.append(service.shutdown)``."""
        self.close()

    def routes(self) -> list[web.RouteDef]:
        """Return the routes of the service, all below its base path."""
        base = self.settings.base_path
        found = [
            web.get(base, self._served(self._index)),
            web.get(f"{base}/", self._served(self._index)),
            web.get(f"{base}/sync", self._served(self._sync)),
            web.post(f"{base}/sync", self._served(self._sync)),
            web.get(f"{base}/capabilities", self._served(self._capabilities)),
            web.get(f"{base}/availability", self._served(self._availability)),
            web.get(f"{base}/tables", self._served(self._table_list)),
            web.get(f"{base}/tables/{{name}}", self._served(self._table)),
        ]
        if self.settings.examples is not None:
            found.append(web.get(f"{base}/examples", self._served(self._examples)))
        for method, path, handler in self._jobs.handlers():
            found.append(web.route(method, f"{base}/async{path}", self._served(handler)))
        return found

    def _served(self, handler: Handler) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        """Know the user, turn errors into documents, add the stand-in's headers."""

        async def serve(request: web.Request) -> web.StreamResponse:
            user = self._identify(request)
            if self._runner.closed:
                return text("the service is closing down", status=503)
            try:
                response = await handler(request, user)
            except QueryError as error:
                response = _error(400, str(error))
            except web.HTTPException:
                raise
            except Exception:
                _log.exception("a TAP request failed")
                response = _error(500, "the service failed; it is not the query's fault")
            if self._headers is not None:
                response.headers.update(self._headers(request, user))
            return response

        return serve

    def _url(self, request: web.Request) -> str:
        return f"{request.url.origin()}{self.settings.base_path}"

    async def _index(self, request: web.Request, _user: str | None) -> web.StreamResponse:
        title, url = html.escape(self.settings.title), html.escape(self._url(request))
        links = "".join(f'<li><a href="{url}/{name}">{name}</a></li>' for name in ("capabilities", "tables", "async"))
        page = f"<!DOCTYPE html><html><head><title>{title}</title></head><body><h1>{title}</h1><ul>{links}</ul></body>"
        return web.Response(text=f"{page}</html>\n", content_type="text/html")

    async def _sync(self, request: web.Request, user: str | None) -> web.StreamResponse:
        parameters = await read_parameters(request)
        seconds = self.settings.default_duration
        stopped = threading.Event()
        work = asyncio.get_running_loop().run_in_executor(
            self._runner.executor,
            lambda: self._runner.answer(parameters, user=user, seconds=seconds, stopped=stopped),
        )
        try:
            answer = await work
        except QueryStoppedError:
            raise QueryError(f"the query takes longer than {seconds} s: run it as a job") from None
        finally:
            stopped.set()  # the client may have gone
        return web.Response(body=answer.body, headers={"Content-Type": answer.content_type})

    async def _capabilities(self, request: web.Request, _user: str | None) -> web.StreamResponse:
        return _xml(capabilities_document(self._url(request), self.settings))

    async def _availability(self, _request: web.Request, _user: str | None) -> web.StreamResponse:
        return _xml(availability_document(self._since))

    async def _table_list(self, request: web.Request, _user: str | None) -> web.StreamResponse:
        detail = (await read_parameters(request)).last("DETAIL") or "max"
        if detail not in {"min", "max"}:
            raise QueryError(f"detail={detail[:40]} is not offered, only min and max")
        return _xml(tables_document(self._tables, columns=detail == "max"))

    async def _table(self, request: web.Request, _user: str | None) -> web.StreamResponse:
        name = request.match_info["name"].replace('"', "").lower()
        table = next((table for table in self._tables if table.name.lower() == name), None)
        if table is None:
            return text(f"there is no table {name}", status=404)
        return _xml(table_document(table))

    async def _examples(self, _request: web.Request, _user: str | None) -> web.StreamResponse:
        return web.Response(text=self.settings.examples, content_type="application/xhtml+xml", charset="utf-8")


def _xml(document: bytes) -> web.Response:
    return web.Response(body=document, content_type="text/xml", charset="utf-8")


def _error(status: int, message: str) -> web.Response:
    return web.Response(body=error_votable(message), status=status, headers={"Content-Type": ERROR_TYPE})
