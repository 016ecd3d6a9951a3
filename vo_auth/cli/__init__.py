"""The command ``vo-auth``."""

from __future__ import annotations

import sys

__all__ = ["main"]


def main() -> None:
    """Run the command; errors are one paragraph on standard error, without a traceback."""
    try:
        import rich  # noqa: F401 - looked for here, used below
        import typer  # noqa: F401
    except ImportError as error:
        sys.stderr.write(f"vo-auth: the command line needs {error.name}: pip install {error.name}\n")
        sys.exit(1)
    from .app import run

    sys.exit(run())
