"""The service that issues client certificates.

Source: ``GetCertAction.java`` of opencadc/cdp.
"""

from __future__ import annotations

import math

from aiohttp import web

from vo_auth.sandbox import Bench

from .certificates import issue_certificate
from .identity import CALLER, RefusedError

__all__ = ["Credentials"]

_MAX_DAYS = 30.0  # UNVERIFIED: no public source tells the archive's own number
_EARLIER = 300  # seconds before now, for clocks that are behind


class Credentials:
    """Answer at ws.cadc-ccda.hia-iha.nrc-cnrc.gc.ca/cred.

    Parameters
    ----------
    bench
        Knobs: ``certificate_max_days`` (30), ``certificate_life`` (seconds that new certificates live, whatever was
        asked for). Counters: ``certificates``, ``refused_renewals``.
    """

    def __init__(self, bench: Bench) -> None:
        self._bench = bench

    def routes(self) -> list[web.RouteDef]:
        """Return the routes of this service."""
        return [web.get("/cred/generate", self.generate), web.get("/cred/generate/{kind}/{name}", self.generate_other)]

    async def generate(self, request: web.Request) -> web.Response:
        """Answer a certificate of the caller's, its key and the authority's certificate in one PEM text."""
        caller = CALLER.get()
        if caller is None or caller.person is None:
            raise RefusedError(401, "Authentication required (caller DN not found).")
        name = caller.person.distinguished_name
        if caller.method == "certificate":
            self._bench.count("refused_renewals")
            raise RefusedError(
                403, f"Renewing certificate using certificate authentication not permitted: {name.upper()}"
            )
        assert self._bench.authority is not None
        now = self._bench.now()
        end = now + self._life(request.query.get("daysValid"))
        pem = issue_certificate(self._bench.authority, name, start=min(now - _EARLIER, end - 1), end=end)
        self._bench.count("certificates")
        return web.Response(
            body=pem.encode(),
            headers={
                "Content-Type": "application/x-pem-file",
                "Content-Disposition": 'inline; filename="cadcproxy.pem"',
            },
        )

    async def generate_other(self, request: web.Request) -> web.Response:
        """Refuse a certificate of somebody else's: that is for the archive's own services."""
        if CALLER.get() is None:
            raise RefusedError(401, "Authentication required (caller DN not found).")
        raise RefusedError(403, "permission denied")

    def _life(self, asked: str | None) -> float:
        maximum = float(self._bench.knob("certificate_max_days", _MAX_DAYS))
        days = maximum
        if asked is not None:
            try:
                days = float(asked)
            except ValueError:
                raise RefusedError(400, f"daysValid is not a float: {asked}") from None
            if not days <= maximum:
                raise RefusedError(400, f"daysValid larger than maximum allowed: {maximum}")
        return float(self._bench.knob("certificate_life", math.floor(days * 24 + 0.5) * 3600))
