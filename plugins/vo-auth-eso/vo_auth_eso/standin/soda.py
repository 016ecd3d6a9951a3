"""The SODA service: cutouts of science products (SODA 1.0), for those who may have the file."""

from __future__ import annotations

from collections.abc import Sequence

from aiohttp import web

from vo_auth.sandbox import Bench
from vo_auth.sandbox.datalink import Link, soda_service
from vo_auth.sandbox.files import send_bytes
from vo_auth.sandbox.votable import ServiceDescriptor

from .content import make_fits
from .cutouts import Cut, CutoutError, cut_out
from .holdings import get_frame
from .identity import Identities
from .model import Frame
from .portal import FITS_TYPE, refuse
from .products import Geometry, find_geometry
from .rights import may_fetch

__all__ = ["Soda", "describe_cutouts"]

URL = "https://dataportal.eso.org/dataPortal/soda/sync"
_PREFIX = "ivo://eso.org/ID?"
_FILTERS = ("CIRCLE", "POLYGON", "POS", "BAND")
_OTHER_FILTERS = ("TIME", "POL")


def describe_cutouts(frame: Frame) -> tuple[Link, ServiceDescriptor] | None:
    """Return what a DataLink document says about the cutouts of a file.

    Parameters
    ----------
    frame
        Any frame.

    Returns
    -------
    tuple of Link and ServiceDescriptor
        None for a frame of which no cutouts are made: the archive offers them for science products.
    """
    axes = find_geometry(frame)
    if axes is None:
        return None
    identifier = f"soda_{frame.dp_id.replace(':', '_')}"
    service = soda_service(
        URL,
        identifier=identifier,
        dataset=frame.ivoid,
        footprint=" ".join(map(str, axes.footprint(frame))),
        wavelengths=axes.wavelengths(frame),
        positions=bool(axes.side),
        content_type=FITS_TYPE,
        description="Cutouts of the file, by position or wavelength",
    )
    link = Link(
        ID=frame.ivoid,
        service_def=identifier,
        semantics="#cutout",
        description="Cutouts of the file",
        content_type=FITS_TYPE,
    )
    return link, service


class Soda:
    """Answer at dataportal.eso.org/dataPortal/soda/sync.

    Parameters
    ----------
    bench
        Knobs: ``www_authenticate`` and ``login_page``, as for files. Counters: ``cutouts``, ``refused_downloads``.
    identities
        Tells who asks: by token or by user name and password, as for files.
    """

    def __init__(self, bench: Bench, identities: Identities) -> None:
        self._bench = bench
        self._identities = identities

    def routes(self) -> list[web.RouteDef]:
        """Return the routes of this service."""
        path = "/dataPortal/soda/sync"
        return [web.get(path, self.answer_cutout), web.post(path, self.answer_cutout)]

    async def answer_cutout(self, request: web.Request) -> web.StreamResponse:
        """Answer with the cutout, or with one line that says why there is none."""
        pairs = [*request.query.items(), *(await request.post()).items()]
        given = [(name.upper(), str(value)) for name, value in pairs]
        try:
            frame, axes = _find([value for name, value in given if name == "ID"])
            if not may_fetch(self._identities.find_sender(request, basic=True), frame, now=self._bench.now()):
                return refuse(self._bench, request)
            cuts = _read_cuts(given)
            data = cut_out(frame, axes, cuts) if cuts else make_fits(frame)
        except CutoutError as error:
            return web.Response(status=400, text=f"{error}\n")
        self._bench.count("cutouts")
        name = f"{frame.dp_id}_cutout.fits" if cuts else f"{frame.dp_id}.fits"
        return await send_bytes(request, data, filename=name, content_type=FITS_TYPE)


def _find(identifiers: Sequence[str]) -> tuple[Frame, Geometry]:
    """Find the product; all that cannot be cut is answered alike, so that nothing is disclosed."""
    if len(identifiers) != 1:
        raise CutoutError("MultiValuedParamNotSupported: ID" if identifiers else "UsageFault: ID is missing")
    (identifier,) = identifiers
    try:
        frame = get_frame(identifier.removeprefix(_PREFIX))
    except KeyError:
        frame = None
    axes = find_geometry(frame) if frame is not None else None
    if frame is None or axes is None or not identifier.startswith(_PREFIX):
        raise CutoutError(f"UsageFault: no cutouts are made of {identifier[:80]}")
    return frame, axes


def _read_cuts(given: Sequence[tuple[str, str]]) -> list[Cut]:
    """Read the filters: one of each kind at most, and no kind that this service has not."""
    names = [name for name, _ in given]
    for name in _OTHER_FILTERS:
        if name in names:
            raise CutoutError(f"UsageFault: {name} is not supported")
    for name in _FILTERS:
        if names.count(name) > 1:
            raise CutoutError(f"MultiValuedParamNotSupported: {name}")
    return [Cut.read(name, value) for name, value in given if name in _FILTERS]
