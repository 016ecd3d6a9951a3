"""Access control: the login, groups (IVOA GMS 1.0) and whose permit it is.

Source: ``LoginServlet.java``, ``WhoAmIServlet.java`` and ``ACSearchRunner.java`` of opencadc/ac. Login and whoami
are plain servlets: they challenge nobody.
"""

from __future__ import annotations

from xml.sax.saxutils import escape

from aiohttp import web

from vo_auth.sandbox import Bench

from .identity import CALLER, Identities, RefusedError

__all__ = ["AccessControl"]


class AccessControl:
    """Answer at ws-cadc.canfar.net/ac.

    Parameters
    ----------
    bench
        Knobs: ``transient`` (seconds: login and search answer 503 with that Retry-After), ``empty_login`` (True: a
        login is answered 200 with nothing in it).
    identities
        Knows people.
    """

    def __init__(self, bench: Bench, identities: Identities) -> None:
        self._bench = bench
        self._identities = identities

    def routes(self) -> list[web.RouteDef]:
        """Return the routes of this service."""
        return [
            web.post("/ac/login", self.log_in),
            web.get("/ac/whoami", self.answer_whoami),
            web.get("/ac/users/{name}", self.answer_user),
            web.get("/ac/search", self.search),
        ]

    async def log_in(self, request: web.Request) -> web.Response:
        """Exchange user name and password for the token; no cookie is set."""
        form = {**request.query, **await request.post()}  # a servlet reads both
        for name in ("username", "password"):
            if not form.get(name):
                raise RefusedError(400, f"Missing {name}")
        self._be_transient()
        user, token = self._identities.log_in(
            str(form["username"]), str(form["password"]), scope=str(form.get("scope", ""))
        )
        if self._bench.knob("empty_login"):
            return web.Response()
        return web.Response(text=token, headers={"x-vo-authenticated": user, "x-vo-bearer": token})

    async def answer_whoami(self, request: web.Request) -> web.Response:
        """Lead to the caller's own user document; 401 with an empty body for the anonymous."""
        caller = CALLER.get()
        if caller is None:
            return web.Response(status=401)
        kind = "HTTP" if caller.person else "X500"
        base = f"https://{request.host}/ac/users"
        return web.Response(status=302, headers={"Location": f"{base}/{caller.name}?idType={kind}"})

    async def answer_user(self, request: web.Request) -> web.Response:
        """Answer the caller's own user document."""
        caller = CALLER.get()
        if caller is None:
            return web.Response(status=401)
        if caller.person is None or request.match_info["name"] != caller.person.username:
            return web.Response(status=403, text="Permission Denied")
        person = caller.person
        names = {"HTTP": person.username, "X500": person.distinguished_name}
        found = "".join(f'<identity type="{kind}">{escape(name)}</identity>' for kind, name in names.items())
        document = f'<?xml version="1.0" encoding="UTF-8"?>\n<user><identities>{found}</identities></user>\n'
        return web.Response(text=document, content_type="text/xml")

    async def search(self, request: web.Request) -> web.Response:
        """Answer the caller's groups, or those of them that were asked about, one a line."""
        caller = CALLER.get()
        self._be_transient()
        asked = {name.lower() for name in request.query}
        if "role" in asked:
            return web.Response(status=400, text="this stand-in answers in the way of GMS 1.0 alone")
        if "groupid" in asked and "group" not in asked:
            return web.Response(status=400, text="required parameter ROLE not found")
        if caller is None:
            return web.Response(status=403, text="Permission Denied")
        wanted = [value for name, value in request.query.items() if name.lower() == "group"]
        own = caller.person.groups if caller.person else ()
        return web.Response(text="".join(f"{name}\n" for name in own if not wanted or name in wanted))

    def _be_transient(self) -> None:
        seconds = self._bench.knob("transient")
        if seconds is not None:
            raise RefusedError(503, "Transient Error: try again later", headers={"Retry-After": str(seconds)})
