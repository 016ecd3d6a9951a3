"""Where a permit may go: threats U1 to U9 and U11."""

from __future__ import annotations

import posixpath
import re
from urllib.parse import unquote, urljoin

import pytest
import requests
from hypothesis import example, given
from hypothesis import strategies as st
from requests.adapters import HTTPAdapter
from requests.exceptions import RequestException
from urllib3.util import parse_url

from vo_auth.domain import Domain, Origin, Target

HOST = "archive.example.org"
WHOLE = Domain(f"https://{HOST}")
TAP = Domain(f"https://{HOST}/tap")


def covers(domain: Domain, url: str) -> bool:
    return domain.covers(Target.from_url(url))


# ---------------------------------------------------------------- hosts

FOREIGN = [
    "https://archive.example.org.evil.test/",  # U1: the host as a prefix
    "https://evil-archive.example.org/",
    "https://xarchive.example.org/",
    "https://example.org/",
    "https://sub.archive.example.org/",
    "https://archive.example.org@evil.test/",  # U2: userinfo
    "https://archive.example.org:443@evil.test/",
    "https://archive.example.org%40evil.test/",
    "https://user:archive.example.org@evil.test/",
    "https://evil.test#@archive.example.org/",
    "https://evil.test?@archive.example.org/",
    "https://evil.test/@archive.example.org/",
    "https://evil.test\\@archive.example.org/",  # U3: backslashes and odd slashes
    "https://evil.test\\.archive.example.org/",
    "https:\\\\archive.example.org/",
    "https:/archive.example.org/",
    "https:archive.example.org/",
    "https:///archive.example.org/",
    "https:////evil.test/archive.example.org/",
    "//archive.example.org/",
    "archive.example.org/",
    "https://archive.example.org./",  # U4: a trailing dot is another name
    "https://archive.example.org../",
    "https://archive.example.org%2eevil.test/",  # U5: percent-encoded
    "https://archive.example.org%00.evil.test/",
    "https://archive.example.org%0a.evil.test/",
    "https://archive.example.org%2f.evil.test/",
    "https://аrchive.example.org/",  # U6: a Cyrillic letter  # noqa: RUF001
    "https://xn--rchive-1nf.example.org/",
    "https://archive.example.org\t.evil.test/",
    "https://archive.example.org\n.evil.test/",
    "https://archive.example.org\x00.evil.test/",
    "https://archive.example.org .evil.test/",
    "http://archive.example.org/",  # another scheme or port is another origin
    "https://archive.example.org:444/",
    "https://archive.example.org:80/",
    "https://archive.example.org:4430/",
    "https://[::1]/",
    "ftp://archive.example.org/",
    "httpsx://archive.example.org/",
    "javascript://archive.example.org/",
    "",
]
SAME = [
    "https://archive.example.org",
    "https://archive.example.org/",
    "https://ARCHIVE.Example.ORG/",  # U7
    "HTTPS://archive.example.org/",
    "https://archive.example.org:443/",
    "https://archive.example.org:/",
    "https://archive.example.org:00443/",
    "https://user:password@archive.example.org/",
    "https://evil.test%5c@archive.example.org/",
    "https://archive.example.org/?next=https://evil.test/",
    "https://archive.example.org/#@evil.test/",
    "https://archive.example.org/%00",
]


@pytest.mark.parametrize("url", FOREIGN)
def test_a_hostile_host_is_outside_or_refused(url: str) -> None:
    try:
        target = Target.from_url(url)
    except RequestException:
        return
    assert not WHOLE.covers(target)


@pytest.mark.parametrize("url", SAME)
def test_the_right_host_is_inside_however_it_is_written(url: str) -> None:
    assert covers(WHOLE, url)


@pytest.mark.parametrize("url", FOREIGN + SAME)
def test_the_origin_is_what_requests_would_dial(url: str) -> None:
    try:
        target = Target.from_url(url)
        prepared = requests.Request("GET", url).prepare()
        dialled, _ = HTTPAdapter().build_connection_pool_key_attributes(prepared, True)
    except (RequestException, KeyError):
        return  # nothing is dialled at all
    assert target.origin == Origin.of(dialled["scheme"], dialled["host"], dialled["port"])


@pytest.mark.parametrize("url", ["https://[", "x://[bad", "x://host:99999/", "https://host:99999/", "https://host:a/"])
def test_what_is_no_url_is_refused_as_requests_refuses_it(url: str) -> None:
    with pytest.raises(RequestException):
        Target.from_url(url)


@pytest.mark.parametrize(
    "location",
    ["//evil.test/tap", "https://evil.test/tap", "/\\evil.test/tap", "../admin", "/admin", ".."],
)
def test_a_url_built_from_a_servers_text_is_judged_after_joining(location: str) -> None:  # U11
    assert not covers(TAP, urljoin(f"https://{HOST}/tap/sync", location))


