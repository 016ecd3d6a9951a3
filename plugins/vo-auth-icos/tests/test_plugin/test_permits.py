"""How the cookie is obtained, kept alive, guarded, and told from an unaccepted licence."""

from __future__ import annotations

import json
import logging
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

import vo_auth
from vo_auth import errors
from vo_auth.sandbox import Fault
from vo_auth.testing import assert_no_secret
from vo_auth_icos.standin import ICOS_STANDIN, PEOPLE, make_cookie
from vo_auth_icos.standin.repository import CITIES, ICOS, SITES

SERIES = ICOS.named("ICOS_ATC_HTM_30")
MODEL = ICOS.named("ICOS_model")
OPEN = ICOS.named("ICOS_open")
OBJECT = f"https://data.icos-cp.eu/objects/{SERIES.id}"
TABLE = {
    "tableId": SERIES.id,
    "subFolder": "asciiAtcProductTimeSer",
    "schema": {"columns": [column.type for column in SERIES.columns], "size": SERIES.row_count},
    "columnNumbers": [4],
}
MEMBER, NEWCOMER = (ICOS_STANDIN.credentials[role] for role in ("member", "newcomer"))


def cookie_at(sandbox, host):
    return [entry.cookie for entry in sandbox.received.at(host)]


# ---------------------------------------------------------------- the login


def test_the_login_is_the_form_that_the_portal_expects(vo_auth_sandbox, session):
    journal = vo_auth_sandbox.received
    assert session.get(OBJECT).content == SERIES.content
    (login,) = journal.at(ICOS.auth)
    assert (login.method, login.scheme, login.path, login.query) == ("POST", "https", "/password/login", "")
    assert login.headers["content-type"] == "application/x-www-form-urlencoded"
    assert not login.cookie


def test_the_cookie_goes_as_it_came_and_nothing_of_it_comes_back(vo_auth_sandbox, session, caplog):
    caplog.set_level(logging.DEBUG)
    answer = session.get(OBJECT)
    (sent,) = cookie_at(vo_auth_sandbox, ICOS.data)
    name, _, value = sent.partition("=")
    assert name == "cpauthToken"
    ours = [record for record in caplog.records if not record.name.startswith("aiohttp")]
    assert_no_secret([value, MEMBER["password"]], answer, answer.request, dict(session.cookies), session, *ours)


def test_one_login_serves_a_whole_day_of_work_at_all_hosts_of_the_portal(vo_auth_sandbox, bench, session):
    assert session.get(OBJECT).ok
    assert session.get(f"https://data.icos-cp.eu/csv/{SERIES.id}?col=co2&limit=1").text.startswith("co2\n420.0")
    assert len(session.post("https://data.icos-cp.eu/cpb", json=TABLE).content) == 4 * SERIES.row_count
    assert session.get(f"https://data.icos-cp.eu/zip/{MODEL.id}/extractFile/flux/2024.txt").text == "1.5\n"
    assert session.get(f"https://data.icos-cp.eu/collections/{ICOS.collection[0]}").content.startswith(b"PK")
    city = CITIES.named("ICOSCities_ATC_HTM_30")
    assert session.get(f"https://citydata.icos-cp.eu/objects/{city.id}").content == city.content
    assert bench.counters["logins"] == 1
    (expires,) = {held.seconds_left for held in vo_auth.status()}
    assert 99_000 < expires <= 100_000


def test_sites_has_a_login_and_a_cookie_of_its_own(vo_auth_sandbox, session_for):
    item = SITES.named("SITES_ATC_HTM_30")
    answer = session_for("https://data.fieldsites.se").get(f"https://data.fieldsites.se/objects/{item.id}")
    assert answer.content == item.content
    (sent,) = cookie_at(vo_auth_sandbox, SITES.data)
    assert sent.startswith("fieldsitesToken=")
    assert vo_auth_sandbox.bench("icos").counters["logins"] == 0


@pytest.mark.parametrize("repository", [ICOS, CITIES, SITES], ids=lambda repository: repository.envri)
def test_metadata_is_asked_anonymously(vo_auth_sandbox, session, repository):
    assert session.get(OBJECT).ok
    page = f"https://{repository.meta}/objects/{repository.named(repository.envri).id}"
    assert session.get(page, headers={"Accept": "application/json"}).json()["fileName"]
    assert cookie_at(vo_auth_sandbox, repository.meta) == [""]


def test_plain_http_is_asked_by_https(vo_auth_sandbox, bench, session):
    assert session.get(OBJECT.replace("https:", "http:")).content == SERIES.content
    assert bench.counters["cookies_on_http"] == 0
    assert {entry.scheme for entry in vo_auth_sandbox.received.at(ICOS.data)} == {"https"}


