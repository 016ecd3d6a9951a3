"""ESO's single sign-on: the token endpoint for programs and the login page for people.

The endpoint takes the password grant by GET with everything in the query string, as ESO documents it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from aiohttp import web

from vo_auth.sandbox import Bench

from .identity import CLIENT_ID, CLIENT_SECRET, Identities, find_user
from .pages import login_page

__all__ = ["LOGIN_URL", "SingleSignOn"]

LOGIN_URL = "https://www.eso.org/sso/login"

_REQUIRED = ("response_type", "grant_type", "client_id", "username", "password")
_FRESH = {"Cache-Control": "no-store", "Pragma": "no-cache"}
_CHUNK = b'{"filler": "' + b"x" * 65_536 + b'"}'


class SingleSignOn:
    """Answer at www.eso.org/sso.

    Parameters
    ----------
    bench
        Knobs: ``token_endpoint`` (``ok``; ``html``, ``redirect``, ``broken``, ``huge``: an answer of that kind whatever
        was sent; ``slow``: the answer comes after ``token_delay`` seconds; ``missing``, ``garbage``: the answer to a
        good login is spoilt), ``token_redirect`` (where ``redirect`` leads: the login page), ``rejected_status`` (401)
        and ``rejected_body`` (JSON): what ESO answers to a bad password is UNVERIFIED.
    identities
        Issues the tokens.
    """

    def __init__(self, bench: Bench, identities: Identities) -> None:
        self._bench = bench
        self._identities = identities

    def routes(self) -> list[web.RouteDef]:
        """Return the routes of this service."""
        return [
            web.get("/sso/oidc/token", self.answer_token, allow_head=False),
            web.get("/sso/login", self.answer_login),
        ]

    async def answer_login(self, request: web.Request) -> web.StreamResponse:
        """Answer with the login page."""
        return web.Response(text=login_page(request.query.get("service", "")), content_type="text/html")

    async def answer_token(self, request: web.Request) -> web.StreamResponse:
        """Answer a request for a token."""
        self._bench.count("token_requests")
        if request.scheme != "https":
            self._bench.count("logins_on_http")
            return web.Response(status=403, text="Use https.\n")
        mood = self._bench.knob("token_endpoint", "ok")
        if mood == "slow":
            await asyncio.sleep(float(self._bench.knob("token_delay", 5.0)))
        elif mood == "huge":
            return await _pour(request)
        elif mood in {"html", "redirect", "broken"}:
            return self._other(mood)
        return self._grant(request.query, mood)

    def _other(self, mood: str) -> web.Response:
        if mood == "redirect":
            target = self._bench.knob("token_redirect", LOGIN_URL)
            return web.Response(status=302, headers={"Location": target, **_FRESH})
        if mood == "broken":
            return web.Response(status=500, text="Internal Server Error\n")
        page = "<!DOCTYPE html>\n<html><head><title>Welcome</title></head><body>Accept our terms.</body></html>\n"
        return web.Response(text=page, content_type="text/html")

    def _grant(self, query: Mapping[str, str], mood: str) -> web.Response:
        fault = _fault_of(query)
        if fault is not None:
            return web.json_response({"error": fault[0], "error_description": fault[1]}, status=400, headers=_FRESH)
        user = find_user(query["username"], query["password"])
        if user is None:
            return self._reject()
        if mood == "garbage":
            return web.Response(body=b'{"id_token": "cut sh', content_type="application/json", headers=_FRESH)
        answer = self._identities.issue(user)
        if mood == "missing":
            del answer["id_token"]
        else:
            self._bench.count("logins")
        return web.json_response(answer, headers=_FRESH)

    def _reject(self) -> web.Response:
        self._bench.count("rejected_logins")
        status = int(self._bench.knob("rejected_status", 401))
        body = self._bench.knob("rejected_body")
        if body is not None:
            return web.Response(status=status, text=body, content_type="text/html", headers=_FRESH)
        answer = {"error": "invalid_grant", "error_description": "Bad username or password"}
        return web.json_response(answer, status=status, headers=_FRESH)


def _fault_of(query: Mapping[str, str]) -> tuple[str, str] | None:
    """Return OAuth's error (RFC 6749, section 5.2) for a request that is not as documented, or None."""
    lacking = [name for name in _REQUIRED if not query.get(name)]
    if lacking:
        return "invalid_request", f"Missing: {', '.join(lacking)}"
    if query["grant_type"] != "password":
        return "unsupported_grant_type", "Only password"
    if "id_token" not in query["response_type"].split():
        return "unsupported_response_type", "Only id_token"
    if query["client_id"] != CLIENT_ID or query.get("client_secret", CLIENT_SECRET) != CLIENT_SECRET:
        return "invalid_client", "Unknown client"
    return None


async def _pour(request: web.Request) -> web.StreamResponse:
    """Send a body that has no end."""
    response = web.StreamResponse(headers={"Content-Type": "application/json", **_FRESH})
    await response.prepare(request)
    while True:
        await response.write(_CHUNK)
