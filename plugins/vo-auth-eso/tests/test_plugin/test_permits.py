"""How ESO's permit is obtained, kept alive, and guarded."""

from __future__ import annotations

import logging
import subprocess
import sys
import time
import warnings
from urllib.parse import parse_qsl

import pytest
import pyvo

import vo_auth
from vo_auth import errors
from vo_auth.sandbox import Fault
from vo_auth.testing import assert_no_secret
from vo_auth_eso.standin import CONFIDENTIAL_RUN, FOREIGN_RUN, PROPRIETARY_RUN, STANDIN

TAP_URL = "https://archive.eso.org/tap_obs"
FILES = "https://dataportal.eso.org/dataPortal/file/"
ROWS = f"SELECT dp_id, access_url FROM dbo.raw WHERE prog_id = '{CONFIDENTIAL_RUN}'"
PASSWORD = STANDIN.credentials["pi"]["password"]


def files_of(tap: pyvo.dal.TAPService, run: str) -> list[str]:
    return list(tap.search(f"SELECT access_url FROM dbo.raw WHERE prog_id = '{run}'")["access_url"])


# ---------------------------------------------------------------- the login


def test_the_login_is_the_documented_request(vo_auth_sandbox, tap):
    tap.search(ROWS)
    (login,) = vo_auth_sandbox.received.at("www.eso.org")
    query = dict(parse_qsl(login.query, strict_parsing=True))
    assert (login.method, login.scheme, login.path) == ("GET", "https", "/sso/oidc/token")
    assert query == {
        "response_type": "id_token token",
        "grant_type": "password",
        "client_id": "clientid",
        "client_secret": "clientSecret",
        **STANDIN.credentials["pi"],
    }
    assert not login.authorization


def test_the_id_token_is_the_permit(vo_auth_sandbox, tap):
    # the stand-in takes the access_token for nobody: rows prove that the other one was sent
    assert len(tap.search(ROWS)) == 5
    assert all(entry.authorization.startswith("Bearer ") for entry in vo_auth_sandbox.received.at("archive.eso.org"))


def test_the_permit_survives_the_process_and_logs_in_once(vo_auth_sandbox, bench, tap):
    tap.search(ROWS)
    script = f"import vo_auth; print(vo_auth.session_for({TAP_URL!r}).get({TAP_URL!r} + '/availability').status_code)"
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=vo_auth_sandbox.child_environ(),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stdout.strip() == "200"
    assert vo_auth_sandbox.received.at("archive.eso.org")[-1].authorization
    assert bench.counters["logins"] == 1


@pytest.mark.parametrize("fault", ["html", "redirect", "broken", "huge", "missing", "garbage"])
def test_a_token_endpoint_in_trouble_is_an_error_and_never_an_anonymous_request(vo_auth_sandbox, bench, tap, fault):
    bench.knobs["token_endpoint"] = fault
    with pytest.raises(pyvo.dal.DALAccessError) as caught:
        tap.search(ROWS)
    assert "ESO Science Archive" in str(caught.value)
    assert vo_auth_sandbox.received.at("archive.eso.org") == []
    assert_no_secret([PASSWORD], caught.value)


def test_the_password_is_nowhere_although_it_travels_in_a_url(bench, tap, caplog):
    caplog.set_level(logging.DEBUG)
    bench.knobs["token_endpoint"] = "broken"
    with pytest.raises(pyvo.dal.DALAccessError) as caught:
        tap.search(ROWS)
    bench.knobs.clear()
    tap.search(ROWS)
    ours = [record for record in caplog.records if not record.name.startswith("aiohttp")]  # those are the archive's
    assert ours
    assert_no_secret([PASSWORD], caught.value, *ours)


def test_a_wrong_password_is_sent_once(bench, session_for):
    session = session_for(username="DEMOPI", password="obviously-wrong, sent once")
    for _ in range(3):
        with pytest.raises(errors.CredentialsRejectedError, match="vo-auth login eso"):
            session.get(TAP_URL + "/availability")
    assert bench.counters["rejected_logins"] == 1


# ---------------------------------------------------------------- a failure is loud, through pyvo too


@pytest.mark.parametrize(
    "ask",
    [
        pytest.param(lambda tap: tap.capabilities, id="tap.capabilities"),
        pytest.param(lambda tap: tap.search(ROWS), id="tap.search"),
        pytest.param(lambda tap: tap.submit_job(ROWS), id="tap.submit_job"),
    ],
)
def test_without_credentials_the_first_line_says_what_to_do(vo_auth_sandbox, monkeypatch, tap, ask):
    monkeypatch.delenv("VO_AUTH_ESO_USERNAME")
    monkeypatch.delenv("VO_AUTH_ESO_PASSWORD")
    with pytest.raises((pyvo.dal.DALAccessError, errors.VoAuthError)) as caught:
        ask(tap)
    (first,) = [line for line in str(caught.value).splitlines() if "No credentials" in line]
    assert "vo-auth login eso" in first
    assert "VO_AUTH_ESO_USERNAME" in first
    assert vo_auth_sandbox.received.at("archive.eso.org") == []


def test_a_permit_that_cannot_be_renewed_stops_a_waiting_job_with_a_message(bench, monkeypatch, tap):
    monkeypatch.setenv("VO_AUTH_PATIENCE", "0")
    bench.knobs.update(token_life=2, job_seconds=5)
    job = tap.submit_job(ROWS).run()
    bench.knobs["token_endpoint"] = "broken"
    with pytest.raises(pyvo.dal.DALServiceError) as caught:
        job.wait(phases=["ABORTED"], timeout=30)
    assert str(caught.value).startswith("ESO Science Archive: https://www.eso.org")
    assert "try again" in str(caught.value).partition("\n")[0]


