"""Fixtures of the wallet's tests; the pieces themselves are in wallet_stage.py, which worker processes import too."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.append(str(Path(__file__).parent))

from fake_keyring import FOLDER, FakeKeyring
from wallet_stage import Crew, FakeFlow, TokenServer, VirtualClock, end_renewals, make_archive, make_source

from vo_auth.archive import Archive
from vo_auth.sandbox import Bench, Sandbox
from vo_auth.wallet import Account, Vault, Wallet, Want


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "wallet"


@pytest.fixture
def flow(tmp_path: Path) -> FakeFlow:
    return FakeFlow(tmp_path / "archive")


@pytest.fixture
def archive(flow: FakeFlow) -> Archive:
    return make_archive(flow)


@pytest.fixture
def make_wallet(clock: VirtualClock, home: Path) -> Iterator[Callable[..., Wallet]]:
    """Make wallets on one folder, as processes have them; memory=True: one without a file."""

    def make(*sources: Any, memory: bool = False, patience: float = 600.0) -> Wallet:
        vault = None if memory else Vault(home)
        return Wallet(vault, sources or [make_source("alice")], clock=clock.clock, patience=patience)

    yield make
    end_renewals()


@pytest.fixture
def wallet(make_wallet: Callable[..., Wallet]) -> Wallet:
    return make_wallet()


@pytest.fixture
def want(archive: Archive) -> Want:
    return Want(archive=archive, account=Account("alice"))


@pytest.fixture
def token_server(clock: VirtualClock) -> Iterator[TokenServer]:
    with TokenServer(clock) as server:
        yield server


@pytest.fixture
def crew(tmp_path: Path) -> Iterator[Crew]:
    with Crew(tmp_path / "crew") as crew:
        yield crew


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """ESO's stand-in under its real names, with the PI's credentials in the environment, this process inside."""
    with Sandbox(only=["eso"]) as sandbox, sandbox.activated():
        yield sandbox
        end_renewals()


@pytest.fixture
def eso(sandbox: Sandbox) -> Bench:
    return sandbox.bench("eso")


@pytest.fixture
def keyring(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeKeyring]:
    """A keyring for this process, and for those that it starts."""
    import keyring

    fake, before = FakeKeyring(tmp_path / "keyring"), keyring.get_keyring()
    keyring.set_keyring(fake)
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "fake_keyring.FakeKeyring")
    monkeypatch.setenv(FOLDER, str(fake.folder))
    yield fake
    fake.be()  # lets a call that hangs come to its end
    keyring.set_keyring(before)
