"""A logout revokes where it can, leaves nothing of ours behind, and says what would log in again."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

import vo_auth
from vo_auth.archive import Archive, Known, KnownFile
from vo_auth.flows import PasswordGrant, PastedToken
from vo_auth.secret import Secret
from vo_auth.testing import assert_no_secret
from vo_auth.wallet.vault import state_home

from .conftest import PASSWORD, PERMIT, Net, Server


def read(text: str) -> dict[str, Secret] | None:
    content = json.loads(text)
    return {name: Secret(value) for name, value in content.items()}


def write(values: object, grant: object) -> str:
    return json.dumps({"username": "alice", "password": PASSWORD})


@pytest.fixture
def server(net: Net) -> Server:
    server = net.server()
    server.reply(200, body=json.dumps({"access_token": PERMIT, "expires_in": 3600}).encode(), path="/token")
    return server


@pytest.fixture
def archive(net: Net, server: Server, tmp_path: Path) -> Archive:
    """One that can revoke, and whose own client keeps a file."""
    flow = PasswordGrant(token_url=f"{server.url}/token", client_id="public", revocation_url=f"{server.url}/revoke")
    file = KnownFile(path=str(tmp_path / "client" / "conf.json"), read=read, write=write)
    archive = net.archive(server.url, flows=(flow, PastedToken()), known=Known(files=(file,)))
    net.use(archive)
    return archive


def paths(server: Server) -> list[str]:
    return [path for _, path, _ in server.received]


def log_in(**options: str) -> vo_auth.Identity:
    return vo_auth.login("alpha", username="alice", password=PASSWORD, **options)


def test_what_the_archive_can_revoke_is_revoked(archive: Archive, server: Server) -> None:
    log_in()
    (gone,) = vo_auth.logout("alpha")
    assert (gone.revoked, gone.until, gone.note, gone.again) == (True, None, "", ())
    assert paths(server) == ["/token", "/revoke"]
    assert vo_auth.status() == []


def test_what_it_cannot_revoke_is_said_with_the_time_until_which_it_holds(archive: Archive, server: Server) -> None:
    log_in()
    server.reply(503, path="/revoke")
    (gone,) = vo_auth.logout("alpha")
    assert not gone.revoked
    assert gone.until is not None
    assert "status 503" in gone.note
    assert vo_auth.status() == []


def test_nothing_secret_stays_on_disk_nor_in_the_process(archive: Archive, tmp_path: Path) -> None:
    log_in(to_file="default")
    with vo_auth.session_for(archive.domains[0].base) as session:
        session.get(f"{archive.domains[0].base}/rows")
        vo_auth.logout("alpha")
        assert not (tmp_path / "client" / "conf.json").exists()
        assert_no_secret([PASSWORD, PERMIT], state_home())
        with pytest.raises(vo_auth.VoAuthError):
            session.get(f"{archive.domains[0].base}/rows")


def test_cookies_of_live_sessions_are_forgotten(archive: Archive, server: Server) -> None:
    server.reply(200, ("Set-Cookie", "sid=obviously-fake-sid; Path=/"), path="/rows")
    log_in()
    with vo_auth.session_for(server.url) as session:
        session.get(f"{server.url}/rows")
        session.get(f"{server.url}/rows")
        assert server.received[-1][2].get("cookie") == "sid=obviously-fake-sid"
        vo_auth.logout("alpha")
        log_in()
        session.get(f"{server.url}/rows")
        assert server.received[-1][2].get("cookie") is None


def test_a_file_that_we_wrote_goes_and_is_named(archive: Archive, tmp_path: Path) -> None:
    own = tmp_path / "own.json"
    log_in(to_file=str(own))
    (gone,) = vo_auth.logout("alpha")
    assert gone.removed == (str(own),)
    assert not own.exists()
    assert not (state_home() / "written.json").exists()


def test_a_file_that_its_program_has_changed_since_stays_unless_purged(archive: Archive, tmp_path: Path) -> None:
    file = tmp_path / "client" / "conf.json"
    for purge in (False, True):
        log_in(to_file="default")
        os.utime(file, ns=(1, 1))
        (gone,) = vo_auth.logout("alpha", purge=purge)
        assert file.exists() is not purge
        assert (gone.again == (str(file),)) is not purge
        assert gone.removed == ((str(file),) if purge else ())


def test_a_file_of_another_account_stays(archive: Archive, tmp_path: Path) -> None:
    log_in(account="one", to_file=str(tmp_path / "one.json"))
    log_in(account="two", to_file=str(tmp_path / "two.json"))
    (gone,) = vo_auth.logout("alpha", account="one")
    assert gone.removed == (str(tmp_path / "one.json"),)
    assert (tmp_path / "two.json").exists()
    assert [held.account for held in vo_auth.status()] == ["two"]
    vo_auth.logout()
    assert not (tmp_path / "two.json").exists()


def test_each_place_that_would_log_in_again_is_said(
    archive: Archive, net: Net, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log_in()
    net.credentials(username="alice", password=PASSWORD, token=PERMIT)
    file = tmp_path / "client" / "conf.json"
    file.parent.mkdir()
    file.write_text(write({}, None))
    file.chmod(0o600)
    (gone,) = vo_auth.logout("alpha")
    assert gone.again == ("VO_AUTH_ALPHA_USERNAME, VO_AUTH_ALPHA_PASSWORD", str(file))
    assert "will log in again" in gone.note
    assert_no_secret([PASSWORD, PERMIT], gone, str(gone))


def test_half_of_what_a_login_needs_does_not_log_in_again(archive: Archive, net: Net) -> None:
    log_in()
    net.credentials(username="alice")
    (gone,) = vo_auth.logout("alpha")
    assert gone.again == ()


def test_a_source_that_is_never_asked_does_not_log_in_again(archive: Archive, net: Net) -> None:
    log_in()
    net.credentials(username="alice", password=PASSWORD)
    net.use(replace(archive, sources={"environment": "never"}))
    (gone,) = vo_auth.logout("alpha")
    assert gone.again == ()


def test_purging_everything_leaves_no_file_of_the_wallet(archive: Archive) -> None:
    log_in()
    assert list(state_home().glob("permits.*"))
    vo_auth.logout(purge=True)
    assert [path.name for path in state_home().glob("*") if path.is_file()] == []


def test_a_second_logout_finds_nothing(archive: Archive) -> None:
    log_in()
    assert len(vo_auth.logout("alpha")) == 1
    assert vo_auth.logout("alpha") == []


def test_in_memory_files_are_known_to_this_process(
    archive: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VO_AUTH_WALLET", "memory")
    log_in(to_file=str(tmp_path / "own.json"))
    (gone,) = vo_auth.logout("alpha")
    assert gone.removed == (str(tmp_path / "own.json"),)
    assert not state_home().exists()