def test_a_wrong_password_is_sent_once_and_the_error_knows_accounts_without_one(bench, session_for):
    session = session_for(username=MEMBER["username"], password="obviously-wrong")
    for _ in range(3):
        with pytest.raises(errors.CredentialsRejectedError, match="vo-auth login icos"):
            session.get(OBJECT)
    assert bench.counters["rejected_logins"] == 1
    with pytest.raises(errors.CredentialsRejectedError) as caught:
        vo_auth.login("icos", username=MEMBER["username"], password="obviously-wrong")
    assert 'cookie from https://cpauth.icos-cp.eu/ and run: vo-auth login icos --flow "pasted cookie"' in str(
        caught.value
    )


@pytest.mark.usefixtures("without_credentials")
def test_without_credentials_the_error_names_the_account_page_and_the_file(vo_auth_sandbox, session):
    with pytest.raises(errors.CredentialsNotFoundError) as caught:
        session.get(OBJECT)
    text = str(caught.value)
    assert "https://cpauth.icos-cp.eu/" in text
    assert "~/.icoscp/cpauthToken_auth_conf.json" in text
    assert vo_auth_sandbox.received.at(ICOS.data) == []


# ---------------------------------------------------------------- a dead cookie, and a licence


def test_a_cookie_that_ends_half_way_is_renewed_once(vo_auth_sandbox, bench, session):
    assert session.get(OBJECT).ok
    bench.knobs["clock_skew"] = 100_100  # now it has ended
    for _ in range(5):
        assert session.get(OBJECT).content == SERIES.content
    assert bench.counters["logins"] == 2
    assert [entry.path for entry in vo_auth_sandbox.received.at(ICOS.data)].count("/whoami") == 1


@pytest.mark.parametrize("stream", [False, True])
def test_a_cookie_that_the_portal_no_longer_takes_is_renewed_for_all_threads_at_once(bench, session, stream):
    session.get(OBJECT)
    bench.knobs["signing_key"] = "rotated"
    with ThreadPoolExecutor(8) as pool:
        contents = set(pool.map(lambda _: session.get(OBJECT, stream=stream).content, range(16)))
    assert contents == {SERIES.content}
    assert bench.counters["logins"] == 2


@pytest.mark.parametrize(
    ("method", "path", "options"),
    [
        ("GET", f"/csv/{SERIES.id}", {}),
        ("POST", "/cpb", {"json": TABLE}),
        ("GET", f"/zip/{MODEL.id}/extractFile/README.txt", {}),
    ],
)
def test_a_dead_cookie_is_renewed_where_the_portal_says_401(bench, session, method, path, options):
    session.get(OBJECT)
    bench.knobs["signing_key"] = "rotated"
    assert session.request(method, f"https://data.icos-cp.eu{path}", **options).status_code == 200
    assert bench.counters["logins"] == 2


PLACES = [
    ("GET", f"/objects/{SERIES.id}", {}),
    ("GET", f"/objects?ids=%5B%22{SERIES.id}%22%5D&fileName=x", {}),
    ("GET", f"/collections/{ICOS.collection[0]}", {}),
    ("GET", f"/csv/{SERIES.id}", {}),
    ("POST", "/cpb", {"json": TABLE}),
    ("GET", f"/zip/{MODEL.id}/extractFile/README.txt", {}),
]


@pytest.mark.parametrize(("method", "path", "options"), PLACES)
def test_an_unaccepted_licence_is_an_error_with_its_link_and_stays_unaccepted(
    vo_auth_sandbox, bench, session_for, method, path, options
):
    session = session_for(**NEWCOMER)
    for _ in range(3):
        with pytest.raises(errors.LicenceRequiredError) as caught:
            session.request(method, f"https://data.icos-cp.eu{path}", **options)
    assert caught.value.licence_url == "https://data.icos-cp.eu/licence"
    assert "https://data.icos-cp.eu/licence" in str(caught.value)
    assert "https://cpauth.icos-cp.eu/home/" in str(caught.value)
    assert NEWCOMER["username"] in str(caught.value)
    assert bench.counters["logins"] == 1
    asked = {(entry.method, entry.path) for entry in vo_auth_sandbox.received.all()}
    assert asked == {("POST", "/password/login"), ("GET", "/whoami"), (method, path.partition("?")[0])}


def test_after_the_user_accepted_the_licence_the_same_session_downloads(session_for):
    session = session_for(**NEWCOMER)
    with pytest.raises(errors.LicenceRequiredError):
        session.get(OBJECT)
    cookie = f"cpauthToken={make_cookie(email=NEWCOMER['username'])}"
    profile = f"https://cpauth.icos-cp.eu/db/users/{NEWCOMER['username']}"
    accepted = {"profile": {"icosLicenceOk": True}}
    assert requests.patch(profile, json=accepted, headers={"Cookie": cookie}).status_code == 200
    assert session.get(OBJECT).content == SERIES.content


def test_a_question_that_cannot_be_answered_costs_no_login(bench, session_for):
    bench.knobs["fail_on"] = [Fault(path_regex="^/whoami", status=500)]
    session = session_for(**NEWCOMER)
    for _ in range(3):
        with pytest.raises(errors.LicenceRequiredError):
            session.get(OBJECT)
    assert bench.counters["logins"] == 1


