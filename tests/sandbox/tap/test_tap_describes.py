"""What a TAP service says about itself, as pyvo reads it."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
from astropy.io.votable import parse
from pyvo.io.vosi import parse_availability, parse_capabilities, parse_tables

from vo_auth.sandbox.tap import Column, Table, TapSettings
from vo_auth.sandbox.tap.vosi import capabilities_document, table_document, tables_document


@pytest.fixture(autouse=True)
def _every_warning_is_an_error() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def test_pyvo_reads_the_limits_from_the_capabilities(archive: Any) -> None:
    tap = archive.tap()
    assert tap.maxrec == 6
    assert tap.hardlimit == 50
    assert [str(method.ivo_id) for method in tap.upload_methods] == ["ivo://ivoa.net/std/TAPRegExt#upload-inline"]
    capability = tap.get_tap_capability()
    assert (capability.executionduration.default, capability.executionduration.hard) == (20, 100)
    assert {version.content for version in capability.languages[0].versions} == {"2.0", "2.1"}
    assert capability.get_adql().get_feature("ivo://ivoa.net/std/TAPRegExt#features-adqlgeo", "CONTAINS")
    assert {"application/x-votable+xml", "text/csv;header=present"} <= {one.mime for one in capability.outputformats}


def test_every_url_in_the_capabilities_is_that_of_the_request(archive: Any) -> None:
    session = archive.session()
    found = parse_capabilities(io.BytesIO(session.get(f"{archive.url}/capabilities").content).read)
    urls = {one.standardid: one.interfaces[0].accessurls[0].content for one in found}
    assert urls == {
        "ivo://ivoa.net/std/TAP": archive.url,
        "ivo://ivoa.net/std/VOSI#capabilities": f"{archive.url}/capabilities",
        "ivo://ivoa.net/std/VOSI#availability": f"{archive.url}/availability",
        "ivo://ivoa.net/std/VOSI#tables": f"{archive.url}/tables",
        "ivo://ivoa.net/std/DALI#examples": f"{archive.url}/examples",
    }
    for url in urls.values():
        assert session.get(url).status_code == 200
        assert session.head(url).status_code == 200
    other = session.get(f"{archive.url}/capabilities", headers={"Host": "archive.example.org"}).text
    assert ">http://archive.example.org/tap_obs/tables<" in other
    assert "127.0.0.1" not in other


def test_a_service_without_examples_does_not_announce_them() -> None:
    document = capabilities_document("https://archive.example.org/tap", TapSettings(base_path="/tap"))
    assert b"examples" not in document


def test_pyvo_describes_the_service(archive: Any, capsys: pytest.CaptureFixture[str]) -> None:
    archive.tap().describe()
    shown = capsys.readouterr().out
    assert "A small archive" in shown
    assert "Language ADQL" in shown


def test_pyvo_lists_the_tables_and_fetches_their_columns(archive: Any, capsys: pytest.CaptureFixture[str]) -> None:
    tables = archive.tap().tables
    names = [f"tap_schema.{name}" for name in ("schemas", "tables", "columns", "keys", "key_columns")]
    assert list(tables.keys()) == ["dbo.raw", "ivoa.ObsCore", *names]
    assert len(tables) == 7
    raw = tables["dbo.raw"]
    assert raw.description == "Raw frames"
    assert [column.name for column in raw.columns][:4] == ["dp_id", "ra", "dec", "Exposure"]
    assert raw.columns[1].description == "Right ascension, J2000 & ICRS"
    assert (raw.columns[1].unit, raw.columns[1].ucd) == ("deg", "pos.eq.ra")
    assert (raw.columns[0].datatype.content, raw.columns[0].datatype.arraysize) == ("char", "*")
    assert list(raw.columns[0].flags) == ["indexed", "principal"]
    tables.describe()
    assert "Raw frames" in capsys.readouterr().out


def test_the_shortest_list_of_tables_has_no_columns(archive: Any) -> None:
    session = archive.session()
    short = parse_tables(io.BytesIO(session.get(f"{archive.url}/tables?detail=min").content).read)
    long = parse_tables(io.BytesIO(session.get(f"{archive.url}/tables").content).read)
    assert [len(list(table.columns)) for table in short.iter_tables()] == [0] * 7
    assert len(list(next(long.iter_tables()).columns)) == 8
    assert session.get(f"{archive.url}/tables?detail=some").status_code == 400


@pytest.mark.parametrize("name", ["dbo.raw", "DBO.RAW", "ivoa.obscore", '"dbo"."raw"', "TAP_SCHEMA.tables"])
def test_a_table_is_found_by_its_name_in_any_case(name: str, archive: Any) -> None:
    assert archive.session().get(f"{archive.url}/tables/{name}").status_code == 200


def test_an_unknown_table_is_not_there(archive: Any) -> None:
    assert archive.session().get(f"{archive.url}/tables/dbo.nothing").status_code == 404


def test_text_in_a_table_document_is_escaped_once() -> None:
    column = Column(name="flux", datatype="double", description='S/N > 5 & "bright" <1>')
    table = Table(name="data", columns=(column,), rows=(), description="a < b & c", utype="x&y")
    found = parse_tables(io.BytesIO(table_document(table)).read).get_first_table()
    assert (found.description, found.columns[0].description) == (table.description, column.description)
    assert found.utype == "x&y"
    assert b"<name>default</name>" in tables_document([table], columns=True)


def test_the_service_is_available_since_it_was_started(archive: Any) -> None:
    answer = archive.session().get(f"{archive.url}/availability")
    found = parse_availability(io.BytesIO(answer.content).read)
    assert found.available
    assert found.upsince == "2026-09-21T14:13:20.000Z"


def test_pyvo_runs_an_example(archive: Any) -> None:
    tap = archive.tap()
    (example,) = tap.examples
    assert example["QUERY"] == "select top 2 * from dbo.raw order by dp_id"
    assert len(tap.run_sync(example["QUERY"])) == 2
    answer = archive.session().get(f"{archive.url}/examples")
    assert answer.headers["Content-Type"] == "application/xhtml+xml; charset=utf-8"


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("select schema_name from tap_schema.schemas order by schema_index", ["dbo", "ivoa", "tap_schema"]),
        ("select table_name from TAP_SCHEMA.tables where schema_name = 'ivoa'", ["ivoa.ObsCore"]),
        ("select utype from tap_schema.tables where table_name = 'ivoa.ObsCore'", ["obscore"]),
        ("select column_name from tap_schema.columns where unit = 's'", ["Exposure"]),
        ("select xtype from tap_schema.columns where column_name = 's_region'", ["adql:REGION"]),
        ("select arraysize from tap_schema.columns where column_name = 'prog_id'", ["*"]),
        ("select column_name from tap_schema.columns where table_name = 'dbo.raw' and indexed = 1", ["dp_id"]),
        ("select count(*) from tap_schema.columns where table_name = 'tap_schema.columns'", [14]),
        ("select count(*) from tap_schema.keys", [0]),
        ("select count(*) from tap_schema.key_columns", [0]),
    ],
)
def test_tap_schema_describes_the_tables(query: str, expected: list[Any], archive: Any) -> None:
    answer = archive.session().get(f"{archive.url}/sync", params={"LANG": "ADQL", "QUERY": query})
    table = parse(io.BytesIO(answer.content), verify="exception").get_first_table()
    assert [row[0] for row in table.array] == expected


def test_the_front_page_leads_on(archive: Any) -> None:
    session = archive.session()
    for url in (archive.url, f"{archive.url}/"):
        page = session.get(url)
        assert page.headers["Content-Type"].startswith("text/html")
        assert f"{archive.url}/capabilities" in page.text
