"""However a download ends, what came so far is of use: Ctrl-C, SIGTERM, kill -9, two at once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from faulty_server import BIG, FITS, Server
from test_faults import files_in, finished

from conftest import Fetch

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")

COMMAND = "from vo_auth.cli import main; main()"
Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start ``vo-auth get`` into the folder ``to``; it is ended at the end."""
    started: list[subprocess.Popen[str]] = []

    def call(*arguments: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [
                sys.executable,
                "-c",
                "from vo_auth.cli import main; main()",
                "get",
                "-d",
                str(tmp_path / "to"),
                *arguments,
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield call
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


def wait_until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.01)


def slowly(server: Server) -> str:
    """A file of which nine tenths come at once, and the rest when the server is told."""
    return server.add("/x.fits", data=BIG, hold=9 * len(BIG) // 10)


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -signal.SIGKILL)]
)
def test_a_signal_leaves_a_part_that_the_same_command_goes_on_with(
    number: int, status: int, server: Server, start: Start, tmp_path: Path
) -> None:
    url, small = slowly(server), server.add("/small.fits")
    process = start(url, small)
    part = tmp_path / "to" / "x.fits.part"
    wait_until(lambda: part.exists() and part.stat().st_size > len(BIG) // 2 and (part.parent / "small.fits").exists())
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    assert process.returncode == status
    assert "Traceback" not in said
    assert ("the same command goes on" in said) is (number != signal.SIGKILL)
    assert finished(tmp_path / "to") == {"small.fits": FITS}
    came = part.stat().st_size
    assert part.read_bytes() == BIG[:came]

    server.go_on.set()
    before = len(server.received)
    again = start(url, small)
    _, said = again.communicate(timeout=60)
    assert again.returncode == 0, said
    assert files_in(tmp_path / "to") == {"x.fits": BIG, "small.fits": FITS}
    assert [request["Range"] for request in server.received[before:]] == [f"bytes={came}-"]


def test_a_process_that_is_killed_before_a_whole_file_has_its_name_asks_nobody_again(
    server: Server, fetch: Fetch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = server.add("/x.fits", data=BIG)

    class Killed(BaseException):
        pass

    def die(*_: object, **__: object) -> None:
        raise Killed

    for step in ("os.link", "os.unlink"):
        with monkeypatch.context() as patch:
            patch.setattr(f"vo_auth.transfer.folder.{step}", die)
            with pytest.raises(Killed):
                fetch(url)
        before = len(server.received)
        there, _ = fetch(url)
        assert [one.path.read_bytes() == BIG for one in there] == [True]
        assert files_in(tmp_path / "to") == {"x.fits": BIG}
        assert len(server.received) == before
        (tmp_path / "to" / "x.fits").unlink()


def test_an_interrupt_in_python_ends_soon_and_leaves_parts(server: Server, fetch: Fetch, tmp_path: Path) -> None:
    url = slowly(server)
    part = tmp_path / "to" / "x.fits.part"

    def interrupt() -> None:
        wait_until(lambda: part.exists() and part.stat().st_size > len(BIG) // 2)
        signal.raise_signal(signal.SIGINT)

    threading.Thread(target=interrupt, daemon=True).start()
    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        fetch(url, timeout=(60.0, 60.0), stall=60.0)
    assert time.monotonic() - started < 8  # else the worker was waited for in vain
    assert part.read_bytes() == BIG[: part.stat().st_size]


def test_two_processes_share_a_folder_and_do_not_write_one_file(
    server: Server, start: Start, fetch: Fetch, tmp_path: Path
) -> None:
    url = slowly(server)
    process = start(url)
    part = tmp_path / "to" / "x.fits.part"
    wait_until(lambda: part.exists() and part.stat().st_size > len(BIG) // 2)
    there, failed = fetch(url, server.add("/y.fits"))
    assert [one.path.name for one in there] == ["y.fits"]
    assert failed[0].reason == "Another process is writing x.fits.part: wait for it to end"
    server.go_on.set()
    _, said = process.communicate(timeout=60)
    assert process.returncode == 0, said
    assert files_in(tmp_path / "to") == {"x.fits": BIG, "y.fits": FITS}
    there, _ = fetch(url)
    assert [one.is_new for one in there] == [False]


def test_an_error_in_a_progress_function_ends_the_download_and_is_raised(server: Server, tmp_path: Path) -> None:
    import requests

    import vo_auth

    def fail(_: object) -> None:
        raise ZeroDivisionError

    with requests.Session() as session, pytest.raises(ZeroDivisionError):
        vo_auth.download(server.add("/x.fits"), tmp_path, session=session, progress=fail)
