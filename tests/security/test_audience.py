"""D3: what a token says of its services only narrows; the issuer is asked for one that fits, where it can."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from vo_auth import Domain
from vo_auth.archive import Grant
from vo_auth.errors import InsecureOriginWarning, PermitDomainError
from vo_auth.permit import BearerPermit
from vo_auth.secret import Secret


def jwt(**claims: Any) -> str:
    """Make a token of the right shape; nobody here looks at its signature."""

    def part(value: Any) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    return f"{part({'alg': 'none'})}.{part(claims)}.obviouslyfake"


def sent(server: Any) -> list[str]:
    return [seen.authorization.removeprefix("Bearer ") for seen in server.received]


@pytest.mark.parametrize(
    ("aud", "names", "goes"),
    [
        (None, ("files",), True),
        ("files", ("files",), True),
        (["gms", "files"], ("files",), True),
        (["gms", "files"], ("archive", "files"), True),
        (["gms"], ("files",), False),
        ("Files", ("files",), False),
        (["anything"], (), True),  # a name that nobody can place
        (["{url}"], (), True),
        (["{url}/"], (), True),
        (["{url}/files"], (), True),
        (["{url}/fil"], (), False),
        (["{url}/tap"], (), False),
        (["https://elsewhere.example.org"], (), False),
        (["https://elsewhere.example.org", "gms"], (), True),
        (["https://elsewhere.example.org", "{url}"], (), True),
        (["https://elsewhere.example.org/?query"], (), False),
        ([], ("files",), True),
        (7, ("files",), True),
        ([7, "gms"], ("files",), False),
    ],
)
def test_a_token_goes_only_to_services_that_it_is_addressed_to(net, aud, names, goes) -> None:
    server = net.server()
    text = json.loads(json.dumps(aud).replace("{url}", server.url))
    archive = net.archive(Domain(server.url, audience=names), by_audience=True)
    token = jwt(sub="pi") if aud is None else jwt(sub="pi", aud=text)
    session = net.session(archive, token=token)
    if goes:
        session.get(f"{server.url}/files/1")
        assert sent(server) == [token]
    else:
        with pytest.raises(PermitDomainError, match="not for"):
            session.get(f"{server.url}/files/1")
        assert server.received == []


def test_an_address_is_the_same_service_however_a_token_spells_its_scheme(net) -> None:
    """An audience is a name; where the permit goes is decided by the domain, which is https."""
    server = net.name("archive.example.org")
    token = jwt(aud="http://archive.example.org/")
    session = net.session(net.archive("https://archive.example.org", by_audience=True), token=token)
    session.get("https://archive.example.org/x")
    assert sent(server) == [token]


def test_an_archive_that_does_not_bind_tokens_to_services_is_not_asked_about_them(net) -> None:
    server = net.server()
    token = jwt(aud=["client-of-the-archive"])
    for more in ({}, {"narrow": lambda grant: None}):
        archive = net.archive(Domain(server.url, audience=("files",)), **more)
        net.session(archive, token=token).get(f"{server.url}/x")
    assert sent(server) == [token, token]


def test_an_opaque_token_is_not_guessed_at(net, token) -> None:
    server = net.server()
    net.session(net.archive(Domain(server.url, audience=("files",)), by_audience=True)).get(f"{server.url}/x")
    assert sent(server) == [token]


def minted_for_services(net: Any, *domains: Domain) -> Any:
    """Make an archive whose issuer makes tokens for one service where it is asked to, for the group service else."""
    archive, mint, wallet = net.minted(*domains, by_audience=True)
    asked: list[str] = []

    def make(ctx: Any) -> Grant:
        asked.append(ctx.resource)
        now = mint.time.clock.wall()
        token = jwt(aud=ctx.resource or "gms", jti=len(asked))
        return Grant(permit=BearerPermit(Secret(token)), identity="demo", issued=now, expires=now + 3600)

    object.__setattr__(mint, "make", make)
    return archive, mint, wallet, asked


def test_the_issuer_is_asked_once_for_a_token_that_fits(net, monkeypatch) -> None:
    """One token for all while it fits; another for the service that it excludes; both are kept."""
    files, gms = net.server(), net.server()
    archive, mint, wallet, asked = minted_for_services(
        net, Domain(gms.url, audience=("gms",)), Domain(files.url, audience=("files", "data"))
    )
    monkeypatch.setattr(type(mint), "resource_parameter", "resource", raising=False)
    session = net.session(archive, wallet=wallet)
    for _ in range(2):
        session.get(f"{gms.url}/search")
        session.get(f"{files.url}/1")
    assert asked == ["", "files"]
    assert [json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))["aud"] for token in sent(files)] == [
        "files",
        "files",
    ]
    assert len(set(sent(gms))) == len(set(sent(files))) == 1
    assert set(sent(gms)).isdisjoint(sent(files))


def test_a_domain_without_a_name_is_asked_for_by_its_address(net, monkeypatch) -> None:
    files = net.server()
    archive, mint, wallet, asked = minted_for_services(net, Domain(f"{files.url}/files", audience=()))
    monkeypatch.setattr(type(mint), "resource_parameter", "resource", raising=False)
    original = mint.make

    def for_elsewhere(ctx: Any) -> Grant:
        grant = original(ctx)
        if ctx.resource:
            return grant
        now = mint.time.clock.wall()
        token = jwt(aud="https://elsewhere.example.org")
        return Grant(permit=BearerPermit(Secret(token)), identity="demo", issued=now, expires=now + 3600)

    object.__setattr__(mint, "make", for_elsewhere)
    net.session(archive, wallet=wallet).get(f"{files.url}/files/1")
    assert asked == ["", f"{files.url}/files"]


def test_a_flow_that_cannot_ask_for_one_service_sends_nothing(net) -> None:
    files = net.server()
    archive, _, wallet, asked = minted_for_services(net, Domain(files.url, audience=("files",)))
    with pytest.raises(PermitDomainError, match="use a permit made for this service"):
        net.session(archive, wallet=wallet).get(f"{files.url}/1")
    assert asked == [""]
    assert files.received == []


def test_an_issuer_that_gives_the_wrong_service_again_is_not_believed(net, monkeypatch) -> None:
    files = net.server()
    archive, mint, wallet, asked = minted_for_services(net, Domain(files.url, audience=("files",)))
    monkeypatch.setattr(type(mint), "resource_parameter", "resource", raising=False)
    original = mint.make

    def always_for_groups(ctx: Any) -> Grant:
        original(ctx)
        now = mint.time.clock.wall()
        return Grant(permit=BearerPermit(Secret(jwt(aud="gms"))), identity="demo", issued=now, expires=now + 3600)

    object.__setattr__(mint, "make", always_for_groups)
    with pytest.raises(PermitDomainError):
        net.session(archive, wallet=wallet).get(f"{files.url}/1")
    assert asked == ["", "files"]
    assert files.received == []


@pytest.mark.parametrize(
    "aud", ["http://old.example.org/files", "https://old.example.org/files", "https://old.example.org"]
)
def test_an_insecure_origin_is_the_service_that_a_token_names(net, aud) -> None:
    """The user wants plain http there; the token's own word about the service holds all the same."""
    plain = net.plain_name("old.example.org")
    domain = Domain("http://old.example.org/files", insecure=True)
    session = net.session(net.archive(domain, by_audience=True), token=jwt(aud=aud))
    with pytest.warns(InsecureOriginWarning):
        session.get("http://old.example.org/files/1")
    assert sent(plain) == [jwt(aud=aud)]


def test_an_insecure_origin_gets_no_token_for_another_service(net) -> None:
    plain = net.plain_name("old.example.org")
    domain = Domain("http://old.example.org/files", insecure=True)
    session = net.session(net.archive(domain, by_audience=True), token=jwt(aud="https://gms.example.org"))
    with pytest.raises(PermitDomainError):  # and no warning: nothing goes there
        session.get("http://old.example.org/files/1")
    assert plain.received == []
