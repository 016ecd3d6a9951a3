"""Files in which other programs of an archive's users keep credentials, and files that we write for them."""

from __future__ import annotations

import json
import os
import stat
import threading
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from vo_auth import Archive, Domain
from vo_auth.archive import Known, KnownFile
from vo_auth.credentials import ExplicitSource, Found, KnownFileSource, Wanted, write_protected
from vo_auth.errors import UnusableCredentialsError
from vo_auth.flows import LoginRequest, PastedCookie
from vo_auth.secret import Secret
from vo_auth.testing import assert_no_secret

LOGIN, COOKIE = LoginRequest(url="https://login.example.org/"), PastedCookie(cookie="session")
posix = pytest.mark.skipif(os.name != "posix", reason="access rights are modes on POSIX alone")


def read(text: str) -> Mapping[str, Secret] | None:
    if not text.startswith("{"):
        return None
    return {name: Secret(value) for name, value in json.loads(text).items()}


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "client.json"


@pytest.fixture
def archive(place: Path) -> Archive:
    return Archive(
        name="example",
        title="An Example Archive",
        domains=(Domain("https://archive.example.org"),),
        flows=(LOGIN, COOKIE),
        known=Known(files=(KnownFile(path=str(place), read=read),)),
    )


def write(path: Path, *, mode: int = 0o600, **values: str) -> None:
    path.write_text(json.dumps(values))
    path.chmod(mode)


def find(archive: Archive, flow: LoginRequest | PastedCookie = LOGIN, **options: object) -> Found | None:
    found = KnownFileSource().find(Wanted(archive=archive, flow=flow, **options))  # type: ignore[arg-type]
    return found if isinstance(found, Found) else None


def test_a_file_that_is_not_there_is_nothing(archive: Archive) -> None:
    assert find(archive) is None
    assert find(replace(archive, known=Known())) is None
    assert KnownFileSource().looked_at(replace(archive, known=Known())) == ""


def test_what_the_flow_can_use_is_taken_and_the_origin_is_the_file(archive: Archive, place: Path) -> None:
    write(place, username="pi", password="obviously-fake", cookie="fake", other="fake")
    found = find(archive)
    assert found == Found(values={"username": Secret("pi"), "password": Secret("obviously-fake")}, origin=str(place))
    pasted = find(archive, COOKIE)
    assert pasted is not None
    assert set(pasted.values) == {"username", "cookie"}


@pytest.mark.parametrize(
    ("options", "is_found"),
    [
        ({"account": "pi", "is_default": False}, True),
        ({"account": "other", "is_default": False}, False),
        ({"username": "pi"}, True),
        ({"username": "other"}, False),
    ],
)
def test_a_file_serves_its_owner_alone(
    archive: Archive, place: Path, options: dict[str, object], is_found: bool
) -> None:
    write(place, username="pi", password="obviously-fake")
    assert (find(archive, **options) is not None) is is_found


def test_a_file_that_names_nobody_serves_the_default_account_alone(archive: Archive, place: Path) -> None:
    write(place, cookie="fake")
    assert find(archive, COOKIE) is not None
    assert find(archive, COOKIE, account="pi", is_default=False) is None


@posix
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666])
def test_a_file_that_is_open_to_others_is_unusable_and_the_remedy_is_named(
    archive: Archive, place: Path, mode: int
) -> None:
    write(place, username="pi", password="obviously-fake", mode=mode)
    with pytest.raises(UnusableCredentialsError, match=f"chmod 600 {place}") as caught:
        find(archive)
    assert_no_secret(["obviously-fake"], caught.value)


@pytest.mark.parametrize("text", ["obviously-fake", '{"password": "obviously-fake"', '{"password": 5}'])
def test_a_file_that_cannot_be_understood_is_unusable_and_is_not_quoted(
    archive: Archive, place: Path, text: str
) -> None:
    def strict(content: str) -> Mapping[str, Secret] | None:
        try:
            return read(content)
        except (ValueError, TypeError):
            raise ValueError("it is not what was expected") from None

    archive = replace(archive, known=Known(files=(KnownFile(path=str(place), read=strict),)))
    place.write_text(text)
    place.chmod(0o600)
    with pytest.raises(UnusableCredentialsError, match="An Example Archive") as caught:
        find(archive)
    assert_no_secret(["obviously-fake"], caught.value)


def test_the_argument_file_may_be_of_the_archives_own_client(archive: Archive, tmp_path: Path) -> None:
    own = tmp_path / "own.json"
    write(own, username="pi", password="obviously-fake")
    found = ExplicitSource({"file": str(own)}, archive).find(Wanted(archive=archive, flow=LOGIN))
    assert found is not None
    assert found.values["password"] == Secret("obviously-fake")


def test_an_argument_file_that_cannot_be_used_is_not_quoted(tmp_path: Path) -> None:
    path = tmp_path / "three-lines"
    path.write_text("obviously-fake-1\nobviously-fake-2\nobviously-fake-3\n")
    path.chmod(0o600)
    with pytest.raises(UnusableCredentialsError, match="3 lines") as caught:
        ExplicitSource({"file": str(path)})
    assert_no_secret(["obviously-fake-1", "obviously-fake-3"], caught.value)


# ---------------------------------------------------------------- writing


@posix
@pytest.mark.parametrize("umask", [0o000, 0o077])
def test_what_is_written_is_the_owners_alone_under_any_umask(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        path = write_protected(tmp_path / "new" / "file", "obviously-fake", what="the file")
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert path.read_text() == "obviously-fake"


def test_readers_see_the_old_file_or_the_new_one_and_nothing_between(tmp_path: Path) -> None:
    path, texts = tmp_path / "file", {letter * 50_000 for letter in "abc"}
    write_protected(path, "a" * 50_000, what="the file")
    done = threading.Event()

    def rewrite() -> None:
        for _ in range(50):
            for text in texts:
                write_protected(path, text, what="the file")
        done.set()

    writer = threading.Thread(target=rewrite)
    writer.start()
    seen = set()
    while not done.is_set():
        seen.add(path.read_text())
    writer.join()
    assert seen <= texts
    assert [entry.name for entry in tmp_path.iterdir() if entry.is_file()] == ["file"]


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_text("old")
    link.symlink_to(target)
    write_protected(link, "new", what="the file")
    assert link.is_symlink()
    assert target.read_text() == "new"


def test_a_place_that_cannot_be_written_is_an_error_that_says_nothing_of_the_text(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    for path in (tmp_path / "file" / "below", "nul\0name"):
        with pytest.raises(UnusableCredentialsError) as caught:
            write_protected(path, "obviously-fake", what="the file")
        assert "obviously-fake" not in str(caught.value)
