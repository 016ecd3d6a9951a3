"""RAP for people: the code flow with its pages, by a scripted browser and authlib; and the page that issues tokens."""

from __future__ import annotations

import re

import pytest
from authlib.integrations.requests_client import OAuth2Session

from vo_auth_ia2.standin import STANDIN

from .conftest import (
    AUTHORIZE_URL,
    CALLBACK,
    NATIVE,
    TAP_URL,
    TOKEN_PAGE,
    TOKEN_URL,
    Person,
    ask,
    came_back,
    pkce,
    request_of,
)


def redeem(http, code, **changes):
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK, "client_id": NATIVE, **changes}
    return ask(http, None, **{name: value for name, value in form.items() if value})


# ---------------------------------------------------------------- the good way


def test_authlib_logs_a_person_in_with_pkce(person, bench):
    verifier, _ = pkce()
    client = OAuth2Session(
        NATIVE, scope="openid read:gms", redirect_uri=CALLBACK, token_endpoint_auth_method="none",
        code_challenge_method="S256",
    )  # fmt: skip
    with client:
        url, state = client.create_authorization_url(AUTHORIZE_URL, code_verifier=verifier)
        back = person.authorize(url)
        token = client.fetch_token(TOKEN_URL, authorization_response=back, state=state, code_verifier=verifier)
    assert back.startswith(f"{CALLBACK}?")
    assert token["scope"] == "openid read:gms"
    assert {"access_token", "refresh_token", "id_token", "expires_in"} <= set(token)
    assert (bench.counters["page_logins"], bench.counters["codes"], bench.counters["logins"]) == (1, 1, 1)


def test_the_way_back_has_the_state_as_it_was_sent_and_names_the_issuer(person):
    state = "a b&c=d/ü+%20"
    told = came_back(person.authorize(request_of(state=state)))
    assert told["state"] == state
    assert told["iss"] == "https://sso.ia2.inaf.it/rap-ia2"
    assert set(told) == {"code", "state", "iss"}


def test_the_issuer_is_left_out_where_the_server_does_not_know_of_it(person, bench):
    bench.knobs["response_iss"] = False
    assert set(came_back(person.authorize(request_of()))) == {"code", "state"}


def test_eduGAIN_logs_in_somebody_without_a_password(person, http):  # noqa: N802 - the name of the federation
    page = person.open(request_of())
    back = person.press(person.press(page, "edugain"), "allow").headers["Location"]
    assert redeem(http, came_back(back)["code"]).status_code == 200
    assert "scholar" not in STANDIN.credentials


def test_who_is_logged_in_is_not_asked_for_a_password_again(person, bench):
    person.authorize(request_of())
    page = person.open(request_of(state="second"))
    assert 'id="allow"' in page.text
    assert came_back(person.press(page, "allow").headers["Location"])["state"] == "second"
    assert bench.counters["page_logins"] == 1
    assert 'name="password"' in person.open(request_of(prompt="login")).text


def test_the_question_can_be_skipped(person, bench):
    bench.knobs["skip_consent"] = True
    assert "code" in came_back(person.log_in(request_of()).headers["Location"])


def test_the_pages_are_plain_html_without_scripts_and_are_not_kept(person):
    page = person.open(request_of())
    consent = person.press(page, "login", **STANDIN.credentials["observer"])
    for one in (page, consent):
        assert "<script" not in one.text.lower()
        assert not re.search(r"\son\w+=", one.text)
        assert one.headers["Content-Security-Policy"].startswith("default-src 'none'")
        assert one.headers["Cache-Control"] == "no-store"
        assert STANDIN.credentials["observer"]["password"] not in one.text
    assert "vo_auth (demo)" in consent.text
    assert "read:gms" in consent.text


def test_a_viewer_with_a_scheme_of_its_own_sends_its_secret_twice_as_public_clients_do(person, http):
    viewer, secret = "vo-auth-demo-viewer", "obviously-fake-ia2-viewer"
    back = person.authorize(request_of(client_id=viewer, redirect_uri="demoviewer://callback"))
    assert back.startswith("demoviewer://callback?")
    form = {
        "grant_type": "authorization_code",
        "code": came_back(back)["code"],
        "redirect_uri": "demoviewer://callback",
    }
    form |= {"client_id": viewer, "client_secret": secret}
    answer = http.post(TOKEN_URL, data=form, auth=(viewer, secret), timeout=20)
    assert {"id_token", "access_token", "refresh_token", "expires_in"} <= set(answer.json())


# ---------------------------------------------------------------- redirect URIs


@pytest.mark.parametrize(
    "uri",
    [
        "http://127.0.0.1:1/callback",
        "http://127.0.0.1:65535/",
        "http://[::1]:8080/callback",
        "http://127.0.0.1/callback",
    ],
)
def test_any_port_of_loopback_is_right_for_a_native_client(person, uri):
    assert person.authorize(request_of(redirect_uri=uri)).startswith(f"{uri}?")


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "http://127.0.0.1:49152/other",
        "http://127.0.0.1:49152/callback/",
        "http://127.0.0.1:49152/callback?x=1",
        "http://127.0.0.1:49152/callback#x",
        "http://localhost:49152/callback",
        "http://127.0.0.1.example.org:49152/callback",
        "http://user@127.0.0.1:49152/callback",
        "http://127.0.0.1:x/callback",
        "https://127.0.0.1:49152/callback",
        "https://viewer.example.org/callback",
    ],
)
def test_any_other_redirect_is_refused_on_a_page_and_leads_nowhere(person, uri):
    answer = person.open(request_of(redirect_uri=uri))
    assert (answer.status_code, answer.is_redirect) == (400, False)
    assert "redirect_uri" in answer.text


