"""Credentials in the operating system's keyring."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import keyring
import pytest
from keyring.backends.fail import Keyring as NoKeyring

from vo_auth import Archive, Known, Secret
from vo_auth.archive import KeyringEntry
from vo_auth.credentials import Found, KeyringSource, Wanted
from vo_auth.errors import UnusableCredentialsError
from vo_auth.flows import PastedToken

FAKE = "obviously-fake"
THEIRS, OURS = "astroquery:www.example.org", "vo-auth:example"
Make = Callable[..., Wanted]


def find(wanted: Wanted) -> dict[str, str] | None:
    found = KeyringSource().find(wanted)
    return {name: secret.reveal() for name, secret in found.values.items()} if found else None


@pytest.mark.parametrize("service", [THEIRS, OURS])
def test_the_only_entry_of_a_service_serves_the_default_account(service: str, wanted: Make, fake_keyring: Any) -> None:
    fake_keyring.entries[service, "pi"] = FAKE
    assert find(wanted()) == {"username": "pi", "password": FAKE}


def test_the_entry_that_users_already_have_comes_first(wanted: Make, fake_keyring: Any) -> None:
    fake_keyring.entries |= {(OURS, "pi"): "ours", (THEIRS, "pi"): "theirs"}
    assert find(wanted()) == {"username": "pi", "password": "theirs"}
    assert fake_keyring.asked == [(THEIRS, None)]


def test_the_user_name_that_is_known_is_asked_for(wanted: Make, fake_keyring: Any) -> None:
    fake_keyring.entries |= {(THEIRS, "other"): "other", (THEIRS, "pi"): FAKE}
    assert find(wanted(username="pi")) == {"username": "pi", "password": FAKE}
    assert fake_keyring.asked == [(THEIRS, "pi")]


def test_a_named_account_asks_for_itself_and_takes_no_other(wanted: Make, fake_keyring: Any) -> None:
    fake_keyring.entries[THEIRS, "other"] = FAKE
    assert find(wanted(account="pi", is_default=False)) is None
    fake_keyring.careless = True  # a keyring that answers with whatever it has
    assert find(wanted(account="pi", is_default=False)) is None
    assert find(wanted(username="pi")) is None
    fake_keyring.entries[OURS, "pi"] = FAKE
    fake_keyring.careless = False
    assert find(wanted(account="pi", is_default=False)) == {"username": "pi", "password": FAKE}


def test_a_token_in_the_keyring_is_its_owners_too(make_archive: Callable[..., Archive], fake_keyring: Any) -> None:
    archive = make_archive(PastedToken(), known=Known(keyring=(KeyringEntry(service="tokens", field="token"),)))
    fake_keyring.entries["tokens", "other"] = FAKE
    fake_keyring.careless = True
    assert find(Wanted(archive=archive, flow=archive.flows[0])) == {"token": FAKE}
    assert find(Wanted(archive=archive, flow=archive.flows[0], account="pi", is_default=False)) is None
    assert find(Wanted(archive=archive, flow=archive.flows[0], username="pi")) is None


def test_an_entry_with_a_fixed_name_serves_the_default_account_alone(
    make_archive: Callable[..., Archive], fake_keyring: Any
) -> None:
    entry = KeyringEntry(service="tokens", username="access-token", field="token")
    archive = make_archive(PastedToken(), known=Known(keyring=(entry,)))
    fake_keyring.entries["tokens", "access-token"] = FAKE
    assert find(Wanted(archive=archive, flow=archive.flows[0], username="pi")) == {"token": FAKE}
    assert find(Wanted(archive=archive, flow=archive.flows[0], account="pi", is_default=False)) is None


def test_a_flow_that_needs_no_password_is_not_offered_one(archive: Archive, fake_keyring: Any) -> None:
    fake_keyring.entries[THEIRS, "pi"] = FAKE
    assert find(Wanted(archive=archive, flow=archive.flows[1])) is None
    assert fake_keyring.asked == []


def test_an_empty_password_is_none(wanted: Make, fake_keyring: Any) -> None:
    fake_keyring.entries[THEIRS, "pi"] = ""
    assert find(wanted()) is None


def test_a_password_that_is_no_text_is_refused_with_the_entrys_name(wanted: Make, fake_keyring: Any) -> None:
    fake_keyring.entries[THEIRS, "pi"] = f"{FAKE}\udce9"
    with pytest.raises(UnusableCredentialsError, match=f"'{THEIRS}' cannot be used") as caught:
        find(wanted())
    assert FAKE not in str(caught.value)


def reason(wanted: Wanted) -> str:
    source = KeyringSource()
    assert source.find(wanted) is None
    return source.looked_at(wanted.archive)


def test_a_locked_keyring_is_no_error_and_is_said(wanted: Make, fake_keyring: Any) -> None:
    fake_keyring.locked = True
    assert reason(wanted()) == "the keyring cannot be read (KeyringLocked)"


def test_a_machine_without_a_keyring_is_said(wanted: Make, fake_keyring: Any) -> None:
    keyring.set_keyring(NoKeyring())
    assert reason(wanted()) == "this machine has no keyring"


def test_a_keyring_without_an_entry_is_said(wanted: Make, fake_keyring: Any) -> None:
    assert reason(wanted()) == "no entry"


def test_a_keyring_that_is_not_installed_is_said_with_the_pip_line(
    wanted: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "keyring", None)
    assert reason(wanted()) == "keyring is not installed: pip install keyring"


def test_the_reason_is_that_of_the_last_time_for_this_archive(
    wanted: Make, archive: Archive, make_archive: Callable[..., Archive], fake_keyring: Any
) -> None:
    source = KeyringSource()
    fake_keyring.locked = True
    assert source.find(wanted()) is None
    assert source.find(wanted(flow=archive.flows[1])) is None  # needs nothing that a keyring has
    assert "KeyringLocked" in source.looked_at(archive)
    assert source.looked_at(make_archive(name="other")) == "no entry"
    fake_keyring.locked = False
    assert source.find(wanted()) is None
    assert source.looked_at(archive) == "no entry"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_process_does_not_ask_the_keyring(wanted: Make, fake_keyring: Any) -> None:
    fake_keyring.entries[THEIRS, "pi"] = FAKE
    source, want = KeyringSource(), wanted()
    context = multiprocessing.get_context("fork")
    answer = context.SimpleQueue()

    def child() -> None:
        answer.put((source.find(want) is None, source.looked_at(want.archive), len(fake_keyring.asked)))

    process = context.Process(target=child)
    process.start()
    process.join(30)
    assert answer.get() == (True, "not asked in a forked process", 0)
    assert source.find(want) is not None


def test_nothing_is_shown(wanted: Make, fake_keyring: Any) -> None:
    fake_keyring.entries[THEIRS, "pi"] = FAKE
    found = KeyringSource().find(wanted())
    assert found is not None
    assert found.origin == f"keyring entry '{THEIRS}'"
    assert FAKE not in repr(found)
    assert found.values["password"] == Secret(FAKE)


# ---------------------------------------------------------------- a keyring that hangs


@pytest.fixture
def hanging(fake_keyring: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Let the keyring hang until the event is set, as one does that waits for a person."""
    unlocked = threading.Event()
    answer = fake_keyring.get_credential

    def wait(service: str, username: str | None) -> Any:
        unlocked.wait(30)
        return answer(service, username)

    monkeypatch.setattr(fake_keyring, "get_credential", wait)
    monkeypatch.setattr(KeyringSource, "PATIENCE", 0.05)
    yield unlocked
    unlocked.set()


