"""Whatever a login endpoint does, what the wallet's logins raise and what is logged holds no password and no token."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from vo_auth import Secret
from vo_auth.archive import Grant
from vo_auth.clock import Clock
from vo_auth.credentials import CredentialChain, ExplicitSource
from vo_auth.errors import CredentialsRejectedError, VoAuthError
from vo_auth.flows import LoginFunction, LoginRequest, PasswordGrant
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


FLOWS: dict[str, Callable[[str], Any]] = {
    "grant by GET": lambda url: PasswordGrant(token_url=url, client_id="public", method="GET"),
    "grant by POST": lambda url: PasswordGrant(token_url=url, client_id="public", client_secret="client-fake"),
    "form": lambda url: LoginRequest(url=url),
    "query": lambda url: LoginRequest(url=url, method="GET", body="query", answer="json:token"),
    "JSON": lambda url: LoginRequest(url=url, body="json", answer="json:token"),
    "Basic": lambda url: LoginRequest(url=url, body="basic", answer="cookie:session"),
    "function": function_flow,
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
