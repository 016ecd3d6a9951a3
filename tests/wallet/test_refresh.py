"""A refresh token that the archive replaces is on disk before its permit is used, and is never sent twice."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
from wallet_stage import (
    HOUR,
    PASSWORDS,
    Crew,
    FakeFlow,
    Person,
    VirtualClock,
    end_renewals,
    in_threads,
    make_archive,
    make_source,
)

from vo_auth.archive import Grant, LoginContext
from vo_auth.credentials import ExplicitSource
from vo_auth.errors import CredentialsNotFoundError, LoginUnreachableError, WalletWarning
from vo_auth.wallet import Account, Vault, Wallet, Want


@pytest.fixture(autouse=True)
def _rotating(flow: FakeFlow) -> None:
    flow.refresh = True


def stored(home: Path) -> dict[str, object]:
    (entry,) = Vault(home).read()["entries"]
    return dict(entry)


def refresh_in(home: Path) -> object:
    grant = stored(home)["grant"]
    assert isinstance(grant, dict)
    return grant["refresh"]


def test_an_ended_permit_is_renewed_with_its_refresh_token_and_without_a_password(
    make_wallet: Callable[..., Wallet], want: Want, flow: FakeFlow, clock: VirtualClock
) -> None:
    source = make_source("alice")
    wallet = make_wallet(source)
    first = wallet.permit(want)
    asked = len(source.asked)
    for _ in range(3):
        clock.go_on(9 * HOUR)
        wallet.permit(want)
    assert (len(flow.seen("login")), len(flow.seen("renew")), len(source.asked)) == (1, 3, asked)
    assert len(set(flow.seen("renew"))) == 3
    assert wallet.permit(want).grant.refresh != first.grant.refresh


@pytest.mark.parametrize("age", [8 * HOUR - 500, 9 * HOUR], ids=["in the background", "while all wait"])
def test_a_rotated_refresh_token_is_on_disk_and_synced_before_the_permit_is_used(
    age: float,
    wallet: Wallet,
    want: Want,
    flow: FakeFlow,
    clock: VirtualClock,
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    old = wallet.permit(want)
    clock.go_on(age)
    events: list[str] = []
    real_fsync = os.fsync
    monkeypatch.setattr(os, "fsync", lambda descriptor: (events.append("synced"), real_fsync(descriptor))[1])
    flow.on_renewed = lambda grant: events.append("answered")
    real_put = wallet._shelf.put

    def put(held: object, **named: object) -> None:
        if held.grant.permit != old.grant.permit:  # type: ignore[attr-defined]
            assert refresh_in(home) == held.grant.refresh.reveal()  # type: ignore[attr-defined]
            events.append("used")
        real_put(held, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(wallet._shelf, "put", put)
    wallet.permit(want)
    end_renewals()
    new = wallet.permit(want)
    assert new.grant.refresh is not None
    assert refresh_in(home) == new.grant.refresh.reveal()
    assert "synced" in events[events.index("answered") : events.index("used")]
    assert "synced" in events[: events.index("answered")]  # the start mark


def test_the_start_mark_is_on_disk_while_the_refresh_token_is_under_way_and_gone_after(
    wallet: Wallet, want: Want, flow: FakeFlow, clock: VirtualClock, home: Path
) -> None:
    wallet.permit(want)
    assert stored(home)["redeeming"] == 0
    clock.go_on(9 * HOUR)
    during: list[object] = []
    flow.on_renewed = lambda _: during.append(stored(home)["redeeming"])
    wallet.permit(want)
    assert during == [clock.wall()]
    assert stored(home)["redeeming"] == 0


def test_threads_and_processes_redeem_each_refresh_token_once(
    crew: Crew, home: Path, flow: FakeFlow, make_wallet: Callable[..., Wallet], want: Want
) -> None:
    script = """
        from wallet_stage import FakeFlow, in_threads, make_archive, make_source
        from vo_auth.wallet import Account, Vault, Wallet, Want
        flow = FakeFlow(Path(ARGUMENTS["archive"]), life=0.6, refresh=True)
        flow.duration = 0.02
        wallet = Wallet(Vault(Path(ARGUMENTS["home"])), [make_source("alice")])
        want = Want(archive=make_archive(flow), account=Account("alice"))
        start_together()
        end = time.monotonic() + 3
        used = set()
        def work():
            while time.monotonic() < end:
                used.add(wallet.permit(want).grant.permit.token.reveal())
                time.sleep(0.02)
        failed = [repr(one) for one in in_threads(3, work) if one is not None]
        report([len(used), failed])
    """
    crew.hire(3, script, home=str(home), archive=str(flow.folder))
    reports = crew.go()
    redeemed = flow.seen("renew")
    assert len(redeemed) == len(set(redeemed)) >= 3
    assert flow.seen("refused") == []
    assert flow.seen("login") == ["alice"]
    assert all(used >= 3 and not failed for used, failed in reports), reports


def test_a_refused_refresh_token_falls_back_to_a_login_and_is_not_sent_again(
    wallet: Wallet, want: Want, flow: FakeFlow, clock: VirtualClock
) -> None:
    held = wallet.permit(want)
    assert held.grant.refresh is not None
    (flow.folder / held.grant.refresh.reveal()).unlink()  # revoked by the user, at the archive
    clock.go_on(9 * HOUR)
    with warnings.catch_warnings(action="error"):  # nothing was interrupted, so there is nothing to say
        assert wallet.permit(want).grant.permit != held.grant.permit
    assert (len(flow.seen("login")), len(flow.seen("renew")), len(flow.seen("refused"))) == (2, 1, 1)


def test_a_refused_refresh_token_is_not_sent_again_when_there_is_nothing_to_log_in_with(
    make_wallet: Callable[..., Wallet], want: Want, flow: FakeFlow, clock: VirtualClock, home: Path
) -> None:
    held = make_wallet().permit(want)
    assert held.grant.refresh is not None
    (flow.folder / held.grant.refresh.reveal()).unlink()
    clock.go_on(9 * HOUR)
    poor = make_source("alice")
    poor.values = {}
    for wallet in (make_wallet(poor), make_wallet(poor)):
        for _ in range(3):
            with pytest.raises(CredentialsNotFoundError):
                wallet.permit(want)
    assert len(flow.seen("renew")) == 1
    assert refresh_in(home) is None


def test_a_refresh_token_stays_good_when_the_archive_could_not_be_reached(
    wallet: Wallet, want: Want, flow: FakeFlow, clock: VirtualClock
) -> None:
    wallet.permit(want)
    clock.go_on(9 * HOUR)
    flow.unreachable = LoginUnreachableError("no connection; try again later")
    clock.on_sleep = lambda _: setattr(flow, "unreachable", None)
    wallet.permit(want)
    assert len(set(flow.seen("renew"))) == 1
    assert (len(flow.seen("login")), len(flow.seen("renew")), len(flow.seen("refused"))) == (1, 2, 0)


KILLED = """
    import os, signal
    from wallet_stage import FakeFlow, make_archive, make_source
    from vo_auth.wallet import Account, Vault, Wallet, Want
    from vo_auth.clock import Clock
    flow = FakeFlow(Path(ARGUMENTS["archive"]), refresh=True)
    later = 0.0
    clock = Clock(wall=lambda: time.time() + later)
    wallet = Wallet(Vault(Path(ARGUMENTS["home"])), [make_source("alice")], clock=clock)
    want = Want(archive=make_archive(flow), account=Account("alice"))
    wallet.permit(want)
    later = 9 * 3600.0
    die = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
    if ARGUMENTS["when"] == "after the answer":
        flow.on_renewed = die
    else:
        flow._reach = die
    wallet.permit(want)
