"""Invariant 2: a permit goes only where its domain covers, decided afresh for each hop, as the servers saw it."""

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
    PermitDomainError,
)
from vo_auth.flows import PastedToken
from vo_auth.permit import CertificatePermit
from vo_auth.secret import Secret

REDIRECTS = (301, 302, 303, 307, 308)
DISGUISES = {
    "bearer": ({"token": "obviously-fake-permit"}, {}),
    "custom header": (
        {"token": "obviously-fake-permit"},
        {"flows": (PastedToken(header="X-Archive-Token", prefix=""),)},
    ),
    "cookie": ({"cookie": "archive=obviously-fake-permit"}, {}),
    "basic": ({"username": "demo", "password": "obviously-fake-permit"}, {}),
}


def carries(seen) -> bool:
    text = repr(seen.headers)
    return "obviously-fake-permit" in text or "b2J2aW91c2x5LWZha2U" in text or "Basic" in text


@pytest.mark.parametrize("status", REDIRECTS)
@pytest.mark.parametrize("kind", DISGUISES)
def test_a_redirect_to_another_origin_carries_nothing(net, redirected, kind, status) -> None:
    """R1, R2, R4, R6: another port of the same host is another origin."""
    credentials, more = DISGUISES[kind]
    archive, foreign = net.server(), net.server()
    archive.replies["/start"] = redirected(
        f"{foreign.url}/elsewhere", status, ("Set-Cookie", "sid=obviously-fake-permit")
    )
    session = net.session(net.archive(archive.url, **more), **credentials)
    assert session.get(f"{archive.url}/start").text == "data"
    assert carries(archive.received[0])
    assert len(foreign.received) == 1
    assert not carries(foreign.received[0])
    assert "authorization" not in foreign.received[0].headers
    assert "cookie" not in foreign.received[0].headers


@pytest.mark.parametrize("status", REDIRECTS)
def test_a_chain_that_comes_back_has_the_permit_at_home_alone(net, redirected, status) -> None:
    home, foreign, sibling = net.server(), net.server(), net.server()
    home.replies["/1"] = redirected(f"{foreign.url}/2", status)
    foreign.replies["/2"] = redirected(f"{sibling.url}/3", status)
    sibling.replies["/3"] = redirected(f"{foreign.url}/4", status)
    foreign.replies["/4"] = redirected(f"{home.url}/5", status)
    session = net.session(net.archive(home.url, sibling.url), token="obviously-fake-permit")
    assert len(session.get(f"{home.url}/1").history) == 4
    assert [carries(seen) for seen in (*home.received, *sibling.received)] == [True, True, True]
    assert [carries(seen) for seen in foreign.received] == [False, False]


@pytest.mark.parametrize("status", REDIRECTS)
def test_a_sibling_host_of_the_same_archive_keeps_the_permit(net, redirected, status) -> None:
    first, second = net.name("archive.example.org"), net.name("data.example.org")
    first.replies["/file"] = redirected("https://data.example.org/file", status)
    session = net.session(net.archive("https://archive.example.org", "https://data.example.org"))
    session.get("https://archive.example.org/file")
    assert first.received[0].authorization == second.received[0].authorization != ""


@pytest.mark.parametrize("status", REDIRECTS)
def test_a_client_certificate_is_shown_inside_its_origins_only(net, redirected, status) -> None:
    """R14."""
    archive, foreign = net.server(tls=True), net.server(tls=True)
    archive.replies["/start"] = redirected(f"{foreign.url}/elsewhere", status)
    session = net.session(net.archive(archive.url), certificate=str(net.certificate("demo-pi")))
    session.get(f"{archive.url}/start", verify=net.ca)
    session.get(f"{foreign.url}/direct", verify=net.ca)
    assert [seen.certificate for seen in archive.received] == ["demo-pi"]
    assert [seen.certificate for seen in foreign.received] == ["", ""]


def test_a_url_that_a_server_handed_over_gets_a_permit_only_inside_the_archive(net) -> None:
    """D1."""
    archive, foreign = net.server(), net.server()
    session = net.session(net.archive(f"{archive.url}/tap"))
    for url in (f"{foreign.url}/tap/x", f"{archive.url}/tapestry", f"{archive.url}/", f"{archive.url}/tap/../admin"):
        session.get(url)
    assert not any(seen.authorization for seen in (*archive.received, *foreign.received))


