"""Commands in the sandbox: how they end, how they are interrupted."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from vo_auth.sandbox import SandboxError, StandIn
from vo_auth.sandbox.run import run

posix = pytest.mark.skipif(os.name != "posix", reason="POSIX shells and signals")

# A whole program of its own: signals and namespaces concern processes.
PROGRAM = """
import sys
from aiohttp import web
from vo_auth.sandbox import StandIn
from vo_auth.sandbox.run import run, serve

def app(bench):
    async def tell(request):
        return web.Response(text=f"{request.scheme} {request.host}")
    application = web.Application()
    application.router.add_get("/", tell)
    return application

TOY = StandIn(archive="toy", hosts=("archive.toy.example",), credentials={}, app=app)
"""


@contextmanager
def started(program: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Start a program in a session of its own, where no terminal tells anybody anything; leave nobody behind."""
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM + program, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    with process:
        try:
            yield process
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


@posix
@pytest.mark.parametrize(
    ("script", "status"), [("exit 0", 0), ("exit 7", 7), ("kill -TERM $$", 128 + 15), ("kill -KILL $$", 128 + 9)]
)
def test_the_exit_status_is_that_of_the_command(toy: StandIn, script: str, status: int) -> None:
    assert run(["sh", "-c", script], standins=[toy]) == status


def test_a_program_that_is_not_there_is_said(toy: StandIn, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["no-such-program-anywhere"], standins=[toy]) == 127
    assert "there is no program 'no-such-program-anywhere'" in capfd.readouterr().err


@posix
def test_a_file_that_is_not_executable_is_said(toy: StandIn, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "text").write_text("no program", "utf-8")
    assert run([str(tmp_path / "text")], standins=[toy]) == 126
    assert "cannot be executed" in capfd.readouterr().err


def test_no_command_is_an_error(toy: StandIn) -> None:
    with pytest.raises(SandboxError, match="no command"):
        run([], standins=[toy])


@posix
@pytest.mark.parametrize("credentials", [True, False])
def test_the_command_has_demo_credentials_unless_they_are_not_wanted(
    toy: StandIn, credentials: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VO_AUTH_TOY_PASSWORD", "the-users-own")
    expected = "obviously-fake" if credentials else ""
    script = f'test "$VO_AUTH_TOY_PASSWORD" = "{expected}"'
    assert run(["sh", "-c", script], standins=[toy], credentials=credentials) == 0


def test_what_was_refused_is_told_at_the_end(toy: StandIn, capfd: pytest.CaptureFixture[str]) -> None:
    program = "import urllib.request as u\ntry: u.urlopen('https://nope.example')\nexcept OSError: pass"
    assert run([sys.executable, "-c", program], standins=[toy]) == 0
    told = capfd.readouterr().err
    assert "vo-auth sandbox: The sandbox does not know the host nope.example. It knows: archive.toy.example" in told


@posix
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_goes_to_the_command_whose_own_answer_counts(number: signal.Signals) -> None:
    name = number.name.removeprefix("SIG")
    script = f'trap "exit 42" {name}; echo ready; while :; do sleep 0.02; done'
    with started("sys.exit(run(['sh', '-c', sys.argv[1]], standins=[TOY]))", script) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(number)
        assert process.wait(timeout=20) == 42


@posix
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_served_sandbox_says_how_to_get_in_and_ends_when_it_is_told(number: signal.Signals) -> None:
    with started("serve(standins=[TOY])") as process:
        assert process.stdout is not None
        lines = []
        while not lines or not lines[-1].startswith("#"):
            lines.append(process.stdout.readline())
            assert lines[-1]
        fetch = "import urllib.request as u; print(u.urlopen('https://archive.toy.example/').read().decode())"
        script = "".join([*lines, f'"{sys.executable}" -c "{fetch}"'])
        done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=False)
        assert done.stdout == "https archive.toy.example\n", done.stderr
        process.send_signal(number)
        assert process.wait(timeout=20) == 0
    folder = next(line for line in lines if "VO_AUTH_HOME" in line).partition("=")[2].strip()
    assert not Path(folder).parent.exists()


ISOLATED = """
from vo_auth.sandbox import SandboxError
try:
    sys.exit(run(sys.argv[1:], standins=[TOY], isolate=True))
except SandboxError as error:
    sys.exit(f"refused: {error}")
"""

# No proxy, no sitecustomize, no environment: only what the namespace itself gives.
UNAWARE = """
import socket, ssl, sys
context = ssl.create_default_context()
with socket.create_connection(("archive.toy.example", 443)) as plain:
    with context.wrap_socket(plain, server_hostname="archive.toy.example") as tls:
        tls.sendall(b"GET / HTTP/1.1\\r\\nHost: archive.toy.example\\r\\nConnection: close\\r\\n\\r\\n")
        print(tls.makefile("rb").read().decode().rpartition("\\r\\n")[2])
try:
    socket.create_connection(("192.0.2.1", 443), timeout=5)
except OSError as error:
    print(type(error).__name__)
sys.exit(7)
"""


def run_isolated(*command: str) -> subprocess.CompletedProcess[str]:
    with started(ISOLATED, *command) as process:
        out, error = process.communicate(timeout=60)
    if "refused: this system does not permit" in error or "refused: this system permits no" in error:
        pytest.skip(error.strip())
    return subprocess.CompletedProcess(command, process.returncode, out, error)


@pytest.mark.skipif(sys.platform != "linux", reason="network namespaces are Linux's own")
def test_in_isolation_an_unaware_program_is_on_the_real_ports_and_cannot_leave() -> None:
    done = run_isolated("env", "-i", sys.executable, "-I", "-c", UNAWARE)
    assert done.stdout.split("\n")[:1] == ["https archive.toy.example"], done.stderr
    assert done.stdout.split("\n")[1] in {"OSError", "TimeoutError"}
    assert done.returncode == 7


@pytest.mark.skipif(sys.platform != "linux", reason="network namespaces are Linux's own")
def test_in_isolation_a_signal_goes_to_the_command() -> None:
    run_isolated("true")  # skips where it is not permitted
    script = 'trap "exit 42" TERM; echo ready; while :; do sleep 0.02; done'
    with started(ISOLATED, "sh", "-c", script) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=20) == 42


@pytest.mark.skipif(sys.platform != "linux", reason="network namespaces are Linux's own")
def test_in_isolation_the_user_stays_who_they_are_and_the_machine_as_it_was() -> None:
    before = Path("/etc/hosts").read_text("utf-8")
    done = run_isolated("sh", "-c", "id -u; cat /etc/hosts; kill -9 $$")
    assert done.returncode == 128 + 9
    assert done.stdout.startswith(f"{os.getuid()}\n127.0.0.1 localhost\n")
    assert "127.0.0.1 archive.toy.example\n" in done.stdout
    assert Path("/etc/hosts").read_text("utf-8") == before


def test_isolation_is_refused_where_there_is_none(toy: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vo_auth.sandbox.run._HAS_NAMESPACES", False)
    with pytest.raises(SandboxError, match="needs Linux"):
        run(["true"], standins=[toy], isolate=True)
