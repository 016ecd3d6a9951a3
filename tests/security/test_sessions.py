"""The session as a requests.Session: mounts, copies, pickles, forks, environment; the edge stays below all of it."""

from __future__ import annotations

import copy
import os
import pickle
import sys
import urllib.request
from collections import OrderedDict

import pytest
import requests
import requests_mock
import responses
from requests.adapters import BaseAdapter, HTTPAdapter
from requests.utils import get_environ_proxies

import vo_auth
from vo_auth.adapter import PermitAdapter
from vo_auth.errors import AnonymousWarning, CredentialsNotFoundError, InsecureTransportError
from vo_auth.session import AuthSession
from vo_auth.testing import assert_no_secret


class Noting(HTTPAdapter):
    """An adapter of the user's own."""

    def __init__(self, note: str = "") -> None:
        self.note = note
        super().__init__()


# ------------------------------------------------------------------ mounts


def test_whatever_is_mounted_is_wrapped(net, token) -> None:
    archive = net.server()
    session = net.session(net.archive(archive.url))
    ways = [
        lambda: session.mount("http://", Noting("mounted")),
        lambda: session.mount(archive.url, Noting("longer")),
        lambda: session.adapters.__setitem__("http://127", Noting("set")),
        lambda: session.adapters.update({"http://127.0": Noting("updated")}),
        lambda: session.adapters.setdefault("http://127.0.0", Noting("default")),
        lambda: session.adapters.__ior__({"http://127.0.0.1": Noting("merged")}),
        lambda: setattr(session, "adapters", OrderedDict({"http://": Noting("replaced")})),
        lambda: setattr(session, "adapters", session.adapters.copy()),
        lambda: session.mount("http://", requests.Session().get_adapter("http://x")),
        lambda: session.mount("http://", session.get_adapter("http://x")),
    ]
    for number, way in enumerate(ways, 1):
        way()
        assert session.get(f"{archive.url}/{number}").ok
        assert [seen.authorization for seen in archive.received] == [f"Bearer {token}"] * number
        assert not any(isinstance(adapter.inner, PermitAdapter) for adapter in session.adapters.values())
        assert all(adapter.edge is session._edge for adapter in session.adapters.values())


def test_the_longest_prefix_comes_first_as_ever(net) -> None:
    plain, ours = requests.Session(), net.session(net.archive("https://archive.example.org"))
    for prefix in ("https://a", "http://", "https://a.example.org/longer", "https://a.ex"):
        plain.mount(prefix, HTTPAdapter())
        ours.mount(prefix, HTTPAdapter())
    assert list(ours.adapters) == list(plain.adapters)
    assert ours.get_adapter("https://a.example.org/longer/x") is ours.adapters["https://a.example.org/longer"]


def test_settings_of_an_adapter_are_read_and_set_through_the_edge(net) -> None:
    session = net.session(net.archive("https://archive.example.org"))
    session.mount("https://", Noting("mine"))
    adapter = session.get_adapter("https://x")
    assert adapter.note == "mine"
    adapter.max_retries = "marked"
    assert adapter.inner.max_retries == adapter.max_retries == "marked"


def test_the_answers_connection_is_the_permit_adapter(net, token) -> None:
    archive, foreign = net.server(), net.server()
    session = net.session(net.archive(archive.url))
    responses_ = [session.get(f"{server.url}/x") for server in (archive, foreign)]
    assert all(isinstance(response.connection, PermitAdapter) for response in responses_)
    again = responses_[0].connection.send(responses_[0].request)  # as auth handlers do
    assert again.content == b"data"
    assert [seen.authorization for seen in archive.received] == [f"Bearer {token}"] * 2


def test_send_takes_a_prepared_request_and_positional_arguments(net, token) -> None:
    archive = net.server()
    session = net.session(net.archive(archive.url))
    request = requests.Request("GET", f"{archive.url}/x").prepare()
    session.send(request)
    session.get_adapter(archive.url).send(request, False, 5, True, None, {}).close()
    assert [seen.authorization for seen in archive.received] == [f"Bearer {token}"] * 2
    assert "Authorization" not in request.headers


