"""STILTS with user name and password in files, as ``vo-auth exec`` hands them over, at CADC's stand-in.

STILTS is no part of this project: get version 3.5 or later yourself, and say where its command is::

    INTEROP_STILTS=…/stilts make interop

Without the variable there is nothing to run here.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from vo_auth.sandbox import Sandbox
from vo_auth.testing import assert_no_secret
from vo_auth_cadc.standin import STANDIN

pytestmark = [pytest.mark.interop, pytest.mark.vo_auth_sandbox([STANDIN])]

STILTS = os.environ.get("INTEROP_STILTS", "")
if not STILTS:  # not a skip of each test: those are errors where interop tests are required
    pytest.skip("INTEROP_STILTS does not say where STILTS is", allow_module_level=True)

QUERY = [
    "tapquery",
    "tapurl=https://ws.cadc-ccda.hia-iha.nrc-cnrc.gc.ca/argus",
    "adql=SELECT COUNT(*) AS n FROM caom2.Observation",
    *("sync=true", "ofmt=csv", "auth=true"),
]


def test_stilts_logs_in_with_a_password_that_nobody_else_sees(vo_auth_sandbox: Sandbox, tmp_path: Path) -> None:
    wrapper = tmp_path / "stilts"
    wrapper.write_text(f'#!/bin/sh\ncat /proc/$$/cmdline /proc/$$/environ > {tmp_path}/seen\nexec {STILTS} "$@"\n')
    wrapper.chmod(0o755)
    login = [f"-Dauth.{name.lower()}=@{{VO_AUTH_EXEC_{name}_FILE}}" for name in ("USERNAME", "PASSWORD")]
    words = ["exec", "--archive", "cadc", "--credentials", "--", str(wrapper), *login, *QUERY]
    done = subprocess.run(
        [sys.executable, "-c", "from vo_auth.cli import main; main()", *words],
        env=vo_auth_sandbox.child_environ(),
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["n", "4"]  # one more than the public ones
    first = next(iter(STANDIN.credentials.values()))
    assert_no_secret([first["password"]], (tmp_path / "seen").read_bytes(), done.stderr)
