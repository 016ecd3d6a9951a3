"""Passwords are kept only at the user's word, only after the archive took them, and not longer than they are good."""

from __future__ import annotations

import io
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fake_keyring import FakeKeyring
from wallet_stage import HOUR, PASSWORDS, FakeFlow, Person, VirtualClock, make_archive, make_source

from vo_auth.archive import Archive
from vo_auth.credentials import Found, Passed, Wanted, prompt
from vo_auth.errors import CredentialsNotFoundError, CredentialsRejectedError, WalletError, WalletWarning
from vo_auth.sandbox import Sandbox
from vo_auth.testing import assert_no_secret
from vo_auth.wallet import Account, Vault, Wallet, Want
from vo_auth.wallet.kept import KeptPasswords
from vo_auth.wallet.os_keyring import OsKeyring
from vo_auth_eso.standin import STANDIN

sys.path.append(str(Path(__file__).parents[1] / "credentials"))

ENTRY = "vo_auth:fake|alice"
GIVEN = {"username": "alice", "password": PASSWORDS["alice"]}


class Answers:
    """Somebody who is asked yes or no."""

    def __init__(self, *answers: bool) -> None:
        self.answers = list(answers)
        self.questions: list[str] = []

    def __call__(self, question: str) -> bool:
        self.questions.append(question)
        return self.answers.pop(0)


@pytest.fixture
def answer(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Answers]:
    """Put somebody before a terminal who answers the questions."""

    def put(*answers: bool) -> Answers:
        somebody = Answers(*answers)
        monkeypatch.setattr(prompt, "confirm", somebody)
        monkeypatch.setattr("vo_auth.credentials.person.is_interactive", lambda: True)
        return somebody

    return put


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(OsKeyring, "PAUSE", 0.0)


def nobody() -> Any:
    """A wallet's only source beside the kept passwords: it has nothing."""
    source = make_source("alice")
    source.values = {}
    return source


