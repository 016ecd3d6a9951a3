"""The file service: public files for everybody, private ones by the group of their programme.

Who may have a file is not its own knowledge: it relays the caller's token to the group membership service and asks
there. So the token must be meant for both (``aud``, RFC 7519, section 4.1.3).
"""

from __future__ import annotations

from aiohttp import web

from vo_auth.sandbox import Bench
from vo_auth.sandbox.files import send_bytes
from vo_auth.sandbox.tokens import TokenError

from .groups import GroupError, Groups
from .holdings import find_file
from .issuer import Issuer, bearer_of
from .places import FILES_PATH

__all__ = ["FileService"]


class FileService:
    """Answer at archives.ia2.inaf.it/files.

    Parameters
    ----------
    bench
        Knobs: ``www_authenticate`` (the challenge of a 401; ``Bearer realm="ia2"``; empty: none; UNVERIFIED),
        ``http_permits`` (False; True: a token counts on plain http too, as it would at a service without https).
        Counters: ``downloads``, ``refused_downloads``, ``relays``, ``refused_relays``.
    issuer
        Checks tokens.
    groups
        Is asked with the caller's token.
    """

    def __init__(self, bench: Bench, issuer: Issuer, groups: Groups) -> None:
        self._bench = bench
        self._issuer = issuer
        self._groups = groups

    def routes(self) -> list[web.RouteDef]:
        """Return the routes of this service."""
        return [web.get(f"{FILES_PATH}/{{collection}}/{{name}}", self.answer_file)]

    async def answer_file(self, request: web.Request) -> web.StreamResponse:
        """Answer with a file, a part of it, or a refusal."""
        file = find_file(request.match_info["collection"], request.match_info["name"])
        if file is None:
            return web.Response(status=404, text="There is no such file.\n")
        if file.programme.group:
            refusal = self._refusal(request, file.programme.group)
            if refusal is not None:
                self._bench.count("refused_downloads")
                return refusal
        self._bench.count("downloads")
        return await send_bytes(
            request, file.content(), filename=file.name, content_type="application/gzip", last_modified=file.start
        )

    def _refusal(self, request: web.Request, group: str) -> web.Response | None:
        token = bearer_of(request) if request.scheme == "https" or self._bench.knob("http_permits", False) else ""
        if not token:
            return self._challenge("")
        try:
            self._issuer.claims(token, "files")
        except TokenError:
            return self._challenge("invalid_token")
        self._bench.count("relays")
        try:
            allowed = group in self._groups.of_token(token)
        except GroupError as error:
            self._bench.count("refused_relays")
            if error.status in (404, 503):
                return web.Response(status=503, text="The group service does not answer.\n")
            return web.Response(status=403, text="The group service did not take the token that was relayed.\n")
        return None if allowed else web.Response(status=403, text="You are not in the group of this programme.\n")

    def _challenge(self, error: str) -> web.Response:
        words = str(self._bench.knob("www_authenticate", 'Bearer realm="ia2"'))
        if words and error:
            words += f', error="{error}"'
        headers = {"WWW-Authenticate": words} if words else {}
        return web.Response(status=401, text="This file is private.\n", headers=headers)
