"""The steps of ESO's notebook on authentication, with a Bearer header set by hand and the released pyvo."""

from __future__ import annotations

import io
import re
from email.message import Message
from xml.etree import ElementTree

import pytest
import pyvo
import requests
from astropy.io import fits

import vo_auth
from vo_auth_eso.standin import CONFIDENTIAL_RUN, FOREIGN_RUN, PROPRIETARY_RUN, STANDIN, lzw

TAP_URL = "http://archive.eso.org/tap_obs"
RDF = "http://archive.eso.org/rdf/datalink/eso#"


def get_token(role="pi"):
    answer = requests.get(
        "https://www.eso.org/sso/oidc/token",
        params={
            "response_type": "id_token token",
            "grant_type": "password",
            "client_id": "clientid",
            **STANDIN.credentials[role],
        },
        timeout=20,
    )
    return answer.json()["id_token"]


def save(url, folder, *, session=None):
    """Download one file under the name that the archive gives it."""
    answer = (session or requests).get(url, stream=True, timeout=20)
    header = Message()
    header["Content-Disposition"] = answer.headers.get("Content-Disposition", "")
    name = header.get_filename() or url.rpartition("/")[2]
    path = folder / name
    if answer.status_code == 200:
        path.write_bytes(b"".join(answer.iter_content(50_000)))
    answer.close()
    return answer.status_code, path


def read(path):
    data = path.read_bytes()
    with fits.open(io.BytesIO(lzw.decompress(data) if path.suffix == ".Z" else data)) as hdus:
        return hdus[0].header


def search(tap, query):
    job = tap.submit_job(query)
    job.execution_duration = 300
    job.run()
    job.wait(phases=["COMPLETED", "ERROR", "ABORTED"], timeout=60.0)
    assert job.phase == "COMPLETED"
    results = job.fetch_result()
    job.delete()
    return results


@pytest.fixture(params=["token by hand", "vo_auth"])
def pi_session(request, sandbox, session):
    """The PI's session: as ESO's notebook makes it, and as vo_auth does."""
    if request.param == "token by hand":
        yield session(token=get_token())
        return
    with vo_auth.session_for(TAP_URL, **STANDIN.credentials["pi"]) as ours:
        ours.hooks["response"] = session().hooks["response"]  # keeps what pyvo leaves unread
        yield ours


def test_the_notebook_runs_from_the_token_to_the_association_tree(pi_session, tmp_path):
    session = pi_session

    # 2: an asynchronous search with a longer limit; the address is the notebook's own, with plain http
    query = "select top 2 * from dbo.raw where dp_cat='SCIENCE' and prog_id = '098.C-0739(C)'"
    results = search(pyvo.dal.TAPService(TAP_URL, session=session), query)
    names = ["SPHER.2016-09-26T04:15:07.252", "SPHER.2016-09-26T04:12:45.603"]
    assert list(results["dp_id"]) == names

    # 3: downloads by access_url
    files = [save(row["access_url"], tmp_path, session=session) for row in results]
    assert [(status, path.name) for status, path in files] == [(200, f"{name}.fits.Z") for name in names]
    assert [read(path)["ARCFILE"] for _, path in files] == [f"{name}.fits" for name in names]

    # 4.1: DataLink by datalink_url
    datalink = pyvo.dal.adhoc.DatalinkResults.from_result_url(results[0]["datalink_url"], session=session)
    assert len(datalink) == 4
    raw2master_url = next(datalink.bysemantics(f"{RDF}calSelector_raw2master")).access_url

    # 4.2: calSelector as DataLink
    associated = pyvo.dal.adhoc.DatalinkResults.from_result_url(raw2master_url, session=session)
    mask = associated["semantics"] == "#calibration"
    calibrations = associated.to_table()[mask]["access_url", "eso_category"]

    # 4.2.1: the qualities of the cascade
    description = next(associated.bysemantics("#this")).description
    checks = dict(re.findall(r'(complete|certified|mode)="([^"]+)"', description))
    assert checks == {"complete": "true", "certified": "true", "mode": "Raw2Master"}

    # 4.3: calibrations, without a session: they are public
    saved = [(save(url, tmp_path), category) for url, category in calibrations]
    assert len(saved) == 4
    for (status, path), category in saved:
        assert (status, path.suffix) == (200, ".fits")
        assert read(path)["ESO PRO CATG"] == category

    # 4.4: the association tree, which has the same semantics in calSelector's table as the link to that table
    table = associated.to_table()
    tree = table[table["semantics"] == f"{RDF}calSelector_raw2master"]["access_url", "eso_category"]
    assert list(tree["eso_category"]) == ["ASSOCIATION_TREE"]
    status, path = save(tree["access_url"][0], tmp_path, session=session)
    assert (status, path.suffix) == (200, ".xml")
    assert len(list(ElementTree.fromstring(path.read_bytes()).iter("file"))) == 1 + len(saved)


@pytest.mark.filterwarnings("ignore::vo_auth.errors.RefusedWarning")
def test_protected_frames_in_a_loop_are_saved_or_skipped_by_rights(pi_session, tmp_path):
    tap = pyvo.dal.TAPService(TAP_URL.replace("http:", "https:"), session=pi_session)
    runs = (PROPRIETARY_RUN, FOREIGN_RUN, CONFIDENTIAL_RUN)
    results = search(
        tap, f"select access_url, prog_id from dbo.raw where dp_cat = 'SCIENCE' and prog_id in {runs} order by dp_id"
    )
    statuses = {run: set() for run in runs}
    for row in results:
        status, _ = save(row["access_url"], tmp_path, session=tap._session)
        statuses[row["prog_id"]].add(status)
    assert statuses == {PROPRIETARY_RUN: {200}, FOREIGN_RUN: {401}, CONFIDENTIAL_RUN: {200}}
    assert len(list(tmp_path.glob("*.fits.Z"))) == 13
