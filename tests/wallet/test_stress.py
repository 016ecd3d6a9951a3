"""Many threads and processes on one wallet whose permits live for seconds, some of them killed at any moment."""

from __future__ import annotations

import json
import os
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from fake_keyring import FakeKeyring
from wallet_stage import Crew, TokenServer, VirtualClock, end_renewals, in_threads, make_source, wait_for

from vo_auth.registry import Registry
from vo_auth.session import AuthSession
from vo_auth.wallet import Vault, Wallet

LIFE = 5.0
SEED = 20261122
FOREIGN = [{"archive": "gone", "account": f"carol-{number}", "realm": "", "filler": "x" * 500} for number in range(40)]


class RealTime(VirtualClock):
    """The machine's own clock, for a server that processes ask."""

    def __init__(self) -> None:
        super().__init__()
        del self.true

    def __getattr__(self, name: str) -> Any:
        if name == "true":
            return time.time()
        raise AttributeError(name)


@pytest.fixture
def server() -> Iterator[TokenServer]:
    with TokenServer(RealTime()) as server:
        server.life, server.login_takes = LIFE, 0.3  # long enough for others to come meanwhile
        yield server


WORKER = """
    import random
    import wallet_stage
    from wallet_stage import in_threads, make_archive, make_source
    from vo_auth.domain import Domain
    from vo_auth.flows import PasswordGrant
    from vo_auth.registry import Registry
    from vo_auth.session import AuthSession
    from vo_auth.wallet import Vault, Wallet
    base, rounds, step = ARGUMENTS["base"], ARGUMENTS["rounds"], ARGUMENTS["step"]
    flow = PasswordGrant(token_url=f"{base}/token", client_id="public")
    archive = make_archive(flow, domains=(Domain(f"{base}/data"),), silent=True)
    vault = Vault(Path(ARGUMENTS["home"]))
    wallet = Wallet(vault, [make_source("alice")])
    session = AuthSession(url=f"{base}/data", wallet=wallet, registry=Registry([archive]))
    chance = random.Random(ARGUMENTS["seed"] + NUMBER)
    delays = [[chance.uniform(0, 0.5 * step) for _ in range(rounds)] for _ in range(ARGUMENTS["threads"])]
    numbers = iter(range(len(delays)))
    def note(turn):  # an entry of its own, and on record when it is safe
        def change(content):
            mine = {"archive": "mine", "account": str(NUMBER), "realm": "", "turn": turn}
            content["entries"] = [e for e in content["entries"] if e.get("account") != str(NUMBER)] + [mine]
        vault.update(change)
        (FOLDER / f"noted-{NUMBER}").write_text(str(turn))
    def work():
        number, seen = next(numbers), []
        for turn in range(rounds):
            time.sleep(max(0.0, start + turn * step + delays[number][turn] - time.time()))
            if number == 0:
                note(turn)
            with session.get(f"{base}/data/job", timeout=60) as answer:
                seen.append(answer.json()["rows"])
        return seen
    start_together()
    start = time.time()
    seen = in_threads(ARGUMENTS["threads"], work, 200)
    session.close()
    wallet_stage.end_renewals()
    report([one if isinstance(one, list) else repr(one) for one in seen])
"""


@dataclass(frozen=True)
class Load:
    """So many processes, with so many threads each, ask so often."""

    processes: int
    threads: int
    rounds: int
    step: float
    kills: int = 0


class Watch:
    """Read the wallet again and again: it is whole at every moment, and what others have in it stays."""

    def __init__(self, home: Path) -> None:
        self._vault = Vault(home)
        self._stop = threading.Event()
        self.readings = 0
        self.wrong: list[Any] = []
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(30)

    def _run(self) -> None:
        while not self._stop.wait(0.05):
            try:
                entries = self._vault.read()["entries"]
            except Exception as error:  # a warning, too: they are errors here
                self.wrong.append(error)
                return
            self.readings += 1
            if [entry for entry in entries if entry["archive"] == "gone"] != FOREIGN:
                self.wrong.append(entries)
                return


def run(load: Load, server: TokenServer, home: Path, crew: Crew) -> None:
    Vault(home).update(lambda content: content["entries"].extend(FOREIGN))
    options = {"threads": load.threads, "rounds": load.rounds, "step": load.step}
    crew.hire(load.processes, WORKER, home=str(home), base=server.base, seed=SEED, **options)
    crew.ready()
    with Watch(home) as watch:
        (crew.folder / "go").touch()
        killed = kill_some(load, crew)
        reports = reports_of_the_others(crew, killed)
    assert watch.wrong == []
    assert watch.readings > 10
    for report in reports:
        assert report == [[2] * load.rounds] * load.threads  # never the one row of who is anonymous
    assert all(server.data)
    check_logins(server, extra=len(killed))
    check_entries(home, crew, load, killed)


