"""The application: each service of IA2 under its own host name."""

from __future__ import annotations

from collections.abc import Sequence

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from vo_auth.sandbox import Bench

from .authorize import Front
from .datalink import DataLink
from .file_service import FileService
from .groups import Groups
from .issuer import Issuer, bearer_of
from .places import ARCHIVES_HOST, GMS_HOST, RAP_HOST, TOKEN_PATH
from .tables import make_taps
from .token_endpoint import TokenEndpoint

__all__ = ["make_app"]


def make_app(bench: Bench) -> web.Application:
    """Make the application for one sandbox.

    Parameters
    ----------
    bench
        Knobs: ``no_https`` (path prefixes of archives.ia2.inaf.it that are offered by plain http alone),
        ``no_https_answer`` (``drop``: the connection closes; ``404``), and those of the services. Counter:
        ``bearer_on_http``, requests with a bearer token on plain http, where it is readable and counts for nothing.

    Returns
    -------
    web.Application
        Answers for all host names of the archive.
    """
    issuer = Issuer(bench)
    groups = Groups(bench, issuer)
    front = Front(bench, issuer)
    taps = tuple(make_taps(bench, issuer, groups))
    app = web.Application(middlewares=[_gate(bench)])
    hosts: dict[str, Sequence[web.RouteDef]] = {
        RAP_HOST: [*front.routes(), *TokenEndpoint(bench, issuer, front).routes()],
        GMS_HOST: groups.routes(),
        ARCHIVES_HOST: [
            *(route for tap in taps for route in tap.routes()),
            *FileService(bench, issuer, groups).routes(),
            *DataLink().routes(),
        ],
    }
    for host, routes in hosts.items():
        inner = web.Application()
        inner.add_routes(routes)
        app.add_domain(host, inner)

    async def close(_app: web.Application) -> None:
        for tap in taps:
            tap.close()

    app.on_cleanup.append(close)
    return app


def _gate(bench: Bench) -> Middleware:
    """Keep the rules about plain http: the archives answer it as published, RAP and GMS lead to https (UNVERIFIED)."""

    @web.middleware
    async def gate(request: web.Request, handler: Handler) -> web.StreamResponse:
        host = request.host.partition(":")[0].lower()
        if request.scheme == "https":
            return (_missing(bench, request) if host == ARCHIVES_HOST else None) or await handler(request)
        if bearer_of(request):
            bench.count("bearer_on_http")
        if host == ARCHIVES_HOST or request.path == TOKEN_PATH:  # the token endpoint refuses it by itself
            return await handler(request)
        return web.Response(status=301, headers={"Location": f"https://{host}{request.raw_path}"})

    return gate


def _missing(bench: Bench, request: web.Request) -> web.Response | None:
    """Return what stands where a service has no https; None where it has."""
    if not any(request.path.startswith(prefix) for prefix in bench.knob("no_https", ())):
        return None
    if bench.knob("no_https_answer", "drop") == "drop" and request.transport is not None:
        request.transport.close()
        return web.Response()  # goes nowhere: the connection is closed
    return web.Response(status=404, text="Not Found\n")
