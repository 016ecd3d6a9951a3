"""A job that can ask nobody is told when it will stop, and may wait for a login elsewhere."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from wallet_stage import HOUR, PASSWORDS, FakeFlow, TokenServer, VirtualClock, make_archive, make_jwt, make_source

import vo_auth
from vo_auth.archive import Archive, Pages
from vo_auth.credentials import EnvironmentSource, ExplicitSource
from vo_auth.errors import (
    ConfigurationError,
    CredentialsNotFoundError,
    CredentialsRejectedError,
    PermitEndWarning,
    PermitExpiredError,
)
from vo_auth.flows import PastedToken
from vo_auth.registry import Registry
from vo_auth.session import AuthSession
from vo_auth.wallet import Account, Wallet, Want

GIVEN = {"username": "alice", "password": PASSWORDS["alice"]}


def nobody() -> Any:
    source = make_source("alice")
    source.values = {}
    return source


@pytest.fixture
def make_session(make_wallet: Callable[..., Wallet], token_server: TokenServer) -> Iterator[Callable[..., AuthSession]]:
    sessions: list[AuthSession] = []

    def make(*sources: Any, wallet: Wallet | None = None, **options: Any) -> AuthSession:
        archive = options.pop("archive", token_server.archive)
        wallet = wallet or make_wallet(*sources)
        url = f"{token_server.base}/data/job"
        sessions.append(AuthSession(url=url, wallet=wallet, registry=Registry([archive]), **options))
        return sessions[-1]

    yield make
    for session in sessions:
        session.close()


def rows(session: AuthSession, server: TokenServer) -> int:
    with session.get(f"{server.base}/data/job", timeout=10) as answer:
        count: int = answer.json()["rows"]
    return count


# -------------------------------------------------------------------- told at its start


def told(session: AuthSession, server: TokenServer) -> list[str]:
    with warnings.catch_warnings(record=True, action="always") as said:
        assert rows(session, server) == rows(session, server) == 2
    assert {one.category for one in said} <= {PermitEndWarning}
    return [str(one.message) for one in said]


def test_a_job_that_nothing_renews_is_told_once_when_it_will_stop_and_what_to_do(
    make_session: Callable[..., AuthSession], token_server: TokenServer, make_wallet: Callable[..., Wallet]
) -> None:
    make_wallet(nobody()).login(Want(archive=token_server.archive), credentials=GIVEN)  # in a process that is over
    (text,) = told(make_session(nobody()), token_server)
    assert text == (
        "The permit for Fake Archive ends at 2027-01-15 16:00 UTC, and nothing at hand renews it: a longer job stops "
        "then; before one, run `vo-auth login fake --keep-password`, or set VO_AUTH_FAKE_USERNAME and "
        "VO_AUTH_FAKE_PASSWORD"
    )
    assert len(told(make_session(nobody()), token_server)) == 1  # each session is a job


def test_a_job_that_will_wait_is_told_that(
    make_session: Callable[..., AuthSession], token_server: TokenServer, make_wallet: Callable[..., Wallet]
) -> None:
    make_wallet(nobody()).login(Want(archive=token_server.archive), credentials=GIVEN)
    (text,) = told(make_session(nobody(), wait_for_login="2h"), token_server)
    assert text.endswith("a longer job pauses then, for 2 h, until you run `vo-auth login fake`")


@pytest.mark.parametrize("way", ["in the environment", "typed in this process", "kept", "min_life", "without an end"])
def test_a_permit_that_renews_unattended_or_was_asked_to_last_is_not_spoken_of(
    way: str,
    make_session: Callable[..., AuthSession],
    make_wallet: Callable[..., Wallet],
    token_server: TokenServer,
) -> None:
    want, options = Want(archive=token_server.archive), {}
    if way == "without an end":
        token_server.expires_in = -1
    wallet = make_wallet(nobody())
    if way != "in the environment":
        wallet.login(want, credentials=GIVEN, keep="file" if way == "kept" else False)
    if way == "min_life":
        options["min_life"] = "7h"
    if way == "typed in this process":
        options["wallet"] = wallet
    source = make_source("alice") if way == "in the environment" else nobody()
    assert told(make_session(source, **options), token_server) == []


def test_a_refresh_token_is_enough(
    make_wallet: Callable[..., Wallet], flow: FakeFlow, archive: Archive, want: Want
) -> None:
    make_wallet(nobody()).login(Want(archive=archive), credentials=GIVEN)
    wallet = make_wallet(nobody())
    assert "nothing at hand renews it" in wallet.foretell(want, wallet.permit(want))
    flow.refresh = True
    make_wallet(nobody()).login(Want(archive=archive), credentials=GIVEN, force=True)
    wallet = make_wallet(nobody())
    assert wallet.foretell(want, wallet.permit(want)) == ""


def test_a_pasted_token_has_its_own_remedy_and_one_that_others_replace_needs_none(
    make_wallet: Callable[..., Wallet], clock: VirtualClock, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    token = make_jwt(sub="alice", iat=clock.true, exp=clock.true + HOUR)
    archive = make_archive(PastedToken(), pages=Pages(token="https://fake.example/token"))
    monkeypatch.setenv("VO_AUTH_FAKE_TOKEN", token)

    def foretold(*sources: Any, memory: bool = False, life: float = HOUR) -> str:
        wallet = make_wallet(*sources, memory=memory)
        want = Want(archive=archive, account=wallet.account(archive, None))
        return wallet.foretell(want, wallet.permit(want))

    text = foretold(EnvironmentSource())
    assert text.endswith(
        "before one, get a new permit at https://fake.example/token, or let it wait for one: "
        "session_for(…, wait_for_login='2h')"
    )
    assert foretold(ExplicitSource({"token": token}), memory=True)
    monkeypatch.delenv("VO_AUTH_FAKE_TOKEN")
    (tmp_path / "token").touch(mode=0o600)
    (tmp_path / "token").write_text(token)
    monkeypatch.setenv("VO_AUTH_FAKE_TOKEN_FILE", str(tmp_path / "token"))
    assert foretold(EnvironmentSource()) == ""
    elsewhere = make_source("alice", name="a platform's file")
    elsewhere.values = {"token": token}
    assert foretold(elsewhere) == ""
    far = make_jwt(sub="alice", iat=clock.true, exp=clock.true + 30 * 24 * HOUR)
    assert foretold(ExplicitSource({"token": far}), memory=True) == ""


# -------------------------------------------------------------------- a login elsewhere


@pytest.fixture
def elsewhere(clock: VirtualClock, make_wallet: Callable[..., Wallet]) -> Callable[..., list[int]]:
    """Log in, in another process as it were, while the one here sleeps for the n-th time."""

    def set_up(want: Want, at: int, **credentials: str) -> list[int]:
        naps: list[int] = []

        def on_sleep(_: float) -> None:
            naps.append(1)
            if len(naps) == at:
                make_wallet(nobody()).login(want, credentials=credentials or GIVEN)

        clock.on_sleep = on_sleep
        return naps

    return set_up


def test_a_job_pauses_at_a_dead_permit_and_goes_on_after_a_login_elsewhere(
    make_wallet: Callable[..., Wallet],
    make_session: Callable[..., AuthSession],
    token_server: TokenServer,
    clock: VirtualClock,
    elsewhere: Callable[..., list[int]],
    capsys: pytest.CaptureFixture[str],
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("VO_AUTH_HOME", str(home))
    make_wallet(nobody()).login(Want(archive=token_server.archive), credentials=GIVEN)
    job = make_session(nobody(), wait_for_login="2h")
    with pytest.warns(PermitEndWarning):
        assert rows(job, token_server) == 2
    for logins in (2, 3):
        clock.go_on(9 * HOUR)
        naps = elsewhere(Want(archive=token_server.archive), 5)
        assert rows(job, token_server) == rows(job, token_server) == 2
        assert len(naps) == 5
        assert token_server.logins == logins
        said = capsys.readouterr().err
        assert said.count("vo-auth login") == 1
        assert f"  VO_AUTH_HOME={home} vo-auth login fake --username alice\n" in said
        assert "no permit for Fake Archive, and nobody to ask here. Waiting until" in said
    assert all(token_server.data)  # nothing went without a permit


def test_after_the_time_limit_the_first_error_is_raised(
    make_wallet: Callable[..., Wallet], want: Want, clock: VirtualClock
) -> None:
    wallet = make_wallet(nobody())
    start = clock.elapsed
    with pytest.raises(CredentialsNotFoundError, match="No credentials for Fake Archive"):
        wallet.permit(replace(want, wait=600.0))
    assert 600 <= clock.elapsed - start < 610
    with pytest.raises(CredentialsNotFoundError):
        wallet.permit(want)  # who does not want to wait does not
    assert clock.elapsed - start < 610


def test_an_ended_token_and_a_changed_password_are_waited_for_as_well(
    make_wallet: Callable[..., Wallet],
    archive: Archive,
    want: Want,
    clock: VirtualClock,
    flow: FakeFlow,
    elsewhere: Callable[..., list[int]],
) -> None:
    elsewhere(Want(archive=archive), 2)
    wallet = make_wallet(make_source("alice", "fake-and-changed"))
    assert wallet.permit(replace(want, wait=60.0)).grant.identity == "alice"
    both = make_archive(PastedToken(), flow)
    clock.go_on(9 * HOUR)
    elsewhere(Want(archive=archive), 2)
    ended = make_source("alice", name="clipboard")
    ended.values = {"token": make_jwt(sub="alice", iat=clock.true - HOUR, exp=clock.true - 1)}
    wallet = make_wallet(ended)
    assert wallet.permit(Want(archive=both, account=Account("alice"), wait=60.0)).grant.identity == "alice"
    with pytest.raises((CredentialsRejectedError, PermitExpiredError)):
        make_wallet(ended).permit(Want(archive=both, account=Account("bob"), wait=6.0))


def test_a_permit_that_was_refused_is_not_what_is_waited_for(
    make_wallet: Callable[..., Wallet],
    archive: Archive,
    want: Want,
    clock: VirtualClock,
    elsewhere: Callable[..., list[int]],
) -> None:
    make_wallet(nobody()).login(Want(archive=archive), credentials=GIVEN)
    wallet, want = make_wallet(nobody()), replace(want, wait=60.0)
    held = wallet.permit(want)
    clock.go_on(HOUR)
    assert wallet.refused(want, held) is None  # nobody logged in: the refusal is the answer
    naps = elsewhere(Want(archive=archive), 3)
    another = wallet.refused(want, held)
    assert another is not None
    assert another.grant.permit != held.grant.permit
    assert len(naps) == 3


def test_threads_that_wait_say_it_once_and_all_go_on(
    make_wallet: Callable[..., Wallet], archive: Archive, want: Want, clock: VirtualClock, capsys: Any
) -> None:
    wallet = make_wallet(nobody())
    all_wait, done = threading.Barrier(8), threading.Event()

    def on_sleep(_: float) -> None:
        if not done.is_set() and all_wait.wait(20) == 0:
            make_wallet(nobody()).login(Want(archive=archive), credentials=GIVEN)
            done.set()
        done.wait(20)

    clock.on_sleep = on_sleep
    permits: list[Any] = []
    threads = [
        threading.Thread(target=lambda: permits.append(wallet.permit(replace(want, wait=HOUR)))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len({held.grant.permit.token.reveal() for held in permits}) == 1
    assert len(permits) == 8
    assert capsys.readouterr().err.count("vo-auth login fake") == 1


def test_an_account_known_by_its_token_alone_takes_the_login_of_the_same_user_and_of_no_other(
    make_wallet: Callable[..., Wallet],
    clock: VirtualClock,
    flow: FakeFlow,
    elsewhere: Callable[..., list[int]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("VO_AUTH_FAKE_TOKEN", make_jwt(sub="alice", iat=clock.true, exp=clock.true + HOUR))
    archive = make_archive(PastedToken(), flow)
    wallet = make_wallet(EnvironmentSource())
    want = Want(archive=archive, account=wallet.account(archive, None), wait=60.0)
    assert wallet.permit(want).flow == "pasted token"
    clock.go_on(2 * HOUR)
    other = Want(archive=make_archive(flow), account=Account())
    elsewhere(other, 2, username="bob", password=PASSWORDS["bob"])
    with pytest.raises(PermitExpiredError):
        wallet.permit(want)
    elsewhere(other, 2)
    assert wallet.permit(want).grant.identity == "alice"


def test_a_session_with_credentials_of_its_own_does_not_wait(clock: VirtualClock) -> None:
    ended = make_jwt(sub="alice", iat=clock.true - HOUR, exp=clock.true - 1)
    wallet = Wallet(None, [ExplicitSource({"token": ended})], clock=clock.clock)
    with pytest.raises(PermitExpiredError):
        wallet.permit(Want(archive=make_archive(PastedToken()), wait=HOUR))
    assert clock.slept == []


def test_the_environment_says_for_all_sessions_and_a_session_for_itself(
    make_session: Callable[..., AuthSession],
    token_server: TokenServer,
    clock: VirtualClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("VO_AUTH_WAIT_FOR_LOGIN", "20 min")
    for options, waited in (({}, 1200.0), ({"wait_for_login": 0}, 0.0), ({"wait_for_login": 60}, 60.0)):
        start = clock.elapsed
        with pytest.raises(CredentialsNotFoundError):
            rows(make_session(nobody(), interactive=False, **options), token_server)
        assert clock.elapsed - start == waited
    monkeypatch.setenv("VO_AUTH_WAIT_FOR_LOGIN", "soon")
    with pytest.raises(ConfigurationError, match="VO_AUTH_WAIT_FOR_LOGIN: 'soon' is no length of time"):
        rows(make_session(nobody(), interactive=False), token_server)
    with pytest.raises(ValueError, match="'later' is no length of time"):
        vo_auth.session_for(f"{token_server.base}/data", wait_for_login="later")


def test_where_a_permit_is_not_required_nobody_is_waited_for(
    make_session: Callable[..., AuthSession], token_server: TokenServer, clock: VirtualClock
) -> None:
    session = make_session(nobody(), required=False, wait_for_login="2h")
    with pytest.warns(vo_auth.errors.AnonymousWarning):
        assert rows(session, token_server) == 1
    assert clock.slept == []


def test_how_long_to_wait_is_part_of_a_pickle() -> None:
    import pickle

    session = vo_auth.session_for("https://archive.eso.org/tap_obs", wait_for_login="2h")
    with session, pickle.loads(pickle.dumps(session)) as other:
        assert other._edge.policy.wait_for_login == 7200.0


def test_a_permit_near_its_end_is_looked_for_in_the_vault_before_anybody_logs_in(
    make_wallet: Callable[..., Wallet], want: Want, flow: FakeFlow, clock: VirtualClock
) -> None:
    from wallet_stage import end_renewals

    wallet = make_wallet(nobody())
    make_wallet().permit(want)
    old = wallet.permit(want)
    clock.go_on(8 * HOUR - 500)  # stale
    new = make_wallet().login(want, force=True)  # another process
    assert wallet.permit(want) is old
    end_renewals()
    assert wallet.permit(want).grant == new.grant
    clock.go_on(9 * HOUR)  # ended
    newer = make_wallet().login(want, force=True)
    assert wallet.permit(want).grant == newer.grant
    assert len(flow.seen()) == 3
