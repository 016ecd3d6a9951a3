"""Invariant 1: the permit, and cookies that came with it, live at the edge alone."""

from __future__ import annotations

import logging
import pickle
import traceback
from http.client import HTTPConnection

import pytest
import requests
from requests.adapters import HTTPAdapter

from vo_auth.testing import assert_no_secret

KINDS = {
    "bearer": {"token": "obviously-fake-permit"},
    "cookie": {"cookie": "archive=obviously-fake-permit"},
    "basic": {"username": "demo", "password": "obviously-fake-permit"},
}
HOOKED: list[object] = []  # pickles name hooks, so the hook stands on module level
SECRETS = ["obviously-fake-permit", "fake-cookie-value"]


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """Everything that any logger says at DEBUG, the loggers that exist already included."""
    for logger in logging.root.manager.loggerDict.values():
        if isinstance(logger, logging.Logger):
            caplog.set_level(logging.DEBUG, logger.name)
    caplog.set_level(logging.DEBUG)
    return caplog


def faces(response: requests.Response) -> list[object]:
    """All that a user, astroquery's cache or a debugger sees of a response."""
    thing: list[object] = [response, response.request, dict(response.headers), dict(response.request.headers)]
    thing += [response.cookies.get_dict(), vars(response.request), response.raw, vars(response.raw)]
    thing += [response.connection, vars(response.connection), pickle.dumps(response), pickle.dumps(response.request)]
    for earlier in response.history:
        thing += faces(earlier)
    return thing


def hook(response: requests.Response, *args: object, **kwargs: object) -> None:
    HOOKED.extend(faces(response))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("stream", [False, True])
def test_answers_redirects_and_hooks_show_the_plain_request(net, redirected, logged, kind, stream) -> None:
    home, sibling = net.server(), net.server()
    cookie = ("Set-Cookie", "sid=fake-cookie-value; Path=/")
    home.replies["/1"] = redirected("/2", 302, cookie)
    home.replies["/2"] = redirected(f"{sibling.url}/3", 307, cookie)
    sibling.replies["/3"] = redirected(f"{home.url}/4", 303, cookie)
    session = net.session(net.archive(home.url, sibling.url), **KINDS[kind])
    HOOKED.clear()
    session.hooks["response"].append(hook)
    response = session.get(f"{home.url}/1", stream=stream)
    assert response.text == "data"
    assert len(response.history) == 3
    assert len(HOOKED) >= 40
    assert_no_secret(
        SECRETS,
        *faces(response),
        *HOOKED,
        list(logged.records),
        session,
        vars(session),
        session.headers,
        session.cookies.get_dict(),
        *(thing for adapter in session.adapters.values() for thing in (adapter, vars(adapter), vars(adapter.inner))),
    )
    assert logged.records


def refuse(_seen, reply):
    return reply(401, (("WWW-Authenticate", "Bearer"), ("Set-Cookie", "sid=fake-cookie-value")))


@pytest.mark.filterwarnings("ignore::vo_auth.errors.RefusedWarning")
def test_a_refused_answer_shows_the_plain_request(net, reply, logged) -> None:
    archive = net.server()
    archive.replies["*"] = lambda seen: refuse(seen, reply)
    response = net.session(net.archive(archive.url), **KINDS["bearer"]).get(f"{archive.url}/x")
    assert response.status_code == 401
    with pytest.raises(requests.HTTPError) as caught:
        response.raise_for_status()
    assert_no_secret(SECRETS, *faces(response), caught.value, list(logged.records))


def cut_off(handler) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\nSet-Cookie: sid=fake-cookie-value\r\n\r\nonly this")


def half_a_head(handler) -> None:
    handler.wfile.write(b"HTTP/1.")


def nonsense(handler) -> None:
    handler.wfile.write(b"\x00\x01 this is no HTTP at all\r\n\r\n")


def silence(handler) -> None:
    handler.connection.recv(1)  # until the client has enough


def stalled(handler) -> None:
    cut_off(handler)
    handler.wfile.flush()
    silence(handler)


def bad_gzip(handler) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nnope")


FAULTS = [cut_off, half_a_head, nonsense, silence, stalled, bad_gzip]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_exceptions_of_the_connection_and_the_body_hold_no_secret(net, reply, logged, fault, kind) -> None:
    """Text, arguments, causes, pickles, attributes and the local variables of every frame."""
    archive = net.server()
    archive.replies["*"] = reply(raw=fault)
    session = net.session(net.archive(archive.url), **KINDS[kind])
    with pytest.raises(requests.RequestException) as caught:
        session.get(f"{archive.url}/x", timeout=0.3)
    assert archive.received
    check_exception(caught.value, logged)


