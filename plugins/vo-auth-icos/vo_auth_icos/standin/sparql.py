"""SPARQL, as far as icoscp_core asks: its queries are known by what they select, and everything else is refused."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

from .repository import CPMETA, DataType, Item, Repository

__all__ = ["UnknownQueryError", "answer_query"]

_XSD = "http://www.w3.org/2001/XMLSchema#"
_START, _END, _SUBMITTED = "2024-06-01T00:00:00Z", "2024-06-03T00:00:00Z", "2024-07-01T12:00:05Z"
Row = dict[str, Any]


class UnknownQueryError(Exception):
    """A query that this stand-in does not understand."""


def answer_query(repository: Repository, query: str) -> dict[str, Any]:
    """Answer one query.

    Parameters
    ----------
    repository
        What there is.
    query
        SPARQL.

    Returns
    -------
    dict
        SPARQL 1.1 Query Results JSON.

    Raises
    ------
    UnknownQueryError
        When the query is none of those that are understood.
    """
    for sign, answer in _KNOWN:
        if sign in query:
            rows = list(answer(repository, query))
            names = list(dict.fromkeys(name for row in rows for name in row))
            return {"head": {"vars": names}, "results": {"bindings": rows}}
    raise UnknownQueryError("This stand-in understands the queries of icoscp_core alone.")


def _uri(value: str) -> Row:
    return {"type": "uri", "value": value}


def _text(value: str) -> Row:
    return {"type": "literal", "value": value}


def _typed(value: object, kind: str) -> Row:
    return {"type": "literal", "value": str(value), "datatype": _XSD + kind}


def _values(query: str, name: str) -> set[str] | None:
    """Return what ``values ?name { <…> … }`` allows; None where it allows everything."""
    found = re.search(rf"values \?{name} \{{([^}}]*)\}}", query, re.IGNORECASE)
    return set(re.findall(r"<([^>]*)>", found[1])) if found else None


def _spec(repository: Repository, kind: DataType) -> str:
    return f"{repository.prefix}resources/cpmeta/{kind.name}"


def _station(repository: Repository) -> str:
    return f"{repository.prefix}resources/stations/{repository.station[0]}"


def _kinds(repository: Repository) -> dict[str, DataType]:
    return {_spec(repository, item.type): item.type for item in repository.items.values() if item.type}


def _objects(repository: Repository, query: str) -> Iterable[Row]:
    if "FILTER(" in query or "sfIntersects" in query:
        raise UnknownQueryError("This stand-in applies no filters.")
    specs, stations = _values(query, "spec"), _values(query, "station")
    found = [
        (item, _spec(repository, item.type))
        for item in repository.items.values()
        if item.type and (specs is None or _spec(repository, item.type) in specs)
    ]
    if stations is not None:
        found = [(item, spec) for item, spec in found if item.rows and _station(repository) in stations]
    found.sort(key=lambda pair: pair[0].file_name, reverse="order by desc" in query)
    offset, limit = (int(re.search(rf"{word} (\d+)", query)[1]) for word in ("offset", "limit"))  # type: ignore[index]
    for item, spec in found[offset : offset + limit]:
        yield _object_row(repository, item, spec)


def _object_row(repository: Repository, item: Item, spec: str) -> Row:
    row = {
        "dobj": _uri(repository.landing_page(item)),
        "spec": _uri(spec),
        "fileName": _text(item.file_name),
        "size": _typed(len(item.content), "long"),
        "submTime": _typed(_SUBMITTED, "dateTime"),
        "timeStart": _typed(_START, "dateTime"),
        "timeEnd": _typed(_END, "dateTime"),
    }
    if item.rows:
        row |= {"station": _uri(_station(repository)), "samplingHeight": _typed(30.0, "float")}
    return row


def _tables(repository: Repository, query: str) -> Iterable[Row]:
    for uri in sorted(_values(query, "dobj") or ()):
        item = repository.find(uri.rpartition("/")[2])
        if item is not None and item.type is not None and item.rows:
            yield {
                "dobj": _uri(uri),
                "objSpec": _uri(_spec(repository, item.type)),
                "nRows": _typed(item.row_count, "integer"),
                "dsSpec": _uri(_spec(repository, item.type) + "Dataset"),
                "objFormat": _uri(CPMETA + item.type.format),
            }


def _columns(repository: Repository, query: str) -> Iterable[Row]:
    for spec, kind in _kinds(repository).items():
        if f"<{spec}Dataset>" not in query:
            continue
        flags = {column.flags: column.label for column in kind.columns if column.flags}
        for column in kind.columns:
            row = {"colTitle": _text(column.label), "valFormat": _uri(CPMETA + column.format)}
            yield row | ({"flagColTitle": _text(flags[column.label])} if column.label in flags else {})


def _good_flags(repository: Repository, query: str) -> Iterable[Row]:
    asked = _values(query, "spec") or set()
    for spec, kind in _kinds(repository).items():
        if spec in asked and kind.columns:
            yield {"objFormat": _uri(CPMETA + kind.format), "goodFlags": _text("O;U;R")}


def _data_types(repository: Repository, _query: str) -> Iterable[Row]:
    for spec, kind in _kinds(repository).items():
        word = "stationTimeSeriesDataset" if kind.columns else "spatioTemporalDataset"
        row = {
            "spec": _uri(spec),
            "specLabel": _text(kind.label),
            "level": _typed(2, "integer"),
            "dsType": _uri(CPMETA + word),
            "project": _uri(f"{repository.prefix}resources/projects/icos"),
            "projectLabel": _text(repository.envri),
            "theme": _uri(f"{repository.prefix}resources/themes/atmosphere"),
            "themeLabel": _text("Atmosphere"),
            "format": _uri(CPMETA + kind.format),
            "formatLabel": _text(kind.format),
        }
        yield row | ({"ds_spec_uri": _uri(f"{spec}Dataset")} if kind.columns else {})


def _stations(repository: Repository, _query: str) -> Iterable[Row]:
    yield {
        "station": _uri(_station(repository)),
        "stType": _uri(f"{CPMETA}AS"),
        "stId": _text(repository.station[0].removeprefix("AS_")),
        "stationName": _text(repository.station[1]),
        "cCode": _text("SE"),
        "lat": _typed(56.0976, "double"),
        "lon": _typed(13.4189, "double"),
        "elevation": _typed(115.0, "float"),
    }


_KNOWN: tuple[tuple[str, Callable[[Repository, str], Iterable[Row]]], ...] = (
    ("select ?dobj ?spec ?station", _objects),
    ("cpmeta:hasNumberOfRows ?nRows", _tables),
    ("select ?colTitle ?valFormat", _columns),
    ("as ?goodFlags", _good_flags),
    ("cpmeta:hasSpecificDatasetType ?dsType", _data_types),
    ("cpmeta:hasStationId ?stId", _stations),
)
