"""Digests, and files that are asked for again."""

from __future__ import annotations

import base64
import hashlib
import os
from pathlib import Path

import pytest
from faulty_server import BIG, FITS, OLD, Page, Server
from test_faults import files_in, finished

from conftest import Fetch
from vo_auth.transfer.digests import announced, parse_digest, parse_listing

SHA = f"sha256:{hashlib.sha256(FITS).hexdigest()}"


def sf(algorithm: str, data: bytes = FITS) -> str:
    return base64.b64encode(hashlib.new(algorithm, data).digest()).decode()


@pytest.mark.parametrize(
    ("headers", "is_whole", "digest"),
    [
        ({"Repr-Digest": f"sha-256=:{sf('sha256')}:"}, False, SHA),
        ({"Content-Digest": f"sha-256=:{sf('sha256')}:"}, True, SHA),
        ({"Content-Digest": f"sha-256=:{sf('sha256')}:"}, False, ""),
        ({"Digest": f"SHA-256={sf('sha256')},MD5={sf('md5')}"}, True, SHA),
        ({"Digest": f"sha={sf('sha1')}"}, True, f"sha1:{hashlib.sha1(FITS).hexdigest()}"),
        ({"Content-MD5": sf("md5")}, True, f"md5:{hashlib.md5(FITS).hexdigest()}"),
        ({"Repr-Digest": "sha-256=:nonsense:, unixsum=:AAAA:"}, True, ""),
        ({"Repr-Digest": f"md5=:{sf('sha256')}:"}, True, ""),
        ({}, True, ""),
    ],
)
def test_the_strongest_digest_of_the_headers_is_taken(headers: dict[str, str], is_whole: bool, digest: str) -> None:
    assert announced(headers, is_whole=is_whole) == digest


def test_digests_are_read_in_the_forms_that_are_about() -> None:
    assert parse_digest(SHA.upper()) == SHA
    assert parse_digest(SHA.partition(":")[2]) == SHA
    assert parse_digest(f"sha-256:{SHA.partition(':')[2]}") == SHA
    listing = f"# made by sha256sum\n{SHA[7:]}  x.fits\n{SHA[7:]} *y z.fits\n\n"
    assert parse_listing(listing) == {"x.fits": SHA, "y z.fits": SHA}
    for wrong in ("sha256:abc", "md5:" + SHA[7:], "zz" * 32, ""):
        with pytest.raises(ValueError, match="is no digest"):
            parse_digest(wrong)
    with pytest.raises(ValueError, match="no line of a list"):
        parse_listing(SHA)


def test_what_the_archive_or_the_user_says_is_checked_and_told(server: Server, fetch: Fetch) -> None:
    given = server.add("/given.fits", headers={"Repr-Digest": f"sha-256=:{sf('sha256')}:"})
    wanted, neither = server.add("/wanted.fits"), server.add("/neither.fits")
    there, failed = fetch(given, wanted, neither, digests={wanted: SHA})
    assert (failed, [one.digest for one in there]) == ([], [SHA, SHA, ""])
    there, _ = fetch(given, wanted, neither, digest="sha256")
    assert [one.digest for one in there] == [SHA, SHA, SHA]
    there, _ = fetch(server.add("/new.fits"), digest="md5")
    assert there[0].digest == f"md5:{hashlib.md5(FITS).hexdigest()}"


def test_a_file_with_another_digest_than_the_users_is_dropped(server: Server, fetch: Fetch, tmp_path: Path) -> None:
    url = server.add("/x.fits")
    _, failed = fetch(url, digests={url: "sha256:" + "0" * 64})
    assert "has the digest" in failed[0].reason
    assert files_in(tmp_path / "to") == {}
    fetch(url)
    _, failed = fetch(url, digests={url: "sha256:" + "0" * 64})
    assert "x.fits is there, but its digest is" in failed[0].reason
    assert finished(tmp_path / "to") == {"x.fits": FITS}
    assert len(server.received) == 2


