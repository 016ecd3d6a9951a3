"""A machine with no keyring, no D-Bus and no terminal: everything but the prompt works there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from vo_auth.sandbox import Sandbox

VO_AUTH = Path(sys.executable).with_name("vo-auth")
BACKENDS = ("fail", "null")
START = """
import json, warnings
warnings.simplefilter("error")
import vo_auth, vo_auth.errors
warnings.simplefilter("ignore", vo_auth.errors.PermitEndWarning)  # the later processes have no credentials
URL = "https://archive.eso.org/tap_obs/capabilities"
def say(value): print(json.dumps(value))
def ask(**options):
    answer = vo_auth.session_for(URL, **options).get(URL)
    answer.raise_for_status()
    return vo_auth.explain(answer).hops[-1].permit
"""
KEPT = "[[held.account, held.kept] for held in vo_auth.status()]"


@pytest.fixture
def pi() -> dict[str, str]:
    from vo_auth_eso.standin import STANDIN

    return dict(STANDIN.credentials["pi"])


@pytest.fixture(params=BACKENDS)
def machine(request: pytest.FixtureRequest, vo_auth_sandbox: Sandbox, tmp_path: Path) -> Callable[..., Any]:
    """Run Python code, or a command, as a batch job there; return what it says."""
    keyring = {"PYTHON_KEYRING_BACKEND": f"keyring.backends.{request.param}.Keyring"}

    def run(*code: str, variables: Mapping[str, str] = {}) -> Any:
        given = {name: value for name, value in vo_auth_sandbox.environ.items() if value is not None}
        own = {name: value for name, value in given.items() if not name.startswith("VO_AUTH_ESO_")}
        done = subprocess.run(
            [sys.executable, *(code if len(code) > 1 else ("-c", START + code[0]))],
            env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), **own, **keyring, **variables},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=100,
            start_new_session=os.name == "posix",  # without the terminal of whoever runs the tests
        )
        assert done.returncode == 0, done.stderr
        assert done.stderr == ""
        return json.loads(done.stdout)

    return run


def test_the_environment_serves_and_later_processes_have_the_permit_from_the_file(
    machine: Callable[..., Any], pi: dict[str, str], vo_auth_sandbox: Sandbox
) -> None:
    variables = {f"VO_AUTH_ESO_{name.upper()}": value for name, value in pi.items()}
    assert machine(f"say([ask(), *{KEPT}])", variables=variables) == ["bearer", [pi["username"], "plain file"]]
    assert machine(f"say([ask(interactive=False), *{KEPT}])") == ["bearer", [pi["username"], "plain file"]]
    (listed,) = machine(str(VO_AUTH), "status", "--json")
    assert listed["account"] == pi["username"]
    assert vo_auth_sandbox.bench("eso").counters["logins"] == 1
    assert machine("say(len(vo_auth.logout()) + len(vo_auth.status()))") == 1


def test_files_netrc_and_arguments_serve(machine: Callable[..., Any], pi: dict[str, str], tmp_path: Path) -> None:
    pair, netrc, word = tmp_path / "pair", tmp_path / "my-netrc", tmp_path / "word"
    pair.write_text(f"{pi['username']}\n{pi['password']}\n")
    netrc.write_text(f'machine www.eso.org login {pi["username"]} password "{pi["password"]}"\n')
    word.write_text(pi["password"])
    for path in (pair, netrc, word):
        path.chmod(0o600)
    assert machine(f"say(ask(file={str(pair)!r}))") == "bearer"
    assert machine(f"say(ask(**{pi!r}))") == "bearer"
    variables = {"VO_AUTH_WALLET": "memory"}  # so that each of these logs in
    assert machine("say(ask(sources={'netrc': 'try'}))", variables=variables | {"NETRC": str(netrc)}) == "bearer"
    variables |= {"VO_AUTH_ESO_USERNAME": pi["username"], "VO_AUTH_ESO_PASSWORD_FILE": str(word)}
    assert machine("say(ask())", variables=variables) == "bearer"


def test_nobody_is_asked_and_the_error_says_what_is_missing(machine: Callable[..., Any]) -> None:
    said = machine(
        "try: ask()\n"
        "except vo_auth.errors.CredentialsNotFoundError as error: say([str(error).splitlines()[0], error.attempts])"
    )
    first, attempts = said[0], dict(said[1])
    assert "run `vo-auth login eso` in a terminal, or set VO_AUTH_ESO_USERNAME" in first
    assert attempts["keyring"] == "this machine has no keyring"
    assert attempts["prompt"] == "not asked: no interactive terminal or notebook"
