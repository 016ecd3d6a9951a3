"""The token endpoint at www.eso.org: the documented GET, its answers and its bad moods."""

from __future__ import annotations

import base64
import json
import time

import pytest
import requests

from vo_auth_eso.standin import STANDIN

TOKEN_URL = "https://www.eso.org/sso/oidc/token"


def ask(role="pi", *, timeout=20.0, drop=(), **changes):
    query = {
        "response_type": "id_token token",
        "grant_type": "password",
        "client_id": "clientid",
        "client_secret": "clientSecret",
        **STANDIN.credentials[role],
        **changes,
    }
    for name in drop:
        del query[name]
    return requests.get(TOKEN_URL, params=query, timeout=timeout, allow_redirects=False)


def read(token):
    """Decode a token's two JSON parts without any check."""
    return [json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))) for part in token.split(".")[:2]]


def test_the_documented_get_is_answered_with_an_id_token_of_eight_hours(bench):
    answer = ask().json()
    assert sorted(answer) == ["access_token", "expires_in", "id_token", "scope", "token_type"]
    assert (answer["token_type"], answer["expires_in"], answer["scope"]) == ("bearer", 28800, "")
    header, claims = read(answer["id_token"])
    assert header["alg"] == "RS256"
    assert (claims["aud"], claims["sub"]) == ("clientid", STANDIN.credentials["pi"]["username"])
    assert 28800 <= claims["exp"] - claims["iat"] <= 28801
    assert abs(claims["iat"] - time.time()) < 60
    assert answer["access_token"] != answer["id_token"]
    assert bench.counters["logins"] == 1


def test_the_client_secret_may_be_left_out(bench):
    assert ask(drop=["client_secret"]).status_code == 200
    assert bench.counters["logins"] == 1


@pytest.mark.parametrize("name", ["response_type", "grant_type", "client_id", "username", "password"])
def test_every_other_parameter_is_required(bench, name):
    answer = ask(drop=[name])
    assert answer.status_code == 400
    assert answer.json()["error"] == "invalid_request"
    assert bench.counters["logins"] == 0


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"grant_type": "client_credentials"}, "unsupported_grant_type"),
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"client_id": "somebody"}, "invalid_client"),
        ({"client_secret": "wrong"}, "invalid_client"),
    ],
)
def test_what_is_not_documented_is_refused(bench, changes, error):
    answer = ask(**changes)
    assert (answer.status_code, answer.json()["error"]) == (400, error)
    assert bench.counters["rejected_logins"] == 0


@pytest.mark.parametrize("method", ["POST", "PUT", "HEAD"])
def test_only_get_is_accepted(bench, method):
    credentials = STANDIN.credentials["pi"]
    answer = requests.request(method, TOKEN_URL, params=credentials, data=credentials, timeout=20)
    assert answer.status_code == 405
    assert bench.counters["token_requests"] == 0


def test_plain_http_is_refused_and_counted(bench):
    query = {**STANDIN.credentials["pi"], "response_type": "id_token token", "grant_type": "password"}
    answer = requests.get(TOKEN_URL.replace("https", "http"), params=query, timeout=20, allow_redirects=False)
    assert answer.status_code == 403
    assert bench.counters["logins_on_http"] == 1


@pytest.mark.parametrize("changes", [{"password": "wrong"}, {"username": "NOBODY"}, {"username": "demopi"}])
def test_a_wrong_name_or_password_is_rejected_and_counted(bench, changes):
    answer = ask(**changes)
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_grant")
    assert (bench.counters["rejected_logins"], bench.counters["logins"]) == (1, 0)


def test_how_a_rejection_looks_can_be_changed_because_it_is_not_known(bench):
    bench.knobs.update(rejected_status=400, rejected_body="<html>no</html>")
    answer = ask(password="wrong")
    assert (answer.status_code, answer.text) == (400, "<html>no</html>")


def test_the_life_of_tokens_can_be_shortened(bench):
    bench.knobs["token_life"] = 90
    answer = ask().json()
    _, claims = read(answer["id_token"])
    assert answer["expires_in"] == 90
    assert 90 <= claims["exp"] - claims["iat"] <= 91


def test_the_archives_clock_stamps_the_tokens(bench):
    bench.knobs["clock_skew"] = 3600
    _, claims = read(ask().json()["id_token"])
    assert 3500 < claims["iat"] - time.time() < 3700


def test_a_captive_page_can_stand_in_place_of_the_endpoint(bench):
    bench.knobs["token_endpoint"] = "html"
    answer = ask()
    assert (answer.status_code, answer.headers["Content-Type"].split(";")[0]) == (200, "text/html")


def test_the_endpoint_can_redirect_to_the_login_page_or_elsewhere(bench):
    bench.knobs["token_endpoint"] = "redirect"
    assert ask().headers["Location"] == "https://www.eso.org/sso/login"
    bench.knobs["token_redirect"] = "https://elsewhere.example/"
    assert ask().headers["Location"] == "https://elsewhere.example/"


def test_the_endpoint_can_be_slow_and_still_answer(bench):
    bench.knobs.update(token_endpoint="slow", token_delay=30)
    with pytest.raises(requests.ReadTimeout):
        ask(timeout=0.2)
    bench.knobs["token_delay"] = 0.01
    assert ask().status_code == 200


def test_the_endpoint_can_break(bench):
    bench.knobs["token_endpoint"] = "broken"
    assert ask().status_code == 500
    assert bench.counters["token_requests"] == 1


def test_the_endpoint_can_answer_without_end(bench):
    bench.knobs["token_endpoint"] = "huge"
    with requests.get(TOKEN_URL, stream=True, timeout=20) as answer:
        size = 0
        for chunk in answer.iter_content(65536):
            size += len(chunk)
            if size > 4_000_000:
                break
    assert size > 4_000_000


def test_the_endpoint_can_forget_the_id_token(bench):
    bench.knobs["token_endpoint"] = "missing"
    assert sorted(ask().json()) == ["access_token", "expires_in", "scope", "token_type"]
    assert bench.counters["logins"] == 0


def test_the_endpoint_can_answer_with_broken_json(bench):
    bench.knobs["token_endpoint"] = "garbage"
    answer = ask()
    assert answer.status_code == 200
    with pytest.raises(requests.JSONDecodeError):
        answer.json()


def test_the_login_page_is_a_form_and_says_nothing_else(sandbox):
    answer = requests.get("https://www.eso.org/sso/login", params={"service": 'https://x/"><b>'}, timeout=20)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/html")
    assert 'name="execution"' in answer.text[:1024]
    assert '"><b>' not in answer.text
