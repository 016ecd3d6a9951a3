"""``vo-auth token``."""

from __future__ import annotations

from typing import Annotated

import typer

from .. import api
from ..errors import PermitKindError
from .options import AccountOption

__all__ = ["token"]


def token(
    context: typer.Context,
    url: Annotated[str, typer.Argument(help="Where the token will be sent.", show_default=False)],
    account: AccountOption = None,
    min_life: Annotated[str | None, typer.Option(help="How long it must still hold, as 8h.")] = None,
    header: Annotated[bool, typer.Option("--header", help="Print the whole header line.")] = False,
) -> None:
    """Print a token that fits a URL, for a program that takes no session.

    Where the archive's permit is a cookie or a certificate, the status is 2.

    Example: vo-auth token https://archive.eso.org/tap_obs
    """
    try:
        if header:
            name, value = api.token_header(url, account=account, min_life=min_life)
            typer.echo(f"{name}: {value.reveal()}")
        else:
            typer.echo(api.token(url, account=account, min_life=min_life).reveal())
    except PermitKindError as error:
        first = str(error).partition(": ")[0]
        raise typer.BadParameter(f"{first}. {_instead(context, url)}") from None


def _instead(context: typer.Context, url: str) -> str:
    """Name the verb that fits an archive without tokens."""
    parent = context.parent.command if context.parent is not None else None
    verbs = getattr(parent, "commands", {})
    bare = url.partition("?")[0].rpartition("@")[2] if "@" in url else url.partition("?")[0]
    ways = {"get": f"vo-auth get {bare}", "curl": f"vo-auth curl {bare}"}
    fitting = [f"`{line}`" for verb, line in ways.items() if verb in verbs]
    return f"Use {' or '.join([*fitting, 'vo_auth.session_for(url) in Python'])}."
