"""Synchronous queries through pyvo and through bare HTTP."""

from __future__ import annotations

import csv
import io
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import pyvo
from astropy.io.votable import parse
from astropy.table import MaskedColumn
from astropy.table import Table as AstropyTable

QUERY = "select * from dbo.raw order by dp_id"


def document(content: bytes) -> Any:
    """Read a VOTable and accept no flaw."""
    return parse(io.BytesIO(content), verify="exception")


def test_pyvo_reads_rows_and_their_description(archive: Any) -> None:
    result = archive.tap("pi").run_sync(QUERY, maxrec=6)
    assert [row["dp_id"] for row in result] == [f"FRAME.{n:02}" for n in (0, 2, 3, 5, 6)] + ["SECRET.01"]
    assert result.fielddescs[1].unit == "deg"
    assert result.fielddescs[1].ucd == "pos.eq.ra"
    assert result.fielddescs[1].description == "Right ascension, J2000 & ICRS"
    assert [field.datatype for field in result.fielddescs] == [
        "char", "double", "double", "float", "int", "char", "char", "boolean"
    ]  # fmt: skip
    table = result.to_table()
    assert table["Exposure"].mask.tolist() == [False, False, True, False, False, False]
    assert table["public"].tolist() == [True, True, False, False, True, False]


@pytest.mark.filterwarnings("ignore::pyvo.dal.DALOverflowWarning")
@pytest.mark.parametrize(("user", "secret"), [("pi", 3), ("member", 1), ("stranger", 0), (None, 0)])
def test_rows_depend_on_who_asks_and_the_status_does_not(user: str | None, secret: int, archive: Any) -> None:
    result = archive.tap(user).run_sync("select count(*) as n from dbo.raw where prog_id like '60.%'")
    assert result[0]["n"] == secret
    assert len(archive.tap(user).run_sync("select dp_id from dbo.raw where dp_id like 'SECRET%'")) == secret


def test_answers_say_who_was_recognised(archive: Any) -> None:
    url = f"{archive.url}/sync"
    parameters = {"LANG": "ADQL", "QUERY": "select 1"}
    assert archive.session("pi").get(url, params=parameters).headers["X-VO-Authenticated"] == "pi"
    assert "X-VO-Authenticated" not in archive.session().get(url, params=parameters).headers
    refused = archive.session("pi").get(url, params={"LANG": "ADQL"})
    assert refused.headers["X-VO-Authenticated"] == "pi"


def test_pyvo_warns_when_the_service_cuts_the_rows(archive: Any) -> None:
    with pytest.warns(pyvo.dal.DALOverflowWarning, match="service limits|server limits"):
        assert len(archive.tap("pi").run_sync(QUERY)) == 6
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(archive.tap("pi").run_sync(QUERY, maxrec=3)) == 3  # as many as were asked for
        assert len(archive.tap("pi").run_sync(QUERY, maxrec=40)) == 8


def test_the_overflow_stands_behind_the_table(archive: Any) -> None:
    content = _get(archive, MAXREC="2").content
    assert content.index(b"</TABLE>") < content.index(b'value="OVERFLOW"')
    assert content.index(b'value="OK"') < content.index(b"<TABLE")
    assert b"OVERFLOW" not in _get(archive, MAXREC="5", QUERY="select top 5 * from dbo.raw").content


def test_maxrec_zero_gives_the_columns_alone(archive: Any) -> None:
    table = document(_get(archive, MAXREC="0").content).get_first_table()
    assert len(table.array) == 0
    assert [field.name for field in table.fields][:2] == ["dp_id", "ra"]


def test_nobody_gets_more_rows_than_the_service_gives(archive: Any) -> None:
    numbers = "select a.ra from dbo.raw a, dbo.raw b"
    table = document(_get(archive, MAXREC="1000000", QUERY=numbers).content).get_first_table()
    assert len(table.array) == 25
    more = document(_get(archive, MAXREC="1000000", QUERY=f"{numbers}, dbo.raw c").content).get_first_table()
    assert len(more.array) == 50


