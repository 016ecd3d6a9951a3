"""The documents in which a service describes itself: VOSI 1.1 and TAPRegExt 1.0."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Literal

from pydantic.networks import AnyUrl
from pydantic_xml import BaseXmlModel
from vo_models.tapregext.models import (
    DataLimit,
    DataLimits,
    Language,
    LanguageFeature,
    LanguageFeatureList,
    OutputFormat,
    TableAccess,
    TimeLimits,
    UploadMethod,
    Version,
)
from vo_models.vodataservice.models import DataType, ParamHTTP, TableParam, TableSchema
from vo_models.vodataservice.models import Table as SchemaTable
from vo_models.voresource.models import AccessURL, Capability
from vo_models.vosi.availability.models import Availability
from vo_models.vosi.capabilities.models import VOSICapabilities
from vo_models.vosi.tables.models import VOSITable, VOSITableSet

from .functions import FUNCTIONS
from .model import Column, Table, TapSettings
from .output import OUTPUTS

__all__ = ["availability_document", "capabilities_document", "table_document", "tables_document"]

_GEOMETRY = "ivo://ivoa.net/std/TAPRegExt#features-adqlgeo"
_VOSI = "ivo://ivoa.net/std/VOSI"
_SPHERE = frozenset(
    {"POINT", "CIRCLE", "BOX", "POLYGON", "REGION", "CENTROID", "COORD1", "COORD2", "COORDSYS"}
    | {"AREA", "DISTANCE", "CONTAINS", "INTERSECTS"}
)


def availability_document(since: float) -> bytes:
    """Say that the service is up, and since when (VOSI 1.1, section 2.2)."""
    return _xml(Availability(available=True, up_since=datetime.fromtimestamp(since, UTC)))


def capabilities_document(url: str, settings: TapSettings) -> bytes:
    """List what the service can do (VOSI 1.1, section 2.1).

    Parameters
    ----------
    url
        Where the client sees the service.
    settings
        Its limits.

    Returns
    -------
    bytes
        The document.
    """
    parts = [
        (f"{_VOSI}#capabilities", "capabilities"),
        (f"{_VOSI}#availability", "availability"),
        (f"{_VOSI}#tables", "tables"),
    ]
    if settings.examples is not None:
        parts.append(("ivo://ivoa.net/std/DALI#examples", "examples"))
    others = [
        Capability(standard_id=AnyUrl(name), interface=[_interface(f"{url}/{path}", "full")]) for name, path in parts
    ]
    return _xml(VOSICapabilities(capability=[_table_access(url, settings), *others]))


def _interface(url: str, use: Literal["full", "base"]) -> ParamHTTP:
    version = "1.1" if use == "base" else None
    return ParamHTTP(access_url=[AccessURL(value=AnyUrl(url), use=use)], role="std", version=version)


def _table_access(url: str, settings: TapSettings) -> TableAccess:
    geometry = [LanguageFeature(form=name) for name in FUNCTIONS if name in _SPHERE]
    language = Language(
        name="ADQL",
        version=[
            Version(value="2.0", ivo_id="ivo://ivoa.net/std/ADQL#v2.0"),
            Version(value="2.1", ivo_id="ivo://ivoa.net/std/ADQL#v2.1"),
        ],
        description="ADQL, as far as users of archives write it",
        language_features=[LanguageFeatureList(type=_GEOMETRY, feature=geometry)],
    )
    return TableAccess(
        interface=[_interface(url, "base")],
        description=settings.title,
        language=[language],
        output_format=[
            OutputFormat(mime=output.content_type, alias=[output.aliases[0]]) for output in OUTPUTS if output.aliases
        ],
        upload_method=[UploadMethod(ivo_id="ivo://ivoa.net/std/TAPRegExt#upload-inline")],
        retention_period=TimeLimits(default=settings.job_lifetime, hard=settings.max_lifetime),
        execution_duration=TimeLimits(default=settings.default_duration, hard=settings.max_duration),
        output_limit=DataLimits(
            default=DataLimit(value=settings.default_maxrec, unit="row"),
            hard=DataLimit(value=settings.max_rows, unit="row"),
        ),
    )


def tables_document(tables: Sequence[Table], *, columns: bool) -> bytes:
    """List all tables (VOSI 1.1, section 2.3).

    Parameters
    ----------
    tables
        In the order of the document.
    columns
        Whether their columns are listed: not for ``detail=min``.

    Returns
    -------
    bytes
        The document.
    """
    schemas = [
        TableSchema(
            schema_name=name,
            table=[_table(SchemaTable, table, columns=columns) for table in tables if table.schema == name],
        )
        for name in dict.fromkeys(table.schema for table in tables)
    ]
    for schema in schemas:
        schema.schema_name = schema.schema_name or "default"
    return _xml(VOSITableSet(tableset_schema=schemas))


def table_document(table: Table) -> bytes:
    """Describe one table and its columns (VOSI 1.1, section 2.3)."""
    return _xml(_table(VOSITable, table, columns=True))


def _table(model: type[SchemaTable], table: Table, *, columns: bool) -> SchemaTable:
    described = model(
        table_type="base_table",
        table_name=table.name,
        column=[_column(one) for one in table.columns] if columns else [],
    )
    # Set afterwards: the model's constructor escapes text that is escaped again when it is written.
    described.description = table.description or None
    described.utype = table.utype or None
    return described


def _column(column: Column) -> TableParam:
    flags = [name for name, set_ in (("indexed", column.indexed), ("principal", column.principal)) if set_]
    described = TableParam(
        column_name=column.name,
        unit=column.unit or None,
        ucd=column.ucd or None,
        utype=column.utype or None,
        # no xtype: VODataService has it as an attribute of the datatype, which the model lacks; TAP_SCHEMA has it
        datatype=DataType(value=column.datatype, arraysize=column.size),
        flag=flags,
    )
    described.description = column.description or None
    return described


def _xml(model: BaseXmlModel) -> bytes:
    document = model.to_xml(skip_empty=True, xml_declaration=True, encoding="UTF-8")
    return document.encode() if isinstance(document, str) else document