def test_required_false_goes_anonymously_with_one_warning(vo_auth_sandbox, monkeypatch, session_for):
    monkeypatch.delenv("VO_AUTH_ESO_USERNAME")
    monkeypatch.delenv("VO_AUTH_ESO_PASSWORD")
    tap = pyvo.dal.TAPService(TAP_URL, session=session_for(required=False))
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        assert (len(tap.search(ROWS)), len(tap.search(ROWS))) == (0, 0)
    assert [warning.category for warning in said] == [errors.AnonymousWarning]


# ---------------------------------------------------------------- expiry


def test_a_job_that_outlives_several_permits_is_waited_for(vo_auth_sandbox, bench, tap):
    bench.knobs.update(token_life=3, job_seconds=7)
    job = tap.submit_job(ROWS).run()
    job.wait(phases=["COMPLETED"], timeout=60)
    assert len(job.fetch_result()) == 5
    assert 2 <= bench.counters["logins"] <= 6
    assert all(entry.authorization for entry in vo_auth_sandbox.received.at("archive.eso.org"))


def test_an_expired_permit_never_brings_fewer_rows(bench, tap):
    bench.knobs["token_life"] = 1
    end = time.monotonic() + 4
    while time.monotonic() < end:
        assert len(tap.search(ROWS)) == 5


@pytest.mark.parametrize("skew", [-86400, 86400])
def test_a_clock_that_is_a_day_off_neither_loops_nor_hides_rows(bench, tap, skew):
    bench.knobs["clock_skew"] = skew
    for _ in range(3):
        assert len(tap.search(ROWS)) == 5
    assert bench.counters["logins"] == 1


def test_tokens_that_were_revoked_are_renewed_once(bench, tap):
    url = files_of(tap, PROPRIETARY_RUN)[0]
    wallet_age(tap._session, -3600)
    bench.knobs["signing_key"] = "rotated"
    assert tap._session.get(url).status_code == 200
    assert bench.counters["logins"] == 2


def wallet_age(session: vo_auth.AuthSession, seconds: float) -> None:
    """Make the permit in the shared wallet look as if it had been issued earlier."""
    from dataclasses import replace

    from vo_auth.wallet import default_wallet

    shelf = default_wallet()._shelf
    for key, held in list(shelf._memory.items()):
        aged = replace(held, grant=replace(held.grant, issued=held.grant.issued + seconds))
        shelf._memory[key] = aged
        shelf.store(aged, is_default=True)


# ---------------------------------------------------------------- rights


def test_files_of_others_are_refused_and_reported_without_further_logins(bench, tap):
    session = tap._session
    urls = (files_of(tap, FOREIGN_RUN) * 200)[:200]
    wallet_age(session, -3600)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        statuses = {session.get(url).status_code for url in urls}
    assert statuses == {401}
    assert bench.counters["logins"] == 2
    (refused,) = [warning for warning in said if warning.category is errors.RefusedWarning]
    assert "ESO Science Archive" in str(refused.message)
    assert "DEMOPI" in str(refused.message)


# ---------------------------------------------------------------- pages


@pytest.mark.parametrize("manner", ["redirect", "page"])
@pytest.mark.parametrize("stream", [False, True])
def test_a_login_page_in_place_of_data_is_an_error(bench, tap, manner, stream):
    url = files_of(tap, FOREIGN_RUN)[0]
    bench.knobs["login_page"] = manner
    with pytest.raises(errors.LoginPageError, match="vo-auth login eso"):
        tap._session.get(url, stream=stream)
    with vo_auth.anonymous(), pytest.raises(errors.LoginPageError, match="vo-auth login eso"):
        tap._session.get(url, stream=stream)


def test_pages_that_only_link_to_the_login_are_answers(tap):
    session = tap._session
    portal = session.get("https://dataportal.eso.org/rh", stream=True)
    assert "sso/login" in portal.text
    assert "Examples" in session.get(TAP_URL + "/examples").text
    (row,) = tap.search(f"SELECT TOP 1 * FROM dbo.raw WHERE prog_id = '{PROPRIETARY_RUN}' AND dp_cat = 'SCIENCE'")
    links = pyvo.dal.adhoc.DatalinkResults.from_result_url(row["datalink_url"], session=session)
    log = next(links.bysemantics("http://archive.eso.org/rdf/datalink/eso#night_log")).access_url
    assert "login again" in session.get(log, stream=True).text


# ---------------------------------------------------------------- plain http


def test_plain_http_of_the_archive_is_asked_by_https(vo_auth_sandbox, bench, session_for):
    tap = pyvo.dal.TAPService("http://archive.eso.org/tap_obs", session=session_for("http://archive.eso.org/tap_obs"))
    assert len(tap.search(ROWS)) == 5
    assert bench.counters["permits_on_http"] == 0
    assert {entry.scheme for entry in vo_auth_sandbox.received.at("archive.eso.org")} == {"https"}


def test_a_dropped_connection_is_an_error_without_the_permit(bench, tap):
    tap.search(ROWS)
    bench.knobs["fail_on"] = [Fault(path_regex="^/tap_obs/sync", drop=True)]
    with pytest.raises(pyvo.dal.DALAccessError) as caught:
        tap.search(ROWS)
    token = vo_auth.token(TAP_URL).reveal()
    assert_no_secret([token], caught.value)
