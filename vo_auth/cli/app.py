"""The verbs of ``vo-auth``, and what happens when one fails."""

from __future__ import annotations

import os
import sys
import warnings
from typing import Annotated

import typer
from requests import RequestException

from .._version import __version__
from ..errors import VoAuthError
from ..trace import is_asked
from . import sandbox
from .archives import archives
from .curl import curl
from .demo import demo
from .doctor import doctor
from .exec import exec_
from .explain import explain
from .get import get
from .groups import groups, whoami
from .login import login
from .logout import logout
from .start import say_what_is_next
from .status import status
from .token import token
from .wget import wget

__all__ = ["app", "run"]

# In the order in which help lists them; a verb is a function with a docstring that ends in an example.
VERBS = (login, logout, status, whoami, groups, get, token, curl, wget, exec_, explain, archives, doctor, demo)

app = typer.Typer(
    pretty_exceptions_enable=False,  # they would print the locals of every frame
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Log in to astronomical archives once, and let pyvo, astroquery and requests work with it.\n\n"
    "Example: vo-auth login eso",
)
for verb in VERBS:
    app.command(verb.__name__.rstrip("_"))(verb)  # exec is a word of Python's own
app.add_typer(sandbox.app, name="sandbox")


def run() -> int:
    """Run the command line and return its exit status: 0 done, 1 failed, 2 wrong usage."""
    warnings.showwarning = _say_warning  # type: ignore[assignment]  # one line each, on standard error
    try:
        app(prog_name="vo-auth")  # leaves by SystemExit
    except Exception as error:
        if is_asked():
            raise
        text, code = _failure(error)
        sys.stderr.write(f"vo-auth: {text}\n")
        return code
    return 0


def _failure(error: Exception) -> tuple[str, int]:
    """Return what to say of an error, and the exit status."""
    if isinstance(error, VoAuthError):
        return str(error), 1
    name = type(error).__name__
    if isinstance(error, BrokenPipeError):
        return "nobody reads the output any more", 1
    if isinstance(error, RequestException):  # its own text may hold the whole URL
        return f"the request failed ({name}): check address and network, or ask: vo-auth doctor --network", 1
    if isinstance(error, ValueError):  # of an argument
        return str(error), 2
    return f"this should not happen ({name}): run it again as `vo-auth --debug …` and report what it prints", 1


def _say_warning(message: Warning | str, *_: object) -> None:
    sys.stderr.write(f"vo-auth: {message}\n")


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"vo-auth {__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def _options(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Say each decision, and show tracebacks, as VO_AUTH_DEBUG=1 does.")
    ] = False,
) -> None:
    if debug:
        os.environ["VO_AUTH_DEBUG"] = "1"
    if context.invoked_subcommand is None:
        say_what_is_next()
