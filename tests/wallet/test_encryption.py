"""The vault under encryption: what is in clear, what is noticed, and how a plain one is moved into it."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fake_keyring import FakeKeyring
from wallet_stage import Crew, FakeFlow, VirtualClock, make_source

from vo_auth.errors import WalletError, WalletWarning
from vo_auth.testing import assert_no_secret
from vo_auth.wallet import Vault, Wallet, Want
from vo_auth.wallet.content import empty, joined

SERVICE = "vo_auth wallet key"


def header_of(home: Path) -> dict[str, Any]:
    record: dict[str, Any] = json.loads((home / "permits.vault").read_bytes())
    return record


def put_into(home: Path, **changes: Any) -> None:
    path = home / "permits.vault"
    path.write_text(json.dumps({**header_of(home), **changes}))


def entry(archive: str, issued: float = 1.0, **more: Any) -> dict[str, Any]:
    return {"archive": archive, "account": "carol", "realm": "", "grant": {"issued": issued}, **more}


# -------------------------------------------------------------------- what is in the file


def test_with_a_keyring_the_file_is_encrypted_and_tells_format_version_and_key_alone(
    keyring: FakeKeyring, make_wallet: Callable[..., Wallet], want: Want, home: Path
) -> None:
    wallet = make_wallet()
    held = wallet.permit(want)
    assert wallet.kept(held) == "encrypted file"
    assert [path.name for path in home.iterdir() if path.is_file()] == ["permits.vault"]
    header = header_of(home)
    assert list(header) == ["format", "version", "key", "nonce", "data"]
    assert (header["format"], header["version"]) == ("vo_auth encrypted permits", 1)
    text = (home / "permits.vault").read_text()
    for word in (held.grant.permit.token.reveal(), "alice", "fake"):
        assert word not in base64.b64decode(header["data"]).decode("latin1")
        assert word not in text.replace(header["data"], "")
    if os.name == "posix":
        assert (home / "permits.vault").stat().st_mode & 0o777 == 0o600


def test_the_key_is_one_short_entry_of_256_bits_that_is_read_back_before_it_is_used(
    keyring: FakeKeyring, make_wallet: Callable[..., Wallet], want: Want, home: Path
) -> None:
    make_wallet().permit(want)
    ((name, value),) = keyring.entries.items()
    assert name == f"{SERVICE}|{header_of(home)['key']}"
    assert len(base64.b64decode(value)) == 32
    assert len(value) < 64
    assert [call[0] for call in keyring.calls][:2] == ["set", "get"]
    assert value not in (home / "permits.vault").read_text()
    assert header_of(home)["key"] not in value


def test_a_keyring_that_keeps_nothing_is_no_keyring(
    keyring: FakeKeyring, make_wallet: Callable[..., Wallet], want: Want, home: Path
) -> None:
    keyring.be("forgetful")
    wallet = make_wallet()
    assert wallet.kept(wallet.permit(want)) == "plain file"
    assert not (home / "permits.vault").exists()


def test_every_write_has_a_nonce_of_its_own(keyring: FakeKeyring, home: Path) -> None:
    nonces = set()
    for _ in range(20):
        Vault(home).update(lambda _: None)
        nonces.add(header_of(home)["nonce"])
    assert len(nonces) == 20
    assert len(keyring.entries) == 1


def test_the_keyring_is_asked_once_per_process_and_the_next_process_reads_what_was_kept(
    keyring: FakeKeyring, make_wallet: Callable[..., Wallet], want: Want, flow: FakeFlow
) -> None:
    first = make_wallet().permit(want)
    del keyring.calls[:]
    wallet = make_wallet()
    assert wallet.permit(want).grant == first.grant
    for _ in range(5):
        wallet.everything()
    assert [call[0] for call in keyring.calls] == ["get"]
    assert flow.seen() == ["alice"]


# -------------------------------------------------------------------- damage


def flipped(text: str) -> str:
    content = bytearray(base64.b64decode(text))
    content[len(content) // 2] ^= 1
    return base64.b64encode(content).decode()


@pytest.mark.parametrize("what", ["data", "nonce", "short", "no data", "nothing", "no json", "foreign", "version 0"])
def test_an_encrypted_file_that_was_changed_is_set_aside_and_a_new_one_is_made(
    what: str, keyring: FakeKeyring, make_wallet: Callable[..., Wallet], want: Want, home: Path
) -> None:
    wallet = make_wallet()
    held = wallet.permit(want)
    header = header_of(home)
    changes: dict[str, dict[str, Any]] = {
        "data": {"data": flipped(header["data"])},
        "nonce": {"nonce": flipped(header["nonce"])},
        "short": {"data": header["data"][: len(header["data"]) // 8 * 4]},
        "no data": {"data": 7},
        "foreign": {"format": "something else"},
        "version 0": {"version": "0"},
    }
    if what in changes:
        put_into(home, **changes[what])
    else:
        (home / "permits.vault").write_bytes(b"" if what == "nothing" else b"{")
    damaged = (home / "permits.vault").read_bytes()
    with pytest.warns(WalletWarning, match="is damaged; it was moved to permits.vault.damaged-") as said:
        Vault(home).read()
    assert len(said) == 1
    assert [path.read_bytes() for path in home.glob("*.damaged-*")] == [damaged]
    assert wallet.permit(want) is held
    again = make_wallet()
    again.login(want)
    assert again.kept(again.permit(want)) == "encrypted file"


def test_content_under_another_header_is_not_taken(keyring: FakeKeyring, home: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    Vault(home).update(lambda content: content["entries"].append(entry("mine")))
    Vault(other).update(lambda content: content["entries"].append(entry("theirs")))
    assert header_of(home)["key"] != header_of(other)["key"]
    mine, theirs = (keyring.entries[f"{SERVICE}|{header_of(place)['key']}"] for place in (home, other))
    from vo_auth.secret import Secret
    from vo_auth.wallet.sealed import Sealed

    sealed = Sealed.from_bytes((home / "permits.vault").read_bytes())
    assert sealed is not None
    assert sealed.opened(Secret(mine)) is not None
    assert sealed.opened(Secret(theirs)) is None
    assert (
        Sealed(header_of(other)["key"], sealed.nonce, sealed.data).opened(Secret(mine)) is None
    )  # bound to its header


def test_an_encrypted_file_of_a_later_version_is_neither_used_nor_destroyed(
    keyring: FakeKeyring, make_wallet: Callable[..., Wallet], want: Want, home: Path
) -> None:
    Vault(home).update(lambda _: None)
    put_into(home, version=2)
    before = (home / "permits.vault").read_bytes()
    with pytest.warns(WalletWarning, match="later vo_auth; update.*permits are kept in memory"):
        held = make_wallet().permit(want)
    assert not held.stored
    assert (home / "permits.vault").read_bytes() == before
    assert sorted(path.name for path in home.iterdir() if path.is_file()) == ["permits.vault"]


@pytest.mark.skipif(os.name != "posix", reason="links and modes are POSIX")
def test_the_encrypted_file_is_refused_and_tightened_like_the_plain_one(
    keyring: FakeKeyring, home: Path, tmp_path: Path
) -> None:
    Vault(home).update(lambda _: None)
    (home / "permits.vault").chmod(0o644)
    with pytest.warns(WalletWarning, match="was open to other users; closed now"):
        Vault(home).read()
    (home / "permits.vault").rename(tmp_path / "elsewhere")
    (home / "permits.vault").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(WalletError, match="it is a link"):
        Vault(home).update(lambda _: None)
    (home / "permits.vault").unlink()
    os.mkfifo(home / "permits.vault", 0o600)
    with pytest.raises(WalletError, match="not a plain file"):
        Vault(home).read()
    assert not (home / "permits.json").exists()


def test_no_error_and_no_object_shows_key_or_permit(
    keyring: FakeKeyring, make_wallet: Callable[..., Wallet], want: Want, home: Path
) -> None:
    wallet = make_wallet()
    held = wallet.permit(want)
    ((_, key),) = keyring.entries.items()
    secrets = [key, held.grant.permit.token.reveal(), "obviously fake secret"]
    vault = Vault(home)
    vault.read()
    put_into(home, version=9)
    with pytest.raises(WalletError) as later:
        vault.read()
    put_into(home, version=1)
    keyring.be("broken")
    with pytest.raises(WalletError, match=r"cannot be used \(RuntimeError\)") as broken:
        Vault(home).read()
    assert_no_secret(secrets, [later.value, broken.value, vault, vault._keys, home])


# -------------------------------------------------------------------- from plain to encrypted


def make_plain(home: Path, *entries: dict[str, Any], **more: Any) -> None:
    """Leave a plain vault, as an earlier version or a machine without a keyring wrote it."""
    home.mkdir(mode=0o700, exist_ok=True)
    content = {**empty(), "entries": list(entries), **more}
    (home / "permits.json").touch(mode=0o600)
    (home / "permits.json").write_text(json.dumps(content))


def accounts(home: Path) -> list[str]:
    return [one["archive"] for one in Vault(home).read()["entries"]]


def test_a_plain_vault_is_moved_into_an_encrypted_one_at_the_next_write(keyring: FakeKeyring, home: Path) -> None:
    make_plain(home, entry("one"), entry("two"), defaults={"one": "carol"}, rejected={"digest": 1.0})
    salt = json.loads((home / "permits.json").read_text())["salt"]
    assert accounts(home) == ["one", "two"]
    assert keyring.calls == []  # to read a plain file needs no keyring
    Vault(home).update(lambda content: content["entries"].append(entry("three")))
    assert [path.name for path in home.glob("permits.*")] == ["permits.vault"]
    content = Vault(home).read()
    assert [one["archive"] for one in content["entries"]] == ["one", "two", "three"]
    assert (content["defaults"], content["rejected"], content["salt"]) == ({"one": "carol"}, {"digest": 1.0}, salt)


@pytest.mark.parametrize("step", ["write", "remove"])
def test_a_move_that_is_interrupted_loses_nothing_and_is_ended_by_the_next_write(
    step: str, keyring: FakeKeyring, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_plain(home, entry("one"), entry("two"))
    vault = Vault(home)

    def end(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(vault._sealed if step == "write" else vault._plain, step, end)
        with pytest.raises(KeyboardInterrupt):
            vault.update(lambda content: content["entries"].append(entry("three")))
    assert (home / "permits.json").exists()
    assert (home / "permits.vault").exists() == (step == "remove")
    assert accounts(home) == ["one", "two"] + ["three"] * (step == "remove")
    Vault(home).update(lambda content: content["entries"].append(entry("four")))
    assert [path.name for path in home.glob("permits.*")] == ["permits.vault"]
    assert accounts(home) == ["one", "two"] + ["three"] * (step == "remove") + ["four"]


def test_what_was_forgotten_in_the_encrypted_file_does_not_come_back_from_a_plain_one_beside_it(
    keyring: FakeKeyring, make_wallet: Callable[..., Wallet], want: Want, home: Path
) -> None:
    make_wallet().permit(want)
    content = Vault(home).read()
    make_plain(home, *content["entries"], defaults=content["defaults"])
    wallet = make_wallet()
    wallet.logout("fake")
    assert wallet.everything() == []
    assert make_wallet().everything() == []
    assert not (home / "permits.json").exists()


def test_of_two_permits_the_later_one_is_kept_and_damaged_entries_are_left_alone() -> None:
    odd: list[Any] = ["text", 7, None, {"grant": 3}]
    kept = {**empty(), "entries": [entry("one", 5.0), entry("two", 5.0), *odd], "defaults": {"one": "kept"}}
    moved = {**empty(), "entries": [entry("one", 4.0), entry("two", 6.0), entry("three"), *odd]}
    moved["defaults"] = {"one": "moved", "three": "carol"}
    result = joined(kept, moved)
    found = {one["archive"]: one["grant"]["issued"] for one in result["entries"] if one not in odd}
    assert found == {"one": 5.0, "two": 6.0, "three": 1.0}
    assert [one for one in result["entries"] if one in odd] == odd
    assert result["defaults"] == {"one": "kept", "three": "carol"}
    assert result["salt"] == kept["salt"]


MOVER = """
    from vo_auth.wallet import Vault
    vault = Vault(Path(ARGUMENTS["home"]))
    start_together()
    for turn in range(10):
        vault.update(lambda content: content["entries"].append({"by": NUMBER, "turn": turn}))
        assert len(vault.read()["entries"]) > turn
    report(len(vault.read()["entries"]))
