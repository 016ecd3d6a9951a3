"""Invariant 2, the way there: plain http, unverified connections, client certificates, proxies (R3, R10, R14)."""

from __future__ import annotations

import warnings
from dataclasses import replace

import pytest
import requests
from requests.adapters import HTTPAdapter

import vo_auth
from vo_auth import Domain
from vo_auth.archive import Grant
from vo_auth.errors import (
    AnonymousWarning,
    CallerHeaderWarning,
    InsecureTransportError,
    InsecureUrlError,
)
from vo_auth.permit import CertificatePermit
from vo_auth.secret import Secret

# ------------------------------------------------------------------ http → https


UPGRADE = Domain("https://archive.example.org", upgrade_http=True)


@pytest.mark.parametrize("asked", ["http://archive.example.org/tap?a=1", "http://archive.example.org:80/tap?a=1"])
def test_plain_http_is_upgraded_where_the_archive_says_so(net, asked, token) -> None:
    """Port 80 written out is the same URL: its https form is on 443."""
    archive, plain = net.name("archive.example.org"), net.plain_name("archive.example.org")
    trap = net.name("archive.example.org", 80)
    net.proxy.names["archive.example.org", 80] = plain
    session = net.session(net.archive(UPGRADE))
    response = session.get(asked)
    assert [seen.authorization for seen in archive.received] == [f"Bearer {token}"]
    assert [seen.path for seen in archive.received] == ["/tap?a=1"]
    assert plain.received == trap.received == []
    assert response.url == "https://archive.example.org/tap?a=1"
    assert response.request.url == asked
    assert response.history == []


def test_an_upgraded_request_carries_the_cookies_of_its_https_url(net) -> None:
    archive = net.name("archive.example.org")
    session = net.session(net.archive(UPGRADE))
    session.cookies.set("secure", "for-https", domain="archive.example.org", path="/", secure=True)
    session.cookies.set("any", "for-both", domain="archive.example.org", path="/")
    response = session.get("http://archive.example.org/tap")
    assert archive.received[0].cookies == {"secure": "for-https", "any": "for-both"}
    assert response.request.headers["Cookie"] == "any=for-both"


def test_a_cookie_header_written_by_hand_survives_the_upgrade(net) -> None:
    archive = net.name("archive.example.org")
    session = net.session(net.archive(UPGRADE))
    session.cookies.set("jar", "from-jar", domain="archive.example.org", path="/")
    session.get("http://archive.example.org/tap", headers={"Cookie": "mine=by-hand"})
    assert archive.received[0].cookies == {"mine": "by-hand"}


def test_a_redirect_after_an_upgrade_is_relative_to_https(net, redirected, token) -> None:
    archive = net.name("archive.example.org")
    archive.replies["/a"] = redirected("/b")
    net.session(net.archive(UPGRADE)).get("http://archive.example.org/a")
    assert [(seen.path, seen.authorization) for seen in archive.received] == [
        ("/a", f"Bearer {token}"),
        ("/b", f"Bearer {token}"),
    ]


@pytest.mark.parametrize("path", ["/tap/sync", "/files/a@b.fits"])
def test_plain_http_to_the_named_archive_raises_with_the_https_url(net, path, token) -> None:
    plain = net.plain_name("archive.example.org")
    session = net.session(net.archive("https://archive.example.org"))
    with pytest.raises(InsecureUrlError) as caught:
        session.get(f"http://someone:obviously-fake@archive.example.org:80{path}?secret=in-query#part")
    assert caught.value.https_url == f"https://archive.example.org{path}"
    assert "obviously-fake" not in str(caught.value)
    assert "in-query" not in str(caught.value)
    assert plain.received == []


