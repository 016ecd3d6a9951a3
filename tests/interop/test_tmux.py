"""A person at a terminal: log in, look, fetch a file, log out, typed into a real one (tmux) on the sandbox."""

from __future__ import annotations

import re
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from vo_auth.sandbox import Sandbox
from vo_auth_eso.standin import STANDIN

pytestmark = pytest.mark.interop

VO_AUTH = Path(sys.executable).with_name("vo-auth")
PI = STANDIN.credentials[next(iter(STANDIN.credentials))]
FILE = "https://dataportal.eso.org/dataPortal/file/MUSE.2026-10-03T02:11:00.198"
PROMPT = "ready>"


class Terminal:
    """One window of a tmux server of its own; keys go in, what a person sees comes out."""

    def __init__(self, tmux: str, environment: dict[str, str], folder: Path) -> None:
        self._command = [tmux, "-L", f"vo-auth-{uuid.uuid4().hex[:12]}", "-f", "/dev/null"]
        self._environment = environment
        self._run("new-session", "-d", "-s", "person", "-x", "100", "-y", "50", "-c", str(folder), "sh")

    def _run(self, *arguments: str) -> str:
        done = subprocess.run(
            [*self._command, *arguments], env=self._environment, capture_output=True, text=True, check=True, timeout=20
        )
        return done.stdout

    @property
    def seen(self) -> str:
        """All that was on the screen, what scrolled away included."""
        return self._run("capture-pane", "-p", "-J", "-S", "-", "-t", "person")

    def type(self, text: str) -> None:
        self._run("send-keys", "-t", "person", "-l", text)
        self._run("send-keys", "-t", "person", "Enter")

    def wait_for(self, pattern: str, *, times: int = 1) -> str:
        until = time.monotonic() + 60
        while time.monotonic() < until:
            seen = self.seen
            if len(re.findall(pattern, seen, re.MULTILINE)) >= times:
                return seen
            time.sleep(0.05)
        raise AssertionError(f"{pattern!r} was not seen:\n{self.seen}")

    def command(self, text: str) -> str:
        """Type a command, wait for the next prompt, and return what came in between."""
        before = self.seen.rstrip("\n")
        count = len(re.findall(rf"^{PROMPT}", before, re.MULTILINE))
        self.type(text)
        seen = self.wait_for(rf"^{PROMPT}", times=count + 1).rstrip("\n")
        return seen[len(before) :]

    def close(self) -> None:
        self._run("kill-server")


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(only=["eso"], credentials=False) as sandbox:
        yield sandbox


@pytest.fixture
def terminal(sandbox: Sandbox, program: Callable[[str], str], tmp_path: Path) -> Iterator[Terminal]:
    environment = sandbox.child_environ({
        "HOME": str(tmp_path), "PATH": f"{VO_AUTH.parent}:/usr/bin:/bin", "TERM": "xterm", "LC_ALL": "C.UTF-8",
        "PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring",
    })  # fmt: skip
    terminal = Terminal(program("tmux"), environment, tmp_path)
    try:
        terminal.type(f"PS1='{PROMPT} '")
        terminal.wait_for(rf"^{PROMPT}")
        yield terminal
    finally:
        terminal.close()


def test_a_person_logs_in_looks_fetches_a_file_and_logs_out(
    sandbox: Sandbox, terminal: Terminal, tmp_path: Path
) -> None:
    terminal.type("vo-auth login eso")
    shown = terminal.wait_for("user name")
    assert "https://www.eso.org" in shown  # to whom the password goes
    terminal.type(PI["username"])
    terminal.wait_for("password: $")
    terminal.type(PI["password"])
    terminal.wait_for(r"Keep this password.*\[y/N\]")
    terminal.type("n")
    terminal.wait_for(rf"^Logged in to eso as {PI['username']}.*\n{PROMPT}")

    status = terminal.command("vo-auth status")
    assert PI["username"] in status
    assert "bearer" in status

    got = terminal.command(f"vo-auth get {FILE} -d data; echo status $?")
    assert "status 0" in got, got
    (file,) = [path for path in (tmp_path / "data").iterdir() if not path.name.startswith(".")]
    assert file.name == "MUSE.2026-10-03T02:11:00.198.fits.Z"
    assert file.stat().st_size == 1200

    assert "eso" in terminal.command("vo-auth logout eso; echo status $?")
    assert PI["username"] not in terminal.command("vo-auth status")
    refused = terminal.command(f"vo-auth token {FILE} </dev/null; echo status $?")
    assert "status 1" in refused, refused

    assert PI["password"] not in terminal.seen
    assert sandbox.bench("eso").counters["logins"] == 1
