"""A forked child: fresh locks, the permits of its parent, and no keyring."""

from __future__ import annotations

import json
import os
import sys
import threading
import warnings
from collections.abc import Callable
from typing import Any

import pytest
from wallet_stage import HOUR, FakeFlow, VirtualClock, make_archive, make_source, wait_for

from vo_auth.archive import KeyringEntry, Known
from vo_auth.credentials import KeyringSource
from vo_auth.errors import CredentialsNotFoundError
from vo_auth.wallet import Wallet, Want, default_wallet, rejections

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


def in_child(work: Callable[[], Any], limit: float = 20.0) -> Any:
    """Run work in a forked child and return what it returned; fail when the child hangs."""
    read, write = os.pipe()
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):  # threads are running: on purpose
        pid = os.fork()
    if pid == 0:
        code = 1
        try:
            os.write(write, json.dumps(work()).encode())
            code = 0
        except BaseException as error:
            os.write(write, json.dumps(repr(error)).encode())
        finally:
            os._exit(code)
    os.close(write)
    ended: list[int] = []

    def is_over() -> bool:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            ended.append(status)
        return bool(done)

    try:
        wait_for(is_over, limit)
    except AssertionError:
        os.kill(pid, 9)
        os.waitpid(pid, 0)
        raise
    finally:
        if ended:
            with os.fdopen(read, "rb") as pipe:
                content = pipe.read()
        else:
            os.close(read)
    assert ended == [0], content
    return json.loads(content)


def test_permits_in_memory_stay_in_the_child(wallet: Wallet, want: Want, flow: FakeFlow) -> None:
    wallet.permit(want)

    def token() -> str:
        return wallet.permit(want).grant.permit.token.reveal()

    assert in_child(token) == token()
    assert flow.seen() == ["alice"]


@pytest.mark.parametrize("memory", [True, False], ids=["in memory", "with a file"])
def test_a_child_that_is_forked_while_a_thread_logs_in_does_not_wait_for_ever(
    memory: bool, make_wallet: Callable[..., Wallet], want: Want, flow: FakeFlow
) -> None:
    wallet = make_wallet(memory=memory)
    go_on, parent = threading.Event(), os.getpid()
    flow.on_login = lambda _: go_on.wait(30) if os.getpid() == parent else None
    thread = threading.Thread(target=wallet.permit, args=(want,))
    thread.start()
    wait_for(flow.seen)
    if not memory:  # between processes the lock holds: the child gets the permit of its parent when it is there
        threading.Timer(0.3, go_on.set).start()
    try:
        user = in_child(lambda: wallet.permit(want).grant.identity)
    finally:
        go_on.set()
        thread.join(20)
    assert user == "alice"
    assert flow.seen() == ["alice"] * (2 if memory else 1)


def test_locks_that_threads_of_the_parent_held_do_not_hold_up_the_child(
    wallet: Wallet, want: Want, make_wallet: Callable[..., Wallet]
) -> None:
    held = wallet.permit(want)
    locks = [
        wallet._memory._guard,
        wallet._shelf._guard,
        wallet._renewals._guard,
        wallet._locks._guard,
        rejections._GUARD,
        sys.modules["vo_auth.wallet.default"]._GUARD,
    ]
    for lock in locks:
        lock.acquire()
    try:

        def use_everything() -> str:
            default_wallet()
            wallet._memory.forget("fake", None)
            wallet.login(want, force=True)
            wallet._renewals.start(want, held)
            wallet.logout("fake")
            return "done"

        assert in_child(use_everything) == "done"
    finally:
        for lock in locks:
            lock.release()


def test_a_renewal_that_ran_in_the_parent_is_not_awaited_by_the_child(
    make_wallet: Callable[..., Wallet], want: Want, flow: FakeFlow, clock: VirtualClock
) -> None:
    wallet = make_wallet(memory=True)
    wallet.permit(want)
    clock.go_on(8 * HOUR - 500)
    go_on, parent = threading.Event(), os.getpid()
    flow.on_login = lambda _: go_on.wait(30) if os.getpid() == parent else None
    old = wallet.permit(want).grant.permit.token.reveal()
    wait_for(lambda: len(flow.seen()) == 2)

    def renew() -> bool:
        wallet.permit(want)
        wait_for(lambda: wallet.permit(want).grant.permit.token.reveal() != old, 10)
        return True

    try:
        assert in_child(renew)
    finally:
        go_on.set()


def test_the_child_asks_no_keyring(
    make_wallet: Callable[..., Wallet], flow: FakeFlow, monkeypatch: pytest.MonkeyPatch
) -> None:
    import keyring

    asked: list[int] = []
    monkeypatch.setattr(keyring, "get_credential", lambda *_: asked.append(os.getpid()))
    archive = make_archive(flow, known=Known(keyring=(KeyringEntry(service="fake-service"),)))
    wallet = make_wallet(KeyringSource())
    with pytest.raises(CredentialsNotFoundError):
        wallet.permit(Want(archive=archive))
    assert set(asked) == {os.getpid()}

    def child() -> list[Any]:
        before = len(asked)
        try:
            wallet.permit(Want(archive=archive))
        except CredentialsNotFoundError as error:
            return [len(asked) - before, str(error)]
        return []

    calls, text = in_child(child)
    assert calls == 0
    assert "keyring: not asked in a forked process" in text


def test_credentials_typed_before_the_fork_serve_the_child(
    make_wallet: Callable[..., Wallet], want: Want, flow: FakeFlow, clock: VirtualClock
) -> None:
    empty = make_source("alice")
    empty.values = {}
    wallet = make_wallet(empty)
    wallet.login(want, credentials={"username": "alice", "password": "fake-password-of-alice"})
    clock.go_on(9 * HOUR)
    assert in_child(lambda: wallet.permit(want).grant.identity) == "alice"
