"""What can happen to a download: each ends with the right files or none, and a row that says why."""

from __future__ import annotations

import errno
import gzip
import json
import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from faulty_server import BIG, FITS, OLD, Page, Server

from conftest import Fetch
from vo_auth.errors import DownloadError
from vo_auth.transfer.journal import JOURNAL

HTML = b"<!DOCTYPE html>\n<html><head><title>Log in</title></head></html>"
VOTABLE_ERROR = (
    b'<?xml version="1.0"?>\n<VOTABLE version="1.4"><RESOURCE type="results">'
    b'<INFO name="QUERY_STATUS" value="ERROR">No such file: see https://x.example.org/?sig=obviously-fake</INFO>'
    b"</RESOURCE></VOTABLE>"
)


@dataclass
class Case:
    name: str
    page: dict[str, object]
    files: dict[str, bytes] = field(default_factory=dict)
    why: str = ""  # found in the row of the failure
    asked: int = 1
    options: dict[str, object] = field(default_factory=dict)
    ranges: tuple[str, ...] | None = None  # the Range headers of all requests
    notes: str = ""  # found in the text of an event


def sequence(*pages: Page) -> Callable[[object], Page | None]:
    """Answer with one page after the other, and with the last from then on."""
    left = list(pages)
    return lambda _: left.pop(0) if len(left) > 1 else left[0]


def big(**options: object) -> Page:
    return Page(**{"data": BIG, **options})  # type: ignore[arg-type]


