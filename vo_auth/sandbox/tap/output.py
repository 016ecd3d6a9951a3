"""Results in the formats that a client may ask for (DALI 1.1, section 3.4.3)."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from ..votable import votable
from .engine import Rows
from .model import Column, QueryError

__all__ = ["ERROR_TYPE", "OUTPUTS", "Output", "find_output"]

VOTABLE_TYPE = "application/x-votable+xml"

#: The content type of an error document.
ERROR_TYPE = VOTABLE_TYPE

_CASTS: dict[str, Callable[[Any], Any]] = {
    "boolean": bool,
    "short": int,
    "int": int,
    "long": int,
    "float": float,
    "double": float,
}


_BITS = {"short": 16, "int": 32}


@dataclass(frozen=True, slots=True)
class Output:
    """One output format.

    Parameters
    ----------
    content_type
        Of the answer.
    aliases
        What a client may ask for instead, in lower case and without blanks.
    write
        Makes the document of what a query found.
    """

    content_type: str
    aliases: tuple[str, ...]
    write: Callable[[Rows], bytes]


def _votable(rows: Rows) -> bytes:
    columns = [_fitting(column, rows, place) for place, column in enumerate(rows.columns)]
    casts = [_cast(column) for column in columns]
    records = (
        {column.name: cast(value) for column, cast, value in zip(columns, casts, record, strict=True)}
        for record in rows.records
    )
    return votable(columns, records, overflow=rows.overflow)


def _fitting(column: Column, rows: Rows, place: int) -> Column:
    """Keep a column's type if all its values fit: the type of an expression is a good guess, no more."""
    if column.is_text or column.size is not None:
        return column
    values = [record[place] for record in rows.records if record[place] is not None]
    if all(isinstance(value, int) or (isinstance(value, float) and value.is_integer()) for value in values):
        bits = _BITS.get(column.datatype, 64)
        largest = max((abs(value) for value in values), default=0)
        if column.datatype in {"float", "double"} or largest < 2 ** (bits - 1):
            return column
        return replace(column, datatype="long" if largest < 2**63 else "double")
    kind = "double" if all(isinstance(value, int | float) for value in values) else "char"
    if kind == "double" and column.datatype in {"float", "double"}:
        return column
    return Column(name=column.name, datatype=kind, arraysize="*" if kind == "char" else None, unit=column.unit)


def _cast(column: Column) -> Callable[[Any], Any]:
    def cast(value: Any) -> Any:
        if value is None:
            return None
        if column.is_text:
            return str(value)
        one = _CASTS[column.datatype]
        return one(value) if column.size is None else [one(part) for part in str(value).split()]

    return cast


def _separated(delimiter: str) -> Callable[[Rows], bytes]:
    def write(rows: Rows) -> bytes:
        flags = [place for place, column in enumerate(rows.columns) if column.datatype == "boolean"]
        stream = io.StringIO(newline="")
        writer = csv.writer(stream, delimiter=delimiter, lineterminator="\r\n")
        writer.writerow(column.name for column in rows.columns)
        for record in rows.records:
            cells = list(record)
            for place in flags:
                cells[place] = None if record[place] is None else str(bool(record[place])).lower()
            writer.writerow(cells)
        return stream.getvalue().encode()

    return write


#: All formats; the first is the default.
OUTPUTS = (
    Output(
        VOTABLE_TYPE,
        ("votable", "votable/td", "application/x-votable+xml;serialization=tabledata"),
        _votable,
    ),
    Output("text/xml;content=x-votable", ("text/xml", "application/xml"), _votable),
    Output("text/csv;header=present", ("csv", "text/csv"), _separated(",")),
    Output("text/tab-separated-values", ("tsv", "text/tsv"), _separated("\t")),
)


def find_output(asked: str | None) -> Output:
    """Find the format that a client asks for.

    Parameters
    ----------
    asked
        The value of RESPONSEFORMAT or FORMAT, or None.

    Returns
    -------
    Output
        The default if nothing was asked for.

    Raises
    ------
    QueryError
        If there is no such format.
    """
    if not asked:
        return OUTPUTS[0]
    wanted = asked.replace(" ", "").lower()
    for output in OUTPUTS:
        if wanted == output.content_type or wanted in output.aliases:
            return output
    raise QueryError(f"the format {asked[:80]!r} is not offered; there are votable, csv and tsv")
