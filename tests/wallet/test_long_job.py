"""A job that takes an hour, at an archive whose permits live for five seconds: it goes on, in one process or two."""

from __future__ import annotations

import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from requests.adapters import HTTPAdapter
from wallet_stage import Crew, end_renewals, wait_for

from vo_auth.clock import Clock
from vo_auth.credentials import EnvironmentSource
from vo_auth.sandbox import Bench, Sandbox
from vo_auth.sandbox.tap.resources import JobResources
from vo_auth.sandbox.tap.runner import Runner
from vo_auth.session import AuthSession
from vo_auth.wallet import Vault, Wallet

pyvo = pytest.importorskip("pyvo", reason="pyvo is not installed")
pytest.importorskip("vo_auth_eso")

with warnings.catch_warnings(action="ignore"):
    from vo_auth_eso.standin import CONFIDENTIAL_RUN, STANDIN
    from vo_auth_eso.standin.holdings import raw_frames
    from vo_auth_eso.standin.identity import Identities

TAP = "https://archive.eso.org/tap_obs"
LIFE = 5
ROWS = f"SELECT dp_id, access_url FROM dbo.raw WHERE prog_id = '{CONFIDENTIAL_RUN}'"


@pytest.fixture(autouse=True)
def _closed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Close the answers that pyvo leaves unread."""
    opened: list[Any] = []
    send = HTTPAdapter.send

    def kept(self: HTTPAdapter, *args: Any, **kwargs: Any) -> Any:
        opened.append(send(self, *args, **kwargs))
        return opened[-1]

    monkeypatch.setattr(HTTPAdapter, "send", kept)
    yield
    for answer in opened:
        answer.close()


class Hour:
    """Time that passes where somebody sleeps, for this machine and for the archive alike."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.passed = 0.0

    def go_on(self, seconds: float) -> None:
        self.passed += seconds
        self.bench.knobs["clock_skew"] = self.passed

    @property
    def clock(self) -> Clock:
        return Clock(
            wall=lambda: time.time() + self.passed,
            elapsed=lambda: time.monotonic() + self.passed,
            sleep=self.go_on,
        )


@pytest.fixture
def hour(eso: Bench, monkeypatch: pytest.MonkeyPatch) -> Hour:
    """Let a query take an hour of that time, and let pyvo and the archive wait in it."""
    hour = Hour(eso)
    eso.knobs["token_life"] = LIFE

    def dawdle(runner: Any, end: float, stopped: Any) -> None:
        until = hour.passed + 3600.0
        while hour.passed < until and not stopped.wait(0.002) and not runner._closed.is_set():
            pass

    monkeypatch.setattr(Runner, "_dawdle", dawdle)
    monkeypatch.setattr(JobResources, "_seconds", lambda *_: 0.01)  # of WAIT, real ones
    monkeypatch.setattr("pyvo.dal.tap.sleep", hour.go_on)
    return hour


