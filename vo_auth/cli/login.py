"""``vo-auth login``."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from .. import api
from .options import AccountOption, ArchiveOrUrl, JsonOption
from .output import local_time, print_json

__all__ = ["login"]


def login(  # noqa: PLR0917 - typer turns each into an option
    archive: ArchiveOrUrl,
    account: AccountOption = None,
    username: Annotated[str | None, typer.Option(help="Whom to log in; the password is asked for.")] = None,
    file: Annotated[
        str | None,
        typer.Option(
            "--file",
            "--from-file",
            "--token-file",
            help="A file of credentials: a token, or user name and password on two lines, a PEM, or the file of the "
            "archive's own client.",
        ),
    ] = None,
    to_file: Annotated[
        str | None,
        typer.Option(help="Also write such a file of the archive's own client; `default` is where that looks."),
    ] = None,
    password_stdin: Annotated[bool, typer.Option("--password-stdin", help="Read the password from stdin.")] = False,
    token_stdin: Annotated[bool, typer.Option("--token-stdin", help="Read a token or cookie from stdin.")] = False,
    flow: Annotated[str | None, typer.Option(help="Which flow to use; `vo-auth archives` lists them.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Also when a valid permit is held.")] = False,
    keep_password: Annotated[
        bool,
        typer.Option("--keep-password", help="Keep the password in the keyring, so that later logins ask nobody."),
    ] = False,
    keep_in_file: Annotated[
        bool,
        typer.Option("--keep-password-in-file", help="As well; where there is no keyring, in the wallet's plain file."),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Log in now; later work then asks nobody.

    Secrets are never taken from the command line, where other users see them.

    Example: vo-auth login eso
    """
    credentials = {"username": username, "file": file}
    if password_stdin:
        credentials["password"] = sys.stdin.readline().rstrip("\r\n")
    if token_stdin:
        credentials["token"] = credentials["cookie"] = sys.stdin.readline().strip()
    given = {name: value for name, value in credentials.items() if value is not None}
    options: dict[str, Any] = {**given, "keep_password": "file" if keep_in_file else keep_password}
    identity = api.login(archive, account=account, flow=flow, force=force, to_file=to_file, **options)
    if as_json:
        print_json(identity)
        return
    until = f", until {local_time(identity.expires)}" if identity.expires else ""
    typer.echo(f"Logged in to {identity.archive} as {identity.user or identity.account or 'unnamed'}{until}.")
