"""DataLink documents as pyvo's DataLink classes read them."""

from __future__ import annotations

import io
from typing import Any

import pytest
import pyvo
from astropy.io.votable import parse
from pyvo.dal.adhoc import DatalinkResults

from vo_auth.sandbox.datalink import Link, datalink_document, soda_service
from vo_auth.sandbox.votable import Column

ID = "ivo://archive.example.org/ID?FRAME.01"
ESO = "http://archive.example.org/rdf/datalink/eso#calSelector_raw2raw"
LINKS = (
    Link(
        ID=ID,
        access_url="https://data.example.org/file/FRAME.01?a=1&b=2",
        description="The frame",
        content_type="application/fits",
        content_length=5760,
        extra={"eso_category": "SPHERE_IFS", "rank": 1},
    ),
    Link(ID=ID, access_url="https://data.example.org/cal", semantics=ESO, description="category= x; complete= true"),
    Link(ID=ID, service_def="soda", semantics="#cutout"),
    Link(ID="ivo://archive.example.org/ID?OTHER", error_message="NotFoundFault: no such frame"),
)
EXTRA = (Column(name="eso_category", datatype="char"), Column(name="rank", datatype="int"))


@pytest.fixture
def results() -> Any:
    service = soda_service(
        "https://data.example.org/soda/sync",
        dataset=ID,
        footprint="0 0 1 0 1 1",
        wavelengths=(3e-7, 2e-6),
        content_type="application/fits",
    )
    document = datalink_document(LINKS, extra_columns=EXTRA, services=[service])
    return DatalinkResults(parse(io.BytesIO(document), verify="exception"))


def test_pyvo_reads_every_column_of_a_link(results: Any) -> None:
    row = results[0]
    assert row["ID"] == ID
    assert row.access_url == "https://data.example.org/file/FRAME.01?a=1&b=2"
    assert (row.semantics, row.description, row.content_type) == ("#this", "The frame", "application/fits")
    assert row.content_length == 5760
    assert (row["eso_category"], row["rank"]) == ("SPHERE_IFS", 1)


def test_what_a_link_does_not_have_is_null(results: Any) -> None:
    assert results.to_table()["content_length"].mask.tolist() == [False, True, True, True]
    assert results.to_table()["eso_category"].tolist() == ["SPHERE_IFS", "", "", ""]
    assert (results[2]["access_url"], results[2]["error_message"]) == ("", "")


def test_an_error_row_says_why(results: Any) -> None:
    assert results[3]["error_message"] == "NotFoundFault: no such frame"
    assert results[3]["access_url"] == ""


def test_pyvo_finds_the_service_of_a_row(results: Any) -> None:
    found = results.get_adhocservice_by_ivoid("ivo://ivoa.net/std/SODA#sync")
    assert found.ID == results[2]["service_def"] == "soda"
    assert results.get_adhocservice_by_id("soda") is found
    query = pyvo.dal.adhoc.SodaQuery.from_resource([results[2]], found, circle=(0.5, 0.5, 0.1))
    assert query.queryurl == "https://data.example.org/soda/sync"
    assert query["ID"] == ID
    assert query["CIRCLE"].split() == ["0.5", "0.5", "0.1"]


def test_a_document_says_which_standard_it_follows() -> None:
    infos = parse(io.BytesIO(datalink_document(LINKS[:2]))).resources[0].infos
    assert ("standardID", "ivo://ivoa.net/std/DataLink#links-1.1") in [(info.name, info.value) for info in infos]


def test_a_document_without_links_is_a_table_without_rows() -> None:
    assert len(DatalinkResults(parse(io.BytesIO(datalink_document([])), verify="exception"))) == 0


def test_a_soda_service_can_take_its_dataset_from_a_column() -> None:
    service = soda_service("https://data.example.org/soda/sync", id_column="ID", identifier="cut")
    document = datalink_document(LINKS[:1], services=[service])
    group = parse(io.BytesIO(document), verify="exception").resources[1].groups[0]
    assert [entry.name for entry in group.entries] == ["ID", "CIRCLE", "POLYGON"]
    assert (group.entries[0].ref, group.entries[0].value) == ("ID", "")
