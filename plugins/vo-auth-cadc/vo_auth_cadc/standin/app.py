"""The application: each service under the host names where the archive has it."""

from __future__ import annotations

from collections.abc import Iterator

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from vo_auth.sandbox import Bench
from vo_auth.sandbox.tap import TapService, TapSettings

from .access import AccessControl
from .capabilities import CAPABILITIES, capabilities_document, registry_text
from .credentials import Credentials
from .identity import CALLER, Caller, Identities, RefusedError, challenges
from .people import PEOPLE
from .places import hosts_of
from .storage import DataLink, Storage
from .tables import make_tables

__all__ = ["make_app"]

_UNCHALLENGED = ("/ac/login", "/ac/whoami", "/ac/users", "/ac/capabilities", "/reg")
_GROUPS = {person.username: person.groups for person in PEOPLE.values()}


def make_app(bench: Bench) -> web.Application:
    """Make the application for one sandbox.

    Parameters
    ----------
    bench
        Its knobs and counters are listed in this distribution's README.

    Returns
    -------
    web.Application
        Answers for all host names of the archive.
    """
    identities = Identities(bench)
    app = web.Application(middlewares=[_Gate(bench, identities).middleware()])
    argus = _make_argus(bench)
    app.add_routes(_argus_routes(argus))
    for service in (AccessControl(bench, identities), Credentials(bench), DataLink(bench), Storage(bench)):
        app.add_routes(service.routes())
    app.add_routes(_self_descriptions())

    async def close(_app: web.Application) -> None:
        argus.close()

    app.on_cleanup.append(close)
    return app


def _make_argus(bench: Bench) -> TapService:
    def identify(request: web.Request) -> str | None:
        caller = CALLER.get()
        if caller is None and bench.knob("argus_anonymous", 200) == 401:
            raise RefusedError(401, "authentication required")
        return caller.name if caller else None

    settings = TapSettings(
        base_path="/argus",
        title="CADC argus",
        default_duration=600,
        max_duration=600,
        minimum_seconds=lambda: float(bench.knob("job_seconds", 0.0)),
    )
    tables = make_tables(lambda user: _GROUPS.get(user or "", ()), bench.now)
    return TapService(tables=tables, settings=settings, identify=identify, clock=bench.now)


def _argus_routes(argus: TapService) -> Iterator[web.RouteDef]:
    """Yield its routes: with as many slashes as somebody wrote, because the archive's server merges them."""
    for route in argus.routes():
        if route.path != "/argus/capabilities":
            path = route.path.replace("/argus/", "/argus{slashes:/+}")
            yield web.route(route.method, path, route.handler)


def _self_descriptions() -> Iterator[web.RouteDef]:
    async def answer_registry(_request: web.Request) -> web.Response:
        return web.Response(text=registry_text())

    async def answer_capabilities(request: web.Request) -> web.Response:
        name = request.path.split("/")[1]
        document = capabilities_document(f"https://{request.host}/{name}", CAPABILITIES[name])
        return web.Response(text=document, content_type="text/xml")

    async def answer_availability(_request: web.Request) -> web.Response:
        namespace = "http://www.ivoa.net/xml/VOSIAvailability/v1.0"
        document = f'<availability xmlns="{namespace}"><available>true</available></availability>\n'
        return web.Response(text=document, content_type="text/xml")

    yield web.get("/reg/resource-caps", answer_registry)
    for name in CAPABILITIES:
        yield web.get(f"/{name}/capabilities", answer_capabilities)
        if name != "argus":
            yield web.get(f"/{name}/availability", answer_availability)


class _Gate:
    """Keep each service to its own hosts, know the caller, and say in the answer's headers who it was."""

    def __init__(self, bench: Bench, identities: Identities) -> None:
        self._bench = bench
        self._identities = identities

    def middleware(self) -> Middleware:
        """Return the middleware that asks this gate first."""

        @web.middleware
        async def gate(request: web.Request, handler: Handler) -> web.StreamResponse:
            return self._stop(request) or await self._answer(request, handler)

        return gate

    def _stop(self, request: web.Request) -> web.Response | None:
        host = request.host.rpartition(":")[0] or request.host
        service = request.path.split("/")[1]
        if request.scheme != "https" and ("Authorization" in request.headers or "Cookie" in request.headers):
            self._bench.count("permits_on_http")
        if host.lower() not in hosts_of(service):
            return web.Response(status=404, text="not found")
        if request.scheme == "https" or service == "reg":
            return None
        return web.Response(status=301, headers={"Location": f"https://{host}{request.raw_path}"})  # UNVERIFIED

    async def _answer(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        basic = request.path.startswith("/cred/")
        refused: RefusedError | None = None
        caller: Caller | None = None
        response: web.StreamResponse
        try:
            caller = self._identities.find(request, basic=basic)
            CALLER.set(caller)
            response = await handler(request)
        except RefusedError as error:
            refused = error
            response = web.Response(status=error.status, text=error.text, headers=error.headers)
        except web.HTTPException as error:
            response = web.Response(status=error.status, text=error.reason, headers=_allowed(error))
        if caller is not None and self._bench.knob("x_vo_authenticated", True):
            response.headers.setdefault("x-vo-authenticated", caller.name)
        elif caller is None and not request.path.startswith(_UNCHALLENGED):
            for challenge in challenges(request, basic=basic, refused=refused):
                response.headers.add("WWW-Authenticate", challenge)
        return response


def _allowed(error: web.HTTPException) -> dict[str, str]:
    return {"Allow": error.headers["Allow"]} if "Allow" in error.headers else {}
