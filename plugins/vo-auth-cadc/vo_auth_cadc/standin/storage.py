"""DataLink, and the storage: a global service that leads to the site where a file is.

Source: the status map of ``RestAction.java`` of opencadc/core; the redirects as cadcutils follows them.
"""

from __future__ import annotations

import secrets

from aiohttp import web

from vo_auth.sandbox import Bench
from vo_auth.sandbox.datalink import DATALINK_TYPE, Link, datalink_document
from vo_auth.sandbox.files import send_bytes

from .identity import CALLER, RefusedError
from .observations import OBSERVATIONS, Observation
from .places import hosts_of

__all__ = ["DataLink", "Storage"]

_FILES = {item.uri: item for item in OBSERVATIONS}
_PLANES = {item.publisher_id: item for item in OBSERVATIONS}


def _groups() -> tuple[str, ...]:
    caller = CALLER.get()
    return caller.person.groups if caller and caller.person else ()


class DataLink:
    """Answer at ws.cadc-ccda.hia-iha.nrc-cnrc.gc.ca/caom2ops.

    Parameters
    ----------
    bench
        For its clock.
    """

    def __init__(self, bench: Bench) -> None:
        self._bench = bench

    def routes(self) -> list[web.RouteDef]:
        """Return the routes of this service."""
        return [web.get("/caom2ops/datalink", self.answer_links), web.post("/caom2ops/datalink", self.answer_links)]

    async def answer_links(self, request: web.Request) -> web.Response:
        """Answer with the links of each plane that was named; of one that the caller may not see, with a fault."""
        form = await request.post()
        asked = [str(value) for name, value in (*request.query.items(), *form.items()) if name.upper() == "ID"]
        links = [self._link(name) for name in dict.fromkeys(asked)]
        return web.Response(body=datalink_document(links), headers={"Content-Type": DATALINK_TYPE})

    def _link(self, identifier: str) -> Link:
        item = _PLANES.get(identifier)
        if item is None or not item.may_see(_groups(), now=self._bench.now()):
            return Link(ID=identifier, error_message=f"NotFoundFault: {identifier}")
        host = hosts_of("raven")[0]
        return Link(
            ID=identifier,
            access_url=f"https://{host}/raven/files/{item.uri}",
            description="The file",
            content_type="application/fits",
            content_length=len(item.content),
        )


class Storage:
    """Answer at …/raven/files and …/minoc/files.

    Parameters
    ----------
    bench
        Knobs: ``anonymous_refusal`` (the status for the anonymous who may not fetch a file; 401), ``preauthorized``
        (True: the redirect has a key in its path, and the site asks for nothing else), ``files_elsewhere`` (a URL
        that redirects lead to, with the file's name behind it). Counters: ``downloads``, ``refused_downloads``.
    """

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._keys: dict[str, str] = {}

    def routes(self) -> list[web.RouteDef]:
        """Return the routes of both services."""
        return [
            web.get("/raven/files/{uri:[a-z]+:.+}", self.lead_to_site),
            web.get("/minoc/files/{key:[0-9a-f]{16}}/{uri:.+}", self.answer_by_key),
            web.get("/minoc/files/{uri:[a-z]+:.+}", self.answer_file),
        ]

    async def lead_to_site(self, request: web.Request) -> web.StreamResponse:
        """Lead to the site that has the file (303), those who may fetch it."""
        item = self._permitted(request)
        elsewhere = self._bench.knob("files_elsewhere")
        site = f"https://{hosts_of('minoc')[0]}/minoc/files"
        if elsewhere:
            place = f"{elsewhere}/{item.file_name}"
        elif self._bench.knob("preauthorized"):
            key = secrets.token_hex(8)
            self._keys[key] = item.uri
            place = f"{site}/{key}/{item.uri}"
        else:
            place = f"{site}/{item.uri}"
        return web.Response(status=303, headers={"Location": place})

    async def answer_by_key(self, request: web.Request) -> web.StreamResponse:
        """Answer with the file that the key in the path is for, whoever asks."""
        item = _FILES.get(request.match_info["uri"])
        if item is None or self._keys.get(request.match_info["key"]) != item.uri:
            raise RefusedError(403, "invalid preauth token")
        return await self._send(request, item)

    async def answer_file(self, request: web.Request) -> web.StreamResponse:
        """Answer with a file."""
        return await self._send(request, self._permitted(request))

    def _permitted(self, request: web.Request) -> Observation:
        item = _FILES.get(request.match_info["uri"])
        if item is None:
            raise RefusedError(404, f"not found: {request.match_info['uri']}")
        if item.may_fetch(_groups(), now=self._bench.now()):
            return item
        self._bench.count("refused_downloads")
        if CALLER.get() is None:
            raise RefusedError(int(self._bench.knob("anonymous_refusal", 401)), "permission denied")
        raise RefusedError(403, "permission denied")

    async def _send(self, request: web.Request, item: Observation) -> web.StreamResponse:
        self._bench.count("downloads")
        response = await send_bytes(request, item.content, filename=item.file_name, content_type="application/fits")
        response.headers["Digest"] = item.digest
        return response
