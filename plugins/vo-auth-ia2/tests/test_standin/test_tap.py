"""TAP: unmodified pyvo against ``tng`` and ``projects``, public metadata and, by a knob, private rows."""

from __future__ import annotations

import pytest
import pyvo
import requests

from vo_auth_ia2.standin.holdings import PROGRAMMES

from .conftest import PRIVATE, TAP_URL

COUNT = "SELECT COUNT(*) AS n FROM tng.TNG_TAP"
SIZES = {programme.name: programme.count for programme in PROGRAMMES}
TNG = sum(programme.count for programme in PROGRAMMES if programme.collection == "tng")


@pytest.fixture
def tap(http, bearer):
    """Make services of pyvo: for a role, or anonymous."""

    def make(role=None, url=TAP_URL):
        if role is not None:
            http.headers.update(bearer(role))
        return pyvo.dal.TAPService(url, session=http)

    return make


def count(service):
    return int(service.search(COUNT)[0]["n"])


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_all_metadata_are_public_by_default(tap, scheme):
    assert count(tap(url=TAP_URL.replace("https", scheme))) == TNG


def test_the_table_publishes_plain_http_urls_of_private_files_too(tap):
    urls = [row["file_url"] for row in tap().search(PRIVATE)]
    assert len(urls) == len(set(urls)) >= 200
    assert all(url.startswith("http://archives.ia2.inaf.it/files/tng/HARPN.") for url in urls)


def test_the_policy_says_which_files_are_public(tap):
    rows = tap().search("SELECT DISTINCT PROGRAM FROM tng.TNG_TAP WHERE policy = 'FREE'")
    assert {row["PROGRAM"] for row in rows} == {"X99DDT_0", "CAL"}


def test_the_query_of_a_public_program_runs(tap):
    rows = tap().search("""
        SELECT TOP 20 tng.EXP_ID AS file_name, tng.policy AS policy, tng.OBJECT AS OBJECT, tng.file_url AS file_url,
            tng.RA AS ra, tng.DEC AS dec
        FROM tng.TNG_TAP tng JOIN tng.harpn harpn ON tng.EXP_ID = harpn.EXP_ID
        WHERE tng.INSTRUMENT LIKE 'HARPN' AND tng.OBS_MODE LIKE 'SCIENCE' AND tng.RA_RAD BETWEEN 0.1 AND 6.3
            AND tng.DEC_RAD BETWEEN 0 AND 1.6 AND tng.policy LIKE 'FREE'
            AND harpn.FILE_TYPE_REDUCED = 's1d_fluxcal' AND harpn.FILE_TYPE = 'reduced'
    """)
    assert len(rows) == SIZES["X99DDT_0"]
    assert {row["OBJECT"] for row in rows} == {"HD 99999"}


def test_the_other_service_has_the_planets_and_the_files_of_projects(tap):
    projects = tap(url=TAP_URL.replace("tng", "projects"))
    assert len(projects.search("SELECT main_id, host, exomercat_name, binary, letter FROM exomercat.exomercat")) == 6
    rows = projects.search("SELECT access_url, policy FROM ivoa.ObsCore")
    assert len(rows) == SIZES["X99_0"] + SIZES["X99_A"]
    assert all(row["access_url"].startswith("http://archives.ia2.inaf.it/files/lbt/") for row in rows)


def test_a_job_runs_and_belongs_to_who_made_it(tap, http):
    job = tap("observer").submit_job(COUNT)
    job.run().wait(timeout=30)
    assert int(job.fetch_result()[0]["n"]) == TNG
    assert requests.get(job.url, timeout=20).status_code == 403
    job.delete()


@pytest.mark.parametrize(
    ("role", "hidden"),
    [
        (None, {"X99TAC_1", "X99TAC_2"}),
        ("observer", {"X99TAC_2"}),
        ("colleague", {"X99TAC_1"}),
        ("stranger", {"X99TAC_1", "X99TAC_2"}),
    ],
)
def test_rows_of_private_programmes_can_be_for_their_group_alone(tap, bench, role, hidden):
    bench.knobs["private_rows"] = True
    assert count(tap(role)) == TNG - sum(SIZES[name] for name in hidden)


def test_a_bad_token_is_refused_or_anonymous_as_the_knob_says(tap, bench, http):
    service = tap("observer")
    bench.knobs.update(clock_skew=4000, private_rows=True)
    answer = http.get(f"{TAP_URL}/sync", params={"LANG": "ADQL", "QUERY": COUNT}, timeout=20)
    assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (
        401,
        'Bearer realm="ia2", error="invalid_token"',
    )
    bench.knobs["tap_bad_token"] = "anonymous"
    assert count(service) == TNG - SIZES["X99TAC_1"] - SIZES["X99TAC_2"]


def test_a_token_for_other_services_is_a_bad_token(tap, bench, http):
    bench.knobs["audiences"] = ["https://archives.ia2.inaf.it/files"]
    tap("observer")
    assert http.get(f"{TAP_URL}/tables", timeout=20).status_code == 401


def test_authenticated_answers_say_so_only_when_they_are_told_to(tap, bench, http):
    query = {"params": {"LANG": "ADQL", "QUERY": COUNT}, "timeout": 20}
    tap("observer")
    assert "X-VO-Authenticated" not in http.get(f"{TAP_URL}/sync", **query).headers
    bench.knobs["x_vo_authenticated"] = True
    assert http.get(f"{TAP_URL}/sync", **query).headers["X-VO-Authenticated"] == "5101"
    assert "X-VO-Authenticated" not in requests.get(f"{TAP_URL}/sync", **query).headers
