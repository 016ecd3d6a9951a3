"""The wallet's file: whole or absent, for its owner alone, and never in the way."""

from __future__ import annotations

import errno
import json
import os
import random
import re
import signal
import stat
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from wallet_stage import Crew, FakeFlow, VirtualClock, in_threads, make_source, wait_for

from vo_auth.errors import WalletError, WalletWarning
from vo_auth.wallet import Account, Vault, Wallet, Want, default_wallet

posix = pytest.mark.skipif(os.name != "posix", reason="file modes and owners are POSIX")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@contextmanager
def umask(value: int) -> Iterator[None]:
    before = os.umask(value)
    try:
        yield
    finally:
        os.umask(before)


# -------------------------------------------------------------------- who can read it


@posix
@pytest.mark.parametrize("mask", [0o000, 0o077, 0o022])
def test_file_and_folder_are_closed_from_the_first_byte_under_any_umask(
    mask: int, make_wallet: Callable[..., Wallet], want: Want, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    modes: list[int] = []
    real_fsync, real_replace = os.fsync, os.replace

    def fsync(descriptor: int) -> None:
        modes.append(stat.S_IMODE(os.fstat(descriptor).st_mode) & 0o077)
        real_fsync(descriptor)

    def replace(source: str, target: Path) -> None:
        modes.append(mode(Path(source)) & 0o177)
        real_replace(source, target)

    created = watch_created_files(monkeypatch, home)
    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "replace", replace)
    with umask(mask):
        make_wallet().permit(want)
    assert modes
    assert set(modes) == {0}
    assert created
    assert all(each & 0o177 == 0 for each in created.values()), created
    assert mode(home) == mode(home / "locks") == 0o700
    assert mode(home / "permits.json") == 0o600
    assert {mode(lock) for lock in (home / "locks").iterdir()} == {0o600}


def watch_created_files(monkeypatch: pytest.MonkeyPatch, home: Path) -> dict[str, int]:
    """Note the mode of each file below home at the moment it is made."""
    created: dict[str, int] = {}
    real_open = os.open

    def watching(path: Any, flags: int, *args: Any, **named: Any) -> int:
        descriptor = real_open(path, flags, *args, **named)
        if flags & os.O_CREAT and str(path).startswith(str(home)):
            created[str(path)] = stat.S_IMODE(os.fstat(descriptor).st_mode)
        return descriptor

    monkeypatch.setattr(os, "open", watching)
    return created


@posix
def test_a_file_that_was_open_to_others_is_closed_with_a_warning(
    make_wallet: Callable[..., Wallet], want: Want, home: Path, flow: FakeFlow
) -> None:
    make_wallet().permit(want)
    (home / "permits.json").chmod(0o644)
    with pytest.warns(WalletWarning, match="was open to other users; closed now"):
        make_wallet().permit(want)
    assert mode(home / "permits.json") == 0o600
    assert flow.seen() == ["alice"]


# -------------------------------------------------------------------- what is not used


def refuses(make_wallet: Callable[..., Wallet], want: Want, flow: FakeFlow, match: str) -> None:
    """Check that a wallet warns once, works in memory, and that a logout says that it cannot."""
    with warnings.catch_warnings(record=True, action="always") as said:
        wallet = make_wallet()
        held = wallet.permit(want)
    assert [one.category for one in said] == [WalletWarning]
    assert re.search(match, str(said[0].message))
    assert "permits are kept in memory" in str(said[0].message)
    assert wallet.permit(want) is held
    assert not held.stored
    assert flow.seen() == ["alice"]
    with pytest.raises(WalletError, match=match):
        wallet.logout("fake")
    assert wallet._shelf.in_memory(want.key) is None