@pytest.fixture
def strangers(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Requests whose permit, if any, the archive did not take: it answers them as if nobody had sent one."""
    strangers: list[str] = []
    find = Identities.find_sender

    def find_sender(self: Identities, request: Any, **options: Any) -> Any:
        sender = find(self, request, **options)
        if sender is None:
            strangers.append(str(request.path))
        return sender

    monkeypatch.setattr(Identities, "find_sender", find_sender)
    return strangers


@pytest.fixture
def make_session(home: Path, hour: Hour) -> Iterator[Callable[[], AuthSession]]:
    """Make sessions with a wallet each, as processes have them."""
    sessions: list[AuthSession] = []

    def make() -> AuthSession:
        wallet = Wallet(Vault(home), [EnvironmentSource()], clock=hour.clock)
        sessions.append(AuthSession(url=TAP, wallet=wallet))
        return sessions[-1]

    yield make
    end_renewals()
    for session in sessions:
        session.close()


def check_that_every_request_was_authenticated(sandbox: Sandbox, bench: Bench) -> None:
    received = [entry for host in ("archive.eso.org", "dataportal.eso.org") for entry in sandbox.received.at(host)]
    assert len(received) > 20
    assert all(entry.authorization.startswith("Bearer ") for entry in received)
    permits = len({entry.authorization for entry in received})
    assert permits <= bench.counters["logins"] <= permits + 5  # one renewed in the background may end before it is used


def test_an_hour_of_waiting_polling_fetching_and_downloading_with_permits_of_five_seconds(
    sandbox: Sandbox, eso: Bench, hour: Hour, make_session: Callable[[], AuthSession], strangers: list[str]
) -> None:
    session = make_session()
    job = pyvo.dal.TAPService(TAP, session=session).submit_job(ROWS)
    hour.go_on(LIFE + 1)
    job.run()
    for _ in range(20):  # look at it now and then
        hour.go_on(60)
        assert job.phase == "EXECUTING"
    job.wait(phases=["COMPLETED"])
    assert hour.passed >= 3600
    hour.go_on(LIFE + 1)
    rows = job.fetch_result().to_table()
    assert len(rows) == len(raw_frames(CONFIDENTIAL_RUN))  # not the fewer rows of who is anonymous
    for row in rows[:3]:
        hour.go_on(LIFE + 1)
        with session.get(row["access_url"], stream=True, timeout=20) as answer:
            first = next(answer.iter_content(512))
            hour.go_on(10 * LIFE)  # the permit ends while the file comes
            content = first + b"".join(answer.iter_content(65536))
            assert answer.status_code == 200
            assert len(content) == int(answer.headers["Content-Length"]) > 512
    job.delete()
    check_that_every_request_was_authenticated(sandbox, eso)
    assert eso.counters["logins"] > 30
    assert strangers == []


def test_a_second_process_goes_on_with_the_job_of_the_first(
    sandbox: Sandbox, eso: Bench, hour: Hour, make_session: Callable[[], AuthSession]
) -> None:
    job = pyvo.dal.TAPService(TAP, session=make_session()).submit_job(ROWS)
    job.run()
    for _ in range(10):
        hour.go_on(60)
        assert job.phase == "EXECUTING"
    later = pyvo.dal.AsyncTAPJob(job.url, session=make_session())
    for _ in range(10):
        hour.go_on(60)
        assert later.phase == "EXECUTING"
    later.wait(phases=["COMPLETED"])
    assert len(later.fetch_result()) == len(raw_frames(CONFIDENTIAL_RUN))
    check_that_every_request_was_authenticated(sandbox, eso)


JOB = """
    import warnings
    import pyvo, vo_auth
    warnings.simplefilter("ignore")
    session = vo_auth.session_for(ARGUMENTS["tap"], wait_for_login="60s", interactive=False)
    tap = pyvo.dal.TAPService(ARGUMENTS["tap"], session=session)
    start_together()
    rows = [len(tap.search(ARGUMENTS["query"]))]
    (held,) = vo_auth.status()
    time.sleep(max(0.0, held.seconds_left) + 0.1)
    job = tap.submit_job(ARGUMENTS["query"])
    job.run().wait(phases=["COMPLETED"])
    rows.append(len(job.fetch_result()))
    session.close()
    report(rows)
"""


def log_in(environ: dict[str, str]) -> None:
    """Log in from another terminal."""
    user = STANDIN.credentials["pi"]
    done = subprocess.run(
        [sys.executable, "-c", "from vo_auth.cli import main; main()", "login", "eso", "--username", user["username"],
         "--password-stdin"],
        input=user["password"] + "\n", text=True, capture_output=True, timeout=60, check=False, env=environ,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_a_job_pauses_when_its_permit_has_ended_and_goes_on_after_a_login_in_another_process(
    sandbox: Sandbox, eso: Bench, crew: Crew, tmp_path: Path
) -> None:
    eso.knobs["token_life"] = LIFE
    environ = {name: value for name, value in sandbox.child_environ().items() if not name.startswith("VO_AUTH_ESO_")}
    with (tmp_path / "said").open("w") as said:
        (job,) = crew.hire(1, JOB, environ=environ, stderr=said, tap=TAP, query=ROWS)
        crew.ready()
        log_in(environ)
        eso.knobs["token_life"] = 3600
        (crew.folder / "go").touch()
        wait_for(lambda: "vo-auth login eso" in (tmp_path / "said").read_text() or job.poll() is not None, 40)
        assert job.poll() is None, (tmp_path / "said").read_text()
        log_in(environ)
        count = len(raw_frames(CONFIDENTIAL_RUN))
        assert crew.reports() == [[count, count]]
    assert (tmp_path / "said").read_text().count("vo-auth login eso") == 1
    assert eso.counters["logins"] == 2
    assert all(entry.authorization for entry in sandbox.received.at("archive.eso.org"))
