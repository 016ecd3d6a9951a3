"""Credentials given as arguments."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from vo_auth import Archive, Secret
from vo_auth.credentials import ExplicitSource, Wanted
from vo_auth.credentials.explicit import as_secrets
from vo_auth.errors import UnusableCredentialsError

FAKE = "obviously-fake"


def private(path: Path, text: str) -> Path:
    path.touch(mode=0o600)
    path.write_text(text)
    return path


def test_a_flow_gets_what_it_can_use_and_the_name_of_the_owner(archive: Archive) -> None:
    source = ExplicitSource({"username": "pi", "token": FAKE, "cookie": "x"})
    found = source.find(Wanted(archive=archive, flow=archive.flows[1]))
    assert found is not None
    assert found.values == {"username": Secret("pi"), "token": Secret(FAKE)}


def test_a_source_without_what_is_needed_has_nothing(archive: Archive) -> None:
    assert ExplicitSource({"cookie": FAKE}).find(Wanted(archive=archive, flow=archive.flows[1])) is None


def test_none_counts_as_not_given() -> None:
    assert as_secrets({"token": None}) == {}  # type: ignore[dict-item]


def test_a_secret_is_taken_as_it_is() -> None:
    secret = Secret(FAKE)
    assert as_secrets({"token": secret})["token"] is secret


@pytest.mark.parametrize("name", ["user", "passwd", "tokens", "TOKEN"])
def test_a_name_that_is_not_known_is_refused_with_those_that_are(name: str) -> None:
    with pytest.raises(TypeError, match=f"'{name}' is not a credential; known are username, password, token"):
        as_secrets({name: FAKE})


@pytest.mark.parametrize("value", [FAKE.encode(), 7, ["x"]])
def test_only_text_is_taken(value: object) -> None:
    with pytest.raises(TypeError, match="token is text, not") as caught:
        as_secrets({"token": value})  # type: ignore[dict-item]
    assert FAKE not in str(caught.value)


def test_text_that_is_no_unicode_is_refused() -> None:
    with pytest.raises(UnusableCredentialsError, match="password cannot be used"):
        as_secrets({"password": f"{FAKE}\udce9"})


def test_a_path_object_names_a_file(tmp_path: Path) -> None:
    assert as_secrets({"certificate": tmp_path / "x.pem"}) == {"certificate": Secret(str(tmp_path / "x.pem"))}  # type: ignore[dict-item]


@pytest.mark.parametrize(
    ("text", "values"),
    [
        (f"{FAKE}\n", {"token": FAKE, "cookie": FAKE}),
        (f"\n  {FAKE}  \n\n", {"token": FAKE, "cookie": FAKE}),
        (f"pi\n{FAKE}\n", {"username": "pi", "password": FAKE}),
        (f"pi\r\n{FAKE}\r\n", {"username": "pi", "password": FAKE}),
    ],
)
def test_a_file_has_one_line_or_two(text: str, values: dict[str, str], tmp_path: Path) -> None:
    path = private(tmp_path / "credentials", text)
    expected = {name: Secret(value) for name, value in values.items()}
    assert as_secrets({"file": str(path)}) == as_secrets({"file": path}) == expected  # type: ignore[dict-item]


def test_a_file_with_a_certificate_is_the_certificate(tmp_path: Path) -> None:
    path = private(tmp_path / "proxy.pem", "-----BEGIN CERTIFICATE-----\n")
    assert as_secrets({"file": str(path)}) == {"certificate": Secret(str(path))}


@pytest.mark.parametrize("text", ["", "\n\n", f"a\n{FAKE}\nc\n"])
def test_any_other_number_of_lines_is_refused(text: str, tmp_path: Path) -> None:
    with pytest.raises(UnusableCredentialsError, match=r"holds \d lines") as caught:
        as_secrets({"file": str(private(tmp_path / "credentials", text))})
    assert FAKE not in str(caught.value)


def test_an_argument_comes_before_the_same_thing_in_the_file(tmp_path: Path) -> None:
    path = private(tmp_path / "credentials", f"pi\n{FAKE}\n")
    assert as_secrets({"file": str(path), "username": "other"})["username"] == Secret("other")


def test_nothing_is_shown(archive: Archive, wanted: Callable[..., Wanted]) -> None:
    source = ExplicitSource({"password": FAKE, "username": "pi"})
    assert FAKE not in repr(source.find(wanted()))
    assert FAKE not in repr(vars(source))