@posix
def test_a_link_in_place_of_the_file_is_not_followed(
    make_wallet: Callable[..., Wallet], want: Want, home: Path, flow: FakeFlow, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere.json"
    elsewhere.write_text("{}")
    home.mkdir(mode=0o700)
    (home / "permits.json").symlink_to(elsewhere)
    refuses(make_wallet, want, flow, "it is a link")
    assert elsewhere.read_text() == "{}"
    assert (home / "permits.json").is_symlink()


@posix
def test_a_fifo_in_place_of_the_file_blocks_nobody(
    make_wallet: Callable[..., Wallet], want: Want, home: Path, flow: FakeFlow
) -> None:
    home.mkdir(mode=0o700)
    os.mkfifo(home / "permits.json", 0o600)
    refuses(make_wallet, want, flow, "not a plain file")


@posix
def test_a_folder_in_place_of_the_file_is_refused(
    make_wallet: Callable[..., Wallet], want: Want, home: Path, flow: FakeFlow
) -> None:
    (home / "permits.json").mkdir(parents=True)
    home.chmod(0o700)
    refuses(make_wallet, want, flow, "not a plain file")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can give files away")
@pytest.mark.parametrize("what", ["file", "folder"])
def test_what_belongs_to_another_user_is_refused(
    what: str, make_wallet: Callable[..., Wallet], want: Want, home: Path, flow: FakeFlow
) -> None:
    Vault(home).update(lambda _: None)
    if what == "file":
        os.chown(home / "permits.json", 12345, 12345)
        refuses(make_wallet, want, flow, "belongs to another user")
    else:
        os.chown(home, 12345, 12345)
        refuses(make_wallet, want, flow, "belongs to, or may be written by, others")


@posix
@pytest.mark.parametrize("bits", [0o770, 0o702])
def test_a_folder_that_others_may_write_to_is_refused_with_its_remedy(
    bits: int, make_wallet: Callable[..., Wallet], want: Want, home: Path, flow: FakeFlow
) -> None:
    make_wallet().permit(want)
    (flow.folder / "log").unlink()
    home.chmod(bits)
    refuses(make_wallet, want, flow, "others: chmod 700 it or set VO_AUTH_HOME")


def test_a_file_of_a_later_version_is_neither_used_nor_destroyed(
    make_wallet: Callable[..., Wallet], want: Want, home: Path, flow: FakeFlow
) -> None:
    Vault(home).update(lambda content: content.update(version=2, entries=[{"of": "the future"}]))
    before = (home / "permits.json").read_bytes()
    refuses(make_wallet, want, flow, "later vo_auth")
    assert (home / "permits.json").read_bytes() == before
    assert [path.name for path in home.iterdir() if path.is_file()] == ["permits.json"]


# -------------------------------------------------------------------- damage


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"\x00" * 64, b"[]", b'{"format": "something else"}', b"[" * 100_000, b"\xff\xfe",
     b'{"format": "vo_auth permits", "version": 1, "salt": "x", "entries": {}, "defaults": {}, "rejected": {}}'],
)  # fmt: skip
def test_a_damaged_file_is_set_aside_with_one_warning_and_nothing_else_is_lost(
    content: bytes, make_wallet: Callable[..., Wallet], want: Want, home: Path, flow: FakeFlow
) -> None:
    wallet = make_wallet()
    held = wallet.permit(want)
    (home / "another.txt").write_text("not ours")
    (home / "permits.json").write_bytes(content)
    with pytest.warns(WalletWarning, match="is damaged; it was moved to permits.json.damaged-") as said:
        Vault(home).read()
    assert len(said) == 1
    assert wallet.permit(want) is held
    aside = list(home.glob("permits.json.damaged-*"))
    assert [path.read_bytes() for path in aside] == [content]
    assert (home / "another.txt").exists()
    make_wallet().login(want)
    assert [entry["account"] for entry in Vault(home).read()["entries"]] == ["alice"]


