"""The password grant, as RFC 6749 and as ESO has it."""

from __future__ import annotations

import base64
import json
import time
from typing import Any

import pytest

from vo_auth import Secret
from vo_auth.archive import Grant
from vo_auth.clock import Clock
from vo_auth.errors import (
    CredentialsRejectedError,
    LoginAnswerError,
    LoginUnreachableError,
    UnusableCredentialsError,
    VoAuthError,
)
from vo_auth.flows import PasswordGrant
from vo_auth.permit import BearerPermit

FAKE = "obviously-fake"
TOKEN = {"access_token": "token-fake", "token_type": "Bearer", "expires_in": 3600}
ODD = ["obviously-fake", "a&b=c", "a+b c", "ü§🔭", "a:b", "100%25", "#?/\\", "'\"<>;", " spaces ", "-_.~", "0"]


def jwt(**claims: Any) -> str:
    def part(value: object) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    return f"{part({'alg': 'RS256'})}.{part(claims)}.c2ln"


@pytest.fixture
def eso(endpoint: Any) -> PasswordGrant:
    return PasswordGrant(
        token_url=f"{endpoint.url}/sso/oidc/token",
        client_id="clientid",
        client_secret="clientSecret",
        method="GET",
        parameters={"response_type": "id_token token"},
        token_field="id_token",
    )


@pytest.fixture
def post(endpoint: Any) -> PasswordGrant:
    return PasswordGrant(token_url=f"{endpoint.url}/token", client_id="public")


# ---------------------------------------------------------------- what is sent


@pytest.mark.parametrize("password", ODD)
def test_by_get_the_query_is_the_documented_one_and_each_parameter_comes_once(
    password: str, eso: PasswordGrant, endpoint: Any, reply: Any, bench: Any
) -> None:
    endpoint.reply(reply(body=TOKEN | {"id_token": "id-fake"}))
    bench.login(eso, username="p i&ü", password=password)
    (request,) = endpoint.received
    assert request.method == "GET"
    assert request.body == b""
    assert request.target.partition("?")[0] == "/sso/oidc/token"
    assert sorted(request.query) == sorted(
        {
            "response_type": "id_token token",
            "grant_type": "password",
            "client_id": "clientid",
            "client_secret": "clientSecret",
            "username": "p i&ü",
            "password": password,
        }.items()
    )
    assert "Content-Type" not in request.headers
    assert "Authorization" not in request.headers


@pytest.mark.parametrize("password", ODD)
def test_by_post_the_form_holds_the_credentials_and_the_url_does_not(
    password: str, post: PasswordGrant, endpoint: Any, reply: Any, bench: Any
) -> None:
    endpoint.reply(reply(body=TOKEN))
    bench.login(post, username="pi", password=password)
    (request,) = endpoint.received
    assert (request.method, request.target) == ("POST", "/token")
    assert request.headers["Content-Type"].startswith("application/x-www-form-urlencoded")
    assert dict(request.form) == {
        "grant_type": "password",
        "username": "pi",
        "password": password,
        "client_id": "public",
    }
    assert len(request.form) == 4


def test_a_client_with_a_secret_authenticates_by_basic(endpoint: Any, reply: Any, bench: Any) -> None:
    endpoint.reply(reply(body=TOKEN))
    flow = PasswordGrant(token_url=f"{endpoint.url}/token", client_id="client", client_secret="client-fake")
    bench.login(flow, username="pi", password=FAKE)
    (request,) = endpoint.received
    scheme, _, pair = request.headers["Authorization"].partition(" ")
    assert (scheme, base64.b64decode(pair)) == ("Basic", b"client:client-fake")
    assert "client-fake" not in request.body.decode()


def test_a_client_of_the_users_own_replaces_the_archives_with_its_secret(endpoint: Any, reply: Any, bench: Any) -> None:
    endpoint.reply(reply(body=TOKEN))
    flow = PasswordGrant(
        token_url=f"{endpoint.url}/token", client_id="client", client_secret="client-fake", method="GET"
    )
    bench.login(flow, username="pi", password=FAKE, client_id="mine")
    bench.login(flow, username="pi", password=FAKE, client_id="mine", client_secret="mine-fake")
    first, second = (dict(request.query) for request in endpoint.received)
    assert first["client_id"] == second["client_id"] == "mine"
    assert "client_secret" not in first  # the archive's secret is not this client's
    assert second["client_secret"] == "mine-fake"