@given(st.text(alphabet="archive.example/@\\:#?%0aA2fF5c[] \t\n\x00．。", max_size=30))  # noqa: RUF001
@example("//archive.example.org\\@evil.test")
def test_no_text_makes_a_permit_go_to_a_host_that_is_not_dialled(text: str) -> None:
    url = f"https:{text}"
    try:
        target = Target.from_url(url)
        prepared = requests.Request("GET", url).prepare()
        dialled, _ = HTTPAdapter().build_connection_pool_key_attributes(prepared, True)
    except RequestException:
        return
    assert target.origin == Origin.of(dialled["scheme"], dialled["host"], dialled["port"])
    assert parse_url(prepared.url).host.strip("[]").lower() == target.origin.host


# ---------------------------------------------------------------- paths

BELOW = [
    "/tap",
    "/tap/",
    "/tap/sync?QUERY=../admin",
    "/tap?x=/../admin",
    "/tap#/../admin",
    "/tap/a/../b",
    "/tap/./b",
    "/tap/.hidden",
    "/tap/a..b",
    "/tap/...",
    "/tap/a%2fb",
    "/tap/a%5cb",
    "/tap/a//b",
    "/tap/f%3Ax;v=1",
    "/tap/%E9",
    "/t%61p/x",
    "/x/../tap/y",  # dot segments are removed before anything is sent
]
BESIDE = [
    "/",
    "/tapestry",
    "/tap2",
    "/TAP",
    "/tap.",
    "/tap%20",
    "/ta",
    "/tap;x/../admin",
    "/tap;x",
    "/admin/tap",
    "/tap/../admin",
    "/tap/..",
    "/tap/%2e%2e/admin",
    "/tap/%2E./admin",
    "/tap/.%2e/admin",
    "/tap/%2e%2e%2fadmin",
    "/tap/..%2fadmin",
    "/tap/%252e%252e/admin",  # decoded twice
    "/tap/%252e%252e%252fadmin",
    "/tap/%25252e%25252e/admin",
    "/tap/%2525252525252525252e%2525252525252525252e/admin",
    "/tap/..\\admin",
    "/tap/..%5cadmin",
    "/tap\\..\\admin",
    "/tap%5c..%5cadmin",
    "/tap/..;/admin",
    "/tap/..;x=1/admin",
    "/tap/..%3b/admin",
    "/tap/%2e%2e;/admin",
    "/tap//%2e%2e/admin",  # servers merge empty segments, then go up
    "/tap/%2f%2e%2e/admin",
    "/tap/;/%2e%2e/admin",
    "/tap/./%2e%2e/admin",
    "//tap/x",
    "/x/%2e%2e/tap/y",  # a proxy that decides on the first segment sees x
    "/%2e%2e/tap/%2e%2e/admin",
    "/a%2fb/%2e%2e/tap",
]


@pytest.mark.parametrize("path", BELOW)
def test_a_path_below_the_base_is_inside(path: str) -> None:
    assert covers(TAP, f"https://{HOST}{path}")


@pytest.mark.parametrize("path", BESIDE)
def test_a_path_that_any_server_may_read_as_another_one_is_outside(path: str) -> None:
    assert not covers(TAP, f"https://{HOST}{path}")


@pytest.mark.parametrize("path", [*BELOW, *BESIDE])
def test_a_domain_without_a_path_covers_the_whole_origin(path: str) -> None:
    assert covers(WHOLE, f"https://{HOST}{path}")


@pytest.mark.parametrize(
    ("path", "inside"),
    [
        ("/tap_cat", False),
        ("/tap_cat/sync", False),
        ("/tap%5fcat", False),
        ("/tap_cat%2fsync", False),
        ("//tap_cat", False),
        ("/x/%2e%2e/tap_cat", False),
        ("/tap_cat/%2e%2e/tap", False),  # which of the two it is depends on the server
        ("/tap_cat;x", False),
        ("/%2525252525252525252e", False),
        ("/tap_catalogue", True),
        ("/tap", True),
        ("/", True),
    ],
)
def test_an_anonymous_prefix_gets_no_permit_in_any_reading(path: str, *, inside: bool) -> None:
    domain = Domain(f"https://{HOST}", anonymous=("tap_cat",))
    assert covers(domain, f"https://{HOST}{path}") is inside


def test_a_base_with_letters_beyond_ascii_is_compared_decoded() -> None:
    domain = Domain(f"https://{HOST}/données/é")
    assert covers(domain, f"https://{HOST}/données/é/x")
    assert covers(domain, f"https://{HOST}/donn%C3%A9es/%c3%a9/x")
    assert not covers(domain, f"https://{HOST}/donnees/e/x")


# What servers make of the path on the wire: models of their own, not the code under test.