def test_a_file_that_was_made_whole_meanwhile_is_not_set_aside(
    home: Path, monkeypatch: pytest.MonkeyPatch, make_wallet: Callable[..., Wallet], want: Want
) -> None:
    make_wallet().permit(want)
    good = (home / "permits.json").read_bytes()
    (home / "permits.json").write_bytes(b"{")
    vault = Vault(home)
    real = vault._locked

    @contextmanager
    def locked() -> Iterator[None]:
        with real():
            (home / "permits.json").write_bytes(good)  # another process was just a little faster
            yield

    monkeypatch.setattr(vault, "_locked", locked)
    assert len(vault.read()["entries"]) == 1
    assert (home / "permits.json").read_bytes() == good


def test_an_entry_that_cannot_be_read_is_left_alone(make_wallet: Callable[..., Wallet], want: Want, home: Path) -> None:
    odd: list[Any] = ["text", 7, None, {"archive": "fake", "account": "x", "realm": ""}, {"grant": {"permit": 3}}]
    Vault(home).update(lambda content: content["entries"].extend(odd))
    with pytest.warns(WalletWarning, match="cannot be read; it is left alone"):
        make_wallet().permit(want)
    entries = Vault(home).read()["entries"]
    assert entries[: len(odd)] == odd
    assert len(entries) == len(odd) + 1


def test_entries_of_plugins_that_are_gone_survive_updates_and_logouts(
    make_wallet: Callable[..., Wallet], want: Want, home: Path
) -> None:
    entry = {"archive": "gone", "account": "carol", "realm": "", "of a later kind": [1, 2]}
    Vault(home).update(lambda content: content["entries"].append(entry))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", WalletWarning)
        wallet = make_wallet()
        wallet.permit(want)
        wallet.logout("fake")
    assert Vault(home).read()["entries"] == [entry]


# -------------------------------------------------------------------- many writers, sudden ends


WRITER = """
    from vo_auth.wallet import Vault
    vault = Vault(Path(ARGUMENTS["home"]))
    filler = "x" * 20_000
    start_together()
    for turn in range(ARGUMENTS["turns"]):
        vault.update(lambda content: content["entries"].append({"by": NUMBER, "turn": turn, "filler": filler}))
    report("done")
"""


def test_writers_in_many_processes_and_threads_lose_no_entry(home: Path, crew: Crew) -> None:
    crew.hire(4, WRITER, home=str(home), turns=15)
    crew.ready()
    (crew.folder / "go").touch()
    turns = iter(range(1000))
    in_threads(4, lambda: Vault(home).update(lambda content: content["entries"].append({"by": next(turns) - 100})))
    assert crew.reports() == ["done"] * 4
    entries = [(entry["by"], entry.get("turn")) for entry in Vault(home).read()["entries"]]
    assert len(set(entries)) == len(entries) == 4 * 15 + 4


@posix
def test_a_writer_that_is_killed_never_leaves_a_torn_file_nor_a_lock_nor_secrets_beside_it(
    home: Path, crew: Crew
) -> None:
    chance = random.Random(20261122)
    Vault(home).update(lambda content: content["entries"].append({"by": "me", "turn": 0}))
    for _ in range(6):
        process = crew.hire(1, WRITER, home=str(home), turns=100_000)[0]
        crew.ready()
        (crew.folder / "go").touch()
        wait_for(lambda: b'"filler"' in (home / "permits.json").read_bytes())
        time.sleep(chance.uniform(0.0, 0.08))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        start = time.monotonic()
        content = json.loads((home / "permits.json").read_bytes())  # whole
        assert content["entries"][0] == {"by": "me", "turn": 0}
        turns = [entry["turn"] for entry in content["entries"][1:]]
        assert turns == list(range(len(turns)))  # each update was there before the next
        Vault(home).update(lambda content: content.update(entries=content["entries"][:1]))
        assert time.monotonic() - start < 5  # the lock died with its holder
        assert not list(home.glob(".permits-*"))


