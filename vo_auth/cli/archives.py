"""``vo-auth archives``."""

from __future__ import annotations

from typing import Any

import typer

from ..registry import default_registry
from .options import JsonOption
from .output import print_json, print_table

__all__ = ["archives"]


def archives(as_json: JsonOption = False) -> None:
    """List the archives that are installed, with their plugins, domains and flows.

    Example: vo-auth archives
    """
    records: list[dict[str, Any]] = [
        {
            "archive": archive.name,
            "title": archive.title,
            "distribution": plugin.distribution,
            "version": plugin.version,
            "domains": [str(domain) for domain in archive.domains],
            "flows": [flow.name for flow in archive.flows_of("")],
            "insecure_origins": [str(domain.origin) for domain in archive.domains if domain.insecure],
        }
        for archive, plugin in default_registry().archives()
    ]
    if as_json:
        print_json(records)
        return
    if not records:
        typer.echo("No archive is installed; for ESO: pip install vo-auth-eso")
        return
    rows = [
        (
            record["archive"],
            f"{record['distribution']} {record['version']}",
            "\n".join(record["domains"]),
            "\n".join(record["flows"]),
        )
        for record in records
    ]
    print_table(("archive", "plugin", "domains", "flows"), rows)
