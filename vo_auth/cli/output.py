"""What verbs print: tables for people, lines and JSON for programs."""

from __future__ import annotations

import dataclasses
import datetime
import json
import sys
from collections.abc import Sequence
from typing import Any

import typer

__all__ = ["local_time", "print_json", "print_table"]


def print_json(value: object) -> None:
    """Print records, lists of them, or plain values as JSON.

    Parameters
    ----------
    value
        Dataclasses become objects, times text in ISO 8601.
    """
    typer.echo(json.dumps(_plain(value), default=str, indent=2))


def _plain(value: object) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return value.isoformat() if isinstance(value, datetime.datetime) else value


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table on a terminal; elsewhere one line per row, with tabs between.

    Parameters
    ----------
    columns
        Their heads.
    rows
        Their cells.
    """
    if not sys.stdout.isatty():
        for row in rows:
            typer.echo("\t".join(cell.replace("\n", " ") for cell in row))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*row)
    Console().print(table)


def local_time(moment: datetime.datetime) -> str:
    """Return a time as this machine's clock shows it.

    Parameters
    ----------
    moment
        A time with its zone.
    """
    return moment.astimezone().strftime("%Y-%m-%d %H:%M %Z")
