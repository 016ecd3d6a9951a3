"""The flow for odd logins: described as data, or a function."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from vo_auth import Secret
from vo_auth.errors import (
    CredentialsRejectedError,
    LoginAnswerError,
    LoginUnreachableError,
    UnusableCredentialsError,
)
from vo_auth.flows import LoginFunction, LoginRequest
from vo_auth.login_client import LoginClient
from vo_auth.permit import BasicPermit, BearerPermit, CookiePermit, HeaderPermit, Permit

FAKE = "obviously-fake"
USER, PASSWORD = "p i+ü", "a&b=c:d +%"
BEARER = BearerPermit(Secret("token-fake"))


@pytest.fixture
def flow(endpoint: Any) -> Callable[..., LoginRequest]:
    return lambda **options: LoginRequest(url=f"{endpoint.url}/login", **options)


# ---------------------------------------------------------------- how credentials travel


def sent_by_form(request: Any) -> object:
    assert request.headers["Content-Type"] == "application/x-www-form-urlencoded"
    return dict(request.form)


def sent_by_json(request: Any) -> object:
    assert request.headers["Content-Type"] == "application/json"
    return json.loads(request.body)


def sent_by_query(request: Any) -> object:
    assert request.body == b""
    return dict(request.query)


@pytest.mark.parametrize("method", ["POST", "PUT"])
@pytest.mark.parametrize(("body", "read"), [("form", sent_by_form), ("json", sent_by_json), ("query", sent_by_query)])
def test_the_fields_travel_as_described(
    body: str,
    read: Callable[[Any], object],
    method: str,
    flow: Callable[..., LoginRequest],
    endpoint: Any,
    reply: Any,
    bench: Any,
) -> None:
    endpoint.reply(reply(body="token-fake"))
    fields = {"mail": "username", "pass": "password"}
    described = flow(method=method, body=body, fields=fields, constants={"source": "api"})
    grant = bench.login(described, username=USER, password=PASSWORD)
    (request,) = endpoint.received
    assert request.method == method
    assert read(request) == {"mail": USER, "pass": PASSWORD, "source": "api"}
    assert (grant.permit, grant.identity, grant.issuer) == (BEARER, USER, described.url)


def test_basic_sends_the_pair_in_its_header_alone(
    flow: Callable[..., LoginRequest], endpoint: Any, reply: Any, bench: Any
) -> None:
    endpoint.reply(reply(body="token-fake"))
    bench.login(flow(body="basic"), username="pí", password="ü:🔭")
    (request,) = endpoint.received
    assert request.headers["Authorization"] == "Basic cMOtOsO8OvCflK0="
    assert request.body == b""
    assert request.target == "/login"


def test_basic_refuses_a_user_name_with_a_colon_because_the_password_would_be_another(
    flow: Callable[..., LoginRequest], endpoint: Any, bench: Any
) -> None:
    with pytest.raises(UnusableCredentialsError, match="colon"):
        bench.login(flow(body="basic"), username="a:b", password=FAKE)
    assert endpoint.received == []


def test_it_asks_for_what_fills_its_fields(flow: Callable[..., LoginRequest], endpoint: Any) -> None:
    described = flow(fields={"key": "token", "u": "username", "again": "username"})
    assert described.asks == ("token", "username")
    assert described.login_urls == (f"{endpoint.url}/login",)


# ---------------------------------------------------------------- where the permit is, and how it is presented

PLACES = [
    ("text", {"body": " token-fake\n"}),
    ("json", {"body": json.dumps("token-fake")}),
    ("json:token", {"body": {"token": "token-fake"}}),
    ("json:data.auth.token", {"body": {"data": {"auth": {"token": "token-fake"}}}}),
    ("header:X-Token", {"headers": [("x-token", "token-fake")]}),
    (
        "cookie:session",
        {"headers": [("Set-Cookie", "session=token-fake; Path=/; HttpOnly"), ("Set-Cookie", "other=x")]},
    ),
]
FORMS = [
    ("bearer", "", BEARER),
    ("header:X-Auth", "Token ", HeaderPermit("X-Auth", Secret("token-fake"), "Token ")),
    ("header:X-Auth", "", HeaderPermit("X-Auth", Secret("token-fake"))),
    ("cookie:sid", "", CookiePermit("sid", Secret("token-fake"))),
]


@pytest.mark.parametrize(("present", "prefix", "permit"), FORMS)
@pytest.mark.parametrize(("answer", "behaviour"), PLACES)
def test_the_permit_is_found_and_presented_as_described(
    answer: str, behaviour: dict[str, Any], present: str, prefix: str, permit: Permit,
    flow: Callable[..., LoginRequest], endpoint: Any, reply: Any, bench: Any,
) -> None:  # fmt: skip
    endpoint.reply(reply(**behaviour))
    grant = bench.login(flow(answer=answer, present=present, prefix=prefix), username="pi", password=FAKE)
    assert grant.permit == permit


@pytest.mark.parametrize(
    ("answer", "behaviour"),
    [
        ("text", {"body": ""}),
        ("text", {"body": "<html><title>Log in</title></html>"}),
        ("text", {"body": "a b"}),
        ("json", {"body": "<html>"}),
        ("json", {"body": {"token": "x"}}),
        ("json:token", {"body": "[]"}),
        ("json:token", {"body": "[" * 60000}),
        ("json:token", {"body": {}}),
        ("json:token", {"body": {"token": 7}}),
        ("json:token", {"body": {"token": None}}),
        ("json:token", {"body": {"token": "a\r\nb"}}),
        ("json:token", {"body": '{"token": "\\ud800"}'}),
        ("json:a.b", {"body": {"a": "x"}}),
        ("header:X-Token", {"body": "token-fake"}),
        ("cookie:session", {"headers": [("Set-Cookie", "other=x")]}),
        ("cookie:session", {"headers": [("Set-Cookie", "session=")]}),
        ("cookie:session", {"headers": [("Set-Cookie", "session=gone; Max-Age=0")]}),
        ("cookie:session", {"headers": [("Set-Cookie", "session=x; Domain=evil.test")]}),
        ("text", {"status": 204}),
        ("text", {"status": 404, "body": "token-fake"}),
        ("text", {"status": 400, "body": "obviously-fake"}),
    ],
)
def test_an_answer_without_a_usable_permit_is_an_error_that_does_not_quote_it(
    answer: str, behaviour: dict[str, Any], flow: Callable[..., LoginRequest], endpoint: Any, reply: Any, bench: Any
) -> None:
    endpoint.reply(reply(**behaviour))
    with pytest.raises(LoginAnswerError, match="An Example Archive") as caught:
        bench.login(flow(answer=answer), username="pi", password=FAKE)
    assert FAKE not in str(caught.value)
    assert "html" not in str(caught.value)


@pytest.mark.parametrize(("rejected", "status"), [((401, 403), 401), ((401, 403), 403), ((400,), 400), ((200,), 200)])
def test_the_described_statuses_mean_wrong_credentials(
    rejected: tuple[int, ...], status: int, flow: Callable[..., LoginRequest], endpoint: Any, reply: Any, bench: Any
) -> None:
    endpoint.reply(reply(status=status, body="token-fake"))
    with pytest.raises(CredentialsRejectedError, match="vo-auth login example"):
        bench.login(flow(rejected=rejected), username="pi", password=FAKE)


def test_the_described_statuses_mean_logged_in(
    flow: Callable[..., LoginRequest], endpoint: Any, reply: Any, bench: Any
) -> None:
    endpoint.reply(reply(status=201, body="token-fake"))
    assert bench.login(flow(accepted=(200, 201)), username="pi", password=FAKE).permit == BEARER


def test_trouble_and_redirects_are_told_apart_from_wrong_credentials(
    flow: Callable[..., LoginRequest], endpoint: Any, reply: Any, bench: Any
) -> None:
    endpoint.reply(reply(status=503), reply(status=302, headers=[("Location", "/sso")]))
    with pytest.raises(LoginUnreachableError):
        bench.login(flow(), username="pi", password=FAKE)
    with pytest.raises(LoginAnswerError, match="redirects"):
        bench.login(flow(rejected=(302,)), username="pi", password=FAKE)


@pytest.mark.parametrize("options", [{"answer": "xml"}, {"answer": ""}, {"present": "basic"}, {"present": ""}])
def test_a_description_that_makes_no_sense_is_refused(
    options: dict[str, str], flow: Callable[..., LoginRequest]
) -> None:
    with pytest.raises(ValueError, match="is none of"):
        flow(**options)


@pytest.mark.parametrize(
    ("options", "life"),
    [({}, None), ({"life": 600.0}, 600), ({"expires": lambda text: time.time() + 60}, 60),
     ({"life": 600.0, "expires": lambda text: time.time() + 60}, 60)],
)  # fmt: skip
def test_the_end_is_the_earliest_that_is_known(
    options: dict[str, Any],
    life: float | None,
    flow: Callable[..., LoginRequest],
    endpoint: Any,
    reply: Any,
    bench: Any,
) -> None:
    endpoint.reply(reply(body="token-fake"))
    grant = bench.login(flow(**options), username="pi", password=FAKE)
    assert grant.life is None if life is None else grant.life == pytest.approx(life, abs=3)


# ---------------------------------------------------------------- functions


def function_flow(endpoint: Any, function: Callable[[Mapping[str, Secret], LoginClient], Permit]) -> LoginFunction:
    return LoginFunction(name="odd login", function=function, login_urls=(endpoint.url,), life=60.0)


def test_a_function_turns_credentials_into_a_permit(endpoint: Any, reply: Any, bench: Any) -> None:
    def odd(credentials: Mapping[str, Secret], http: LoginClient) -> Permit:
        first = http.request("GET", f"{endpoint.url}/nonce").text
        answer = http.request("POST", endpoint.url, data={"n": first, "p": credentials["password"].reveal()})
        return CookiePermit("sid", Secret(answer.text))

    endpoint.reply(reply(body="nonce"), reply(body="cookie-fake"))
    grant = bench.login(function_flow(endpoint, odd), username="pi", password=FAKE)
    assert (grant.permit, grant.identity, grant.life) == (CookiePermit("sid", Secret("cookie-fake")), "pi", 60.0)
    assert dict(endpoint.received[1].form) == {"n": "nonce", "p": FAKE}


def test_a_function_reaches_no_other_origin(endpoint: Any, make_endpoint: Callable[[], Any], bench: Any) -> None:
    other = make_endpoint()

    def leaking(credentials: Mapping[str, Secret], http: LoginClient) -> Permit:
        http.request("POST", other.url, data={"p": credentials["password"].reveal()})
        raise AssertionError

    with pytest.raises(LoginAnswerError, match="not a login origin"):
        bench.login(function_flow(endpoint, leaking), username="pi", password=FAKE)
    assert other.received == []


def rejecting(credentials: Mapping[str, Secret], http: LoginClient) -> Permit:
    raise CredentialsRejectedError("no")


def refusing(credentials: Mapping[str, Secret], http: LoginClient) -> Permit:
    raise ValueError("the password is too short for this archive")


def quoting(credentials: Mapping[str, Secret], http: LoginClient) -> Permit:
    return BasicPermit("pi", Secret(str(int(credentials["password"].reveal()))))


def buggy(credentials: Mapping[str, Secret], http: LoginClient) -> Permit:
    return {}[credentials["password"].reveal()]  # type: ignore[no-any-return, index]


def asking_nonsense(credentials: Mapping[str, Secret], http: LoginClient) -> Permit:
    http.request("GET", "https://[")
    raise AssertionError


@pytest.mark.parametrize(
    ("function", "kind", "match"),
    [
        (rejecting, CredentialsRejectedError, "no"),
        (refusing, UnusableCredentialsError, "An Example Archive: the password is too short"),
        (quoting, UnusableCredentialsError, "cannot be sent"),
        (buggy, LoginAnswerError, "failed with KeyError in buggy, line"),
        (asking_nonsense, LoginAnswerError, "failed with InvalidURL"),
    ],
)
def test_what_a_function_raises_becomes_an_error_of_ours_without_the_password(
    function: Callable[..., Permit], kind: type[Exception], match: str, endpoint: Any, bench: Any
) -> None:
    with pytest.raises(kind, match=match) as caught:
        bench.login(function_flow(endpoint, function), username="pi", password=FAKE)
    assert FAKE not in str(caught.value)
    assert caught.value.__context__ is None
