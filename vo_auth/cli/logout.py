"""``vo-auth logout``."""

from __future__ import annotations

from typing import Annotated

import typer

from .. import api
from .options import AccountOption, JsonOption, MaybeArchive
from .output import local_time, print_json

__all__ = ["logout"]


def logout(
    archive: MaybeArchive = None,
    account: AccountOption = None,
    everything: Annotated[bool, typer.Option("--all", help="Every archive.")] = False,
    purge: Annotated[
        bool,
        typer.Option("--purge", help="Also files written for other programs that they have changed since."),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Forget permits, and revoke them where the archive can.

    Kept passwords, cookies and files that `login --to-file` wrote go with them.

    Example: vo-auth logout eso
    """
    if (archive is None) is not everything:
        raise typer.BadParameter("name an archive, or say --all" if archive is None else "an archive, or --all?")
    gone = api.logout(archive, account=account, purge=purge)
    if as_json:
        print_json(gone)
        return
    for item in gone:
        typer.echo(f"{item.archive} {item.account or '(no name)'}: {_fate(item)}")
        for thing in item.removed:
            typer.echo(f"  removed: {thing}")
        if item.note:
            typer.echo(f"  note: {item.note}", err=True)
    if not gone:
        typer.echo("Nothing was held.")


def _fate(item: api.LoggedOut) -> str:
    if item.revoked:
        return "revoked"
    until = f", {local_time(item.until)}," if item.until else ""
    return f"forgotten here; the archive cannot revoke it before its end{until} wherever it was copied to"
