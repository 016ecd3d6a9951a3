"""Where an authorization server has its endpoints, and what its own document may say about that."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from authority import Answer, Authority, as_json

from vo_auth.domain import Origin
from vo_auth.errors import LoginAnswerError, LoginUnreachableError
from vo_auth.flows import Endpoints, OAuthServer
from vo_auth.login_client import LoginClient

OPENID = "/as/.well-known/openid-configuration"
AS = "/.well-known/oauth-authorization-server"
RFC8414 = f"{AS}/as"


@pytest.fixture
def client(authority: Authority) -> Iterator[LoginClient]:
    with LoginClient("An Example Archive", [Origin.from_url(authority.url)]) as here:
        yield here


@pytest.fixture
def server(authority: Authority) -> OAuthServer:
    return OAuthServer(issuer=authority.issuer)


ABSENT: Answer = (404, {}, b"")


def test_a_document_is_read_once_in_the_life_of_the_record(
    server: OAuthServer, authority: Authority, client: LoginClient
) -> None:
    for name, path in [("token_url", "/token"), ("authorization_url", "/authorize"), ("jwks_url", "/jwks")] * 2:
        assert server.get_endpoint(client, name) == f"{authority.url}{path}"
    assert authority.paths() == [OPENID]
    assert OAuthServer(issuer=authority.issuer).get_endpoint(client, "token_url")  # another record looks for itself
    assert authority.paths() == [OPENID, OPENID]


def test_the_other_place_of_a_document_is_looked_at_too(
    server: OAuthServer, authority: Authority, client: LoginClient
) -> None:
    authority.override = {OPENID: lambda asked: ABSENT, RFC8414: lambda asked: as_json(authority.document)}
    assert server.get_endpoint(client, "token_url") == f"{authority.url}/token"
    assert authority.paths() == [OPENID, RFC8414]


@pytest.mark.parametrize(
    ("issuer", "documents"),
    [
        ("https://a.example", ("/.well-known/openid-configuration", "/.well-known/oauth-authorization-server")),
        ("https://a.example/", ("/.well-known/openid-configuration", "/.well-known/oauth-authorization-server")),
        (
            "https://a.example/x/y/",
            ("/x/y/.well-known/openid-configuration", "/.well-known/oauth-authorization-server/x/y"),
        ),
    ],
)
def test_documents_are_where_the_standards_say(issuer: str, documents: tuple[str, ...]) -> None:
    assert OAuthServer(issuer=issuer).documents == tuple(f"https://a.example{path}" for path in documents)


def test_a_document_at_an_unusual_place_is_read_there_alone(authority: Authority, client: LoginClient) -> None:
    authority.override["/odd"] = lambda asked: as_json(authority.document)
    server = OAuthServer(issuer=authority.issuer, discovery=f"{authority.url}/odd")
    assert server.get_endpoint(client, "token_url")
    assert authority.paths() == ["/odd"]


def test_an_endpoint_that_is_set_is_used_without_a_question(authority: Authority, client: LoginClient) -> None:
    server = OAuthServer(issuer=authority.issuer, token_url=f"{authority.url}/mine")
    assert server.get_endpoint(client, "token_url") == f"{authority.url}/mine"
    assert authority.asked == []
    assert server.get_endpoint(client, "jwks_url") == f"{authority.url}/jwks"


def test_without_a_document_the_fallback_has_the_endpoints(authority: Authority, client: LoginClient) -> None:
    authority.override = {path: lambda asked: ABSENT for path in (OPENID, RFC8414)}
    server = OAuthServer(issuer=authority.issuer, fallback=Endpoints(token_url=f"{authority.url}/old"))
    assert server.get_endpoint(client, "token_url") == f"{authority.url}/old"
    assert server.find_endpoint(client, "revocation_url") == ""
    with pytest.raises(LoginAnswerError, match=r"no authorization endpoint .* is known.*set authorization_url"):
        server.get_endpoint(client, "authorization_url")
    assert authority.paths() == [OPENID, RFC8414]  # once


def test_a_document_replaces_the_fallback_as_a_whole(authority: Authority, client: LoginClient) -> None:
    del authority.document["revocation_endpoint"]
    old = Endpoints(token_url=f"{authority.url}/old", revocation_url=f"{authority.url}/old-revoke")
    server = OAuthServer(issuer=authority.issuer, fallback=old)
    assert server.get_endpoint(client, "token_url") == f"{authority.url}/token"
    assert server.find_endpoint(client, "revocation_url") == ""


def test_discovery_can_be_forbidden(authority: Authority, client: LoginClient) -> None:
    old = Endpoints(token_url=f"{authority.url}/old")
    server = OAuthServer(issuer=authority.issuer, discovery=False, fallback=old)
    assert server.get_endpoint(client, "token_url") == f"{authority.url}/old"
    assert authority.asked == []


def lie(**changes: Any) -> Callable[[Authority], Answer]:
    return lambda authority: as_json(authority.document | changes)


LIES: dict[str, Callable[[Authority], Answer]] = {
    "another issuer": lie(issuer="https://evil.example.org"),
    "a slash more": lambda authority: as_json(authority.document | {"issuer": authority.issuer + "/"}),
    "no issuer": lie(issuer=None),
}
NO_DOCUMENTS: dict[str, Callable[[Authority], Answer]] = {
    "a list": lambda authority: as_json([authority.document]),
    "a page": lambda authority: (200, {}, b"<html>Log in</html>"),
    "another status": lambda authority: as_json(authority.document, 201),
    "a redirect": lambda authority: (302, {"Location": "/elsewhere"}, b""),
    "too much": lambda authority: (200, {}, json.dumps({"x": "y" * 70000}).encode()),
}


@pytest.mark.parametrize("case", LIES)
def test_a_document_that_is_not_the_servers_stops_the_login_whatever_the_fallback_has(
    case: str, authority: Authority, client: LoginClient
) -> None:
    authority.override[OPENID] = lambda asked: LIES[case](authority)
    server = OAuthServer(issuer=authority.issuer, fallback=Endpoints(token_url=f"{authority.url}/old"))
    with pytest.raises(LoginAnswerError, match="An Example Archive"):
        server.get_endpoint(client, "token_url")
    assert authority.paths() == [OPENID]


@pytest.mark.parametrize("case", NO_DOCUMENTS)
def test_what_is_no_document_stops_a_login_that_has_no_other_endpoints(
    case: str, authority: Authority, client: LoginClient
) -> None:
    authority.override[OPENID] = lambda asked: NO_DOCUMENTS[case](authority)
    with pytest.raises(LoginAnswerError, match=r"An Example Archive.*discovery = false"):
        OAuthServer(issuer=authority.issuer).get_endpoint(client, "token_url")
    assert authority.paths() == [OPENID]


@pytest.mark.parametrize("case", NO_DOCUMENTS)
def test_where_no_document_is_the_archives_own_endpoints_are_used(
    case: str, authority: Authority, client: LoginClient
) -> None:
    """They are the profile's, not the answer's; some servers show a page at every address."""
    for path in (OPENID, RFC8414):
        authority.override[path] = lambda asked: NO_DOCUMENTS[case](authority)
    server = OAuthServer(issuer=authority.issuer, fallback=Endpoints(token_url=f"{authority.url}/old"))
    assert server.get_endpoint(client, "token_url") == f"{authority.url}/old"
    assert authority.paths() == [OPENID, RFC8414]


def test_a_server_in_trouble_is_no_reason_for_the_fallback(authority: Authority, client: LoginClient) -> None:
    authority.override[OPENID] = lambda asked: (503, {}, b"")
    server = OAuthServer(issuer=authority.issuer, fallback=Endpoints(token_url=f"{authority.url}/old"))
    with pytest.raises(LoginUnreachableError):
        server.get_endpoint(client, "token_url")
    del authority.override[OPENID]
    assert server.get_endpoint(client, "token_url") == f"{authority.url}/token"


@pytest.mark.parametrize(
    "target",
    [
        "https://evil.example.org/token",
        "http://169.254.169.254/latest",
        "http://10.0.0.1/token",
        "http://127.0.0.1:1/token",
        "https://127.0.0.1/token",
        "file:///etc/passwd",
        "ldap://127.0.0.1/",
        "//127.0.0.1/token",
        "/token",
        ["https://127.0.0.1/token"],
        7,
        "https://user@127.0.0.1/token",
        "https://127.0.0.1/token#x",
        "https://127.0.0.1/\x1b[2J",
    ],
)
@pytest.mark.parametrize("member", ["token_endpoint", "authorization_endpoint", "jwks_uri", "revocation_endpoint"])
def test_a_document_sends_nobody_out_of_the_archives_login_origins(
    member: str, target: object, server: OAuthServer, authority: Authority, client: LoginClient
) -> None:
    authority.document[member] = target
    names = {"jwks_uri": "jwks_url"}
    with pytest.raises(LoginAnswerError, match="An Example Archive"):
        server.find_endpoint(client, names.get(member, member.replace("endpoint", "url")))
    assert authority.paths() == [OPENID]


@pytest.mark.parametrize(
    "wrong",
    ["http://login.example.org/token", "login.example.org", "https://u:p@login.example.org/", "https://a.example/#x"],
)
@pytest.mark.parametrize(
    "name", ["issuer", "token_url", "authorization_url", "revocation_url", "jwks_url", "discovery"]
)
def test_an_address_that_is_not_private_is_refused_at_once(name: str, wrong: str) -> None:
    with pytest.raises(ValueError, match=name) as caught:
        OAuthServer(**{name: wrong})  # type: ignore[arg-type]
    assert wrong not in str(caught.value)


def test_a_page_that_people_see_is_in_plain_ascii() -> None:
    with pytest.raises(ValueError, match="punycode"):
        OAuthServer(authorization_url="https://lógin.example.org/authorize")


def test_every_address_that_receives_secrets_is_named() -> None:
    server = OAuthServer(
        issuer="https://a.example",
        token_url="https://b.example/token",
        discovery="https://c.example/document",
        fallback=Endpoints(authorization_url="https://d.example/page", revocation_url="https://e.example/"),
    )
    origins = {str(Origin.from_url(url)) for url in server.urls}
    assert origins == {f"https://{letter}.example" for letter in "abcde"}


def test_two_records_of_one_server_are_equal_whatever_they_have_read(
    server: OAuthServer, authority: Authority, client: LoginClient
) -> None:
    server.get_endpoint(client, "token_url")
    assert server == OAuthServer(issuer=authority.issuer)
    assert hash(server) == hash(OAuthServer(issuer=authority.issuer))
    assert "token_endpoint" not in repr(server)
