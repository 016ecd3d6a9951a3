"""tap_obs: rows by rights, and identities that are only as good as their token."""

from __future__ import annotations

import base64
import json
import time

import pytest
import pyvo
import requests

from vo_auth.sandbox.tokens import TokenSigner
from vo_auth_eso.standin import (
    COMMISSIONING_RUN,
    CONFIDENTIAL_RUN,
    FOREIGN_RUN,
    PROPRIETARY_RUN,
    SEED_RUN,
    STANDIN,
)
from vo_auth_eso.standin.holdings import frames, raw_frames

TAP_URL = "https://archive.eso.org/tap_obs"
FILE_URL = "https://dataportal.eso.org/dataPortal/file/"
COUNT = "select count(*) as n from dbo.raw"
SECRET = len(raw_frames(CONFIDENTIAL_RUN))
TEAM = len(raw_frames(COMMISSIONING_RUN))
ALL = len(frames(level="raw"))
PUBLIC = ALL - SECRET - TEAM


def count(session, url=TAP_URL, query=COUNT):
    return int(pyvo.dal.TAPService(url, session=session).search(query)[0]["n"])


def claims(**changes):
    now = int(time.time())
    pi = STANDIN.credentials["pi"]["username"]
    return {
        "iss": "https://www.eso.org/sso/oidc",
        "aud": "clientid",
        "sub": pi,
        "iat": now - 10,
        "exp": now + 3600,
        **changes,
    }


def unsigned(content):
    def part(value):
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    return f"{part({'alg': 'none', 'typ': 'JWT'})}.{part(content)}."


def spoilt(token):
    head, body, signature = token.split(".")
    return f"{head}.{body}.{signature[:-8]}AAAAAAAA"


# What must not count as the PI's permit.
BAD_TOKENS = {
    "expired": lambda: TokenSigner().sign(claims(exp=int(time.time()) - 1)),
    "endless": lambda: TokenSigner().sign({name: value for name, value in claims().items() if name != "exp"}),
    "of another key": lambda: TokenSigner(own_key=True).sign(claims()),
    "of another issuer": lambda: TokenSigner().sign(claims(iss="https://www.eso.org/sso")),
    "for another audience": lambda: TokenSigner().sign(claims(aud="somebody")),
    "of an unknown user": lambda: TokenSigner().sign(claims(sub="NOBODY")),
    "not signed": lambda: unsigned(claims()),
    "badly signed": lambda: spoilt(TokenSigner().sign(claims())),
    "no token": lambda: "not.a.token",
    "empty": lambda: "",
}


def test_the_forged_tokens_of_these_tests_would_count_if_they_were_right(session):
    assert count(session(token=TokenSigner().sign(claims()))) == PUBLIC + SECRET


@pytest.mark.parametrize("name", BAD_TOKENS)
def test_a_bad_token_is_anonymous_at_tap_with_status_200_and_refused_at_the_portal(session, name):
    bad = session(token=BAD_TOKENS[name]())
    assert count(bad) == PUBLIC
    assert bad.get(f"{FILE_URL}{raw_frames(PROPRIETARY_RUN)[0].dp_id}", timeout=20).status_code == 401


def test_the_access_token_is_not_accepted_where_the_id_token_is(session, login):
    answer = login("pi")
    wrong, right = session(token=answer["access_token"]), session(token=answer["id_token"])
    file = f"{FILE_URL}{raw_frames(PROPRIETARY_RUN)[0].dp_id}"
    assert (count(wrong), wrong.get(file, timeout=20).status_code) == (PUBLIC, 401)
    assert (count(right), right.get(file, timeout=20).status_code) == (PUBLIC + SECRET, 200)


def test_padding_behind_a_token_does_no_harm_as_in_esos_older_scripts(session, login):
    assert count(session(token=f"{login('pi')['id_token']}==")) == PUBLIC + SECRET


@pytest.mark.parametrize(
    ("role", "rows"), [(None, PUBLIC), ("norights", PUBLIC), ("pi", PUBLIC + SECRET), ("team", PUBLIC + TEAM)]
)
def test_each_user_finds_the_public_rows_and_their_own(session, role, rows):
    assert count(session(role)) == rows