def test_requests_mock_adapters_see_the_dressed_request(net, token) -> None:
    session = net.session(net.archive("https://archive.example.org"))
    adapter = requests_mock.Adapter()
    adapter.register_uri("GET", "https://archive.example.org/x", text="mocked", cookies={"sid": "fake-cookie-value"})
    session.mount("https://", adapter)
    response = session.get("https://archive.example.org/x")
    assert response.text == "mocked"
    assert adapter.last_request.headers["Authorization"] == f"Bearer {token}"
    assert "Authorization" not in response.request.headers
    assert not response.cookies


def test_subclasses_of_requests_mock_adapters_do_as_well(net, token) -> None:
    class Mine(requests_mock.Adapter):
        pass

    session = net.session(net.archive("https://archive.example.org"))
    adapter = Mine()
    adapter.register_uri("GET", "https://archive.example.org/x", text="mocked")
    session.mount("https://", adapter)
    session.get("https://archive.example.org/x")
    assert adapter.last_request.headers["Authorization"] == f"Bearer {token}"


def test_responses_sees_the_dressed_request(net, token) -> None:
    session = net.session(net.archive("https://archive.example.org"))
    with responses.RequestsMock() as mocked:
        mocked.get("https://archive.example.org/x", body="mocked")
        response = session.get("https://archive.example.org/x")
        assert mocked.calls[0].request.headers["Authorization"] == f"Bearer {token}"
    assert response.text == "mocked"
    assert "Authorization" not in response.request.headers