@posix
def test_a_login_lock_left_behind_by_a_killed_process_holds_nobody_up(
    make_wallet: Callable[..., Wallet], want: Want, home: Path, crew: Crew, flow: FakeFlow
) -> None:
    script = """
        from vo_auth.clock import Clock
        from vo_auth.wallet.lock import Locks
        locks = Locks(Path(ARGUMENTS["folder"]), Clock(), patience=1.0)
        with locks.hold(ARGUMENTS["name"], what="the test"), locks.person(ARGUMENTS["name"]):
            start_together()
            time.sleep(60)
    """
    wallet = make_wallet()
    process = crew.hire(1, script, folder=str(home / "locks"), name=want.key.lock)[0]
    crew.ready()
    assert len(list((home / "locks").glob("*.person"))) == 1
    process.kill()
    process.communicate()
    start = time.monotonic()
    unattended = replace(want, interactive=False)
    assert wallet.permit(unattended).grant.identity == "alice"
    assert time.monotonic() - start < 5
    assert not list((home / "locks").glob("*.person"))  # the next one does not take it for a person who is asked


def test_the_new_file_is_on_disk_before_it_takes_the_old_ones_place(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    events: list[str] = []
    real_fsync, real_replace = os.fsync, os.replace

    def fsync(descriptor: int) -> None:
        status = os.fstat(descriptor)
        events.append("folder synced" if stat.S_ISDIR(status.st_mode) else f"file synced, {status.st_size > 0}")
        real_fsync(descriptor)

    def replace(source: str, target: Path) -> None:
        events.append("renamed")
        real_replace(source, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "replace", replace)
    Vault(home).update(lambda _: None)
    assert events[:2] == ["file synced, True", "renamed"]
    assert events[2:] == (["folder synced"] if os.name == "posix" else [])


def test_a_write_that_fails_leaves_the_old_file_and_no_new_one(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Vault(home).update(lambda content: content["defaults"].update(fake="alice"))
    before = (home / "permits.json").read_bytes()
    monkeypatch.setattr(os, "fsync", fail_with(errno.ENOSPC))
    with pytest.raises(WalletError, match="cannot be written: No space left"):
        Vault(home).update(lambda content: content["defaults"].clear())
    assert (home / "permits.json").read_bytes() == before
    assert not list(home.glob(".permits-*"))


def fail_with(number: int) -> Callable[..., Any]:
    def fail(*_: object, **__: object) -> Any:
        raise OSError(number, os.strerror(number))

    return fail


# -------------------------------------------------------------------- no room, no right to write


def test_on_a_full_disk_the_permit_is_kept_in_memory_with_one_warning(
    make_wallet: Callable[..., Wallet], want: Want, flow: FakeFlow, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    wallet = make_wallet()
    monkeypatch.setattr(os, "fsync", fail_with(errno.ENOSPC))
    with pytest.warns(WalletWarning, match="No space left on device; permits are kept in memory") as said:
        held = wallet.permit(want)
    assert len(said) == 1
    assert wallet.permit(want) is held
    clock.go_on(9 * 3600)
    assert wallet.permit(want) is not held  # said once
    assert flow.seen() == ["alice", "alice"]


@posix
def test_a_real_limit_on_file_size_ends_no_program(crew: Crew, home: Path, flow: FakeFlow) -> None:
    script = """
        import resource, warnings
        from wallet_stage import FakeFlow, make_archive, make_source
        from vo_auth.errors import WalletWarning
        from vo_auth.wallet import Vault, Wallet, Want
        wallet = Wallet(Vault(Path(ARGUMENTS["home"])), [make_source("alice")])
        want = Want(archive=make_archive(FakeFlow(Path(ARGUMENTS["archive"]))))
        start_together()
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (300, limits[1]))
        with warnings.catch_warnings(record=True, action="always") as said:
            held = wallet.permit(want)
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        report([held.grant.identity, held.stored, [str(one.message) for one in said]])
    """
    crew.hire(1, script, home=str(home), archive=str(flow.folder))
    ((identity, stored, said),) = crew.go()
    assert (identity, stored, len(said)) == ("alice", False, 1)
    assert "permits are kept in memory" in said[0]
    assert not list(home.glob(".permits-*"))


def test_a_read_only_folder_keeps_nobody_from_working(
    make_wallet: Callable[..., Wallet], want: Want, home: Path, flow: FakeFlow, monkeypatch: pytest.MonkeyPatch
) -> None:
    Vault(home).update(lambda _: None)
    real_open = os.open

    def read_only(path: Any, flags: int, *args: Any, **named: Any) -> int:
        if str(path).startswith(str(home)) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))
        return real_open(path, flags, *args, **named)

    monkeypatch.setattr(os, "open", read_only)
    wallet = make_wallet()
    with pytest.warns(WalletWarning) as said:
        held = wallet.permit(want)
    assert wallet.permit(want) is held
    assert flow.seen() == ["alice"]
    texts = [str(one.message) for one in said]
    assert any("permits are kept in memory" in text for text in texts), texts


def test_a_home_that_cannot_be_made_keeps_nobody_from_working(
    want: Want, flow: FakeFlow, clock: VirtualClock, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.warns(WalletWarning, match="cannot be used: Not a directory; set VO_AUTH_HOME; permits are kept in"):
        wallet = Wallet(Vault(tmp_path / "file" / "home"), [make_source("alice")], clock=clock.clock)
    with pytest.warns(WalletWarning):
        held = wallet.permit(want)
    assert wallet.permit(want) is held


def test_in_memory_mode_nothing_is_written(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, want: Want, flow: FakeFlow
) -> None:
    monkeypatch.setenv("VO_AUTH_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("VO_AUTH_WALLET", "memory")
    monkeypatch.setenv("VO_AUTH_FAKE_USERNAME", "alice")
    monkeypatch.setenv("VO_AUTH_FAKE_PASSWORD", "fake-password-of-alice")
    wallet = default_wallet()
    held = wallet.permit(Want(archive=want.archive, account=Account("alice")))
    assert not held.stored
    assert [one.key.account for one in wallet.everything()] == ["alice"]
    assert not (tmp_path / "state").exists()
    wallet.logout("fake")


def test_vo_auth_home_moves_all_state(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, want: Want) -> None:
    monkeypatch.setenv("VO_AUTH_FAKE_USERNAME", "alice")
    monkeypatch.setenv("VO_AUTH_FAKE_PASSWORD", "fake-password-of-alice")
    for name in ("one", "other"):
        monkeypatch.setenv("VO_AUTH_HOME", str(tmp_path / name))
        default_wallet().permit(want)
        assert (tmp_path / name / "permits.json").exists()


@pytest.mark.parametrize("times", [1, 5])
def test_a_file_that_another_machine_replaced_while_it_was_read_is_read_again(
    times: int, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Vault(home).update(lambda content: content["entries"].append({"turn": 1}))
    left, real_open = [times], os.open

    def stale(path: Any, flags: int, *args: Any, **named: Any) -> int:
        if str(path).endswith("permits.json") and left[0]:
            left[0] -= 1
            raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))
        return real_open(path, flags, *args, **named)

    monkeypatch.setattr(os, "open", stale)
    if times == 1:
        assert Vault(home).read()["entries"] == [{"turn": 1}]
    else:
        with pytest.raises(WalletError, match="is not used: Stale"):
            Vault(home).read()


def test_reading_what_another_thread_writes_never_fails(home: Path) -> None:
    vault, stop = Vault(home), threading.Event()
    vault.update(lambda _: None)
    readings: list[int] = []

    def read() -> None:
        while not stop.is_set():
            readings.append(len(vault.read()["entries"]))

    reader = threading.Thread(target=read)
    reader.start()
    for turn in range(60):
        vault.update(lambda content, turn=turn: content["entries"].append({"turn": turn, "filler": "x" * 5000}))
    stop.set()
    reader.join(20)
    assert readings == sorted(readings)
    assert readings
