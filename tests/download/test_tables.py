"""URLs from lists, tables, results and records, and what DataLink documents link to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import requests
from astropy.io import votable
from astropy.table import MaskedColumn, Table
from faulty_server import FITS, Server

import vo_auth
from conftest import Fetch
from vo_auth.errors import AnswerError, DownloadError, DownloadWarning, MissingDependencyError, TransferError
from vo_auth.sandbox.datalink import Link, datalink_document
from vo_auth.transfer import items_in, read_votable

CORE = "http://www.ivoa.net/rdf/datalink/core"
DATALINK = "application/x-votable+xml;content=datalink"


def urls_in(things: Any, **options: Any) -> list[str]:
    return [item.url for item in items_in(things, **options)]


@pytest.fixture
def download(tmp_path: Path) -> Any:
    with requests.Session() as session:
        yield lambda things, **options: vo_auth.download(things, tmp_path / "to", session=session, **options)


def test_a_url_an_iterable_and_a_nest_of_both_are_taken() -> None:
    assert urls_in("https://x.example.org/1 ") == ["https://x.example.org/1"]
    assert urls_in(["a:1", ("b:2", iter(["c:3"]))]) == ["a:1", "b:2", "c:3"]
    assert urls_in([]) == []


def test_a_table_and_its_rows_are_taken_by_their_column() -> None:
    table = Table({"ACCESS_URL": ["a:1", "b:2"], "other": ["c:3", "d:4"]})
    assert urls_in(table) == ["a:1", "b:2"]
    assert urls_in(table[1]) == ["b:2"]
    assert urls_in(table, column="other") == ["c:3", "d:4"]
    assert urls_in(list(table)) == ["a:1", "b:2"]


def test_what_is_masked_or_empty_is_no_url_and_bytes_are_text() -> None:
    column = MaskedColumn(["a:1", "b:2", ""], mask=[False, True, False])
    assert urls_in(Table({"access_url": column})) == ["a:1"]
    assert urls_in(Table({"access_url": [b"a:1"]})) == ["a:1"]


def test_a_column_that_is_not_there_is_an_error_with_those_that_are() -> None:
    with pytest.raises(ValueError, match=r"no column 'access_url' in the table: it has one, two; name one"):
        urls_in(Table({"one": [1], "two": [2]}))


@pytest.mark.parametrize("thing", [3, None, b"https://x.example.org", object()])
def test_what_has_no_urls_is_a_type_error(thing: object) -> None:
    with pytest.raises(TypeError):
        urls_in([thing])


def test_pyvos_results_and_records_are_taken() -> None:
    from pyvo.dal import DALResults

    results = DALResults(votable.from_table(Table({"access_url": ["a:1", "b:2"], "n": [1, 2]})))
    assert urls_in(results) == ["a:1", "b:2"]
    assert urls_in(results[1]) == ["b:2"]
    assert urls_in([results[0], results[1]]) == ["a:1", "b:2"]


LINKS = [
    Link(ID="ivo://x?1", access_url="a:this", semantics="#this", content_length=5760, content_type="application/fits"),
    Link(ID="ivo://x?1", access_url="a:flat", semantics="#flat"),
    Link(ID="ivo://x?1", access_url="a:cal", semantics="#calibration"),
    Link(
        ID="ivo://x?1",
        access_url="a:doc",
        semantics="http://www.ivoa.net/rdf/datalink/core#documentation",
        content_type="text/html",
    ),
    Link(ID="ivo://x?1", access_url="a:own", semantics="http://x.example.org/rdf#own"),
    Link(ID="ivo://x?1", service_def="soda", semantics="#cutout"),
    Link(ID="ivo://x?2", error_message="NotFoundFault: no such dataset", semantics="#this"),
]


@pytest.mark.parametrize(
    ("semantics", "urls"),
    [
        ("#this", ["a:this", "ivo://x?2"]),
        ("this", ["a:this", "ivo://x?2"]),
        ("#calibration", ["a:flat", "a:cal"]),
        ("#flat", ["a:flat"]),
        ("http://www.ivoa.net/rdf/datalink/core#calibration", ["a:flat", "a:cal"]),
        ("#documentation", ["a:doc"]),
        ("http://x.example.org/rdf#own", ["a:own"]),
        ("#own", []),
    ],
)
def test_links_are_chosen_by_their_semantics_and_narrower_ones(semantics: str, urls: list[str]) -> None:
    assert urls_in(read_votable(datalink_document(LINKS)), semantics=semantics) == urls


def test_a_links_size_type_and_error_are_known() -> None:
    items = {item.url: item for item in items_in(read_votable(datalink_document(LINKS)))}
    assert items["a:this"].size == 5760
    assert items["a:doc"].is_page
    assert items["ivo://x?2"].problem == "No link for ivo://x?2: NotFoundFault: no such dataset"
    assert "ivo://x?1" not in items  # a service is no file


def test_documents_are_followed_one_level_after_the_other(server: Server, download: Any) -> None:
    data = server.add("/data/x.fits")
    inner = datalink_document([Link(ID="1", access_url=data, semantics="#calibration")])
    second = server.add("/second", data=inner, content_type=DATALINK)
    outer = datalink_document(
        [
            Link(ID="1", access_url=second, semantics="http://x.example.org/rdf#cascade"),
            Link(ID="1", access_url=server.add("/no"), semantics="#this"),
        ]
    )
    first = server.add("/first", data=outer, content_type=DATALINK)
    levels = ["http://x.example.org/rdf#cascade", "#calibration"]
    assert [one.path.name for one in download([first], semantics=levels)] == ["x.fits"]
    assert [one.path.name for one in download(Table({"access_url": [first]}), semantics=levels)] == ["x.fits"]
    assert [one.path.name for one in download(read_votable(outer), semantics=levels)] == ["x.fits"]
    assert server.asked("/no") == []


def test_a_list_of_links_where_data_was_due_is_an_error_that_says_what_to_do(server: Server, download: Any) -> None:
    url = server.add("/links", data=datalink_document(LINKS), content_type=DATALINK)
    with pytest.raises(DownloadError, match=r"list of links \(DataLink\).*--semantics '#this'"):
        download(Table({"access_url": [url]}))
    assert len(download(url)) == 1  # asked for by itself, it is what is wanted


def test_a_row_that_says_why_there_is_no_link_fails_with_its_words(download: Any) -> None:
    with pytest.raises(DownloadError, match=r"The file could not be had: No link for ivo://x\?2: NotFoundFault"):
        download(read_votable(datalink_document(LINKS[-1:])))


@pytest.mark.parametrize(
    ("page", "kind", "why"),
    [
        ({"status": 404}, TransferError, "404 Not Found"),
        ({"status": 503}, TransferError, "503"),
        ({"data": b"<html>"}, AnswerError, "no VOTable that can be read"),
    ],
)
def test_a_document_that_cannot_be_had_is_an_error(
    page: dict[str, Any], kind: type[Exception], why: str, server: Server, download: Any
) -> None:
    with pytest.raises(kind, match=why) as caught:
        download([server.add("/links", **page) + "?sig=obviously-fake"], semantics="#this")
    assert "obviously-fake" not in str(caught.value)


def test_failures_are_an_error_that_has_what_is_there_or_a_warning(server: Server, download: Any) -> None:
    urls = [server.add("/x.fits"), server.add("/no", status=404), server.add("/y.fits")]
    with pytest.raises(DownloadError, match=r"1 of 3 files could not be had: 127\.0\.0\.1 answers 404") as caught:
        download(urls)
    assert [one.path.name for one in caught.value.downloaded] == ["x.fits", "y.fits"]
    assert [(one.url, one.error.status) for one in caught.value.failed] == [(urls[1], 404)]
    with pytest.warns(DownloadWarning, match="1 of 3 files"):
        assert [one.is_new for one in download(urls, partial=True)] == [False, False]


def test_sizes_that_are_too_much_for_the_disk_end_it_before_any_request(
    server: Server, fetch: Fetch, download: Any
) -> None:
    link = Link(ID="1", access_url=server.add("/x.fits"), content_length=1 << 60)
    with pytest.raises(DownloadError, match=r"no room for these files: 1,152,921,504,606,846,976 bytes"):
        download(read_votable(datalink_document([link])))
    assert server.received == []


def test_options_that_are_not_possible_are_value_errors(download: Any) -> None:
    for options in ({"workers": 0}, {"per_host": 0}, {"retries": -1}, {"digest": "sha257"}):
        with pytest.raises(ValueError, match=r"must|there is no digest"):
            download([], **options)
    with pytest.raises(ValueError, match="is no digest"):
        download(["a:1"], digests={"a:1": "sha256:xyz"})


def test_without_astropy_the_pip_line_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "astropy.io", None)
    with pytest.raises(MissingDependencyError, match="pip install astropy"):
        read_votable(b"")


def test_a_file_that_is_no_votable_is_a_value_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="cannot be read"):
        read_votable(str(tmp_path / "none.xml"))
    (tmp_path / "x.fits").write_bytes(FITS)
    with pytest.raises(ValueError, match="is no VOTable"):
        read_votable(str(tmp_path / "x.fits"))
