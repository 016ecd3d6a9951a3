"""The group membership service: IVOA GMS 1.0 (REC), ``ivo://ivoa.net/std/gms#search-1.0``."""

from __future__ import annotations

from email.utils import formatdate

from aiohttp import web

from vo_auth.sandbox import Bench
from vo_auth.sandbox.tokens import TokenError

from .issuer import Issuer, bearer_of
from .people import CLIENTS, person_of
from .places import GMS_PATH

__all__ = ["GroupError", "Groups"]


class GroupError(Exception):
    """The group service does not answer the question.

    Parameters
    ----------
    status
        What it answers instead.
    text
        Its words.
    challenge
        Its ``WWW-Authenticate``, if any.
    """

    def __init__(self, status: int, text: str, challenge: str = "") -> None:
        super().__init__(text)
        self.status = status
        self.challenge = challenge


class Groups:
    """Answer at GMS, and to the file service that relays a caller's token.

    Parameters
    ----------
    bench
        Knobs: ``groups`` (``sub`` → group names, instead of what the stand-in knows; None for an unknown identity),
        ``gms`` (``ok``; ``missing``: 404; ``busy``: 503 with Retry-After), ``gms_retry_after`` (30 s),
        ``gms_line_end`` (CRLF), ``gms_cache`` (seconds until ``Expires``; 60; None: no such header),
        ``gms_scope`` (what the token must have; ``read:gms``; UNVERIFIED; empty: nothing). Counters: ``gms_queries``.
    issuer
        Checks tokens.
    """

    def __init__(self, bench: Bench, issuer: Issuer) -> None:
        self._bench = bench
        self._issuer = issuer

    def routes(self) -> list[web.RouteDef]:
        """Return the routes of this service."""
        return [web.get(GMS_PATH, self.answer_search, allow_head=False)]

    def known(self, subject: str) -> tuple[str, ...] | None:
        """Return somebody's groups; None for an identity that the service does not know."""
        changed: dict[str, tuple[str, ...] | None] = self._bench.knob("groups", {})
        if subject in changed:
            return changed[subject]
        person = person_of(subject)
        if person is not None:
            return person.groups
        client = CLIENTS.get(subject)
        return client.groups if client is not None else None

    def of_token(self, token: str) -> tuple[str, ...]:
        """Return the groups of the owner of a token.

        Parameters
        ----------
        token
            As it arrived, or as another service relays it.

        Returns
        -------
        tuple of str

        Raises
        ------
        GroupError
            When the service does not answer.
        """
        mood = self._bench.knob("gms", "ok")
        if mood != "ok":
            raise GroupError(404, "Not Found") if mood == "missing" else GroupError(503, "Try again later")
        if not token:
            raise GroupError(401, "permission denied: not authenticated", 'Bearer realm="gms"')
        try:
            claims = self._issuer.claims(token, "gms")
        except TokenError:
            challenge = 'Bearer realm="gms", error="invalid_token"'
            raise GroupError(401, "permission denied: the token is not accepted", challenge) from None
        scope = self._bench.knob("gms_scope", "read:gms")
        if scope and scope not in str(claims.get("scope", "")).split():
            challenge = f'Bearer realm="gms", error="insufficient_scope", scope="{scope}"'
            raise GroupError(403, f"permission denied: the token lacks the scope {scope}", challenge)
        groups = self.known(str(claims["sub"]))
        if groups is None:
            raise GroupError(403, "permission denied: this identity is not known here")
        return groups

    async def answer_search(self, request: web.Request) -> web.Response:
        """Answer with the caller's groups, or with those of them that the caller names."""
        self._bench.count("gms_queries")
        try:
            groups = self.of_token(bearer_of(request))
        except GroupError as error:
            headers = {"WWW-Authenticate": error.challenge} if error.challenge else {}
            if error.status == 503:
                headers["Retry-After"] = str(self._bench.knob("gms_retry_after", 30))
            return web.Response(status=error.status, text=f"{error}\n", headers=headers)
        named = request.query.getall("group", [])
        end = str(self._bench.knob("gms_line_end", "\r\n"))
        text = "".join(f"{group}{end}" for group in groups if group in named or not named)
        cache = self._bench.knob("gms_cache", 60)
        headers = {} if cache is None else {"Expires": formatdate(self._bench.now() + float(cache), usegmt=True)}
        return web.Response(body=text.encode(), headers={"Content-Type": "text/plain", **headers})
