"""The login, the token, groups and whoami, by plain requests."""

from __future__ import annotations

import base64
import time

import pytest
import requests

from vo_auth_cadc.standin import PEOPLE, STANDIN, make_token

from .conftest import ACCESS, LOGIN_URL, observations

PUBLIC = ["700001o", "700002p", "scuba2_demo_1"]
OWN = [*PUBLIC, "scuba2_demo_2"]


def test_a_login_answers_the_token_as_text_and_in_a_header_and_sets_no_cookie(login):
    answer = login()
    assert (answer.status_code, answer.headers["Content-Type"].split(";")[0]) == (200, "text/plain")
    assert answer.headers["x-vo-authenticated"] == PEOPLE["pi"].username
    assert answer.headers["x-vo-bearer"] == answer.text
    assert "Set-Cookie" not in answer.headers


def test_the_token_says_its_end_its_owner_and_its_domains(login):
    text = base64.b64decode(login().text).decode()
    pairs = [pair.partition("=")[::2] for pair in text.split("&")]
    assert [name for name, _ in pairs][:5] == ["expirytime", "userID", "X500", "numericID", "scope"]
    values = dict(pairs)
    assert values["userID"] == PEOPLE["pi"].username
    assert values["scope"] == "sso:cadc+canfar"
    assert abs(int(values["expirytime"]) / 1000 - time.time() - 48 * 3600) < 60
    assert [value for name, value in pairs if name == "domain"] == [
        "canfar.net",
        "cadc-ccda.hia-iha.nrc-cnrc.gc.ca",
        "cadc.dao.nrc.ca",
    ]
    assert pairs[-1][0] == "signature"


@pytest.mark.parametrize(
    ("role", "changes", "text"),
    [
        ("pi", {"username": "nobody"}, "Invalid username"),
        ("pi", {"password": "wrong"}, "Invalid password"),
        ("inactive", {}, "Account inactivated"),
        ("pi", {"username": "demopi as demovisitor"}, "Proxy user access: demopi as demovisitor failed"),
    ],
)
def test_a_refused_login_is_a_401_that_says_why(login, bench, role, changes, text):
    answer = login(role, **changes)
    assert answer.status_code == 401
    assert answer.text.startswith(text)
    assert (bench.counters["logins"], bench.counters["rejected_logins"]) == (0, 1)


@pytest.mark.parametrize("missing", ["username", "password"])
def test_a_login_without_a_field_is_a_400(login, missing):
    answer = login(**{missing: ""})
    assert (answer.status_code, answer.text) == (400, f"Missing {missing}")


def test_spaces_around_the_values_do_not_count(login):
    values = {name: f"  {value}  " for name, value in STANDIN.credentials["pi"].items()}
    assert login(**values).status_code == 200


def test_one_who_may_impersonates_with_their_own_password(login, bench, search):
    bench.knobs["impersonators"] = {"demovisitor"}
    answer = login("visitor", username="demovisitor AS demopi")
    assert answer.headers["x-vo-authenticated"] == "demopi"
    seen = search(headers={"Authorization": f"Bearer {answer.text}"})
    assert observations(seen) == OWN


def test_a_transient_fault_is_a_503_with_the_time_to_wait(login, bench):
    bench.knobs["transient"] = 7
    answer = login()
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "7")


def test_a_login_can_be_answered_with_nothing(login, bench):
    bench.knobs["empty_login"] = True
    answer = login()
    assert (answer.status_code, answer.text) == (200, "")


# ---------------------------------------------------------------- what a token is worth


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_a_token_shows_the_rows_of_its_owner(login, search, scheme):
    answer = search(headers={"Authorization": f"{scheme} {login().text}"})
    assert observations(answer) == OWN
    assert answer.headers["x-vo-authenticated"] == "demopi"
    assert "WWW-Authenticate" not in answer.headers


@pytest.mark.parametrize("quotes", ['"', ""])
def test_so_does_the_cookie_with_and_without_quotes(login, search, quotes):
    answer = search(headers={"Cookie": f"a=b; CADC_SSO={quotes}{login().text}{quotes}"})
    assert observations(answer) == OWN


