"""curl with a token of ours, inside ``vo-auth sandbox run``."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = pytest.mark.interop

VO_AUTH = Path(sys.executable).with_name("vo-auth")
QUERY = "SELECT COUNT(*) AS n FROM dbo.raw WHERE prog_id = '118.D-4004(A)'"  # the demo PI's confidential run
SCRIPT = """
set -e
ask() { "$CURL" -sS --fail-with-body -G https://archive.eso.org/tap_obs/sync \
    -d REQUEST=doQuery -d LANG=ADQL -d FORMAT=csv --data-urlencode "QUERY=$QUERY" "$@"; }
token=$("$VO_AUTH" token https://archive.eso.org/tap_obs)
ask
ask -H "Authorization: Bearer $token"
"""


def test_curl_sees_the_rows_of_the_token_that_the_command_prints(program: Callable[[str], str], tmp_path: Path) -> None:
    environment = {"CURL": program("curl"), "VO_AUTH": str(VO_AUTH), "QUERY": QUERY, "HOME": str(tmp_path)}
    done = subprocess.run(
        [VO_AUTH, "sandbox", "run", "--only", "eso", "--", program("sh"), "-c", SCRIPT],
        env=environment | {"PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["n", "0", "n", "5"]
