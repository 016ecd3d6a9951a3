"""Unmodified programs in the sandbox."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from vo_auth.sandbox import Sandbox

pytestmark = pytest.mark.interop


def output(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_curl_reaches_the_stand_ins(sandbox: Sandbox, program: Callable[[str], str], scheme: str) -> None:
    answer = json.loads(output(program("curl"), "-sS", "-d", "a=b", f"{scheme}://archive.toy.example/x?y"))
    assert (answer["scheme"], answer["path"], answer["body"]) == (scheme, "/x?y", 3)


def test_curl_is_refused_an_unknown_host(sandbox: Sandbox, program: Callable[[str], str]) -> None:
    done = subprocess.run([program("curl"), "-sS", "https://nope.example"], capture_output=True, text=True, check=False)
    assert "403" in done.stderr
    assert [entry.target for entry in sandbox.proxy_log] == ["nope.example:443"]


def test_curl_shows_a_client_certificate(sandbox: Sandbox, program: Callable[[str], str], tmp_path: Path) -> None:
    leaf = sandbox.authority.issue_client("demo-pi")
    leaf.private_key_and_cert_chain_pem.write_to_path(tmp_path / "pi.pem")
    answer = json.loads(
        output(program("curl"), "-sS", "--cert", str(tmp_path / "pi.pem"), "https://archive.toy.example/")
    )
    assert answer["certificate"]