def kill_some(load: Load, crew: Crew) -> set[int]:
    """Kill processes, any of them and at any moment but the last ones, without a word."""
    chance = random.Random(SEED)
    end = time.monotonic() + load.rounds * load.step * 0.8
    moments = sorted(chance.uniform(0.5, load.rounds * load.step * 0.8) for _ in range(load.kills))
    start, killed = time.monotonic(), set()
    for moment, number in zip(moments, chance.sample(range(load.processes), load.kills), strict=True):
        wait_for(lambda at=start + moment: time.monotonic() >= min(at, end), 120)
        os.kill(crew.processes[number].pid, signal.SIGKILL)
        killed.add(number)
    return killed


def reports_of_the_others(crew: Crew, killed: set[int]) -> list[Any]:
    reports = []
    for number, process in enumerate(crew.processes):
        output, errors = process.communicate(timeout=120)
        if number in killed:
            assert process.returncode == -signal.SIGKILL
            continue
        assert process.returncode == 0, f"process {number} ended with {process.returncode}:\n{output}{errors}"
        reports.append(json.loads((crew.folder / f"report-{number}").read_text()))
    return reports


def check_logins(server: TokenServer, *, extra: int) -> None:
    """Check that there was one login per period: a period ends when a permit is stale, at four fifths of its life."""
    gaps = [later - sooner for sooner, later in zip(server.issued, server.issued[1:], strict=False)]
    early = [gap for gap in gaps if gap < 0.8 * LIFE - 0.3]  # a Date has whole seconds, clocks are read in turn
    assert len(early) <= extra, gaps
    span = server.issued[-1] - server.issued[0]
    assert len(server.issued) <= span / (0.8 * LIFE - 0.3) + 1 + extra


def check_entries(home: Path, crew: Crew, load: Load, killed: set[int]) -> None:
    """Check that whatever a process knew to be on disk is there."""
    entries = {entry["account"]: entry for entry in Vault(home).read()["entries"] if entry["archive"] == "mine"}
    for number in range(load.processes):
        path = crew.folder / f"noted-{number}"
        noted = int(path.read_text() or -1) if path.exists() else -1  # a kill may have come while it was written
        assert number in killed or noted == load.rounds - 1
        if noted >= 0:
            assert entries[str(number)]["turn"] - noted in (0, 1)
    assert not list(home.glob("*.damaged-*"))


@pytest.mark.skipif(os.name != "posix", reason="kill -9 is POSIX")
def test_a_few_processes_share_one_login_per_period_and_survive_the_death_of_one(
    server: TokenServer, home: Path, crew: Crew
) -> None:
    run(Load(processes=4, threads=4, rounds=6, step=1.0, kills=1), server, home, crew)
    assert len(server.issued) >= 2


@pytest.mark.stress
@pytest.mark.skipif(os.name != "posix", reason="kill -9 is POSIX")
@pytest.mark.parametrize("kills", [0, 8], ids=["all live", "half of them are killed"])
def test_16_processes_of_4_threads_and_20_rounds_share_one_login_per_period(
    kills: int, server: TokenServer, home: Path, crew: Crew, keyring: FakeKeyring
) -> None:
    run(Load(processes=16, threads=4, rounds=20, step=1.0, kills=kills), server, home, crew)
    assert len(server.issued) >= 5
    assert (home / "permits.vault").exists()
    assert len(keyring.entries) == 1


@pytest.mark.stress
def test_64_threads_and_20_rounds_share_one_login_per_period(
    server: TokenServer, home: Path, make_threads_wait: Callable[[int], None]
) -> None:
    session = AuthSession(
        url=f"{server.base}/data",
        wallet=Wallet(Vault(home), [make_source("alice")]),
        registry=Registry([server.archive]),
    )

    def work() -> list[int]:
        seen = []
        for turn in range(20):
            make_threads_wait(turn)
            with session.get(f"{server.base}/data/job", timeout=60) as answer:
                seen.append(answer.json()["rows"])
        return seen

    with session:
        assert in_threads(64, work, 100) == [[2] * 20] * 64
    end_renewals()
    assert all(server.data)
    check_logins(server, extra=0)
    assert len(server.issued) >= 3


@pytest.fixture
def make_threads_wait() -> Callable[[int], None]:
    start = time.monotonic()
    return lambda turn: time.sleep(max(0.0, start + 0.7 * turn - time.monotonic()))
