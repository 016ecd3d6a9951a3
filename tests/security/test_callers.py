"""Who wins: what the caller set stays; what netrc or userinfo made is replaced; nobody else's secrets are read."""

from __future__ import annotations

import os
import warnings
from pathlib import Path

import pytest
import requests
from requests.adapters import HTTPAdapter

import vo_auth
from vo_auth.adapter import PermitAdapter
from vo_auth.errors import CallerHeaderWarning

NETRCS = {
    "named": "machine 127.0.0.1 login netrc-user password obviously-fake",
    "default": "default login netrc-user password obviously-fake",
    "empty": "machine 127.0.0.1 login netrc-user password ''",
    "no login": "machine 127.0.0.1 password obviously-fake",
}


@pytest.fixture(params=NETRCS)
def netrc(request, tmp_path, monkeypatch) -> Path:
    path = tmp_path / "my-netrc"
    path.write_text(NETRCS[request.param] + "\n")
    path.chmod(0o600)
    monkeypatch.setenv("NETRC", str(path))
    return path


def set_headers(session):
    return {"headers": {"Authorization": "Bearer callers-own"}}


def set_lower_case(session):
    return {"headers": {"authorization": "Bearer callers-own"}}


def set_bytes(session):
    return {"headers": {"Authorization": b"Bearer callers-own"}}


def set_session_headers(session):
    session.headers["Authorization"] = "Bearer callers-own"
    return {}


def set_auth(session):
    return {"auth": ("callers", "own")}


def set_session_auth(session):
    session.auth = ("callers", "own")
    return {}


class CallersAuth(requests.auth.AuthBase):
    def __call__(self, request):
        request.headers["Authorization"] = "Bearer callers-own"
        return request


def set_auth_object(session):
    return {"auth": CallersAuth()}


WAYS = [set_headers, set_lower_case, set_bytes, set_session_headers, set_auth, set_session_auth, set_auth_object]


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_the_callers_own_header_wins_and_is_said_once(net, way) -> None:
    archive = net.server()
    session = net.session(net.archive(archive.url))
    arguments = way(session)
    with pytest.warns(CallerHeaderWarning, match="Authorization header of its own") as caught:
        responses = [session.get(f"{archive.url}/x", **arguments) for _ in range(2)]
    assert len(caught) == 1
    given = (
        "Basic Y2FsbGVyczpvd24=" if "auth" in way.__name__ and "object" not in way.__name__ else "Bearer callers-own"
    )
    assert [seen.authorization for seen in archive.received] == [given] * 2
    assert all(response.request.headers["Authorization"] for response in responses)


def test_the_callers_header_costs_no_login(net) -> None:
    archive = net.server()
    declared, mint, wallet = net.minted(archive.url)
    session = net.session(declared, wallet=wallet)
    with pytest.warns(CallerHeaderWarning):
        session.get(f"{archive.url}/x", headers={"Authorization": "Bearer callers-own"})
    assert mint.logins == []


@pytest.mark.parametrize("way", ["jar", "header", "bytes"])
def test_the_callers_own_login_cookie_wins_and_is_said_once(net, token, way) -> None:
    """Two identities on one request would leave the choice to the server."""
    archive = net.server()
    session = net.session(net.archive(archive.url, cookies=("SSO",)))
    given = {"jar": {}, "header": {"Cookie": "a=1; SSO=callers-own"}, "bytes": {"Cookie": b"SSO=callers-own"}}[way]
    session.cookies.set("other", "1")
    session.get(f"{archive.url}/x")
    if way == "jar":
        session.cookies.set("SSO", "callers-own")
    with pytest.warns(CallerHeaderWarning, match="login cookie of its own"):
        session.get(f"{archive.url}/x", headers=given)
    session.get(f"{archive.url}/x", headers=given)  # warnings are errors here
    assert [seen.authorization for seen in archive.received] == [f"Bearer {token}", "", ""]
    assert [seen.cookies.get("SSO", "") for seen in archive.received] == ["", "callers-own", "callers-own"]


def test_other_archives_replace_a_cookie_of_their_permits_name(net) -> None:
    archive = net.server()
    session = net.session(net.archive(archive.url), cookie="SSO=permit")
    session.cookies.set("SSO", "stale")
    session.get(f"{archive.url}/x")
    assert archive.received[0].cookies == {"SSO": "permit"}


def test_a_header_in_a_plain_dictionary_of_a_prepared_request_is_the_callers(net) -> None:
    archive = net.server()
    session = net.session(net.archive(archive.url))
    request = session.prepare_request(requests.Request("GET", f"{archive.url}/x"))
    request.headers = requests.structures.CaseInsensitiveDict({"authorization": "Bearer callers-own"})
    with pytest.warns(CallerHeaderWarning):
        session.send(request)
    assert archive.received[0].authorization == "Bearer callers-own"