def test_plain_http_with_required_false_goes_anonymously_with_one_warning(net) -> None:
    plain = net.plain_name("archive.example.org")
    session = net.session(net.archive("https://archive.example.org"), required=False)
    with pytest.warns(AnonymousWarning, match="https://archive.example.org/tap") as caught:
        assert [session.get("http://archive.example.org/tap").ok for _ in range(2)] == [True, True]
    assert len(caught) == 1
    assert [seen.authorization for seen in plain.received] == ["", ""]


def test_plain_http_of_an_archive_met_on_the_way_goes_anonymously(net) -> None:
    named, plain = net.server(), net.plain_name("archive.example.org")
    other = net.archive("https://archive.example.org", name="beta")
    session = net.session(net.archive(named.url), other)
    with pytest.warns(AnonymousWarning):
        session.get("http://archive.example.org/tap")
    assert [seen.authorization for seen in plain.received] == [""]


# ------------------------------------------------------------------ unverified connections


def unverified_adapter() -> HTTPAdapter:
    class Careless(HTTPAdapter):
        def init_poolmanager(self, *args, **kwargs):
            super().init_poolmanager(*args, **kwargs, assert_hostname=False)

    return Careless()


@pytest.mark.parametrize("how", ["argument", "empty", "session", "pools"])
@pytest.mark.parametrize("scheme", ["https", "http"])
def test_no_permit_and_no_login_on_a_connection_that_is_not_verified(net, how, scheme) -> None:
    """R3: whoever set it, and before credentials are used; also where http is upgraded."""
    archive = net.name("archive.example.org")
    declared, mint, wallet = net.minted(UPGRADE)
    session = net.session(declared, wallet=wallet)
    arguments = {"argument": {"verify": False}, "empty": {"verify": ""}}.get(how, {})
    if how == "session":
        net._environment.delenv("REQUESTS_CA_BUNDLE")
        session.verify = False
    if how == "pools":
        session.mount(f"{scheme}://", unverified_adapter())
    with pytest.raises(InsecureTransportError, match="not verified"):
        session.get(f"{scheme}://archive.example.org/tap", **arguments)
    assert archive.received == []
    assert mint.logins == []


