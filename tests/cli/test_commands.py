"""The command line as a person or a script uses it: real processes in a sandbox."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable

import pytest

from vo_auth.sandbox import Bench, Sandbox
from vo_auth_eso.standin import STANDIN

TAP = "https://archive.eso.org/tap_obs"
PI = STANDIN.credentials["pi"]
Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def bench(vo_auth_sandbox: Sandbox) -> Bench:
    return vo_auth_sandbox.bench("eso")


@pytest.fixture
def run(vo_auth_sandbox: Sandbox) -> Run:
    """Run ``vo-auth`` in the sandbox, without demo credentials unless they are wanted."""

    def command(*arguments: str, credentials: bool = False, stdin: str = "") -> subprocess.CompletedProcess[str]:
        environ = vo_auth_sandbox.child_environ()
        if not credentials:
            environ = {name: value for name, value in environ.items() if not name.startswith("VO_AUTH_ESO_")}
        return subprocess.run(
            [sys.executable, "-c", "from vo_auth.cli import main; main()", *arguments],
            env={**environ, "COLUMNS": "80", "NO_COLOR": "1", "TERM": "dumb"},
            input=stdin,
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )

    return command


def logged_in(run: Run) -> None:
    done = run("login", "eso", "--username", PI["username"], "--password-stdin", stdin=PI["password"] + "\n")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Logged in to eso as DEMOPI, until ")


def test_a_login_is_kept_for_later_commands_until_logout(run: Run, bench: Bench) -> None:
    logged_in(run)
    (held,) = json.loads(run("status", "--json").stdout)
    assert (held["archive"], held["account"], held["state"], held["kept"]) == ("eso", "DEMOPI", "fresh", "plain file")
    token = run("token", TAP)
    assert (token.returncode, token.stdout.count(".")) == (0, 2)
    assert run("logout", "eso").stdout.startswith("eso DEMOPI: forgotten here")
    assert run("status").stdout.startswith("Nothing is held")
    assert bench.counters["logins"] == 1


def test_no_output_but_that_of_token_holds_the_permit(run: Run) -> None:
    logged_in(run)
    secret = run("token", TAP).stdout.strip()
    for command in (["status"], ["status", "--json"], ["archives"], ["logout", "--all"]):
        done = run(*command)
        assert secret not in done.stdout + done.stderr


def test_token_prints_a_whole_header_line_on_request(run: Run) -> None:
    done = run("token", TAP, "--header", credentials=True)
    assert done.stdout.startswith("Authorization: Bearer ")


def test_a_permit_that_cannot_live_long_enough_is_an_error(run: Run) -> None:
    done = run("token", TAP, "--min-life", "9h", credentials=True)
    assert (done.returncode, done.stdout) == (1, "")
    assert "min_life" in done.stderr


def test_without_credentials_and_terminal_an_error_says_what_to_do_without_a_traceback(run: Run) -> None:
    done = run("token", TAP)
    assert (done.returncode, done.stdout) == (1, "")
    first = done.stderr.splitlines()[0]
    assert first.startswith("vo-auth: No credentials for ESO Science Archive: run `vo-auth login eso`")
    assert "Traceback" not in done.stderr


def test_a_wrong_password_is_an_error_that_does_not_repeat_it(run: Run, bench: Bench) -> None:
    done = run("login", "eso", "--username", "DEMOPI", "--password-stdin", stdin="obviously-wrong\n")
    assert (done.returncode, bench.counters["rejected_logins"]) == (1, 1)
    assert "did not accept" in done.stderr
    assert "obviously-wrong" not in done.stderr


def test_a_token_is_taken_from_stdin(run: Run, vo_auth_sandbox: Sandbox) -> None:
    text = run("token", TAP, credentials=True).stdout
    assert run("logout", "--all").returncode == 0
    assert run("login", "eso", "--token-stdin", stdin=text).returncode == 0
    assert run("token", TAP).stdout == text


@pytest.mark.parametrize(
    ("arguments", "status"),
    [((), 0), (("nonsense",), 2), (("login",), 2), (("logout",), 2), (("--version",), 0), (("login", "--help"), 0)],
)
def test_wrong_usage_has_status_2(run: Run, arguments: tuple[str, ...], status: int) -> None:
    assert run(*arguments).returncode == status


def test_archives_are_listed_for_people_and_programs(run: Run) -> None:
    lines = run("archives").stdout.splitlines()
    assert any(line.startswith("eso\tvo-auth-eso 0.1.0\thttps://archive.eso.org/ ") for line in lines)
    (archive,) = [one for one in json.loads(run("archives", "--json").stdout) if one["archive"] == "eso"]
    assert archive["flows"] == ["password grant", "pasted token"]


def test_an_archive_that_is_not_installed_is_named_with_what_is(run: Run) -> None:
    done = run("login", "nowhere")
    assert done.returncode == 1
    assert "installed archives: " in done.stderr
    assert "eso" in done.stderr.partition("installed archives: ")[2]


def test_a_command_runs_in_a_sandbox_and_its_status_is_passed_on(run: Run) -> None:
    code = f"import requests, sys; sys.exit(7 if requests.get({TAP + '/availability'!r}).ok else 1)"
    assert run("sandbox", "run", "--only", "eso", "--", sys.executable, "-c", code).returncode == 7


def test_the_demo_is_true_and_fits_80_columns(run: Run) -> None:
    done = run("demo")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "All of it was true" in done.stdout
    assert "eso" in done.stdout.splitlines()[0]
    assert max(map(len, done.stdout.splitlines())) <= 80
