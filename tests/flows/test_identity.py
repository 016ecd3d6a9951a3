"""An identity token names somebody only when every check holds (OpenID Connect Core 1.0, 3.1.3.7)."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest
from authority import KEY, Authority, Visitor, as_json
from joserfc.jwk import OctKey, RSAKey

from vo_auth.errors import LoginAnswerError, LoginUnreachableError
from vo_auth.flows import AuthorizationCode, OAuthServer

Claims = dict[str, Any]


@pytest.fixture
def flow(authority: Authority) -> AuthorizationCode:
    return AuthorizationCode(server=OAuthServer(issuer=authority.issuer), client_id="native", scope="openid")


def log_in(flow: AuthorizationCode, bench: Any) -> str:
    return str(flow.login(bench.context(flow, person=Visitor(pastes=True))).identity)


def without(*names: str) -> Callable[[Claims], Claims]:
    return lambda claims: {name: value for name, value in claims.items() if name not in names}


@pytest.mark.parametrize(
    ("change", "name"),
    [
        (lambda claims: claims, "pi"),
        (lambda claims: without("preferred_username")(claims) | {"email": "pi@example.org"}, "pi@example.org"),
        (without("preferred_username"), "42"),
        (lambda claims: claims | {"preferred_username": "p\x1b[2Ji\u202e"}, "pi"),
        (lambda claims: claims | {"preferred_username": ["pi"]}, "42"),
        (lambda claims: claims | {"aud": ["native", "tap"], "azp": "native"}, "pi"),
        (lambda claims: claims | {"aud": ["native"]}, "pi"),
        (lambda claims: claims | {"iat": time.time() + 60}, "pi"),
    ],
)
def test_the_name_is_the_one_that_people_know(
    change: Callable[[Claims], Claims], name: str, flow: AuthorizationCode, authority: Authority, bench: Any
) -> None:
    authority.claims = change
    assert log_in(flow, bench) == name


WRONG: dict[str, Callable[[Claims], Claims]] = {
    "another issuer": lambda claims: claims | {"iss": claims["iss"] + "/"},
    "no issuer": without("iss"),
    "another audience": lambda claims: claims | {"aud": "another"},
    "no audience": without("aud"),
    "several audiences and nobody named": lambda claims: claims | {"aud": ["native", "another"]},
    "made for another": lambda claims: claims | {"azp": "another"},
    "another nonce": lambda claims: claims | {"nonce": "x" * 43},
    "no nonce": without("nonce"),
    "ended": lambda claims: claims | {"exp": time.time() - 600},
    "without an end": without("exp"),
    "from the future": lambda claims: claims | {"iat": time.time() + 6000},
    "of nobody": without("sub"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_claim_that_does_not_hold_ends_the_login(
    case: str, flow: AuthorizationCode, authority: Authority, bench: Any
) -> None:
    authority.claims = WRONG[case]
    with pytest.raises(LoginAnswerError, match="does not hold"):
        log_in(flow, bench)


def part(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def forged(token: Mapping[str, Any], header: Mapping[str, str], signature: str = "") -> dict[str, Any]:
    return {**token, "id_token": f"{part(header)}.{token['id_token'].split('.')[1]}.{signature}"}


def test_a_signature_of_another_key_ends_the_login(flow: AuthorizationCode, authority: Authority, bench: Any) -> None:
    authority.key = RSAKey.generate_key(2048, parameters={"kid": "one"}, private=True)
    with pytest.raises(LoginAnswerError, match="its signature is wrong"):
        log_in(flow, bench)


def test_a_token_without_a_signature_ends_the_login(flow: AuthorizationCode, authority: Authority, bench: Any) -> None:
    authority.token = lambda token: forged(token, {"alg": "none"})
    with pytest.raises(LoginAnswerError, match="in a way that is not taken"):
        log_in(flow, bench)


def test_the_public_key_does_not_serve_as_a_shared_secret(
    flow: AuthorizationCode, authority: Authority, bench: Any
) -> None:
    authority.algorithm = "HS256"
    authority.key = OctKey.import_key(json.dumps(KEY.as_dict(private=False)))
    with pytest.raises(LoginAnswerError, match="in a way that is not taken"):
        log_in(flow, bench)


@pytest.mark.parametrize("keys", [{}, {"keys": []}, {"keys": "x"}, [], "keys", None, {"keys": [{"kty": "RSA"}]}])
def test_keys_that_cannot_be_read_end_the_login(
    keys: object, flow: AuthorizationCode, authority: Authority, bench: Any
) -> None:
    authority.override["/jwks"] = lambda asked: as_json(keys)
    with pytest.raises(LoginAnswerError, match="does not hold"):
        log_in(flow, bench)


def test_keys_that_cannot_be_had_end_the_login(flow: AuthorizationCode, authority: Authority, bench: Any) -> None:
    authority.override["/jwks"] = lambda asked: (503, {}, b"")
    with pytest.raises(LoginUnreachableError):
        log_in(flow, bench)


def test_without_keys_nobody_is_named(flow: AuthorizationCode, authority: Authority, bench: Any) -> None:
    del authority.document["jwks_uri"]
    authority.key = RSAKey.generate_key(2048, parameters={"kid": "one"}, private=True)
    assert log_in(flow, bench) == ""


def test_a_login_that_does_not_ask_for_it_reads_no_identity(
    flow: AuthorizationCode, authority: Authority, bench: Any
) -> None:
    flow = replace(flow, scope="tap")
    authority.token = lambda token: token | {"id_token": "no.token.at all"}
    assert log_in(flow, bench) == ""
    assert "/jwks" not in authority.paths()
    assert "nonce" not in authority.last("/authorize").query