@pytest.mark.parametrize(
    "credentials", [{}, {"username": "pi"}, {"username": "pi", "password": ""}, {"password": FAKE}]
)
def test_empty_credentials_are_not_sent(
    credentials: dict[str, str], post: PasswordGrant, endpoint: Any, bench: Any
) -> None:
    with pytest.raises(UnusableCredentialsError, match="must not be empty"):
        bench.login(post, **credentials)
    assert endpoint.received == []


# ---------------------------------------------------------------- what comes of it


def test_the_grant_says_whose_it_is_and_when_it_ends(
    post: PasswordGrant, endpoint: Any, reply: Any, bench: Any
) -> None:
    endpoint.reply(reply(body=TOKEN | {"refresh_token": "refresh-fake", "scope": "tap data"}))
    before = time.time()
    grant = bench.login(post, username="pi", password=FAKE)
    assert grant.permit == BearerPermit(Secret("token-fake"))
    assert grant.refresh == Secret("refresh-fake")
    assert (grant.identity, grant.client_id, grant.scopes) == ("pi", "public", ("tap", "data"))
    assert before - 2 <= grant.issued <= time.time() + 2
    assert grant.life == 3600


def test_the_configured_member_of_the_answer_is_the_permit(
    eso: PasswordGrant, endpoint: Any, reply: Any, bench: Any
) -> None:
    endpoint.reply(reply(body=TOKEN | {"id_token": "id-fake"}))
    assert bench.login(eso, username="pi", password=FAKE).permit == BearerPermit(Secret("id-fake"))


def test_the_earlier_of_two_ends_counts(post: PasswordGrant, endpoint: Any, reply: Any, bench: Any) -> None:
    end = int(time.time()) + 1000
    endpoint.reply(reply(body=TOKEN | {"access_token": jwt(exp=end)}))
    assert bench.login(post, username="pi", password=FAKE).expires == end
    endpoint.reply(reply(body=TOKEN | {"access_token": jwt(exp=end + 10**6)}))
    assert bench.login(post, username="pi", password=FAKE).life == 3600


def test_times_are_the_servers_own(post: PasswordGrant, endpoint: Any, reply: Any, bench: Any) -> None:
    endpoint.date = "Thu, 01 Jan 2026 12:00:00 GMT"
    endpoint.reply(reply(body=TOKEN))
    flow_ctx = bench.context(post, clock=Clock(wall=lambda: 1767268800.0 - 7200), username="pi", password=FAKE)
    assert post.login(flow_ctx).issued == pytest.approx(1767268800.0, abs=2)


@pytest.mark.parametrize(
    "nonsense",
    [-5, 0, "soon", "²", "", None, True, [], {}, 1e300, 10**30, "9" * 400, "NaN", float("inf"), float("nan")],
)
def test_nonsense_in_expires_in_leaves_the_end_unknown(
    nonsense: object, post: PasswordGrant, endpoint: Any, reply: Any, bench: Any
) -> None:
    endpoint.reply(reply(body=TOKEN | {"expires_in": nonsense}))
    grant = bench.login(post, username="pi", password=FAKE)
    assert grant.expires is None
    assert grant.permit == BearerPermit(Secret("token-fake"))


@pytest.mark.parametrize("number", [60, 60.0, "60"])
def test_a_length_in_expires_in_counts_as_number_or_text(
    number: object, post: PasswordGrant, endpoint: Any, reply: Any, bench: Any
) -> None:
    endpoint.reply(reply(body=TOKEN | {"expires_in": number}))
    assert bench.login(post, username="pi", password=FAKE).life == 60


