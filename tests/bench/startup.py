"""What importing costs, and making a session: each in a fresh interpreter."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from statistics import median

from table import Row, median_ratio

__all__ = ["rows"]

# Linux counts the memory of whoever started a process into its ru_maxrss; VmHWM is the process's own.
REPORT = """
import json, sys
def peak():
    try:
        with open("/proc/self/status") as status:
            return next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
    except OSError:
        import resource
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak // 1024 if sys.platform == "darwin" else peak
try:
    memory = peak()
except ImportError:
    memory = 0
print(json.dumps({"seconds": elapsed, "kilobytes": memory}))
"""
TIMED = """
{before}
from time import perf_counter
started = perf_counter()
{code}
elapsed = perf_counter() - started
"""
SESSION = 'vo_auth.session_for("https://archive.eso.org/tap_obs", token="obviously-fake-token")'
BASE = "import requests"
IMPORTS = (BASE, "import vo_auth", "import pyvo")


def rows(rounds: int) -> list[Row]:
    results: dict[str, list[dict[str, float]]] = {name: [] for name in (*IMPORTS, SESSION)}
    failures: dict[str, str] = {}
    for number in range(-1, rounds):  # the first one writes bytecode
        for name, seen in results.items():
            if name in failures:
                continue
            try:
                measured = run(name, before="import requests, vo_auth" if name == SESSION else "")
            except subprocess.CalledProcessError as error:
                failures[name] = error.stderr.strip().splitlines()[-1]
                continue
            if number >= 0:
                seen.append(measured)
    return [
        *import_rows("Importing: time", "seconds", results, failures),
        *import_rows("Importing: memory at its peak", "kilobytes", results, failures),
        session_row(results[SESSION], failures.get(SESSION, "")),
    ]


def run(code: str, *, before: str) -> dict[str, float]:
    command = [sys.executable, "-c", TIMED.format(before=before, code=code) + REPORT]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60, cwd=tempfile.gettempdir())
    measured: dict[str, float] = json.loads(done.stdout)
    return measured


def import_rows(
    group: str, key: str, results: dict[str, list[dict[str, float]]], failures: dict[str, str]
) -> list[Row]:
    found = []
    base = [measured[key] for measured in results[BASE]]
    for name in IMPORTS:
        aim = 1.15 if name == "import vo_auth" else None
        if name in failures:
            found.append(Row(group=group, name=name, aim=aim, why_not=failures[name]))
            continue
        values = [measured[key] for measured in results[name]]
        figure = f"{median(values) * 1e3:.1f} ms" if key == "seconds" else f"{median(values) / 1024:.1f} MiB"
        found.append(Row(group=group, name=name, figure=figure, ratio=median_ratio(values, base), aim=aim))
    return found


def session_row(results: list[dict[str, float]], failure: str) -> Row:
    installed = "with" if find_spec("vo_auth_eso") else "without"
    group = "Making the first session, on top of importing requests (milliseconds)"
    name = f"session_for, {installed} the plugin for ESO"
    if failure:
        return Row(group=group, name=name, aim=60, why_not=failure)
    milliseconds = median(measured["seconds"] for measured in results) * 1e3
    return Row(group=group, name=name, figure=f"{milliseconds:.1f} ms", value=milliseconds, aim=60)
