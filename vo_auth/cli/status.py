"""``vo-auth status``."""

from __future__ import annotations

import sys

import typer

from .. import api
from ..holdings import cells
from .options import JsonOption
from .output import print_json, print_table

__all__ = ["status"]


def status(as_json: JsonOption = False) -> None:
    """Show what the wallet holds, without secrets.

    Example: vo-auth status --json
    """
    held = api.status()
    if as_json:
        print_json(held)
        return
    if held:
        print_table(held.COLUMNS, [cells(item) for item in held])
    else:
        typer.echo("Nothing is held; log in with: vo-auth login ARCHIVE")
    for note in held.notes():
        sys.stderr.write(f"note: {note}\n")