def passwords(home: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = Vault(home).read().get("passwords", [])
    return found


# -------------------------------------------------------------------- kept at the user's word


def test_a_password_that_is_to_be_kept_goes_to_the_keyring_and_serves_other_processes(
    keyring: FakeKeyring,
    make_wallet: Callable[..., Wallet],
    archive: Archive,
    want: Want,
    home: Path,
    clock: VirtualClock,
    flow: FakeFlow,
) -> None:
    make_wallet(nobody()).login(Want(archive=archive), credentials=GIVEN, keep=True)
    assert keyring.entries[ENTRY] == PASSWORDS["alice"]
    assert passwords(home) == [{"archive": "fake", "account": "alice", "username": "alice", "where": "keyring"}]
    assert_no_secret(list(PASSWORDS.values()), home)
    later = make_wallet(nobody())
    for _ in range(3):  # a job of 27 hours at an archive without refresh tokens
        clock.go_on(9 * HOUR)
        held = later.permit(want)
        assert held.origin == "kept password in the keyring"
    assert flow.seen() == ["alice"] * 4


def test_without_a_word_nothing_is_kept(
    keyring: FakeKeyring, make_wallet: Callable[..., Wallet], archive: Archive, want: Want, clock: VirtualClock
) -> None:
    make_wallet(nobody()).login(Want(archive=archive), credentials=GIVEN)
    assert ENTRY not in keyring.entries
    clock.go_on(9 * HOUR)
    with pytest.raises(CredentialsNotFoundError, match="kept password: none is kept"):
        make_wallet(nobody()).permit(want)


def test_a_password_that_the_archive_rejects_is_not_kept(
    keyring: FakeKeyring, make_wallet: Callable[..., Wallet], archive: Archive, home: Path
) -> None:
    wallet = make_wallet(nobody())
    with pytest.raises(CredentialsRejectedError):
        wallet.login(Want(archive=archive), credentials={**GIVEN, "password": "fake-and-wrong"}, keep=True)
    wallet.login(Want(archive=archive), credentials=GIVEN)
    assert not any(name.startswith("vo_auth:") for name in keyring.entries)
    assert passwords(home) == []


def test_a_valid_permit_does_not_keep_a_password_from_being_asked_for_and_kept(
    keyring: FakeKeyring, make_wallet: Callable[..., Wallet], want: Want, flow: FakeFlow, answer: Callable[..., Answers]
) -> None:
    answer()
    person = Person()
    wallet = make_wallet(person)
    wallet.login(want, keep=False, credentials=GIVEN)
    wallet.login(want, keep=True)
    assert ENTRY in keyring.entries
    assert flow.seen() == ["alice", "alice"]


def test_a_label_keeps_the_password_with_the_name_of_its_user(
    keyring: FakeKeyring, make_wallet: Callable[..., Wallet], archive: Archive, clock: VirtualClock
) -> None:
    team = Want(archive=archive, account=Account("muse-gto", is_default=False, is_label=True))
    make_wallet(nobody()).login(team, credentials=GIVEN, keep=True)
    assert keyring.entries["vo_auth:fake|muse-gto"] == PASSWORDS["alice"]
    clock.go_on(9 * HOUR)
    later = make_wallet(nobody())
    assert later.permit(team).grant.identity == "alice"
    with pytest.raises(CredentialsNotFoundError):
        later.permit(Want(archive=archive, account=Account("other", is_default=False, is_label=True)))


def test_another_users_password_is_never_taken(
    keyring: FakeKeyring, make_wallet: Callable[..., Wallet], archive: Archive, flow: FakeFlow, clock: VirtualClock
) -> None:
    make_wallet(nobody()).login(Want(archive=archive), credentials=GIVEN, keep=True)
    bob = Account("label", is_label=True, user="bob")
    clock.go_on(9 * HOUR)
    wallet = make_wallet(nobody())
    for account in (bob, Account("bob"), Account("bob", is_default=False)):
        with pytest.raises(CredentialsNotFoundError):
            wallet.permit(Want(archive=archive, account=account))
    assert flow.seen() == ["alice"]


def test_whose_password_it_is_decides_the_source_itself(
    keyring: FakeKeyring, make_wallet: Callable[..., Wallet], archive: Archive, home: Path, flow: FakeFlow
) -> None:
    make_wallet(nobody()).login(Want(archive=archive), credentials=GIVEN, keep=True)
    source = KeptPasswords(Vault(home))
    found = source.find(Wanted(archive=archive, flow=flow, account="alice", username="alice"))
    assert isinstance(found, Found)
    assert found.values["password"].reveal() == PASSWORDS["alice"]
    of_bob = source.find(Wanted(archive=archive, flow=flow, account="alice", username="bob"))
    assert of_bob == Passed("has that of alice, another user")
    assert source.find(Wanted(archive=archive, flow=flow, account="bob", is_default=False)) is None


def test_where_no_password_was_used_it_is_said_that_there_is_none_to_keep(
    keyring: FakeKeyring, make_wallet: Callable[..., Wallet], clock: VirtualClock
) -> None:
    from wallet_stage import make_jwt

    from vo_auth.flows import PastedToken

    token = make_jwt(sub="alice", iat=clock.true, exp=clock.true + HOUR)
    want = Want(archive=make_archive(PastedToken()))
    with pytest.warns(WalletWarning, match="There is no password to keep"):
        make_wallet(nobody()).login(want, credentials={"token": token}, keep=True)


def test_in_memory_mode_no_password_is_kept_and_nobody_is_asked_for_one(
    make_wallet: Callable[..., Wallet], want: Want, flow: FakeFlow, answer: Callable[..., Answers]
) -> None:
    somebody, person = answer(), Person()
    wallet = make_wallet(person, memory=True)
    with pytest.raises(WalletError, match="No password is kept while the wallet is in memory"):
        wallet.login(want, keep=True)
    assert person.asked == []
    wallet.login(want)
    assert somebody.questions == []


# -------------------------------------------------------------------- without a keyring


def test_without_a_keyring_a_second_yes_that_names_the_file_is_needed(
    make_wallet: Callable[..., Wallet], want: Want, home: Path, clock: VirtualClock, answer: Callable[..., Answers]
) -> None:
    somebody = answer(False, True)
    make_wallet(Person()).login(want, keep=True)
    assert passwords(home) == []
    make_wallet(Person()).login(want, keep=True)
    assert [one["where"] for one in passwords(home)] == ["file"]
    assert len(somebody.questions) == 2
    assert all(str(home / "permits.json") in one and "this machine has no keyring" in one for one in somebody.questions)
    assert (home / "permits.json").stat().st_mode & 0o777 == 0o600
    clock.go_on(9 * HOUR)
    assert make_wallet(nobody()).permit(want).origin == "kept password in the file"


def test_where_nobody_can_say_yes_a_program_must_and_learns_that_before_a_login(
    make_wallet: Callable[..., Wallet], archive: Archive, home: Path, flow: FakeFlow
) -> None:
    wallet = make_wallet(nobody())
    with pytest.raises(
        WalletError, match=r"permits\.json.*no keyring.*--keep-password-in-file, or keep_password='file'"
    ):
        wallet.login(Want(archive=archive), credentials=GIVEN, keep=True)
    assert flow.seen() == []
    wallet.login(Want(archive=archive), credentials=GIVEN, keep="file")
    assert [one["password"] for one in passwords(home)] == [PASSWORDS["alice"]]


def test_beside_an_encrypted_vault_that_cannot_be_opened_no_password_is_kept(
    keyring: FakeKeyring, make_wallet: Callable[..., Wallet], archive: Archive, home: Path, flow: FakeFlow
) -> None:
    Vault(home).update(lambda _: None)
    keyring.be("locked")
    with pytest.raises(WalletError, match="No password can be kept now: the keyring"):
        make_wallet(nobody()).login(Want(archive=archive), credentials=GIVEN, keep="file")
    assert flow.seen() == []
    assert not (home / "permits.json").exists()


def test_with_a_plain_file_by_choice_the_password_goes_there_too(
    keyring: FakeKeyring, archive: Archive, home: Path, clock: VirtualClock
) -> None:
    wallet = Wallet(Vault(home, plain=True), [nobody()], clock=clock.clock)
    wallet.login(Want(archive=archive), credentials=GIVEN, keep="file")
    assert keyring.entries == {}
    clock.go_on(9 * HOUR)
    assert wallet.permit(Want(archive=archive, account=Account("alice"))).grant.identity == "alice"


def test_a_password_in_a_plain_file_moves_with_it_into_the_encrypted_one(
    keyring: FakeKeyring,
    make_wallet: Callable[..., Wallet],
    archive: Archive,
    want: Want,
    home: Path,
    clock: VirtualClock,
) -> None:
    keyring.be("locked")
    make_wallet(nobody()).login(Want(archive=archive), credentials=GIVEN, keep="file")
    keyring.be()
    clock.go_on(9 * HOUR)
    assert make_wallet(nobody()).permit(want).origin == "kept password in the file"
    assert [path.name for path in home.glob("permits.*")] == ["permits.vault"]
    assert_no_secret([PASSWORDS["alice"]], home)


# -------------------------------------------------------------------- the one question


def test_who_typed_a_password_is_asked_once_after_it_was_accepted_whether_to_keep_it(
    keyring: FakeKeyring, make_wallet: Callable[..., Wallet], want: Want, flow: FakeFlow, answer: Callable[..., Answers]
) -> None:
    somebody = answer(True)
    flow.on_login = lambda _: somebody.questions and pytest.fail("asked before the archive took it")
    wallet = make_wallet(Person())
    wallet.permit(want)
    assert somebody.questions == ["Keep this password in the keyring, so that later logins ask nobody?"]
    assert ENTRY in keyring.entries
    flow.on_login = lambda _: None
    wallet.login(want, force=True)
    make_wallet(Person()).login(want, force=True)
    assert len(somebody.questions) == 1


def test_a_no_is_remembered_until_a_logout(
    keyring: FakeKeyring, make_wallet: Callable[..., Wallet], want: Want, answer: Callable[..., Answers]
) -> None:
    somebody = answer(False, False)
    make_wallet(Person()).permit(want)
    for _ in range(3):
        make_wallet(Person()).login(want, force=True)
    assert len(somebody.questions) == 1
    wallet = make_wallet(Person())
    wallet.logout("fake")
    wallet.permit(want)
    assert len(somebody.questions) == 2
    assert ENTRY not in keyring.entries


def test_a_no_to_the_file_is_a_no(
    make_wallet: Callable[..., Wallet], want: Want, home: Path, answer: Callable[..., Answers]
) -> None:
    somebody = answer(True, False)
    make_wallet(Person()).permit(want)
    make_wallet(Person()).login(want, force=True)
    assert len(somebody.questions) == 2
    assert passwords(home) == []


def test_the_question_is_asked_while_nobody_waits_for_the_login(
    keyring: FakeKeyring, make_wallet: Callable[..., Wallet], want: Want, monkeypatch: pytest.MonkeyPatch, answer: Any
) -> None:
    answer()
    wallet = make_wallet(Person())
    free: list[bool] = []

    def confirm(_: str) -> bool:
        with make_wallet(nobody())._locks.hold(want.key.lock, what="the test", wait=False) as mine:
            free.append(mine)
        return False

    monkeypatch.setattr(prompt, "confirm", confirm)
    wallet.permit(want)
    assert free == [True]


def test_where_nobody_can_be_asked_there_is_no_question(
    keyring: FakeKeyring, make_wallet: Callable[..., Wallet], archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prompt, "confirm", lambda _: pytest.fail("nobody is there"))
    make_wallet(Person()).permit(Want(archive=archive))  # no terminal
    make_wallet().login(Want(archive=archive), force=True)  # not typed


@pytest.mark.parametrize(
    ("typed", "meant"), [("y\n", True), ("YES\n", True), ("\n", False), ("no\n", False), ("", False)]
)
def test_only_a_clear_yes_is_one(typed: str, meant: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(typed))
    monkeypatch.setattr(sys, "stderr", said := io.StringIO())
    assert prompt.confirm("Keep it?") is meant
    assert said.getvalue() == "Keep it? [y/N] "


# -------------------------------------------------------------------- forgotten


def test_a_kept_password_that_is_rejected_is_dropped_and_never_sent_again(
    keyring: FakeKeyring,
    make_wallet: Callable[..., Wallet],
    archive: Archive,
    want: Want,
    home: Path,
    clock: VirtualClock,
    flow: FakeFlow,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    make_wallet(nobody()).login(Want(archive=archive), credentials=GIVEN, keep=True)
    monkeypatch.setitem(PASSWORDS, "alice", "fake-and-changed-at-the-archive")
    clock.go_on(9 * HOUR)
    wallet = make_wallet(nobody())
    with (
        pytest.warns(WalletWarning, match="rejected the kept password of alice: it is not kept any more"),
        pytest.raises(CredentialsRejectedError),
    ):
        wallet.permit(want)
    assert ENTRY not in keyring.entries
    assert passwords(home) == []
    with pytest.raises(CredentialsNotFoundError):
        wallet.permit(want)
    assert flow.seen() == ["alice", "alice"]


@pytest.mark.parametrize("account", [None, "alice"])
def test_a_logout_forgets_it_in_the_keyring_and_in_the_file(
    account: str | None, keyring: FakeKeyring, make_wallet: Callable[..., Wallet], archive: Archive, home: Path
) -> None:
    wallet = make_wallet(nobody())
    for user in ("alice", "bob"):
        given = {"username": user, "password": PASSWORDS[user]}
        wallet.login(Want(archive=archive), credentials=given, keep=True)
    keyring._change({"vo_auth:other|carol": "obviously-fake"})
    wallet.logout("fake", account)
    left = [name for name in keyring.entries if name.startswith("vo_auth:")]
    assert sorted(left) == sorted(["vo_auth:other|carol"] + (["vo_auth:fake|bob"] if account else []))
    assert [one["account"] for one in passwords(home)] == (["bob"] if account else [])


def test_a_logout_finds_passwords_whose_list_was_lost(
    keyring: FakeKeyring, make_wallet: Callable[..., Wallet], archive: Archive, home: Path
) -> None:
    wallet = make_wallet(nobody())
    wallet.login(Want(archive=archive), credentials=GIVEN, keep=True)
    Vault(home).update(lambda content: content.pop("passwords"))
    wallet.logout("fake")
    assert ENTRY not in keyring.entries


def test_a_password_that_stays_in_a_locked_keyring_is_said_and_found_again_later(
    keyring: FakeKeyring, make_wallet: Callable[..., Wallet], archive: Archive, home: Path
) -> None:
    wallet = make_wallet(nobody())
    wallet.login(Want(archive=archive), credentials=GIVEN, keep=True)
    keyring.be("locked")
    with pytest.warns(WalletWarning, match="Passwords stay in the keyring .*: unlock it, then log out of fake again"):
        wallet.logout("fake")
    keyring.be()
    wallet.logout("fake")
    assert ENTRY not in keyring.entries
    assert passwords(home) == []


@pytest.mark.parametrize(
    "damage", [7, "text", [7], [{"archive": "fake"}], [{"archive": "fake", "account": "alice", "username": 7}]]
)
def test_damage_in_the_list_hurts_nothing_else(
    damage: Any, make_wallet: Callable[..., Wallet], archive: Archive, want: Want, home: Path
) -> None:
    wallet = make_wallet()
    wallet.permit(want)
    content = json.loads((home / "permits.json").read_text())
    (home / "permits.json").write_text(json.dumps({**content, "passwords": damage, "unkept": damage}))
    make_wallet(nobody()).login(want, credentials=GIVEN, keep="file", force=True)
    assert [one["account"] for one in passwords(home) if isinstance(one, dict) and "where" in one] == ["alice"]
    wallet.logout("fake")
    assert wallet.everything() == []


# -------------------------------------------------------------------- as people meet it


@pytest.mark.skipif(sys.platform == "win32", reason="a terminal is POSIX")
def test_at_a_terminal_the_question_comes_after_the_login_and_the_second_one_names_the_file(sandbox: Sandbox) -> None:
    from pseudo_terminal import Pty

    user = STANDIN.credentials["pi"]
    environ = {name: text for name, text in sandbox.child_environ().items() if not name.startswith("VO_AUTH_ESO_")}
    dropped = {name: "" for name in os.environ if name.startswith("VO_AUTH_ESO_")}
    terminal = Pty("from vo_auth.cli import main; main()", "login", "eso", environment={**environ, **dropped})
    for question, text in (
        (b"user name", user["username"]),
        (b"password: ", user["password"]),
        (b"later logins ask nobody? [y/N] ", "y"),
        (b"permits.json. Keep it there? [y/N] ", "y"),
    ):
        terminal.expect(question)
        terminal.type(f"{text}\n".encode())
    assert terminal.end().startswith(f"Logged in to eso as {user['username']}")
    assert [one["where"] for one in passwords(sandbox.folder / "state")] == ["file"]
