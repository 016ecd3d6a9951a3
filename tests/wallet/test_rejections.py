"""A rejected password is not sent again: accounts get locked."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from wallet_stage import DAY, PASSWORDS, Crew, FakeFlow, VirtualClock, in_threads, make_source

import vo_auth
from vo_auth.archive import Archive
from vo_auth.credentials import ExplicitSource
from vo_auth.errors import CredentialsRejectedError
from vo_auth.sandbox import Bench, Sandbox
from vo_auth.wallet import Vault, Wallet, Want, rejections

WRONG = "fake-and-quite-wrong"
URL = "https://archive.eso.org/tap_obs/availability"


@pytest.fixture(autouse=True)
def _as_a_new_process() -> Iterator[None]:
    """What this process remembers is for the whole process, so between tests it is forgotten."""
    rejections._PROCESS.clear()
    yield
    rejections._PROCESS.clear()


@pytest.fixture
def another_process(make_wallet: Callable[..., Wallet]) -> Callable[..., Wallet]:
    """Make a wallet as another process on the same folder would have it."""

    def start(password: str = WRONG) -> Wallet:
        rejections._PROCESS.clear()
        return make_wallet(make_source("alice", password))

    return start


def test_a_rejected_password_is_sent_once_in_a_process(
    make_wallet: Callable[..., Wallet], want: Want, flow: FakeFlow, clock: VirtualClock
) -> None:
    wallet = make_wallet(make_source("alice", WRONG), memory=True)
    for _ in range(3):
        with pytest.raises(CredentialsRejectedError):
            wallet.permit(want)
        clock.go_on(DAY)  # in this process: for good
    assert flow.seen("rejected") == ["alice"]


def test_the_second_error_says_why_nothing_was_sent_and_what_to_do(
    make_wallet: Callable[..., Wallet], want: Want
) -> None:
    wallet = make_wallet(make_source("alice", WRONG))
    with pytest.raises(CredentialsRejectedError):
        wallet.permit(want)
    with pytest.raises(CredentialsRejectedError, match=r"the pocket.*not sent again.*vo-auth login fake"):
        wallet.permit(want)


def test_16_processes_with_a_rejected_password_cause_one_refused_login(
    sandbox: Sandbox, eso: Bench, crew: Crew
) -> None:
    script = """
        import vo_auth
        from vo_auth.errors import CredentialsRejectedError
        session = vo_auth.session_for(ARGUMENTS["url"])
        start_together()
        try:
            session.get(ARGUMENTS["url"], timeout=60)
            report("let in")
        except CredentialsRejectedError:
            report("rejected")
    """
    environ = {**sandbox.child_environ(), "VO_AUTH_ESO_PASSWORD": WRONG}
    crew.hire(16, script, environ=environ, url=URL)
    assert crew.go() == ["rejected"] * 16
    assert eso.counters["rejected_logins"] == eso.counters["token_requests"] == 1
    assert not sandbox.received.at("archive.eso.org")


def test_other_processes_wait_ten_minutes_and_then_one_tries_again(
    another_process: Callable[..., Wallet], want: Want, flow: FakeFlow, clock: VirtualClock
) -> None:
    for after, refused in ((0, 1), (1, 1), (590, 1), (10, 2), (1, 2)):
        clock.go_on(after)
        with pytest.raises(CredentialsRejectedError):
            another_process().permit(want)
        assert len(flow.seen("rejected")) == refused, after


def test_a_changed_password_is_sent_at_once_by_the_same_and_by_another_process(
    make_wallet: Callable[..., Wallet], another_process: Callable[..., Wallet], want: Want, flow: FakeFlow
) -> None:
    source = make_source("alice", WRONG)
    wallet = make_wallet(source, memory=True)
    with pytest.raises(CredentialsRejectedError):
        wallet.permit(want)
    source.values["password"] = PASSWORDS["alice"]
    assert wallet.permit(want).grant.identity == "alice"
    assert another_process(PASSWORDS["alice"]).permit(want).grant.identity == "alice"


def test_login_by_hand_sends_a_rejected_password_at_once(
    another_process: Callable[..., Wallet], want: Want, flow: FakeFlow, monkeypatch: pytest.MonkeyPatch
) -> None:
    wallet = another_process()
    with pytest.raises(CredentialsRejectedError):
        wallet.permit(want)
    with pytest.raises(CredentialsRejectedError):
        wallet.login(want)
    assert len(flow.seen("rejected")) == 2
    monkeypatch.setitem(PASSWORDS, "alice", WRONG)  # the archive now takes it: it was locked, say
    assert wallet.login(want).grant.identity == "alice"
    assert another_process().permit(want).grant.identity == "alice"


def test_a_password_that_the_archive_took_after_all_is_not_remembered_as_rejected(
    another_process: Callable[..., Wallet], want: Want, flow: FakeFlow, monkeypatch: pytest.MonkeyPatch, home: Path
) -> None:
    with pytest.raises(CredentialsRejectedError):
        another_process().permit(want)
    monkeypatch.setitem(PASSWORDS, "alice", WRONG)
    another_process().login(want)
    assert Vault(home).read()["rejected"] == {}


@pytest.mark.parametrize("set_to", [DAY, -DAY])
def test_a_wall_clock_that_was_set_does_not_hold_a_password_back_for_longer(
    set_to: float, another_process: Callable[..., Wallet], want: Want, flow: FakeFlow, clock: VirtualClock
) -> None:
    clock.wall_error = set_to
    with pytest.raises(CredentialsRejectedError):
        another_process().permit(want)
    clock.wall_error = 0.0
    clock.go_on(601)
    with pytest.raises(CredentialsRejectedError):
        another_process().permit(want)
    assert len(flow.seen("rejected")) == 2


def test_the_file_holds_neither_the_password_nor_a_digest_without_salt(
    another_process: Callable[..., Wallet], want: Want, home: Path
) -> None:
    with pytest.raises(CredentialsRejectedError):
        another_process().permit(want)
    text = (home / "permits.json").read_text()
    content = Vault(home).read()
    assert len(content["rejected"]) == 1
    vo_auth.testing.assert_no_secret([WRONG], home)
    for name in ("md5", "sha1", "sha256", "sha512"):
        for salted in (WRONG, f"alice{WRONG}", f"alice:{WRONG}", rejections._canonical("fake", {}).decode() + WRONG):
            assert hashlib.new(name, salted.encode()).hexdigest() not in text


def test_two_wallets_give_the_same_password_different_digests(tmp_path: Path, want: Want, clock: VirtualClock) -> None:
    digests = set()
    for name in ("one", "other"):
        rejections._PROCESS.clear()
        wallet = Wallet(Vault(tmp_path / name), [make_source("alice", WRONG)], clock=clock.clock)
        with pytest.raises(CredentialsRejectedError):
            wallet.permit(want)
        digests |= set(Vault(tmp_path / name).read()["rejected"])
    assert len(digests) == 2


def test_the_digest_is_slow_to_guess_from(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[dict[str, int]] = []
    real = hashlib.scrypt
    monkeypatch.setattr(hashlib, "scrypt", lambda *args, **named: asked.append(named) or real(*args, **named))
    rejections._slow(b"obviously-fake", "salt")
    assert asked[0]["n"] * asked[0]["r"] >= 2**17  # 16 MiB of memory per guess


def test_a_list_of_rejections_that_makes_no_sense_is_passed_over(
    another_process: Callable[..., Wallet], want: Want, home: Path
) -> None:
    Vault(home).update(lambda content: content["rejected"].update({"x": "yesterday", "y": None, "z": [1]}))
    with pytest.raises(CredentialsRejectedError):
        another_process().permit(want)
    assert len(Vault(home).read()["rejected"]) == 1


def test_two_sessions_with_the_same_wrong_password_cause_one_refused_login(sandbox: Sandbox, eso: Bench) -> None:
    sessions = [vo_auth.session_for(URL, username="DEMOPI", password=WRONG) for _ in range(2)]
    for session in sessions:
        with pytest.raises(CredentialsRejectedError):
            session.get(URL, timeout=20)
        session.close()
    assert eso.counters["rejected_logins"] == 1


def test_sessions_of_many_threads_with_the_same_wrong_password_cause_one_refused_login(
    archive: Archive, flow: FakeFlow, clock: VirtualClock
) -> None:
    flow.duration = 0.1

    def own_session() -> object:
        source = ExplicitSource({"username": "alice", "password": WRONG})
        return Wallet(None, [source], clock=clock.clock).permit(Want(archive=archive))

    results = in_threads(8, own_session)
    assert all(isinstance(result, CredentialsRejectedError) for result in results)
    assert flow.seen("rejected") == ["alice"]


def test_another_user_with_the_same_password_is_not_held_back(
    make_wallet: Callable[..., Wallet], archive: Archive, flow: FakeFlow
) -> None:
    for user in ("alice", "bob"):
        with pytest.raises(CredentialsRejectedError):
            make_wallet(make_source(user, WRONG)).permit(Want(archive=archive))
    assert flow.seen("rejected") == ["alice", "bob"]
