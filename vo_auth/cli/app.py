"""The verbs of ``vo-auth``."""

from __future__ import annotations

import dataclasses
import datetime
import json
import os
import sys
import warnings
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from .. import api
from .._version import __version__
from ..errors import PermitError, PermitExpiredError, PermitLifeError, VoAuthError
from ..registry import default_registry
from . import get, groups, sandbox

__all__ = ["app", "run"]

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,  # they would print the locals of every frame
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Log in to astronomical archives once, and let pyvo, astroquery and requests work with it.",
)
app.add_typer(sandbox.app, name="sandbox")
app.command()(get.get)

ArchiveOrUrl = Annotated[str, typer.Argument(help="An archive's name, or any URL of it.", show_default=False)]
AccountOption = Annotated[
    str | None, typer.Option("--account", help="A label for the account; else the default one.", show_default=False)
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]


def run() -> int:
    """Run the command line and return its exit status: 0 done, 1 failed, 2 wrong usage."""
    warnings.showwarning = _say_warning  # type: ignore[assignment]  # one line each, on standard error
    try:
        app(prog_name="vo-auth")  # leaves by SystemExit
    except VoAuthError as error:
        if os.environ.get("VO_AUTH_DEBUG"):
            raise
        sys.stderr.write(f"vo-auth: {error}\n")
        return 1
    return 0


def _say_warning(message: Warning | str, *_: object) -> None:
    sys.stderr.write(f"vo-auth: {message}\n")


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"vo-auth {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None: ...


@app.command()
def login(  # noqa: PLR0917 - typer turns each into an option
    archive: ArchiveOrUrl,
    account: AccountOption = None,
    username: Annotated[str | None, typer.Option(help="Whom to log in; the password is asked for.")] = None,
    file: Annotated[
        str | None,
        typer.Option(
            "--file",
            "--from-file",
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
    options: dict[str, Any] = dict(given)
    identity = api.login(archive, account=account, flow=flow, force=force, to_file=to_file, **options)
    until = f", until {_local(identity.expires)}" if identity.expires else ""
    typer.echo(f"Logged in to {identity.archive} as {identity.user or identity.account or 'unnamed'}{until}.")


@app.command()
def logout(
    archive: Annotated[str | None, typer.Argument(help="An archive's name, or any URL of it.")] = None,
    account: AccountOption = None,
    everything: Annotated[bool, typer.Option("--all", help="Every archive.")] = False,
) -> None:
    """Forget permits, and revoke them where the archive can.

    Example: vo-auth logout eso
    """
    if archive is None and not everything:
        raise typer.BadParameter("name an archive, or say --all")
    gone = api.logout(archive, account=account)
    for item in gone:
        revoked = "revoked" if item.revoked else "forgotten here; the archive cannot revoke it before its end"
        typer.echo(f"{item.archive} {item.account or '(no name)'}: {revoked}")
        if item.note:
            typer.echo(f"  note: {item.note}", err=True)
    if not gone:
        typer.echo("Nothing was held.")


@app.command()
def status(as_json: JsonOption = False) -> None:
    """Show what the wallet holds, without secrets.

    Example: vo-auth status --json
    """
    held = api.status()
    if as_json:
        typer.echo(json.dumps([dataclasses.asdict(item) for item in held], default=str, indent=2))
        return
    if not held:
        typer.echo("Nothing is held; log in with: vo-auth login ARCHIVE")
        return
    rows = [
        (item.archive, item.account, item.kind, item.state, _left(item.seconds_left), item.kept, item.origin)
        for item in held
    ]
    _print_table(("archive", "account", "permit", "state", "left", "kept in", "from"), rows)


@app.command()
def token(
    url: Annotated[str, typer.Argument(help="Where the token will be sent.", show_default=False)],
    account: AccountOption = None,
    min_life: Annotated[str | None, typer.Option(help="How long it must still hold, as 8h.")] = None,
    header: Annotated[bool, typer.Option("--header", help="Print the whole header line.")] = False,
) -> None:
    """Print a token that fits a URL, for a program that takes no session.

    Example: vo-auth token https://archive.eso.org/tap_obs
    """
    try:
        secret = api.token(url, account=account, min_life=min_life)
    except (PermitLifeError, PermitExpiredError):
        raise
    except PermitError as error:  # a cookie or certificate: nothing to print
        raise typer.BadParameter(str(error)) from None
    typer.echo(f"Authorization: Bearer {secret.reveal()}" if header else secret.reveal())


app.command()(groups.whoami)
app.command()(groups.groups)


@app.command()
def archives(as_json: JsonOption = False) -> None:
    """List the archives that are installed, with their plugins, domains and flows.

    Example: vo-auth archives
    """
    registry = default_registry()
    records: list[dict[str, Any]] = [
        {
            "archive": archive.name,
            "title": archive.title,
            "distribution": plugin.distribution,
            "version": plugin.version,
            "domains": [str(domain) for domain in archive.domains],
            "flows": [flow.name for flow in archive.flows],
        }
        for archive, plugin in registry.archives()
    ]
    if as_json:
        typer.echo(json.dumps(records, indent=2))
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
    _print_table(("archive", "plugin", "domains", "flows"), rows)


@app.command()
def demo() -> None:
    """Do the main job on the sandbox and show what happened.

    Example: vo-auth demo
    """
    from ..demo import run_demo

    raise typer.Exit(run_demo())


def _print_table(columns: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    if not sys.stdout.isatty():  # for programs: one line each, tabs between
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


def _left(seconds: float | None) -> str:
    if seconds is None:
        return "not known"
    if seconds <= 0:
        return "ended"
    hours, minutes = divmod(int(seconds) // 60, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {int(seconds) % 60:02d} s"


def _local(moment: datetime.datetime) -> str:
    return moment.astimezone().strftime("%Y-%m-%d %H:%M %Z")
