"""Invariant 2: a permit goes only where its domain covers, decided afresh for each hop, as the servers saw it."""

from __future__ import annotations

import pytest
import requests

from vo_auth import Domain
from vo_auth.errors import (
    AnonymousWarning,
    PermitDomainError,
)
from vo_auth.flows import PastedToken

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