@pytest.mark.parametrize(
    "path",
    [
        "/tap/%2e%2e/admin",
        "/tap/..%2fadmin",
        "/tap/%252e%252e/admin",
        "/tap/..;/admin",
        "/tap/..\\admin",
        "/tap/%5c..%5cadmin",
        "//tap/../admin",
        "/%74ap/%2E%2E/admin",
        "/tap;x/../../admin",
        "/TAP/sync",
        "/tapx/sync",
    ],
)
@pytest.mark.parametrize("by_hand", [False, True], ids=["requested", "prepared by hand"])
def test_a_path_that_a_server_may_read_as_another_gets_no_permit(net, path, by_hand) -> None:
    """U8, U9: on the path that is really sent, also one that requests has not tidied up."""
    archive = net.server()
    session = net.session(net.archive(f"{archive.url}/tap"))
    request = session.prepare_request(requests.Request("GET", f"{archive.url}{'/' if by_hand else path}"))
    if by_hand:
        request.url = archive.url + path
    session.send(request)
    assert [seen.authorization for seen in archive.received] == [""]


def test_paths_inside_the_prefix_get_the_permit(net, token) -> None:
    archive = net.server()
    session = net.session(net.archive(f"{archive.url}/tap"))
    for path in ("/tap", "/tap/", "/tap/sync?x=/../y", "/tap/a%20b", "/x/../tap/sync", "/tap/a/./b"):
        session.get(archive.url + path)
    assert {seen.authorization for seen in archive.received} == {f"Bearer {token}"}


def test_another_scheme_of_the_same_host_and_port_is_another_origin(net) -> None:
    """R2."""
    archive = net.name("archive.example.org")
    plain = net.plain_name("archive.example.org", 8080)
    session = net.session(net.archive("https://archive.example.org", "https://archive.example.org:8080"))
    session.get("https://archive.example.org/x")
    session.get("http://archive.example.org:8080/x")
    assert archive.received[0].authorization
    assert [seen.authorization for seen in plain.received] == [""]


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


# ------------------------------------------------------------------ other archives, foreign challenges, userinfo


def test_a_foreign_challenge_after_a_redirect_is_not_answered(net, reply, redirected) -> None:
    """R13."""
    archive, foreign = net.server(), net.server()
    archive.replies["/start"] = redirected(f"{foreign.url}/login")
    foreign.replies["/login"] = reply(401, (("WWW-Authenticate", 'Basic realm="give me"'),))
    session = net.session(net.archive(archive.url), username="demo", password="obviously-fake")
    assert session.get(f"{archive.url}/start").status_code == 401
    assert [seen.authorization for seen in foreign.received] == [""]


@pytest.mark.parametrize("kind", DISGUISES)
def test_archive_b_gets_nothing_of_archive_a(net, kind) -> None:
    """D4: the same kind of credential, the same flow, and still another archive."""
    credentials, more = DISGUISES[kind]
    a, b = net.server(), net.server()
    session = net.session(
        net.archive(a.url, **more), net.archive(b.url, name="beta", **more), wallet=None, **credentials
    )
    session.get(f"{a.url}/x")
    with pytest.warns(AnonymousWarning, match="beta|Beta"):
        session.get(f"{b.url}/x")
    assert carries(a.received[0])
    assert not carries(b.received[0])


def test_a_permits_own_list_of_domains_narrows_and_never_widens(net) -> None:
    """D3: to the port."""
    inside, outside, beyond = net.server(), net.server(), net.server()
    archive = net.archive(inside.url, outside.url, narrow=lambda grant: (Domain(inside.url), Domain(beyond.url)))
    session = net.session(archive)
    session.get(f"{inside.url}/x")
    session.get(f"{beyond.url}/x")
    with pytest.raises(PermitDomainError):
        session.get(f"{outside.url}/x")
    assert [seen.authorization != "" for seen in inside.received] == [True]
    assert [seen.authorization for seen in beyond.received] == [""]
    assert outside.received == []


def test_a_narrow_permit_for_the_default_port_is_not_for_another(net) -> None:
    archive = net.name("archive.example.org", 8443)
    declared = net.archive(
        "https://archive.example.org:8443", narrow=lambda grant: (Domain("https://archive.example.org"),)
    )
    with pytest.raises(PermitDomainError):
        net.session(declared).get("https://archive.example.org:8443/x")
    assert archive.received == []