def test_an_unknown_client_is_refused_on_a_page(person):
    answer = person.open(request_of(client_id="unknown"))
    assert (answer.status_code, answer.is_redirect) == (400, False)


# ---------------------------------------------------------------- errors that lead back


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"scope": "everything"}, "invalid_scope"),
        ({"code_challenge": "x" * 43, "code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge": "x" * 43}, "invalid_request"),
        ({"code_challenge": "short", "code_challenge_method": "S256"}, "invalid_request"),
        ({"prompt": "none"}, "login_required"),
    ],
)
def test_a_faulty_request_leads_back_with_the_error_and_the_state(person, changes, error):
    answer = person.open(request_of(**changes))
    told = came_back(answer.headers["Location"])
    assert (told["error"], told["state"]) == (error, "obviously-fake-state")
    assert "code" not in told


def test_a_parameter_that_comes_twice_is_an_invalid_request(person):
    assert came_back(person.open(f"{request_of()}&state=2").headers["Location"])["error"] == "invalid_request"


def test_pkce_can_be_demanded(person, bench):
    bench.knobs["pkce"] = "require"
    assert came_back(person.open(request_of()).headers["Location"])["error"] == "invalid_request"


def test_who_declines_leads_back_with_access_denied(person, bench):
    told = came_back(person.authorize(request_of(), button="deny"))
    assert (told["error"], told["state"]) == ("access_denied", "obviously-fake-state")
    assert (bench.counters["denied"], bench.counters["codes"]) == (1, 0)


def test_a_wrong_password_on_the_page_shows_it_again(person, bench):
    page = person.open(request_of())
    again = person.press(page, "login", username="observer", password="obviously-wrong")
    assert (again.status_code, "not right" in again.text) == (401, True)
    assert bench.counters["rejected_logins"] == 1
    assert 'id="allow"' in person.press(again, "login", **STANDIN.credentials["observer"]).text


def test_a_form_that_another_site_sends_is_refused(person):
    page = person.open(request_of())
    person.http.headers["Origin"] = "https://evil.example.org"
    assert person.press(page, "login", **STANDIN.credentials["observer"]).status_code == 400


def test_a_page_of_another_visit_is_out_of_date(person, http):
    person.authorize(request_of())
    used = person.pages[0]
    assert person.press(used, "login", **STANDIN.credentials["observer"]).status_code == 400


# ---------------------------------------------------------------- codes


def test_a_code_counts_once_and_its_reuse_revokes_what_it_gave(person, http, bench):
    code = came_back(person.authorize(request_of()))["code"]
    first = redeem(http, code)
    assert first.status_code == 200
    assert redeem(http, code).json() == {"error": "invalid_grant"}
    assert bench.counters["code_reuse_detected"] == 1
    form = {"grant_type": "refresh_token", "refresh_token": first.json()["refresh_token"], "client_id": NATIVE}
    assert ask(http, None, **form).json() == {"error": "invalid_grant"}


@pytest.mark.parametrize("changes", [{"redirect_uri": "http://127.0.0.1:2/callback"}, {"redirect_uri": ""}])
def test_a_code_is_for_the_same_redirect(person, http, changes):
    code = came_back(person.authorize(request_of()))["code"]
    assert redeem(http, code, **changes).json() == {"error": "invalid_grant"}


def test_a_code_is_for_its_client(person, http):
    code = came_back(person.authorize(request_of()))["code"]
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK}
    answer = http.post(TOKEN_URL, data=form, auth=("vo-auth-demo-viewer", "obviously-fake-ia2-viewer"), timeout=20)
    assert answer.json() == {"error": "invalid_grant"}


def test_a_code_ends_after_a_minute(person, http, bench):
    code = came_back(person.authorize(request_of()))["code"]
    bench.knobs["clock_skew"] = 61
    assert redeem(http, code).json() == {"error": "invalid_grant"}


@pytest.mark.parametrize("verifier", [None, "", "A" * 43, "short"])
def test_a_code_with_a_challenge_is_worth_nothing_without_its_verifier(person, http, verifier):
    _, challenge = pkce()
    code = came_back(person.authorize(request_of(code_challenge=challenge, code_challenge_method="S256")))["code"]
    assert redeem(http, code, code_verifier=verifier).json() == {"error": "invalid_grant"}


def test_a_verifier_without_a_challenge_is_refused_too(person, http):
    code = came_back(person.authorize(request_of()))["code"]
    assert redeem(http, code, code_verifier="A" * 43).json() == {"error": "invalid_grant"}


# ---------------------------------------------------------------- the token issuer


def test_the_token_issuer_shows_and_sends_a_token_to_who_is_logged_in(person, http, bench):
    page = person.press(person.open(TOKEN_PAGE), "login", **STANDIN.credentials["observer"])
    assert "Token issuer" in page.text
    shown = person.press(page, "show").text
    token = re.search(r"<textarea[^>]*>([^<]+)</textarea>", shown)
    assert token
    file = person.press(page, "download")
    assert file.headers["Content-Disposition"] == 'attachment; filename="token.txt"'
    for text in (token[1], file.text.strip()):
        header = {"Authorization": f"Bearer {text}"}
        assert http.get(f"{TAP_URL}/tables", headers=header, timeout=20).status_code == 200
    assert bench.counters["issued_on_page"] == 2


def test_nobody_else_gets_a_token_there(sandbox, http):
    assert http.post(TOKEN_PAGE, data={"how": "file"}, timeout=20).status_code == 403
    assert 'name="password"' in Person(http).open(TOKEN_PAGE).text
