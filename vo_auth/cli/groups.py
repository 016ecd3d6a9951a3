"""``vo-auth groups`` and ``vo-auth whoami``: what an archive knows of the user."""

from __future__ import annotations

from typing import Annotated

import typer

from ..asking import whoami as ask_whoami
from ..gms import groups as ask_groups
from .options import AccountOption, ArchiveOrUrl, JsonOption
from .output import local_time, print_json

__all__ = ["groups", "whoami"]


def groups(
    archive: ArchiveOrUrl,
    names: Annotated[
        list[str] | None, typer.Argument(help="Groups to ask about; none: all of yours.", show_default=False)
    ] = None,
    account: AccountOption = None,
    service: Annotated[
        str, typer.Option("--service", help="The service's IVOID, where names are full identifiers.")
    ] = "",
    as_json: JsonOption = False,
) -> None:
    """List the groups that you are a member of.

    Example: vo-auth groups ia2 my-team
    """
    found = ask_groups(archive, *names or (), account=account, service=service)
    if as_json:
        print_json(found)
        return
    for name in found:
        typer.echo(name)
    if not found:
        typer.echo("You are in none of these groups." if names else "You are in no group.", err=True)


def whoami(archive: ArchiveOrUrl, account: AccountOption = None, as_json: JsonOption = False) -> None:
    """Ask an archive for whom it takes you.

    Example: vo-auth whoami https://data.icos-cp.eu
    """
    identity = ask_whoami(archive, account=account)
    if as_json:
        print_json(identity)
    elif identity is None:
        typer.echo("Nobody: the archive answers as it answers everybody.")
    else:
        ends = f", until {local_time(identity.expires)}" if identity.expires else ""
        label = f" (account {identity.account})" if identity.account not in ("", identity.user) else ""
        typer.echo(f"{identity.user} at {identity.archive}{label}{ends}")
