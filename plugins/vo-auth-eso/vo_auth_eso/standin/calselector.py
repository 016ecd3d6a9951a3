"""The calSelector service: which calibrations belong to a raw frame."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

from aiohttp import web

from vo_auth.sandbox import Bench
from vo_auth.sandbox.datalink import DATALINK_TYPE, Link, datalink_document
from vo_auth.sandbox.files import send_bytes

from .associations import RAW2MASTER, RAW2RAW, Cascade, find_cascade
from .content import file_size
from .datalink import CALSELECTOR, SEMANTICS, eso_columns, laconic_link
from .holdings import get_frame
from .identity import Identities
from .model import Frame, User
from .portal import FITS_TYPE
from .rights import may_see
from .rows import datalink_url

__all__ = ["CalSelector"]

_TERMS = {RAW2RAW: "calSelector_raw2raw", RAW2MASTER: "calSelector_raw2master"}
TREE_TYPE = "application/xml; content=calselector"
_PART_TYPE = "application/xml;content=calselector"


class CalSelector:
    """Answer at archive.eso.org/calselector: by GET about one frame, by POST about one or several.

    Parameters
    ----------
    bench
        Knob: ``packed``, as for the data portal.
    identities
        Tells who asks: frames with protected metadata are not found by others.
    """

    def __init__(self, bench: Bench, identities: Identities) -> None:
        self._bench = bench
        self._identities = identities

    def routes(self) -> list[web.RouteDef]:
        """Return the routes of this service."""
        path = "/calselector/v1/associations"
        return [web.get(path, self.answer_associations), web.post(path, self.answer_form)]

    async def answer_associations(self, request: web.Request) -> web.StreamResponse:
        """Answer with the calibrations as a table, or with the association tree."""
        dp_id, mode = request.query.get("dp_id", ""), request.query.get("mode", RAW2RAW)
        response_format = request.query.get("responseformat", "")
        if not dp_id or mode not in _TERMS or response_format not in {"", "votable"}:
            return web.Response(status=400, text="Needed: dp_id, mode=Raw2Raw|Raw2Master; responseformat=votable\n")
        frame = _find(dp_id, self._identities.find_sender(request))
        if not response_format:
            return await _send_tree(request, frame, mode)
        if frame is None:
            links = [laconic_link(f"ivo://eso.org/ID?{dp_id}")]
        else:
            links = list(self._links(find_cascade(frame, mode), mode))
        document = datalink_document(links, extra_columns=eso_columns("eso_category", "eso_datalink"))
        return web.Response(body=document, headers={"Content-Type": DATALINK_TYPE})

    async def answer_form(self, request: web.Request) -> web.StreamResponse:
        """Answer with one association tree, or with several in one multipart document.

        UNVERIFIED: what the archive answers about a frame that it does not know. Here the others are answered, and a
        request without any other is not found; so a protected frame cannot be told from none.
        """
        form = await request.post()
        dp_ids = list(dict.fromkeys(str(value) for value in form.getall("dp_id", [])))
        mode = str(form.get("mode", RAW2RAW))
        if not any(dp_ids) or mode not in _TERMS:
            return web.Response(status=400, text="Needed: dp_id, once or several times; mode=Raw2Raw|Raw2Master\n")
        user = self._identities.find_sender(request)
        found = [frame for frame in (_find(dp_id, user) for dp_id in dp_ids) if frame is not None]
        if len(dp_ids) == 1 or not found:
            return await _send_tree(request, found[0] if found else None, mode)
        return _send_trees([find_cascade(frame, mode) for frame in found])

    def _links(self, cascade: Cascade, asked: str) -> Iterator[Link]:
        frame = cascade.frame
        yield self._file(frame, frame, "#this", cascade.description)
        for calibration in cascade.calibrations:
            yield self._file(frame, calibration, "#calibration", f'category="{calibration.role}"')
        for sibling in cascade.siblings:
            yield self._file(frame, sibling, "#sibling_raw", f'category="{sibling.role}"')
        yield Link(
            ID=frame.ivoid,
            access_url=f"{CALSELECTOR}?dp_id={frame.dp_id}&mode={asked}",
            semantics=f"{SEMANTICS}{_TERMS[asked]}",
            description="Association tree",
            content_type=TREE_TYPE,
            content_length=len(cascade.tree()),
            extra={"eso_category": "ASSOCIATION_TREE"},
        )

    def _file(self, asked: Frame, frame: Frame, semantics: str, description: str) -> Link:
        return Link(
            ID=asked.ivoid,
            access_url=f"{datalink_url(frame)}&eso_download=file",
            semantics=semantics,
            description=description,
            content_type=FITS_TYPE,
            content_length=file_size(frame, packed=bool(self._bench.knob("packed", True))),
            extra={"eso_category": frame.role, "eso_datalink": datalink_url(frame)},
        )


def _find(dp_id: str, user: User | None) -> Frame | None:
    """Return a raw frame that this user may see."""
    try:
        frame = get_frame(dp_id)
    except KeyError:
        return None
    return frame if frame.level == "raw" and may_see(user, frame.run) else None


async def _send_tree(request: web.Request, frame: Frame | None, mode: str) -> web.StreamResponse:
    if frame is None:  # UNVERIFIED: what the archive answers here; it must not tell a protected frame from none
        return web.Response(status=404, text="The frame does not exist or you do not have permission to access it.\n")
    cascade = find_cascade(frame, mode)
    return await send_bytes(request, cascade.tree(), filename=_tree_name(cascade), content_type=TREE_TYPE)


def _tree_name(cascade: Cascade) -> str:
    return f"{cascade.frame.dp_id}_{cascade.mode.lower()}.xml"


def _send_trees(cascades: Sequence[Cascade]) -> web.Response:
    """Send one part for each frame, in the form that astroquery's recorded answer of the archive has."""
    parts = [(_tree_name(cascade), cascade.tree()) for cascade in cascades]
    boundary = hashlib.sha256(b"".join(tree for _, tree in parts)).hexdigest()[:36]
    body = b"".join(
        f'--{boundary}\r\nContent-Disposition: attachment; filename="{name}"\r\n'
        f"Content-Type: {_PART_TYPE}\r\nContent-Length: {len(tree)}\r\n\r\n".encode()
        + tree
        + b"\r\n"
        for name, tree in parts
    )
    content_type = f"multipart/form-data; boundary={boundary};charset=UTF-8"
    return web.Response(body=body + f"--{boundary}--\r\n".encode(), headers={"Content-Type": content_type})
