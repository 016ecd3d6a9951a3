"""The client credentials grant: a service's own name and secret."""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import Any

import pytest
from authority import Authority, as_json

from vo_auth.errors import CredentialsRejectedError, LoginAnswerError, LoginUnreachableError, UnusableCredentialsError
from vo_auth.flows import ClientCredentials, OAuthServer
from vo_auth.permit import BearerPermit

SERVICE = {"client_id": "service", "client_secret": "service-fake"}


@pytest.fixture
def flow(authority: Authority) -> ClientCredentials:
    return ClientCredentials(server=OAuthServer(token_url=f"{authority.url}/token"), scope="tap files")


def basic(authority: Authority) -> bytes:
    scheme, _, pair = authority.last("/token").headers["Authorization"].partition(" ")
    assert scheme == "Basic"
    return base64.b64decode(pair)


def test_a_login_is_one_request_of_the_documented_form(
    flow: ClientCredentials, authority: Authority, bench: Any
) -> None:
    grant = bench.login(flow, **SERVICE)
    (asked,) = authority.asked
    assert asked.form == {"grant_type": "client_credentials", "scope": "tap files"}
    assert asked.query == {}
    assert basic(authority) == b"service:service-fake"
    assert isinstance(grant.permit, BearerPermit)
    assert (grant.identity, grant.client_id, grant.scopes, grant.life, grant.refresh) == (
        "service",
        "service",
        ("tap", "files"),
        600,
        None,
    )


def test_user_name_and_password_can_be_the_pair(flow: ClientCredentials, authority: Authority, bench: Any) -> None:
    authority.clients["pi@example.org"] = "pass word+ü%"
    flow = replace(flow, asks=("username", "password"), client_auth="plain basic")
    authority.override["/token"] = lambda asked: as_json({"access_token": "access-fake", "token_type": "Bearer"})
    bench.login(flow, username="pi@example.org", password="pass word+ü%")
    assert basic(authority) == "pi@example.org:pass word+ü%".encode()
    assert "password" not in authority.last("/token").form


@pytest.mark.parametrize("secret", ["service-fake", "a b+c:d%ü&=", "ü§🔭"])
def test_the_pair_is_form_encoded_as_the_standard_says(
    secret: str, flow: ClientCredentials, authority: Authority, bench: Any
) -> None:
    authority.clients["odd:name"] = secret
    assert bench.login(flow, client_id="odd:name", client_secret=secret).identity == "odd:name"


def test_the_pair_can_travel_in_the_form(flow: ClientCredentials, authority: Authority, bench: Any) -> None:
    bench.login(replace(flow, client_auth="post"), **SERVICE)
    asked = authority.last("/token")
    assert asked.form.items() >= SERVICE.items()
    assert "Authorization" not in asked.headers


def test_a_name_with_a_colon_is_not_sent_plainly(flow: ClientCredentials, authority: Authority, bench: Any) -> None:
    with pytest.raises(UnusableCredentialsError, match="colon"):
        bench.login(replace(flow, client_auth="plain basic"), client_id="a:b", client_secret="secret-fake")
    assert authority.asked == []


@pytest.mark.parametrize("given", [{}, {"client_id": "service"}, {"client_secret": "x"}, SERVICE | {"client_id": ""}])
def test_half_a_pair_is_not_sent(
    given: dict[str, str],
    flow: ClientCredentials,
    authority: Authority,
    bench: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("VO_AUTH_EXAMPLE_CLIENT_SECRET", "other-fake")  # of another source, never joined
    with pytest.raises(UnusableCredentialsError, match="client id and client secret must not be empty"):
        bench.login(flow, **given)
    assert authority.asked == []


@pytest.mark.parametrize("parameter", ["resource", "audience", ""])
def test_the_service_that_the_permit_is_for_is_named(
    parameter: str, flow: ClientCredentials, authority: Authority, bench: Any
) -> None:
    flow = replace(flow, resource_parameter=parameter)
    flow.login(bench.context(flow, resource="https://archive.example.org/tap", **SERVICE))
    form = authority.last("/token").form
    assert form.get(parameter) == ("https://archive.example.org/tap" if parameter else None)
    assert len(form) == (3 if parameter else 2)


def test_a_wrong_secret_is_rejected_and_sent_once(flow: ClientCredentials, authority: Authority, bench: Any) -> None:
    with pytest.raises(CredentialsRejectedError, match="did not accept the client id and client secret"):
        bench.login(flow, client_id="service", client_secret="wrong-fake")
    assert len(authority.asked) == 1


@pytest.mark.parametrize(
    ("status", "error", "kind"),
    [
        (400, "unauthorized_client", CredentialsRejectedError),
        (401, "", CredentialsRejectedError),
        (400, "invalid_scope", LoginAnswerError),
        (400, "invalid_target", LoginAnswerError),
        (400, "unsupported_grant_type", LoginAnswerError),
        (503, "", LoginUnreachableError),
    ],
)
def test_other_answers_are_errors_of_their_kind(
    status: int, error: str, kind: type[Exception], flow: ClientCredentials, authority: Authority, bench: Any
) -> None:
    authority.override["/token"] = lambda asked: as_json({"error": error}, status) if error else (status, {}, b"")
    with pytest.raises(kind) as caught:
        bench.login(flow, **SERVICE)
    assert type(caught.value) is kind
    if kind is LoginAnswerError:
        assert error in str(caught.value)


def test_a_refresh_token_is_not_kept_because_the_credentials_renew(
    flow: ClientCredentials, authority: Authority, bench: Any
) -> None:
    authority.token = lambda token: token | {"refresh_token": "refresh-fake"}
    grant = bench.login(flow, **SERVICE)
    assert grant.refresh is None
    assert flow.renew(bench.context(flow), grant) is None
    assert len(authority.asked) == 1


def test_a_permit_is_revoked_with_the_secret_of_its_own_client(
    flow: ClientCredentials, authority: Authority, bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    flow = replace(flow, server=replace(flow.server, revocation_url=f"{authority.url}/revoke"))
    grant = bench.login(flow, **SERVICE)
    assert not flow.revoke(bench.context(flow), grant)
    monkeypatch.setenv("VO_AUTH_EXAMPLE_CLIENT_ID", "another")
    monkeypatch.setenv("VO_AUTH_EXAMPLE_CLIENT_SECRET", "service-fake")
    assert not flow.revoke(bench.context(flow), grant)
    monkeypatch.setenv("VO_AUTH_EXAMPLE_CLIENT_ID", "service")
    assert flow.revoke(bench.context(flow), grant)
    assert authority.revoked == [f"access_token {grant.permit.token.reveal()}"]