def test_somebody_else_sees_what_is_public(login, search):
    assert observations(search(headers={"Authorization": f"Bearer {login('visitor').text}"})) == PUBLIC


def _tampered(token: str) -> str:
    text = base64.b64decode(token).decode().replace("userID=demovisitor", "userID=demopi")
    return base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    ("token", "told"),
    [
        (lambda: make_token(life=-1), "expired"),
        (lambda: _tampered(make_token("visitor")), "invalid signature"),
        (lambda: base64.b64encode(b"expirytime=99999999999999&userid=demopi").decode(), "missing signature"),
        (lambda: "obviously.fake.jwt", "unknown kind of token"),
    ],
    ids=["ended", "tampered with", "unsigned", "of another kind"],
)
def test_a_token_that_is_not_accepted_is_a_401_that_says_why(sandbox, search, token, told):
    answer = search(headers={"Authorization": f"Bearer {token()}"})
    assert answer.status_code == 401
    lines = answer.raw.headers.getlist("WWW-Authenticate")
    assert f'Bearer error="invalid_token", error_description="{told}"' in lines
    assert "x-vo-authenticated" not in answer.headers


def test_a_cookie_that_is_not_accepted_is_a_401(sandbox, search):
    answer = search(headers={"Cookie": f'CADC_SSO="{make_token(life=-1)}"'})
    assert (answer.status_code, answer.text) == (401, "invalid cookie: Bad token.")


def test_another_key_of_the_archive_makes_older_tokens_worth_nothing(login, bench, search):
    token = login().text
    bench.knobs["signing_key"] = "rotated"
    assert search(headers={"Authorization": f"Bearer {token}"}).status_code == 401


@pytest.mark.parametrize("header", ["Bearer", "Basic ZGVtb3BpOm9idmlvdXNseS1mYWtl"])
def test_other_authorization_headers_are_refused_by_the_search(search, header):
    assert search(headers={"Authorization": header}).status_code == 401


# ---------------------------------------------------------------- groups and whoami


def test_groups_are_answered_one_a_line(login, pem):
    headers = {"Authorization": f"Bearer {login().text}"}
    ask = lambda **params: requests.get(f"{ACCESS}/search", params=params, headers=headers, timeout=20)  # noqa: E731
    assert ask().text == "JCMT-M26A-Demo\nDemo-Readers\n"
    assert ask(group=["Demo-Readers", "Nobody-Here"]).text == "Demo-Readers\n"
    assert (ask(group="Nobody-Here").status_code, ask(group="Nobody-Here").text) == (200, "")
    assert ask(ROLE="member").status_code == 400
    assert ask(GROUPID="Demo-Readers").status_code == 400
    by_certificate = requests.get(f"{ACCESS}/search", cert=str(pem("visitor")), timeout=20)
    assert by_certificate.text == "Demo-Readers\n"


def test_groups_of_the_anonymous_are_refused(sandbox):
    assert requests.get(f"{ACCESS}/search", timeout=20).status_code == 403


def test_whoami_leads_to_ones_own_document(login, pem):
    for options in ({"headers": {"Authorization": f"Bearer {login().text}"}}, {"cert": str(pem())}):
        answer = requests.get(f"{ACCESS}/whoami", timeout=20, allow_redirects=False, **options)
        assert answer.status_code == 302
        assert answer.headers["Location"] == f"{ACCESS}/users/demopi?idType=HTTP"
        assert "demopi" in requests.get(answer.headers["Location"], timeout=20, **options).text
        assert requests.get(f"{ACCESS}/users/demovisitor", timeout=20, **options).status_code == 403


def test_whoami_of_the_anonymous_is_a_401_with_nothing_in_it(sandbox):
    answer = requests.get(f"{ACCESS}/whoami", timeout=20)
    assert (answer.status_code, answer.text, "WWW-Authenticate" in answer.headers) == (401, "", False)


def test_plain_http_leads_to_https_and_permits_there_are_counted(sandbox, bench):
    url = LOGIN_URL.replace("https:", "http:")
    answer = requests.get(url, headers={"Cookie": "CADC_SSO=x"}, timeout=20, allow_redirects=False)
    assert (answer.status_code, answer.headers["Location"]) == (301, LOGIN_URL)
    assert bench.counters["permits_on_http"] == 1
