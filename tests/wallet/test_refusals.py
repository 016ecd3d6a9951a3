"""What a refused permit means: an old one is renewed once, a fresh one was refused for the account's rights."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from wallet_stage import (
    HOUR,
    Crew,
    FakeFlow,
    Person,
    VirtualClock,
    end_renewals,
    in_threads,
    make_archive,
    make_source,
)

import vo_auth
from vo_auth.errors import CredentialsRejectedError, RefusedWarning
from vo_auth.flows import PastedToken
from vo_auth.sandbox import Bench, Fault, Sandbox
from vo_auth.wallet import Wallet, Want, default_wallet

FILE = "https://dataportal.eso.org/dataPortal/file/"
TAP = "https://archive.eso.org/tap_obs"


def forbidden_files(count: int) -> list[str]:
    """Files of a PI who has no account here, asked for by any name."""
    from vo_auth_eso.standin import FOREIGN_RUN
    from vo_auth_eso.standin.holdings import frames

    names = [frame.dp_id for frame in frames(level="raw") if frame.run.prog_id == FOREIGN_RUN]
    return [FILE + names[number % len(names)] + f"?copy={number}" for number in range(count)]


def grow_old(seconds: float) -> None:
    """Make the permits of this process look older than they are."""
    from dataclasses import replace

    wallet = default_wallet()
    for held in wallet.everything():
        older = replace(held, grant=replace(held.grant, issued=held.grant.issued - seconds))
        wallet._shelf.put(wallet._shelf.store(older, is_default=True))


def test_200_forbidden_files_cost_no_login_beside_the_first_while_the_permit_is_young(
    sandbox: Sandbox, eso: Bench
) -> None:
    with vo_auth.session_for(FILE) as session, pytest.warns(RefusedWarning) as said:
        statuses = {session.get(url, timeout=20).status_code for url in forbidden_files(200)}
    assert statuses == {401}
    assert eso.counters["logins"] == 1
    assert eso.counters["refused_downloads"] == 200
    assert len(said) == 1
    assert "ESO Science Archive" in str(said[0].message)
    assert "'DEMOPI'" in str(said[0].message)


def test_200_forbidden_files_cost_one_extra_login_when_the_permit_is_older(sandbox: Sandbox, eso: Bench) -> None:
    session = vo_auth.session_for(FILE)
    assert session.get(f"{TAP}/availability", timeout=20).ok
    grow_old(HOUR)
    with pytest.warns(RefusedWarning) as said:
        results = in_threads(8, lambda: {session.get(url, timeout=20).status_code for url in forbidden_files(25)})
    session.close()
    assert results == [{401}] * 8
    assert eso.counters["logins"] == 2
    assert len(said) == 1


def test_a_forbidden_file_comes_back_as_the_archive_answered_it(sandbox: Sandbox, eso: Bench) -> None:
    with vo_auth.session_for(FILE) as session, pytest.warns(RefusedWarning):
        answer = session.get(forbidden_files(1)[0], timeout=20)
    assert (answer.status_code, answer.text) == (401, "Access denied.\n")


def test_a_revoked_permit_is_renewed_once_and_the_request_succeeds(sandbox: Sandbox, eso: Bench) -> None:
    from vo_auth_eso.standin import PROPRIETARY_RUN
    from vo_auth_eso.standin.holdings import frames

    name = next(frame.dp_id for frame in frames(level="raw") if frame.run.prog_id == PROPRIETARY_RUN)
    with vo_auth.session_for(FILE) as session:
        assert session.get(f"{TAP}/availability", timeout=20).ok
        grow_old(HOUR)
        eso.knobs["revoked_before"] = time.time()
        for _ in range(3):
            assert session.get(FILE + name, timeout=20).status_code == 200
    assert eso.counters["logins"] == 2


def test_16_processes_with_one_revoked_permit_cause_one_login(sandbox: Sandbox, eso: Bench, crew: Crew) -> None:
    from vo_auth_eso.standin import PROPRIETARY_RUN
    from vo_auth_eso.standin.holdings import frames

    name = next(frame.dp_id for frame in frames(level="raw") if frame.run.prog_id == PROPRIETARY_RUN)
    script = """
        import vo_auth
        session = vo_auth.session_for(ARGUMENTS["url"])
        before = session.get("https://archive.eso.org/tap_obs/availability", timeout=60).status_code
        start_together()
        report([before, session.get(ARGUMENTS["url"], timeout=60).status_code])
    """
    with vo_auth.session_for(FILE) as session:
        session.get(f"{TAP}/availability", timeout=20)
    grow_old(HOUR)
    crew.hire(16, script, environ=sandbox.child_environ(), url=FILE + name)
    crew.ready()
    assert eso.counters["logins"] == 1  # all of them took the permit from the file
    eso.knobs["revoked_before"] = time.time()
    assert crew.go() == [[200, 200]] * 16
    assert eso.counters["logins"] == 2


@pytest.mark.filterwarnings("ignore::vo_auth.errors.PermitEndWarning")
def test_a_pasted_token_that_is_refused_brings_the_answer_back_with_a_warning(sandbox: Sandbox, eso: Bench) -> None:
    with vo_auth.session_for(FILE) as session:
        session.get(f"{TAP}/availability", timeout=20)
        token = vo_auth.token(TAP)
    eso.knobs["revoked_before"] = time.time()
    with vo_auth.session_for(FILE, token=token) as session, pytest.warns(RefusedWarning) as said:
        statuses = [session.get(url, timeout=20).status_code for url in forbidden_files(5)]
    assert statuses == [401] * 5
    refusals = [one for one in said if one.category is RefusedWarning]
    assert (eso.counters["logins"], eso.counters["refused_downloads"], len(refusals)) == (1, 5, 1)


def test_a_refusal_in_the_first_minute_starts_no_login(
    wallet: Wallet, want: Want, flow: FakeFlow, clock: VirtualClock
) -> None:
    held = wallet.permit(want)
    clock.go_on(59)
    assert wallet.refused(want, held) is None
    assert len(flow.seen()) == 1
    clock.go_on(2)
    assert wallet.refused(want, held) is not None
    assert len(flow.seen()) == 2


def test_after_a_login_for_a_refusal_the_next_is_ten_minutes_away(
    wallet: Wallet, want: Want, flow: FakeFlow, clock: VirtualClock
) -> None:
    wallet.permit(want)
    for seconds, logins in ((100, 2), (70, 2), (500, 2), (40, 3), (590, 3), (20, 4)):
        clock.go_on(seconds)
        held = wallet.permit(want)
        wallet.refused(want, held)
        assert len(flow.seen()) == logins, seconds


def test_another_process_counts_the_same_ten_minutes(
    make_wallet: Callable[..., Wallet], want: Want, flow: FakeFlow, clock: VirtualClock
) -> None:
    one, other = make_wallet(), make_wallet()
    one.permit(want)
    clock.go_on(100)
    one.refused(want, one.permit(want))
    clock.go_on(100)
    assert other.refused(want, other.permit(want)) is None
    assert len(flow.seen()) == 2


def test_a_renewal_near_the_end_does_not_start_the_ten_minutes_anew(
    wallet: Wallet, want: Want, flow: FakeFlow, clock: VirtualClock
) -> None:
    flow.life = 120.0  # short-lived permits are renewed several times in ten minutes
    wallet.permit(want)
    clock.go_on(70)
    assert wallet.refused(want, wallet.permit(want)) is not None
    for _ in range(50):
        clock.go_on(10)
        wallet.permit(want)
        end_renewals()
        before = len(flow.seen())
        assert wallet.refused(want, wallet.permit(want)) is None
        assert len(flow.seen()) == before
    assert before >= 5  # it was renewed in between


def test_a_permit_that_another_thread_renewed_meanwhile_is_taken_without_a_login(
    wallet: Wallet, want: Want, flow: FakeFlow, clock: VirtualClock
) -> None:
    old = wallet.permit(want)
    clock.go_on(HOUR)
    results = in_threads(16, lambda: wallet.refused(want, old))
    assert len({held.grant.permit.token.reveal() for held in results}) == 1
    assert flow.seen() == ["alice", "alice"]


def test_a_refusal_with_credentials_that_are_refused_as_well_is_raised(
    make_wallet: Callable[..., Wallet], want: Want, clock: VirtualClock
) -> None:
    source = make_source("alice")
    wallet = make_wallet(source)
    held = wallet.permit(want)
    clock.go_on(HOUR)
    source.values["password"] = "fake-and-wrong-by-now"
    with pytest.raises(CredentialsRejectedError):
        wallet.refused(want, held)


def test_a_refusal_asks_nobody_and_a_declined_prompt_is_not_an_error_of_the_request(
    make_wallet: Callable[..., Wallet], want: Want, flow: FakeFlow, clock: VirtualClock
) -> None:
    make_wallet().permit(want)
    clock.go_on(HOUR)
    person = Person()
    later = make_wallet(person)
    held = later.permit(want)
    assert later.refused(want, held) is None
    later._obtainer._cancelled[want.key] = "declined earlier"
    assert later.refused(want, held) is None
    assert person.asked == []
    assert len(flow.seen()) == 1


def test_a_pasted_token_is_the_same_again_so_a_refusal_is_the_answer(
    make_wallet: Callable[..., Wallet], clock: VirtualClock
) -> None:
    source = make_source("alice", name="clipboard")
    source.values = {"token": "obviously-fake-token"}
    wallet = make_wallet(source)
    want = Want(archive=make_archive(PastedToken()))
    held = wallet.permit(want)
    clock.go_on(HOUR)
    assert wallet.refused(want, held) is None


def test_an_unreachable_archive_is_not_taken_for_a_refusal(sandbox: Sandbox, eso: Bench) -> None:
    with vo_auth.session_for(FILE) as session:
        session.get(f"{TAP}/availability", timeout=20)
        grow_old(HOUR)
        eso.knobs["fail_on"] = [Fault(path_regex="availability", status=503, times=None)]
        assert session.get(f"{TAP}/availability", timeout=20).status_code == 503
    assert eso.counters["logins"] == 1