def test_a_renewed_permit_is_checked_against_its_own_list(net, reply) -> None:
    archive = net.server()
    narrow = {"fake-minted-1": None, "fake-minted-2": (Domain("https://elsewhere.example.org"),)}
    declared, mint, wallet = net.minted(archive.url, narrow=lambda grant: narrow[grant.permit.token.reveal()])
    session = net.session(declared, wallet=wallet)
    session.get(f"{archive.url}/x")
    archive.replies["*"] = reply(401)
    mint.time.passed += 300  # old enough for another login after a refusal
    with pytest.raises(PermitDomainError):
        session.get(f"{archive.url}/x")
    assert [seen.authorization for seen in archive.received] == ["Bearer fake-minted-1"] * 2


@pytest.mark.parametrize("hop", ["direct", "relative", "absolute"])
def test_userinfo_in_a_url_never_swaps_the_identity(net, redirected, hop, token) -> None:
    """D7: also after a redirect to a URL without it, where requests keeps the header it made."""
    archive = net.server()
    archive.replies["/relative"] = redirected("/direct")
    archive.replies["/absolute"] = redirected(f"{archive.url}/direct")
    session = net.session(net.archive(archive.url))
    session.get(f"{archive.url.replace('http://', 'http://mallory:obviously-fake@')}/{hop}")
    assert {seen.authorization for seen in archive.received} == {f"Bearer {token}"}


def test_userinfo_of_a_public_url_does_not_follow_into_the_domain(net, redirected, token) -> None:
    archive = net.server()
    archive.replies["/public"] = redirected(f"{archive.url}/tap/x")
    session = net.session(net.archive(f"{archive.url}/tap"))
    session.get(f"{archive.url.replace('http://', 'http://mallory:obviously-fake@')}/public")
    assert archive.received[1].authorization == f"Bearer {token}"


def test_userinfo_in_a_redirect_never_swaps_the_identity(net, redirected, token) -> None:
    archive, foreign = net.server(), net.server()
    foreign.replies["/start"] = redirected(f"{archive.url.replace('http://', 'http://mallory:obviously-fake@')}/x")
    net.session(net.archive(archive.url)).get(f"{foreign.url}/start")
    assert [seen.authorization for seen in archive.received] == [f"Bearer {token}"]


def test_userinfo_reaches_no_log_and_no_error_of_ours(net, caplog) -> None:
    caplog.set_level("DEBUG")
    archive = net.server()
    with_userinfo = archive.url.replace("http://", "http://mallory:obviously-fake-pw@")
    session = net.session(net.archive(archive.url), url=f"{with_userinfo}/tap?token=also-fake")
    session.get(f"{with_userinfo}/x")
    from vo_auth.testing import assert_no_secret

    assert caplog.records
    assert_no_secret(["obviously-fake-pw"], caplog.text, list(caplog.records))
    assert "obviously-fake-pw" not in repr(session)
    assert "also-fake" not in repr(session)


def test_hosts_that_only_look_like_the_archive_get_nothing(net) -> None:
    """U1 to U7, as dialled."""
    archive = net.name("archive.example.org")
    others = {
        host: net.name(host)
        for host in ("archive.example.org.evil.example", "xarchive.example.org", "evil.example", "example.org")
    }
    session = net.session(net.archive("https://archive.example.org"))
    for url in (
        "https://archive.example.org.evil.example/",
        "https://xarchive.example.org/",
        "https://archive.example.org@evil.example/",
        "https://archive.example.org%40evil.example/",
        "https://evil.example\\@archive.example.org/",
        "https://evil.example#@archive.example.org/",
        "https://evil.example?@archive.example.org/",
        "https://example.org/archive.example.org/",
    ):
        try:
            session.get(url)
        except requests.RequestException:
            continue
    assert sum(len(server.received) for server in others.values()) >= 4
    assert not any(seen.authorization for server in others.values() for seen in server.received)
    for url in ("https://ARCHIVE.example.org/", "HTTPS://archive.example.org:443/", "https://archive.example.org:/"):
        session.get(url)
    assert len(archive.received) >= 3
    assert all(seen.authorization for seen in archive.received)
