"""The journal: what it survives, and what it never holds."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from faulty_server import BIG, FITS, Server
from test_faults import files_in, finished

from conftest import Fetch
from vo_auth.errors import DownloadError, DownloadWarning
from vo_auth.transfer.journal import JOURNAL, Entry, Journal


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "to" / JOURNAL


def test_a_torn_last_line_costs_nothing_else(server: Server, fetch: Fetch, journal: Path) -> None:
    urls = [server.add(f"/{number}.fits") for number in range(3)]
    fetch(*urls)
    text = journal.read_text()
    journal.write_text(text[:-20])
    with journal.open("ab") as file:
        file.write(b"\xff\x00")
    fetch(server.add("/new.fits"))
    before = len(server.received)
    there, failed = fetch(*urls, f"{server.base}/new.fits")
    assert len(there) + len(failed) == 4
    assert len(there) >= 3  # the file whose line was torn is there, and is not replaced
    assert len(server.received) <= before + 1


@pytest.mark.parametrize(
    "content",
    [
        b"{}\n",
        b"not ours\n",
        b'{"format":"vo-auth downloads","version":99}\n{"url":"x"}\n',
        b"\x00" * 4096,
        b"[]\n",
    ],
    ids=["empty", "text", "newer", "zeros", "list"],
)
def test_a_journal_that_is_damaged_or_of_another_version_is_set_aside_and_said(
    content: bytes, server: Server, fetch: Fetch, journal: Path
) -> None:
    journal.parent.mkdir()
    journal.write_bytes(content)
    with pytest.warns(DownloadWarning, match=r"is kept as \.vo-auth-get\.jsonl\.set-aside-1"):
        there, _ = fetch(server.add("/x.fits"))
    assert len(there) == 1
    assert journal.with_name(f"{JOURNAL}.set-aside-1").read_bytes() == content
    assert json.loads(journal.read_text().splitlines()[0]) == {"format": "vo-auth downloads", "version": 1}


@pytest.mark.parametrize(
    "record",
    [
        {"url": "KEY", "state": "part", "name": "../x", "part": "../outside", "size": 9, "etag": '"v1"'},
        {"url": "KEY", "state": "part", "name": "x", "part": "..", "size": 9},
        {"url": "KEY", "state": "done", "name": "/etc/hostname", "size": 3},
        {"url": "KEY", "state": "done", "name": ["x"], "size": 3},
        {"url": "KEY", "state": "done", "name": "x", "size": "3"},
        {"url": "KEY", "state": "other", "name": "x"},
        {"url": "KEY", "state": "done", "name": "x", "unheard": "of"},
        {"url": "KEY", "state": "part", "name": "x", "part": "x\0"},
    ],
)
def test_a_line_that_makes_no_sense_or_leads_out_is_not_believed(
    record: dict[str, object], server: Server, fetch: Fetch, journal: Path, tmp_path: Path
) -> None:
    from vo_auth.transfer.record import key_of

    outside = tmp_path / "outside"
    outside.write_bytes(b"12345")
    url = server.add("/x.fits")
    journal.parent.mkdir()
    Journal(journal.parent).close()
    with journal.open("a") as file:
        file.write(json.dumps({**record, "url": key_of(url)}) + "\n")
    there, _ = fetch(url)
    assert [one.is_new for one in there] == [True]
    assert finished(journal.parent) == {"x.fits": FITS}
    assert outside.read_bytes() == b"12345"


def test_a_journal_that_is_open_to_others_is_closed(server: Server, fetch: Fetch, journal: Path) -> None:
    journal.parent.mkdir()
    journal.touch(mode=0o644)
    os.chmod(journal, 0o644)
    fetch(server.add("/x.fits"))
    assert journal.stat().st_mode & 0o777 == 0o600


def test_a_journal_that_is_no_file_is_an_error(fetch: Fetch, journal: Path) -> None:
    journal.parent.mkdir()
    os.mkfifo(journal)
    with pytest.raises(DownloadError, match="it is not a plain file"):
        fetch("https://x.example.org/")
    journal.unlink()
    journal.mkdir()
    with pytest.raises(DownloadError, match="cannot be used for downloads"):
        fetch("https://x.example.org/")


def test_without_a_journal_what_is_there_stays_as_it_is(server: Server, fetch: Fetch, journal: Path) -> None:
    url = server.add("/x.fits", data=BIG, cuts=[500_000, 0, 0])
    fetch(url, retries=1)
    part = files_in(journal.parent)["x.fits.part"]
    journal.unlink()
    there, _ = fetch(url)
    assert len(there) == 1
    assert files_in(journal.parent) == {"x.fits": BIG, "x.fits.part": part}


def test_what_is_written_is_what_is_read(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    entry = Entry(
        url="k",
        shown="s",
        state="done",
        name="n",
        size=0,
        etag='"ü"',
        modified="m",
        coding="c",
        identity="i",
        digest="d",
        proved=False,
    )
    journal.note(entry)
    journal.note(Entry(url="other", state="part", part="p"))
    journal.note(Entry(url="other", state="gone"))
    journal.close()
    again = Journal(tmp_path)
    assert again.find("k") == entry
    assert again.find("other") is None
    again.close()
