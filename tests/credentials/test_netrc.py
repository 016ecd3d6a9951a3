"""Entries of a netrc file: for which hosts, for whom, and what is refused."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from vo_auth import Archive, Domain
from vo_auth.credentials import Found, NetrcSource, Passed, Wanted
from vo_auth.errors import UnusableCredentialsError
from vo_auth.flows import HttpBasic, PasswordGrant, PastedCookie, PastedToken
from vo_auth.testing import assert_no_secret

posix = pytest.mark.skipif(os.name != "posix", reason="access rights are modes on POSIX alone")
ENTRY = "machine {host} login {user} password {password}\n"
Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    def put(*lines: str, mode: int = 0o600) -> Path:
        path = tmp_path / "my-netrc"
        path.write_text("".join(lines))
        path.chmod(mode)
        monkeypatch.setenv("NETRC", str(path))
        return path

    return put


def entry(host: str, user: str = "pi", password: str = "obviously-fake") -> str:
    return ENTRY.format(host=host, user=user, password=password)


def find(archive: Archive, **changes: Any) -> Found | Passed | None:
    return NetrcSource().find(Wanted(**({"archive": archive, "flow": archive.flows[0]} | changes)))


def values(found: Found | Passed | None) -> dict[str, str]:
    assert isinstance(found, Found), found
    return {name: secret.reveal() for name, secret in found.values.items()}


@pytest.mark.parametrize("host", ["login.example.org", "archive.example.org", "LOGIN.example.org"])
def test_the_hosts_of_login_and_data_are_looked_for(host: str, archive: Archive, write: Write) -> None:
    path = write(entry("other.example.org", "other"), entry(host))
    found = find(archive)
    assert values(found) == {"username": "pi", "password": "obviously-fake"}
    assert isinstance(found, Found)
    assert found.origin == f"{path} ({host.lower()})"


def test_the_host_of_the_login_comes_first(archive: Archive, write: Write) -> None:
    write(entry("archive.example.org", "data"), entry("login.example.org", "login"))
    assert values(find(archive))["username"] == "login"


@pytest.mark.parametrize(
    "line",
    [
        "default login pi password obviously-fake\n",
        entry("sub.archive.example.org"),
        entry("example.org"),
        entry("archive.example.org.evil.example"),
    ],
)
def test_the_default_entry_and_other_hosts_are_for_no_archive(line: str, archive: Archive, write: Write) -> None:
    path = write(line)
    assert find(archive) is None
    assert NetrcSource().looked_at(archive) == f"{path} has no entry of login.example.org, archive.example.org"


@pytest.mark.parametrize("line", ["machine login.example.org login pi\n", "machine login.example.org password x\n"])
def test_half_an_entry_is_passed_over_and_said(line: str, archive: Archive, write: Write) -> None:
    path = write(line)
    assert find(archive) == Passed(f"{path}: the entry of login.example.org has no login or no password")


@pytest.mark.parametrize(
    ("account", "is_used"),
    [
        ({"account": "pi", "is_default": False}, True),
        ({"account": "work", "username": "pi", "is_default": False}, True),
        ({"username": "pi"}, True),
        ({"account": "other", "is_default": False}, False),
        ({"account": "work", "is_default": False}, False),
        ({"username": "other"}, False),
    ],
)
def test_an_entry_serves_its_own_user_alone(
    account: dict[str, Any], is_used: bool, archive: Archive, write: Write
) -> None:
    path = write(entry("login.example.org"))
    found = find(archive, **account)
    if is_used:
        assert isinstance(found, Found)
    else:
        assert found == Passed(f"{path}: the entry of login.example.org is of another user")


def test_an_account_gets_its_entry_also_from_the_second_host(archive: Archive, write: Write) -> None:
    write(entry("login.example.org", "other"), entry("archive.example.org", "pi"))
    assert values(find(archive, username="pi"))["username"] == "pi"


@posix
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666])
def test_a_file_that_others_may_read_is_refused_with_the_remedy(mode: int, archive: Archive, write: Write) -> None:
    path = write(entry("login.example.org"), mode=mode)
    with pytest.raises(UnusableCredentialsError, match=f"chmod 600 {path}") as caught:
        find(archive)
    assert_no_secret(["obviously-fake"], caught.value)


@pytest.mark.parametrize(
    "lines",
    [
        ("machine ok login a password b\n", "obviously-fake-1 is no keyword\n"),
        ("machine ok login a password b\n", "machine other login obviously-fake-1 secret obviously-fake-2\n"),
    ],
)
def test_a_malformed_file_is_unusable_and_the_line_is_named_and_not_shown(
    lines: tuple[str, ...], archive: Archive, write: Write
) -> None:
    path = write(*lines)
    with pytest.raises(UnusableCredentialsError) as caught:
        find(archive)
    assert str(caught.value) == f"Line 2 of the netrc file {path} cannot be understood: correct it"
    assert_no_secret(["obviously-fake-1", "obviously-fake-2", "is no keyword"], caught.value)


def test_a_missing_file_is_no_error(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NETRC", "/nowhere/netrc")
    assert find(archive) is None
    assert NetrcSource().looked_at(archive) == "there is no netrc file"


def test_without_the_variable_the_file_in_the_home_is_read(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NETRC")
    path = Path.home() / ".netrc"
    path.write_text(entry("login.example.org"))
    path.chmod(0o600)
    assert values(find(archive))["username"] == "pi"


HTTP, HTTPS = "http://127.0.0.1:8080", "https://archive.example.org"


@pytest.mark.parametrize(
    ("flow", "domains", "is_used"),
    [
        (PasswordGrant(token_url="http://127.0.0.1:8080/token"), (Domain(HTTPS),), False),
        (PasswordGrant(token_url="https://login.example.org/"), (Domain(HTTP), Domain(HTTPS)), True),
        (HttpBasic(), (Domain(HTTPS),), True),
        (HttpBasic(), (Domain(HTTPS), Domain("http://old.example.org", insecure=True)), False),
        (HttpBasic(), (Domain(HTTP),), False),
    ],
    ids=["login by http", "login by https", "Basic by https", "Basic at an insecure origin", "Basic by http"],
)
def test_a_password_of_a_netrc_file_never_travels_by_plain_http(
    flow: Any, domains: Any, is_used: bool, make_archive: Callable[..., Archive], write: Write
) -> None:
    write(*map(entry, ("127.0.0.1", "archive.example.org", "login.example.org", "old.example.org")))
    found = find(make_archive(flow, domains=domains))
    if is_used:
        assert isinstance(found, Found)
        assert "127.0.0.1" not in found.origin
    else:
        assert found == Passed("not used: An Example Archive is not reached by https alone")


def test_a_flow_that_needs_no_password_is_offered_none_and_the_file_not_opened(
    make_archive: Callable[..., Archive], write: Write
) -> None:
    write("obviously fake\n")
    archive = make_archive(PastedToken(), PastedCookie())
    assert all(find(archive, flow=flow) is None for flow in archive.flows)
    assert NetrcSource().looked_at(archive) == ""


def test_it_is_asked_only_where_the_user_wants_it() -> None:
    assert (NetrcSource.mode, NetrcSource.rank) == ("never", 80)
