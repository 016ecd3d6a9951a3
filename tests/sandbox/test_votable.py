"""VOTables as they are written, read back by astropy without mercy."""

from __future__ import annotations

import io
import warnings
from typing import Any

import numpy as np
import pytest
from astropy.io.votable import parse
from hypothesis import given
from hypothesis import strategies as st

from vo_auth.sandbox.votable import Column, InputParam, ServiceDescriptor, clean, error_votable, votable

COLUMNS = (
    Column(name="text", datatype="char", arraysize="*", ucd="meta.note", description="a <b> & c"),
    Column(name="flag", datatype="boolean"),
    Column(name="short", datatype="short"),
    Column(name="int", datatype="int", unit="ct"),
    Column(name="long", datatype="long"),
    Column(name="float", datatype="float", unit="mag"),
    Column(name="double", datatype="double", unit="deg", utype="obscore:Char.X"),
    Column(name="pair", datatype="double", arraysize="2", xtype="point"),
    Column(name="many", datatype="double", arraysize="*"),
    Column(name="two words", datatype="int"),
)
ROW: dict[str, Any] = {
    "text": "x",
    "flag": True,
    "short": -3,
    "int": 2**31 - 1,
    "long": 2**62,
    "float": 1.5,
    "double": 0.1,
    "pair": (1.0, 2.0),
    "many": [1.0, 2.0, 3.0],
    "two words": 4,
}


def read(document: bytes) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return parse(io.BytesIO(document), verify="exception")


def test_values_come_back_as_they_were() -> None:
    table = read(votable(COLUMNS, [ROW])).get_first_table()
    (row,) = table.array
    for name in ("text", "flag", "short", "int", "long", "float", "double"):
        assert row[name] == ROW[name]
    assert row["pair"].tolist() == [1.0, 2.0]
    assert row["many"].tolist() == [1.0, 2.0, 3.0]


def test_null_is_null_in_every_type() -> None:
    table = read(votable(COLUMNS, [{}, ROW, dict.fromkeys(ROW)])).get_first_table()
    for column in ("flag", "short", "int", "long", "float", "double", "pair"):
        mask = np.ma.getmaskarray(table.array[column])
        assert mask.reshape(3, -1).all(axis=1).tolist() == [True, False, True], column
    assert table.array["text"].tolist() == ["", "x", ""]  # VOTable does not tell them apart
    assert [len(value) for value in table.array["many"]] == [0, 3, 0]


def test_columns_keep_their_description() -> None:
    fields = read(votable(COLUMNS, [])).get_first_table().fields
    assert [field.name for field in fields] == [column.name for column in COLUMNS]
    assert fields[0].description == "a <b> & c"
    assert (fields[0].datatype, fields[0].arraysize, fields[0].ucd) == ("char", "*", "meta.note")
    assert (str(fields[6].unit), fields[6].utype) == ("deg", "obscore:Char.X")
    assert fields[7].xtype == "point"
    assert len({field.ID for field in fields}) == len(fields)


def test_text_outside_of_ascii_makes_the_column_unicode() -> None:
    column = Column(name="who", datatype="char")
    table = read(votable([column], [{"who": "Gödel"}, {"who": None}])).get_first_table()
    assert table.fields[0].datatype == "unicodeChar"
    assert table.array["who"][0] == "Gödel"
    assert read(votable([column], [{"who": "Godel"}])).get_first_table().fields[0].datatype == "char"


def test_an_unknown_datatype_is_an_error_that_names_the_column() -> None:
    with pytest.raises(ValueError, match="column x: the datatype 'quad'"):
        votable([Column(name="x", datatype="quad")], [{"x": 1}])


def test_status_and_overflow_stand_before_and_behind_the_table() -> None:
    document = votable(COLUMNS[:1], [ROW], overflow=True, infos=[("citation", "a & b")], table_name="t")
    statuses = [(info.name, info.value) for info in read(document).resources[0].infos]
    assert statuses == [("QUERY_STATUS", "OK"), ("citation", "a & b"), ("QUERY_STATUS", "OVERFLOW")]
    assert document.index(b'"OK"') < document.index(b"<TABLE") < document.index(b'"OVERFLOW"')
    assert b"QUERY_STATUS" not in votable(COLUMNS[:1], [ROW], query_status="")


