"""The session as a requests.Session: mounts, copies, pickles, forks, environment; the edge stays below all of it."""

from __future__ import annotations

import copy
import os
import pickle
from collections import OrderedDict

import pytest
import requests
import requests_mock
import responses
from requests.adapters import BaseAdapter, HTTPAdapter

import vo_auth
from vo_auth.adapter import PermitAdapter
from vo_auth.errors import CredentialsNotFoundError, InsecureTransportError
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
