"""VOTables as an archive writes them: results, errors, service descriptors.

The writing itself is astropy's. What is added here is what DALI 1.1 asks of a service: the ``QUERY_STATUS`` before the
table, the overflow mark after it, and an error document that has no table at all.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from astropy.io.votable.tree import (
    Field,
    Group,
    Info,
    Param,
    Resource,
    TableElement,
    Values,
    VOTableFile,
)

__all__ = ["Column", "InputParam", "ServiceDescriptor", "clean", "error_votable", "votable"]

VOTABLE_VERSION = "1.4"

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

_NUMPY = {
    "boolean": np.dtype(bool),
    "short": np.dtype(np.int16),
    "int": np.dtype(np.int32),
    "long": np.dtype(np.int64),
    "float": np.dtype(np.float32),
    "double": np.dtype(np.float64),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column as VOTable, VOSI tables and TAP_SCHEMA describe it.

    Parameters
    ----------
    name
        As the archive writes it; queries may use any case.
    datatype
        A VOTable datatype: ``char``, ``unicodeChar``, ``boolean``, ``short``, ``int``, ``long``, ``float`` or
        ``double``.
    arraysize
        ``"*"`` for text of any length; None for a single value. Text without one gets ``"*"``.
    unit, ucd, utype, xtype, description
        As in VOTable.
    indexed, principal
        As in TAP_SCHEMA.columns.
    """

    name: str
    datatype: str
    arraysize: str | None = None
    unit: str = ""
    ucd: str = ""
    utype: str = ""
    xtype: str = ""
    description: str = ""
    indexed: bool = False
    principal: bool = False

    @property
    def is_text(self) -> bool:
        """Whether the values are strings."""
        return self.datatype in {"char", "unicodeChar"}

    @property
    def size(self) -> str | None:
        """The arraysize to write: text is always an array."""
        return self.arraysize or ("*" if self.is_text else None)


@dataclass(frozen=True, slots=True, kw_only=True)
class InputParam:
    """One input of a service descriptor (DataLink 1.1, section 4).

    Parameters
    ----------
    name
        The parameter's name in the service's requests.
    datatype, arraysize, unit, ucd, utype, xtype, description
        As in VOTable.
    value
        A fixed value, or an empty string.
    ref
        The ``ID`` of the column whose values this parameter takes, or an empty string.
    minimum, maximum
        The range of sensible values, as written into ``VALUES``.
    options
        The only values that are allowed.
    """

    name: str
    datatype: str = "char"
    arraysize: str | None = "*"
    value: str = ""
    ref: str = ""
    unit: str = ""
    ucd: str = ""
    utype: str = ""
    xtype: str = ""
    description: str = ""
    minimum: str = ""
    maximum: str = ""
    options: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceDescriptor:
    """A ``RESOURCE type="meta" utype="adhoc:service"`` beside a result table.

    Parameters
    ----------
    identifier
        The resource's ``ID``, which a DataLink row names as ``service_def``.
    access_url
        Where the service is called.
    standard_id
        The IVOID of the service's standard, or an empty string for a custom service.
    resource_identifier
        The IVOID of the registered service, or an empty string.
    content_type
        What the service answers.
    inputs
        Its parameters.
    description
        In plain words.
    """

    identifier: str
    access_url: str
    standard_id: str = ""
    resource_identifier: str = ""
    content_type: str = ""
    inputs: tuple[InputParam, ...] = ()
    description: str = ""


class _ResultTable(TableElement):  # type: ignore[misc]  # astropy has no types
    """A table with INFO elements behind it: DALI wants the overflow mark after the table, in the RESOURCE."""

    def __init__(self, document: VOTableFile, trailing: Sequence[Info], **attributes: Any) -> None:
        super().__init__(document, **attributes)
        self._trailing = tuple(trailing)

    def to_xml(self, writer: Any, **options: Any) -> None:
        super().to_xml(writer, **options)
        for info in self._trailing:
            info.to_xml(writer, **options)


class _Param(Param):  # type: ignore[misc]  # astropy has no types
    """A PARAM as it was given: without an ID made of its name, with an empty value, with text escaped only once."""

    def __init__(self, document: VOTableFile, *, value: str, **attributes: Any) -> None:
        super().__init__(document, value=value, **attributes)
        self.ID = None
        self._given = clean(value)

    def to_xml(self, writer: Any, **options: Any) -> None:
        parsed = self.value
        self._value = self._given
        Field.to_xml(self, writer, **options)
        self._value = parsed


def votable(
    columns: Sequence[Column],
    rows: Iterable[Mapping[str, Any]],
    *,
    query_status: str = "OK",
    overflow: bool = False,
    infos: Iterable[tuple[str, str]] = (),
    table_name: str = "",
    resource_type: str = "results",
    utype: str = "",
    services: Sequence[ServiceDescriptor] = (),
) -> bytes:
    """Write one result table.

    Parameters
    ----------
    columns
        In the order of the table; their names must be distinct.
    rows
        Values by column name; a missing name and None are NULL.
    query_status
        The ``QUERY_STATUS`` in front of the table; an empty string writes none.
    overflow
        Say behind the table that there were more rows (DALI 1.1, section 4.4.1).
    infos
        Further INFO elements as pairs of name and value.
    table_name
        The table's name, or an empty string.
    resource_type
        The type of the RESOURCE.
    utype
        The utype of the RESOURCE, or an empty string.
    services
        Service descriptors to write behind the results.

    Returns
    -------
    bytes
        The document, with TABLEDATA serialisation.

    Raises
    ------
    ValueError
        If a column's datatype is not one that is written here.
    """
    for column in columns:
        if not column.is_text and column.datatype not in _NUMPY:
            raise ValueError(f"column {column.name}: the datatype {column.datatype!r} is not written here")
    records = [_cleaned(row) for row in rows]
    document = VOTableFile(version=VOTABLE_VERSION)
    resource = Resource(type=resource_type, utype=utype or None)
    document.resources.append(resource)
    if query_status:
        resource.infos.append(_info("QUERY_STATUS", query_status))
    resource.infos.extend(_info(name, value) for name, value in infos)
    trailing = [_info("QUERY_STATUS", "OVERFLOW")] if overflow else []
    resource.tables.append(_table(document, columns, records, trailing, table_name))
    document.resources.extend(_descriptor(document, service) for service in services)
    return _write(document)