def test_a_connection_pool_of_one_that_blocks_is_no_trap(bench, session):
    session.mount("https://", requests.adapters.HTTPAdapter(pool_maxsize=1, pool_block=True))
    session.get(OBJECT)
    bench.knobs["signing_key"] = "rotated"
    assert session.get(OBJECT, timeout=20).content == SERIES.content
    assert bench.counters["logins"] == 2


def test_the_question_whose_permit_it_is_shows_no_secret_and_leaves_no_trace(vo_auth_sandbox, bench, session):
    session.get(OBJECT)
    bench.knobs["signing_key"] = "rotated"
    answer = session.get(OBJECT)
    values = [cookie.partition("=")[2] for cookie in cookie_at(vo_auth_sandbox, ICOS.data)]
    assert [entry.url for entry in (*answer.history, answer)] == [OBJECT]
    assert_no_secret(set(values), answer, session)


# ---------------------------------------------------------------- a pasted cookie


@pytest.mark.filterwarnings("ignore::vo_auth.errors.PermitEndWarning")
@pytest.mark.parametrize("spelling", ["{}", "cpauthToken={}", "cpauthToken={};", "  cpauthToken={}; \n", "{};"])
@pytest.mark.usefixtures("without_credentials")
def test_a_pasted_cookie_works_however_it_was_copied(vo_auth_sandbox, bench, session_for, spelling):
    value = make_cookie()
    assert session_for(cookie=spelling.format(value)).get(OBJECT).content == SERIES.content
    assert cookie_at(vo_auth_sandbox, ICOS.data) == [f"cpauthToken={value}"]
    assert bench.counters["logins"] == 0


def test_a_pasted_cookie_says_whose_it_is_and_when_it_ends(vo_auth_sandbox):
    identity = vo_auth.login("icos", cookie=make_cookie(life=5000))
    assert identity.user == PEOPLE["scholar"].email
    (held,) = vo_auth.status()
    assert held.kind == "cookie"
    assert 4900 < held.seconds_left <= 5000


def test_a_cookie_in_the_layout_of_earlier_years_is_used_although_its_end_cannot_be_read(bench, session):
    bench.knobs["cookie_layout"] = "java"
    assert session.get(OBJECT).content == SERIES.content
    (held,) = vo_auth.status()
    assert 99_000 < held.seconds_left <= 100_000  # as documented


@pytest.mark.parametrize("value", ["AAAA", "WyJub3QiXQ==", "//////8=", "W10eAA=="])
def test_what_cannot_be_read_is_left_to_the_portal_to_judge(vo_auth_sandbox, session_for, value):
    with pytest.raises(errors.PermitExpiredError, match=r"https://cpauth\.icos-cp\.eu/"):
        session_for(cookie=value).get(OBJECT)
    assert cookie_at(vo_auth_sandbox, ICOS.data) == [f"cpauthToken={value}"] * 2  # the object, and whoami


def test_a_pasted_cookie_that_has_ended_is_not_sent(vo_auth_sandbox, session_for):
    with pytest.raises(errors.PermitExpiredError, match=r"https://cpauth\.icos-cp\.eu/"):
        session_for(cookie=make_cookie(life=-5)).get(OBJECT)
    assert vo_auth_sandbox.received.at(ICOS.data) == []


@pytest.mark.filterwarnings("ignore::vo_auth.errors.PermitEndWarning")
@pytest.mark.parametrize("place", [f"/objects/{SERIES.id}", f"/csv/{SERIES.id}"])
def test_a_pasted_cookie_that_the_portal_does_not_take_is_no_question_of_licence(bench, session_for, place):
    session = session_for(cookie=make_cookie())
    bench.knobs["signing_key"] = "rotated"
    with pytest.raises(errors.PermitExpiredError, match=r"https://cpauth\.icos-cp\.eu/"):
        session.get(f"https://data.icos-cp.eu{place}")


# ---------------------------------------------------------------- anonymous


def test_the_anonymous_get_what_is_free_and_no_licence_page_for_data(session):
    with vo_auth.anonymous():
        assert session.get(f"https://data.icos-cp.eu/objects/{OPEN.id}").content == OPEN.content
        assert "licence-page" in session.get("https://data.icos-cp.eu/licence").text
        with pytest.raises(errors.LicenceRequiredError, match="vo-auth login icos"):
            session.get(OBJECT)


def test_what_the_user_accepts_for_one_download_works_anonymously(session):
    ids = json.dumps([SERIES.id])
    with vo_auth.anonymous():
        answer = session.get("https://data.icos-cp.eu/licence_accept", params={"ids": ids})
    assert answer.content == SERIES.content


def test_the_public_pages_of_the_data_host_get_no_permit(vo_auth_sandbox, session):
    session.get("https://data.icos-cp.eu/licence")
    assert cookie_at(vo_auth_sandbox, ICOS.data) == [""]
    assert vo_auth_sandbox.received.at(ICOS.auth) == []


def test_the_password_arrives_as_it_is(vo_auth_sandbox, bench, session):
    assert session.get(OBJECT).ok  # it holds =, &, +, ; and a letter that is not ASCII
    assert bench.counters["rejected_logins"] == 0