def test_an_unverified_connection_is_fine_for_the_anonymous(net) -> None:
    archive = net.server(tls=True)
    session = net.session(net.archive(archive.url))
    with vo_auth.anonymous(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # urllib3 says that it is not verified
        assert session.get(f"{archive.url}/tap", verify=False).ok
    assert [seen.authorization for seen in archive.received] == [""]


def test_a_server_with_a_foreign_certificate_receives_nothing(net) -> None:
    import trustme

    stranger = net.server(tls=True, authority=trustme.CA())
    session = net.session(net.archive(stranger.url))
    with pytest.raises(requests.exceptions.SSLError):
        session.get(f"{stranger.url}/tap", verify=net.ca)
    assert stranger.received == []


# ------------------------------------------------------------------ certificates and connections


def test_two_certificate_sessions_never_share_a_connection(net) -> None:
    archive = net.server(tls=True)
    declared = net.archive(archive.url)
    path = net.certificate("first", net._folder / "me.pem")
    first = net.session(declared, certificate=str(path))
    first.get(f"{archive.url}/a", verify=net.ca)
    net.certificate("second", path)  # the file at the same path is now another person's
    second = net.session(declared, certificate=str(path))
    second.get(f"{archive.url}/b", verify=net.ca)
    first.get(f"{archive.url}/c", verify=net.ca)
    assert [seen.certificate for seen in archive.received] == ["first", "second", "first"]
    assert archive.received[0].connection != archive.received[1].connection


def test_an_anonymous_request_does_not_use_a_connection_with_a_certificate(net) -> None:
    archive = net.server(tls=True)
    session = net.session(net.archive(archive.url), certificate=str(net.certificate("demo-pi")))
    session.get(f"{archive.url}/a", verify=net.ca)
    with vo_auth.anonymous():
        session.get(f"{archive.url}/b", verify=net.ca)
    session.get(f"{archive.url}/c", verify=net.ca)
    assert [seen.certificate for seen in archive.received] == ["demo-pi", "", "demo-pi"]


def test_a_renewed_certificate_never_goes_on_over_the_old_ones_connection(net) -> None:
    archive = net.server(tls=True)
    people = iter(("first", "second"))

    def certificate(ctx) -> Grant:
        pem = net.certificate(next(people)).read_text()
        now = mint.time.clock.wall()
        return Grant(permit=CertificatePermit(Secret(pem)), issued=now, expires=now + 3600)

    declared, mint, wallet = net.minted(archive.url)
    flow = replace(mint, make=certificate)
    session = net.session(replace(declared, flows=(flow,)), wallet=wallet)
    session.get(f"{archive.url}/a", verify=net.ca)
    mint.time.passed += 7200
    session.get(f"{archive.url}/b", verify=net.ca)
    session.get(f"{archive.url}/c", verify=net.ca)
    assert [seen.certificate for seen in archive.received] == ["first", "second", "second"]


def test_a_certificate_of_the_callers_own_wins_and_never_replaces_the_permits(net) -> None:
    archive = net.server(tls=True)
    session = net.session(net.archive(archive.url), certificate=str(net.certificate("permit")))
    own = str(net.certificate("callers"))
    with pytest.warns(CallerHeaderWarning, match="client certificate"):
        session.get(f"{archive.url}/a", verify=net.ca, cert=own)
    session.get(f"{archive.url}/b", verify=net.ca)
    assert [seen.certificate for seen in archive.received] == ["callers", "permit"]


def test_trusting_an_authority_once_does_not_make_the_permit_trust_it_for_good(net) -> None:
    """A TLS context keeps every CA bundle that a connection was made with."""
    archive = net.server(tls=True)
    session = net.session(net.archive(archive.url), certificate=str(net.certificate("demo-pi")))
    session.get(f"{archive.url}/a", verify=net.ca)
    with pytest.raises(requests.exceptions.SSLError):
        session.get(f"{archive.url}/b", verify=True)
    assert len(archive.received) == 1


# ------------------------------------------------------------------ proxies


def test_a_proxy_sees_no_permit_of_a_request_by_https(net, token) -> None:
    archive = net.name("archive.example.org")
    net.session(net.archive("https://archive.example.org")).get("https://archive.example.org/tap?q=1")
    assert archive.received[0].authorization == f"Bearer {token}"
    assert len(net.proxy.heads) == 1
    assert token not in "".join(net.proxy.heads)


def test_a_loopback_domain_in_clear_does_not_go_by_way_of_a_proxy(net, token) -> None:
    archive = net.server()
    assert net.proxy.heads == []
    proxies = {"http": net.proxy.url, "all": net.proxy.url}
    net.session(net.archive(archive.url)).get(f"{archive.url}/tap", proxies=proxies)
    assert archive.received[0].authorization == f"Bearer {token}"
    assert net.proxy.heads == []


def test_proxy_authorization_reaches_the_proxy_alone(net, redirected) -> None:
    """R10: also where requests writes it into a redirected request that is upgraded, or goes direct."""
    archive, local = net.name("archive.example.org"), net.server()
    archive.replies["/up"] = redirected("http://archive.example.org/tap")
    archive.replies["/local"] = redirected(f"{local.url}/tap")
    session = net.session(net.archive(UPGRADE, local.url))
    session.trust_env = False
    session.verify = net.ca
    with_password = net.proxy.url.replace("http://", "http://proxy-user:obviously-fake-pw@")
    session.proxies = {"http": with_password, "https": with_password}
    session.get("https://archive.example.org/up")
    session.get("https://archive.example.org/local")
    assert any("Proxy-Authorization: Basic" in head for head in net.proxy.heads)
    assert len(archive.received) == 3
    assert not any("proxy-authorization" in seen.headers for seen in (*archive.received, *local.received))