def check_exception(error: BaseException, logged: pytest.LogCaptureFixture) -> None:
    request = getattr(error, "request", None)
    if request is not None:
        assert_no_secret(SECRETS, dict(request.headers), vars(request))
    shown = "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())
    frames = [frame for frame in shown.split('  File "') if "/tests/security/" not in frame]
    assert_no_secret(SECRETS, error, vars(error), list(logged.records), *frames)


@pytest.mark.parametrize("kind", KINDS)
def test_exceptions_before_a_connection_hold_no_secret(net, logged, kind) -> None:
    archive = net.server()
    url = archive.url
    archive.shutdown()
    archive.server_close()
    with pytest.raises(requests.ConnectionError) as caught:
        net.session(net.archive(url), **KINDS[kind]).get(f"{url}/x")
    check_exception(caught.value, logged)


def test_tls_errors_hold_no_secret(net, logged) -> None:
    import trustme

    archive = net.server(tls=True, authority=trustme.CA())
    session = net.session(net.archive(archive.url), **KINDS["bearer"])
    with pytest.raises(requests.exceptions.SSLError) as caught:
        session.get(f"{archive.url}/x", verify=net.ca)
    check_exception(caught.value, logged)


def test_proxy_errors_hold_no_secret(net, logged) -> None:
    assert net.proxy.url
    session = net.session(net.archive("https://unknown.example.org"), **KINDS["bearer"])
    with pytest.raises(requests.exceptions.ProxyError) as caught:
        session.get("https://unknown.example.org/x")
    check_exception(caught.value, logged)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, MemoryError], ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("place", ["putrequest", "putheader", "endheaders", "getresponse"])
def test_an_interrupt_inside_the_connection_shows_no_secret(net, logged, monkeypatch, kind, error, place) -> None:
    archive = net.server()
    session = net.session(net.archive(archive.url), **KINDS[kind])
    original = getattr(HTTPConnection, place)
    seen: list[str] = []

    def interrupted(self, *args, **kwargs):
        seen.append(repr(args))
        if place != "putheader" or any(text in repr(args) for text in ("obviously-fake-permit", "Basic ")):
            raise error
        return original(self, *args, **kwargs)

    monkeypatch.setattr(HTTPConnection, place, interrupted)
    with pytest.raises(error) as caught:
        session.get(f"{archive.url}/x")
    assert seen
    check_exception(caught.value, logged)


def test_an_adapter_that_raises_for_a_status_gives_back_the_plain_request(net, reply) -> None:
    class Strict(HTTPAdapter):
        def send(self, *args, **kwargs):
            response = super().send(*args, **kwargs)
            response.raise_for_status()
            return response

    archive = net.server()
    archive.replies["*"] = reply(500, (("Set-Cookie", "sid=fake-cookie-value"),))
    session = net.session(net.archive(archive.url), **KINDS["bearer"])
    session.mount("http://", Strict())
    with pytest.raises(requests.HTTPError) as caught:
        session.get(f"{archive.url}/x")
    assert_no_secret(SECRETS, caught.value, *faces(caught.value.response))


# ------------------------------------------------------------------ cookies of dressed answers


def test_cookies_of_a_dressed_answer_go_back_to_its_origin_and_are_seen_nowhere(net, reply) -> None:
    """R6, C1 to C8."""
    home, sibling = net.server(), net.server()
    home.replies["/set"] = reply(200, (("Set-Cookie", "sid=fake-cookie-value; Path=/"), ("Set-Cookie2", "old=x")))
    session = net.session(net.archive(home.url, sibling.url), **KINDS["bearer"])
    response = session.get(f"{home.url}/set", stream=True)
    places = (response.headers, response.raw.headers, response.raw._original_response.msg)
    assert not any(name in headers for headers in places for name in ("Set-Cookie", "Set-Cookie2"))
    assert not response.cookies
    assert not session.cookies
    assert response.text == "data"
    session.get(f"{home.url}/x")
    session.get(f"{sibling.url}/x")
    assert [seen.cookies for seen in home.received] == [{}, {"sid": "fake-cookie-value"}]
    assert [seen.cookies for seen in sibling.received] == [{}]


def test_kept_cookies_serve_every_prefix_and_the_upgrade(net, reply) -> None:
    from vo_auth import Domain

    home = net.name("archive.example.org")
    home.replies["/set"] = reply(200, (("Set-Cookie", "sid=fake-cookie-value; Secure"),))
    session = net.session(net.archive(Domain("https://archive.example.org", upgrade_http=True)), **KINDS["bearer"])
    session.get("https://archive.example.org/set")
    session.get("http://archive.example.org/x")
    assert home.received[1].cookies == {"sid": "fake-cookie-value"}


