"""``vo-auth groups`` and ``vo-auth whoami``: what an archive knows of the user."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer
from requests import RequestException

from ..asking import whoami as ask_whoami
from ..errors import VoAuthError
from ..gms import groups as ask_groups

__all__ = ["groups", "whoami"]

ArchiveOrUrl = Annotated[str, typer.Argument(help="An archive's name, or any URL of it.", show_default=False)]
AccountOption = Annotated[
    str | None, typer.Option("--account", help="A label for the account; else the default one.", show_default=False)
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]


@contextmanager
def _failures_said(archive: str) -> Iterator[None]:
    """Say in one line what requests raises: its own text may hold the whole URL."""
    try:
        yield
    except VoAuthError:
        raise
    except RequestException as error:
        place = archive.partition("?")[0].rpartition("@")[2]
        typer.echo(f"vo-auth: {place} could not be asked ({type(error).__name__}): check address and network", err=True)
        raise typer.Exit(1) from None
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


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
    with _failures_said(archive):
        found = ask_groups(archive, *names or (), account=account, service=service)
    if as_json:
        typer.echo(json.dumps(found, indent=2))
        return
    for name in found:
        typer.echo(name)
    if not found:
        typer.echo("You are in none of these groups." if names else "You are in no group.", err=True)


def whoami(archive: ArchiveOrUrl, account: AccountOption = None, as_json: JsonOption = False) -> None:
    """Ask an archive for whom it takes you.

    Example: vo-auth whoami https://data.icos-cp.eu
    """
    with _failures_said(archive):
        identity = ask_whoami(archive, account=account)
    if as_json:
        typer.echo(json.dumps(identity and dataclasses.asdict(identity), default=str, indent=2))
    elif identity is None:
        typer.echo("Nobody: the archive answers as it answers everybody.")
    else:
        ends = f", until {identity.expires.astimezone():%Y-%m-%d %H:%M %Z}" if identity.expires else ""
        label = f" (account {identity.account})" if identity.account not in ("", identity.user) else ""
        typer.echo(f"{identity.user} at {identity.archive}{label}{ends}")