"""


@pytest.fixture
def killed(crew: Crew, home: Path, flow: FakeFlow) -> Callable[[str], None]:
    def kill(when: str) -> None:
        (process,) = crew.hire(1, KILLED, home=str(home), archive=str(flow.folder), when=when)
        _, errors = process.communicate(timeout=60)
        assert process.returncode == -9, errors

    return kill


@pytest.mark.skipif(os.name != "posix", reason="kill -9")
def test_a_kill_between_answer_and_disk_costs_one_login_and_the_next_run_says_why(
    killed: Callable[[str], None], make_wallet: Callable[..., Wallet], want: Want, flow: FakeFlow, home: Path
) -> None:
    killed("after the answer")
    assert stored(home)["redeeming"] != 0
    (old,) = flow.seen("renew")
    person = Person()
    wallet = make_wallet(person)
    with pytest.warns(
        WalletWarning, match="Fake Archive was interrupted before its result was saved.*new login"
    ) as said:
        held = wallet.permit(want)
    assert len(said) == 1
    assert flow.seen("renew") == [old, old]  # tried once more, and not a third time
    assert (len(person.asked), held.grant.identity) == (1, "alice")
    assert make_wallet().permit(want).grant == held.grant


@pytest.mark.skipif(os.name != "posix", reason="kill -9")
def test_a_kill_before_the_archive_answered_costs_nothing(
    killed: Callable[[str], None], make_wallet: Callable[..., Wallet], want: Want, flow: FakeFlow, home: Path
) -> None:
    killed("before the answer")
    assert stored(home)["redeeming"] != 0
    person = Person()
    with warnings.catch_warnings(action="error"):
        assert make_wallet(person).permit(want).grant.identity == "alice"
    assert person.asked == []
    assert flow.seen("login") == ["alice"]
    assert stored(home)["redeeming"] == 0


def test_a_rotated_refresh_token_is_kept_even_when_the_new_permit_ends_no_later(
    wallet: Wallet, want: Want, flow: FakeFlow, clock: VirtualClock, home: Path
) -> None:
    wallet.permit(want)
    clock.go_on(8 * HOUR - 500)
    flow.life = 300.0  # the archive has shortened its permits
    answers: list[Grant] = []
    flow.on_renewed = answers.append
    wallet.permit(want)
    end_renewals()
    assert answers[0].refresh is not None
    assert refresh_in(home) == answers[0].refresh.reveal()


def test_in_memory_mode_threads_redeem_a_refresh_token_once(
    make_wallet: Callable[..., Wallet], want: Want, flow: FakeFlow, clock: VirtualClock
) -> None:
    wallet = make_wallet(memory=True)
    wallet.permit(want)
    clock.go_on(9 * HOUR)
    flow.duration = 0.05
    in_threads(8, lambda: wallet.permit(want))
    assert (len(flow.seen("renew")), len(flow.seen("login"))) == (1, 1)


class OfAClient(FakeFlow):
    """A flow whose refresh tokens are a confidential client's (RFC 6749, section 6)."""

    optional = ("client_id", "client_secret")

    def renew(self, ctx: LoginContext, grant: Grant) -> Grant | None:
        self.note(f"client {ctx.value('client_id')} {ctx.value('client_secret')} {ctx.value('password')}")
        return super().renew(ctx, grant)


def test_a_renewal_is_given_the_client_that_logged_in_and_not_the_password(
    make_wallet: Callable[..., Wallet], tmp_path: Path, clock: VirtualClock
) -> None:
    flow = OfAClient(tmp_path / "archive", refresh=True)
    want = Want(archive=make_archive(flow), account=Account("alice"))
    given = {"username": "alice", "password": PASSWORDS["alice"], "client_id": "mine", "client_secret": "fake-secret"}
    wallet = make_wallet(ExplicitSource(given), memory=True)
    wallet.permit(want)
    clock.go_on(9 * HOUR)
    wallet.permit(want)
    assert flow.seen("client") == ["mine fake-secret "]
