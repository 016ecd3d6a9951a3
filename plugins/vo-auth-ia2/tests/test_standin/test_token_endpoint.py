"""RAP for programs: client credentials as IA2 shows them, refresh, errors, keys; by requests, curl, authlib."""

from __future__ import annotations

import base64
import json
import subprocess
import time

import pytest
import requests
from authlib.integrations.requests_client import OAuth2Session
from joserfc import jwt
from joserfc.jwk import KeySet

from vo_auth.sandbox import Fault
from vo_auth_ia2.standin import STANDIN

from .conftest import JWKS_URL, NATIVE, REVOKE_URL, TAP_URL, TOKEN_URL, ask, basic, came_back, pkce, request_of

CREDENTIALS = {"grant_type": "client_credentials"}
SERVICES = ["https://archives.ia2.inaf.it/vo", "https://archives.ia2.inaf.it/files", "https://gms.ia2.inaf.it/gms"]
OBSERVER = STANDIN.credentials["observer"]


def claims_of(token):
    """The claims, verified by joserfc against the published keys."""
    keys = KeySet.import_key_set(requests.get(JWKS_URL, timeout=20).json())
    return jwt.decode(token, keys, algorithms=["RS256"]).claims


# ---------------------------------------------------------------- client credentials


def test_a_local_account_gets_a_token_as_the_archive_shows_it(http, bench):
    answer = ask(http, "observer", **CREDENTIALS)
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-store"
    told = answer.json()
    assert (told["token_type"], told["expires_in"]) == ("Bearer", 3600)
    assert "refresh_token" not in told
    assert "id_token" not in told
    assert (bench.counters["token_requests"], bench.counters["logins"]) == (1, 1)


def test_the_access_token_is_a_jwt_for_several_audiences_that_the_published_keys_verify(token):
    claims = claims_of(token())
    assert claims["iss"] == "https://sso.ia2.inaf.it/rap-ia2"
    assert (claims["sub"], claims["aud"]) == ("5101", SERVICES)
    assert claims["scope"] == "openid read:gms read:rap"
    assert claims["exp"] - claims["iat"] in (3600, 3601)
    assert "password" not in json.dumps(claims)


def test_curl_gets_a_token_with_user_and_password(sandbox, program):
    name, password = OBSERVER.values()
    command = [program("curl"), "-sS", "-u", f"{name}:{password}", "-d", "grant_type=client_credentials", TOKEN_URL]
    done = subprocess.run(command, env=sandbox.child_environ(), capture_output=True, check=True, timeout=30)
    assert claims_of(json.loads(done.stdout)["access_token"])["sub"] == "5101"


def test_a_service_client_authenticates_by_basic_or_in_the_form_or_both(http):
    client_id, secret = STANDIN.credentials["service"].values()
    form = {**CREDENTIALS, "client_id": client_id, "client_secret": secret}
    answers = [
        ask(http, "service", **CREDENTIALS),
        http.post(TOKEN_URL, data=form, timeout=20),
        ask(http, "service", **form),
    ]
    assert [claims_of(answer.json()["access_token"])["sub"] for answer in answers] == [client_id] * 3


def test_authlib_gets_a_token_for_a_service_client(sandbox):
    client_id, secret = STANDIN.credentials["service"].values()
    with OAuth2Session(client_id, secret, token_endpoint_auth_method="client_secret_basic") as client:
        told = client.fetch_token(TOKEN_URL, grant_type="client_credentials", scope="read:gms")
    assert claims_of(told["access_token"])["scope"] == "read:gms"


@pytest.mark.parametrize("way", ["basic", "form"])
def test_one_way_of_client_authentication_can_be_demanded(http, bench, way):
    bench.knobs["client_auth"] = way
    client_id, secret = STANDIN.credentials["service"].values()
    form = {**CREDENTIALS, "client_id": client_id, "client_secret": secret}
    answers = {
        "basic": ask(http, "service", **CREDENTIALS),
        "form": http.post(TOKEN_URL, data=form, timeout=20),
    }
    assert {name for name, answer in answers.items() if answer.status_code == 200} == {way}


