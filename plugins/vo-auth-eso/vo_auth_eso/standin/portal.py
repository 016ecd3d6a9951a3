"""The data portal: files, night logs and a public page."""

from __future__ import annotations

from urllib.parse import quote

from aiohttp import web

from vo_auth.sandbox import Bench
from vo_auth.sandbox.files import send_bytes

from .content import file_name, make_file
from .holdings import get_frame
from .identity import Identities
from .model import Frame
from .pages import login_page, night_log_page, portal_page
from .quicklooks import QUICKLOOKS
from .rights import may_fetch, may_see
from .sso import LOGIN_URL

__all__ = ["DataPortal", "FITS_TYPE", "NIGHT_LOG", "refuse"]

FITS_TYPE = "application/fits"
NIGHT_LOG = ".NL"  # what a night log's address has behind the frame's identifier


class DataPortal:
    """Answer at dataportal.eso.org.

    Parameters
    ----------
    bench
        Knobs: ``www_authenticate`` (the value of that header on a 401; None, UNVERIFIED: no such header),
        ``login_page`` (what a refused download gets: ``""``, a 401; ``redirect``, a 302 to the login page; ``page``,
        the login page itself with status 200, as in the days of session cookies), ``packed`` (True: raw frames come
        as ``.fits.Z``). Counters: ``downloads``, ``refused_downloads``.
    identities
        Tells who asks.
    """

    def __init__(self, bench: Bench, identities: Identities) -> None:
        self._bench = bench
        self._identities = identities

    def routes(self) -> list[web.RouteDef]:
        """Return the routes of this service."""
        return [
            web.get("/dataPortal/file/{name}", self.answer_file),
            web.get("/rh", self.answer_page),
            web.get("/rh/", self.answer_page),
        ]

    async def answer_page(self, _request: web.Request) -> web.StreamResponse:
        """Answer with the public page."""
        return web.Response(text=portal_page(), content_type="text/html")

    async def answer_file(self, request: web.Request) -> web.StreamResponse:
        """Answer with a file or a night log, to those who may have it."""
        name = request.match_info["name"]
        if name in QUICKLOOKS:
            self._bench.count("downloads")
            data = QUICKLOOKS[name].make_file()
            return await send_bytes(request, data, filename=name, content_type="application/x-tar")
        user = self._identities.find_sender(request, basic=True)
        try:
            frame = get_frame(name.removesuffix(NIGHT_LOG))
        except KeyError:
            return web.Response(status=404, text="No such file.\n")
        if name.endswith(NIGHT_LOG):
            allowed = may_see(user, frame.run)
            return _night_log(frame) if allowed else refuse(self._bench, request)
        if not may_fetch(user, frame, now=self._bench.now()):
            return refuse(self._bench, request)
        self._bench.count("downloads")
        packed = bool(self._bench.knob("packed", True))
        return await send_bytes(
            request,
            make_file(frame, packed=packed),
            filename=file_name(frame, packed=packed),
            content_type=FITS_TYPE,
            last_modified=frame.start,
        )


def refuse(bench: Bench, request: web.Request) -> web.StreamResponse:
    """Refuse a download: alike to the anonymous and to those without rights.

    Parameters
    ----------
    bench
        With the knobs ``login_page`` and ``www_authenticate`` of :class:`DataPortal`.
    request
        The one that is refused.

    Returns
    -------
    web.StreamResponse
        A 401, or whatever the knobs say.
    """
    bench.count("refused_downloads")
    manner = bench.knob("login_page", "")
    service = f"https://{request.host}{request.path_qs}"
    if manner == "redirect":
        return web.Response(status=302, headers={"Location": f"{LOGIN_URL}?service={quote(service, safe='')}"})
    if manner == "page":
        return web.Response(text=login_page(service), content_type="text/html")
    challenge = bench.knob("www_authenticate")
    headers = {"WWW-Authenticate": challenge} if challenge else {}
    return web.Response(status=401, text="Access denied.\n", headers=headers)


def _night_log(frame: Frame) -> web.Response:
    if frame.level != "raw":
        return web.Response(status=404, text="No such file.\n")
    return web.Response(text=night_log_page(frame), content_type="text/html")
