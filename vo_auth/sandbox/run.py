"""Run a command in a sandbox, or keep a sandbox up for other terminals."""

from __future__ import annotations

import shlex
import sys
import threading
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import TextIO

from .error import SandboxError
from .host import Sandbox
from .process import execute, handled_signals
from .standin import StandIn

__all__ = ["export_lines", "run", "serve"]

_HAS_NAMESPACES = sys.platform == "linux"
_POLL = 0.5  # seconds; Windows notices Ctrl-C between two waits only


def run(
    command: Sequence[str],
    *,
    only: Iterable[str] = (),
    credentials: bool = True,
    isolate: bool = False,
    standins: Iterable[StandIn] | None = None,
) -> int:
    """Run a command in a sandbox of its own.

    Parameters
    ----------
    command
        Program and arguments.
    only
        Names of archives; empty means all.
    credentials
        Put demo credentials into the command's environment.
    isolate
        Give the command a network of its own (Linux): the real ports, no proxy, and nothing can leave.
    standins
        None asks the installed plugins.

    Returns
    -------
    int
        The command's exit status as a shell has it: 128 and the signal's number where a signal ended it.

    Raises
    ------
    SandboxError
        The sandbox cannot start as asked, or this system does not permit isolation.
    """
    make = partial(Sandbox, standins, only=tuple(only), credentials=credentials)
    if isolate:
        if not _HAS_NAMESPACES:
            raise SandboxError("--isolate needs Linux: run the command without it")
        from .isolated import run_isolated

        return run_isolated(command, make)
    with make() as sandbox:
        return execute(command, sandbox)


def serve(
    *,
    only: Iterable[str] = (),
    credentials: bool = True,
    powershell: bool = False,
    standins: Iterable[StandIn] | None = None,
    out: TextIO | None = None,
) -> None:
    """Keep a sandbox up until SIGINT or SIGTERM, and say how another terminal gets into it.

    Parameters
    ----------
    only
        Names of archives; empty means all.
    credentials
        Put demo credentials among the variables.
    powershell
        Write the variables for PowerShell; else for any POSIX shell.
    standins
        None asks the installed plugins.
    out
        Where the lines go; None means standard output.

    Raises
    ------
    SandboxError
        The sandbox cannot start as asked.
    """
    stream = sys.stdout if out is None else out
    end = threading.Event()
    with handled_signals(lambda *_: end.set()), Sandbox(standins, only=only, credentials=credentials) as sandbox:
        stream.writelines(f"{line}\n" for line in export_lines(sandbox.environ, powershell=powershell))
        stream.write(f"# The sandbox serves {', '.join(sandbox.hosts)} until Ctrl-C.\n")
        stream.flush()
        while not end.wait(_POLL):
            pass


def export_lines(environ: Mapping[str, str | None], *, powershell: bool = False) -> list[str]:
    r"""Write variables as lines for a shell.

    Parameters
    ----------
    environ
        None means: to unset.
    powershell
        For PowerShell; else for any POSIX shell.

    Returns
    -------
    list of str
        Sorted by name, quoted.

    Examples
    --------
    >>> export_lines({"B": None, "A": "it's"})
    ['export A=\'it\'"\'"\'s\'', 'unset B']
    >>> export_lines({"B": None, "A": "it's"}, powershell=True)
    ["$Env:A = 'it''s'", 'Remove-Item Env:B -ErrorAction Ignore']
    """
    write = _powershell_line if powershell else _posix_line
    return [write(name, environ[name]) for name in sorted(environ)]


def _posix_line(name: str, value: str | None) -> str:
    return f"unset {name}" if value is None else f"export {name}={shlex.quote(value)}"


def _powershell_line(name: str, value: str | None) -> str:
    if value is None:
        return f"Remove-Item Env:{name} -ErrorAction Ignore"
    quoted = value.replace("'", "''")
    return f"$Env:{name} = '{quoted}'"
