"""Print what vo_auth costs, with its peers beside it in the same run: ``make bench``.

Ratios come from rounds in which every contender takes its turn, so that a busy machine slows all of them alike. Nothing
here is asserted in a test: a figure that misses its aim is marked, and the exit status says so only with ``--strict``.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
from collections.abc import Callable
from importlib.metadata import version

import downloads
import gets
import startup
import tap
from table import Row, print_rows

PARTS: dict[str, Callable[[int], list[Row]]] = {
    "downloads": downloads.rows,
    "gets": gets.rows,
    "startup": startup.rows,
    "tap": tap.rows,
}
PERSONAL = ("CURL_CA_BUNDLE", "NETRC", "PYTHONDONTWRITEBYTECODE", "REQUESTS_CA_BUNDLE", "SSL_CERT_DIR", "SSL_CERT_FILE")


def main() -> int:
    parser = argparse.ArgumentParser(prog="tests/bench", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("parts", nargs="*", help=f"which of {', '.join(PARTS)}; all without")
    parser.add_argument("--rounds", type=int, default=15, help="interleaved rounds, at least 9")
    parser.add_argument("--strict", action="store_true", help="exit with 1 when a figure misses its aim")
    options = parser.parse_args()
    unknown = set(options.parts) - set(PARTS)
    if unknown or options.rounds < 9:
        parser.error(f"no such part: {', '.join(sorted(unknown))}" if unknown else "at least 9 rounds")
    with tempfile.TemporaryDirectory(prefix="vo-auth-bench-") as home:
        leave_the_person_out(home)
        print(
            f"Python {platform.python_version()}, requests {version('requests')}, urllib3 {version('urllib3')},"
            f" vo-auth {version('vo-auth')}; medians of {options.rounds} interleaved rounds"
        )
        rows = [
            row
            for name, part in PARTS.items()
            if not options.parts or name in options.parts
            for row in part(options.rounds)
        ]
    print_rows(rows)
    return int(options.strict and any(row.verdict in ("missed", "not measured") for row in rows))


def leave_the_person_out(home: str) -> None:
    """Give every contender the same empty home and no proxies: requests is at its fastest then, too."""
    for name in list(os.environ):
        if name in PERSONAL or name.lower().endswith("_proxy") or name.startswith(("VO_AUTH_", "XDG_")):
            del os.environ[name]
    os.environ.update(HOME=home, USERPROFILE=home, PYTHON_KEYRING_BACKEND="keyring.backends.null.Keyring")


if __name__ == "__main__":
    sys.exit(main())
