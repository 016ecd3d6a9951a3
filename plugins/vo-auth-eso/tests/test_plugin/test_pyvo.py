"""The released pyvo, unmodified, on one session."""

from __future__ import annotations

import pyvo
import requests

import vo_auth
from vo_auth_eso.standin import COMMISSIONING_RUN, CONFIDENTIAL_RUN, PROPRIETARY_RUN, STANDIN

TAP_URL = "https://archive.eso.org/tap_obs"
RDF = "http://archive.eso.org/rdf/datalink/eso#"
ROWS = f"SELECT dp_id FROM dbo.raw WHERE prog_id = '{CONFIDENTIAL_RUN}'"


def test_a_sync_search_sees_the_rows_that_the_account_may_see(tap):
    assert len(tap.search(ROWS)) == 5


def test_an_anonymous_search_on_the_same_session_sees_what_everybody_sees(tap):
    with vo_auth.anonymous():
        assert len(tap.search(ROWS)) == 0
    assert len(tap.search(ROWS)) == 5


def test_each_account_sees_its_own_rows(session_for):
    query = f"SELECT prog_id FROM dbo.raw WHERE prog_id IN ('{CONFIDENTIAL_RUN}', '{COMMISSIONING_RUN}')"
    seen = {}
    for role, credentials in STANDIN.credentials.items():
        tap = pyvo.dal.TAPService(TAP_URL, session=session_for(**credentials))
        seen[role] = set(tap.search(query)["prog_id"])
    assert seen == {"pi": {CONFIDENTIAL_RUN}, "team": {COMMISSIONING_RUN}, "norights": set()}


def test_jobs_are_listed_for_their_owner_alone(tap, session_for):
    job = tap.submit_job(ROWS)
    assert job.job_id in [description.jobid for description in tap.get_job_list()]
    other = pyvo.dal.TAPService(TAP_URL, session=session_for(**STANDIN.credentials["norights"]))
    assert job.job_id not in [description.jobid for description in other.get_job_list()]
    job.delete()


def test_tables_capabilities_and_examples_work_on_the_session(tap):
    assert "dbo.raw" in tap.tables.keys()  # noqa: SIM118 - pyvo's own mapping
    assert any(capability.standardid == "ivo://ivoa.net/std/TAP" for capability in tap.capabilities)
    assert len(tap.examples) == 3


def test_datalink_results_and_getdataset_work_on_the_session(tap):
    (row,) = tap.search(f"SELECT TOP 1 * FROM dbo.raw WHERE prog_id = '{PROPRIETARY_RUN}' AND dp_cat = 'SCIENCE'")
    links = pyvo.dal.adhoc.DatalinkResults.from_result_url(row["datalink_url"], session=tap._session)
    this = next(links.bysemantics("#this"))
    assert this.getdataset().read(4)


def test_the_datalink_of_a_frame_with_protected_metadata_needs_the_permit(tap):
    (row,) = tap.search(f"SELECT TOP 1 * FROM dbo.raw WHERE prog_id = '{CONFIDENTIAL_RUN}'")
    links = pyvo.dal.adhoc.DatalinkResults.from_result_url(row["datalink_url"], session=tap._session)
    with vo_auth.anonymous():
        laconic = pyvo.dal.adhoc.DatalinkResults.from_result_url(row["datalink_url"], session=tap._session)
    assert (len(links), len(laconic)) == (4, 1)


def _requests_of(sandbox, work):
    sandbox.received.clear()
    work()
    return [(entry.host, entry.method, entry.path) for entry in sandbox.received.all()]


def test_a_query_costs_the_archive_what_anonymous_pyvo_costs_and_one_login(vo_auth_sandbox, session_for):
    def query(session: requests.Session) -> None:
        job = pyvo.dal.TAPService(TAP_URL, session=session).submit_job(ROWS)
        job.execution_duration = 300
        job.run()
        job.wait(phases=["COMPLETED"], timeout=30)
        job.fetch_result()
        job.delete()
        pyvo.dal.TAPService(TAP_URL, session=session).search(ROWS)

    def shapes(asked):  # job identifiers differ, and how often a job is asked before it has ended
        split = [(host, method, *path.partition("/async/")) for host, method, path in asked]
        found = [(host, method, service + sign, job.partition("/")[2]) for host, method, service, sign, job in split]
        kept = []
        for one in found:
            is_poll = one[1] == "GET" and one[2].endswith("/async/")
            if not (is_poll and kept and kept[-1] == one):
                kept.append(one)
        return kept

    plain, unread = requests.Session(), []
    plain.hooks["response"].append(lambda response, **_: unread.append(response))  # pyvo leaves some unread
    anonymous = _requests_of(vo_auth_sandbox, lambda: query(plain))
    for answer in unread:
        answer.close()
    plain.close()
    session = session_for()
    first = _requests_of(vo_auth_sandbox, lambda: query(session))
    second = _requests_of(vo_auth_sandbox, lambda: query(session))
    logins = [asked for asked in first if asked[0] == "www.eso.org"]
    assert [(method, path) for _, method, path in logins] == [("GET", "/sso/oidc/token")]
    assert shapes(asked for asked in first if asked not in logins) == shapes(anonymous)
    assert shapes(second) == shapes(anonymous)