@pytest.mark.parametrize("run", [CONFIDENTIAL_RUN, COMMISSIONING_RUN])
def test_protected_rows_do_not_show_through_any_query_of_the_anonymous(session, run):
    tap = pyvo.dal.TAPService(TAP_URL, session=session())
    queries = (
        f"select dp_id from dbo.raw where prog_id = '{run}'",
        f"select dp_id from (select * from dbo.raw) as t where t.prog_id = '{run}'",
        f"select a.dp_id from ivoa.ObsCore as o join dbo.raw as a on 1 = 1 where a.prog_id = '{run}'",
        f"select prog_id from dbo.raw group by prog_id having prog_id = '{run}'",
    )
    assert [len(tap.search(query)) for query in queries] == [0] * len(queries)


@pytest.mark.parametrize("run", [PROPRIETARY_RUN, FOREIGN_RUN])
def test_metadata_under_proprietary_period_are_public(session, run):
    rows = pyvo.dal.TAPService(TAP_URL, session=session()).search(
        f"select dp_id, release_date from dbo.raw where prog_id = '{run}'"
    )
    assert len(rows) == len(raw_frames(run))
    assert all(row["release_date"] > "2090" for row in rows)


def test_basic_authentication_is_ignored_at_tap(sandbox, session):
    plain = session()
    plain.auth = tuple(STANDIN.credentials["pi"].values())
    assert count(plain) == PUBLIC


def test_plain_http_is_answered_and_its_permits_are_ignored_and_counted(bench, session):
    http = TAP_URL.replace("https", "http")
    assert count(session(), http) == PUBLIC
    assert bench.counters["permits_on_http"] == 0
    assert count(session("pi"), http) == PUBLIC
    assert bench.counters["permits_on_http"] >= 1


def test_tokens_end_when_the_archives_clock_says_so(bench, session):
    holder = session("pi")
    assert count(holder) == PUBLIC + SECRET
    bench.knobs["clock_skew"] = 28_700
    assert count(holder) == PUBLIC + SECRET
    bench.knobs["clock_skew"] = 28_900
    assert count(holder) == PUBLIC


def test_revoked_tokens_are_worth_nothing_and_newer_ones_are(bench, session):
    old = session("pi")
    bench.knobs["revoked_before"] = bench.now()
    new = session("pi")
    assert (count(old), count(new)) == (PUBLIC, PUBLIC + SECRET)


def test_a_new_signing_key_ends_all_older_tokens(bench, session):
    old = session("pi")
    bench.knobs["signing_key"] = "second"
    new = session("pi")
    assert (count(old), count(new)) == (PUBLIC, PUBLIC + SECRET)


def test_obscore_holds_public_products_whose_link_is_datalink(session):
    anonymous, holder = session(), session("pi")
    query = "select dp_id, access_url, access_format, obs_collection from ivoa.ObsCore"
    rows = pyvo.dal.TAPService(TAP_URL, session=anonymous).search(query)
    assert len(rows) == len(frames(level="product"))
    assert len(pyvo.dal.TAPService(TAP_URL, session=holder).search(query)) == len(rows)
    for row in rows:
        assert row["access_url"] == f"http://archive.eso.org/datalink/links?ID=ivo://eso.org/ID?{row['dp_id']}"
    assert rows[0]["access_format"] == "application/x-votable+xml;content=datalink"


def test_a_position_finds_the_products_around_it(session):
    rows = pyvo.dal.TAPService(TAP_URL, session=session()).search(
        "select dp_id from ivoa.ObsCore where 1 = contains(point('', s_ra, s_dec), circle('', 10.46, -27.12, 0.5))"
    )
    assert len(rows) == 4


