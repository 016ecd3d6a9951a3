"""Nothing that the wallet shows, raises, warns or logs holds a secret."""

from __future__ import annotations

import copy
import errno
import logging
import os
import pickle
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from wallet_stage import HOUR, PASSWORDS, FakeFlow, TokenServer, VirtualClock, end_renewals, make_source

from vo_auth.api import login, status, token
from vo_auth.archive import Archive, LoginContext
from vo_auth.credentials import CredentialChain, ExplicitSource
from vo_auth.errors import (
    CredentialsNotFoundError,
    CredentialsRejectedError,
    LoginAnswerError,
    LoginUnreachableError,
    VoAuthError,
    WalletError,
)
from vo_auth.sandbox import Bench, Sandbox
from vo_auth.testing import assert_no_secret
from vo_auth.wallet import Held, Vault, Wallet, Want

PASSWORD = PASSWORDS["alice"]
ESO_PASSWORD = "not-real-pi&+%"
TAP = "https://archive.eso.org/tap_obs"


@pytest.fixture
def held(wallet: Wallet, want: Want, flow: FakeFlow) -> Held:
    flow.refresh = True
    return wallet.permit(want)


def secrets_of(held: Held) -> list[str]:
    assert held.grant.refresh is not None
    return [PASSWORD, held.grant.permit.token.reveal(), held.grant.refresh.reveal()]  # type: ignore[attr-defined]


def ours(records: list[logging.LogRecord]) -> list[logging.LogRecord]:
    """What this side logged; the sandbox's server is in the same process."""
    return [record for record in records if not record.name.startswith("aiohttp")]


def raised(call: Callable[[], Any], kind: type[BaseException]) -> BaseException:
    try:
        call()
    except kind as error:
        return error
    raise AssertionError(f"no {kind.__name__}")


def test_no_part_of_the_wallet_shows_a_secret(wallet: Wallet, want: Want, held: Held) -> None:
    parts: list[Any] = [wallet, want, held, held.grant, held.grant.permit, held.key, wallet.everything()]
    parts += [part for part in vars(wallet).values() if not isinstance(part, float | bool)]
    parts += [vars(wallet._shelf), vars(wallet._memory), vars(wallet._logins), vars(wallet._renewals)]
    parts += [f"{held} {held.grant!r} {want}", ExplicitSource({"password": PASSWORD}), CredentialChain([])]
    assert_no_secret(secrets_of(held), *parts)


def test_neither_wallet_nor_permit_is_pickled(held: Held) -> None:
    for thing in (Wallet(None, []), held, held.grant, held.grant.permit):
        with pytest.raises(TypeError, match="pickle"):
            pickle.dumps(thing)
    assert copy.copy(held) == held


def test_status_shows_what_is_held_and_no_secret(sandbox: Sandbox, eso: Bench) -> None:
    identity = login("eso")
    secret = token(TAP)
    (one,) = status()
    assert (one.archive, one.account, one.user, one.kind, one.state) == ("eso", "DEMOPI", "DEMOPI", "bearer", "fresh")
    assert (one.flow, one.origin, one.kept) == (
        "password grant", "VO_AUTH_ESO_USERNAME, VO_AUTH_ESO_PASSWORD", "plain file",
    )  # fmt: skip
    assert one.seconds_left == pytest.approx(8 * HOUR, abs=5)
    assert one.expires is not None
    assert_no_secret([ESO_PASSWORD, secret], status(), identity, repr(status()), secret)


