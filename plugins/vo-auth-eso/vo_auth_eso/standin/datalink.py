"""The DataLink service: what belongs to a file.

A file with protected metadata gets the same laconic answer as one that does not exist, with status 200, so that
nothing is disclosed (ESO's page on authentication and authorisation, section 3.1).
"""

from __future__ import annotations

from collections.abc import Iterator

from aiohttp import web

from vo_auth.sandbox import Bench
from vo_auth.sandbox.datalink import DATALINK_TYPE, Link, datalink_document
from vo_auth.sandbox.votable import Column, ServiceDescriptor

from .content import file_name, file_size
from .holdings import get_frame
from .identity import Identities
from .model import Frame, User
from .portal import FITS_TYPE, NIGHT_LOG
from .rights import may_see
from .rows import datalink_url, file_url
from .soda import describe_cutouts

__all__ = ["CALSELECTOR", "DataLink", "eso_columns", "laconic_link", "SEMANTICS"]

SEMANTICS = "http://archive.eso.org/rdf/datalink/eso#"
CALSELECTOR = "https://archive.eso.org/calselector/v1/associations"

_PREFIX = "ivo://eso.org/ID?"
_COLUMNS = {
    "eso_origfile": Column(name="eso_origfile", datatype="char", ucd="meta.file", description="Name of the file"),
    "eso_category": Column(name="eso_category", datatype="char", ucd="meta.code.class", description="Category"),
    "eso_datalink": Column(name="eso_datalink", datatype="char", ucd="meta.ref.url", description="The file's DataLink"),
}


def eso_columns(*names: str) -> tuple[Column, ...]:
    """Return ESO's extra columns of these names."""
    return tuple(_COLUMNS[name] for name in names)


def laconic_link(identifier: str) -> Link:
    """Return the only row of the answer about a file that does not exist, or that its reader may not see."""
    return Link(
        ID=identifier,
        error_message=f"NotFoundFault: {identifier} does not exist or you do not have permission to access it",
    )


class DataLink:
    """Answer at archive.eso.org/datalink.

    Parameters
    ----------
    bench
        Knob: ``packed``, as for the data portal.
    identities
        Tells who asks.
    """

    def __init__(self, bench: Bench, identities: Identities) -> None:
        self._bench = bench
        self._identities = identities

    def routes(self) -> list[web.RouteDef]:
        """Return the routes of this service."""
        return [web.get("/datalink/links", self.answer_links)]

    async def answer_links(self, request: web.Request) -> web.StreamResponse:
        """Answer with the links, or lead to the file itself (``eso_download=file``)."""
        user = self._identities.find_sender(request)
        identifiers = [value for name, value in request.query.items() if name.upper() == "ID"]
        wish = request.query.get("eso_download")
        if wish is not None:
            return _lead(wish, identifiers)
        links: list[Link] = []
        services: list[ServiceDescriptor] = []
        for identifier in dict.fromkeys(identifiers):
            frame = _find(identifier, user)
            if frame is None:
                links.append(laconic_link(identifier))
                continue
            links += self._links(frame)
            cutouts = describe_cutouts(frame)
            if cutouts is not None:
                links.append(cutouts[0])
                services.append(cutouts[1])
        columns = eso_columns("eso_origfile", "eso_category", "eso_datalink")
        document = datalink_document(links, extra_columns=columns, services=services)
        return web.Response(body=document, headers={"Content-Type": DATALINK_TYPE})

    def _links(self, frame: Frame) -> Iterator[Link]:
        yield self._this(frame)
        if frame.level == "raw" and frame.category == "SCIENCE":
            yield _calibrations(frame, "raw2raw", "Raw2Raw", "raw")
            yield _calibrations(frame, "raw2master", "Raw2Master", "processed")
        if frame.level == "raw":
            yield _night_log(frame)

    def _this(self, frame: Frame) -> Link:
        packed = bool(self._bench.knob("packed", True))
        category = {"eso_category": frame.role} if frame.level != "raw" else {}
        return Link(
            ID=frame.ivoid,
            access_url=file_url(frame),
            description="Requested file",
            content_type=FITS_TYPE,
            content_length=file_size(frame, packed=packed),
            extra={
                "eso_origfile": f"{frame.night}/{file_name(frame, packed=packed)}",
                "eso_datalink": datalink_url(frame),
                **category,
            },
        )


def _find(identifier: str, user: User | None) -> Frame | None:
    """Return a frame that this user may see."""
    try:
        frame = get_frame(identifier.removeprefix(_PREFIX))
    except KeyError:
        return None
    return frame if identifier.startswith(_PREFIX) and may_see(user, frame.run) else None


def _calibrations(frame: Frame, term: str, mode: str, word: str) -> Link:
    return Link(
        ID=frame.ivoid,
        access_url=f"{CALSELECTOR}?dp_id={frame.dp_id}&mode={mode}&responseformat=votable",
        semantics=f"{SEMANTICS}calSelector_{term}",
        description=f"Associated {word} calibration files",
        content_type=DATALINK_TYPE,
    )


def _night_log(frame: Frame) -> Link:
    return Link(
        ID=frame.ivoid,
        access_url=f"{file_url(frame)}{NIGHT_LOG}",
        semantics=f"{SEMANTICS}night_log",
        description="Night log",
        content_type="text/html",
    )


def _lead(wish: str, identifiers: list[str]) -> web.Response:
    """Redirect to the portal, which decides; a redirect says nothing about whether the file exists."""
    names = [identifier.removeprefix(_PREFIX) for identifier in identifiers if identifier.startswith(_PREFIX)]
    if wish != "file" or len(names) != 1:
        return web.Response(status=400, text="UsageFault: eso_download takes the value file, for one ID\n")
    return web.Response(status=302, headers={"Location": f"https://dataportal.eso.org/dataPortal/file/{names[0]}"})
