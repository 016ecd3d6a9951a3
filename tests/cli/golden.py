"""The help of every verb, as it is printed in 80 columns; run this file to write the golden texts anew."""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "golden"


def printed() -> dict[str, str]:
    """Return the help of each verb, from a process of its own: typer reads the width when it is imported."""
    plain = {name: value for name, value in os.environ.items() if name not in ("FORCE_COLOR", "GITHUB_ACTIONS")}
    done = subprocess.run(
        [sys.executable, __file__, "--print"],
        env={**plain, "COLUMNS": "80", "TERMINAL_WIDTH": "80", "NO_COLOR": "1", "TERM": "dumb", "PYTHONUTF8": "1"},
        capture_output=True,
        text=True,
        timeout=100,
        check=True,
    )
    return dict(json.loads(done.stdout))


def place(verb: str) -> Path:
    """Return where the golden text of a verb is."""
    return FOLDER / f"{verb.replace(' ', '-') or 'vo-auth'}.txt"


def _helps() -> dict[str, str]:
    import typer.main

    from vo_auth.cli.app import app

    command = typer.main.get_command(app)
    return {" ".join(path): _help(command, path) for path in _paths(command, ())}


def _paths(command: Any, path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    yield path
    for name, inner in getattr(command, "commands", {}).items():
        yield from _paths(inner, (*path, name))


def _help(command: Any, path: tuple[str, ...]) -> str:
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.suppress(SystemExit):
        command.main([*path, "--help"], prog_name="vo-auth")
    return "".join(f"{line.rstrip()}\n" for line in out.getvalue().strip("\n").splitlines())


def _write() -> None:
    FOLDER.mkdir(exist_ok=True)
    texts = {place(verb): text for verb, text in printed().items()}
    for stale in set(FOLDER.glob("*.txt")) - set(texts):
        stale.unlink()
    for path, text in texts.items():
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    if "--print" in sys.argv:
        sys.stdout.write(json.dumps(_helps()))
    else:
        _write()
