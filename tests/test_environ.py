"""Proxy and CA settings of the environment: as requests reads them, looked up again when a variable changed."""

from __future__ import annotations

import itertools
import sys

import pytest
import requests
from requests.utils import get_environ_proxies

from vo_auth import environ
from vo_auth.environ import EnvironmentSettings

URLS = [
    "https://archive.example.org/tap?x=1",
    "http://archive.example.org/tap",
    "https://user:password@archive.example.org:8443/",
    "https://sub.example.org/",
    "http://127.0.0.1:8080/",
    "http://localhost/",
    "https://[::1]/",
]
SETTINGS: list[dict[str, str]] = [
    {},
    {"HTTPS_PROXY": "http://proxy.example.org:3128"},
    {"https_proxy": "http://proxy.example.org:3128", "no_proxy": "archive.example.org"},
    {"HTTP_PROXY": "http://proxy.example.org:3128", "NO_PROXY": ".example.org,localhost"},
    {"HTTP_PROXY": "http://proxy.example.org:3128", "REQUEST_METHOD": "GET"},
    {"ALL_PROXY": "socks5://proxy.example.org", "NO_PROXY": "127.0.0.0/8"},
    {"HTTPS_PROXY": "http://proxy.example.org:3128", "NO_PROXY": "*"},
]


def put(settings: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name in environ._NAMES:
        monkeypatch.delenv(name, raising=False)
    for name, value in settings.items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize("no_proxy", [None, "archive.example.org"])
def test_proxies_are_those_of_requests_also_after_every_change(
    no_proxy: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = EnvironmentSettings()
    for before, after in itertools.permutations(SETTINGS, 2):
        for settings in (before, after):
            put(settings, monkeypatch)
            for url in URLS:
                assert ours.proxies(url, no_proxy) == get_environ_proxies(url, no_proxy), (settings, url)


@pytest.mark.skipif(sys.platform in ("darwin", "win32"), reason="settings outside of the environment count here")
def test_an_unchanged_environment_is_looked_up_once_for_each_host(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def count(url: str, no_proxy: str | None = None) -> dict[str, str]:
        asked.append(url)
        return {}

    monkeypatch.setattr(environ, "get_environ_proxies", count)
    ours = EnvironmentSettings()
    for number in range(5):
        ours.proxies(f"https://archive.example.org/{number}")
        ours.proxies(f"https://other.example.org/{number}")
    assert asked == ["https://archive.example.org/0", "https://other.example.org/0"]
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example.org")
    ours.proxies("https://archive.example.org/")
    assert len(asked) == 3


def test_what_is_given_back_may_be_changed() -> None:
    ours = EnvironmentSettings()
    ours.proxies(URLS[0])["https"] = "http://evil.test"
    assert ours.proxies(URLS[0]) == get_environ_proxies(URLS[0])


def test_many_hosts_do_not_pile_up(monkeypatch: pytest.MonkeyPatch) -> None:
    ours = EnvironmentSettings()
    for number in range(2 * environ._LIMIT):
        ours.proxies(f"https://h{number}.example.org/")
    assert len(ours._remembered[1]) <= environ._LIMIT


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"REQUESTS_CA_BUNDLE": "/a.pem"},
        {"CURL_CA_BUNDLE": "/b.pem"},
        {"REQUESTS_CA_BUNDLE": "/a.pem", "CURL_CA_BUNDLE": "/b.pem"},
        {"REQUESTS_CA_BUNDLE": "", "CURL_CA_BUNDLE": "/b.pem"},
    ],
)
def test_the_ca_bundle_is_that_of_requests(settings: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    ours = EnvironmentSettings()
    assert ours.bundle() is None
    put(settings, monkeypatch)
    theirs = requests.Session().merge_environment_settings(URLS[0], {}, None, None, None)["verify"]
    assert (ours.bundle() or True) == theirs
