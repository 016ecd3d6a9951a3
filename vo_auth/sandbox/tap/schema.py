"""TAP_SCHEMA: the tables about the tables (TAP 1.1, section 4)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .model import Column, Table

__all__ = ["tap_schema"]


def _text(name: str, description: str) -> Column:
    return Column(name=name, datatype="char", arraysize="*", description=description)


def _number(name: str, description: str) -> Column:
    return Column(name=name, datatype="int", description=description)


_SCHEMAS = (
    _text("schema_name", "Name of the schema"),
    _text("utype", "Its utype"),
    _text("description", "What is in it"),
    _number("schema_index", "Place in a list of schemas"),
)
_TABLES = (
    _text("schema_name", "Name of the schema"),
    _text("table_name", "Name of the table, as it is written in queries"),
    _text("table_type", "table or view"),
    _text("utype", "Its utype"),
    _text("description", "What is in it"),
    _number("table_index", "Place in a list of tables"),
)
_COLUMNS = (
    _text("table_name", "Name of the table"),
    _text("column_name", "Name of the column"),
    _text("utype", "Its utype"),
    _text("ucd", "Its UCD"),
    _text("unit", "Its unit"),
    _text("description", "What is in it"),
    _text("datatype", "Its VOTable datatype"),
    _text("arraysize", "Its VOTable arraysize"),
    _text("xtype", "Its VOTable xtype"),
    _number("size", "Length of a value, deprecated"),
    _number("principal", "1 if it is one of the important columns"),
    _number("indexed", "1 if searching it is quick"),
    _number("std", "1 if a standard defines it"),
    _number("column_index", "Place in its table"),
)
_KEYS = (
    _text("key_id", "Name of the foreign key"),
    _text("from_table", "Table that refers"),
    _text("target_table", "Table that is referred to"),
    _text("utype", "Its utype"),
    _text("description", "What it means"),
)
_KEY_COLUMNS = (
    _text("key_id", "Name of the foreign key"),
    _text("from_column", "Column that refers"),
    _text("target_column", "Column that is referred to"),
)
_DESCRIPTIONS = {
    "schemas": "The schemas of this service",
    "tables": "The tables of this service",
    "columns": "The columns of all tables",
    "keys": "The foreign keys",
    "key_columns": "The columns of the foreign keys",
}


def tap_schema(tables: Sequence[Table], *, table_columns: Sequence[Column] = ()) -> tuple[Table, ...]:
    """Describe tables in tables.

    Parameters
    ----------
    tables
        The service's own tables.
    table_columns
        Further columns of TAP_SCHEMA.tables, filled from each table's ``facts``.

    Returns
    -------
    tuple[Table, ...]
        The five tables of TAP_SCHEMA, which describe themselves too.
    """
    shapes = zip(_DESCRIPTIONS, (_SCHEMAS, (*_TABLES, *table_columns), _COLUMNS, _KEYS, _KEY_COLUMNS), strict=True)
    empty = [
        Table(name=f"tap_schema.{name}", columns=columns, rows=(), description=_DESCRIPTIONS[name])
        for name, columns in shapes
    ]
    everything = [*tables, *empty]
    rows = {
        "tap_schema.schemas": _schema_rows(everything),
        "tap_schema.tables": [_table_row(table, index) for index, table in enumerate(everything)],
        "tap_schema.columns": [row for table in everything for row in _column_rows(table)],
    }
    return tuple(
        Table(name=table.name, columns=table.columns, rows=rows.get(table.name, ()), description=table.description)
        for table in empty
    )


def _schema_rows(tables: Sequence[Table]) -> list[dict[str, Any]]:
    names = dict.fromkeys(table.schema for table in tables)
    return [{"schema_name": name, "schema_index": index} for index, name in enumerate(names)]


def _table_row(table: Table, index: int) -> dict[str, Any]:
    return {
        "schema_name": table.schema,
        "table_name": table.name,
        "table_type": "table",
        "utype": table.utype or None,
        "description": table.description or None,
        "table_index": index,
        **table.facts,
    }


def _column_rows(table: Table) -> list[dict[str, Any]]:
    return [
        {
            "table_name": table.name,
            "column_name": column.name,
            "utype": column.utype or None,
            "ucd": column.ucd or None,
            "unit": column.unit or None,
            "description": column.description or None,
            "datatype": column.datatype,
            "arraysize": column.size,
            "xtype": column.xtype or None,
            "principal": int(column.principal),
            "indexed": int(column.indexed),
            "std": 0,
            "column_index": index,
        }
        for index, column in enumerate(table.columns)
    ]