def test_a_password_with_letters_beyond_ascii_is_read_as_utf_8(http):
    assert ask(http, "colleague", **CREDENTIALS).status_code == 200


def test_names_and_secrets_can_be_form_encoded_as_oauth_asks(http, bench):
    bench.knobs["basic_encoding"] = "form"
    assert ask(http, "observer", **CREDENTIALS).status_code == 401  # %41 and + stand for something else now
    encoded = tuple(requests.utils.quote(value, safe="") for value in OBSERVER.values())
    assert http.post(TOKEN_URL, data=CREDENTIALS, auth=encoded, timeout=20).status_code == 200


@pytest.mark.parametrize(
    "auth", [(OBSERVER["username"], "obviously-wrong"), ("nobody", OBSERVER["password"]), ("", ""), (NATIVE, "guess")]
)
def test_a_wrong_password_is_invalid_client_with_a_basic_challenge(http, bench, auth):
    answer = http.post(TOKEN_URL, data=CREDENTIALS, auth=auth, timeout=20)
    assert (answer.status_code, answer.json()) == (401, {"error": "invalid_client"})
    assert answer.headers["WWW-Authenticate"].startswith("Basic ")
    assert (bench.counters["rejected_logins"], bench.counters["logins"]) == (1, 0)


def test_what_a_wrong_password_gets_can_be_set_because_it_is_not_known(http, bench):
    bench.knobs["rejected_login"] = (400, "invalid_grant")
    answer = http.post(TOKEN_URL, data=CREDENTIALS, auth=("observer", "wrong"), timeout=20)
    assert (answer.status_code, answer.json()) == (400, {"error": "invalid_grant"})


def test_the_password_of_a_local_account_counts_in_basic_alone(http):
    form = {**CREDENTIALS, "client_id": OBSERVER["username"], "client_secret": OBSERVER["password"]}
    assert http.post(TOKEN_URL, data=form, timeout=20).status_code == 401


@pytest.mark.parametrize(
    ("form", "status", "error"),
    [
        ({}, 400, "invalid_request"),
        ({"grant_type": "password", "username": "observer"}, 400, "unsupported_grant_type"),
        ({"grant_type": "authorization_code", "code": "x"}, 400, "unauthorized_client"),
        ({**CREDENTIALS, "scope": "everything"}, 400, "invalid_scope"),
        ([("grant_type", "client_credentials"), ("grant_type", "client_credentials")], 400, "invalid_request"),
        ({**CREDENTIALS, "client_id": "another"}, 400, "invalid_request"),
    ],
)
def test_errors_are_those_of_oauth(http, form, status, error):
    answer = http.post(TOKEN_URL, data=form, auth=basic("service"), timeout=20)
    assert (answer.status_code, answer.json()) == (status, {"error": error})


def test_a_public_client_has_no_credentials_of_its_own(http):
    answer = http.post(TOKEN_URL, data={**CREDENTIALS, "client_id": NATIVE}, timeout=20)
    assert answer.json() == {"error": "unauthorized_client"}


def test_only_a_form_by_post_over_https_is_a_token_request(http, bench):
    assert http.post(TOKEN_URL, json=CREDENTIALS, auth=basic("observer"), timeout=20).status_code == 400
    assert http.get(TOKEN_URL, params=CREDENTIALS, auth=basic("observer"), timeout=20).status_code == 405
    query = {
        "params": CREDENTIALS,
        "auth": basic("observer"),
        "headers": {"Content-Type": "application/x-www-form-urlencoded"},
    }
    assert http.post(TOKEN_URL, **query, timeout=20).status_code == 400
    plain = http.post(TOKEN_URL.replace("https", "http"), data=CREDENTIALS, auth=basic("observer"), timeout=20)
    assert (plain.status_code, bench.counters["logins_on_http"]) == (403, 1)
    assert bench.counters["logins"] == 0


def test_the_endpoint_can_be_broken_and_slow(http, bench):
    bench.knobs["fail_on"] = [Fault(path_regex="oauth2/token", status=503, headers={"Retry-After": "7"})]
    answer = ask(http, "observer", **CREDENTIALS)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "7")
    assert ask(http, "observer", **CREDENTIALS).status_code == 200


# ---------------------------------------------------------------- audiences