def test_an_error_document_has_a_message_and_no_table() -> None:
    document = error_votable("a < b & c\x00")
    (resource,) = read(document).resources
    assert resource.tables == []
    assert [(info.name, info.value) for info in resource.infos] == [("QUERY_STATUS", "ERROR")]
    assert resource.infos[0].content == "a < b & c�"


@given(st.text())
def test_any_message_makes_a_valid_document(message: str) -> None:
    (info,) = read(error_votable(message)).resources[0].infos
    assert (info.content or "").split() == clean(message).split()


@given(st.lists(st.one_of(st.none(), st.text()), max_size=5))
def test_any_text_makes_a_valid_table(texts: list[str | None]) -> None:
    table = read(votable([Column(name="t", datatype="char")], [{"t": text} for text in texts])).get_first_table()
    assert len(table.array) == len(texts)
    for found, given_text in zip(table.array["t"], texts, strict=True):
        assert (found or "").split() == clean(given_text or "").split()


@given(st.lists(st.text(min_size=1), min_size=1, max_size=4, unique=True))
def test_any_column_names_make_a_valid_document(names: list[str]) -> None:
    columns = [Column(name=f"{clean(name)}{place}", datatype="int") for place, name in enumerate(names)]
    fields = read(votable(columns, [])).get_first_table().fields
    assert len({field.ID for field in fields}) == len(columns)


@given(st.lists(st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1)), min_size=1, max_size=5))
def test_long_numbers_are_exact(numbers: list[int | None]) -> None:
    column = Column(name="n", datatype="long")
    found = read(votable([column], [{"n": number} for number in numbers])).get_first_table().array["n"]
    assert found.tolist() == numbers


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=5))
def test_doubles_are_exact(numbers: list[float]) -> None:
    column = Column(name="x", datatype="double")
    found = read(votable([column], [{"x": number} for number in numbers])).get_first_table().array["x"]
    assert found.tolist() == numbers


def test_a_service_descriptor_is_complete() -> None:
    service = ServiceDescriptor(
        identifier="cutout",
        access_url="https://archive.example.org/soda?a=1&b=2",
        standard_id="ivo://ivoa.net/std/SODA#sync-1.0",
        resource_identifier="ivo://example.org/soda",
        content_type="application/fits",
        description="Cut out",
        inputs=(
            InputParam(name="ID", value="ivo://example.org?1"),
            InputParam(name="WHICH", ref="text", description="Which one"),
            InputParam(name="CIRCLE", datatype="double", arraysize="3", unit="deg", xtype="circle"),
            InputParam(name="BAND", datatype="double", arraysize="2", minimum="1e-7", maximum="2e-6"),
            InputParam(name="POL", options=("I", "Q")),
        ),
    )
    document = votable(COLUMNS, [ROW], services=[service, service], resource_type="results", utype="x")
    results, found, _ = read(document).resources
    assert results.utype == "x"
    assert (found.ID, found.type, found.utype) == ("cutout", "meta", "adhoc:service")
    assert {param.name: param.value for param in found.params} == {
        "accessURL": "https://archive.example.org/soda?a=1&b=2",
        "standardID": "ivo://ivoa.net/std/SODA#sync-1.0",
        "resourceIdentifier": "ivo://example.org/soda",
        "contentType": "application/fits",
    }
    (group,) = found.groups
    assert group.name == "inputParams"
    identifier, which, circle, band, pol = group.entries
    assert identifier.value == "ivo://example.org?1"
    assert (which.ref, which.value, which.description) == ("text", "", "Which one")
    assert (circle.arraysize, circle.xtype) == ("3", "circle")
    assert (float(np.max(band.values.min)), float(np.max(band.values.max))) == (1e-7, 2e-6)
    assert [value for _, value in pol.values.options] == ["I", "Q"]
    assert b'name="CIRCLE" unit="deg" value=""' in document
