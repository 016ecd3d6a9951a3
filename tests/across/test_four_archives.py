"""One session, four archives: from tables over links to files, across archives; what arrived at every server."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import pytest
import pyvo
from aiohttp import web
from pyvo.dal.adhoc import DatalinkResults

import vo_auth
from vo_auth.sandbox import Bench, Sandbox, StandIn
from vo_auth.sandbox.datalink import DATALINK_TYPE, Link, datalink_document
from vo_auth_cadc.standin import OBSERVATIONS
from vo_auth_eso.standin.observatory import PROPRIETARY_RUN
from vo_auth_ia2.standin.holdings import PRIVATE
from vo_auth_icos.standin.repository import ICOS

ESO_TAP = "https://archive.eso.org/tap_obs"
CADC_TAP = "https://ws.cadc-ccda.hia-iha.nrc-cnrc.gc.ca/argus"
IA2_TAP = "https://archives.ia2.inaf.it/vo/tap/tng"
LINKS, STORAGE = "links.example.org", "storage.example.org"
PRESIGNED = f"https://{STORAGE}/bucket/file.fits?X-Signature=obviously-fake"
CADC_FILE = next(item for item in OBSERVATIONS if item.observation_id == "scuba2_demo_1")
CADC_FILE_URL = f"https://cadc-west-01.canfar.net/raven/files/{CADC_FILE.uri}"
ICOS_OBJECT = ICOS.named("ICOS_ATC_HTM_30")
ICOS_URL = f"https://{ICOS.data}/objects/{ICOS_OBJECT.id}"

# Which kind of permit belongs to which hosts; a login's own request is told apart by its path.
ESO = frozenset({"archive.eso.org", "dataportal.eso.org"})
IA2 = frozenset({"archives.ia2.inaf.it", "gms.ia2.inaf.it"})
ICOS_HOSTS = frozenset({ICOS.data, "citydata.icos-cp.eu"})
LOGINS = frozenset({"www.eso.org", "sso.ia2.inaf.it", ICOS.auth})


def third_parties(rows: list[str]) -> list[StandIn]:
    """Serve a DataLink document of everybody's files, redirects to them, and an object store."""

    async def links(_: web.Request) -> web.Response:
        body = datalink_document([Link(ID="ivo://example/1", access_url=url) for url in rows])
        return web.Response(body=body, headers={"Content-Type": DATALINK_TYPE})

    async def hop(request: web.Request) -> web.Response:
        return web.Response(status=307, headers={"Location": rows[int(request.match_info["number"])]})

    async def file(_: web.Request) -> web.Response:
        return web.Response(body=b"presigned")

    def links_app(_: Bench) -> web.Application:
        app = web.Application()
        app.router.add_get("/links", links)
        app.router.add_get("/hop/{number}", hop)
        return app

    def storage_app(_: Bench) -> web.Application:
        app = web.Application()
        app.router.add_get("/{path:.*}", file)
        return app

    return [
        StandIn(archive="links", hosts=(LINKS,), credentials={}, app=links_app),
        StandIn(archive="storage", hosts=(STORAGE,), credentials={}, app=storage_app),
    ]


@pytest.fixture
def rows() -> list[str]:
    return []


@pytest.fixture
def sandbox(rows: list[str]) -> Iterator[Sandbox]:
    with Sandbox(extra=third_parties(rows)) as sandbox, sandbox.activated():
        yield sandbox


@pytest.fixture
def session(sandbox: Sandbox) -> Iterator[vo_auth.AuthSession]:
    with vo_auth.session_for(ESO_TAP) as session:
        yield session


def search(url: str, query: str, session: vo_auth.AuthSession) -> Any:
    return pyvo.dal.TAPService(url, session=session).search(query)


def permits_by_host(sandbox: Sandbox) -> dict[str, set[str]]:
    """Return what kinds of permits arrived where, requests to log in left out."""
    found: dict[str, set[str]] = defaultdict(set)
    for entry in sandbox.received.all():
        if entry.host in LOGINS or entry.path in {"/ac/login", "/cred/generate"}:
            continue
        kinds = {
            "certificate" if entry.client_certificate else "",
            entry.authorization.partition(" ")[0],
            *(pair.strip().partition("=")[0] for pair in entry.cookie.split(";")),
        } - {""}
        found[entry.host] |= kinds or {"nothing"}
    return found