def test_a_keyring_that_hangs_holds_nobody_up_and_is_said(wanted: Make, hanging: threading.Event) -> None:
    source, start = KeyringSource(), time.monotonic()
    assert source.find(wanted()) is None
    assert time.monotonic() - start < 10  # it hangs for thirty seconds
    assert source.looked_at(wanted().archive) == "the keyring does not answer within 0 s"


def test_a_keyring_that_hangs_is_not_asked_again_before_it_has_answered(
    wanted: Make, hanging: threading.Event, fake_keyring: Any
) -> None:
    fake_keyring.entries[THEIRS, "pi"] = FAKE
    source, before = KeyringSource(), threading.active_count()
    for _ in range(3):
        assert source.find(wanted()) is None
    assert source.looked_at(wanted().archive) == "the keyring still does not answer"
    assert threading.active_count() <= before + 1
    hanging.set()
    (thread,) = [thread for thread in threading.enumerate() if thread.name == "vo_auth keyring"] or [None]
    if thread is not None:
        thread.join(30)
    assert isinstance(source.find(wanted()), Found)


def test_a_process_ends_although_the_keyring_hangs() -> None:
    code = """
import threading, time, keyring
from keyring.backend import KeyringBackend
class Hanging(KeyringBackend):
    priority = 5
    def get_password(self, service, username): threading.Event().wait()
    def get_credential(self, service, username): threading.Event().wait()
    def set_password(self, service, username, password): pass
keyring.set_keyring(Hanging())
from vo_auth import Archive, Domain
from vo_auth.credentials import KeyringSource, Wanted
from vo_auth.flows import HttpBasic
KeyringSource.PATIENCE = 0.05
archive = Archive(name="x", title="X", domains=(Domain("https://x.example.org"),), flows=(HttpBasic(),))
source = KeyringSource()
print(source.find(Wanted(archive=archive, flow=archive.flows[0])), source.looked_at(archive))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "None the keyring does not answer within 0 s\n"