def error_votable(message: str) -> bytes:
    """Write the error document of DALI 1.1, section 4.4.1: a status and no table.

    Parameters
    ----------
    message
        What the user reads; never a Python traceback.

    Returns
    -------
    bytes
        The document.
    """
    document = VOTableFile(version=VOTABLE_VERSION)
    resource = Resource(type="results")
    resource.infos.append(_info("QUERY_STATUS", "ERROR", message))
    document.resources.append(resource)
    return _write(document)


def _write(document: VOTableFile) -> bytes:
    stream = io.BytesIO()
    document.to_xml(stream, tabledata_format="tabledata")
    return stream.getvalue()


def clean(text: str) -> str:
    """Return a text without the characters that XML 1.0 cannot hold."""
    return _NOT_XML.sub("\N{REPLACEMENT CHARACTER}", text)


def _cleaned(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: clean(value) if isinstance(value, str) else value for name, value in row.items()}


def _info(name: str, value: str, content: str | None = None) -> Info:
    info = Info(name=name, value=value)
    info.ID = None  # astropy makes one of the name, and a document may have QUERY_STATUS twice
    info.content = content and clean(content)
    return info


def _table(
    document: VOTableFile,
    columns: Sequence[Column],
    records: Sequence[Mapping[str, Any]],
    trailing: Sequence[Info],
    name: str,
) -> _ResultTable:
    table = _ResultTable(document, trailing, name=name or None)
    table.ID = None
    values = [[record.get(column.name) for record in records] for column in columns]
    identifiers = _identifiers([column.name for column in columns])
    table.fields.extend(map(partial(_field, document), columns, identifiers, values))
    table.create_arrays(len(records))
    if records:
        for column, field, value in zip(columns, table.fields, values, strict=True):
            table.array[field.ID] = _array(column, value)
    return table


def _identifiers(names: Sequence[str]) -> list[str]:
    """Make XML IDs of column names, each only once."""
    found: list[str] = []
    for name in names:
        plain = re.sub(r"[^A-Za-z0-9_.-]", "_", name)
        if not re.match(r"[A-Za-z_]", plain):
            plain = f"_{plain}"
        identifier, number = plain, 1
        while identifier in found:
            number += 1
            identifier = f"{plain}_{number}"
        found.append(identifier)
    return found


def _field(document: VOTableFile, column: Column, identifier: str, values: Sequence[Any]) -> Field:
    datatype = column.datatype
    if datatype == "char" and not all(value is None or str(value).isascii() for value in values):
        datatype = "unicodeChar"  # VOTable's char is ASCII, and astropy holds us to it
    field = Field(
        document,
        ID=identifier,
        name=column.name,
        datatype=datatype,
        arraysize=column.size,
        unit=column.unit or None,
        ucd=column.ucd or None,
        utype=column.utype or None,
        xtype=column.xtype or None,
    )
    field.description = column.description or None
    return field


def _array(column: Column, values: Sequence[Any]) -> Any:
    mask = [value is None for value in values]
    if column.is_text:
        return np.ma.array(["" if value is None else str(value) for value in values], mask=mask, dtype=object)
    dtype = _NUMPY[column.datatype]
    if column.size is None:
        return np.ma.array([0 if value is None else value for value in values], mask=mask, dtype=dtype)
    if column.size.isdigit():
        length = int(column.size)
        cells = [[0] * length if value is None else list(value) for value in values]
        return np.ma.array(cells, mask=[[one] * length for one in mask], dtype=dtype)
    arrays = np.empty(len(values), dtype=object)
    for index, value in enumerate(values):
        arrays[index] = np.ma.array([] if value is None else list(value), dtype=dtype)
    return arrays


def _descriptor(document: VOTableFile, service: ServiceDescriptor) -> Resource:
    resource = Resource(ID=service.identifier, type="meta", utype="adhoc:service")
    resource.description = service.description or None
    fixed = (
        ("accessURL", service.access_url, "meta.ref.url"),
        ("standardID", service.standard_id, None),
        ("resourceIdentifier", service.resource_identifier, None),
        ("contentType", service.content_type, None),
    )
    resource.params.extend(
        _Param(document, name=name, datatype="char", arraysize="*", value=value, ucd=ucd)
        for name, value, ucd in fixed
        if value
    )
    group = Group(document, name="inputParams")
    group.ID = None
    group.entries.extend(_input(document, param) for param in service.inputs)
    resource.groups.append(group)
    return resource


def _input(document: VOTableFile, given: InputParam) -> Param:
    param = _Param(
        document,
        name=given.name,
        datatype=given.datatype,
        arraysize=given.arraysize,
        value=given.value,
        ref=given.ref or None,
        unit=given.unit or None,
        ucd=given.ucd or None,
        utype=given.utype or None,
        xtype=given.xtype or None,
    )
    param.description = given.description or None
    # Values reads the version of the document from here, and from nowhere else, when a range is set.
    param.values = Values(document, param, config={"version_1_3_or_later": True})
    if given.minimum:
        param.values.min = given.minimum
    if given.maximum:
        param.values.max = given.maximum
    param.values.options.extend((option, option) for option in given.options)
    return param