"""


def test_processes_that_move_a_plain_vault_at_once_make_one_key_and_lose_nothing(
    keyring: FakeKeyring, home: Path, crew: Crew
) -> None:
    make_plain(home, entry("one"), entry("two"))
    crew.hire(4, MOVER, home=str(home))
    crew.go()
    entries = Vault(home).read()["entries"]
    assert len(entries) == 2 + 4 * 10
    assert len({(one.get("by"), one.get("turn"), one.get("archive")) for one in entries}) == len(entries)
    assert len(keyring.entries) == 1
    assert [path.name for path in home.glob("permits.*")] == ["permits.vault"]


def test_a_plain_file_by_choice_stays_although_there_is_a_keyring(
    keyring: FakeKeyring, home: Path, monkeypatch: pytest.MonkeyPatch, want: Want, tmp_path: Path
) -> None:
    from vo_auth.wallet import default_wallet

    for name, value in (("HOME", str(tmp_path / "state")), ("WALLET", "plain")):
        monkeypatch.setenv(f"VO_AUTH_{name}", value)
    for name, value in (("USERNAME", "alice"), ("PASSWORD", "fake-password-of-alice")):
        monkeypatch.setenv(f"VO_AUTH_FAKE_{name}", value)
    wallet = default_wallet()
    held = wallet.permit(want)
    assert wallet.kept(held) == "plain file"
    monkeypatch.delenv("VO_AUTH_WALLET")
    later = default_wallet()
    assert later is not wallet
    assert later.permit(want).grant == held.grant
    later.login(want, force=True)
    assert [path.name for path in (tmp_path / "state").glob("permits.*")] == ["permits.json"]
    assert keyring.calls == []
    later.logout("fake")
    assert Vault(tmp_path / "state").read()["entries"] == []
    # An empty file is nobody's choice any more.
    assert later.kept(later.login(want)) == "encrypted file"
    assert [path.name for path in (tmp_path / "state").glob("permits.*")] == ["permits.vault"]


def test_a_word_that_is_no_way_of_keeping_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    from vo_auth.errors import ConfigurationError
    from vo_auth.wallet import default_wallet

    monkeypatch.setenv("VO_AUTH_WALLET", "none")
    with pytest.raises(ConfigurationError, match=r"VO_AUTH_WALLET is 'memory' or 'plain'.*not 'none'"):
        default_wallet()


def test_a_choice_does_not_touch_the_encrypted_file_and_a_logout_empties_both(
    keyring: FakeKeyring, make_wallet: Callable[..., Wallet], want: Want, home: Path, clock: VirtualClock
) -> None:
    encrypted = make_wallet()
    encrypted.permit(want)
    before = (home / "permits.vault").read_bytes()
    clock.go_on(1)
    plain = Wallet(Vault(home, plain=True), [make_source("alice")], clock=clock.clock)
    held = plain.permit(want)
    assert plain.kept(held) == "plain file"
    assert (home / "permits.vault").read_bytes() == before
    encrypted.login(want, force=True)
    assert (home / "permits.json").exists()  # somebody's choice: not taken in
    assert len(plain.logout("fake")) == 2
    assert Vault(home).read()["entries"] == Vault(home, plain=True).read()["entries"] == []


def test_a_logout_removes_what_was_set_aside(
    keyring: FakeKeyring, make_wallet: Callable[..., Wallet], want: Want, home: Path
) -> None:
    wallet = make_wallet()
    secret = wallet.permit(want).grant.permit.token.reveal()
    for name in ("permits.vault.damaged-0a0a0a0a", "permits.json.damaged-0b0b0b0b"):
        (home / name).write_text(secret)
    wallet.logout("fake")
    assert not list(home.glob("*.damaged-*"))
    assert_no_secret([secret], home)


def test_a_vault_that_is_destroyed_leaves_neither_files_nor_key(keyring: FakeKeyring, home: Path) -> None:
    vault = Vault(home)
    vault.update(lambda _: None)
    make_plain(home)
    (home / "permits.json.damaged-0b0b0b0b").touch()
    vault.destroy()
    assert not list(home.glob("permits.*"))
    assert keyring.entries == {}
    vault.update(lambda _: None)
    assert len(keyring.entries) == 1
