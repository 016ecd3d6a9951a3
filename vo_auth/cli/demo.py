"""``vo-auth demo``."""

from __future__ import annotations

import typer

__all__ = ["demo"]


def demo() -> None:
    """Do the main job on the sandbox and show what happened.

    Example: vo-auth demo
    """
    from ..demo import run_demo

    raise typer.Exit(run_demo())
