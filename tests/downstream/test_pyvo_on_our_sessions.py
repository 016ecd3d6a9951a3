"""Unmodified pyvo on a session of ours, and on sessions of its own and of requests that are attached."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from io import BytesIO
from typing import Any

import pytest
import requests
from requests.adapters import HTTPAdapter

import vo_auth
from vo_auth.sandbox import Sandbox

pyvo = pytest.importorskip("pyvo", reason="pyvo is not installed")

with warnings.catch_warnings(action="ignore"):
    from astropy import units as u
    from astropy.io import fits
    from astropy.table import Table
    from pyvo.dal.adhoc import SODA_SYNC_IVOID, DatalinkResults, SodaQuery

    from vo_auth_eso.standin import CONFIDENTIAL_RUN, PROPRIETARY_RUN
    from vo_auth_eso.standin.holdings import frames, raw_frames

TAP_URL = "http://archive.eso.org/tap_obs"  # as ESO writes it
LINKS = "https://archive.eso.org/datalink/links?ID=ivo://eso.org/ID?"
PRODUCT = next(frame for frame in frames(level="product") if frame.run.prog_id == PROPRIETARY_RUN)
SECRET = raw_frames(CONFIDENTIAL_RUN)[0].dp_id
CIRCLE = (PRODUCT.ra, PRODUCT.dec, 0.003)


def _ours() -> Any:
    return pyvo.dal.TAPService(TAP_URL, session=vo_auth.session_for(TAP_URL))


def _attached_service() -> Any:
    return vo_auth.attach(pyvo.dal.TAPService(TAP_URL))


def _attached_session() -> Any:
    return pyvo.dal.TAPService(TAP_URL, session=vo_auth.attach(requests.Session(), url=TAP_URL))


def _attached_auth_session() -> Any:
    return pyvo.dal.TAPService(TAP_URL, session=vo_auth.attach(pyvo.auth.AuthSession(), url=TAP_URL))


WAYS = {
    "session_for": _ours,
    "an attached service": _attached_service,
    "an attached session": _attached_session,
    "pyvo's AuthSession, attached": _attached_auth_session,
}


@pytest.fixture(autouse=True)
def _closed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Close what pyvo leaves open: unread answers, and the connections of sessions of its own."""
    opened: list[Any] = []
    send = HTTPAdapter.send

    def kept(self: HTTPAdapter, *args: Any, **kwargs: Any) -> requests.Response:
        opened.append(self)
        opened.append(send(self, *args, **kwargs))
        return opened[-1]

    monkeypatch.setattr(HTTPAdapter, "send", kept)
    yield
    for item in reversed(opened):
        item.close()


@pytest.fixture
def sandbox(vo_auth_sandbox: Sandbox) -> Sandbox:
    return vo_auth_sandbox


@pytest.fixture(params=WAYS.values(), ids=WAYS.keys())
def tap(request: pytest.FixtureRequest, sandbox: Sandbox) -> Any:
    return request.param()


@pytest.fixture
def sent(sandbox: Sandbox) -> Callable[[str], list[str]]:
    """Return the kinds of Authorization that requests to a path came with."""

    def kinds(path: str) -> list[str]:
        return [one.authorization.partition(" ")[0] for one in sandbox.received if one.path.startswith(path)]

    return kinds


def test_a_search_with_an_uploaded_table_sees_own_rows(tap, sent) -> None:
    table = Table({"dp_id": [SECRET, PRODUCT.dp_id]})
    query = "SELECT raw.dp_id, raw.prog_id FROM dbo.raw AS raw JOIN TAP_UPLOAD.mine AS mine ON raw.dp_id = mine.dp_id"
    results = tap.run_sync(query, uploads={"mine": table})
    assert [(row["dp_id"], row["prog_id"]) for row in results] == [(SECRET, CONFIDENTIAL_RUN)]
    with vo_auth.anonymous():
        assert len(tap.run_sync(query, uploads={"mine": table})) == 0
    assert sent("/tap_obs/sync") == ["Bearer", ""]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # pyvo leaves the file open
