"""vo_auth and its ICOS plugin against the stand-ins, each test in a sandbox of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import vo_auth
from vo_auth.sandbox import Bench, Sandbox


@pytest.fixture
def bench(vo_auth_sandbox: Sandbox) -> Bench:
    return vo_auth_sandbox.bench("icos")


@pytest.fixture
def session_for(vo_auth_sandbox: Sandbox) -> Iterator[Callable[..., vo_auth.AuthSession]]:
    """Make sessions that are closed at the end."""
    opened: list[vo_auth.AuthSession] = []

    def make(url: str = "https://data.icos-cp.eu", **options: Any) -> vo_auth.AuthSession:
        opened.append(vo_auth.session_for(url, **options))
        return opened[-1]

    yield make
    for session in opened:
        session.close()


@pytest.fixture
def session(session_for: Callable[..., vo_auth.AuthSession]) -> vo_auth.AuthSession:
    return session_for()


@pytest.fixture
def without_credentials(vo_auth_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in vo_auth_sandbox.environ:
        if name.startswith(("VO_AUTH_ICOS_", "VO_AUTH_SITES_")):
            monkeypatch.delenv(name, raising=False)


@pytest.fixture
def run(vo_auth_sandbox: Sandbox) -> Callable[..., str]:
    """Run a Python program in the sandbox, in a process of its own, with this test's environment."""

    def call(source: str, *arguments: str, python: str = sys.executable, check: bool = True) -> str:
        command = [python, "-c", source, *arguments]
        done = subprocess.run(command, check=False, env=dict(os.environ), capture_output=True, text=True, timeout=100)
        assert done.returncode == 0 or not check, done.stderr
        return done.stdout + ("" if check else done.stderr)

    return call
