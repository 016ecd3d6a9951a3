"""How a permit stands, and what happens near and after its end."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from wallet_stage import HOUR, FakeFlow, TokenServer, VirtualClock, end_renewals, make_archive, make_source, wait_for

from vo_auth.archive import Archive
from vo_auth.errors import CredentialsRejectedError, LoginUnreachableError
from vo_auth.permit import PermitState
from vo_auth.wallet import Wallet, Want

FRESH, STALE, EXPIRED, UNKNOWN = PermitState.FRESH, PermitState.STALE, PermitState.EXPIRED, PermitState.UNKNOWN
UNREACHABLE = LoginUnreachableError("Fake Archive: no connection; try again later")


@pytest.mark.parametrize(
    ("life", "ages"),
    [
        # stale from the archive's margin (600 s) or a fifth of the life; expired from 30 s or a twentieth of it
        (8 * HOUR, {0: FRESH, 28_199: FRESH, 28_201: STALE, 28_769: STALE, 28_771: EXPIRED, 28_801: EXPIRED}),
        (60, {0: FRESH, 47.9: FRESH, 48.1: STALE, 56.9: STALE, 57.1: EXPIRED, 61: EXPIRED}),
        (5, {0: FRESH, 3.9: FRESH, 4.1: STALE, 4.7: STALE, 4.8: EXPIRED, 5.1: EXPIRED}),
        (None, {0: UNKNOWN, 10 * 365 * 24 * HOUR: UNKNOWN}),
    ],
)
def test_the_margins_are_shares_of_the_life_and_bounded(
    life: float | None, ages: dict[float, PermitState], wallet: Wallet, want: Want, flow: FakeFlow, clock: VirtualClock
) -> None:
    flow.life = life
    held = wallet.permit(want)
    start = clock.true
    for age, state in ages.items():
        clock.go_on(start + age - clock.true)
        assert wallet.state(want.archive, held) is state, age


@pytest.mark.parametrize("life", [8 * HOUR, 60.0, 5.0])
def test_a_permit_inside_the_hard_margin_is_never_handed_out(
    life: float, wallet: Wallet, want: Want, flow: FakeFlow, clock: VirtualClock
) -> None:
    flow.life = life
    old = wallet.permit(want)
    clock.go_on(life - min(30.0, 0.05 * life) + 0.01)  # it would hold for a moment yet
    new = wallet.permit(want)
    assert new.grant.permit != old.grant.permit
    assert flow.seen() == ["alice", "alice"]


def test_a_shorter_margin_of_the_archive_counts(wallet: Wallet, flow: FakeFlow, clock: VirtualClock) -> None:
    want = Want(archive=make_archive(flow, margin=100.0))
    wallet.permit(want)
    clock.go_on(8 * HOUR - 101)
    held = wallet.permit(want)
    assert wallet.state(want.archive, held) is FRESH
    clock.go_on(2)
    assert wallet.state(want.archive, held) is STALE


def test_nobody_waits_while_a_stale_permit_is_renewed_once_in_the_background(
    wallet: Wallet, want: Want, flow: FakeFlow, clock: VirtualClock
) -> None:
    old = wallet.permit(want)
    clock.go_on(8 * HOUR - 500)
    may_log_in = threading.Event()
    flow.on_login = lambda _: may_log_in.wait(30)
    renewals: list[Want] = []
    renew = wallet._renewals._renew
    wallet._renewals._renew = lambda want, held: (renewals.append(want), renew(want, held))[1]
    for _ in range(50):
        assert wallet.permit(want).grant == old.grant  # returns although the login has not come to an end
    wait_for(lambda: len(flow.seen()) == 2)
    may_log_in.set()
    end_renewals()
    assert flow.seen() == ["alice", "alice"]
    assert len(renewals) == 1
    new = wallet.permit(want)
    assert new.grant.permit != old.grant.permit
    assert wallet.state(want.archive, new) is FRESH


def test_the_renewal_in_the_background_keeps_the_interpreter_until_it_is_saved(
    wallet: Wallet, want: Want, flow: FakeFlow, clock: VirtualClock
) -> None:
    wallet.permit(want)
    clock.go_on(8 * HOUR - 500)
    threads: list[threading.Thread] = []
    flow.on_login = lambda _: threads.append(threading.current_thread())
    wallet.permit(want)
    end_renewals()
    assert [thread.daemon for thread in threads] == [False]
    assert threads[0] is not threading.current_thread()


def test_other_processes_get_the_permit_that_was_renewed_in_the_background(
    make_wallet: Callable[..., Wallet], want: Want, flow: FakeFlow, clock: VirtualClock
) -> None:
    one, other = make_wallet(), make_wallet()
    one.permit(want)
    other.permit(want)
    clock.go_on(8 * HOUR - 500)
    one.permit(want)
    end_renewals()
    other.permit(want)
    end_renewals()
    assert flow.seen() == ["alice", "alice"]
    assert other.permit(want).grant == one.permit(want).grant


def test_a_renewal_that_fails_while_the_permit_holds_is_not_raised_and_tried_again_with_back_off(
    wallet: Wallet, want: Want, flow: FakeFlow, clock: VirtualClock
) -> None:
    old = wallet.permit(want)
    clock.go_on(8 * HOUR - 500)
    flow.unreachable = UNREACHABLE
    tried_at = []
    start = clock.elapsed
    for _ in range(70):
        before = len(flow.seen())
        assert wallet.permit(want).grant == old.grant
        end_renewals()
        if len(flow.seen()) > before:
            tried_at.append(clock.elapsed - start)
        clock.go_on(1.0)
    assert tried_at == [0, 1, 3, 7, 15, 31, 61]  # 1, 2, 4, … and at most 30 s between
    flow.unreachable = None
    clock.go_on(30)
    wallet.permit(want)
    end_renewals()
    assert wallet.permit(want).grant != old.grant


def test_a_renewal_in_the_background_waits_as_long_as_the_server_asks(
    wallet: Wallet, want: Want, flow: FakeFlow, clock: VirtualClock
) -> None:
    wallet.permit(want)
    clock.go_on(8 * HOUR - 500)
    flow.unreachable = LoginUnreachableError("busy", retry_after=120.0)
    for seconds, logins in ((0, 2), (119, 2), (2, 3)):
        clock.go_on(seconds)
        wallet.permit(want)
        end_renewals()
        assert len(flow.seen()) == logins, seconds


def test_after_the_end_an_unreachable_login_is_tried_for_the_patience_and_then_raised(
    make_wallet: Callable[..., Wallet], want: Want, flow: FakeFlow, clock: VirtualClock
) -> None:
    wallet = make_wallet(patience=600.0)
    wallet.permit(want)
    clock.go_on(9 * HOUR)
    flow.unreachable = UNREACHABLE
    start = clock.elapsed
    with pytest.raises(LoginUnreachableError, match="try again later") as caught:
        wallet.permit(want)
    assert 560 <= clock.elapsed - start <= 600
    assert clock.slept[:6] == [1, 2, 4, 8, 16, 30]
    assert "Fake Archive" in str(caught.value).partition("\n")[0]


def test_a_login_that_comes_back_within_the_patience_goes_unnoticed(
    wallet: Wallet, want: Want, flow: FakeFlow, clock: VirtualClock
) -> None:
    old = wallet.permit(want)
    clock.go_on(9 * HOUR)
    flow.unreachable = UNREACHABLE
    start = clock.elapsed

    def recover(_: float) -> None:
        if clock.elapsed - start > 300:
            flow.unreachable = None

    clock.on_sleep = recover
    new = wallet.permit(want)
    assert new.grant.permit != old.grant.permit
    assert wallet.state(want.archive, new) is FRESH


def test_the_first_login_of_a_process_does_not_wait_for_the_patience(
    wallet: Wallet, want: Want, flow: FakeFlow, clock: VirtualClock
) -> None:
    flow.unreachable = UNREACHABLE
    for _ in range(2):  # nor does the second request, while nothing has ever worked
        with pytest.raises(LoginUnreachableError):
            wallet.permit(want)
    assert clock.slept == []


def test_a_new_process_that_finds_an_ended_permit_does_not_wait_for_the_patience_either(
    make_wallet: Callable[..., Wallet], want: Want, flow: FakeFlow, clock: VirtualClock
) -> None:
    make_wallet().permit(want)
    clock.go_on(9 * HOUR)
    flow.unreachable = UNREACHABLE
    later = make_wallet()
    for _ in range(2):
        with pytest.raises(LoginUnreachableError):
            later.permit(want)
    assert clock.slept == []


def test_retry_after_of_the_token_endpoint_is_respected(
    make_wallet: Callable[..., Wallet], token_server: TokenServer, clock: VirtualClock
) -> None:
    wallet = make_wallet()
    want = Want(archive=token_server.archive)
    wallet.permit(want)
    clock.go_on(9 * HOUR)
    token_server.faults = [(429, {"Retry-After": "77"}), (503, {"Retry-After": "5"}), (500, {})]
    wallet.permit(want)
    assert clock.slept == [77, 5, 4]
    assert token_server.logins == 2


def test_a_retry_after_beyond_the_patience_is_raised_at_once(
    make_wallet: Callable[..., Wallet], token_server: TokenServer, clock: VirtualClock
) -> None:
    wallet = make_wallet(patience=600.0)
    want = Want(archive=token_server.archive)
    wallet.permit(want)
    clock.go_on(9 * HOUR)
    token_server.faults = [(429, {"Retry-After": "86400"})]
    with pytest.raises(LoginUnreachableError, match="status 429; try again later"):
        wallet.permit(want)
    assert clock.slept == []


def test_a_rejected_renewal_is_raised_only_after_the_permit_has_ended(
    make_wallet: Callable[..., Wallet], want: Want, flow: FakeFlow, clock: VirtualClock
) -> None:
    source = make_source("alice")
    wallet = make_wallet(source)
    old = wallet.permit(want)
    clock.go_on(8 * HOUR - 500)
    source.values["password"] = "fake-and-wrong"
    for _ in range(3):
        assert wallet.permit(want).grant == old.grant
        end_renewals()
        clock.go_on(40)
    clock.go_on(HOUR)
    with pytest.raises(CredentialsRejectedError):
        wallet.permit(want)
    assert flow.seen("rejected") == ["alice"]  # sent once, by the first renewal


def test_a_renewal_that_brings_the_same_token_again_changes_nothing(
    wallet: Wallet, archive: Archive, flow: FakeFlow, want: Want, clock: VirtualClock
) -> None:
    old = wallet.permit(want)
    clock.go_on(8 * HOUR - 500)
    flow.grant = lambda ctx, user: old.grant  # type: ignore[method-assign]  # an archive that gives one token per day
    for _ in range(20):
        assert wallet.permit(want).grant == old.grant
        end_renewals()
        clock.go_on(1)
    assert len(flow.seen()) <= 7  # with back-off, not per request