def test_the_printed_record_of_the_notebook_is_there_to_the_letter(session):
    tap = pyvo.dal.TAPService(TAP_URL, session=session())
    row = tap.search(f"select top 2 * from dbo.raw where dp_cat='SCIENCE' and prog_id = '{SEED_RUN}'")[0]
    expected = {
        "access_url": "https://dataportal.eso.org/dataPortal/file/SPHER.2016-09-26T04:15:07.252",
        "datalink_url": "http://archive.eso.org/datalink/links?ID=ivo://eso.org/ID?SPHER.2016-09-26T04:15:07.252",
        "date_obs": "2016-09-26T04:15:07.2524",
        "dec": 1.6143,
        "det_chip1id": "ESO-Hawaii2RG",
        "det_ndit": 2,
        "dp_cat": "SCIENCE",
        "dp_id": "SPHER.2016-09-26T04:15:07.252",
        "dp_tech": "IFU",
        "dp_type": "SKY",
        "ecl_lat": 3.960941,
        "ecl_lon": 185.089795,
        "exp_start": "2016-09-26T04:15:07.253Z",
        "exposure": 64.0,
        "filter_path": "",
        "gal_lat": -55.874158,
        "gal_lon": 87.265553,
        "instrument": "SPHERE",
        "last_mod_date": "2016-09-26T04:25:47.533Z",
    }
    assert {name: row[name] for name in expected} == expected


def test_blanks_at_the_end_of_a_value_do_not_count_as_in_the_notebooks_own_query(session):
    assert count(session(), query=f"{COUNT} where prog_id = '{SEED_RUN} '") == len(raw_frames(SEED_RUN))


def test_the_tables_are_described(session):
    tables = pyvo.dal.TAPService(TAP_URL, session=session()).tables
    assert {"dbo.raw", "ivoa.obscore", "tap_schema.tables"} <= {name.lower() for name in tables.keys()}  # noqa: SIM118
    columns = {column.name: column for column in tables["dbo.raw"].columns}
    assert str(columns["exposure"].unit) == "s"
    assert columns["dp_id"].description


def test_the_examples_are_a_public_page_with_queries_that_run(session):
    tap = pyvo.dal.TAPService(TAP_URL, session=session())
    page = requests.get(f"{TAP_URL}/examples", timeout=20)
    assert page.status_code == 200
    assert "html" in page.headers["Content-Type"]
    assert 'name="execution"' not in page.text
    assert [len(tap.search(example["QUERY"])) > 0 for example in tap.examples] == [True] * 3


def test_jobs_are_seen_by_their_owner_alone(session):
    mine = pyvo.dal.TAPService(TAP_URL, session=session("pi"))
    others = [pyvo.dal.TAPService(TAP_URL, session=session(role)) for role in (None, "norights", "team")]
    job = mine.submit_job(COUNT)
    job.run().wait(timeout=30)
    assert int(job.fetch_result()[0]["n"]) == PUBLIC + SECRET
    assert job.job_id in [one.jobid for one in mine.get_job_list()]
    for other in others:
        assert job.job_id not in [one.jobid for one in other.get_job_list()]
        answer = other._session.get(job.url, timeout=20)
        assert answer.status_code in {401, 403, 404}
        results = other._session.get(f"{job.url}/results/result", timeout=20)
        assert results.status_code in {401, 403, 404}
    job.delete()


def test_a_job_may_take_a_minute_unless_asked_for_more_and_an_hour_at_most(session):
    tap = pyvo.dal.TAPService(TAP_URL, session=session("pi"))
    job = tap.submit_job(COUNT)
    assert job.execution_duration.sec == 60
    job.execution_duration = 300
    assert job.execution_duration.sec == 300
    job.execution_duration = 100_000
    assert job.execution_duration.sec == 3600
    job.delete()


def test_authenticated_answers_say_so_only_when_they_are_told_to(bench, session):
    query = {"LANG": "ADQL", "QUERY": COUNT}
    holder, anonymous = session("pi"), session()
    assert "X-VO-Authenticated" not in holder.get(f"{TAP_URL}/sync", params=query, timeout=20).headers
    bench.knobs["x_vo_authenticated"] = True
    answer = holder.get(f"{TAP_URL}/sync", params=query, timeout=20)
    assert answer.headers["X-VO-Authenticated"] == STANDIN.credentials["pi"]["username"]
    assert "X-VO-Authenticated" not in anonymous.get(f"{TAP_URL}/sync", params=query, timeout=20).headers


@pytest.mark.parametrize(
    "url",
    [
        "https://www.eso.org/tap_obs/availability",
        "https://dataportal.eso.org/datalink/links",
        "https://archive.eso.org/dataPortal/file/x",
        "https://archive.eso.org/sso/login",
        "https://archive.eso.org/",
    ],
)
def test_each_service_answers_under_its_own_host_name_only(sandbox, url):
    assert requests.get(url, timeout=20).status_code == 404
