"""DataLink: what IA2 names as the future of its access URLs, here when the knob ``datalink`` is set."""

from __future__ import annotations

from aiohttp import web

from vo_auth.sandbox.datalink import DATALINK_TYPE, Link, datalink_document

from .holdings import File, find_file
from .places import ARCHIVES_HOST, DATALINK_PATH

__all__ = ["DataLink", "datalink_url"]

_PREFIX = "ivo://ia2.inaf.it/"


def datalink_url(file: File) -> str:
    """Return the address of a file's links, in plain http as all that the tables publish."""
    return f"http://{ARCHIVES_HOST}{DATALINK_PATH}?ID={file.identifier}"


class DataLink:
    """Answer at archives.ia2.inaf.it with the links of files; they are public, as the other metadata are."""

    def routes(self) -> list[web.RouteDef]:
        """Return the routes of this service."""
        return [web.get(DATALINK_PATH, self.answer_links)]

    async def answer_links(self, request: web.Request) -> web.Response:
        """Answer with one row for each ``ID``."""
        names = [value for name, value in request.query.items() if name.upper() == "ID"]
        document = datalink_document([_link(name) for name in dict.fromkeys(names)])
        return web.Response(body=document, headers={"Content-Type": DATALINK_TYPE})


def _link(identifier: str) -> Link:
    collection, _, name = identifier.removeprefix(_PREFIX).partition("?")
    file = find_file(collection, name)
    if file is None or file.identifier != identifier:
        return Link(ID=identifier, error_message=f"NotFoundFault: {identifier} is not known")
    return Link(
        ID=identifier,
        access_url=file.url,
        description="The file",
        content_type="application/gzip",
        content_length=len(file.content()),
    )
