"""The main job at ESO, as ``vo-auth demo`` shows it: search, download, calibrations."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyvo

import vo_auth

from .observatory import CONFIDENTIAL_RUN, PROPRIETARY_RUN

if TYPE_CHECKING:
    from vo_auth.demo import Demo

__all__ = ["show"]

_TAP = "https://archive.eso.org/tap_obs"
_MASTERS = "http://archive.eso.org/rdf/datalink/eso#calSelector_raw2master"


def show(demo: Demo) -> None:
    """Do it and show it.

    Parameters
    ----------
    demo
        Where to show it.
    """
    session = vo_auth.session_for(_TAP)
    tap = pyvo.dal.TAPService(_TAP, session=session)
    _search(demo, tap)
    _download(demo, tap, session)
    _calibrations(demo, tap, session)
    demo.step("ESO: what it took")
    demo.check(
        f"logins for all of it: {demo.bench.counters['logins']}",
        demo.bench.counters["logins"] == 1,
    )
    answer = session.get(demo.elsewhere)
    (received,) = demo.sandbox.received.at("storage.example.org")
    demo.check(
        f"a presigned URL of a third party: {answer.status_code}, sent without permit",
        answer.ok and not received.authorization,
    )


def _search(demo: Demo, tap: pyvo.dal.TAPService) -> None:
    demo.step("ESO: search (pyvo, TAPService(url, session=vo_auth.session_for(url)))")
    query = f"SELECT * FROM dbo.raw WHERE prog_id = '{CONFIDENTIAL_RUN}'"
    with vo_auth.anonymous():
        public = len(tap.search(query))
    mine = len(tap.search(query))
    demo.check(f"rows of a run with protected metadata, anonymous: {public}", public == 0)
    demo.check(f"the same, authenticated: {mine}", mine > 0)


def _download(demo: Demo, tap: pyvo.dal.TAPService, session: vo_auth.AuthSession) -> None:
    demo.step("ESO: download a file under proprietary period")
    (row,) = tap.search(f"SELECT TOP 1 * FROM dbo.raw WHERE prog_id = '{PROPRIETARY_RUN}' AND dp_cat = 'SCIENCE'")
    with vo_auth.anonymous():
        refused = session.get(row["access_url"])
    demo.check(f"anonymous: status {refused.status_code}", refused.status_code == 401)
    answer = session.get(row["access_url"])
    name = answer.headers.get("Content-Disposition", "").partition("filename=")[2].strip('"')
    demo.check(f"authenticated: {name}, {len(answer.content)} bytes", answer.ok and bool(name))


def _calibrations(demo: Demo, tap: pyvo.dal.TAPService, session: vo_auth.AuthSession) -> None:
    demo.step("ESO: from DataLink to calibrations")
    row = tap.search("SELECT TOP 1 * FROM dbo.raw WHERE prog_id = '098.C-0739(C)' AND dp_cat = 'SCIENCE'")[0]
    links = pyvo.dal.adhoc.DatalinkResults.from_result_url(row["datalink_url"], session=session)
    demo.check(f"DataLink of {row['dp_id']}: {len(links)} links", len(links) > 1)
    masters_url = next(links.bysemantics(_MASTERS)).access_url
    masters = pyvo.dal.adhoc.DatalinkResults.from_result_url(masters_url, session=session)
    urls = [link.access_url for link in masters.bysemantics("#calibration")]
    got = sum(len(session.get(url).content) for url in urls)
    demo.check(f"processed calibrations by calSelector: {len(urls)}, {got} bytes", bool(urls) and got > 0)
