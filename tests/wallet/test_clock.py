"""Clocks that are wrong, that jump, that stop; and the end of a permit as tokens and servers tell it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from wallet_stage import DAY, HOUR, TokenServer, VirtualClock, make_jwt, make_source

from vo_auth.clock import skew_of
from vo_auth.errors import PermitExpiredError
from vo_auth.flows import PastedToken
from vo_auth.permit import PermitState
from vo_auth.registry import Registry
from vo_auth.session import AuthSession
from vo_auth.wallet import Vault, Wallet, Want


class Job:
    """A session that polls an archive which answers a dead permit with fewer rows, by a machine's own clock."""

    def __init__(self, wallet: Wallet, server: TokenServer) -> None:
        self.server = server
        self.url = f"{server.base}/data/job"
        self.session = AuthSession(url=self.url, wallet=wallet, registry=Registry([server.archive]))

    def poll(self) -> int:
        with self.session.get(self.url, timeout=10) as answer:
            rows: int = answer.json()["rows"]
        return rows


@pytest.fixture
def start_job(make_wallet: Callable[..., Wallet], token_server: TokenServer) -> Iterator[Callable[[], Job]]:
    jobs: list[Job] = []

    def start() -> Job:
        jobs.append(Job(make_wallet(), token_server))
        return jobs[-1]

    yield start
    for job in jobs:
        job.session.close()


@pytest.mark.parametrize("jwt", [True, False], ids=["jwt", "opaque"])
@pytest.mark.parametrize("error", [DAY, -DAY], ids=["a day ahead", "a day behind"])
def test_a_wall_clock_that_is_wrong_from_the_start_costs_nothing(
    error: float, jwt: bool, start_job: Callable[[], Job], token_server: TokenServer, clock: VirtualClock
) -> None:
    clock.wall_error = error
    token_server.jwt = jwt
    job = start_job()
    for _ in range(200):  # a little more than two lives of a token
        assert job.poll() == 2
        clock.go_on(300)
    assert token_server.logins == 3
    assert all(token_server.data)


@pytest.mark.parametrize("error", [DAY, -DAY], ids=["a day ahead", "a day behind"])
def test_a_process_that_starts_with_a_wrong_clock_logs_in_at_most_once_more(
    error: float, start_job: Callable[[], Job], token_server: TokenServer, clock: VirtualClock
) -> None:
    assert start_job().poll() == 2
    clock.go_on(HOUR)
    clock.wall_error = error  # the machine was started anew with a wrong clock; the wallet's file is the old one
    later = start_job()
    for _ in range(20):
        assert later.poll() == 2
        clock.go_on(60)
    assert token_server.logins <= 2


def test_a_dead_permit_that_a_slow_clock_takes_for_good_never_brings_an_anonymous_answer(
    start_job: Callable[[], Job], token_server: TokenServer, clock: VirtualClock
) -> None:
    assert start_job().poll() == 2
    clock.go_on(10 * HOUR)
    clock.wall_error = -DAY
    assert start_job().poll() == 2
    assert token_server.logins == 2


@pytest.mark.parametrize("jump", [DAY, -DAY], ids=["a day ahead", "a day back"])
def test_a_wall_clock_that_jumps_during_a_job_costs_at_most_one_login(
    jump: float, start_job: Callable[[], Job], token_server: TokenServer, clock: VirtualClock
) -> None:
    job = start_job()
    for turn in range(190):  # 15.8 hours: two logins without any jump
        if turn == 20:
            clock.wall_error += jump
        assert job.poll() == 2
        clock.go_on(300)
    assert token_server.logins <= 3


def test_a_wall_clock_that_is_set_right_again_costs_at_most_one_login_more(
    start_job: Callable[[], Job], token_server: TokenServer, clock: VirtualClock
) -> None:
    clock.wall_error = DAY
    job = start_job()
    for turn in range(60):
        if turn == 20:
            clock.wall_error = 0.0
        assert job.poll() == 2
        clock.go_on(300)
    assert token_server.logins <= 2


@pytest.mark.parametrize("wall_froze", [False, True], ids=["both clocks ran on", "the wall clock stood still"])
def test_after_a_machine_was_suspended_the_permit_is_known_to_have_ended(
    wall_froze: bool, start_job: Callable[[], Job], token_server: TokenServer, clock: VirtualClock
) -> None:
    job = start_job()
    assert job.poll() == 2
    clock.go_on(10 * HOUR)
    if wall_froze:
        clock.wall_error = -10 * HOUR
    assert job.poll() == 2
    assert token_server.logins == 2
    assert len(token_server.data) == 2  # the dead permit was not even tried


def test_without_a_clock_that_counts_suspended_time_the_wall_clock_tells(
    start_job: Callable[[], Job], token_server: TokenServer, clock: VirtualClock
) -> None:
    job = start_job()
    assert job.poll() == 2
    clock.true += 10 * HOUR  # elapsed stood still
    assert job.poll() == 2
    assert len(token_server.data) == 2