@pytest.mark.parametrize("knob", [
    {"token_endpoint": "html"}, {"token_endpoint": "redirect"}, {"token_endpoint": "broken"},
    {"token_endpoint": "huge"}, {"token_endpoint": "garbage"}, {"token_endpoint": "missing"},
    {"rejected_status": 400}, {"rejected_body": "<p>no</p>"}, {},
], ids=str)  # fmt: skip
def test_no_error_of_a_login_holds_the_password(
    knob: dict[str, Any], sandbox: Sandbox, eso: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    eso.knobs |= knob
    password = ESO_PASSWORD if "token_endpoint" in knob else "fake-wrong-&+%-password"
    error = raised(lambda: login("eso", username="DEMOPI", password=password), VoAuthError)
    assert_no_secret([password], error, ours(caplog.records))
    assert eso.counters["token_requests"] == 1


def test_no_error_of_an_unreachable_login_holds_the_password(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    for name in ("HTTPS_PROXY", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    error = raised(lambda: login("eso"), LoginUnreachableError)
    assert_no_secret([ESO_PASSWORD], error, ours(caplog.records))
    assert "HTTPS_PROXY" in str(error).partition("\n")[0]


def test_a_fault_in_a_plugin_s_flow_is_an_error_of_ours_without_the_password(
    wallet: Wallet, want: Want, flow: FakeFlow, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: object, ctx: LoginContext) -> None:
        raise KeyError(ctx.value("password"))

    monkeypatch.setattr(FakeFlow, "login", broken)
    error = raised(lambda: wallet.permit(want), LoginAnswerError)
    assert "KeyError" in str(error)
    assert_no_secret([PASSWORDS["alice"]], error)


def test_no_error_of_a_renewal_holds_the_refresh_token(
    wallet: Wallet, want: Want, held: Held, flow: FakeFlow, clock: VirtualClock
) -> None:
    clock.go_on(9 * HOUR)
    flow.unreachable = LoginUnreachableError("no connection; try again later")
    assert_no_secret(secrets_of(held), raised(lambda: wallet.permit(want), LoginUnreachableError))


def test_a_renewal_that_fails_in_the_background_logs_no_secret(
    wallet: Wallet, want: Want, held: Held, flow: FakeFlow, clock: VirtualClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    clock.go_on(8 * HOUR - 500)
    flow.unreachable = LoginUnreachableError("no connection; try again later")
    wallet.permit(want)
    end_renewals()
    assert any("the permit still holds" in record.getMessage() for record in caplog.records)
    assert_no_secret(secrets_of(held), caplog.records)


def test_no_error_about_credentials_holds_one(make_wallet: Callable[..., Wallet], archive: Archive, want: Want) -> None:
    rejected = raised(lambda: make_wallet(make_source("alice", "fake-and-no-good")).permit(want), VoAuthError)
    again = raised(lambda: make_wallet(make_source("alice", "fake-and-no-good")).permit(want), CredentialsRejectedError)
    half = make_source("alice")
    half.values = {"password": "fake-without-a-name"}
    missing = raised(lambda: make_wallet(half).permit(Want(archive=archive)), CredentialsNotFoundError)
    assert_no_secret(["fake-and-no-good", "fake-without-a-name"], rejected, again, missing)


def test_no_error_about_the_file_holds_what_is_in_it(
    wallet: Wallet, held: Held, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vault = Vault(home)

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        errors = [
            raised(lambda: vault.update(lambda _: None), WalletError),
            raised(lambda: wallet.logout("fake"), WalletError),
        ]
    vault.update(lambda content: content.update(version=99))
    errors += [raised(vault.read, WalletError), raised(wallet.everything, WalletError)]
    errors += [raised(lambda: vault.update(lambda _: None), WalletError)]
    assert_no_secret(secrets_of(held), *errors)


def test_no_warning_about_the_file_holds_what_is_in_it(
    make_wallet: Callable[..., Wallet], want: Want, held: Held, home: Path
) -> None:
    with warnings.catch_warnings(record=True, action="always") as said:
        Vault(home).update(lambda content: content["entries"].append({"grant": held.grant.to_record()}))
        make_wallet().permit(want)
        text = (home / "permits.json").read_text()
        (home / "permits.json").write_text(text[:-3])
        Vault(home).read()
    assert len(said) >= 2
    assert_no_secret(secrets_of(held), *(one.message for one in said))


def test_the_password_never_reaches_the_file(wallet: Wallet, held: Held, home: Path) -> None:
    assert_no_secret([PASSWORD], home)
    with pytest.raises(AssertionError):  # the search does find what is there
        assert_no_secret(secrets_of(held)[1:], home)


def test_an_oauth_login_leaves_no_secret_in_errors_after_the_patience(
    make_wallet: Callable[..., Wallet], token_server: TokenServer, clock: VirtualClock
) -> None:
    wallet = make_wallet(patience=20.0)
    want = Want(archive=token_server.archive)
    first = wallet.permit(want)
    clock.go_on(9 * HOUR)
    token_server.faults = [(500, {})] * 50
    error = raised(lambda: wallet.permit(want), LoginUnreachableError)
    assert_no_secret([PASSWORD, first.grant.permit.token.reveal()], error)  # type: ignore[attr-defined]
