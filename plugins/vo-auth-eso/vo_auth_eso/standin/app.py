"""The application: every service of the stand-in under the host name where ESO has it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from vo_auth.sandbox import Bench
from vo_auth.sandbox.tap import TapService, TapSettings

from .calselector import CalSelector
from .datalink import DataLink
from .headers import HeaderService
from .identity import Identities
from .observatory import HOSTS, USERS
from .pages import EXAMPLES
from .portal import DataPortal
from .soda import Soda
from .sso import SingleSignOn
from .tables import CATALOGUE_FACTS, catalogue_tables, observation_tables

__all__ = ["make_app"]

_SSO, _ARCHIVE, _PORTAL = HOSTS
_SERVICES = {"sso": _SSO} | dict.fromkeys(("tap_obs", "tap_cat", "datalink", "calselector", "hdr"), _ARCHIVE)
_SERVICES |= {"dataPortal": _PORTAL, "rh": _PORTAL}


def make_app(bench: Bench) -> web.Application:
    """Make the application for one sandbox.

    Parameters
    ----------
    bench
        Knobs: ``x_vo_authenticated`` (False; True: authenticated answers carry that header, which is UNVERIFIED at
        ESO), and those of :class:`~vo_auth_eso.standin.identity.Identities`,
        :class:`~vo_auth_eso.standin.sso.SingleSignOn` and :class:`~vo_auth_eso.standin.portal.DataPortal`. Counter:
        ``permits_on_http``, requests that carried a permit over plain http, where it is ignored.

    Returns
    -------
    web.Application
        Answers for all host names of the archive.
    """
    identities = Identities(bench)
    app = web.Application(middlewares=[_Gate(bench).middleware()])
    taps = (_observations(bench, identities), _catalogues(bench))
    services = (SingleSignOn, DataPortal, Soda, DataLink, CalSelector, HeaderService)
    for service in (*taps, *(make(bench, identities) for make in services)):
        app.add_routes(service.routes())
    app.on_response_prepare.append(_signature(bench, identities))

    async def close(_app: web.Application) -> None:
        for tap in taps:
            tap.close()

    app.on_cleanup.append(close)
    return app


def _observations(bench: Bench, identities: Identities) -> TapService:
    people = {user.username: user for user in USERS.values()}

    def identify(request: web.Request) -> str | None:
        user = identities.find_sender(request)
        return user.username if user else None

    settings = TapSettings(
        base_path="/tap_obs",
        title="ESO TAP: observations",
        default_duration=60,
        max_duration=3600,
        examples=EXAMPLES,
        minimum_seconds=lambda: float(bench.knob("job_seconds", 0.0)),
    )
    tables = tuple(observation_tables(people))
    return TapService(tables=tables, settings=settings, identify=identify, clock=bench.now)


def _catalogues(bench: Bench) -> TapService:
    """Serve the catalogues: they are public, whoever asks."""
    settings = TapSettings(
        base_path="/tap_cat",
        title="ESO TAP: catalogues",
        default_duration=60,
        max_duration=3600,
        minimum_seconds=lambda: float(bench.knob("job_seconds", 0.0)),
        table_columns=CATALOGUE_FACTS,
    )
    tables = tuple(catalogue_tables())
    return TapService(tables=tables, settings=settings, identify=lambda _request: None, clock=bench.now)


class _Gate:
    """Keep each service to its own host name, and the rules about plain http."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench

    def middleware(self) -> Middleware:
        """Return the middleware that asks this gate first."""

        @web.middleware
        async def gate(request: web.Request, handler: Handler) -> web.StreamResponse:
            return self._stop(request) or await handler(request)

        return gate

    def _stop(self, request: web.Request) -> web.Response | None:
        host = request.host.rpartition(":")[0] or request.host
        service = request.path.split("/", 2)[1]
        if request.scheme != "https" and "Authorization" in request.headers:
            self._bench.count("permits_on_http")
        if _SERVICES.get(service) != host.lower():
            return web.Response(status=404, text="Not Found\n")
        # The archive answers plain http as its notebook uses it; the token endpoint refuses it itself; UNVERIFIED for
        # the rest, which is led to https.
        if request.scheme == "https" or host == _ARCHIVE or request.path == "/sso/oidc/token":
            return None
        return web.Response(status=301, headers={"Location": f"https://{host}{request.raw_path}"})


def _signature(bench: Bench, identities: Identities) -> Callable[[web.Request, web.StreamResponse], Awaitable[None]]:
    async def sign(request: web.Request, response: web.StreamResponse) -> None:
        if not bench.knob("x_vo_authenticated", False) or response.status >= 400:
            return
        user = identities.find_sender(request, basic=request.host == _PORTAL)
        if user is not None:
            response.headers["X-VO-Authenticated"] = user.username

    return sign
