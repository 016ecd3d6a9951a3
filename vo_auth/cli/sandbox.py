"""``vo-auth sandbox``: the stand-ins, for any command or for other terminals."""

from __future__ import annotations

from typing import Annotated

import typer

__all__ = ["app"]

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Archives' stand-ins under their real host names, on this machine alone.",
)

OnlyOption = Annotated[list[str] | None, typer.Option("--only", help="This archive alone; may be repeated.")]
CredentialsOption = Annotated[
    bool, typer.Option("--credentials/--no-credentials", help="Put demo credentials into the environment.")
]


@app.command(context_settings={"ignore_unknown_options": True})
def run(
    command: Annotated[list[str], typer.Argument(help="The command and its arguments, after --.", show_default=False)],
    only: OnlyOption = None,
    credentials: CredentialsOption = True,
    isolate: Annotated[
        bool, typer.Option("--isolate", help="In a network of its own, where the system permits.")
    ] = False,
) -> None:
    """Run a command in a sandbox of its own; its exit status is the command's.

    Example: vo-auth sandbox run -- python my_script.py
    """
    from ..sandbox.run import run as run_command

    raise typer.Exit(run_command(command, only=only or (), credentials=credentials, isolate=isolate))


@app.command()
def serve(
    only: OnlyOption = None,
    credentials: CredentialsOption = True,
    powershell: Annotated[bool, typer.Option("--powershell", help="Print PowerShell lines.")] = False,
) -> None:
    """Keep a sandbox up and print the variables that lead into it; Ctrl-C ends it.

    Example: vo-auth sandbox serve
    """
    from ..sandbox.run import serve as serve_sandbox

    serve_sandbox(only=only or (), credentials=credentials, powershell=powershell)
