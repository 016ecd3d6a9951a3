"""``vo-auth doctor``."""

from __future__ import annotations

import warnings
from typing import Annotated

import typer

from ..diagnosis import diagnose
from .options import JsonOption
from .output import print_json

__all__ = ["doctor"]


def doctor(
    network: Annotated[
        bool, typer.Option("--network", help="Also ask a page of each archive for its time and certificate.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Look for what may be wrong on this machine; the report is safe to paste.

    The status is 1 when there is a problem. Without --network nothing is sent.

    Example: vo-auth doctor --network
    """
    with warnings.catch_warnings(action="ignore"):  # they are findings
        findings = diagnose(ask=network)
    if as_json:
        print_json(findings)
    else:
        for finding in findings:
            typer.echo(str(finding))
    if any(finding.level == "problem" for finding in findings):
        raise typer.Exit(1)