def test_a_search_with_an_uploaded_file_sees_own_rows(tap, tmp_path, sent) -> None:
    path = tmp_path / "mine.vot"
    Table({"dp_id": [SECRET]}).write(path, format="votable")
    query = "SELECT raw.dp_id FROM dbo.raw AS raw JOIN TAP_UPLOAD.mine AS mine ON raw.dp_id = mine.dp_id"
    assert len(tap.run_sync(query, uploads={"mine": str(path)})) == 1
    assert sent("/tap_obs/sync") == ["Bearer"]


def test_a_job_runs_from_start_to_end(tap, sent) -> None:
    job = tap.submit_job(f"SELECT dp_id FROM dbo.raw WHERE prog_id = '{CONFIDENTIAL_RUN}'")
    job.run()
    job.wait(phases=["COMPLETED"], timeout=30)
    assert len(job.fetch_result()) == len(raw_frames(CONFIDENTIAL_RUN))
    job.delete()
    assert set(sent("/tap_obs/")) == {"Bearer"}


def test_rows_lead_to_their_links_and_files_with_the_permit(tap, sent) -> None:
    (row,) = tap.search(f"SELECT TOP 1 * FROM ivoa.ObsCore WHERE dp_id = '{PRODUCT.dp_id}'")
    assert row.getdatalink()  # keeps the session
    assert row.getdataset().read(6) == b"SIMPLE"
    assert set(sent("/datalink/")) == set(sent("/dataPortal/file/")) == {"Bearer"}


def test_links_of_protected_frames_need_the_session_to_be_passed(tap, sent) -> None:
    links = DatalinkResults.from_result_url(f"{LINKS}{SECRET}", session=tap._session)
    assert next(links.bysemantics("#this")).getdataset().read(4)
    laconic = DatalinkResults.from_result_url(f"{LINKS}{SECRET}")
    assert "do not have permission" in laconic[0].error_message
    assert sent("/datalink/") == ["Bearer", ""]


def test_iter_datalinks_and_iter_procs_lead_to_a_cutout_when_process_is_given_the_session(tap, sent) -> None:
    results = tap.search(f"SELECT * FROM ivoa.ObsCore WHERE dp_id = '{PRODUCT.dp_id}'")
    (links,) = results.iter_datalinks()
    (proc,) = links.iter_procs()
    cutout = proc.process(session=tap._session, circle=CIRCLE)
    assert fits.getheader(BytesIO(cutout.read()))["PROG_ID"] == PROPRIETARY_RUN
    assert sent("/dataPortal/soda/") == ["Bearer"]


def test_pyvo_takes_sessions_of_its_own_for_iter_datalinks_and_process(tap, sent) -> None:
    """What the documentation warns of: were it otherwise, it could say less."""
    results = tap.search(f"SELECT * FROM ivoa.ObsCore WHERE dp_id = '{PRODUCT.dp_id}'")
    (links,) = results.iter_datalinks()
    assert links._session is not tap._session
    proc = links.get_first_proc()
    assert not proc.process(circle=CIRCLE).read().startswith(b"SIMPLE")  # and pyvo raises nothing
    assert (sent("/datalink/"), sent("/dataPortal/soda/")) == ([""], [""])


def test_a_soda_query_cuts_with_the_session(tap, sent) -> None:
    links = DatalinkResults.from_result_url(f"{LINKS}{PRODUCT.dp_id}", session=tap._session)
    service = links.get_adhocservice_by_ivoid(SODA_SYNC_IVOID)
    query = SodaQuery.from_resource(links.get_first_proc(), service, session=tap._session, circle=CIRCLE * u.deg)
    assert query.execute_stream().read(6) == b"SIMPLE"
    assert (sent("/datalink/"), sent("/dataPortal/soda/")) == (["Bearer"], ["Bearer"])


def test_everything_costs_one_login(tap, sandbox) -> None:
    for _ in range(3):
        tap.search("SELECT TOP 1 dp_id FROM dbo.raw")
    assert sandbox.bench("eso").counters["logins"] == 1
