"""Whose token it is, by its signature: only what the archive's own issuer has signed is believed."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from aiohttp import web
from joserfc import jwt
from joserfc.jwk import OctKey

import vo_auth
from vo_auth import Archive, Domain
from vo_auth.errors import IdentityUnknownError
from vo_auth.flows import AuthorizationCode, OAuthServer, PastedCookie, PastedToken
from vo_auth.sandbox import Bench, Sandbox, StandIn
from vo_auth.sandbox.tokens import TokenSigner
from vo_auth.testing import assert_no_secret

HOST, LOGIN, ELSEWHERE = "data.beta.example", "login.beta.example", "elsewhere.example"
ISSUER, URL = f"https://{LOGIN}/oidc", f"https://{HOST}/tap"
SERVER = OAuthServer(
    issuer=ISSUER,
    discovery=False,
    token_url=f"{ISSUER}/token",
    authorization_url=f"{ISSUER}/authorize",
    jwks_url=f"{ISSUER}/jwks",
)
BETA = Archive(
    name="beta",
    title="Archive Beta",
    domains=(Domain(f"https://{HOST}"),),
    flows=(AuthorizationCode(server=SERVER), PastedToken(), PastedCookie(cookie="beta")),
)


@dataclass(slots=True)
class Stage:
    """An archive that says nothing of its users, and an issuer."""

    environment: pytest.MonkeyPatch
    sandbox: Any = None
    signer: TokenSigner = field(default_factory=TokenSigner)
    keys: Any = None
    refuses: bool = False

    def app(self, _: Bench) -> web.Application:
        async def answer(request: web.Request) -> web.Response:
            if request.path == "/oidc/jwks":
                return web.json_response(self.signer.jwks() if self.keys is None else self.keys)
            return web.Response(status=401 if self.refuses else 200)

        application = web.Application()
        application.router.add_get("/{tail:.*}", answer)
        return application

    def hold(self, token: str) -> str:
        self.environment.setenv("VO_AUTH_BETA_TOKEN", token)
        return token

    def sign(self, signer: TokenSigner | None = None, **changes: Any) -> str:
        claims = {"iss": ISSUER, "sub": "5101", "aud": "beta", "iat": int(time.time()), "exp": int(time.time()) + 600}
        claims |= changes
        return self.hold(
            (signer or self.signer).sign({name: value for name, value in claims.items() if value is not None})
        )


@pytest.fixture
def archive() -> Archive:
    return BETA


@pytest.fixture
def stage(archive: Archive, install: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    install(archive)
    made = Stage(monkeypatch)
    standin = StandIn(archive="beta", hosts=(HOST, LOGIN, ELSEWHERE), credentials={}, app=made.app)
    with Sandbox(standins=[], extra=[standin]) as made.sandbox, made.sandbox.activated():
        yield made


@pytest.mark.parametrize("name", ["beta", URL])
def test_a_token_that_the_issuer_has_signed_tells_whose_it_is(stage: Stage, name: str) -> None:
    stage.sign()
    identity = vo_auth.whoami(name)
    assert identity is not None
    assert (identity.archive, identity.user) == ("beta", "5101")
    assert identity.expires is not None


def test_a_name_is_told_rather_than_a_number(stage: Stage) -> None:
    stage.sign(preferred_username="demo-observer", email="demo@beta.example")
    identity = vo_auth.whoami("beta")
    assert identity is not None
    assert identity.user == "demo-observer"


def test_the_keys_are_fetched_without_the_token(stage: Stage) -> None:
    token = stage.sign()
    vo_auth.whoami("beta")
    (asked,) = stage.sandbox.received.at(LOGIN)
    assert token not in repr(asked)


def refused(says: str, name: str = "beta") -> None:
    with pytest.raises(IdentityUnknownError, match=says) as caught:
        vo_auth.whoami(name, interactive=False)
    assert_no_secret([vo_auth.token(URL)], caught.value)


UNSIGNED = "does not bear a signature of its issuer's that holds now"


def test_a_token_of_another_key_tells_nothing(stage: Stage) -> None:
    stage.sign(TokenSigner(own_key=True))
    refused(UNSIGNED)


def test_a_token_with_changed_claims_tells_nothing(stage: Stage) -> None:
    head, _, signature = stage.sign().split(".")
    claims = {"iss": ISSUER, "sub": "admin", "iat": int(time.time()), "exp": int(time.time()) + 600}
    stage.hold(f"{head}.{_encoded(claims)}.{signature}")
    refused(UNSIGNED)


def test_a_token_without_a_signature_tells_nothing(stage: Stage) -> None:
    _, claims, _ = stage.sign().split(".")
    stage.hold(f"{_encoded({'alg': 'none', 'typ': 'JWT'})}.{claims}.x")
    refused(UNSIGNED)


def test_a_public_key_is_no_shared_secret(stage: Stage) -> None:
    secret = OctKey.import_key("an-obviously-fake-secret-of-enough-bytes-0123456789")
    stage.keys = {"keys": [dict(secret.as_dict(private=True))]}
    claims = {"iss": ISSUER, "sub": "5101", "exp": int(time.time()) + 600}
    stage.hold(jwt.encode({"alg": "HS256"}, claims, secret, ["HS256"]))
    refused(UNSIGNED)


@pytest.mark.parametrize("keys", [{}, [], {"keys": []}, {"keys": [{"kty": "fake"}]}, "keys", None])
def test_keys_that_are_none_verify_nothing(stage: Stage, keys: Any) -> None:
    stage.sign()
    stage.keys = keys if keys is not None else {"keys": None}
    refused(UNSIGNED)


def test_an_ended_token_tells_nothing(stage: Stage) -> None:
    from vo_auth.secret import Secret
    from vo_auth.verified import owner_of

    token = stage.sign(iat=1, exp=int(time.time()) - 5)
    with pytest.raises(ValueError, match=UNSIGNED):
        owner_of(Secret(token), BETA)


def test_a_token_without_an_end_tells_nothing(stage: Stage) -> None:
    stage.sign(exp=None)
    refused(UNSIGNED)


@pytest.mark.parametrize("issuer", [f"{ISSUER}/", f"https://{ELSEWHERE}/oidc", ISSUER.upper()])
def test_another_issuer_is_not_even_asked(stage: Stage, issuer: str) -> None:
    stage.sign(iss=issuer)
    refused("issuer is none that the archive's flows name")
    assert len(stage.sandbox.received) == 0


def test_a_token_that_names_nobody_tells_nothing(stage: Stage) -> None:
    stage.sign(sub=None)
    refused("names nobody")


def test_an_opaque_token_tells_nothing(stage: Stage) -> None:
    stage.hold("obviously-fake-opaque-token")
    refused("names no issuer")


def test_a_cookie_is_signed_by_nobody(stage: Stage) -> None:
    stage.environment.setenv("VO_AUTH_BETA_COOKIE", "beta=obviously-fake")
    with pytest.raises(IdentityUnknownError, match="the permit is a cookie, which nobody signed"):
        vo_auth.whoami("beta", interactive=False)


@pytest.mark.parametrize(
    "archive",
    [
        replace(BETA, flows=(AuthorizationCode(server=replace(SERVER, jwks_url="")), PastedToken())),
        replace(BETA, login_origins=(f"https://{ELSEWHERE}",)),
    ],
    ids=["none", "at no login origin"],
)
def test_without_the_issuers_keys_nothing_is_believed(stage: Stage) -> None:
    stage.sign()
    refused("issuer's keys")


def test_keys_that_cannot_be_had_are_said(stage: Stage) -> None:
    from vo_auth.sandbox.faults import Fault

    stage.sign()
    stage.sandbox.bench("beta").knobs["fail_on"] = [Fault(path_regex="/jwks", status=503, times=None)]
    refused("keys cannot be had: Archive Beta: https://login.beta.example answers")
    stage.sandbox.bench("beta").knobs["fail_on"] = [Fault(path_regex="/jwks", status=404, times=None)]
    refused("are not where they should be")


def test_where_the_service_refuses_the_permit_its_signature_changes_nothing(stage: Stage) -> None:
    stage.sign()
    stage.refuses = True
    with pytest.warns(vo_auth.VoAuthWarning), pytest.raises(IdentityUnknownError, match="refuses the permit"):
        vo_auth.whoami(URL, interactive=False)


def _encoded(claims: Mapping[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