def test_the_audiences_of_new_tokens_can_be_set(token, bench):
    bench.knobs["audiences"] = SERVICES[0]
    assert claims_of(token())["aud"] == SERVICES[0]
    bench.knobs["audiences"] = SERVICES[1:]
    assert claims_of(token())["aud"] == SERVICES[1:]


def test_resource_is_ignored_unless_the_server_listens(token, bench):
    assert claims_of(token(resource=SERVICES[1]))["aud"] == SERVICES
    bench.knobs["resource_parameter"] = "resource"
    assert claims_of(token(resource=SERVICES[1]))["aud"] == SERVICES[1:2]
    assert claims_of(token(audience=SERVICES[1]))["aud"] == SERVICES
    bench.knobs["resource_parameter"] = "audience"
    assert claims_of(token(audience=SERVICES[2]))["aud"] == SERVICES[2:]


def test_an_unknown_resource_is_an_invalid_target(http, bench):
    bench.knobs["resource_parameter"] = "resource"
    answer = ask(http, "observer", **CREDENTIALS, resource="https://elsewhere.example.org")
    assert (answer.status_code, answer.json()) == (400, {"error": "invalid_target"})


# ---------------------------------------------------------------- refresh


@pytest.fixture
def logged_in(http, person):
    """An answer of the token endpoint to a code, with its refresh token."""
    verifier, challenge = pkce()
    url = request_of(code_challenge=challenge, code_challenge_method="S256", nonce="obviously-fake-nonce")
    code = came_back(person.authorize(url))["code"]
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": "http://127.0.0.1:49152/callback"}
    return ask(http, None, **form, client_id=NATIVE, code_verifier=verifier).json()


def refresh(http, token, **form):
    values = {"grant_type": "refresh_token", "refresh_token": token, "client_id": NATIVE, **form}
    return http.post(TOKEN_URL, data=values, timeout=20)


def test_the_id_token_is_for_the_client_and_no_permit(http, logged_in):
    claims = claims_of(logged_in["id_token"])
    assert (claims["aud"], claims["sub"], claims["nonce"]) == (NATIVE, "5101", "obviously-fake-nonce")
    answer = http.get(f"{TAP_URL}/tables", headers={"Authorization": f"Bearer {logged_in['id_token']}"}, timeout=20)
    assert answer.status_code == 401


def test_a_refresh_token_gives_new_tokens_and_is_repeated(http, bench, logged_in):
    answers = [refresh(http, logged_in["refresh_token"]).json() for _ in range(2)]
    assert {answer["refresh_token"] for answer in answers} == {logged_in["refresh_token"]}
    assert len({answer["access_token"] for answer in [*answers, logged_in]}) == 3
    assert (bench.counters["refreshes"], bench.counters["logins"]) == (2, 1)


def test_authlib_refreshes_with_rotation(bench, logged_in):
    bench.knobs["refresh_rotation"] = True
    with OAuth2Session(NATIVE, token_endpoint_auth_method="none", token=logged_in) as client:
        first = client.refresh_token(TOKEN_URL)
        second = client.refresh_token(TOKEN_URL)
    assert len({logged_in["refresh_token"], first["refresh_token"], second["refresh_token"]}) == 3
    assert bench.counters["reuse_detected"] == 0


def test_the_reuse_of_a_rotated_refresh_token_revokes_the_whole_login(http, bench, logged_in):
    bench.knobs["refresh_rotation"] = True
    newer = refresh(http, logged_in["refresh_token"]).json()["refresh_token"]
    again = refresh(http, logged_in["refresh_token"])
    assert (again.status_code, again.json()) == (400, {"error": "invalid_grant"})
    assert refresh(http, newer).json() == {"error": "invalid_grant"}
    assert bench.counters["reuse_detected"] == 1


def test_a_refresh_token_ends_and_belongs_to_its_client(http, bench, logged_in):
    token = logged_in["refresh_token"]
    assert ask(http, "service", grant_type="refresh_token", refresh_token=token).json()["error"] != ""
    viewer = ("vo-auth-demo-viewer", "obviously-fake-ia2-viewer")
    form = {"grant_type": "refresh_token", "refresh_token": token}
    assert http.post(TOKEN_URL, data=form, auth=viewer, timeout=20).json() == {"error": "invalid_grant"}
    assert refresh(http, token).status_code == 200
    bench.knobs["clock_skew"] = 86_500
    assert refresh(http, token).json() == {"error": "invalid_grant"}