def test_parts_that_do_not_belong_together_are_found_by_the_digest_and_fetched_again(
    server: Server, fetch: Fetch, tmp_path: Path
) -> None:
    """A server that changes a file and keeps its ETag, length and all."""
    other = BIG[::-1]
    pages = iter([Page(data=other, cuts=[400_000])])
    last = Page(data=BIG, headers={"Repr-Digest": f"sha-256=:{sf('sha256', BIG)}:"})
    url = server.add("/x.fits", before=lambda _: next(pages, last))
    _, failed = fetch(url)
    assert failed == []
    assert finished(tmp_path / "to") == {"x.fits": BIG}
    assert [request["Range"] != "" for request in server.received] == [False, True, False]


def test_a_digest_proves_what_a_closed_connection_does_not(server: Server, fetch: Fetch) -> None:
    url = server.add("/x.fits", framing="close")
    proved, unproved = server.add("/y.fits", framing="close"), url
    there, _ = fetch(unproved, proved, digests={proved: SHA})
    assert [one.is_proved for one in there] == [False, True]
    again, _ = fetch(unproved)
    assert [one.is_proved for one in again] == [False]


@pytest.mark.parametrize(
    ("page", "condition", "value"),
    [
        ({}, "If-None-Match", '"v1"'),
        ({"etag": "", "modified": OLD}, "If-Modified-Since", OLD),
        ({"etag": ""}, "If-None-Match", ""),
    ],
    ids=["ETag", "date", "length"],
)
def test_a_file_that_is_the_same_is_asked_for_and_not_fetched(
    page: dict[str, str], condition: str, value: str, server: Server, fetch: Fetch, tmp_path: Path
) -> None:
    url = server.add("/x.fits", **page)
    fetch(url)
    before = os.stat(tmp_path / "to" / "x.fits")
    there, _ = fetch(url, check=True, overwrite=True)
    assert [one.is_new for one in there] == [False]
    assert len(server.received) == 2
    assert server.received[1][condition] == value
    assert os.stat(tmp_path / "to" / "x.fits").st_ino == before.st_ino


@pytest.mark.parametrize(
    ("page", "new"),
    [
        ({}, {"etag": '"v2"'}),
        ({"etag": "", "modified": OLD}, {"etag": "", "modified": "Sun, 13 Sep 2020 12:26:41 GMT"}),
        ({"etag": ""}, {"etag": "", "data": FITS + FITS}),
    ],
    ids=["ETag", "date", "length"],
)
def test_another_version_replaces_the_file_only_when_that_is_asked_for(
    page: dict[str, str], new: dict[str, object], server: Server, fetch: Fetch, tmp_path: Path
) -> None:
    url = server.add("/x.fits", **page)
    fetch(url)
    server.pages["/x.fits"] = Page(**{"data": FITS[::-1], **new})  # type: ignore[arg-type]
    _, failed = fetch(url, check=True)
    assert "has another version of x.fits by now" in failed[0].reason
    assert finished(tmp_path / "to") == {"x.fits": FITS}
    there, _ = fetch(url, check=True, overwrite=True)
    assert [one.is_new for one in there] == [True]
    assert files_in(tmp_path / "to") == {"x.fits": new.get("data", FITS[::-1])}


def test_a_check_that_is_refused_is_a_failure_and_leaves_the_file(server: Server, fetch: Fetch, tmp_path: Path) -> None:
    url = server.add("/x.fits")
    fetch(url)
    server.pages["/x.fits"].status = 404
    _, failed = fetch(url, check=True)
    assert "404" in failed[0].reason
    assert finished(tmp_path / "to") == {"x.fits": FITS}


def test_a_durable_file_is_on_the_disk_before_it_has_its_name(
    server: Server, fetch: Fetch, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []
    real_sync, real_link = os.fsync, os.link

    def sync(fd: int) -> None:
        steps.append("sync")
        real_sync(fd)

    def link(*arguments: object, **options: object) -> None:
        steps.append("link")
        real_link(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "fsync", sync)
    monkeypatch.setattr(os, "link", link)
    fetch(server.add("/x.fits"), durable=True)
    assert steps == ["sync", "link", "sync"]
    fetch(server.add("/y.fits"))
    assert steps == ["sync", "link", "sync", "link"]
