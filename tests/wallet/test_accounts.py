"""Whose permit it is: labels, user names, the default account, and what a logout leaves."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from wallet_stage import (
    HOUR,
    PASSWORDS,
    FakeFlow,
    Person,
    VirtualClock,
    end_renewals,
    make_archive,
    make_source,
    wait_for,
)

import vo_auth
from vo_auth.api import login, logout, status
from vo_auth.archive import Archive
from vo_auth.credentials import EnvironmentSource, ExplicitSource
from vo_auth.errors import CredentialsNotFoundError, PluginNotInstalledError
from vo_auth.flows import PastedToken
from vo_auth.sandbox import Bench, Sandbox
from vo_auth.testing import assert_no_secret
from vo_auth.wallet import Account, Vault, Wallet, Want, default_wallet

TAP = "https://archive.eso.org/tap_obs"


@pytest.fixture
def wish(archive: Archive) -> Callable[..., Want]:
    """Make what a session with this label would want from a wallet now."""

    def make(wallet: Wallet, label: str | None = None, *, of: Archive | None = None) -> Want:
        return Want(archive=of or archive, account=wallet.account(of or archive, label))

    return make


def typed(user: str) -> dict[str, str]:
    return {"username": user, "password": PASSWORDS[user]}


# -------------------------------------------------------------------- which account is meant


def test_the_user_name_in_the_environment_names_the_account(
    make_wallet: Callable[..., Wallet], archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VO_AUTH_FAKE_USERNAME", "alice")
    account = make_wallet().account(archive, None)
    assert (account.label, account.username, account.is_default) == ("alice", "alice", True)


def test_the_variable_for_the_default_account_comes_first_and_is_a_label(
    make_wallet: Callable[..., Wallet], archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VO_AUTH_FAKE_ACCOUNT", "work")
    monkeypatch.setenv("VO_AUTH_FAKE_USERNAME", "alice")
    account = make_wallet().account(archive, None)
    assert (account.label, account.username, account.is_default) == ("work", "", True)


def test_hyphens_of_an_archives_name_are_underscores_in_its_variables(
    make_wallet: Callable[..., Wallet], flow: FakeFlow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VO_AUTH_FAR_AWAY_ACCOUNT", "work")
    assert make_wallet().account(make_archive(flow, name="far-away"), None).label == "work"


def test_another_token_in_the_environment_is_another_account(
    make_wallet: Callable[..., Wallet], wish: Callable[..., Want], monkeypatch: pytest.MonkeyPatch
) -> None:
    wallet, archive = make_wallet(EnvironmentSource()), make_archive(PastedToken())
    seen = []
    for token in ("obviously-fake-1", "obviously-fake-2", "obviously-fake-1"):
        monkeypatch.setenv("VO_AUTH_FAKE_TOKEN", token)
        want = wish(wallet, of=archive)
        assert want.account.label.startswith("token#")
        assert token not in want.account.label
        seen.append((want.account.label, wallet.permit(want).grant.permit.token.reveal()))
    assert [token for _, token in seen] == ["obviously-fake-1", "obviously-fake-2", "obviously-fake-1"]
    assert seen[0] == seen[2] != seen[1]


def test_the_last_login_without_a_label_is_the_default_account_of_later_processes(
    make_wallet: Callable[..., Wallet], wish: Callable[..., Want], archive: Archive
) -> None:
    for user in ("alice", "bob"):
        wallet = make_wallet()
        wallet.login(wish(wallet), credentials=typed(user))
    assert make_wallet().account(archive, None) == Account("bob")


def test_a_login_with_a_label_does_not_move_the_default_account(
    make_wallet: Callable[..., Wallet], wish: Callable[..., Want], archive: Archive
) -> None:
    wallet = make_wallet()
    wallet.login(wish(wallet), credentials=typed("alice"))
    wallet.login(wish(wallet, "work"), credentials=typed("bob"))
    assert make_wallet().account(archive, None) == Account("alice")


def test_a_label_that_became_the_default_account_is_not_taken_for_a_user_name(
    make_wallet: Callable[..., Wallet], wish: Callable[..., Want], clock: VirtualClock, flow: FakeFlow
) -> None:
    wallet = make_wallet()
    wallet.login(wish(wallet, "work"), credentials=typed("alice"))  # the first login of all
    person = Person()
    later = make_wallet(make_source("bob"), person)
    account = wish(later).account
    assert (account.label, account.username) == ("work", "alice")
    clock.go_on(9 * HOUR)
    later.permit(wish(later))
    assert person.asked[0].username == "alice"


def test_a_login_under_a_label_that_is_the_default_keeps_the_label(sandbox: Sandbox) -> None:
    for _ in range(2):
        identity = login("eso", account="work", username="DEMOTEAM", password="not-real-tm$@=")
        assert (identity.account, identity.user) == ("work", "DEMOTEAM")
    assert [held.account for held in status()] == ["work"]


# -------------------------------------------------------------------- nobody gets somebody else's


def test_two_accounts_are_held_at_once_and_each_gets_its_own(
    make_wallet: Callable[..., Wallet], wish: Callable[..., Want], home: Path
) -> None:
    wallet = make_wallet()
    for user in ("alice", "bob"):
        wallet.login(wish(wallet), credentials=typed(user))
    for label in ("alice", "bob", "alice"):
        assert wallet.permit(wish(wallet, label)).grant.identity == label
    assert sorted(entry["account"] for entry in Vault(home).read()["entries"]) == ["alice", "bob"]


def test_a_login_never_overwrites_another_account(
    make_wallet: Callable[..., Wallet], wish: Callable[..., Want]
) -> None:
    wallet = make_wallet()
    first = wallet.login(wish(wallet), credentials=typed("alice"))
    wallet.login(wish(wallet), credentials=typed("bob"))
    wallet.login(wish(wallet, "work"), credentials=typed("bob"))
    assert wallet.permit(wish(wallet, "alice")).grant == first.grant
    assert {held.key.account: held.grant.identity for held in wallet.everything()} == {
        "alice": "alice",
        "bob": "bob",
        "work": "bob",
    }


def test_a_name_typed_at_the_prompt_of_login_is_the_account_and_no_alias_of_another(
    make_wallet: Callable[..., Wallet], wish: Callable[..., Want], archive: Archive
) -> None:
    make_wallet().login(Want(archive=archive), credentials=typed("alice"))
    wallet = make_wallet(Person("bob"))
    assert wish(wallet).account == Account("alice")
    held = wallet.login(wish(wallet), force=True)  # the person answers with another name
    assert held.key.account == "bob"
    assert wallet.permit(wish(wallet, "alice")).grant.identity == "alice"


def test_a_named_account_takes_no_credentials_of_another_user(
    make_wallet: Callable[..., Wallet],
    wish: Callable[..., Want],
    flow: FakeFlow,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("VO_AUTH_FAKE_USERNAME", "alice")
    monkeypatch.setenv("VO_AUTH_FAKE_PASSWORD", PASSWORDS["alice"])
    wallet = make_wallet(EnvironmentSource(), make_source("alice"))
    with pytest.raises(CredentialsNotFoundError, match=r"account bob"):
        wallet.permit(wish(wallet, "bob"))
    assert flow.seen() == []
    assert wallet.permit(wish(wallet, "alice")).grant.identity == "alice"


def test_a_session_of_one_user_is_not_renewed_with_credentials_of_another(
    make_wallet: Callable[..., Wallet],
    wish: Callable[..., Want],
    flow: FakeFlow,
    clock: VirtualClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("VO_AUTH_FAKE_USERNAME", "alice")
    monkeypatch.setenv("VO_AUTH_FAKE_PASSWORD", PASSWORDS["alice"])
    wallet = make_wallet(EnvironmentSource())
    session = wish(wallet)
    wallet.permit(session)
    monkeypatch.setenv("VO_AUTH_FAKE_USERNAME", "bob")  # in a notebook, say
    monkeypatch.setenv("VO_AUTH_FAKE_PASSWORD", PASSWORDS["bob"])
    clock.go_on(9 * HOUR)
    with pytest.raises(CredentialsNotFoundError, match=r"environment: has those of bob, another user"):
        wallet.permit(session)
    assert flow.seen() == ["alice"]
    assert wallet.permit(wish(wallet)).grant.identity == "bob"


def test_what_was_typed_for_one_account_serves_no_other(
    make_wallet: Callable[..., Wallet], wish: Callable[..., Want], clock: VirtualClock, flow: FakeFlow
) -> None:
    empty = make_source("alice")
    empty.values = {}
    wallet = make_wallet(empty)
    wallet.login(wish(wallet), credentials=typed("alice"))
    with pytest.raises(CredentialsNotFoundError):
        wallet.permit(wish(wallet, "bob"))
    clock.go_on(9 * HOUR)
    assert wallet.permit(wish(wallet, "alice")).grant.identity == "alice"


def test_credentials_of_a_session_stay_with_it(
    archive: Archive, flow: FakeFlow, make_wallet: Callable[..., Wallet], home: Path, clock: VirtualClock
) -> None:
    own = Wallet(None, [ExplicitSource(typed("alice"))], clock=clock.clock)
    held = own.permit(Want(archive=archive, account=own.account(archive, None)))
    assert not held.stored
    shared = make_wallet(Person("bob"))
    assert shared.permit(Want(archive=archive, account=shared.account(archive, None))).grant.identity == "bob"
    assert [entry["account"] for entry in Vault(home).read()["entries"]] == ["bob"]


def test_login_with_a_user_name_alone_asks_for_the_password_alone(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    questions: list[str] = []

    def answer(question: str) -> str:
        questions.append(question)
        return "not-real-tm$@="

    monkeypatch.setattr("getpass.getpass", answer)
    identity = login("eso", username="DEMOTEAM", interactive=True)
    assert (identity.user, identity.account, questions) == ("DEMOTEAM", "DEMOTEAM", ["password: "])
    assert "as DEMOTEAM" in capsys.readouterr().err
    identity = login("eso", account="work", username="DEMOTEAM", interactive=True)
    assert (identity.user, identity.account, len(questions)) == ("DEMOTEAM", "work", 2)


# -------------------------------------------------------------------- logout


def test_logout_leaves_nothing_in_the_file_and_in_memory_and_keeps_other_archives(
    make_wallet: Callable[..., Wallet], flow: FakeFlow, home: Path
) -> None:
    wallet = make_wallet()
    archives = [make_archive(flow), make_archive(flow, name="other")]
    held = [wallet.permit(Want(archive=archive)) for archive in archives]
    tokens = [one.grant.permit.token.reveal() for one in held]
    gone = wallet.logout("fake")
    assert [one.key.account for one in gone] == ["alice"]
    assert_no_secret([tokens[0]], home)
    with pytest.raises(AssertionError):
        assert_no_secret([tokens[1]], home)
    assert [one.key.archive for one in wallet.everything()] == ["other"]
    assert wallet.account(archives[0], None) == Account()


@pytest.mark.parametrize("account", [None, "alice"])
def test_after_a_logout_no_key_leads_to_the_old_permit(
    account: str | None, make_wallet: Callable[..., Wallet], archive: Archive
) -> None:
    person = Person()
    wallet = make_wallet(person)
    unnamed = Want(archive=archive)
    wallet.permit(unnamed)
    wallet.logout("fake", account)
    assert wallet.everything() == []
    with pytest.raises(CredentialsNotFoundError):
        wallet.permit(Want(archive=archive, interactive=False))
    with pytest.raises(CredentialsNotFoundError):
        wallet.permit(Want(archive=archive, account=Account("alice"), interactive=False))


def test_logout_of_one_account_keeps_the_other(
    make_wallet: Callable[..., Wallet], wish: Callable[..., Want], home: Path
) -> None:
    wallet = make_wallet()
    for user in ("alice", "bob"):
        wallet.login(wish(wallet), credentials=typed(user))
    wallet.logout("fake", "bob")
    assert [held.key.account for held in wallet.everything()] == ["alice"]
    assert Vault(home).read()["defaults"] == {}


def test_a_renewal_that_is_under_way_brings_nothing_back_after_a_logout(
    wallet: Wallet, want: Want, flow: FakeFlow, clock: VirtualClock, home: Path
) -> None:
    wallet.permit(want)
    clock.go_on(8 * HOUR - 500)
    go_on = threading.Event()
    flow.on_login = lambda _: go_on.wait(20)
    wallet.permit(want)
    wait_for(lambda: len(flow.seen()) == 2)
    leaving = threading.Thread(target=wallet.logout, args=("fake",))
    leaving.start()
    leaving.join(0.1)
    assert leaving.is_alive()  # it waits for the renewal
    go_on.set()
    leaving.join(20)
    end_renewals()
    assert wallet.everything() == []
    assert Vault(home).read()["entries"] == []


def test_logout_says_which_variable_will_log_in_again(
    sandbox: Sandbox, eso: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    login("eso")
    (gone,) = logout("eso")
    assert (gone.archive, gone.account, gone.revoked) == ("eso", "DEMOPI", False)
    assert "VO_AUTH_ESO_USERNAME, VO_AUTH_ESO_PASSWORD will log in again" in gone.note
    assert status() == []
    for name in ("USERNAME", "PASSWORD"):
        monkeypatch.delenv(f"VO_AUTH_ESO_{name}")
    login("eso", username="DEMOPI", password=dict(eso_credentials())["password"])
    assert [one.note for one in logout()] == [""]


def eso_credentials() -> dict[str, str]:
    from vo_auth_eso.standin import STANDIN

    return dict(STANDIN.credentials["pi"])


def test_logout_of_an_archive_whose_plugin_is_gone_works_by_name_and_not_by_url(sandbox: Sandbox) -> None:
    entry = {"archive": "gone", "account": "carol", "realm": ""}
    wallet = default_wallet()
    assert wallet._shelf.vault is not None
    wallet._shelf.vault.update(lambda content: content["entries"].append(entry))
    with pytest.raises(PluginNotInstalledError):
        logout("https://archive.gone.example/")
    with pytest.warns(vo_auth.errors.WalletWarning):
        logout("gone")
    assert wallet._shelf.vault.read()["entries"] == []
