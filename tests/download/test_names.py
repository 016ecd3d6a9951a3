"""Names that servers suggest, and what may be at a name already."""

from __future__ import annotations

import os
from itertools import islice
from pathlib import Path

import pytest
from faulty_server import FITS, Server
from hypothesis import given
from hypothesis import strategies as st
from test_faults import files_in, finished

from conftest import Fetch
from vo_auth.transfer.filenames import name_from, numbered, safe_name, suggested
from vo_auth.transfer.journal import JOURNAL


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ('attachment; filename="x y.fits"', "x y.fits"),
        ("attachment; filename=x.fits", "x.fits"),
        ("attachment;filename=XSHOO.2017-01-01T00:00:00.000.fits.Z", "XSHOO.2017-01-01T00:00:00.000.fits.Z"),
        (r'attachment; filename="a\"b\\c.fits"', r'a"b\c.fits'),
        ("attachment; filename*=UTF-8''na%C3%AFve%20x.fits; filename=plain.fits", "naïve x.fits"),
        ("attachment; filename=plain.fits; filename*=iso-8859-1'en'%A3.fits", "£.fits"),
        ("attachment; filename*=utf-7''x; filename=plain.fits", "plain.fits"),
        ("attachment; filename*=UTF-8''%ff; filename=plain.fits", "plain.fits"),
        ('INLINE; FileName = "x.fits" ; size=3', "x.fits"),
        ('attachment; name="filename=no.fits"; filename="x;y.fits"', "x;y.fits"),
        ('attachment; filename="na\u00c3\u00afve.fits"', "naïve.fits"),  # UTF-8, read as Latin-1
        ("attachment; filename=one.fits; filename=two.fits", "one.fits"),
        ("attachment", ""),
        ("", ""),
    ],
)
def test_a_suggested_name_is_read_as_rfc_6266_and_archives_write_it(header: str, name: str) -> None:
    assert suggested(header) == name


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("../../etc/passwd", "passwd"),
        ("..\\..\\x.fits", "x.fits"),
        ("/abs/x.fits", "x.fits"),
        ("C:\\x.fits", "x.fits"),
        ("..", ""),
        (". . .", ""),
        (".bashrc", "bashrc"),
        ("-rf", "_rf"),
        ("~root", "_root"),
        ("con", "_con"),
        ("NUL.fits", "_NUL.fits"),
        ("LPT1.tar.gz", "_LPT1.tar.gz"),
        ("COM¹", "_COM¹"),
        ("console.fits", "console.fits"),
        ("x.fits. . ", "x.fits"),
        ("a\x00b\x1b[31m\n.fits", "ab[31m .fits"),
        ("exe\u202estif.fits", "exestif.fits"),
        ('a<b>c|d?e*f".fits', "a_b_c_d_e_f_.fits"),
        ("a\u0301.fits", "\u00e1.fits"),
        ("x" * 300 + ".fits.gz", "x" * 192 + ".fits.gz"),
        ("ü" * 300, "ü" * 100),
        ("x." + "y" * 300, "x." + "y" * 198),
    ],
)
def test_a_name_is_made_safe(name: str, safe: str) -> None:
    assert safe_name(name, windows=False) == safe


def test_colons_stay_where_they_can() -> None:
    name = "XSHOO.2017-01-01T00:00:00.000.fits"
    assert safe_name(name, windows=False) == name
    assert safe_name(name, windows=True) == "XSHOO.2017-01-01T00_00_00.000.fits"


@given(st.text(max_size=400), st.booleans())
def test_any_name_becomes_one_plain_segment_or_none(name: str, windows: bool) -> None:
    safe = safe_name(name, windows=windows)
    assert safe == os.path.basename(safe)
    assert safe not in (".", "..")
    assert len(safe.encode()) <= 200
    assert not set(safe) & set('/\\\0<>"|?*')
    assert safe.isprintable()
    assert not safe.startswith((".", "-", "~"))
    assert not safe.endswith((" ", "."))
    assert safe_name(safe, windows=windows) == safe


@pytest.mark.parametrize(
    ("url", "content_type", "name"),
    [
        ("https://x.example.org/a/b.fits?sig=obviously-fake", "", "b.fits"),
        ("https://x.example.org/a/b%20c.fits", "", "b c.fits"),
        ("https://x.example.org/a/%2e%2e%2f%2e%2e%2fx", "", "x"),
        ("https://x.example.org/soda/sync?ID=1", "application/fits; charset=x", "sync.fits"),
        ("https://x.example.org/", "", "download"),
        ("https://x.example.org", "text/csv", "download.csv"),
    ],
)
def test_without_a_suggestion_the_last_part_of_the_url_is_the_name(url: str, content_type: str, name: str) -> None:
    assert name_from(url, "", content_type) == name