REJECTED = [
    (400, {"error": "invalid_grant", "error_description": FAKE}),
    (400, {"error": "invalid_request"}),
    (401, {"error": "invalid_grant"}),
    (401, "<html>Unauthorized"),
    (401, ""),
    (403, {"error": "access_denied"}),
]
STRANGE = [
    (200, "<!DOCTYPE html><title>Hotel WiFi</title>"),
    (200, ""),
    (200, b"\xff\xfe"),
    (200, []),
    (200, "null"),
    (200, "1"),
    (200, json.dumps("text")),
    (200, [["access_token", "x"]]),
    (200, "[" * 60000),
    (200, {}),
    (200, {"access_token": None}),
    (200, {"access_token": 7}),
    (200, {"access_token": ["x"]}),
    (200, {"access_token": ""}),
    (200, {"access_token": "two words"}),
    (200, {"access_token": "a\r\nX-Evil: 1"}),
    (200, '{"access_token": "\\ud800"}'),
    (200, '{"access_token": "x", "refresh_token": "\\ud800"}'),
    (200, {"error": "something_new"}),
    (200, {"error": {"deep": 1}, "error_description": FAKE}),
    (200, {"error": f"the password {FAKE} is wrong"}),
    (400, {"error": "invalid_client"}),
    (400, {"error": "unsupported_grant_type"}),
    (404, "<html>Not Found"),
    (418, {"access_token": None}),
]
TROUBLE = [(500, "<html>"), (503, {"error": "x"}), (502, ""), (429, ""), (400, {"error": "temporarily_unavailable"})]


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    ("kind", "status", "body"),
    [
        *((CredentialsRejectedError, *case) for case in REJECTED),
        *((LoginAnswerError, *case) for case in STRANGE),
        *((LoginUnreachableError, *case) for case in TROUBLE),
    ],
)
def test_every_other_answer_is_an_error_of_its_kind_without_the_servers_words(
    kind: type[VoAuthError], status: int, body: object, method: str, endpoint: Any, reply: Any, bench: Any
) -> None:
    endpoint.reply(reply(status=status, body=body))
    flow = PasswordGrant(token_url=f"{endpoint.url}/token", client_id="public", method=method)
    with pytest.raises(VoAuthError) as caught:
        bench.login(flow, username="pi", password=FAKE)
    assert type(caught.value) is kind
    text = str(caught.value)
    assert text.startswith("An Example Archive")
    assert FAKE not in text
    assert "html" not in text
    assert "\n" not in text
    assert len(endpoint.received) == 1


def test_a_server_in_trouble_says_when_to_come_back(post: PasswordGrant, endpoint: Any, reply: Any, bench: Any) -> None:
    endpoint.reply(reply(status=429, headers=[("Retry-After", "7")]))
    with pytest.raises(LoginUnreachableError) as caught:
        bench.login(post, username="pi", password=FAKE)
    assert caught.value.retry_after == 7.0


# ---------------------------------------------------------------- renewal


def grant_with(refresh: str | None, **changes: Any) -> Grant:
    secret = Secret(refresh) if refresh else None
    return Grant(**({"permit": BearerPermit(Secret("old-fake")), "refresh": secret, "identity": "pi"} | changes))


def test_a_grant_without_a_refresh_token_is_not_renewed(post: PasswordGrant, endpoint: Any, bench: Any) -> None:
    assert post.renew(bench.context(post), grant_with(None)) is None
    assert endpoint.received == []


def test_a_rotated_refresh_token_replaces_the_old_one(
    post: PasswordGrant, endpoint: Any, reply: Any, bench: Any
) -> None:
    endpoint.reply(reply(body=TOKEN | {"refresh_token": "second-fake"}))
    renewed = post.renew(bench.context(post), grant_with("first-fake"))
    (request,) = endpoint.received
    assert dict(request.form) == {
        "grant_type": "refresh_token",
        "refresh_token": "first-fake",
        "client_id": "public",
    }
    assert renewed is not None
    assert (renewed.permit, renewed.refresh, renewed.identity) == (
        BearerPermit(Secret("token-fake")),
        Secret("second-fake"),
        "pi",
    )


def test_a_refresh_token_that_is_not_rotated_is_kept(
    post: PasswordGrant, endpoint: Any, reply: Any, bench: Any
) -> None:
    endpoint.reply(reply(body=TOKEN))
    renewed = post.renew(bench.context(post), grant_with("first-fake"))
    assert renewed is not None
    assert renewed.refresh == Secret("first-fake")


def test_a_refused_refresh_token_means_that_only_a_login_helps(
    post: PasswordGrant, endpoint: Any, reply: Any, bench: Any
) -> None:
    endpoint.reply(reply(status=400, body={"error": "invalid_grant"}))
    assert post.renew(bench.context(post), grant_with("first-fake")) is None


def test_a_refresh_token_is_redeemed_by_the_client_that_got_it(endpoint: Any, reply: Any, bench: Any) -> None:
    endpoint.reply(reply(body=TOKEN))
    flow = PasswordGrant(
        token_url=f"{endpoint.url}/token", client_id="client", client_secret="client-fake", method="GET"
    )
    flow.renew(bench.context(flow), grant_with("first-fake", client_id="mine"))
    flow.renew(bench.context(flow), grant_with("first-fake", client_id="client"))
    mine, own = (dict(request.query) for request in endpoint.received)
    assert (mine["client_id"], mine.get("client_secret")) == ("mine", None)
    assert (own["client_id"], own["client_secret"]) == ("client", "client-fake")


def test_trouble_during_a_renewal_is_raised(post: PasswordGrant, endpoint: Any, reply: Any, bench: Any) -> None:
    endpoint.reply(reply(status=503))
    with pytest.raises(LoginUnreachableError):
        post.renew(bench.context(post), grant_with("first-fake"))
