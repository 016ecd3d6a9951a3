"""A person is asked once, and the others do not wait for ever."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from wallet_stage import HOUR, Crew, FakeFlow, Person, VirtualClock, end_renewals, in_threads, wait_for

from vo_auth.archive import Archive
from vo_auth.errors import CredentialsRejectedError, LoginInProgressError, PromptCancelledError
from vo_auth.testing import assert_no_secret
from vo_auth.wallet import Account, Wallet, Want


def test_what_was_typed_stays_in_memory_so_that_renewal_asks_nobody(
    make_wallet: Callable[..., Wallet], want: Want, flow: FakeFlow, clock: VirtualClock, home: Path
) -> None:
    person = Person()
    wallet = make_wallet(person)
    wallet.permit(want)
    for _ in range(3):
        clock.go_on(8 * HOUR - 500)  # renewed in the background
        wallet.permit(want)
        end_renewals()
        clock.go_on(9 * HOUR)  # and after its end
        wallet.permit(want)
    assert (len(person.asked), len(flow.seen())) == (1, 7)
    assert_no_secret([person.password], home)


def test_what_was_given_to_login_stays_in_memory_too(
    make_wallet: Callable[..., Wallet], archive: Archive, flow: FakeFlow, clock: VirtualClock, home: Path
) -> None:
    person = Person()
    wallet = make_wallet(person)
    credentials = {"username": "alice", "password": person.password}
    held = wallet.login(Want(archive=archive), credentials=credentials)
    clock.go_on(9 * HOUR)
    assert wallet.permit(Want(archive=archive, account=Account("alice"))).grant.permit != held.grant.permit
    assert person.asked == []
    assert_no_secret([person.password], home)


def test_threads_that_need_a_permit_cause_one_question(
    make_wallet: Callable[..., Wallet], archive: Archive, flow: FakeFlow
) -> None:
    person = Person()
    person.while_asked = lambda: time.sleep(0.1)
    wallet = make_wallet(person)
    in_threads(16, lambda: wallet.permit(Want(archive=archive)))
    assert (len(person.asked), flow.seen()) == (1, ["alice"])


def test_nobody_is_asked_in_the_background(
    make_wallet: Callable[..., Wallet], want: Want, clock: VirtualClock, flow: FakeFlow
) -> None:
    make_wallet().permit(want)  # another process logged in
    clock.go_on(8 * HOUR - 500)
    person = Person()
    wallet = make_wallet(person)
    for _ in range(3):
        wallet.permit(want)
        end_renewals()
        clock.go_on(100)
    assert person.asked == []
    clock.go_on(HOUR)
    wallet.permit(want)
    assert len(person.asked) == 1


def test_a_cancelled_prompt_is_not_repeated_except_by_login(
    make_wallet: Callable[..., Wallet], want: Want, flow: FakeFlow, clock: VirtualClock
) -> None:
    person = Person()
    person.declines = True
    wallet = make_wallet(person)
    for _ in range(3):
        with pytest.raises(PromptCancelledError, match="the person declined"):
            wallet.permit(want)
        clock.go_on(24 * HOUR)
    assert len(person.asked) == 1
    with pytest.raises(PromptCancelledError):
        wallet.login(want)
    assert len(person.asked) == 2
    person.declines = False
    assert wallet.login(want).grant.identity == "alice"
    assert wallet.permit(want).grant.identity == "alice"


def test_after_a_login_a_session_that_was_declined_works_again(
    make_wallet: Callable[..., Wallet], archive: Archive, want: Want, clock: VirtualClock
) -> None:
    person = Person()
    person.declines = True
    wallet = make_wallet(person)
    with pytest.raises(PromptCancelledError):
        wallet.permit(want)
    person.declines = False
    wallet.login(Want(archive=archive))  # by the archive's name alone
    assert wallet.permit(want).grant.identity == "alice"
    wallet.logout("fake")
    assert wallet.permit(want).grant.identity == "alice"
    assert len(person.asked) == 3


def test_a_mistyped_password_may_be_typed_again(make_wallet: Callable[..., Wallet], want: Want, flow: FakeFlow) -> None:
    person = Person(password="fake-and-mistyped")
    wallet = make_wallet(person)
    with pytest.raises(CredentialsRejectedError):
        wallet.permit(want)
    person.password = Person().password
    assert wallet.permit(want).grant.identity == "alice"
    assert len(person.asked) == 2


@pytest.mark.parametrize("memory", [False, True], ids=["with a file", "in memory"])
def test_threads_behind_a_person_who_is_asked_give_up_after_a_minute(
    memory: bool, make_wallet: Callable[..., Wallet], want: Want, clock: VirtualClock
) -> None:
    person, answered = Person(), threading.Event()
    person.while_asked = lambda: answered.wait(30)
    wallet = make_wallet(person, memory=memory)
    first = threading.Thread(target=wallet.permit, args=(want,))
    first.start()
    wait_for(lambda: person.asked)
    clock_runs(clock, until := threading.Event())
    try:
        start = clock.elapsed
        with pytest.raises(LoginInProgressError, match=r"Fake Archive.*waits for a person"):
            wallet.permit(want)
        assert 60 <= clock.elapsed - start < 400
    finally:
        until.set()
        answered.set()
        first.join(20)
    assert wallet.permit(want).grant.identity == "alice"


def clock_runs(clock: VirtualClock, until: threading.Event) -> None:
    """Let a virtual minute pass in less than a second, while others wait in real time."""

    def run() -> None:
        while not until.wait(0.02):
            clock.go_on(1.0)

    threading.Thread(target=run, daemon=True).start()


def test_processes_behind_a_person_who_is_asked_elsewhere_give_up_after_a_minute(
    make_wallet: Callable[..., Wallet], want: Want, clock: VirtualClock, crew: Crew, home: Path, flow: FakeFlow
) -> None:
    script = """
        from wallet_stage import FakeFlow, Person, make_archive, wait_for
        from vo_auth.wallet import Account, Vault, Wallet, Want
        person = Person()
        def ask():
            (FOLDER / "asked").touch()
            start_together()
        person.while_asked = ask
        wallet = Wallet(Vault(Path(ARGUMENTS["home"])), [person])
        want = Want(archive=make_archive(FakeFlow(Path(ARGUMENTS["archive"]))), account=Account("alice"))
        report(wallet.permit(want).grant.identity)
    """
    clock.true = time.time()  # the other process goes by the real clock
    wallet = make_wallet(Person())
    crew.hire(1, script, home=str(home), archive=str(flow.folder))
    crew.ready()
    clock_runs(clock, until := threading.Event())
    start = clock.elapsed
    with pytest.raises(LoginInProgressError, match="another terminal"):
        wallet.permit(want)
    until.set()
    assert 60 <= clock.elapsed - start < 400
    assert crew.go() == ["alice"]
    assert wallet.permit(want).grant.identity == "alice"
    assert flow.seen() == ["alice"]


def test_who_waits_behind_a_person_gets_the_permit_when_the_person_answers(
    make_wallet: Callable[..., Wallet], want: Want
) -> None:
    person, answered = Person(), threading.Event()
    person.while_asked = lambda: answered.wait(30)
    wallet = make_wallet(person)
    threading.Timer(0.2, answered.set).start()
    permits = in_threads(4, lambda: wallet.permit(want))
    assert len({held.grant.permit.token.reveal() for held in permits}) == len(person.asked) == 1
