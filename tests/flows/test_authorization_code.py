"""The login in a browser, against a server that checks every parameter."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from authority import Authority, Seen, Visitor, as_json, fetch

from vo_auth import Secret
from vo_auth.errors import (
    CredentialsNotFoundError,
    LoginAnswerError,
    LoginUnreachableError,
    PromptCancelledError,
    VoAuthError,
)
from vo_auth.flows import AuthorizationCode, Endpoints, OAuthServer
from vo_auth.permit import BearerPermit

Changes = Callable[[dict[str, str]], dict[str, str]]


@pytest.fixture
def flow(authority: Authority) -> AuthorizationCode:
    return AuthorizationCode(server=OAuthServer(issuer=authority.issuer), client_id="native", scope="tap openid")


def asked_page(visitor: Visitor) -> dict[str, str]:
    pairs = parse_qsl(urlsplit(visitor.visited[-1]).query, strict_parsing=True)
    assert len(dict(pairs)) == len(pairs)
    return dict(pairs)


# ---------------------------------------------------------------- what is asked


def test_the_code_of_a_login_becomes_a_permit_with_its_owner_and_its_end(
    flow: AuthorizationCode, authority: Authority, visitor: Visitor, bench: Any
) -> None:
    grant = flow.login(bench.context(flow, person=visitor))
    (refresh,) = authority.refresh
    assert isinstance(grant.permit, BearerPermit)
    assert grant.permit.token.reveal().startswith("access-fake")
    assert grant.refresh == Secret(refresh)
    assert (grant.identity, grant.issuer, grant.client_id, grant.scopes, grant.life) == (
        "pi",
        authority.issuer,
        "native",
        ("tap", "openid"),
        600,
    )
    assert authority.paths() == ["/as/.well-known/openid-configuration", "/authorize", "/token", "/jwks"]


def test_the_page_is_asked_with_a_challenge_a_state_and_a_nonce_that_are_new_each_time(
    flow: AuthorizationCode, authority: Authority, visitor: Visitor, bench: Any
) -> None:
    pages = []
    for _ in range(2):
        flow.login(bench.context(flow, person=visitor))
        page = asked_page(visitor)
        digest = hashlib.sha256(authority.last("/token").form["code_verifier"].encode()).digest()
        assert page["code_challenge"] == base64.urlsafe_b64encode(digest).decode().rstrip("=")
        assert page["code_challenge_method"] == "S256"
        assert (page["client_id"], page["scope"], page["response_type"]) == ("native", "tap openid", "code")
        pages.append(page)
    for name in ("state", "nonce", "code_challenge", "redirect_uri"):
        assert pages[0][name] != pages[1][name], name
        assert len(pages[0][name]) >= 43


def test_the_browser_is_sent_to_a_path_of_this_archive_that_nobody_can_guess(
    flow: AuthorizationCode, visitor: Visitor, bench: Any
) -> None:
    flow.login(bench.context(flow, person=visitor))
    where = asked_page(visitor)["redirect_uri"]
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/example/[\w-]{22}", where)


def test_a_registered_port_and_path_are_used_as_they_are(
    flow: AuthorizationCode, visitor: Visitor, bench: Any, free_port: int
) -> None:
    flow = replace(flow, redirect_port=free_port, redirect_path="/callback/here")
    flow.login(bench.context(flow, person=visitor))
    assert asked_page(visitor)["redirect_uri"] == f"http://127.0.0.1:{free_port}/callback/here"


@pytest.mark.parametrize("parameter", ["resource", "audience"])
def test_the_service_that_the_permit_is_for_is_named_in_both_requests(
    parameter: str, flow: AuthorizationCode, authority: Authority, visitor: Visitor, bench: Any
) -> None:
    flow = replace(flow, resource_parameter=parameter)
    flow.login(bench.context(flow, person=visitor, resource="https://archive.example.org/tap"))
    assert asked_page(visitor)[parameter] == "https://archive.example.org/tap"
    assert authority.last("/token").form[parameter] == "https://archive.example.org/tap"


def test_a_confidential_client_shows_its_secret_to_the_token_endpoint_alone(
    flow: AuthorizationCode, authority: Authority, visitor: Visitor, bench: Any
) -> None:
    flow = replace(flow, client_id="confidential")
    flow.login(bench.context(flow, person=visitor, client_secret="confidential-fake"))
    assert "confidential-fake" not in visitor.visited[0]
    assert authority.last("/token").headers["Authorization"].startswith("Basic ")
    assert "client_secret" not in authority.last("/token").form


def test_without_a_person_nothing_is_asked_of_the_server(
    flow: AuthorizationCode, authority: Authority, bench: Any
) -> None:
    with pytest.raises(CredentialsNotFoundError, match="vo-auth login example"):
        flow.login(bench.context(flow))
    assert authority.asked == []


def test_a_person_is_not_bothered_when_the_token_endpoint_is_not_known(
    authority: Authority, visitor: Visitor, bench: Any
) -> None:
    del authority.document["token_endpoint"]
    flow = AuthorizationCode(server=OAuthServer(issuer=authority.issuer), client_id="native")
    with pytest.raises(LoginAnswerError, match="token_url"):
        flow.login(bench.context(flow, person=visitor))
    assert visitor.visited == []


# ---------------------------------------------------------------- what comes back


def test_a_pasted_address_does_as_well(flow: AuthorizationCode, bench: Any) -> None:
    grant = flow.login(bench.context(flow, person=Visitor(pastes=True)))
    assert grant.identity == "pi"


def without(name: str) -> Changes:
    return lambda query: {key: value for key, value in query.items() if key != name}


BAD: dict[str, tuple[type[VoAuthError], Changes]] = {
    "another state": (LoginAnswerError, lambda query: query | {"state": "x" * 43}),
    "no state": (LoginAnswerError, without("state")),
    "another issuer": (LoginAnswerError, lambda query: query | {"iss": "https://evil.example.org"}),
    "a slash more in the issuer": (LoginAnswerError, lambda query: query | {"iss": query["iss"] + "/"}),
    "no issuer": (LoginAnswerError, without("iss")),
    "no code": (LoginAnswerError, without("code")),
    "a foreign code": (LoginAnswerError, lambda query: query | {"code": "foreign-fake"}),
    "declined": (PromptCancelledError, lambda query: without("code")(query) | {"error": "access_denied"}),
    "an error": (LoginAnswerError, lambda query: without("code")(query) | {"error": "invalid_scope"}),
    "an error in other words": (LoginAnswerError, lambda query: without("code")(query) | {"error": "\x1b[31mno"}),
}


@pytest.mark.parametrize("case", BAD)
def test_what_does_not_answer_this_login_is_not_used(
    case: str, flow: AuthorizationCode, authority: Authority, bench: Any
) -> None:
    kind, authority.redirect = BAD[case]
    with pytest.raises(VoAuthError) as caught:
        flow.login(bench.context(flow, person=Visitor(pastes=True)))
    assert type(caught.value) is kind
    assert str(caught.value).startswith(("An Example Archive", "The login to An Example Archive"))
    assert "\x1b" not in str(caught.value)
    assert authority.paths().count("/token") == (case == "a foreign code")


@pytest.mark.parametrize("doubled", ["code", "state", "iss"])
def test_what_is_said_twice_is_not_believed(
    doubled: str, flow: AuthorizationCode, authority: Authority, bench: Any
) -> None:
    person = Visitor(pastes=True, sent=lambda url: f"{url}&{doubled}=again")
    with pytest.raises(LoginAnswerError, match="twice"):
        flow.login(bench.context(flow, person=person))
    assert "/token" not in authority.paths()


@pytest.mark.parametrize(
    "elsewhere", [lambda url: url.replace("127.0.0.1", "127.0.0.2"), lambda url: url.replace("/example/", "/other/")]
)
def test_an_address_that_this_login_does_not_end_at_is_not_used(
    elsewhere: Callable[[str], str], flow: AuthorizationCode, authority: Authority, bench: Any
) -> None:
    with pytest.raises(LoginAnswerError, match="another login"):
        flow.login(bench.context(flow, person=Visitor(pastes=True, sent=elsewhere)))
    assert "/token" not in authority.paths()


def test_a_server_that_does_not_promise_its_name_need_not_say_it(
    flow: AuthorizationCode, authority: Authority, bench: Any
) -> None:
    del authority.document["authorization_response_iss_parameter_supported"]
    authority.redirect = without("iss")
    assert flow.login(bench.context(flow, person=Visitor(pastes=True))).identity == "pi"


def test_trouble_at_the_token_endpoint_is_not_the_persons_fault(
    flow: AuthorizationCode, authority: Authority, visitor: Visitor, bench: Any
) -> None:
    authority.override["/token"] = lambda asked: (503, {"Retry-After": "7"}, b"")
    with pytest.raises(LoginUnreachableError) as caught:
        flow.login(bench.context(flow, person=visitor))
    assert caught.value.retry_after == 7
    assert "did not work" in visitor.last.body


@pytest.mark.parametrize("error", ["invalid_grant", "invalid_client", "unauthorized_client"])
def test_a_refused_code_says_nothing_about_credentials(
    error: str, flow: AuthorizationCode, authority: Authority, visitor: Visitor, bench: Any
) -> None:
    authority.override["/token"] = lambda asked: as_json({"error": error}, 400)
    with pytest.raises(LoginAnswerError, match=error):
        flow.login(bench.context(flow, person=visitor))


# ---------------------------------------------------------------- what the browser shows


def secrets_of(visitor: Visitor, authority: Authority) -> list[str]:
    token = authority.last("/token").form
    return [token["code"], token["code_verifier"], asked_page(visitor)["state"], asked_page(visitor)["nonce"]]


def test_the_browser_ends_at_a_page_that_says_where_one_is_logged_in_and_holds_no_secret(
    flow: AuthorizationCode, authority: Authority, visitor: Visitor, bench: Any
) -> None:
    grant = flow.login(bench.context(flow, person=visitor))
    page = visitor.last
    assert page.status == 200
    assert "You are logged in to An Example Archive" in page.body
    assert "close this window" in page.body
    assert isinstance(grant.permit, BearerPermit)
    for secret in [*secrets_of(visitor, authority), grant.permit.token.reveal()]:
        assert secret not in page.body + page.url + str(page.headers)


def test_the_browser_is_told_when_the_login_did_not_work(
    flow: AuthorizationCode, authority: Authority, visitor: Visitor, bench: Any
) -> None:
    authority.redirect = lambda query: without("code")(query) | {"error": "access_denied"}
    with pytest.raises(PromptCancelledError):
        flow.login(bench.context(flow, person=visitor))
    assert visitor.last.status == 200
    assert "did not work" in visitor.last.body
    assert "logged in" not in visitor.last.body


@pytest.mark.parametrize("fails", [None, KeyboardInterrupt, PromptCancelledError, RuntimeError])
def test_nobody_listens_after_a_login_however_it_ends(
    fails: type[BaseException] | None, flow: AuthorizationCode, bench: Any
) -> None:
    where: list[str] = []

    class Person(Visitor):
        def visit(self, url: str, **arguments: Any) -> str:
            where.append(dict(parse_qsl(urlsplit(url).query))["redirect_uri"])
            assert fetch(where[0]).status == 400
            if fails:
                raise fails
            return super().visit(url, **arguments)

    if fails is None:
        flow.login(bench.context(flow, person=Person()))
    else:
        with pytest.raises(fails):
            flow.login(bench.context(flow, person=Person()))
    with pytest.raises(ConnectionRefusedError):
        fetch(where[0])


# ---------------------------------------------------------------- renewal and revocation


def test_a_permit_is_renewed_without_a_person_and_each_refresh_token_is_used_once(
    flow: AuthorizationCode, authority: Authority, visitor: Visitor, bench: Any
) -> None:
    grant = flow.login(bench.context(flow, person=visitor))
    for _ in range(2):
        renewed = flow.renew(bench.context(flow), grant)
        assert renewed is not None
        assert renewed.refresh != grant.refresh
        assert renewed.permit != grant.permit
        assert (renewed.identity, renewed.client_id, renewed.scopes) == ("pi", "native", ("tap", "openid"))
        grant = renewed
    assert len(visitor.visited) == 1


def test_a_refresh_token_that_was_used_before_means_a_login(
    flow: AuthorizationCode, visitor: Visitor, bench: Any
) -> None:
    grant = flow.login(bench.context(flow, person=visitor))
    assert flow.renew(bench.context(flow), grant) is not None
    assert flow.renew(bench.context(flow), grant) is None


def test_a_confidential_client_renews_with_its_secret_from_the_environment(
    flow: AuthorizationCode, visitor: Visitor, bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    flow = replace(flow, client_id="")
    given = {"client_id": "confidential", "client_secret": "confidential-fake"}
    grant = flow.login(bench.context(flow, person=visitor, **given))
    with pytest.raises(LoginAnswerError, match="confidential"):
        flow.renew(bench.context(flow), grant)
    for name, value in given.items():
        monkeypatch.setenv(f"VO_AUTH_EXAMPLE_{name.upper()}", value)
    renewed = flow.renew(bench.context(flow), grant)
    assert renewed is not None
    assert renewed.client_id == "confidential"


def test_a_refresh_token_of_another_server_goes_nowhere(
    flow: AuthorizationCode, authority: Authority, visitor: Visitor, bench: Any
) -> None:
    grant = flow.login(bench.context(flow, person=visitor))
    asked = len(authority.asked)
    other = replace(grant, issuer="https://former.example.org")
    assert flow.renew(bench.context(flow), other) is None
    assert not flow.revoke(bench.context(flow), other)
    assert len(authority.asked) == asked


def test_logging_out_revokes_the_refresh_token(
    flow: AuthorizationCode, authority: Authority, visitor: Visitor, bench: Any
) -> None:
    grant = flow.login(bench.context(flow, person=visitor))
    assert flow.revoke(bench.context(flow), grant)
    assert grant.refresh
    assert authority.revoked == [f"refresh_token {grant.refresh.reveal()}"]


def test_logging_out_revokes_the_permit_where_there_is_no_refresh_token_or_it_is_not_revoked(
    flow: AuthorizationCode, authority: Authority, visitor: Visitor, bench: Any
) -> None:
    grant = flow.login(bench.context(flow, person=visitor))
    assert isinstance(grant.permit, BearerPermit)
    assert flow.revoke(bench.context(flow), replace(grant, refresh=None))
    assert authority.revoked == [f"access_token {grant.permit.token.reveal()}"]
    refuse = as_json({"error": "unsupported_token_type"}, 400)
    authority.override["/revoke"] = lambda asked: (
        refuse if asked.form["token_type_hint"] == "refresh_token" else (200, {}, b"")
    )
    assert flow.revoke(bench.context(flow), grant)


def test_a_server_without_revocation_says_so(
    flow: AuthorizationCode, authority: Authority, visitor: Visitor, bench: Any
) -> None:
    del authority.document["revocation_endpoint"]
    grant = flow.login(bench.context(flow, person=visitor))
    assert not flow.revoke(bench.context(flow), grant)


# ---------------------------------------------------------------- the record


@pytest.mark.parametrize(
    "wrong",
    [
        {"redirect_port": -1},
        {"redirect_port": 70000},
        {"redirect_path": "callback"},
        {"redirect_path": "//elsewhere"},
        {"redirect_path": "/a?b"},
        {"redirect_path": "/ü"},
        {"patience": 1},
        {"patience": 10**6},
        {"client_auth": "query"},
        {"resource_parameter": "target"},
    ],
)
def test_values_without_sense_are_refused(wrong: Mapping[str, Any]) -> None:
    server = OAuthServer(fallback=Endpoints(token_url="https://login.example.org/token"))
    with pytest.raises(ValueError, match=next(iter(wrong))):
        AuthorizationCode(server=server, **wrong)


def test_what_a_browser_gets_is_seen(authority: Authority) -> None:
    assert isinstance(fetch(f"{authority.url}/nowhere"), Seen)
