"""What a client asks for: the parameters of a TAP request, and the tables it brings along."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from aiohttp import BodyPartReader, hdrs, web

from .columns import distinct_names
from .model import Column, QueryError, Table
from .output import Output, find_output

__all__ = ["ParameterList", "TapRequest", "read_parameters", "read_uploads", "tap_request"]

_LARGEST_UPLOAD = 32 * 2**20


@dataclass(frozen=True, slots=True)
class ParameterList:
    """The parameters of one request.

    Parameters
    ----------
    pairs
        Names in capitals (DALI 1.1, section 3: names are not case-sensitive) and values, as they came.
    files
        The inline parts, by name.
    """

    pairs: tuple[tuple[str, str], ...] = ()
    files: Mapping[str, bytes] = field(default_factory=dict)

    def last(self, name: str) -> str | None:
        """Return the last value of a parameter, or None."""
        return next((value for key, value in reversed(self.pairs) if key == name), None)

    def all(self, name: str) -> list[str]:
        """Return all values of a parameter."""
        return [value for key, value in self.pairs if key == name]

    def updated(self, other: ParameterList) -> ParameterList:
        """Return these with another's parameters in place of those of the same name; uploads add up."""
        new = {name for name, _ in other.pairs if name != "UPLOAD"}
        kept = tuple((name, value) for name, value in self.pairs if name not in new)
        return ParameterList(kept + other.pairs, {**self.files, **other.files})


@dataclass(frozen=True, slots=True, kw_only=True)
class TapRequest:
    """A query request that can be run.

    Parameters
    ----------
    query
        The ADQL.
    maxrec
        Rows that the client wants, or None.
    output
        The format of the answer.
    """

    query: str
    maxrec: int | None
    output: Output


async def read_parameters(request: web.Request) -> ParameterList:
    """Read the parameters of a request: from the URL, from a form, from its parts.

    Parameters
    ----------
    request
        A GET or POST.

    Returns
    -------
    ParameterList
        Those of the URL first.

    Raises
    ------
    QueryError
        If the inline tables are too large.
    """
    pairs = list(request.query.items())
    files: dict[str, bytes] = {}
    if request.method == hdrs.METH_POST and request.content_type == "multipart/form-data":
        await _read_parts(request, pairs, files)
    elif request.method == hdrs.METH_POST:
        pairs += [(name, value) for name, value in (await request.post()).items() if isinstance(value, str)]
    return ParameterList(tuple((name.upper(), value) for name, value in pairs), files)


async def _read_parts(request: web.Request, pairs: list[tuple[str, str]], files: dict[str, bytes]) -> None:
    size = 0
    async for part in await request.multipart():
        if not isinstance(part, BodyPartReader) or part.name is None:
            continue
        data = bytearray()
        while chunk := await part.read_chunk():
            data += chunk
            size += len(chunk)
            if size > _LARGEST_UPLOAD:
                raise QueryError(f"the request is larger than {_LARGEST_UPLOAD} bytes")
        if part.filename is None:
            pairs.append((part.name, data.decode(errors="replace")))
        else:
            files[part.name] = bytes(data)


def tap_request(parameters: ParameterList) -> TapRequest:
    """Check the parameters of a query (TAP 1.1, section 2.7).

    Parameters
    ----------
    parameters
        As they came.

    Returns
    -------
    TapRequest
        What they ask for.

    Raises
    ------
    QueryError
        If something is missing or cannot be had here.
    """
    if (parameters.last("REQUEST") or "doQuery").lower() != "doquery":
        raise QueryError(f"REQUEST={parameters.last('REQUEST')} is not offered, only doQuery")
    if parameters.last("VERSION") not in {None, "1.0", "1.1"}:
        raise QueryError(f"VERSION={parameters.last('VERSION')} is not offered, only 1.1")
    language = parameters.last("LANG")
    if language is None:
        raise QueryError("the parameter LANG is missing")
    if not re.fullmatch(r"ADQL(-2\.[01])?", language, re.IGNORECASE):
        raise QueryError(f"LANG={language} is not offered, only ADQL")
    query = parameters.last("QUERY")
    if not query:
        raise QueryError("the parameter QUERY is missing")
    asked = parameters.last("RESPONSEFORMAT") or parameters.last("FORMAT")
    return TapRequest(query=query, maxrec=_maxrec(parameters.last("MAXREC")), output=find_output(asked))


def _maxrec(text: str | None) -> int | None:
    if not text:
        return None
    if not text.strip().isdigit():
        raise QueryError(f"MAXREC={text[:40]} is not a whole number")
    return int(text)


def read_uploads(parameters: ParameterList) -> tuple[Table, ...]:
    """Read the tables that came with a query (TAP 1.1, section 2.7.6).

    Parameters
    ----------
    parameters
        With ``UPLOAD=name,param:part`` and the parts.

    Returns
    -------
    tuple[Table, ...]
        Named ``TAP_UPLOAD.name``.

    Raises
    ------
    QueryError
        If a table is not inline, is not there or cannot be read.
    """
    return tuple(
        _uploaded(name, uri, parameters.files)
        for given in parameters.all("UPLOAD")
        for name, uri in _upload_pairs(given)
    )


def _upload_pairs(given: str) -> Iterator[tuple[str, str]]:
    for pair in filter(None, given.split(";")):
        name, _, uri = pair.partition(",")
        if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name):
            raise QueryError(f"UPLOAD: {name[:40]!r} is not a name for a table")
        yield name, uri


def _uploaded(name: str, uri: str, files: Mapping[str, bytes]) -> Table:
    scheme, _, part = uri.partition(":")
    if scheme != "param":
        raise QueryError(f"UPLOAD: the table {name} must come with the request (param:), not from {uri[:80]}")
    if part not in files:
        raise QueryError(f"UPLOAD: the request has no part {part[:40]!r}")
    from astropy.io.votable import parse

    try:
        table = parse(io.BytesIO(files[part]), verify="ignore").get_first_table()
    except Exception:  # whatever a hostile table makes the reader raise, it is the table's fault
        raise QueryError(f"UPLOAD: the table {name} is not a VOTable that can be read") from None
    if not table.fields:
        raise QueryError(f"UPLOAD: the table {name} has no columns")
    columns = distinct_names(
        Column(
            name=one.name or one.ID,
            datatype=_TYPES.get(one.datatype, "char"),
            arraysize=one.arraysize if one.datatype in _TYPES else "*",
            unit=str(one.unit or ""),
            ucd=one.ucd or "",
            xtype=one.xtype or "",
            description=one.description or "",
        )
        for one in table.fields
    )
    keys = [one.ID for one in table.fields]
    rows = [
        {column.name: _plain(record[key]) for column, key in zip(columns, keys, strict=True)} for record in table.array
    ]
    return Table(name=f"TAP_UPLOAD.{name}", columns=columns, rows=rows)


_TYPES = {name: name for name in ("char", "unicodeChar", "boolean", "short", "int", "long", "float", "double")} | {
    "bit": "boolean",
    "unsignedByte": "short",
}


def _plain(value: Any) -> Any:
    """Return a cell as plain Python: None where it is masked."""
    import numpy as np

    if value is np.ma.masked or value is None:
        return None
    if isinstance(value, np.ndarray):
        return None if value.size == 0 or np.ma.getmaskarray(value).all() else value.tolist()
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    return None if isinstance(value, float) and value != value else value  # noqa: PLR0124  # NaN is NULL