def test_a_refresh_can_narrow_the_scopes_and_never_widen_them(http, logged_in):
    narrow = refresh(http, logged_in["refresh_token"], scope="read:gms").json()
    assert claims_of(narrow["access_token"])["scope"] == "read:gms"
    wide = refresh(http, logged_in["refresh_token"], scope="read:gms everything")
    assert wide.json() == {"error": "invalid_scope"}


def test_refresh_tokens_can_be_withheld_or_given_for_client_credentials_too(http, bench):
    bench.knobs["issue_refresh"] = "always"
    token = ask(http, "observer", **CREDENTIALS).json()["refresh_token"]
    again = ask(http, "observer", grant_type="refresh_token", refresh_token=token).json()
    assert claims_of(again["access_token"])["sub"] == "5101"


def test_revocation_and_discovery_are_not_there_unless_they_are_switched_on(http, bench, logged_in):
    form = {"token": logged_in["refresh_token"], "client_id": NATIVE}
    discovery = "https://sso.ia2.inaf.it/rap-ia2/.well-known/openid-configuration"
    assert http.post(REVOKE_URL, data=form, timeout=20).status_code == 404
    assert http.get(discovery, timeout=20).status_code == 404
    bench.knobs.update(revocation=True, discovery=True)
    told = http.get(discovery, timeout=20).json()
    assert (told["token_endpoint"], told["revocation_endpoint"], told["jwks_uri"]) == (TOKEN_URL, REVOKE_URL, JWKS_URL)
    assert http.get("https://sso.ia2.inaf.it/.well-known/oauth-authorization-server/rap-ia2", timeout=20).json() == told
    assert http.post(REVOKE_URL, data=form, timeout=20).status_code == 200
    assert refresh(http, logged_in["refresh_token"]).json() == {"error": "invalid_grant"}
    access = {"Authorization": f"Bearer {logged_in['access_token']}"}
    assert http.get(f"{TAP_URL}/tables", headers=access, timeout=20).status_code == 200
    assert http.post(REVOKE_URL, data={**form, "token": logged_in["access_token"]}, timeout=20).status_code == 200
    assert http.get(f"{TAP_URL}/tables", headers=access, timeout=20).status_code == 401


# ---------------------------------------------------------------- time and keys


def test_a_token_lives_as_long_as_the_answer_says(http, bench, token):
    bench.knobs["token_life"] = 60
    answer = ask(http, "observer", **CREDENTIALS).json()
    assert answer["expires_in"] == 60
    assert claims_of(answer["access_token"])["exp"] - time.time() <= 61
    header = {"Authorization": f"Bearer {answer['access_token']}"}
    assert http.get(f"{TAP_URL}/tables", headers=header, timeout=20).status_code == 200
    bench.knobs["clock_skew"] = 62
    assert http.get(f"{TAP_URL}/tables", headers=header, timeout=20).status_code == 401


def test_a_new_signing_key_ends_all_older_tokens(http, bench, bearer):
    old = bearer()
    bench.knobs["signing_key"] = "second"
    assert [http.get(f"{TAP_URL}/tables", headers=one, timeout=20).status_code for one in (old, bearer())] == [401, 200]


def test_a_token_of_another_issuer_or_changed_by_hand_counts_nowhere(http, bench, token):
    bench.knobs["issuer"] = "sso.example.org"
    foreign = token()
    del bench.knobs["issuer"]
    head, body, signature = token().split(".")
    claims = json.loads(base64.urlsafe_b64decode(body + "=="))
    forged = base64.urlsafe_b64encode(json.dumps({**claims, "sub": "5102"}).encode()).rstrip(b"=").decode()
    for bad in (foreign, f"{head}.{forged}.{signature}", "not.a.token", "opaque"):
        header = {"Authorization": f"Bearer {bad}"}
        assert http.get(f"{TAP_URL}/tables", headers=header, timeout=20).status_code == 401
