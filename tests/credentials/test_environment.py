"""Credentials in environment variables and in the files that they name."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from vo_auth import Archive, Secret
from vo_auth.credentials import EnvironmentSource, Found, Wanted
from vo_auth.errors import UnusableCredentialsError

FAKE = "obviously-fake"
Make = Callable[..., Wanted]


def private(path: Path, text: str | bytes, mode: int = 0o600) -> str:
    path.touch(mode=0o600)
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    path.chmod(mode)
    return str(path)


def find(wanted: Wanted) -> dict[str, str] | None:
    found = EnvironmentSource().find(wanted)
    return {name: secret.reveal() for name, secret in found.values.items()} if isinstance(found, Found) else None


def test_nothing_set_is_nothing_found(wanted: Make) -> None:
    assert find(wanted()) is None


@pytest.mark.parametrize("value", [FAKE, "ü & spaces ", "0"])
def test_variables_are_taken_as_they_are(value: str, wanted: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VO_AUTH_EXAMPLE_USERNAME", "pi")
    monkeypatch.setenv("VO_AUTH_EXAMPLE_PASSWORD", value)
    assert find(wanted()) == {"username": "pi", "password": value}


def test_hyphens_of_the_name_are_underscores(
    make_archive: Callable[..., Archive], monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = make_archive(name="my-archive")
    monkeypatch.setenv("VO_AUTH_MY_ARCHIVE_TOKEN", FAKE)
    assert find(Wanted(archive=archive, flow=archive.flows[1])) == {"token": FAKE}


def test_an_empty_variable_counts_as_not_set(wanted: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VO_AUTH_EXAMPLE_PASSWORD", "")
    monkeypatch.setenv("VO_AUTH_EXAMPLE_PASSWORD_FILE", "")
    assert find(wanted()) is None


def test_variables_that_users_of_the_archive_already_have_come_after_ours(
    wanted: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EXAMPLE_PW", "theirs")
    assert find(wanted()) == {"password": "theirs"}
    monkeypatch.setenv("VO_AUTH_EXAMPLE_PASSWORD", "ours")
    assert find(wanted()) == {"password": "ours"}


def test_what_a_flow_can_use_beside_what_it_needs_is_found_too(wanted: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VO_AUTH_EXAMPLE_CLIENT_ID", "mine")
    monkeypatch.setenv("VO_AUTH_EXAMPLE_TOKEN", "not for this flow")
    assert find(wanted()) == {"client_id": "mine"}


@pytest.mark.parametrize("content", [FAKE, f"{FAKE}\n", f"{FAKE}\r\n", f"\ufeff{FAKE}\n"])
def test_a_file_is_read_without_its_line_end(
    content: str, wanted: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VO_AUTH_EXAMPLE_PASSWORD_FILE", private(tmp_path / "password", content))
    assert find(wanted()) == {"password": FAKE}


def test_spaces_in_a_file_belong_to_the_password(wanted: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VO_AUTH_EXAMPLE_PASSWORD_FILE", private(tmp_path / "password", " a b \n"))
    assert find(wanted()) == {"password": " a b "}


def test_a_file_is_read_again_each_time(wanted: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = private(tmp_path / "password", "first")
    monkeypatch.setenv("VO_AUTH_EXAMPLE_PASSWORD_FILE", path)
    assert find(wanted()) == {"password": "first"}
    Path(path).write_text("second")
    assert find(wanted()) == {"password": "second"}


def test_a_home_folder_is_expanded(wanted: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    private(Path.home() / "password", FAKE)
    monkeypatch.setenv("VO_AUTH_EXAMPLE_PASSWORD_FILE", "~/password")
    assert find(wanted()) == {"password": FAKE}


def test_the_value_itself_comes_before_its_file(wanted: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VO_AUTH_EXAMPLE_PASSWORD", "value")
    monkeypatch.setenv("VO_AUTH_EXAMPLE_PASSWORD_FILE", str(tmp_path / "gone"))
    assert find(wanted()) == {"password": "value"}


def test_a_file_named_for_a_certificate_is_the_certificate(
    make_archive: Callable[..., Archive], monkeypatch: pytest.MonkeyPatch
) -> None:
    from vo_auth.flows import CertificateFile

    archive = make_archive(CertificateFile())
    monkeypatch.setenv("VO_AUTH_EXAMPLE_CERTIFICATE_FILE", "/some/proxy.pem")
    assert find(Wanted(archive=archive, flow=archive.flows[0])) == {"certificate": "/some/proxy.pem"}


@pytest.mark.parametrize(
    ("content", "match"), [(b"\xff\xfe" + FAKE.encode(), "not text"), (b"x" * 70000, "larger than 65536 bytes")]
)
def test_a_file_that_makes_no_sense_is_named_and_not_quoted(
    content: bytes, match: str, wanted: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VO_AUTH_EXAMPLE_PASSWORD_FILE", private(tmp_path / "password", content))
    with pytest.raises(UnusableCredentialsError, match=rf"VO_AUTH_EXAMPLE_PASSWORD_FILE.*password.*{match}") as caught:
        find(wanted())
    assert caught.value.__context__ is None  # a decoder's error would hold the content


@pytest.mark.parametrize("path", ["gone", "folder", "\0", "~nobody-of-this-name/x"])
def test_a_file_that_cannot_be_read_is_an_error_not_nothing(
    path: str, wanted: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "folder").mkdir(mode=0o700)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(os, "environ", {**os.environ, "VO_AUTH_EXAMPLE_PASSWORD_FILE": path})
    with pytest.raises(UnusableCredentialsError, match="VO_AUTH_EXAMPLE_PASSWORD_FILE"):
        find(wanted())


@pytest.mark.skipif(os.name != "posix", reason="access rights are modes on POSIX alone")
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o666, 0o644])
def test_a_file_that_others_may_open_is_refused_with_the_remedy(
    mode: int, wanted: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = private(tmp_path / "password", FAKE, mode)
    monkeypatch.setenv("VO_AUTH_EXAMPLE_PASSWORD_FILE", path)
    with pytest.raises(UnusableCredentialsError, match=f"open to other users; close it with: chmod 600 {path}"):
        find(wanted())


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no FIFOs")
def test_a_pipe_is_refused_without_waiting_for_it(
    wanted: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.mkfifo(tmp_path / "pipe", mode=0o600)
    monkeypatch.setenv("VO_AUTH_EXAMPLE_PASSWORD_FILE", str(tmp_path / "pipe"))
    with pytest.raises(UnusableCredentialsError, match="not a plain file"):
        find(wanted())


@pytest.mark.skipif(not hasattr(os, "environb"), reason="variables are text on this system")
def test_a_variable_that_is_not_utf_8_is_refused_without_being_shown(
    wanted: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(os.environb, b"VO_AUTH_EXAMPLE_PASSWORD", FAKE.encode() + b"\xe9")
    with pytest.raises(UnusableCredentialsError, match="VO_AUTH_EXAMPLE_PASSWORD cannot be used") as caught:
        find(wanted())
    assert FAKE not in str(caught.value)


# ---------------------------------------------------------------- whose they are


@pytest.mark.parametrize(
    ("variables", "serves"),
    [
        ({"USERNAME": "pi", "PASSWORD": FAKE}, True),
        ({"USERNAME": "other", "PASSWORD": FAKE}, False),
        ({"PASSWORD": FAKE}, False),  # nobody says whose it is
        ({"TOKEN": FAKE}, False),
        ({"USERNAME": "pi", "TOKEN": FAKE}, True),
    ],
)
def test_a_named_account_takes_what_carries_its_name_alone(
    variables: dict[str, str], serves: bool, wanted: Make, archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(f"VO_AUTH_EXAMPLE_{name}", value)
    for flow in archive.flows:
        found = EnvironmentSource().find(wanted(flow=flow, account="pi", is_default=False))
        assert isinstance(found, Found) is serves


def test_what_was_found_says_where_and_shows_nothing(wanted: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VO_AUTH_EXAMPLE_USERNAME", "pi")
    monkeypatch.setenv("EXAMPLE_PW", FAKE)
    found = EnvironmentSource().find(wanted())
    assert found == Found(
        values={"username": Secret("pi"), "password": Secret(FAKE)}, origin="VO_AUTH_EXAMPLE_USERNAME, EXAMPLE_PW"
    ) or found == Found(
        values={"username": Secret("pi"), "password": Secret(FAKE)}, origin="EXAMPLE_PW, VO_AUTH_EXAMPLE_USERNAME"
    )
    assert FAKE not in repr(found)