def test_kept_cookies_are_not_shown_to_another_account_or_the_anonymous(net, reply) -> None:
    """D6: whom a cookie names is whom the permit names."""
    import vo_auth

    home = net.server()
    home.replies["/set"] = reply(200, (("Set-Cookie", "sid=fake-cookie-value"),))
    declared = net.archive(home.url)
    first = net.session(declared, username="first", password="obviously-fake")
    second = net.session(declared, username="second", password="obviously-fake")
    first.get(f"{home.url}/set")
    second.get(f"{home.url}/x")
    with vo_auth.anonymous():
        first.get(f"{home.url}/x")
    first.get(f"{home.url}/x")
    assert [seen.cookies for seen in home.received] == [{}, {}, {}, {"sid": "fake-cookie-value"}]


def test_a_cookie_for_a_parent_domain_stays_with_the_origin_that_set_it(net, reply) -> None:
    first, second = net.name("archive.example.org"), net.name("data.example.org")
    evil = net.name("www.example.org")
    first.replies["/set"] = reply(200, (("Set-Cookie", "sid=fake-cookie-value; Domain=example.org"),))
    session = net.session(net.archive("https://archive.example.org", "https://data.example.org"), **KINDS["bearer"])
    session.get("https://archive.example.org/set")
    for url in ("https://archive.example.org/x", "https://data.example.org/x", "https://www.example.org/x"):
        session.get(url)
    assert first.received[1].cookies == {"sid": "fake-cookie-value"}
    assert second.received[0].cookies == evil.received[0].cookies == {}


def test_a_permits_cookie_replaces_one_of_the_same_name(net, reply) -> None:
    home = net.server()
    home.replies["/set"] = reply(200, (("Set-Cookie", "archive=planted; Path=/"),))
    session = net.session(net.archive(home.url), **KINDS["cookie"])
    session.cookies.set("archive", "stale", domain="127.0.0.1", path="/")
    session.cookies.set("other", "kept", domain="127.0.0.1", path="/")
    session.get(f"{home.url}/set")
    session.get(f"{home.url}/x")
    assert [seen.cookies for seen in home.received] == [{"archive": "obviously-fake-permit", "other": "kept"}] * 2


def test_a_cookie_that_the_archive_deletes_is_gone(net, reply) -> None:
    home = net.server()
    home.replies["/set"] = reply(200, (("Set-Cookie", "sid=fake-cookie-value; Path=/"),))
    home.replies["/delete"] = reply(200, (("Set-Cookie", "sid=; Path=/; Max-Age=0"),))
    session = net.session(net.archive(home.url), **KINDS["bearer"])
    for path in ("/set", "/delete", "/x"):
        session.get(home.url + path)
    assert home.received[2].cookies == {}


def test_a_flood_of_cookies_is_bounded(net, reply) -> None:
    home = net.server()
    numbers = iter(range(10_000))
    home.replies["/flood"] = lambda _: reply(
        200, tuple(("Set-Cookie", f"c{next(numbers)}={'v' * 200}; Path=/") for _ in range(60))
    )
    home.replies["/large"] = reply(200, (("Set-Cookie", f"large={'v' * 20_000}; Path=/"),))
    session = net.session(net.archive(home.url), **KINDS["bearer"])
    for path in ("/flood", "/flood", "/flood", "/large", "/x"):
        session.get(home.url + path)
    last = home.received[-1].cookies
    assert len(last) == 50
    assert "c179" in last
    assert "large" not in last


def test_cookies_of_an_anonymous_answer_are_the_sessions_as_ever(net, reply) -> None:
    foreign = net.server()
    foreign.replies["/set"] = reply(200, (("Set-Cookie", "plain=visible; Path=/"),))
    session = net.session(net.archive("https://archive.example.org"), **KINDS["bearer"])
    assert session.get(f"{foreign.url}/set").cookies["plain"] == "visible"
    session.get(f"{foreign.url}/x")
    assert session.cookies["plain"] == foreign.received[1].cookies["plain"] == "visible"


def test_cookies_from_many_threads_harm_nothing(net, reply) -> None:
    from concurrent.futures import ThreadPoolExecutor

    home = net.server()
    home.replies["*"] = lambda seen: reply(200, (("Set-Cookie", f"c{seen.path[1:]}=fake-cookie-value; Path=/"),))
    session = net.session(net.archive(home.url), **KINDS["bearer"])
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda number: session.get(f"{home.url}/{number}"), range(160)))
    assert {answer.status_code for answer in answers} == {200}
    assert {seen.authorization for seen in home.received} == {"Bearer obviously-fake-permit"}
    assert not session.cookies
