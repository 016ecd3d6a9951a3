"""The application: each service of the portals under its own host name."""

from __future__ import annotations

from collections.abc import Sequence

from aiohttp import web
from aiohttp.typedefs import Handler

from vo_auth.sandbox import Bench

from .accounts import Accounts
from .auth import AuthHost
from .data import DataHost
from .meta import MetaHost
from .repository import Repository

__all__ = ["make_app"]


def make_app(bench: Bench, repositories: Sequence[Repository]) -> web.Application:
    """Make the application for one sandbox.

    Parameters
    ----------
    bench
        Its knobs and counters are listed in this distribution's README.
    repositories
        Portals that share one login.

    Returns
    -------
    web.Application
        Answers for all their host names.
    """
    accounts = Accounts(bench, repositories[0])
    app = web.Application(middlewares=[_https_alone(bench)])
    hosts = {repositories[0].auth: AuthHost(bench, accounts).routes()}
    for repository in repositories:
        hosts[repository.meta] = MetaHost(repository).routes()
        hosts[repository.data] = DataHost(bench, accounts, repository).routes()
    for host, routes in hosts.items():
        inner = web.Application()
        inner.add_routes(routes)
        app.add_domain(host, inner)
    return app


def _https_alone(bench: Bench) -> web.middleware:  # type: ignore[valid-type]  # aiohttp names no type for it
    @web.middleware
    async def gate(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.scheme == "https":
            return await handler(request)
        if "Cookie" in request.headers:
            bench.count("cookies_on_http")
        return web.Response(status=301, headers={"Location": f"https://{request.host}{request.path_qs}"})

    return gate