def test_an_auth_session_reads_no_netrc_for_any_host(net, netrc, redirected, token, monkeypatch) -> None:
    opened: list[str] = []
    real = os.path.expanduser
    monkeypatch.setattr(os.path, "expanduser", lambda path: opened.append(str(path)) or real(path))
    archive, foreign = net.server(), net.server()
    archive.replies["/out"] = redirected(f"{foreign.url}/x")
    foreign.replies["/in"] = redirected(f"{archive.url}/x")
    session = net.session(net.archive(archive.url))
    for url in (f"{archive.url}/x", f"{archive.url}/out", f"{foreign.url}/x", f"{foreign.url}/in"):
        session.get(url)
    assert {seen.authorization for seen in archive.received} == {f"Bearer {token}"}
    assert {seen.authorization for seen in foreign.received} == {""}
    assert not [path for path in opened if "netrc" in path]


def test_a_callers_header_that_equals_netrc_is_still_the_callers(net, netrc) -> None:
    archive = net.server()
    session = net.session(net.archive(archive.url))
    with pytest.warns(CallerHeaderWarning):
        session.get(f"{archive.url}/x", auth=("netrc-user", "obviously-fake"))
    assert archive.received[0].authorization.startswith("Basic ")


def test_a_header_from_netrc_is_replaced_where_another_session_read_it(net, netrc, redirected, token) -> None:
    """Sessions of others, with the edge below them: on the first hop, after redirects, to the same host and back."""
    archive, foreign = net.server(), net.server()
    archive.replies["/1"] = redirected("/2")
    archive.replies["/2"] = redirected(f"{foreign.url}/3")
    foreign.replies["/3"] = redirected(f"{archive.url}/4")
    ours = net.session(net.archive(archive.url))
    theirs = net.keep(requests.Session())
    theirs.mount("http://", PermitAdapter(HTTPAdapter(), ours._edge))
    with warnings.catch_warnings():
        warnings.simplefilter("error", CallerHeaderWarning)
        theirs.get(f"{archive.url}/1")
    assert [seen.authorization for seen in archive.received] == [f"Bearer {token}"] * 3


def test_userinfo_is_replaced_in_sessions_of_others_too(net, redirected, token) -> None:
    archive = net.server()
    archive.replies["/1"] = redirected(f"{archive.url}/2")
    ours = net.session(net.archive(archive.url))
    theirs = net.keep(requests.Session())
    theirs.mount("http://", PermitAdapter(HTTPAdapter(), ours._edge))
    theirs.get(f"{archive.url.replace('http://', 'http://mallory:obviously-fake@')}/1")
    assert [seen.authorization for seen in archive.received] == [f"Bearer {token}"] * 2


def test_userinfo_works_as_ever_for_hosts_outside(net) -> None:
    foreign = net.server()
    session = net.session(net.archive("https://archive.example.org"))
    session.get(f"{foreign.url.replace('http://', 'http://demo:pw@')}/x")
    assert foreign.received[0].authorization == "Basic ZGVtbzpwdw=="


def test_the_callers_header_is_dropped_on_the_way_to_another_host_as_ever(net, redirected, token) -> None:
    archive, foreign = net.name("archive.example.org"), net.name("www.example.com")
    foreign.replies["/in"] = redirected("https://archive.example.org/x")
    session = net.session(net.archive("https://archive.example.org"))
    session.get("https://www.example.com/in", headers={"Authorization": "Bearer callers-own"})
    assert foreign.received[0].authorization == "Bearer callers-own"
    assert archive.received[0].authorization == f"Bearer {token}"


def test_anonymous_sends_no_permit_through_any_session(net, token) -> None:
    archive = net.server()
    sessions = [net.session(net.archive(archive.url)) for _ in range(2)]
    with vo_auth.anonymous():
        for session in sessions:
            session.get(f"{archive.url}/x")
    sessions[0].get(f"{archive.url}/x")
    assert [seen.authorization for seen in archive.received] == ["", "", f"Bearer {token}"]


def test_anonymous_concerns_its_own_thread_alone(net, token) -> None:
    from concurrent.futures import ThreadPoolExecutor

    archive = net.server()
    session = net.session(net.archive(archive.url))
    with ThreadPoolExecutor(1) as pool, vo_auth.anonymous():
        pool.submit(session.get, f"{archive.url}/other").result()
        session.get(f"{archive.url}/own")
    assert {seen.path: seen.authorization for seen in archive.received} == {"/other": f"Bearer {token}", "/own": ""}


def test_anonymous_ends_with_an_exception_too(net, token) -> None:
    archive = net.server()
    session = net.session(net.archive(archive.url))
    with pytest.raises(ZeroDivisionError), vo_auth.anonymous():
        raise ZeroDivisionError
    session.get(f"{archive.url}/x")
    assert archive.received[0].authorization == f"Bearer {token}"