def _get(archive: Any, **parameters: str) -> Any:
    return archive.session().get(f"{archive.url}/sync", params={"LANG": "ADQL", "QUERY": QUERY, **parameters})


@pytest.mark.parametrize(
    ("asked", "content_type"),
    [
        ({}, "application/x-votable+xml"),
        ({"RESPONSEFORMAT": "votable"}, "application/x-votable+xml"),
        ({"FORMAT": "votable/td"}, "application/x-votable+xml"),
        ({"responseformat": "application/x-votable+xml; serialization=TABLEDATA"}, "application/x-votable+xml"),
        ({"Format": "text/xml"}, "text/xml;content=x-votable"),
        ({"FORMAT": "csv"}, "text/csv;header=present"),
        ({"RESPONSEFORMAT": "text/csv", "FORMAT": "votable"}, "text/csv;header=present"),
        ({"FORMAT": "tsv"}, "text/tab-separated-values"),
    ],
)
def test_the_format_is_the_one_that_was_asked_for(asked: dict[str, str], content_type: str, archive: Any) -> None:
    answer = _get(archive, **asked)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == content_type
    if "votable" in content_type:
        assert len(document(answer.content).get_first_table().array) == 5


@pytest.mark.parametrize(("name", "delimiter"), [("csv", ","), ("tsv", "\t")])
def test_text_formats_hold_the_same_rows(name: str, delimiter: str, archive: Any) -> None:
    query = "select dp_id, 'a, \"b\"' as t, exposure, public from dbo.raw where n_exp < 3 order by dp_id"
    rows = list(csv.reader(io.StringIO(_get(archive, FORMAT=name, QUERY=query).text), delimiter=delimiter))
    assert rows[0] == ["dp_id", "t", "Exposure", "public"]
    assert rows[1] == ["FRAME.00", 'a, "b"', "0.0", "true"]
    assert rows[3] == ["FRAME.03", 'a, "b"', "", "false"]
    assert len(rows) == 6


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"QUERY": "select 1"}, "LANG is missing"),
        ({"LANG": "ADQL"}, "QUERY is missing"),
        ({"LANG": "SQL", "QUERY": "select 1"}, "LANG=SQL"),
        ({"LANG": "ADQL-9.9", "QUERY": "select 1"}, "LANG=ADQL-9.9"),
        ({"LANG": "ADQL", "QUERY": "select 1", "REQUEST": "getCapabilities"}, "REQUEST=getCapabilities"),
        ({"LANG": "ADQL", "QUERY": "select 1", "VERSION": "3.0"}, "VERSION=3.0"),
        ({"LANG": "ADQL", "QUERY": "select 1", "MAXREC": "many"}, "MAXREC=many"),
        ({"LANG": "ADQL", "QUERY": "select 1", "MAXREC": "-1"}, "MAXREC=-1"),
        ({"LANG": "ADQL", "QUERY": "select 1", "FORMAT": "fits"}, "'fits'"),
        ({"LANG": "ADQL", "QUERY": "select 1", "FORMAT": "application/x-votable+xml;serialization=BINARY2"}, "BINARY2"),
        ({"LANG": "ADQL", "QUERY": "select nothing from dbo.raw"}, "nothing"),
        ({"LANG": "ADQL", "QUERY": "drop table <dbo> & \x01"}, "not text"),
        ({"LANG": "ADQL", "QUERY": "\x02", "VERSION": "\x03"}, "VERSION"),
    ],
)
@pytest.mark.parametrize("method", ["get", "post"])
def test_a_bad_request_gets_an_error_document(
    method: str, parameters: dict[str, str], message: str, archive: Any
) -> None:
    session = archive.session()
    url = f"{archive.url}/sync"
    answer = session.get(url, params=parameters) if method == "get" else session.post(url, data=parameters)
    assert answer.status_code == 400
    assert answer.headers["Content-Type"] == "application/x-votable+xml"
    (resource,) = document(answer.content).resources
    assert resource.type == "results"
    assert [(info.name, info.value) for info in resource.infos] == [("QUERY_STATUS", "ERROR")]
    assert message in resource.infos[0].content
    assert "Traceback" not in answer.text


