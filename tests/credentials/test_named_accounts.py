"""Named accounts: each source serves the account of its own user, and no login takes another's place unseen."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import vo_auth
from vo_auth import Archive, Known, Secret
from vo_auth.api import login, status
from vo_auth.archive import Ambient, Flow, Grant, KnownFile, LoginContext
from vo_auth.credentials import (
    CredentialSource,
    EnvironmentSource,
    Found,
    KeyringSource,
    KnownFileSource,
    NetrcSource,
    PromptSource,
    Wanted,
    WlcgSource,
)
from vo_auth.errors import CredentialsNotFoundError, UnusableCredentialsError, WalletWarning
from vo_auth.flows import PastedToken
from vo_auth.permit import BearerPermit
from vo_auth.sandbox import Sandbox
from vo_auth.wallet import Account, Vault, Wallet, Want

ISSUER = "https://issuer.example.org/"
PASSWORDS = {"alice": "fake-of-alice", "bob": "fake-of-bob"}


class Login:
    """A password flow without a network."""

    name = "login"
    asks = ("username", "password")
    optional = ()
    unattended = True
    login_urls = ("https://login.example.org/token",)

    def login(self, ctx: LoginContext) -> Grant:
        user = ctx.value("username")
        assert ctx.value("password") == PASSWORDS[user]
        permit = BearerPermit(Secret(f"token-of-{user}"))
        return Grant(permit=permit, identity=user, issuer="login.example.org", issued=ctx.client.now())

    def renew(self, ctx: LoginContext, grant: Grant) -> Grant | None:
        return None

    def revoke(self, ctx: LoginContext, grant: Grant) -> bool:
        return False


def read_pair(text: str) -> dict[str, Secret] | None:
    user, password = text.split()
    return {"username": Secret(user), "password": Secret(password)}


@pytest.fixture
def archive(make_archive: Callable[..., Archive], tmp_path: Path) -> Archive:
    known = Known(files=(KnownFile(path=str(tmp_path / "client"), read=read_pair),), ambient=Ambient(pattern="opaque"))
    flow: Flow = Login()
    return make_archive(flow, PastedToken(), known=known, issuers=(ISSUER,), sources={"netrc": "try"})


@pytest.fixture
def offer(
    tmp_path: Path, fake_keyring: Any, terminal: Any, make_jwt: Any, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str, str], CredentialSource]:
    """Let one source have the credentials of a user, and return it."""

    def file(name: str, text: str) -> Path:
        path = tmp_path / name
        path.write_text(text)
        path.chmod(0o600)
        return path

    def make(source: str, user: str) -> CredentialSource:
        password = PASSWORDS[user]
        if source == "environment":
            monkeypatch.setenv("VO_AUTH_EXAMPLE_USERNAME", user)
            monkeypatch.setenv("VO_AUTH_EXAMPLE_PASSWORD", password)
            return EnvironmentSource()
        if source == "keyring":
            fake_keyring.entries = {("vo-auth:example", user): password}
            return KeyringSource()
        if source == "files":
            file("client", f"{user} {password}")
            return KnownFileSource()
        if source == "wlcg":
            monkeypatch.setenv("BEARER_TOKEN", make_jwt(iss=ISSUER, sub=user))
            return WlcgSource()
        if source == "netrc":
            path = file("my-netrc", f"machine login.example.org login {user} password {password}")
            monkeypatch.setenv("NETRC", str(path))
            return NetrcSource()
        terminal(f"{user}\n", f"{password}\n")
        return PromptSource()

    return make


OFFERS = ("environment", "keyring", "files", "wlcg", "netrc")


def permit(wallet: Wallet, archive: Archive, label: str | None) -> Grant:
    want = Want(archive=archive, account=wallet.account(archive, label), interactive=False)
    return wallet.permit(want).grant


@pytest.mark.parametrize("source", OFFERS)
def test_a_named_account_is_served_by_each_source_that_has_its_user(
    source: str, offer: Callable[[str, str], CredentialSource], archive: Archive
) -> None:
    wallet = Wallet(None, [offer(source, "alice")])
    assert permit(wallet, archive, "alice").identity == "alice"


@pytest.mark.parametrize("source", OFFERS)
def test_a_named_account_is_served_by_no_source_that_has_another_user(
    source: str, offer: Callable[[str, str], CredentialSource], archive: Archive
) -> None:
    wallet = Wallet(None, [offer(source, "alice")])
    with pytest.raises(CredentialsNotFoundError, match=r"account bob"):
        permit(wallet, archive, "bob")
    assert wallet.everything() == []


@pytest.mark.parametrize("source", OFFERS)
def test_a_label_whose_user_is_known_from_its_login_is_served_by_each_source_that_has_that_user(
    source: str, offer: Callable[[str, str], CredentialSource], archive: Archive, tmp_path: Path
) -> None:
    typed = {"username": "alice", "password": PASSWORDS["alice"]}
    first = Wallet(Vault(tmp_path / "wallet"), [])
    first.login(Want(archive=archive, account=first.account(archive, "work")), credentials=typed)
    later = Wallet(Vault(tmp_path / "wallet"), [offer(source, "alice")])
    account = later.account(archive, "work")
    assert (account.label, account.username) == ("work", "alice")
    assert later.preview(Want(archive=archive, account=account)).source == source
    other = Wallet(Vault(tmp_path / "wallet"), [offer(source, "bob")])
    with pytest.raises(CredentialsNotFoundError):
        other.preview(Want(archive=archive, account=other.account(archive, "work")))


def test_a_name_without_password_of_another_user_is_not_carried_to_the_next_source(
    archive: Archive, fake_keyring: Any
) -> None:
    class Names:
        name, rank = "names", 40

        def find(self, wanted: Wanted) -> Found | None:
            return Found(values={"username": Secret("bob")}, origin="names")

    fake_keyring.entries["vo-auth:example", "bob"] = PASSWORDS["bob"]
    with pytest.raises(CredentialsNotFoundError, match="account alice"):
        permit(Wallet(None, [Names(), KeyringSource()]), archive, "alice")


def test_two_named_accounts_work_at_once_with_credentials_of_two_sources(
    offer: Callable[[str, str], CredentialSource], archive: Archive
) -> None:
    wallet = Wallet(None, [offer("keyring", "alice"), offer("netrc", "bob")])
    for label in ("alice", "bob", "alice"):
        assert permit(wallet, archive, label).permit == BearerPermit(Secret(f"token-of-{label}"))


# ---------------------------------------------------------------- a login in another's place


def log_in(wallet: Wallet, archive: Archive, label: str | None, user: str) -> None:
    typed = {"username": user, "password": PASSWORDS[user]}
    wallet.login(Want(archive=archive, account=wallet.account(archive, label)), credentials=typed, force=True)


@pytest.fixture
def wallet(tmp_path: Path) -> Wallet:
    return Wallet(Vault(tmp_path / "wallet"), [])


def test_a_login_of_another_user_under_a_label_is_refused_and_both_are_named(wallet: Wallet, archive: Archive) -> None:
    log_in(wallet, archive, "work", "alice")
    with pytest.raises(UnusableCredentialsError) as caught:
        log_in(wallet, archive, "work", "bob")
    assert str(caught.value) == (
        "The account 'work' of An Example Archive is that of alice, and these credentials are those of bob: "
        "give another label, or log out first: vo-auth logout example --account work"
    )
    assert permit(wallet, archive, "work").identity == "alice"
    wallet.logout("example", "work")
    log_in(wallet, archive, "work", "bob")
    assert permit(wallet, archive, "work").identity == "bob"


def test_the_same_user_may_log_in_again_under_a_label(wallet: Wallet, archive: Archive) -> None:
    for _ in range(2):
        log_in(wallet, archive, "work", "alice")
    assert [held.key.account for held in wallet.everything()] == ["work"]


def test_a_login_without_a_label_leaves_other_accounts_alone(wallet: Wallet, archive: Archive) -> None:
    for label, user in (("work", "alice"), (None, "bob"), (None, "alice"), ("alice", "alice")):
        log_in(wallet, archive, label, user)
    held = {held.key.account: held.grant.identity for held in wallet.everything()}
    assert held == {"work": "alice", "bob": "bob", "alice": "alice"}


def test_a_token_that_calls_its_owner_otherwise_is_said_to_take_the_place(
    wallet: Wallet, archive: Archive, make_jwt: Callable[..., str]
) -> None:
    log_in(wallet, archive, "work", "alice")
    want = Want(archive=archive, account=wallet.account(archive, "work"))
    with pytest.warns(WalletWarning, match=r"was that of alice \(login\) and is that of b6127f62 now \(pasted token\)"):
        wallet.login(want, credentials={"token": make_jwt(iss=ISSUER, sub="b6127f62")}, force=True)


def test_a_person_who_types_another_name_for_a_label_does_not_take_its_place(
    wallet: Wallet, archive: Archive, tmp_path: Path, offer: Callable[[str, str], CredentialSource]
) -> None:
    log_in(wallet, archive, "work", "alice")
    asking = Wallet(Vault(tmp_path / "wallet"), [offer("prompt", "bob")])
    want = Want(archive=archive, account=asking.account(archive, "work"), interactive=True)
    with pytest.raises(UnusableCredentialsError, match="is that of alice"):
        asking.login(want, force=True)
    assert permit(wallet, archive, "work").identity == "alice"


def test_a_default_account_by_variable_is_a_label_with_its_user(
    wallet: Wallet, archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    log_in(wallet, archive, "work", "alice")
    monkeypatch.setenv("VO_AUTH_EXAMPLE_ACCOUNT", "work")
    assert wallet.account(archive, None) == Account("work", is_label=True, user="alice")


def test_login_refuses_another_user_under_a_label_and_keeps_the_first(sandbox: Sandbox) -> None:
    from vo_auth_eso.standin import STANDIN

    people = [dict(credentials) for credentials in STANDIN.credentials.values()][:2]
    login("eso", account="work", **people[0])
    with pytest.raises(UnusableCredentialsError, match="vo-auth logout eso --account work"):
        login("eso", account="work", **people[1])
    login("eso", account="home", **people[1])
    assert {held.account: held.user for held in status()} == {
        "work": people[0]["username"],
        "home": people[1]["username"],
    }
    tokens = {
        label: vo_auth.token("https://archive.eso.org/tap_obs", account=label).reveal() for label in ("work", "home")
    }
    assert len(set(tokens.values())) == 2


@pytest.fixture
def sandbox(vo_auth_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Sandbox:
    for name in ("USERNAME", "PASSWORD"):
        monkeypatch.delenv(f"VO_AUTH_ESO_{name}", raising=False)
    return vo_auth_sandbox
