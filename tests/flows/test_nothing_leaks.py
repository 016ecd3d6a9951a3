"""Whatever a login endpoint does, what the wallet's logins raise and what is logged holds no password and no token."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from authority import Asked, Authority, Visitor, as_json

from vo_auth import Secret
from vo_auth.archive import Grant, Person
from vo_auth.clock import Clock
from vo_auth.credentials import CredentialChain, ExplicitSource, PromptSource
from vo_auth.errors import CredentialsRejectedError, VoAuthError
from vo_auth.flows import AuthorizationCode, ClientCredentials, LoginFunction, LoginRequest, OAuthServer, PasswordGrant
from vo_auth.login_client import LoginClient
from vo_auth.permit import BearerPermit, Permit
from vo_auth.testing import assert_no_secret
from vo_auth.wallet import Want
from vo_auth.wallet.held import Held, Key
from vo_auth.wallet.logins import Logins
from vo_auth.wallet.rejections import Rejections

_NUMBERS = itertools.count()


@pytest.fixture
def password() -> str:
    """Another one each time: a rejected one is not sent again in this process."""
    return f"obviously fake & ü {next(_NUMBERS)}"


@pytest.fixture
def debug(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.DEBUG)
    return caplog


def logged(debug: pytest.LogCaptureFixture) -> tuple[object, ...]:
    assert debug.records, "nothing was logged, so nothing can be found in it"
    return debug.records, debug.text


def function_flow(url: str) -> LoginFunction:
    def odd(credentials: Mapping[str, Secret], http: LoginClient) -> Permit:
        password = credentials["password"].reveal()
        answer = http.request("POST", url, json={"password": password})
        if answer.status != 200:
            raise CredentialsRejectedError("not accepted") from KeyError(password)
        return BearerPermit(Secret(answer.json()["token"] + password))

    return LoginFunction(name="odd login", function=odd, login_urls=(url,))


def service(url: str, **options: Any) -> ClientCredentials:
    return ClientCredentials(server=OAuthServer(token_url=url), asks=("username", "password"), **options)


FLOWS: dict[str, Callable[[str], Any]] = {
    "grant by GET": lambda url: PasswordGrant(token_url=url, client_id="public", method="GET"),
    "grant by POST": lambda url: PasswordGrant(token_url=url, client_id="public", client_secret="client-fake"),
    "form": lambda url: LoginRequest(url=url),
    "query": lambda url: LoginRequest(url=url, method="GET", body="query", answer="json:token"),
    "JSON": lambda url: LoginRequest(url=url, body="json", answer="json:token"),
    "Basic": lambda url: LoginRequest(url=url, body="basic", answer="cookie:session"),
    "function": function_flow,
    "service": service,
    "service in plain": lambda url: service(url, client_auth="plain basic"),
    "service in the form": lambda url: service(url, client_auth="post"),
}


def echo(connection: Any) -> None:
    """Answer with what was sent, as a debugging page of a server does."""
    sent = f"{connection.path} {connection.headers}".encode()
    connection.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(sent) + sent)


ANSWERS: dict[str, dict[str, Any]] = {
    "rejected": {"status": 400, "body": {"error": "invalid_grant"}},
    "unauthorised": {"status": 401},
    "portal": {"body": "<html>Log in to the WiFi</html>"},
    "trouble": {"status": 500},
    "busy": {"status": 429, "headers": [("Retry-After", "5")]},
    "redirect": {"status": 307, "headers": [("Location", "/elsewhere")]},
    "large": {"body": b"x" * 70000},
    "nothing": {"write": lambda connection: None},
    "nonsense": {"write": lambda connection: connection.wfile.write(b"\0\1\2\r\n\r\n")},
    "no token": {"body": {"tok": "x"}},
    "strange token": {"body": {"token": "a\r\nb", "access_token": "a\r\nb"}},
    "echo": {"write": echo},
}


def logins_with(flow: Any, bench: Any, password: str) -> tuple[Logins, Want]:
    clock = Clock()
    chain = CredentialChain([ExplicitSource({"username": "pi", "password": password})])
    logins = Logins(chain, Rejections(None, clock), clock, lambda archive: 0.0)
    return logins, Want(archive=bench.archive(flow))


@pytest.mark.parametrize("flow", FLOWS)
@pytest.mark.parametrize("answer", ANSWERS)
def test_a_failed_login_leaves_no_trace_of_the_password(
    flow: str, answer: str, password: str, endpoint: Any, reply: Any, bench: Any, debug: pytest.LogCaptureFixture
) -> None:
    endpoint.reply(reply(**ANSWERS[answer]))
    logins, want = logins_with(FLOWS[flow](f"{endpoint.url}/token"), bench, password)
    with pytest.raises(VoAuthError) as caught:
        logins.login(want, logins.choose(want))
    assert_no_secret([password], caught.value, *logged(debug))
    assert len(endpoint.received) == 1


def test_a_login_leaves_no_trace_of_the_password_or_the_token(
    password: str, endpoint: Any, reply: Any, bench: Any, debug: pytest.LogCaptureFixture
) -> None:
    endpoint.reply(reply(body={"access_token": "token-obviously-fake", "refresh_token": "refresh-obviously-fake"}))
    flow = PasswordGrant(token_url=f"{endpoint.url}/token", method="GET")
    logins, want = logins_with(flow, bench, password)
    held = logins.login(want, logins.choose(want))
    assert held.grant.permit == BearerPermit(Secret("token-obviously-fake"))
    assert_no_secret(
        [password, "token-obviously-fake", "refresh-obviously-fake"], repr(held), str(held), *logged(debug)
    )


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("answer", sorted(ANSWERS.keys() - {"rejected", "unauthorised"}))
def test_a_failed_renewal_leaves_no_trace_of_the_refresh_token(
    method: str, answer: str, endpoint: Any, reply: Any, bench: Any, debug: pytest.LogCaptureFixture
) -> None:
    endpoint.reply(reply(**ANSWERS[answer]))
    flow = PasswordGrant(token_url=f"{endpoint.url}/token", client_id="public", method=method)
    logins, want = logins_with(flow, bench, "unused-fake")
    grant = Grant(permit=BearerPermit(Secret("token-obviously-fake")), refresh=Secret("refresh-obviously-fake"))
    now = Clock().instant()
    held = Held(
        key=Key("example", "pi"), grant=grant, flow=flow.name, origin="test", obtained=now, server_time=now.wall
    )
    with pytest.raises(VoAuthError) as caught:
        logins.renew(want, held)
    assert_no_secret(["refresh-obviously-fake", "token-obviously-fake"], caught.value, *logged(debug))


def test_a_proxy_that_refuses_learns_and_leaves_nothing(
    password: str,
    endpoint: Any,
    reply: Any,
    bench: Any,
    debug: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    endpoint.reply(reply(status=407))
    monkeypatch.setenv("HTTPS_PROXY", endpoint.url)
    flow = PasswordGrant(token_url="https://login.example.org/token", method="GET")
    logins, want = logins_with(flow, bench, password)
    with pytest.raises(VoAuthError, match="proxy") as caught:
        logins.login(want, logins.choose(want))
    assert_no_secret([password], caught.value, *logged(debug), [vars(item) for item in endpoint.received])


def forgetful(visitor: Visitor) -> Person:
    """Return a person who, as the real one, remembers nothing: what the test's one remembers is the test's."""

    class Somebody:
        __slots__ = ()

        def visit(self, url: str, *, arrived: Callable[[float], str | None], patience: float) -> str:
            return visitor.visit(url, arrived=arrived, patience=patience)

    return Somebody()


CODE_ANSWERS: dict[str, Callable[[Asked], Any]] = {
    "refused": lambda asked: as_json({"error": "invalid_grant", "error_description": str(asked.form)}, 400),
    "unknown client": lambda asked: as_json({"error": "invalid_client"}, 401),
    "portal": lambda asked: (200, {}, f"<html>{asked.form}".encode()),
    "trouble": lambda asked: (500, {}, str(asked.form).encode()),
    "redirect": lambda asked: (307, {"Location": "/elsewhere"}, b""),
    "echo": lambda asked: as_json(asked.form),
    "strange token": lambda asked: as_json({"access_token": "a\r\n" + asked.form["code"]}),
    "strange identity": lambda asked: as_json({"access_token": "x", "id_token": asked.form["code"]}),
}


@pytest.mark.parametrize("answer", [*CODE_ANSWERS, "declined", "another state"])
def test_a_failed_login_in_a_browser_leaves_no_trace_of_what_it_gave_along(
    answer: str,
    authority: Authority,
    visitor: Visitor,
    bench: Any,
    debug: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("vo_auth.credentials.prompt.person_for", lambda archive, interactive: forgetful(visitor))
    authority.redirect = {
        "declined": lambda query: {"error": "access_denied", "state": query["state"], "iss": query["iss"]},
        "another state": lambda query: query | {"state": "other-state-fake"},
    }.get(answer, lambda query: query)
    visitor.pastes = True
    if answer in CODE_ANSWERS:
        authority.override["/token"] = CODE_ANSWERS[answer]
    server = OAuthServer(issuer=authority.issuer)
    flow = AuthorizationCode(server=server, client_id="confidential", client_secret="confidential-fake", scope="openid")
    clock = Clock()
    logins = Logins(
        CredentialChain([PromptSource()]), Rejections(None, clock), clock, skew_of_archive=lambda archive: 0.0
    )
    want = Want(archive=bench.archive(flow), interactive=True)
    with pytest.raises(VoAuthError) as caught:
        logins.login(want, logins.choose(want))
    asked = authority.last("/authorize").query
    secrets = [asked["state"], asked["nonce"], "confidential-fake", *authority.codes]
    secrets += [item.form["code"] for item in authority.asked if item.path == "/token"]
    secrets += [item.form["code_verifier"] for item in authority.asked if item.path == "/token"]
    shown = capsys.readouterr()
    assert_no_secret(secrets, caught.value, *logged(debug), shown.out, shown.err, repr(flow))


def test_a_login_in_a_browser_leaves_no_trace_of_its_tokens(
    authority: Authority,
    visitor: Visitor,
    bench: Any,
    debug: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("vo_auth.credentials.prompt.person_for", lambda archive, interactive: forgetful(visitor))
    flow = AuthorizationCode(server=OAuthServer(issuer=authority.issuer), client_id="native", scope="openid")
    clock = Clock()
    logins = Logins(
        CredentialChain([PromptSource()]), Rejections(None, clock), clock, skew_of_archive=lambda archive: 0.0
    )
    want = Want(archive=bench.archive(flow), interactive=True)
    held = logins.login(want, logins.choose(want))
    assert held.grant.identity == "pi"
    form = authority.last("/token").form
    permit, refresh = held.grant.permit, held.grant.refresh
    assert isinstance(permit, BearerPermit)
    assert refresh is not None
    secrets = [form["code"], form["code_verifier"], permit.token.reveal(), refresh.reveal()]
    assert_no_secret(secrets, repr(held), str(held), *logged(debug), visitor.last.body)
