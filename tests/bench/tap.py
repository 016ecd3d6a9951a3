"""How many requests a TAP query costs the archive: counted by its stand-in, so one run is enough."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping

from table import Row

__all__ = ["rows"]

GROUP = "Requests that reach the archive for one TAP query with pyvo"
URL = "https://archive.eso.org/tap_obs"
QUERY = "SELECT TOP 5 * FROM dbo.raw"
ANONYMOUS = f"""
import pyvo
pyvo.dal.TAPService({URL!r}).search({QUERY!r})
"""
AUTHENTICATED = f"""
import pyvo, vo_auth
pyvo.dal.TAPService({URL!r}, session=vo_auth.session_for({URL!r})).search({QUERY!r})
"""


def rows(rounds: int) -> list[Row]:
    del rounds  # a count does not vary
    names = ("anonymous", "vo_auth, the first time: one login more", "vo_auth, from then on")
    try:
        anonymous, first, later = count()
    except Exception as error:  # the other parts keep their figures
        return [Row(group=GROUP, name=name, why_not=reason(error)) for name in names]
    return [
        Row(group=GROUP, name=names[0], figure=str(anonymous)),
        Row(group=GROUP, name=names[1], figure=str(first), value=first, aim=anonymous + 1),
        Row(group=GROUP, name=names[2], figure=str(later), value=later, aim=anonymous),
    ]


def reason(error: Exception) -> str:
    text = error.stderr if isinstance(error, subprocess.CalledProcessError) else f"{type(error).__name__}: {error}"
    return str(text).strip().splitlines()[-1]


def count() -> tuple[int, int, int]:
    from vo_auth.sandbox import Sandbox

    with Sandbox(only=["eso"]) as sandbox:
        environment = sandbox.child_environ()

        def cost(code: str) -> int:
            before = len(sandbox.received)
            run(code, environment)
            return len(sandbox.received) - before

        return cost(ANONYMOUS), cost(AUTHENTICATED), cost(AUTHENTICATED)


def run(code: str, environment: Mapping[str, str]) -> None:
    """Run in a fresh interpreter; the wallet's folder is the sandbox's, so the permit outlives the process."""
    subprocess.run(
        [sys.executable, "-c", code], env=dict(environment), capture_output=True, text=True, check=True, timeout=120
    )