SIZE = len(BIG)
CASES = [
    Case("reset in the middle", {"data": BIG, "cuts": [SIZE // 2]}, {"x.fits": BIG}, asked=2, notes="reset by peer"),
    Case("closed early", {"data": BIG, "cuts": [SIZE // 2], "reset": False}, {"x.fits": BIG}, asked=2),
    Case("reset before any byte", {"data": BIG, "cuts": [0, 0]}, {"x.fits": BIG}, asked=3),
    Case("broken again and again", {"data": BIG, "cuts": [200_000] * 4}, {"x.fits": BIG}, asked=5),
    Case(
        "never a byte",
        {"cuts": [0] * 99},
        why="connection (broke|was closed).*given up after 4 attempts",
        asked=4,
    ),
    Case(
        "a server without ranges begins again",
        {"data": BIG, "cuts": [SIZE // 2], "ranges": False},
        {"x.fits": BIG},
        asked=2,
    ),
    Case(
        "no validator: it begins again",
        {"data": BIG, "etag": "", "cuts": [SIZE // 2]},
        {"x.fits": BIG},
        asked=2,
        ranges=("", ""),
    ),
    Case(
        "a weak validator: it begins again",
        {"data": BIG, "etag": 'W/"v1"', "cuts": [SIZE // 2]},
        {"x.fits": BIG},
        asked=2,
        ranges=("", ""),
    ),
    Case(
        "Last-Modified is a validator, too",
        {"data": BIG, "etag": "", "modified": OLD, "cuts": [400_000]},
        {"x.fits": BIG},
        asked=2,
    ),
    Case(
        "another version in between: If-Range",
        {"before": sequence(big(cuts=[400_000]), Page(data=BIG[::-1], etag='"v2"'))},
        {"x.fits": BIG[::-1]},
        asked=2,
    ),
    Case(
        "another version, from a server that knows no If-Range",
        {"before": sequence(big(cuts=[400_000]), Page(data=BIG[::-1], etag='"v2"', honours_if_range=False))},
        {"x.fits": BIG[::-1]},
        asked=3,
    ),
    Case(
        "a part from elsewhere in the file",
        {"before": sequence(big(cuts=[400_000]), big(headers={"Content-Range": f"bytes 7-{SIZE - 1}/{SIZE}"}), big())},
        {"x.fits": BIG},
        asked=3,
    ),
    Case(
        "a part of a file of another length",
        {"before": sequence(big(cuts=[400_000]), Page(data=BIG + FITS, honours_if_range=False), Page(data=BIG + FITS))},
        {"x.fits": BIG + FITS},
        asked=3,
    ),
    Case(
        "416: the file has become shorter",
        {"before": sequence(big(cuts=[400_000]), Page(data=FITS, honours_if_range=False))},
        {"x.fits": FITS},
        asked=3,
    ),
    Case("more announced than sent", {"announced": len(FITS) + 10}, why="closed after 5,760 of 5,770 bytes", asked=7),
    Case("slow drip", {"drip": 0.2}, why=r"No data came.*given up", asked=2, options={"stall": 0.5, "retries": 1}),
    Case("chunked", {"data": BIG, "framing": "chunked"}, {"x.fits": BIG}),
    Case("chunked, and cut", {"data": BIG, "framing": "chunked", "cuts": [400_000]}, {"x.fits": BIG}, asked=2),
    Case("ended by close", {"framing": "close"}, {"x.fits": FITS}, notes="whether it is whole cannot be told"),
    Case(
        "ended by close within a FITS block",
        {"framing": "close", "etag": "", "cuts": [4000] * 9, "reset": False},
        why="middle of a FITS block",
        asked=4,
    ),
    Case(
        "ended by close within a FITS block, of a version that has a name",
        {"framing": "close", "cuts": [4000], "reset": False},
        {"x.fits": FITS},
        asked=2,
    ),
    Case("an empty file", {"data": b""}, {"x.fits": b""}),
    Case(
        "packed, though not asked for",
        {"data": gzip.compress(FITS), "headers": {"Content-Encoding": "gzip"}},
        {"x.fits": FITS},
    ),
    Case(
        "packed, and broken",
        {"data": gzip.compress(FITS)[:-9], "headers": {"Content-Encoding": "gzip"}},
        why="came packed.*breaks off",
    ),
    Case("packed in an unknown way", {"headers": {"Content-Encoding": "br"}}, why="Content-Encoding 'br'"),
    Case("an HTML page", {"data": HTML, "content_type": "text/html"}, why="127.0.0.1 answers with an HTML page"),
    Case("an HTML page that says it is data", {"data": b"\n " + HTML}, why="answers with an HTML page"),
    Case(
        "a VOTable that says ERROR",
        {"data": VOTABLE_ERROR, "content_type": "application/x-votable+xml"},
        why=r"error where data was due: No such file: see https://x.example.org/\?…",
    ),
    Case("503, then well", {"before": sequence(Page(status=503), Page(status=503), Page())}, {"x.fits": FITS}, asked=3),
    Case(
        "503 with Retry-After",
        {"before": sequence(Page(status=503, headers={"Retry-After": "1"}), Page())},
        {"x.fits": FITS},
        asked=2,
        notes="503",
    ),
    Case(
        "429 for too long",
        {"status": 429, "headers": {"Retry-After": "3600"}},
        why="429 Too Many Requests: it asks to come back in 3,600 s",
    ),
    Case("404", {"status": 404}, why="404 Not Found"),
    Case("401 of an unknown host", {"status": 401}, why="401 Unauthorized: it is not for everybody"),
    Case("500 is not tried again", {"status": 500}, why="500 Internal Server Error"),
    Case("nothing yet", {"status": 202}, why="202 Accepted: there is nothing to fetch, or not yet"),
    Case("redirects without end", {"status": 302, "headers": {"Location": "/x.fits"}}, why="redirect", asked=31),
    Case(
        "a digest that is wrong",
        {"headers": {"Repr-Digest": "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:"}},
        why="has the digest sha256:.* and not sha256:e3b0c442",
    ),
    Case(
        "a name that leads out",
        {"headers": {"Content-Disposition": 'attachment; filename="../../out.fits"'}},
        {"out.fits": FITS},
    ),
    Case(
        "a name that hides",
        {"headers": {"Content-Disposition": "attachment; filename*=UTF-8''%2e%2e%5c.bashrc%00%e2%80%ae"}},
        {"bashrc": FITS},
    ),
    Case(
        "the name of the journal",
        {"headers": {"Content-Disposition": f"attachment; filename={JOURNAL}"}},
        {JOURNAL.lstrip("."): FITS},
    ),
]


def files_in(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != JOURNAL}


def finished(folder: Path) -> dict[str, bytes]:
    return {name: data for name, data in files_in(folder).items() if ".part" not in name}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_fault_ends_with_the_right_file_or_none_and_a_clear_row(
    case: Case, server: Server, fetch: Fetch, tmp_path: Path, events: list[object]
) -> None:
    url = server.add("/x.fits", **case.page)
    there, failed = fetch(url, **case.options)
    assert finished(tmp_path / "to") == case.files
    assert len(there) == len(case.files)
    assert len(failed) == (not case.files)
    assert all(re.search(case.why, one.reason) for one in failed), [one.reason for one in failed]
    assert len(server.received) == case.asked
    assert any(re.search(case.notes, getattr(event, "text", "")) for event in events)
    if case.ranges is not None:
        assert tuple(request["Range"] for request in server.received) == case.ranges
    if case.files:
        assert files_in(tmp_path / "to") == case.files  # no part is left
        before = len(server.received)
        again, _ = fetch(url)
        assert [one.is_new for one in again] == [False]
        assert len(server.received) == before


def test_the_table_has_the_faults_that_a_network_and_a_server_make() -> None:
    assert len(CASES) >= 15
    assert len({case.name for case in CASES}) == len(CASES)


def test_a_host_that_nobody_listens_at_is_given_up(fetch: Fetch, tmp_path: Path) -> None:
    with Server() as gone:
        url = f"{gone.base}/x.fits"
    there, failed = fetch(url, f"{url}?other")
    assert there == []
    assert all("given up after" in one.reason for one in failed)
    assert finished(tmp_path / "to") == {}


@pytest.mark.parametrize("url", ["no url", "http://[", "ftp://x.example.org/x.fits", "http://"])
def test_a_text_that_is_no_url_fails_alone(url: str, server: Server, fetch: Fetch, tmp_path: Path) -> None:
    good = server.add("/x.fits")
    there, failed = fetch(url, good)
    assert [one.path.name for one in there] == ["x.fits"]
    assert [one.url for one in failed] == [url]
    assert "asked for" in failed[0].reason


# ---------------------------------------------------------------- the disk


def test_a_full_disk_stops_everything_and_keeps_what_came(
    server: Server, fetch: Fetch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, written = os.pwrite, 0

    def full(fd: int, data: memoryview, offset: int) -> int:
        nonlocal written
        if written + len(data) > 300_000:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written += len(data)
        return real(fd, data, offset)

    urls = [server.add(f"/{number}.fits", data=BIG) for number in range(6)]
    with monkeypatch.context() as patch:
        patch.setattr("vo_auth.transfer.part._write_at", full)
        there, failed = fetch(*urls, workers=1)
    assert there == []
    assert {one.reason for one in failed} == {
        "0.fits.part cannot be written: No space left on device; what came so far is kept"
    }
    assert len(server.received) == 1
    there, failed = fetch(*urls)
    assert finished(tmp_path / "to") == {f"{number}.fits": BIG for number in range(6)}
    assert server.asked("/0.fits")[1]["Range"] != ""


def test_a_file_for_which_there_is_no_room_is_not_begun(
    server: Server, fetch: Fetch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vo_auth.transfer.folder.Folder.free", lambda _: 10_000)
    there, failed = fetch(server.add("/big.fits", data=BIG), server.add("/small.fits"))
    assert [one.path.name for one in there] == ["small.fits"]
    assert "There is no room for it: 1,152,000 bytes are to come" in failed[0].reason
    assert set(files_in(tmp_path / "to")) == {"small.fits"}


@pytest.mark.parametrize("failing", ["mkdir", "open"])
def test_a_folder_that_cannot_be_written_is_an_error_before_any_request(
    failing: str, server: Server, fetch: Fetch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, folder = server.add("/x.fits"), tmp_path / "to"
    if failing == "mkdir":
        (tmp_path / "file").touch()
        folder = tmp_path / "file" / "to"
    else:

        def refuse(*_: object) -> int:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))

        monkeypatch.setattr("vo_auth.transfer.journal.os.open", refuse)
    with pytest.raises(DownloadError, match=r"cannot be (made|used).*(Not a directory|Read-only file system)"):
        fetch(url, to=folder)
    assert server.received == []


def test_the_journal_keeps_no_url_with_its_query(server: Server, fetch: Fetch, tmp_path: Path) -> None:
    fetch(server.add("/x.fits") + "?X-Signature=obviously-fake")
    text = (tmp_path / "to" / JOURNAL).read_text()
    assert "obviously-fake" not in text
    assert [json.loads(line).get("state") for line in text.splitlines()] == [None, "part", "done"]
    assert (tmp_path / "to" / JOURNAL).stat().st_mode & 0o777 == 0o600
