"""One login for any number of threads and processes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

from wallet_stage import Crew, FakeFlow, Person, in_threads, make_jwt, make_source

import vo_auth
from vo_auth.archive import Archive, Grant
from vo_auth.errors import LoginUnreachableError
from vo_auth.permit import BearerPermit
from vo_auth.sandbox import Bench, Sandbox
from vo_auth.secret import Secret
from vo_auth.wallet import Account, Held, Key, Vault, Wallet, Want

AVAILABILITY = "https://archive.eso.org/tap_obs/availability"


def put_expired_permit(home: Path) -> str:
    """Leave a permit in the wallet's file that ended an hour ago; return its text."""
    now = time.time()
    token = make_jwt(iss="https://www.eso.org/sso/oidc", sub="DEMOPI", iat=now - 30_000, exp=now - 3600)
    grant = Grant(permit=BearerPermit(Secret(token)), identity="DEMOPI", issued=now - 30_000, expires=now - 3600)
    held = Held(
        key=Key("eso", "DEMOPI"),
        grant=grant,
        flow="password grant",
        origin="earlier",
        obtained=vo_auth.clock.Clock().instant(),
        server_time=now,
        stored=True,
    )
    Vault(home).update(lambda content: content["entries"].append(held.to_record()))
    return token


def check_that_all_were_authenticated(sandbox: Sandbox, requests: int, expired: str) -> None:
    received = sandbox.received.at("archive.eso.org")
    assert len(received) == requests
    permits = {entry.authorization for entry in received}
    assert len(permits) == 1
    assert all(permit.startswith("Bearer ") and expired not in permit for permit in permits)


def test_64_threads_that_meet_an_expired_permit_cause_one_login(sandbox: Sandbox, eso: Bench) -> None:
    expired = put_expired_permit(sandbox.folder / "state")
    session = vo_auth.session_for(AVAILABILITY)
    results = in_threads(64, lambda: session.get(AVAILABILITY, timeout=60).status_code)
    session.close()
    assert results == [200] * 64
    assert eso.counters["logins"] == eso.counters["token_requests"] == 1
    check_that_all_were_authenticated(sandbox, 64, expired)


def test_16_processes_with_4_threads_each_that_meet_an_expired_permit_cause_one_login(
    sandbox: Sandbox, eso: Bench, crew: Crew
) -> None:
    expired = put_expired_permit(sandbox.folder / "state")
    script = """
        import vo_auth
        from wallet_stage import in_threads
        url = ARGUMENTS["url"]
        session = vo_auth.session_for(url)
        start_together()
        report([str(one) for one in in_threads(4, lambda: session.get(url, timeout=60).status_code)])
    """
    crew.hire(16, script, environ=sandbox.child_environ(), url=AVAILABILITY)
    assert crew.go() == [["200"] * 4] * 16
    assert eso.counters["logins"] == eso.counters["token_requests"] == 1
    check_that_all_were_authenticated(sandbox, 64, expired)


def test_threads_wait_for_one_login_and_all_get_its_permit(wallet: Wallet, want: Want, flow: FakeFlow) -> None:
    flow.duration = 0.1
    held = in_threads(32, lambda: wallet.permit(want))
    assert flow.seen() == ["alice"]
    assert len({one.grant.permit.token.reveal() for one in held}) == 1


def test_in_memory_mode_threads_still_share_one_login(
    make_wallet: Callable[..., Wallet], want: Want, flow: FakeFlow
) -> None:
    wallet = make_wallet(memory=True)
    flow.duration = 0.1
    in_threads(16, lambda: wallet.permit(want))
    assert flow.seen() == ["alice"]


def test_threads_that_ask_for_the_process_wallet_at_once_get_the_same_one() -> None:
    from vo_auth.wallet import default_wallet

    assert len({id(wallet) for wallet in in_threads(32, default_wallet)}) == 1


FAKE_WORKER = """
    import threading
    from wallet_stage import FakeFlow, Source, make_archive
    from vo_auth.wallet import Account, Vault, Wallet, Want
    flow = FakeFlow(Path(ARGUMENTS["archive"]))
    flow.duration = 0.1
    wallet = Wallet(Vault(Path(ARGUMENTS["home"])), [Source("keyring", ARGUMENTS["values"])])
    archive = make_archive(flow)
    want = Want(archive=archive, account=wallet.account(archive, None))
    start_together()
    held = wallet.permit(want)
    again = wallet.permit(want)
    report([held.key.account, held.grant.permit.token.reveal(), again.grant.permit.token.reveal()])
"""


def test_processes_that_do_not_know_the_account_yet_still_share_one_login(
    crew: Crew, home: Path, flow: FakeFlow
) -> None:
    values = {"username": "alice", "password": "fake-password-of-alice"}
    crew.hire(6, FAKE_WORKER, archive=str(flow.folder), home=str(home), values=values)
    reports = crew.go()
    assert flow.seen() == ["alice"]
    assert len({token for _, *tokens in reports for token in tokens}) == 1
    assert {account for account, *_ in reports} == {"alice"}


def test_a_second_process_whose_account_has_no_name_yet_asks_nobody_again(
    make_wallet: Callable[..., Wallet], archive: Archive, flow: FakeFlow
) -> None:
    first, second = Person(), Person()
    one, other = make_wallet(first), make_wallet(second)
    unnamed = Want(archive=archive, account=Account())
    assert one.permit(unnamed).key.account == "alice"
    assert other.permit(unnamed).key.account == "alice"
    assert (len(first.asked), len(second.asked), flow.seen()) == (1, 0, ["alice"])


def test_an_account_known_by_a_dead_token_alone_logs_in_once_and_not_per_request(
    make_wallet: Callable[..., Wallet], archive: Archive, flow: FakeFlow
) -> None:
    want = Want(archive=archive, account=Account("token#0123abcd"))
    wallets = [make_wallet(make_source("alice")) for _ in range(2)]
    permits = {wallet.permit(want).grant.permit.token.reveal() for wallet in wallets for _ in range(3)}
    assert flow.seen() == ["alice"]
    assert len(permits) == 1


def test_threads_that_waited_for_a_login_that_could_not_be_reached_do_not_try_one_by_one(
    wallet: Wallet, want: Want, flow: FakeFlow
) -> None:
    flow.duration = 0.3
    flow.unreachable = LoginUnreachableError("Fake Archive: no connection; try again later")
    results = in_threads(16, lambda: wallet.permit(want))
    assert all(isinstance(result, LoginUnreachableError) for result in results)
    assert len(flow.seen()) <= 2  # a thread that the barrier released late may be on its own
    flow.unreachable = None
    assert wallet.permit(want).grant.identity == "alice"  # the failure is no memory: the next one tries


def test_a_permit_that_another_process_obtained_is_taken_from_the_file(
    make_wallet: Callable[..., Wallet], want: Want, flow: FakeFlow
) -> None:
    first = make_wallet().permit(want)
    assert make_wallet().permit(want).grant == first.grant
    assert flow.seen() == ["alice"]


def test_two_accounts_do_not_wait_for_each_other(
    make_wallet: Callable[..., Wallet], archive: Archive, flow: FakeFlow
) -> None:
    wallet = make_wallet(make_source("alice"), make_source("bob", name="other pocket", rank=41))
    both_log_in = threading.Barrier(2)
    flow.on_login = lambda _: both_log_in.wait(20)
    turns = iter(("alice", "bob"))
    held = in_threads(2, lambda: wallet.permit(Want(archive=archive, account=Account(next(turns), is_default=False))))
    assert sorted(one.grant.identity for one in held) == ["alice", "bob"]
