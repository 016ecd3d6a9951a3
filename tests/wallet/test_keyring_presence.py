"""One wallet, seen with and without its keyring."""

from __future__ import annotations

import json
import os
import threading
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fake_keyring import FakeKeyring
from test_fork import in_child
from wallet_stage import HOUR, Crew, FakeFlow, VirtualClock, in_threads, wait_for

from vo_auth.errors import WalletError, WalletWarning
from vo_auth.wallet import Vault, Wallet, Want
from vo_auth.wallet.os_keyring import KeyringUnavailableError, OsKeyring


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a keyring be asked again at once after it failed."""
    monkeypatch.setattr(OsKeyring, "PAUSE", 0.0)


def permit_with_warnings(wallet: Wallet, want: Want) -> tuple[Any, list[str]]:
    with warnings.catch_warnings(record=True, action="always") as said:
        held = wallet.permit(want)
        wallet.permit(want)
    return held, [str(one.message) for one in said if one.category is WalletWarning]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("keyring.backends.fail.Keyring", "this machine has no keyring"),
        ("keyring.backends.null.Keyring", "this machine has no keyring"),
        ("no_such_package.Keyring", r"the keyring cannot be used \(ModuleNotFoundError\)"),
    ],
)
def test_without_a_keyring_the_file_is_plain_and_of_another_name(
    name: str, reason: str, crew: Crew, home: Path, flow: FakeFlow
) -> None:
    script = """
        from wallet_stage import FakeFlow, make_archive, make_source
        from vo_auth.wallet import Account, Vault, Wallet, Want
        from vo_auth.wallet.os_keyring import KeyringUnavailableError, OsKeyring
        start_together()
        wallet = Wallet(Vault(Path(ARGUMENTS["home"])), [make_source("alice")])
        want = Want(archive=make_archive(FakeFlow(Path(ARGUMENTS["archive"]))), account=Account("alice"))
        try:
            OsKeyring().require()
        except KeyringUnavailableError as error:
            report([wallet.kept(wallet.permit(want)), str(error)])
    """
    crew.hire(
        1, script, environ={**os.environ, "PYTHON_KEYRING_BACKEND": name}, home=str(home), archive=str(flow.folder)
    )
    ((kept, text),) = crew.go()
    assert kept == "plain file"
    with pytest.raises(KeyringUnavailableError, match=reason):
        raise KeyringUnavailableError(text)
    assert [path.name for path in home.glob("permits.*")] == ["permits.json"]


@pytest.mark.parametrize("module", ["keyrings.alt.file", "keyrings.cryptfile.cryptfile"])
def test_files_that_stand_for_a_keyring_are_none(
    module: str, keyring: FakeKeyring, make_wallet: Callable[..., Wallet], want: Want, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FakeKeyring, "__module__", module)
    wallet = make_wallet()
    assert wallet.kept(wallet.permit(want)) == "plain file"
    assert keyring.calls == []


@pytest.mark.parametrize("way", ["locked", "broken", "slow"])
def test_a_vault_whose_key_cannot_be_had_is_left_alone_and_said_once(
    way: str,
    keyring: FakeKeyring,
    make_wallet: Callable[..., Wallet],
    want: Want,
    home: Path,
    flow: FakeFlow,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(OsKeyring, "LIMIT", 0.3)
    make_wallet().permit(want)
    before = (home / "permits.vault").read_bytes()
    keyring.be(way)
    wallet = make_wallet()
    held, said = permit_with_warnings(wallet, want)
    assert len(said) == 1
    assert "cannot be opened: the keyring" in said[0]
    assert said[0].endswith("permits are kept in memory")
    assert not held.stored
    assert wallet.kept(held) == "memory"
    assert flow.seen() == ["alice", "alice"]
    assert (home / "permits.vault").read_bytes() == before
    assert [path.name for path in home.glob("permits.*")] == ["permits.vault"]
    with pytest.raises(WalletError, match="cannot be opened"):
        wallet.logout("fake")


def test_a_key_that_another_machine_has_is_not_replaced(
    keyring: FakeKeyring, make_wallet: Callable[..., Wallet], want: Want, home: Path
) -> None:
    make_wallet().permit(want)
    before = (home / "permits.vault").read_bytes()
    ((name, value),) = keyring.entries.items()
    for entries, reason in (({}, "does not have the key"), ({name: value[::-1]}, "has another key")):
        (keyring.folder / "entries.json").write_text(json.dumps(entries))
        held, said = permit_with_warnings(make_wallet(), want)
        assert not held.stored
        assert reason in said[0]
        assert "if the key is lost: vo-auth logout --all --purge" in said[0]
    assert (home / "permits.vault").read_bytes() == before
    (keyring.folder / "entries.json").write_text(json.dumps({name: value}))
    assert len(Vault(home).read()["entries"]) == 1


def test_when_the_keyring_is_there_again_the_vault_goes_on(
    patient: None,
    keyring: FakeKeyring,
    make_wallet: Callable[..., Wallet],
    want: Want,
    home: Path,
    flow: FakeFlow,
    clock: VirtualClock,
) -> None:
    make_wallet().permit(want)
    keyring.be("locked")
    wallet = make_wallet()
    with pytest.warns(WalletWarning, match="permits are kept in memory"):
        wallet.permit(want)
    keyring.be()
    clock.go_on(9 * HOUR)
    held = wallet.permit(want)
    assert held.stored
    assert wallet.kept(held) == "encrypted file"
    assert make_wallet().permit(want).grant == held.grant
    assert flow.seen() == ["alice"] * 3


def test_a_plain_vault_made_without_the_keyring_is_taken_in_when_there_is_one(
    patient: None, keyring: FakeKeyring, make_wallet: Callable[..., Wallet], want: Want, home: Path, flow: FakeFlow
) -> None:
    keyring.be("locked")
    wallet = make_wallet()
    held = wallet.permit(want)
    assert wallet.kept(held) == "plain file"
    keyring.be()
    assert wallet.permit(want) is held
    wallet.login(want, force=True)
    assert [path.name for path in home.glob("permits.*")] == ["permits.vault"]
    assert wallet.kept(wallet.permit(want)) == "encrypted file"
    assert flow.seen() == ["alice", "alice"]


def test_beside_an_encrypted_vault_that_cannot_be_opened_a_plain_one_is_not_used(
    keyring: FakeKeyring, make_wallet: Callable[..., Wallet], want: Want, home: Path, flow: FakeFlow
) -> None:
    keyring.be("locked")
    make_wallet().permit(want)
    plain = (home / "permits.json").read_bytes()
    keyring.be()
    make_wallet().login(want, force=True)
    (home / "permits.json").touch(mode=0o600)
    (home / "permits.json").write_bytes(plain)  # as an interrupted move leaves it
    keyring.be("locked")
    held, _ = permit_with_warnings(make_wallet(), want)
    assert flow.seen() == ["alice"] * 3
    assert not held.stored
    assert (home / "permits.json").read_bytes() == plain


# -------------------------------------------------------------------- time


def test_a_keyring_that_hangs_is_asked_once_and_holds_nobody_up_for_longer_than_its_limit(
    keyring: FakeKeyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(OsKeyring, "LIMIT", 0.2)
    monkeypatch.setattr(OsKeyring, "PAUSE", 0.0)
    keyring.be("slow")
    ours = OsKeyring()

    def ask() -> str:
        with pytest.raises(KeyringUnavailableError, match="does not answer within") as caught:
            ours.get("service", "name")
        return str(caught.value)

    start = time.monotonic()
    in_threads(8, ask)
    assert time.monotonic() - start < 5
    assert len(keyring.calls) == 1  # the others do not put a second question before the person
    keyring.be()
    wait_for(lambda: not any(thread.name == "vo_auth keyring" for thread in threading.enumerate()))
    assert ours.get("service", "name") is None  # unlocked at last


def test_a_keyring_that_failed_is_left_in_peace_for_a_while(keyring: FakeKeyring) -> None:
    ours = OsKeyring()
    keyring.be("locked")
    for _ in range(5):
        with pytest.raises(KeyringUnavailableError, match=r"cannot be used \(KeyringLocked\)"):
            ours.get("service", "name")
    assert len(keyring.calls) == 1


# -------------------------------------------------------------------- a forked child


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_asks_no_keyring_and_uses_the_key_that_its_parent_had(
    keyring: FakeKeyring, make_wallet: Callable[..., Wallet], want: Want, home: Path
) -> None:
    wallet = make_wallet()
    wallet.permit(want)
    calls = len(keyring.calls)

    def child() -> list[Any]:
        mine = wallet.login(want, force=True)
        with warnings.catch_warnings(record=True, action="always") as said:
            anew = make_wallet().login(want, force=True)  # a wallet that never had the key
        return [mine.stored, anew.stored, [str(one.message) for one in said], len(keyring.calls) - calls]

    stored, anew, said, asked = in_child(child)
    assert (stored, anew, asked) == (True, False, 0)
    assert "the keyring is not asked in a forked process" in said[0]
    assert len(Vault(home).read()["entries"]) == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_child_forked_while_a_thread_waits_for_the_keyring_does_not_wait(
    keyring: FakeKeyring, monkeypatch: pytest.MonkeyPatch, home: Path
) -> None:
    keyring.be("slow")
    vault = Vault(home)
    thread = threading.Thread(target=vault.update, args=(lambda _: None,))
    thread.start()
    wait_for(lambda: keyring.calls)
    try:
        with pytest.raises(AssertionError, match="what was waited for did not happen"):
            in_child(lambda: vault.update(lambda _: None), 0.5)  # between processes the lock of the file holds
        assert "forked" in in_child(lambda: _why_not(vault.keyring))
    finally:
        keyring.be()
        thread.join(20)
    assert Vault(home).read()["entries"] == []


def _why_not(keyring: OsKeyring) -> str:
    try:
        keyring.require()
    except KeyringUnavailableError as error:
        return str(error)
    return ""


# -------------------------------------------------------------------- a wallet that is removed


def test_a_wallet_that_cannot_be_opened_any_more_can_be_removed(
    keyring: FakeKeyring, monkeypatch: pytest.MonkeyPatch, home: Path
) -> None:
    import vo_auth

    monkeypatch.setenv("VO_AUTH_HOME", str(home))
    Vault(home).update(lambda _: None)
    (keyring.folder / "entries.json").write_text('{"vo_auth:eso|pi": "obviously-fake", "other|pi": "obviously-fake"}')
    with pytest.raises(WalletError, match="does not have the key"):
        vo_auth.logout()
    with pytest.warns(WalletWarning, match="removed all the same; what was in it could not be revoked"):
        assert vo_auth.logout(purge=True) == []
    assert list(keyring.entries) == ["other|pi"]
    assert not list(home.glob("permits.*"))