def whatwg(path: str) -> str:
    """Remove dot segments as browsers and URL parsers do: %2e is a dot, a backslash is a slash."""
    kept: list[str] = []
    parts = re.sub(r"[\t\r\n]", "", path).replace("\\", "/").split("/")[1:]
    for number, part in enumerate(parts, 1):
        plain = re.sub("%2e", ".", part, flags=re.IGNORECASE)
        if plain == "..":
            del kept[-1:]
        elif plain != ".":
            kept.append(part)
        if plain in (".", "..") and number == len(parts):
            kept.append("")
    return "/" + "/".join(kept)


def merging(path: str) -> str:
    """Decode once, merge slashes, go up."""
    return posixpath.normpath("/" + unquote(path).lstrip("/"))


def decoding_twice(path: str) -> str:
    return merging(unquote(path))


def cutting(path: str) -> str:
    """Cut path parameters, then decode, merge and go up, as servlet containers do."""
    return merging("/".join(part.partition(";")[0] for part in path.split("/")))


def turning(path: str) -> str:
    """Take a backslash for a slash after decoding."""
    return posixpath.normpath("/" + unquote(path).replace("\\", "/").lstrip("/"))


def resent_by_urllib3(path: str) -> str:
    return parse_url(f"https://{HOST}{path}").path or "/"


def as_it_is(path: str) -> str:
    return path


SERVERS = [whatwg, merging, decoding_twice, cutting, turning, resent_by_urllib3, as_it_is]
PIECES = st.sampled_from(
    [
        "tap",
        "a",
        "admin",
        "..",
        ".",
        "",
        "%2e%2e",
        "%2E.",
        "%252e%252e",
        "%2f",
        "%5c",
        "\\",
        ";",
        ";x=1",
        "%3b",
        "/",
        "/",
    ]
)


@given(st.lists(PIECES, max_size=12).map("".join) | st.text(max_size=30))
@example("/tap//%2e%2e/admin")
@example("/tap/;/%2e%2e/admin")
def test_a_covered_path_lies_below_the_base_for_every_server(path: str) -> None:
    try:
        target = Target.from_url(f"https://{HOST}/tap/{path}")
    except RequestException:
        return
    if not TAP.covers(target):
        return
    for server in SERVERS:
        seen = server(target.path)
        assert seen == "/tap" or seen.startswith("/tap/"), f"{server.__name__} reads {target.path} as {seen}"


@given(st.text(alphabet="abtp/%2eE5cf;\\.", max_size=40))
def test_a_decision_about_any_path_comes_to_an_end(path: str) -> None:
    target = Target(WHOLE.origin, "/" + path)
    assert TAP.covers(target) in (True, False)


# ---------------------------------------------------------------- what a domain may be


@pytest.mark.parametrize(
    "base",
    [
        "http://archive.example.org",
        "http://localhost.example.org",
        "http://127.0.0.1.example.org",
        "http://192.168.0.1",
        "ftp://archive.example.org",
        "archive.example.org",
        "//archive.example.org",
        "https://",
        "https:///tap",
        "https://user@archive.example.org",
        "https://user:password@archive.example.org",
        "https://@archive.example.org",
        "https://archive.example.org?x=1",
        "https://archive.example.org#x",
        "https://archive.example.org:port",
        "https://archive.example.org:99999",
        "https://archive.example.org.",
        "https://*.example.org",
        "https://archivé.example.org",
        "https://archive.example.org/a/../b",
        "https://archive.example.org/a//b",
        "https://archive.example.org/a%2fb",
        "https://archive.example.org/a;b",
        "https://archive.example.org/a\\b",
    ],
)
def test_a_domain_refuses_what_is_not_plain_and_private(base: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        Domain(base)


@pytest.mark.parametrize(
    "base", ["http://127.0.0.1:8080/tap", "http://localhost:80", "http://[::1]:9/", "http://127.8.8.8"]
)
def test_plain_http_is_allowed_on_loopback(base: str) -> None:
    assert covers(Domain(base), base)


def test_a_refused_base_does_not_show_its_password() -> None:
    with pytest.raises(ValueError, match="nothing more") as caught:
        Domain("https://user:obviously-fake@archive.example.org")
    assert "obviously-fake" not in str(caught.value)


@pytest.mark.parametrize("anonymous", [("",), ("/",), ("other/x",), ("tap",), ("tap/../x",), ("tap/%2e",)])
def test_an_anonymous_prefix_lies_below_the_base(anonymous: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="anonymous prefix"):
        Domain(f"https://{HOST}/tap", anonymous=anonymous)


def test_anonymous_prefixes_given_as_one_text_are_refused() -> None:
    with pytest.raises(TypeError, match="tuple"):
        Domain(f"https://{HOST}", anonymous="tap_cat")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("base", "shown"),
    [
        ("https://archive.example.org/", "https://archive.example.org/"),
        ("https://Archive.example.org:8443/tap/", "https://archive.example.org:8443/tap"),
        ("http://[::1]:8080", "http://[::1]:8080/"),
    ],
)
def test_a_domain_shows_itself_as_a_url(base: str, shown: str) -> None:
    assert str(Domain(base)) == shown
