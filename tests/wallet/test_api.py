"""login, logout, status and token, as people call them; how long a permit must hold, and what has ended."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from wallet_stage import HOUR, PASSWORDS, FakeFlow, VirtualClock, in_threads, make_archive, make_jwt, make_source

import vo_auth
from vo_auth.api import find_archive, login, logout, status, token
from vo_auth.credentials import EnvironmentSource
from vo_auth.errors import (
    CredentialsNotFoundError,
    PermitError,
    PermitExpiredError,
    PermitLifeError,
    PluginNotInstalledError,
)
from vo_auth.flows import PastedCookie, PastedToken
from vo_auth.sandbox import Bench, Sandbox
from vo_auth.wallet import Wallet, Want

TAP = "https://archive.eso.org/tap_obs"


def test_login_is_eager_verified_and_kept(sandbox: Sandbox, eso: Bench) -> None:
    identity = login("eso")
    assert eso.counters["logins"] == 1
    assert (identity.archive, identity.account, identity.user) == ("eso", "DEMOPI", "DEMOPI")
    assert identity.expires is not None
    assert identity.expires.timestamp() == pytest.approx(time.time() + 8 * HOUR, abs=10)
    with vo_auth.session_for(TAP) as session:
        assert session.get(f"{TAP}/availability", timeout=20).ok
    assert eso.counters["logins"] == 1


@pytest.mark.parametrize("name", ["eso", TAP, "https://dataportal.eso.org/x", "http://archive.eso.org/tap_obs"])
def test_an_archive_is_named_by_its_name_or_any_url(name: str) -> None:
    assert find_archive(name).name == "eso"


@pytest.mark.parametrize("name", ["nowhere", "https://nowhere.example/tap"])
def test_an_archive_that_no_plugin_knows_is_said_with_those_that_are_known(name: str) -> None:
    with pytest.raises(
        PluginNotInstalledError, match=r"No installed plugin knows .*nowhere.*; installed archives: .*eso"
    ):
        find_archive(name)


def test_a_second_login_takes_the_held_permit_unless_it_is_forced(sandbox: Sandbox, eso: Bench) -> None:
    login("eso")
    login("eso")
    assert eso.counters["logins"] == 1
    login("eso", force=True)
    assert eso.counters["logins"] == 2


def test_login_with_credentials_is_tried_although_a_permit_is_held(sandbox: Sandbox, eso: Bench) -> None:
    login("eso")
    identity = login("eso", username="DEMOTEAM", password="not-real-tm$@=")
    assert identity.user == "DEMOTEAM"
    assert sorted(one.user for one in status()) == ["DEMOPI", "DEMOTEAM"]


def test_login_by_a_flow_that_is_not_there_names_those_that_are(sandbox: Sandbox) -> None:
    with pytest.raises(ValueError, match="no flow 'magic'; it has 'password grant', 'pasted token'"):
        login("eso", flow="magic")


def test_login_with_a_token_goes_to_the_wallet(sandbox: Sandbox, eso: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    login("eso")
    text = token(TAP).reveal()
    logout("eso")
    for name in ("USERNAME", "PASSWORD"):
        monkeypatch.delenv(f"VO_AUTH_ESO_{name}")
    identity = login("eso", token=text)
    assert (identity.user, identity.account) == ("DEMOPI", "DEMOPI")
    assert token(TAP).reveal() == text
    assert [one.kept for one in status()] == ["plain file"]
    assert eso.counters["logins"] == 1


def test_token_gives_what_the_session_would_send(sandbox: Sandbox) -> None:
    secret = token(TAP)
    with vo_auth.session_for(TAP) as session:
        session.get(f"{TAP}/availability", timeout=20)
    assert sandbox.received.at("archive.eso.org")[-1].authorization == f"Bearer {secret.reveal()}"


def test_token_of_an_archive_whose_permit_is_a_cookie_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    from vo_auth import api

    cookie = make_archive(PastedCookie(cookie="session"))
    monkeypatch.setattr(api, "_find", lambda _: (cookie, ""))
    monkeypatch.setenv("VO_AUTH_FAKE_COOKIE", "obviously-fake")
    with pytest.raises(PermitError, match="is a cookie, not a token: use a session instead"):
        token("https://data.fake.example/")


def test_the_name_login_stays_the_function_whatever_was_imported(sandbox: Sandbox) -> None:
    with vo_auth.session_for(TAP) as session:
        session.get(f"{TAP}/availability", timeout=20)
    assert vo_auth.login("eso").user == "DEMOPI"


# -------------------------------------------------------------------- how long it must hold


@pytest.mark.parametrize(
    ("text", "fits"), [("7h", True), ("450 min", True), (28_000, True), ("9h", False), ("2d", False)]
)
def test_min_life_is_seconds_or_text(text: float | str, fits: bool, sandbox: Sandbox, eso: Bench) -> None:
    if fits:
        assert token(TAP, min_life=text)
        return
    with pytest.raises(PermitLifeError, match=r"gives permits for 28800 s.*min_life asks for \d+ s: ask for less"):
        token(TAP, min_life=text)


def test_min_life_that_no_permit_has_costs_one_login_for_all(sandbox: Sandbox, eso: Bench) -> None:
    session = vo_auth.session_for(TAP, min_life="12h")
    results = in_threads(8, lambda: session.get(f"{TAP}/availability", timeout=20))
    session.close()
    assert all(isinstance(result, PermitLifeError) for result in results)
    assert eso.counters["logins"] == 1
    assert token(TAP)  # and the permit was kept for those who ask for less
    assert eso.counters["logins"] == 1
    assert not sandbox.received.at("archive.eso.org")


def test_a_permit_that_would_end_too_early_is_replaced_before_it_is_used(
    wallet: Wallet, flow: FakeFlow, clock: VirtualClock
) -> None:
    archive = make_archive(flow)
    short, long = Want(archive=archive), Want(archive=archive, min_life=6 * HOUR)
    old = wallet.permit(long)
    clock.go_on(3 * HOUR)
    assert wallet.permit(short) is old
    new = wallet.permit(long)
    assert new.grant.permit != old.grant.permit
    assert wallet.permit(short) is new


def test_min_life_that_cannot_be_read_is_said_at_once() -> None:
    with pytest.raises(ValueError, match="'soon' is no length of time"):
        vo_auth.session_for(TAP, min_life="soon")


# -------------------------------------------------------------------- what has ended


def ended_token(**claims: object) -> str:
    now = time.time()
    return make_jwt(sub="DEMOPI", iat=now - 30_000, exp=now - 3600, **claims)


def test_an_ended_token_given_to_a_session_is_said_with_its_origin_and_nothing_is_sent(sandbox: Sandbox) -> None:
    with (
        vo_auth.session_for(TAP, token=ended_token()) as session,
        pytest.raises(PermitExpiredError, match="ESO Science Archive from arguments has ended: get a new one"),
    ):
        session.get(f"{TAP}/availability", timeout=20)
    assert not sandbox.received.all()


def test_an_ended_token_in_the_environment_falls_through_to_the_next_source(
    make_wallet: Callable[..., Wallet], flow: FakeFlow, monkeypatch: pytest.MonkeyPatch, clock: VirtualClock
) -> None:
    monkeypatch.setenv("VO_AUTH_FAKE_TOKEN", make_jwt(sub="alice", iat=clock.true - 9, exp=clock.true - 1))
    archive = make_archive(PastedToken(), flow)
    wallet = make_wallet(EnvironmentSource(), make_source("alice"))
    want = Want(archive=archive, account=wallet.account(archive, None))
    for _ in range(3):
        assert wallet.permit(want).flow == "fake flow"
    assert flow.seen() == ["alice"]


def test_an_ended_token_does_not_hide_the_password_beside_it(
    make_wallet: Callable[..., Wallet], flow: FakeFlow, monkeypatch: pytest.MonkeyPatch, clock: VirtualClock
) -> None:
    for name, value in (("USERNAME", "alice"), ("PASSWORD", PASSWORDS["alice"])):
        monkeypatch.setenv(f"VO_AUTH_FAKE_{name}", value)
    monkeypatch.setenv("VO_AUTH_FAKE_TOKEN", make_jwt(sub="alice", iat=clock.true - 9, exp=clock.true - 1))
    wallet = make_wallet(EnvironmentSource())
    archive = make_archive(PastedToken(), flow)
    assert wallet.permit(Want(archive=archive, account=wallet.account(archive, None))).flow == "fake flow"


def test_an_ended_token_in_the_environment_and_nothing_else_names_the_variable_and_the_end(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = ended_token()
    for name in ("USERNAME", "PASSWORD"):
        monkeypatch.delenv(f"VO_AUTH_ESO_{name}")
    monkeypatch.setenv("VO_AUTH_ESO_TOKEN", text)
    with vo_auth.session_for(TAP) as session, pytest.raises(PermitExpiredError) as caught:
        session.get(f"{TAP}/availability", timeout=20)
    first, *rest = str(caught.value).splitlines()
    assert "VO_AUTH_ESO_TOKEN at 20" in first
    assert time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(time.time() - 3600))[:13] in first
    assert first.endswith("run: vo-auth login eso")
    assert any("keyring" in line for line in rest)  # the other sources that were asked
    assert not sandbox.received.at("archive.eso.org")


def test_a_token_that_ends_during_a_job_is_replaced_by_the_next_source_or_said(
    make_wallet: Callable[..., Wallet], monkeypatch: pytest.MonkeyPatch, clock: VirtualClock
) -> None:
    monkeypatch.setenv("VO_AUTH_FAKE_TOKEN", make_jwt(sub="alice", iat=clock.true, exp=clock.true + HOUR))
    archive = make_archive(PastedToken())
    wallet = make_wallet(EnvironmentSource())
    want = Want(archive=archive, account=wallet.account(archive, None))
    wallet.permit(want)
    clock.go_on(2 * HOUR)
    with pytest.raises(PermitExpiredError, match="VO_AUTH_FAKE_TOKEN"):
        wallet.permit(want)


def test_no_credentials_at_all_is_another_error(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("USERNAME", "PASSWORD"):
        monkeypatch.delenv(f"VO_AUTH_ESO_{name}")
    with pytest.raises(CredentialsNotFoundError, match="vo-auth login eso"):
        token(TAP)
