"""The header service: the FITS header of a file as text in a page."""

from __future__ import annotations

from html import escape

from aiohttp import web

from vo_auth.sandbox import Bench

from .content import header_text
from .holdings import get_frame
from .identity import Identities
from .pages import header_page
from .rights import may_see

__all__ = ["HeaderService"]


class HeaderService:
    """Answer at archive.eso.org/hdr.

    A header is metadata: it is for everybody who may see the frame, also while the file itself is under a proprietary
    period.

    Parameters
    ----------
    bench
        Not looked at; every service of the stand-in is made alike.
    identities
        Tells who asks.
    """

    def __init__(self, bench: Bench, identities: Identities) -> None:
        self._bench = bench
        self._identities = identities

    def routes(self) -> list[web.RouteDef]:
        """Return the routes of this service."""
        return [web.get("/hdr", self.answer_header)]

    async def answer_header(self, request: web.Request) -> web.StreamResponse:
        """Answer with the header of ``DpId``.

        UNVERIFIED: the answer about a file that does not exist. It is the same as about one that may not be seen.
        """
        dp_id = request.query.get("DpId", "")
        try:
            frame = get_frame(dp_id)
        except KeyError:
            frame = None
        if frame is None or not may_see(self._identities.find_sender(request), frame.run):
            text = f"<p>No header of {escape(dp_id)}: it does not exist or you do not have permission to see it.</p>\n"
            return web.Response(status=404, text=text, content_type="text/html")
        return web.Response(text=header_page(frame, header_text(frame)), content_type="text/html")
