"""Arguments and options that several verbs share."""

from __future__ import annotations

from typing import Annotated

import typer

__all__ = ["AccountOption", "ArchiveOrUrl", "JsonOption", "MaybeArchive", "MinLifeOption", "Url"]


def _names(incomplete: str) -> list[str]:
    """Complete the names of installed archives, for the shell."""
    from ..registry import default_registry

    return [archive.name for archive, _ in default_registry().archives() if archive.name.startswith(incomplete)]


ArchiveOrUrl = Annotated[
    str,
    typer.Argument(help="An archive's name, or any URL of it.", show_default=False, autocompletion=_names),
]
MaybeArchive = Annotated[
    str | None,
    typer.Argument(help="An archive's name, or any URL of it.", show_default=False, autocompletion=_names),
]
Url = Annotated[str, typer.Argument(help="The URL of a service or file.", show_default=False)]
AccountOption = Annotated[
    str | None, typer.Option("--account", help="A label for the account; else the default one.", show_default=False)
]
MinLifeOption = Annotated[
    str | None, typer.Option("--min-life", help="How long the permit must still hold, as 8h.", show_default=False)
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
