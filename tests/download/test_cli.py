"""``vo-auth get`` as a person or a script uses it."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from astropy.table import Table
from faulty_server import BIG, FITS, Server
from test_faults import finished

from vo_auth.sandbox.datalink import Link, datalink_document

COMMAND = "from vo_auth.cli import main; main()"
Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    def command(*arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", COMMAND, "get", "-d", str(tmp_path / "to"), *arguments],
            env={**os.environ, "COLUMNS": "80", "NO_COLOR": "1", "TERM": "dumb"},
            input=stdin,
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )

    return command


def without_advice(said: str) -> list[str]:
    return [line for line in said.splitlines() if "No plugin knows" not in line]


def test_files_are_listed_for_programs_and_the_sum_is_said(server: Server, run: Run, tmp_path: Path) -> None:
    url = server.add("/x.fits")
    done = run(url)
    assert done.returncode == 0
    assert done.stdout.split("\t")[:2] == ["x.fits", "5760"]
    assert without_advice(done.stderr) == ["vo-auth: 1 fetched (5.8 kB)"]
    assert finished(tmp_path / "to") == {"x.fits": FITS}
    again = run(url)
    assert (again.returncode, again.stdout) == (0, "x.fits\t5760\t0.0\tpresent\n")
    assert without_advice(again.stderr) == ["vo-auth: 0 fetched (0 bytes), 1 there before"]


def test_what_failed_is_said_with_its_reason_and_written_to_a_list_for_another_run(
    server: Server, run: Run, tmp_path: Path
) -> None:
    good, bad = server.add("/x.fits"), server.add("/no.fits", status=404) + "?sig=obviously-fake"
    listing = tmp_path / "failed.txt"
    done = run(good, bad, "--failed-to", str(listing))
    assert done.returncode == 1
    shown = bad.partition("?")[0]
    assert f"vo-auth: {shown}?…: 127.0.0.1 answers 404 Not Found" in done.stderr
    assert "1 fetched (5.8 kB), 1 failed" in done.stderr
    assert "obviously-fake" not in done.stdout + done.stderr
    assert listing.read_text() == f"{bad}\n"
    assert listing.stat().st_mode & 0o777 == 0o600
    server.pages["/no.fits"].status = 200
    assert run("-i", str(listing), "--failed-to", str(listing)).returncode == 0
    assert listing.read_text() == ""


def test_lists_come_from_files_and_stdin_with_digests_or_without(server: Server, run: Run, tmp_path: Path) -> None:
    urls = [server.add(f"/{number}.fits") for number in range(4)]
    listing = tmp_path / "list.txt"
    listing.write_text(f"# mine\n\n{urls[0]}\n  {urls[1]}  sha256:{'0' * 64}\n")
    done = run(urls[3], "-i", str(listing), "-i", "-", stdin=f"{urls[2]}\n")
    assert done.returncode == 1
    assert "has the digest" in done.stderr
    assert set(finished(tmp_path / "to")) == {"0.fits", "2.fits", "3.fits"}


def test_digests_come_from_a_list_as_sha256sum_writes_it(server: Server, run: Run, tmp_path: Path) -> None:
    import hashlib

    urls = [server.add("/x.fits"), server.add("/y.fits", data=BIG)]
    sums = tmp_path / "SHA256SUMS"
    sums.write_text(f"{hashlib.sha256(FITS).hexdigest()}  x.fits\n{'0' * 64}  y.fits\n")
    done = run(*urls, "--digests", str(sums), "--digest", "sha256")
    assert done.returncode == 1
    assert f"finished\tsha256:{hashlib.sha256(FITS).hexdigest()}" in done.stdout
    assert "y.fits" in done.stderr
    sums.write_text(f"{'0' * 64}  z.fits\n")
    assert "no line of" in run(*urls, "--digests", str(sums)).stderr


def test_tables_come_from_files_and_urls(server: Server, run: Run, tmp_path: Path) -> None:
    table = tmp_path / "t.vot"
    Table({"access_url": [server.add("/x.fits")], "other": [server.add("/y.fits")]}).write(table, format="votable")
    assert run("--votable", str(table)).returncode == 0
    assert run("--votable", str(table), "--column", "other").returncode == 0
    links = datalink_document([Link(ID="1", access_url=server.add("/z.fits"), semantics="#flat")])
    url = server.add("/links", data=links, content_type="application/x-votable+xml;content=datalink")
    assert run("--votable", url, "--semantics", "#calibration").returncode == 0
    assert set(finished(tmp_path / "to")) == {"x.fits", "y.fits", "z.fits"}


def test_events_are_json_one_a_line(server: Server, run: Run) -> None:
    done = run(server.add("/x.fits"), server.add("/no.fits", status=404), "--json")
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert [event["kind"] for event in events if event.get("number") == 0] == ["started", "finished"]
    assert [event["kind"] for event in events if event.get("number") == 1] == ["failed"]
    assert events[-1] == {"kind": "total", "files": 2, "there": 1, "fetched": 1, "failed": 1, "bytes": 5760}
    assert done.returncode == 1


def test_quiet_says_nothing_but_what_failed(server: Server, run: Run) -> None:
    done = run("-q", server.add("/x.fits"))
    assert (done.stdout, without_advice(done.stderr)) == ("", [])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "give URLs"),
        (("-i", "/nowhere/list.txt"), "cannot be read: No such file"),
        (("--votable", "/nowhere/t.vot"), "cannot be read"),
        (("https://x.example.org/", "--column", "x"), "--column is for"),
        (("https://x.example.org/", "-j", "0"), "equal to 1"),
        (("https://x.example.org/", "--digest", "sha257"), "there is no digest"),
        (("https://x.example.org/", "--no-such-option"), "No such option"),
    ],
)
def test_wrong_usage_has_status_2(arguments: tuple[str, ...], said: str, run: Run) -> None:
    done = run(*arguments)
    assert done.returncode == 2
    assert said in " ".join(done.stderr.replace("│", " ").split())
    assert "Traceback" not in done.stderr


def test_a_folder_that_cannot_be_used_has_status_1(run: Run, tmp_path: Path) -> None:
    (tmp_path / "to").write_text("a file")
    done = run("https://x.example.org/")
    assert done.returncode == 1
    assert f"cannot be made: {os.strerror(errno.EEXIST)}" in done.stderr


def test_in_a_terminal_there_are_bars_and_a_table_of_what_failed(server: Server, tmp_path: Path) -> None:
    import pty
    import threading

    master, slave = pty.openpty()
    said = bytearray()

    def read() -> None:
        while True:
            try:
                data = os.read(master, 65536)
            except OSError:
                return
            if not data:
                return
            said.extend(data)

    reader = threading.Thread(target=read)
    reader.start()
    slow = server.add("/slow.fits", data=BIG[:3000], drip=0.002)
    server.pages["/slow.fits"].announced = None
    bad = server.add("/no\x1b.fits", status=404)
    process = subprocess.run(
        [sys.executable, "-c", COMMAND, "get", "-d", str(tmp_path), slow, bad],
        env={**os.environ, "COLUMNS": "100", "TERM": "xterm"},
        stdin=slave,
        stdout=slave,
        stderr=slave,
        timeout=100,
        check=False,
    )
    os.close(slave)
    reader.join(timeout=10)
    os.close(master)
    text = said.decode()
    assert process.returncode == 1
    assert "slow.fits" in text
    assert "/2 files" in text
    assert "not there" in text
    assert "404 Not Found" in text
    assert "no\x1b" not in text
    assert "no�.fits" in text
    assert "1 fetched (3.0 kB), 1 failed" in text


def test_help_fits_80_columns_and_has_an_example(run: Run) -> None:
    done = run("--help")
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert "Example: vo-auth get -i list.txt -d data" in done.stdout
