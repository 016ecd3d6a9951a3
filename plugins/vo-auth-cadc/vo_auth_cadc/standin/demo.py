"""The main job at CADC, as ``vo-auth demo`` shows it: rows and a file of one's own, and where the certificate goes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyvo

import vo_auth

from .observations import OBSERVATIONS
from .places import REGISTRIES, SERVICES

if TYPE_CHECKING:
    from vo_auth.demo import Demo

__all__ = ["show"]

_URLS = {service.name: service.url for service in SERVICES}
_REGISTRY = f"http://{REGISTRIES[1]}/reg/resource-caps"  # as astroquery asks it
_QUERY = "SELECT publisherID FROM caom2.Plane"


def show(demo: Demo) -> None:
    """Do it and show it.

    Parameters
    ----------
    demo
        Where to show it.
    """
    with vo_auth.session_for(_URLS["argus"]) as session:
        _search(demo, session)
        _fetch(demo, session)
        _write(demo)


def _search(demo: Demo, session: vo_auth.AuthSession) -> None:
    demo.step("CADC: search with a certificate that the password was exchanged for")
    service = pyvo.dal.TAPService(_URLS["argus"], session=session)
    own = len(service.search(_QUERY))
    with vo_auth.anonymous():
        public = len(service.search(_QUERY))
    demo.check(f"argus: {own} rows, anonymously {public}", own > public > 0)
    (held,) = [item for item in vo_auth.status() if item.archive == "cadc"]
    issued = demo.bench.counters["certificates"]
    demo.check(f"one {held.kind} until {held.expires:%Y-%m-%d}", held.kind == "certificate" and issued == 1)
    groups = vo_auth.groups("cadc")
    demo.check(f"its owner's groups: {', '.join(groups)}", bool(groups))


def _fetch(demo: Demo, session: vo_auth.AuthSession) -> None:
    demo.step("CADC: a proprietary file, over a redirect to another host")
    item = next(item for item in OBSERVATIONS if item.group in vo_auth.groups("cadc"))
    answer = session.get(f"{_URLS['raven']}/files/{item.uri}")
    site = answer.url.split("/")[2]
    demo.check(f"{item.file_name}: {len(answer.content)} bytes from {site}", answer.content == item.content)
    shown = [entry.client_certificate is not None for entry in demo.sandbox.received.all()[-2:]]
    demo.check("both hosts were shown the certificate", shown == [True, True])
    session.get(_REGISTRY)
    seen = demo.sandbox.received.all()[-1]
    demo.check("the registry, by plain http, was not", seen.scheme == "http" and seen.client_certificate is None)


def _write(demo: Demo) -> None:
    demo.step("CADC: the certificate for other programs")
    vo_auth.login("cadc", to_file="default")
    path = demo.sandbox.home / ".ssl" / "cadcproxy.pem"
    private = path.stat().st_mode & 0o077 == 0
    demo.check("~/.ssl/cadcproxy.pem: certificate, key and chain", private and path.read_text().count("BEGIN") == 3)
    logins = demo.bench.counters["logins"]
    demo.check(f"logins for all of this: {logins}", logins == 1)