def test_numbers_go_before_the_suffix() -> None:
    assert list(islice(numbered("x.fits"), 3)) == ["x.fits", "x-1.fits", "x-2.fits"]
    assert list(islice(numbered("t.00:00:00.000.fits.Z"), 2))[1] == "t.00:00:00.000-1.fits.Z"
    assert list(islice(numbered("README"), 2))[1] == "README-1"


# ---------------------------------------------------------------- what is there already


def test_two_urls_that_claim_one_name_are_both_kept_again_and_again(
    server: Server, fetch: Fetch, tmp_path: Path
) -> None:
    urls = [server.add(f"/{name}/x.fits", data=FITS + name.encode() * 2880) for name in "abcdef"]
    there, _ = fetch(*urls)
    assert sorted(path.name for path in (tmp_path / "to").glob("*.fits")) == sorted(one.path.name for one in there)
    assert {one.url: one.path.read_bytes() for one in there} == {
        url: FITS + name.encode() * 2880 for url, name in zip(urls, "abcdef", strict=True)
    }
    again, _ = fetch(*reversed(urls))
    assert {one.url: one.path for one in again} == {one.url: one.path for one in there}
    more, _ = fetch(server.add("/g/x.fits", data=b"g"), overwrite=True)
    assert [one.path.name for one in more] == ["x-6.fits"]


def test_a_url_that_is_named_twice_is_fetched_once(server: Server, fetch: Fetch) -> None:
    url = server.add("/x.fits")
    there, _ = fetch(url, server.add("/y.fits"), url, f"{url}#part")
    assert [one.path.name for one in there] == ["x.fits", "y.fits", "x.fits", "x.fits"]
    assert len(server.received) == 2


def test_a_file_of_somebody_else_is_not_replaced_unless_that_is_asked_for(
    server: Server, fetch: Fetch, tmp_path: Path
) -> None:
    url, folder = server.add("/x.fits"), tmp_path / "to"
    folder.mkdir()
    (folder / "x.fits").write_bytes(b"mine")
    there, failed = fetch(url)
    assert (there, finished(folder)) == ([], {"x.fits": b"mine"})
    assert "A file x.fits is there already" in failed[0].reason
    there, failed = fetch(url, overwrite=True)
    assert (failed, files_in(folder)) == ([], {"x.fits": FITS})


def test_a_file_that_was_changed_since_is_not_replaced(server: Server, fetch: Fetch, tmp_path: Path) -> None:
    url = server.add("/x.fits")
    fetch(url)
    (tmp_path / "to" / "x.fits").write_bytes(b"with my own keywords")
    _, failed = fetch(url)
    assert "not as this URL left it" in failed[0].reason
    assert finished(tmp_path / "to") == {"x.fits": b"with my own keywords"}


def test_a_file_that_is_gone_is_fetched_again(server: Server, fetch: Fetch, tmp_path: Path) -> None:
    url = server.add("/x.fits")
    fetch(url)
    (tmp_path / "to" / "x.fits").unlink()
    there, _ = fetch(url)
    assert [one.is_new for one in there] == [True]


@pytest.mark.parametrize("overwrite", [False, True])
def test_nothing_is_written_through_links(overwrite: bool, server: Server, fetch: Fetch, tmp_path: Path) -> None:
    folder, outside = tmp_path / "to", tmp_path / "outside"
    folder.mkdir()
    outside.write_bytes(b"precious")
    for name in ("x.fits", "x.fits.part", "y.fits.part"):
        (folder / name).symlink_to(outside)
    fetch(server.add("/x.fits"), server.add("/y.fits"), overwrite=overwrite)
    assert outside.read_bytes() == b"precious"
    assert (folder / "y.fits").read_bytes() == FITS
    assert not (folder / "y.fits").is_symlink()
    assert (folder / "x.fits").is_symlink() is not overwrite


def test_a_journal_or_part_that_is_a_link_is_refused(server: Server, fetch: Fetch, tmp_path: Path) -> None:
    folder, outside = tmp_path / "to", tmp_path / "outside"
    url = server.add("/x.fits", data=FITS * 300, cuts=[500_000, 0, 0])
    fetch(url, retries=1)
    part = folder / "x.fits.part"
    part.rename(outside)
    before = outside.read_bytes()
    part.symlink_to(outside)
    _, failed = fetch(url)
    assert "x.fits.part in the folder cannot be opened" in failed[0].reason
    assert outside.read_bytes() == before
    (folder / JOURNAL).rename(tmp_path / "journal")
    (folder / JOURNAL).symlink_to(tmp_path / "journal")
    with pytest.raises(Exception, match="cannot be used for downloads"):
        fetch(url)


def test_a_folder_that_is_itself_a_link_is_followed(server: Server, fetch: Fetch, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    there, _ = fetch(server.add("/x.fits"), to=tmp_path / "link")
    assert there[0].path == tmp_path / "real" / "x.fits"
