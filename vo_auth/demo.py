"""The main job on the sandbox, and what a person should see of it."""

from __future__ import annotations

import time
import warnings
from collections import defaultdict
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from .errors import MissingDependencyError, VoAuthError

if TYPE_CHECKING:
    from .sandbox import Bench, Received, Sandbox, StandIn

__all__ = ["Demo", "run_demo"]

_ELSEWHERE = "storage.example.org"


class Demo:
    """What a plugin's demo works with: its stand-in, and a way to show what happened.

    Parameters
    ----------
    sandbox
        The running sandbox; this process is inside.
    standin
        The archive's stand-in.
    console
        Where to show things.

    Attributes
    ----------
    elsewhere
        A URL of a third party, as a presigned one in a table would be.
    """

    elsewhere = f"https://{_ELSEWHERE}/presigned/file.fits?signature=obviously-fake"

    def __init__(self, sandbox: Sandbox, standin: StandIn, console: Console) -> None:
        self.sandbox = sandbox
        self.standin = standin
        self._console = console
        self.failed: list[str] = []

    @property
    def bench(self) -> Bench:
        """The stand-in's counters and knobs."""
        return self.sandbox.bench(self.standin.archive)

    def step(self, title: str) -> None:
        """Begin a step.

        Parameters
        ----------
        title
            What it is about, in a few words.
        """
        self._console.print(f"\n[bold]{title}[/bold]")

    def check(self, text: str, holds: bool) -> None:
        """Show something that must be true; the demo fails if it is not.

        Parameters
        ----------
        text
            What was seen, with its figures.
        holds
            Whether it is as it should be.
        """
        mark = "[green]ok[/green]    " if holds else "[red]WRONG[/red] "
        self._console.print(f"  {mark}{text}", highlight=False)
        if not holds:
            self.failed.append(text)


def run_demo() -> int:
    """Start the sandbox, do the main job at every installed archive, and show where permits went.

    Returns
    -------
    int
        0 only if everything that was shown was true.

    Raises
    ------
    MissingDependencyError
        When the packages of the sandbox are not installed.
    """
    console = Console(width=min(Console().width, 80), soft_wrap=False)
    start = time.monotonic()
    failed: list[str] = []
    with _sandbox() as sandbox, sandbox.activated():
        shown = [standin for standin in sandbox.standins if standin.demo is not None]
        names = ", ".join(standin.archive for standin in shown) or "no archive is installed: pip install vo-auth-eso"
        console.print(f"vo_auth on the sandbox: stand-ins under the archives' real names ({names})")
        for standin in shown:
            failed += _act(Demo(sandbox, standin, console), standin)
        failed += _where(sandbox, console, shown)
    seconds = time.monotonic() - start
    if failed or not shown:
        console.print(f"\n[red]{len(failed)} of these were not true.[/red]" if failed else "\nNothing to show.")
        return 1
    console.print(f"\nAll of it was true ({seconds:.1f} s). Your own work: [bold]vo-auth login ARCHIVE[/bold], then")
    console.print("  tap = pyvo.dal.TAPService(url, session=vo_auth.session_for(url))", highlight=False)
    return 0


def _act(demo: Demo, standin: StandIn) -> list[str]:
    assert standin.demo is not None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the demo shows refusals on purpose
        try:
            standin.demo(demo)
        except VoAuthError as error:
            demo.check(f"{standin.archive}: {error}", holds=False)
    return demo.failed


def _sandbox() -> Sandbox:
    try:
        from aiohttp import web

        from .sandbox import Sandbox, StandIn
    except ImportError as error:
        raise MissingDependencyError(f'The demo needs {error.name}: pip install "vo-auth[sandbox,pyvo]"') from None

    async def file(_: web.Request) -> web.Response:
        return web.Response(body=b"a file that its URL alone gives access to")

    def app(_: Bench) -> web.Application:
        application = web.Application()
        application.router.add_get("/presigned/{name}", file)
        return application

    return Sandbox(extra=[StandIn(archive="elsewhere", hosts=(_ELSEWHERE,), credentials={}, app=app)])


def _where(sandbox: Sandbox, console: Console, shown: list[StandIn]) -> list[str]:
    """Show where permits went, and check that it was nowhere else."""
    counts: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for request in sandbox.received.all():
        host = f"{request.scheme}://{request.host}"
        counts[host][_carries_permit(request)] += 1
    table = Table(box=None, pad_edge=False, title="Where the permits went", title_justify="left", title_style="bold")
    for column in ("host", "with permit", "without"):
        table.add_column(column, justify="left" if column == "host" else "right")
    for host in sorted(counts):
        without, with_permit = counts[host]
        table.add_row(host, str(with_permit), str(without))
    console.print()
    console.print(table)
    homes = {f"https://{host}" for standin in shown for host in standin.hosts}
    strays = [host for host, (_, with_permit) in counts.items() if with_permit and host not in homes]
    end = Demo(sandbox, sandbox.standins[0], console)
    end.check("no permit left the archives' own https hosts", not strays)
    seen = any("authorization" in {name.lower() for name in entry.headers} for entry in sandbox.proxy_log.all())
    end.check("the proxy in between saw none", not seen)
    return end.failed


def _carries_permit(request: Received) -> bool:
    return bool(request.authorization or request.cookie or request.client_certificate)