def test_the_earlier_of_exp_and_expires_in_is_the_end(
    make_wallet: Callable[..., Wallet], token_server: TokenServer, clock: VirtualClock
) -> None:
    token_server.jwt = True
    for stated, expected in ((HOUR, HOUR), (30 * HOUR, 8 * HOUR), (-5, 8 * HOUR), (1e12, 8 * HOUR)):
        token_server.expires_in = stated
        wallet = make_wallet(memory=True)
        left = wallet.seconds_left("fake", wallet.permit(Want(archive=token_server.archive)))
        assert left == pytest.approx(expected, abs=2)


def test_without_any_word_about_its_end_a_permit_is_unknown_and_used_until_it_is_refused(
    make_wallet: Callable[..., Wallet], token_server: TokenServer, clock: VirtualClock
) -> None:
    token_server.expires_in = -1
    wallet = make_wallet()
    want = Want(archive=token_server.archive)
    held = wallet.permit(want)
    clock.go_on(30 * DAY)
    assert wallet.permit(want) is held
    assert wallet.state(want.archive, held) is PermitState.UNKNOWN


def test_what_the_archives_own_clock_says_moves_the_end_of_a_held_permit(
    make_wallet: Callable[..., Wallet], clock: VirtualClock
) -> None:
    now = clock.true
    token = make_jwt(sub="alice", iat=now, exp=now + 8 * HOUR)
    source = make_source("alice", name="clipboard")
    source.values = {"token": token}
    wallet = make_wallet(source)
    from wallet_stage import make_archive

    want = Want(archive=make_archive(PastedToken()))
    held = wallet.permit(want)
    assert wallet.state(want.archive, held) is PermitState.FRESH
    wallet.observe(want.archive, now + 7.9 * HOUR)  # the archive is ahead of this machine
    assert wallet.state(want.archive, held) is PermitState.STALE
    wallet.observe(want.archive, now + 8.5 * HOUR)
    assert wallet.has_ended(want, held)
    with pytest.raises(PermitExpiredError):
        wallet.permit(want)
    wallet.observe(want.archive, now)  # and once more it is as this machine thinks
    assert wallet.permit(want).grant == held.grant


def test_a_date_is_no_finer_than_a_second_and_read_to_the_pessimistic_side() -> None:
    assert skew_of(100.0, 100.9) == 0.0  # 100.9 is what a Date of 100 may mean
    assert skew_of(100.0, 101.4) == 0.0
    assert skew_of(200.0, 100.0) == 101.0
    assert skew_of(100.0, 200.0) == -99.0


def test_an_archive_without_a_date_is_taken_at_this_machines_word(
    start_job: Callable[[], Job], token_server: TokenServer, clock: VirtualClock
) -> None:
    token_server.sends_date = False
    job = start_job()
    for _ in range(110):
        assert job.poll() == 2
        clock.go_on(300)
    assert token_server.logins == 2


@pytest.mark.parametrize("jwt", [True, False], ids=["jwt", "opaque"])
@pytest.mark.parametrize("error", [DAY, -DAY], ids=["a day ahead", "a day behind"])
def test_a_wrong_clock_at_an_archive_without_a_date_neither_loops_nor_goes_anonymous(
    error: float, jwt: bool, start_job: Callable[[], Job], token_server: TokenServer, clock: VirtualClock
) -> None:
    clock.wall_error = error
    token_server.sends_date, token_server.jwt, token_server.silent = False, jwt, False
    job = start_job()
    failures = 0
    for _ in range(60):
        try:
            job.poll()
        except PermitExpiredError:  # its own token says that it ended yesterday: nothing tells who is wrong
            failures += 1
        clock.go_on(300)
    assert failures == (60 if jwt and error > 0 else 0)
    assert token_server.logins <= (60 if failures else 2)  # one try per call, no loop
    assert all(token_server.data)


@pytest.mark.parametrize("error", [DAY, -DAY], ids=["a day ahead", "a day behind"])
def test_two_processes_with_different_clocks_share_one_login(
    error: float, start_job: Callable[[], Job], token_server: TokenServer, clock: VirtualClock, home: Path
) -> None:
    other = VirtualClock()
    other.wall_error = error
    one = start_job()
    wallet = Wallet(Vault(home), [make_source("alice")], clock=other.clock)
    two = Job(wallet, token_server)
    for _ in range(110):  # 9 hours: one renewal
        assert one.poll() == two.poll() == 2
        clock.go_on(300)
        other.go_on(300)
    two.session.close()
    assert token_server.logins <= 4
    assert all(token_server.data)


def test_slow_answers_never_bring_a_dead_permit_to_the_archive(
    start_job: Callable[[], Job], token_server: TokenServer, clock: VirtualClock
) -> None:
    token_server.life, token_server.jwt = 5.0, True
    token_server.on_answer = lambda: clock.go_on(2.0)  # each answer, a login's included, is on its way for so long
    job = start_job()
    for _ in range(20):
        assert job.poll() == 2
        clock.go_on(1.5)
    assert token_server.dead == []
