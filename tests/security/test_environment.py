"""Settings of the environment: what requests makes of them, looked up again when a variable changed."""

from __future__ import annotations

import copy
import sys
import urllib.request

import pytest
import requests
from requests.utils import get_environ_proxies

from vo_auth.errors import AnonymousWarning

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
