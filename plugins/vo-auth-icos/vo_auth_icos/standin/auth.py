"""The auth host: login, whoami, My Account, profile, logout.

Source: the package ``routing`` of ICOS-Carbon-Portal/cpauth.
"""

from __future__ import annotations

import json

from aiohttp import web

from vo_auth.sandbox import Bench

from .accounts import Accounts, cookie_in
from .signing import BadCookieError, read

__all__ = ["AuthHost"]

_EXPECTED = "Expected 'mail' and 'password' posted as application/x-www-form-urlencoded form fields"


class AuthHost:
    """Answer at cpauth.icos-cp.eu or auth.fieldsites.se.

    Parameters
    ----------
    bench
        Counters: ``logins``, ``rejected_logins``, ``usage_reports``, ``anonymous_usage_reports``.
    accounts
        Who there is.
    """

    def __init__(self, bench: Bench, accounts: Accounts) -> None:
        self._bench = bench
        self._accounts = accounts

    def routes(self) -> list[web.RouteDef]:
        """Return the routes of this service."""
        return [
            web.post("/password/login", self.log_in),
            web.get("/whoami", self.answer_whoami),
            web.get("/cpauthcookie", self.answer_cookie),
            web.get("/logout", self.log_out),
            web.get("/db/users/{email}", self.answer_profile),
            web.patch("/db/users/{email}", self.change_profile),
            web.post("/logs/portaluse", self.take_report),
            web.get("/", self.go_home),
            web.get("/login/", self.answer_page),
            web.get("/home/", self.answer_page),
        ]

    async def log_in(self, request: web.Request) -> web.Response:
        """Exchange user name and password for the cookie."""
        form = await request.post() if request.content_type == "application/x-www-form-urlencoded" else {}
        if "mail" not in form or "password" not in form:
            return web.Response(status=400, text=_EXPECTED)
        person = self._accounts.find(str(form["mail"]), str(form["password"]))
        if person is None:
            self._bench.count("rejected_logins")
            return web.Response(status=403, text="Incorrect user name or password")
        return web.Response(text="OK", headers={"Set-Cookie": self._accounts.set_cookie(person)})

    async def answer_whoami(self, request: web.Request) -> web.Response:
        """Say who is logged in, or 401."""
        what = "Authentication/authorization error while Login control:"
        try:
            token = self._accounts.token(request)
        except BadCookieError as error:
            return web.Response(status=401, text=f"{what} {error}")
        if token is None:
            return web.Response(status=401, text=f"{what} authentication cookie missing")
        return web.json_response({"email": token.email})

    async def answer_cookie(self, request: web.Request) -> web.Response:
        """Answer what the My Account page shows; nothing is checked here."""
        name = self._accounts.portal.cookie
        value = cookie_in(request, name)
        if value is None:
            return web.Response(status=400, text=f"Request is missing required cookie '{name}'")
        try:
            token, _ = read(value)
        except BadCookieError as error:
            return web.Response(status=400, text=str(error))
        return web.json_response({"value": f"{name}={value}", "expiry": token.end_ms, "source": token.source})

    async def log_out(self, _request: web.Request) -> web.Response:
        """Delete the browser's cookie; copies of it stay valid until their end."""
        portal = self._accounts.portal
        ended = "Expires=Wed, 01 Jan 1800 00:00:00 GMT"
        header = f"{portal.cookie}=deleted; {ended}; Domain={portal.cookie_domain}; Path=/"
        return web.Response(text="OK", headers={"Set-Cookie": header})

    async def answer_profile(self, request: web.Request) -> web.Response:
        """Answer a user's own profile."""
        email = request.match_info["email"]
        return self._stranger(request) or web.json_response(
            {"_id": email, "profile": {"icosLicenceOk": self._accounts.accepted.get(email, False)}}
        )

    async def change_profile(self, request: web.Request) -> web.Response:
        """Take the user's own acceptance of the licence."""
        stranger = self._stranger(request)
        if stranger is not None:
            return stranger
        try:
            profile = json.loads(await request.text())["profile"]
        except (ValueError, KeyError, TypeError):
            return web.Response(status=400, text="Expected a JSON object")
        if "icosLicenceOk" in profile:
            self._accounts.accepted[request.match_info["email"]] = bool(profile["icosLicenceOk"])
        return web.Response(text="")

    async def take_report(self, request: web.Request) -> web.Response:
        """Take a client's report of use, from the anonymous as well."""
        try:
            json.loads(await request.text())
        except ValueError:
            return web.Response(status=400, text="The request content was malformed")
        self._bench.count("usage_reports" if self._accounts.sender(request) else "anonymous_usage_reports")
        return web.Response(text="OK")

    async def go_home(self, request: web.Request) -> web.Response:
        """Lead to the My Account page, or to the login."""
        page = "/home/" if self._accounts.sender(request) else "/login/"
        return web.Response(status=302, headers={"Location": page})

    async def answer_page(self, _request: web.Request) -> web.Response:
        """Answer a page for people."""
        page = "<!DOCTYPE html>\n<html><head><title>Your account</title></head><body>My Account</body></html>\n"
        return web.Response(text=page, content_type="text/html")

    def _stranger(self, request: web.Request) -> web.Response | None:
        sender = self._accounts.sender(request)
        if sender is None:
            return web.Response(status=403, text="Must be logged in with Carbon Portal for this operation")
        if sender != request.match_info["email"]:
            return web.Response(status=403, text="Access to other users' documents is forbidden")
        return None