def test_pyvo_shows_the_message_of_an_error(archive: Any) -> None:
    with pytest.raises(pyvo.dal.DALQueryError, match=r"there is no table dbo\.nothing"):
        archive.tap().run_sync("select * from dbo.nothing")


def test_parameter_names_are_taken_in_any_case_and_the_last_value_counts(archive: Any) -> None:
    session = archive.session()
    answer = session.post(f"{archive.url}/sync?query=select+1", data={"lang": "adql", "Query": "select 2 as two"})
    assert document(answer.content).get_first_table().array["two"].tolist() == [2]


@pytest.mark.parametrize("archive", [1], indirect=True)
def test_a_query_over_its_time_is_told_to_be_run_as_a_job(archive: Any) -> None:
    archive.seconds = 60.0
    answer = _get(archive, QUERY="select 1")
    assert answer.status_code == 400
    assert "longer than 1 s: run it as a job" in answer.text


def test_a_slow_query_does_not_hold_up_the_others(archive: Any, in_background: Callable[..., Any]) -> None:
    archive.gate.clear()
    slow = in_background(lambda: _get(archive, QUERY="select 1"))
    archive.wait_for("GET /tap_obs/sync")
    answer = archive.session().get(f"{archive.url}/capabilities", timeout=15)
    assert answer.status_code == 200
    assert not slow.done()
    archive.gate.set()
    assert slow.result(20).status_code == 200


UPLOAD = AstropyTable(
    {
        "dp_id": MaskedColumn(["FRAME.00", "SECRET.01", "Wolf"], mask=[False, False, True]),
        "number": MaskedColumn([1, 2, 3], mask=[False, True, False]),
        "value": [0.5, np.nan, 2.5],
        "flag": [True, False, True],
    }
)


def test_an_uploaded_table_is_there_for_its_query(archive: Any) -> None:
    tap = archive.tap()
    query = (
        "select u.number, r.ra, u.dp_id from tap_upload.Mine u left join dbo.raw r on r.dp_id = u.dp_id order by value"
    )
    rows = tap.run_sync(query, uploads={"mine": UPLOAD}).to_table()
    assert rows["number"].tolist() == [None, 1, 3]
    assert rows["ra"].tolist() == [None, 0.0, None]  # the hidden frame stays hidden
    result = tap.run_sync("select * from TAP_UPLOAD.mine", uploads={"mine": UPLOAD}).to_table()
    assert result["flag"].tolist() == [True, False, True]
    assert result["value"].mask.tolist() == [False, True, False]
    with pytest.raises(pyvo.dal.DALQueryError, match=r"no table TAP_UPLOAD\.mine"):
        tap.run_sync("select * from TAP_UPLOAD.mine")


def test_two_tables_can_be_uploaded(archive: Any) -> None:
    uploads = {"one": UPLOAD, "two": UPLOAD}
    query = "select count(*) as n from tap_upload.one, tap_upload.two"
    assert archive.tap().run_sync(query, uploads=uploads)[0]["n"] == 9


@pytest.mark.parametrize(
    ("upload", "part", "message"),
    [
        ("mine,http://127.0.0.1:9/t.xml", b"", "must come with the request"),
        ("mine,file:///etc/passwd", b"", "must come with the request"),
        ("mine,param:other", b"", "no part 'other'"),
        ("mine,param:mine", b"not a table", "not a VOTable"),
        ("mine,param:mine", b"<VOTABLE><RESOURCE/></VOTABLE>", "not a VOTable"),
        ("1x,param:mine", b"", "not a name"),
        ("mine", b"", "must come with the request"),
    ],
)
def test_an_upload_that_cannot_be_read_is_refused(upload: str, part: bytes, message: str, archive: Any) -> None:
    form = {"LANG": "ADQL", "QUERY": "select 1", "UPLOAD": upload}
    answer = archive.session().post(f"{archive.url}/sync", data=form, files={"mine": ("mine", part)})
    assert answer.status_code == 400
    assert message in document(answer.content).resources[0].infos[0].content
