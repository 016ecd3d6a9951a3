"""vo_auth and its IA2 plugin against the stand-in, each test in a sandbox of its own."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

import vo_auth
from vo_auth.sandbox import Bench, Sandbox
from vo_auth_ia2.standin import STANDIN
from vo_auth_ia2.standin.holdings import PROGRAMMES, File

with warnings.catch_warnings(action="ignore"):
    # astropy, first imported here, warns that the isolated XDG folders do not exist.
    import pyvo  # noqa: F401

TAP_URL = "https://archives.ia2.inaf.it/vo/tap/tng"
GMS_URL = "https://gms.ia2.inaf.it/gms/search"
ARCHIVES, RAP, GMS = "archives.ia2.inaf.it", "sso.ia2.inaf.it", "gms.ia2.inaf.it"
BY_NAME = {programme.name: programme for programme in PROGRAMMES}
_BROWSER = Path(__file__).with_name("browser.py")


def file(programme: str, number: int = 0) -> File:
    return File(programme=BY_NAME[programme], number=number)


def secure(one: File) -> str:
    return one.url.replace("http://", "https://")


def files_of(programme: str) -> list[File]:
    return [file(programme, number) for number in range(BY_NAME[programme].count)]


def later(bench: Bench, seconds: float) -> None:
    """Let time pass, at the archive and for what this process holds of it."""
    from dataclasses import replace

    from vo_auth.wallet import default_wallet

    bench.knobs["clock_skew"] = bench.knob("clock_skew", 0) + seconds
    memory = default_wallet()._shelf._memory
    for key, held in list(memory.items()):
        obtained = replace(held.obtained, wall=held.obtained.wall - seconds, elapsed=held.obtained.elapsed - seconds)
        memory[key] = replace(held, obtained=obtained)


@pytest.fixture
def bench(vo_auth_sandbox: Sandbox) -> Bench:
    return vo_auth_sandbox.bench("ia2")


@pytest.fixture
def session_for(vo_auth_sandbox: Sandbox) -> Iterator[Callable[..., vo_auth.AuthSession]]:
    """Make sessions that are closed at the end, with the answers that pyvo leaves unread."""
    opened: list[Any] = []

    def keep(response: requests.Response, **_: object) -> None:
        opened.append(response)

    def make(url: str = TAP_URL, **options: Any) -> vo_auth.AuthSession:
        session = vo_auth.session_for(url, **options)
        session.hooks["response"].append(keep)
        opened.append(session)
        return session

    yield make
    for item in reversed(opened):
        item.close()


@pytest.fixture
def session(session_for: Callable[..., vo_auth.AuthSession]) -> vo_auth.AuthSession:
    return session_for()


@pytest.fixture
def without_credentials(vo_auth_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in vo_auth_sandbox.environ:
        if name.startswith("VO_AUTH_IA2_"):
            monkeypatch.delenv(name, raising=False)


@pytest.fixture
def token(vo_auth_sandbox: Sandbox) -> Callable[..., str]:
    """Get a token as the page of the token issuer would give it, by a plain request."""

    def get(role: str = "observer") -> str:
        auth = tuple(value.encode() for value in STANDIN.credentials[role].values())
        form = {"grant_type": "client_credentials"}
        answer = requests.post(f"https://{RAP}/rap-ia2/auth/oauth2/token", data=form, auth=auth, timeout=20)
        return str(answer.json()["access_token"])

    return get


@pytest.fixture
def browser(without_credentials: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give this machine a browser whose user logs in as the observer, and a client that is registered at RAP."""
    monkeypatch.setenv("BROWSER", f"{shlex.quote(sys.executable)} {shlex.quote(str(_BROWSER))} %s")
    monkeypatch.setenv("VO_AUTH_IA2_CLIENT_ID", STANDIN.credentials["native"]["client_id"])
    for name in ("SSH_CONNECTION", "SSH_CLIENT", "SSH_TTY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def run(vo_auth_sandbox: Sandbox) -> Callable[..., str]:
    """Run a Python program in the sandbox, in a process of its own, with this test's environment."""

    def call(source: str, *arguments: str, check: bool = True, stdin: str = "") -> str:
        command = [sys.executable, "-W", "error", "-c", source, *arguments]
        done = subprocess.run(
            command, check=False, env=dict(os.environ), input=stdin, capture_output=True, text=True, timeout=100
        )
        assert done.returncode == 0 or not check, done.stderr
        return done.stdout + done.stderr

    return call
