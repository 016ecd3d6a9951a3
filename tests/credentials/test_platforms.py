"""Tokens of science platforms, where the archive says that they are."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from vo_auth import Archive, Known
from vo_auth.archive import Ambient, TokenPlace
from vo_auth.credentials import Found, Passed, PlatformSource, Wanted
from vo_auth.errors import UnusableCredentialsError
from vo_auth.flows import PastedToken
from vo_auth.testing import assert_no_secret

posix = pytest.mark.skipif(os.name != "posix", reason="access rights are modes on POSIX alone")
OURS, THEIRS = "gt-" + "a" * 22 + "." + "b" * 22, "obviously-fake-of-another-platform"


@pytest.fixture
def archive(make_archive: Callable[..., Archive], tmp_path: Path) -> Archive:
    """An archive like the Rubin Science Platform: the mounted file first, a name that others use, too, last."""
    ambient = Ambient(
        places=(
            TokenPlace(path=str(tmp_path / "mounted")),
            TokenPlace(path="$NUBLADO_RUNTIME_MOUNTS_DIR/secrets/token"),
            TokenPlace(path="~/.platform.token"),
            TokenPlace(variable="NUBLADO_TOKEN"),
            TokenPlace(variable="ACCESS_TOKEN"),
        ),
        pattern=r"gt-[\w-]{22}\.[\w-]{22}",
        instance="EXTERNAL_INSTANCE_URL",
    )
    return make_archive(PastedToken(), known=Known(ambient=ambient))


@pytest.fixture
def mounts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    monkeypatch.setenv("NUBLADO_RUNTIME_MOUNTS_DIR", str(tmp_path / "runtime"))
    (tmp_path / "runtime" / "secrets").mkdir(parents=True)
    return [tmp_path / "mounted", tmp_path / "runtime" / "secrets" / "token", Path.home() / ".platform.token"]


def find(archive: Archive, **changes: Any) -> Found | Passed | None:
    return PlatformSource().find(Wanted(**({"archive": archive, "flow": archive.flows[0]} | changes)))


def write(path: Path, text: str, mode: int = 0o600) -> None:
    path.write_text(text)
    path.chmod(mode)


@pytest.mark.parametrize("first", range(5))
def test_the_first_place_that_has_a_token_is_taken(
    first: int, archive: Archive, mounts: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(first, 5):
        token = f"gt-{number}{'a' * 21}.{'b' * 22}"
        if number < 3:
            write(mounts[number], f" {token}\n")
        else:
            monkeypatch.setenv(("NUBLADO_TOKEN", "ACCESS_TOKEN")[number - 3], token)
    found = find(archive)
    assert isinstance(found, Found)
    assert found.values["token"].reveal()[3] == str(first)
    assert found.origin == [*map(str, mounts), "NUBLADO_TOKEN", "ACCESS_TOKEN"][first]


def test_a_variable_that_another_platform_uses_for_its_own_is_told_apart(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ACCESS_TOKEN", THEIRS)
    found = find(archive)
    assert isinstance(found, Passed)
    assert found.reason == (
        "the token of ACCESS_TOKEN is not used: it has not the shape of those of An Example Archive"
    )
    monkeypatch.setenv("ACCESS_TOKEN", OURS)
    assert isinstance(find(archive), Found)


def test_after_a_token_of_another_platform_the_next_place_is_looked_at(
    archive: Archive, mounts: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    write(mounts[0], THEIRS)
    monkeypatch.setenv("NUBLADO_TOKEN", OURS)
    found = find(archive)
    assert isinstance(found, Found)
    assert found.origin == "NUBLADO_TOKEN"


@pytest.mark.parametrize(
    ("address", "is_used"),
    [
        ("https://archive.example.org/portal", True),
        ("https://other.example.org", False),
        ("http://archive.example.org", False),
        ("not an address", False),
        ("", True),
    ],
)
def test_on_the_platform_of_another_archive_its_token_is_left_alone(
    address: str, is_used: bool, archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NUBLADO_TOKEN", OURS)
    monkeypatch.setenv("EXTERNAL_INSTANCE_URL", address)
    found = find(archive)
    if is_used:
        assert isinstance(found, Found)
    else:
        assert found == Passed("not used: EXTERNAL_INSTANCE_URL names the platform of another archive")


def test_a_place_alone_says_whose_a_token_is_unless_it_is_a_jwt(
    make_archive: Callable[..., Archive], make_jwt: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    known = Known(ambient=Ambient(places=(TokenPlace(variable="HUB_TOKEN"),)))
    archive = make_archive(PastedToken(), known=known)
    monkeypatch.setenv("HUB_TOKEN", THEIRS)
    assert isinstance(find(archive), Found)
    monkeypatch.setenv("HUB_TOKEN", make_jwt(iss="https://hub.example.org"))
    assert isinstance(find(archive), Passed)
    named = make_archive(PastedToken(), known=known, issuers=("https://hub.example.org",))
    assert isinstance(find(named), Found)


def test_a_token_that_names_nobody_serves_no_named_account(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NUBLADO_TOKEN", OURS)
    assert isinstance(find(archive, account="pi", is_default=False), Passed)
    assert isinstance(find(archive, username="pi"), Passed)


@posix
def test_a_file_that_others_may_read_is_refused(archive: Archive, mounts: list[Path]) -> None:
    write(mounts[0], OURS, 0o644)
    with pytest.raises(UnusableCredentialsError, match=f"chmod 600 {mounts[0]}"):
        find(archive)


def test_what_is_no_token_ends_the_search_and_is_not_shown(
    archive: Archive, mounts: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    write(mounts[0], "obviously fake")
    monkeypatch.setenv("NUBLADO_TOKEN", OURS)
    with pytest.raises(UnusableCredentialsError, match="is not a bearer token") as caught:
        find(archive)
    assert_no_secret(["obviously fake"], caught.value)


def test_an_archive_without_places_is_not_spoken_of(make_archive: Callable[..., Archive]) -> None:
    archive = make_archive(PastedToken())
    assert find(archive) is None
    assert PlatformSource().looked_at(archive) == ""


def test_the_places_are_named_when_there_is_nothing(archive: Archive, tmp_path: Path) -> None:
    assert find(archive) is None
    assert PlatformSource().looked_at(archive) == (
        f"no token in {tmp_path / 'mounted'}, $NUBLADO_RUNTIME_MOUNTS_DIR/secrets/token, ~/.platform.token, "
        "NUBLADO_TOKEN, ACCESS_TOKEN"
    )


def test_a_place_is_a_variable_or_a_path_and_not_both() -> None:
    for options in ({}, {"variable": "A", "path": "b"}):
        with pytest.raises(ValueError, match="a variable or a path"):
            TokenPlace(**options)