class Opaque(BaseAdapter):
    """An adapter that cannot tell where it connects to."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[requests.PreparedRequest] = []

    def send(self, request, **kwargs):
        self.sent.append(request)
        response = requests.Response()
        response.status_code, response.url, response.request, response._content = 200, request.url, request, b"opaque"
        return response

    def close(self) -> None:
        """Nothing is open."""


def test_an_adapter_that_cannot_tell_where_it_connects_gets_an_error_inside_a_domain(net) -> None:
    session = net.session(net.archive("https://archive.example.org"))
    adapter = Opaque()
    session.mount("https://", adapter)
    with pytest.raises(InsecureTransportError, match="Opaque"):
        session.get("https://archive.example.org/x")
    assert adapter.sent == []
    assert session.get("https://www.example.com/x").text == "opaque"
    with vo_auth.anonymous():
        assert session.get("https://archive.example.org/x").text == "opaque"
    assert not any("Authorization" in request.headers for request in adapter.sent)


def test_an_adapter_that_dials_elsewhere_is_judged_by_where_it_dials(net, token) -> None:
    """Each time anew: the same URL may lead it somewhere else."""

    class Elsewhere(HTTPAdapter):
        port = 0

        def build_connection_pool_key_attributes(self, request, verify, cert=None):
            host, pool = super().build_connection_pool_key_attributes(request, verify, cert)
            return {**host, "port": self.port}, pool

    archive, other = net.server(), net.server()
    session = net.session(net.archive(archive.url))
    adapter = Elsewhere()
    session.mount("http://", adapter)
    for adapter.port in (archive.port, other.port, archive.port):
        session.get(f"{archive.url}/x")
        session.get(f"{other.url}/x")
    assert [seen.authorization for seen in archive.received] == [f"Bearer {token}"] * 4
    assert [seen.authorization for seen in other.received] == ["", ""]


def test_close_closes_every_connection(net) -> None:
    plain, secure = net.server(), net.server(tls=True)
    session = net.session(net.archive(secure.url, plain.url), certificate=str(net.certificate("demo-pi")))
    session.get(f"{secure.url}/x", verify=net.ca)
    foreign = net.server()
    session.get(f"{foreign.url}/x")
    certified = list(session.get_adapter(secure.url)._certified.values())
    pools = [adapter.inner.poolmanager.pools for adapter in session.adapters.values()]
    pools += [adapter.poolmanager.pools for adapter in certified]
    assert sum(len(pool) for pool in pools) == 2
    session.close()
    assert sum(len(pool) for pool in pools) == 0
    session.get(f"{secure.url}/x", verify=net.ca)  # and it can be used again, as ever
    assert secure.received[1].certificate == "demo-pi"


# ------------------------------------------------------------------ pickles and copies


def furnished(net, archive_url: str, **more) -> AuthSession:
    session = net.session(net.archive(archive_url), **more)
    session.headers.update({"X-Mine": "kept", "Authorization": "Bearer fake-callers", "Cookie": "fake-header-cookie=1"})
    session.cookies.set("c", "fake-session-cookie")
    session.proxies = {"http": "http://proxy.example.org", "https": "http://me:fake-proxy-pw@proxy.example.org"}
    session.params = {"a": "1"}
    session.verify, session.trust_env, session.max_redirects = "/some/ca.pem", False, 7
    session.auth = ("me", "fake-session-auth")
    session.mount("https://special.example.org", Noting("kept"))
    return session


def test_a_pickled_session_is_a_recipe_without_secrets(net, token) -> None:
    session = furnished(
        net, "https://archive.example.org", url="https://me:fake-url-pw@archive.example.org/?t=fake-query"
    )
    pickled = pickle.dumps(session)
    secrets = [token, "fake-callers", "fake-header-cookie", "fake-session-cookie", "fake-proxy-pw", "fake-session-auth"]
    assert_no_secret([*secrets, "fake-url-pw", "fake-query"], pickled)
    other = net.keep(pickle.loads(pickled))
    assert isinstance(other, AuthSession)
    assert (other.headers["X-Mine"], other.params, other.verify) == ("kept", {"a": "1"}, "/some/ca.pem")
    assert (other.trust_env, other.max_redirects, other.proxies) == (False, 7, {"http": "http://proxy.example.org"})
    assert isinstance(other.get_adapter("https://special.example.org/x").inner, Noting)
    assert list(other.adapters) == list(session.adapters)
    assert all(isinstance(adapter, PermitAdapter) for adapter in other.adapters.values())


def test_pickling_leaves_the_session_itself_as_it_was(net) -> None:
    session = furnished(net, "https://archive.example.org")
    before = (dict(session.headers), session.cookies.get_dict(), dict(session.proxies), session.auth)
    pickle.dumps(session)
    assert (dict(session.headers), session.cookies.get_dict(), dict(session.proxies), session.auth) == before


def test_a_pickled_session_says_that_its_own_credentials_are_gone(net) -> None:
    archive = net.server()
    other = net.keep(pickle.loads(pickle.dumps(net.session(net.archive(archive.url)))))
    with pytest.raises(CredentialsNotFoundError, match="never pickled"):
        other.get(f"{archive.url}/x")
    assert archive.received == []
    with vo_auth.anonymous():
        assert other.get(f"{archive.url}/x").ok
    twice = net.keep(pickle.loads(pickle.dumps(other)))
    with pytest.raises(CredentialsNotFoundError, match="never pickled"):
        twice.get(f"{archive.url}/x")


def test_own_credentials_that_were_lost_are_missed_at_every_origin_of_their_archive(net) -> None:
    first, second = net.server(), net.server()
    session = net.session(net.archive(first.url, second.url))
    session._edge.lost_credentials()
    for server in (first, second):
        with pytest.raises(CredentialsNotFoundError, match="never pickled"):
            session.get(f"{server.url}/x")
    assert first.received == second.received == []


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy], ids=["copy", "deepcopy"])
def test_copies_carry_the_permit_and_share_no_settings(net, token, duplicate) -> None:
    archive = net.server()
    session = net.session(net.archive(archive.url))
    session.cookies.set("before", "1")
    other = net.keep(duplicate(session))
    other.headers["X-Mine"] = "other"
    other.cookies.set("after", "1")
    other.proxies["http"] = "http://proxy.example.org"
    other.hooks["response"].append(print)
    other.mount("http://127", Noting())
    assert "X-Mine" not in session.headers
    assert session.cookies.get_dict() == {"before": "1"}
    assert session.proxies == {}
    assert session.hooks == {"response": []}
    assert "http://127" not in session.adapters
    other.hooks["response"].clear()
    other.get(f"{archive.url}/x")
    session.get(f"{archive.url}/x")
    assert [seen.authorization for seen in archive.received] == [f"Bearer {token}"] * 2
    assert len({seen.connection for seen in archive.received}) == 2


def test_an_answer_as_astroquery_caches_it_holds_no_secret(net, token) -> None:
    archive = net.server()
    response = net.session(net.archive(archive.url)).get(f"{archive.url}/x")
    cached = pickle.dumps(copy.deepcopy(response), protocol=4)
    assert_no_secret([token], cached, response.request.copy())
    assert pickle.loads(cached).content == b"data"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_forked_child_has_no_connection_of_its_parent(net, token) -> None:
    archive = net.server()
    session = net.session(net.archive(archive.url))
    session.get(f"{archive.url}/parent")
    session._edge._guard.acquire()  # another thread was about to warn
    child = os.fork()
    if not child:
        try:
            pools = [len(adapter.inner.poolmanager.pools) for adapter in session.adapters.values()]
            free = session._edge._guard.acquire(timeout=1)
            session._edge._guard.release()
            session.get(f"{archive.url}/child", timeout=5)
            os._exit(0 if pools == [0, 0] and free else 3)
        finally:
            os._exit(4)
    session._edge._guard.release()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    session.get(f"{archive.url}/parent")
    connections = {
        path: [seen.connection for seen in archive.received if seen.path == path] for path in ("/parent", "/child")
    }
    assert connections["/parent"][0] == connections["/parent"][1] != connections["/child"][0]
    assert {seen.authorization for seen in archive.received} == {f"Bearer {token}"}


# ------------------------------------------------------------------ the environment


URLS = (
    "http://archive.example.org/x",
    "https://archive.example.org/x",
    "https://archive.example.org:8443/x",
    "https://sub.archive.example.org/x",
    "https://xarchive.example.org/x",
    "https://user:pw@archive.example.org/x",
    "http://127.0.0.1:8080/x",
    "http://127.1.2.3/x",
    "http://localhost/x",
    "http://[::1]:8080/x",
    "http://10.20.30.40/x",
    "HTTPS://ARCHIVE.example.org/x",
)
SETTINGS = (
    {},
    {"http_proxy": "http://p:1"},
    {"HTTP_PROXY": "http://p:1"},
    {"HTTPS_PROXY": "http://p:2"},
    {"https_proxy": "http://p:2", "HTTPS_PROXY": "http://p:3"},
    {"https_proxy": "", "HTTPS_PROXY": "http://p:3"},
    {"ALL_PROXY": "socks5://p:4"},
    {"all_proxy": "http://p:5", "https_proxy": "http://p:2"},
    {"HTTP_PROXY": "http://p:1", "REQUEST_METHOD": "GET"},
    *(
        {"HTTP_PROXY": "http://p:1", "HTTPS_PROXY": "http://p:2", name: hosts}
        for name in ("NO_PROXY", "no_proxy")
        for hosts in (
            "*",
            "",
            "archive.example.org",
            ".example.org",
            "example.org, localhost",
            "archive.example.org:8443",
            "127.0.0.1",
            "127.0.0.0/8,10.0.0.0/8",
            "::1",
            "ARCHIVE.EXAMPLE.ORG",
        )
    ),
)


def environment(monkeypatch, settings) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.delenv("REQUEST_METHOD", raising=False)
    for name, value in settings.items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize("trust_env", [True, False])
def test_settings_of_the_environment_are_what_requests_makes_of_them(net, monkeypatch, trust_env) -> None:
    """In one session, so that each change must count at once."""
    ours, plain = net.session(net.archive("https://archive.example.org")), net.keep(requests.Session())
    ours.trust_env = plain.trust_env = trust_env
    own = ({}, {"http": "http://own:1"}, {"no_proxy": "archive.example.org"}, {"https": None})
    bundles = (
        {},
        {"REQUESTS_CA_BUNDLE": "/r"},
        {"CURL_CA_BUNDLE": "/c"},
        {"REQUESTS_CA_BUNDLE": "", "CURL_CA_BUNDLE": "/c"},
    )
    for number, settings in enumerate(SETTINGS):
        environment(monkeypatch, settings)
        for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
            monkeypatch.delenv(name, raising=False)
        for name, value in bundles[number % len(bundles)].items():
            monkeypatch.setenv(name, value)
        for url in URLS:
            assert ours._environment.proxies(url) == get_environ_proxies(url), (settings, url)
            for given in own:
                for verify in (None, True, False, "/mine"):
                    arguments = (url, dict(given), None, verify, None)
                    expected = plain.merge_environment_settings(*arguments)
                    assert ours.merge_environment_settings(url, dict(given), None, verify, None) == expected, (
                        settings,
                        arguments,
                    )


@pytest.mark.parametrize(
    "session_settings",
    [
        {},
        {"verify": False},
        {"verify": "/session", "stream": True, "cert": ("/c", "/k")},
        {"proxies": {"http": "http://session:1", "https": "http://session:2"}},
        {"trust_env": False, "proxies": {"no_proxy": "x"}},
    ],
)
def test_settings_of_session_and_call_merge_as_in_requests(net, monkeypatch, session_settings) -> None:
    environment(monkeypatch, {"HTTPS_PROXY": "http://p:2"})
    ours, plain = net.session(net.archive("https://archive.example.org")), net.keep(requests.Session())
    for name, value in session_settings.items():
        setattr(ours, name, copy.copy(value))
        setattr(plain, name, copy.copy(value))
    for proxies in ({}, {"https": None}, {"http": "http://call:1"}):
        for stream in (None, False, True):
            for cert in (None, "/call", ("/a", "/b")):
                arguments = ("https://archive.example.org/x", proxies, stream, None, cert)
                assert ours.merge_environment_settings(*copy.deepcopy(arguments)) == plain.merge_environment_settings(
                    *copy.deepcopy(arguments)
                )


def test_the_callers_proxies_are_left_as_they_are(net, monkeypatch) -> None:
    environment(monkeypatch, {"HTTPS_PROXY": "http://p:2"})
    proxies = {"http": "http://call:1"}
    net.session(net.archive("https://archive.example.org")).merge_environment_settings(
        "https://x/", proxies, None, None, None
    )
    assert proxies == {"http": "http://call:1"}


def test_a_proxy_that_is_set_between_two_requests_counts_at_the_next(net, monkeypatch) -> None:
    archive = net.name("archive.example.org")
    heads = net.proxy.heads
    session = net.session(net.archive("https://archive.example.org"))
    session.get("https://archive.example.org/1")
    for name in ("HTTPS_PROXY", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with pytest.raises(requests.exceptions.ProxyError):
        session.get("https://archive.example.org/2")
    for name in ("HTTPS_PROXY", "https_proxy"):
        monkeypatch.setenv(name, net.proxy.url)
    session.get("https://archive.example.org/3")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/does/not/exist.pem")
    with pytest.raises(OSError, match="exist"):
        session.get("https://archive.example.org/4")
    assert [seen.path for seen in archive.received] == ["/1", "/3"]
    assert heads


@pytest.mark.skipif(sys.platform in ("darwin", "win32"), reason="there the system has settings, too")
def test_the_environment_is_read_once_while_it_stays_the_same(net, monkeypatch) -> None:
    archive = net.server()
    session = net.session(net.archive(archive.url))
    session.get(f"{archive.url}/x")
    reads: list[int] = []
    real = urllib.request.getproxies_environment
    monkeypatch.setattr(urllib.request, "getproxies_environment", lambda: reads.append(1) or real())
    monkeypatch.setattr("requests.utils.getproxies", lambda: reads.append(1) or real())
    session.get(f"{archive.url}/x")
    assert reads == []
    monkeypatch.setenv("NO_PROXY", "somewhere.example.org")
    session.get(f"{archive.url}/x")
    assert reads


def test_an_unknown_url_says_once_that_it_goes_anonymously(net) -> None:
    server = net.server()
    session = net.session(net.archive("https://archive.example.org"), url=server.url, wallet=net.wallet())
    with pytest.warns(AnonymousWarning, match="No plugin knows") as caught:
        assert [session.get(f"{server.url}/x").ok for _ in range(2)] == [True, True]
    assert len(caught) == 1
    assert [seen.authorization for seen in server.received] == ["", ""]