def secrets_by_host(sandbox: Sandbox) -> dict[str, set[str]]:
    """Return every value of a permit with the hosts where it arrived."""
    found: dict[str, set[str]] = defaultdict(set)
    for entry in sandbox.received.all():
        if entry.authorization:
            found[entry.authorization].add(entry.host)
        if entry.client_certificate:
            found[entry.client_certificate.hex()].add(entry.host)
        for pair in filter(None, entry.cookie.split(";")):
            found[pair.strip()].add(entry.host)
    return found


@pytest.mark.filterwarnings("ignore::vo_auth.errors.RefusedWarning")
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_walk_over_four_archives_and_a_third_party_takes_each_permit_to_its_own_place(
    sandbox: Sandbox, session: vo_auth.AuthSession, rows: list[str]
) -> None:
    # ESO: table → file, with the permit of the archive that the session was made for
    (eso,) = search(
        ESO_TAP,
        f"SELECT TOP 1 * FROM dbo.raw WHERE prog_id = '{PROPRIETARY_RUN}' AND dp_cat = 'SCIENCE'",
        session,
    )
    links = DatalinkResults.from_result_url(eso["datalink_url"], session=session)
    this = next(links.bysemantics("#this")).access_url
    assert session.get(this).ok

    # CADC: table → DataLink → file, by way of a redirect to another host of its own
    (cadc,) = search(
        CADC_TAP,
        f"SELECT publisherID FROM caom2.Plane WHERE publisherID LIKE '%{CADC_FILE.observation_id}%'",
        session,
    )
    links = DatalinkResults.from_result_url(
        f"https://ws.cadc-ccda.hia-iha.nrc-cnrc.gc.ca/caom2ops/datalink?ID={cadc['publisherID']}", session=session
    )
    assert session.get(next(links.bysemantics("#this")).access_url).content == CADC_FILE.content

    # IA2: a table that publishes plain http addresses of private files
    ia2 = search(IA2_TAP, f"SELECT TOP 1 * FROM tng.TNG_TAP WHERE policy = '{PRIVATE}'", session)[0]
    assert ia2["file_url"].startswith("http://")
    assert session.get(ia2["file_url"]).ok

    # A third party's DataLink document with everybody's files in it, directly and by way of its redirects
    rows += [this, CADC_FILE_URL, ia2["file_url"], ICOS_URL, PRESIGNED]
    for link in DatalinkResults.from_result_url(f"https://{LINKS}/links?ID=1", session=session):
        assert session.get(link.access_url).ok, link.access_url
    for number in range(len(rows)):
        assert session.get(f"https://{LINKS}/hop/{number}").ok, rows[number]

    arrived = permits_by_host(sandbox)
    assert arrived[LINKS] == arrived[STORAGE] == {"nothing"}
    assert {kind for host in ESO for kind in arrived.get(host, ())} == {"Bearer"}
    assert {kind for host in IA2 for kind in arrived.get(host, ())} == {"Bearer"}
    assert {kind for host in ICOS_HOSTS for kind in arrived.get(host, ())} == {"cpauthToken"}
    assert {kind for host in arrived if host.endswith((".canfar.net", ".gc.ca")) for kind in arrived[host]} == {
        "certificate"
    }
    for hosts in secrets_by_host(sandbox).values():  # no value of one archive arrived at another
        places = [hosts <= ESO | {"www.eso.org"}, hosts <= IA2 | {"sso.ia2.inaf.it"}, hosts <= ICOS_HOSTS | {ICOS.auth}]
        assert any(places) or all(host.endswith((".canfar.net", ".gc.ca")) for host in hosts), hosts
    assert not [entry for entry in sandbox.received.all() if entry.scheme == "http" and entry.authorization]
    assert [sandbox.bench(name).counters["logins"] for name in ("eso", "ia2", "icos", "cadc")] == [1, 1, 1, 1]
    assert not list(session.cookies)


def test_each_archive_is_explained_with_its_own_plugin(sandbox: Sandbox) -> None:
    for url, archive in ((ESO_TAP, "eso"), (CADC_TAP, "cadc"), (IA2_TAP, "ia2"), (ICOS_URL, "icos")):
        (hop,) = vo_auth.explain(url).hops
        assert hop.archive == archive
        assert f"vo-auth-{archive}" in hop.why
    for url in (PRESIGNED, f"https://{LINKS}/links"):
        assert vo_auth.explain(url).hops[0].archive == ""


def test_anonymous_holds_for_all_archives_at_once(sandbox: Sandbox, session: vo_auth.AuthSession) -> None:
    with vo_auth.anonymous():
        for url in (f"{ESO_TAP}/capabilities", f"{CADC_TAP}/capabilities", f"{IA2_TAP}/capabilities"):
            session.get(url)
    assert set().union(*permits_by_host(sandbox).values()) == {"nothing"}
