"""The verbs as they are called: what they print, with which status they end, and what they do when something fails."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import warnings
from collections.abc import Callable
from typing import NamedTuple

import pytest
import requests

from vo_auth import api
from vo_auth.cli import app as command_line
from vo_auth.errors import UnusableCredentialsError
from vo_auth.registry import Registry
from vo_auth.testing import assert_no_secret

TAP = "https://archive.eso.org/tap_obs"
DATA = "https://data.icos-cp.eu/objects/x"


class Done(NamedTuple):
    status: int
    out: str
    err: str


Run = Callable[..., Done]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Call the command line in this process."""
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)  # the command puts its own in place

    def call(*arguments: str) -> Done:
        monkeypatch.setattr(sys, "argv", ["vo-auth", *arguments])
        with warnings.catch_warnings(action="default"):
            try:
                status = command_line.run()
            except SystemExit as leaving:
                status = leaving.code if isinstance(leaving.code, int) else 0
        told = capsys.readouterr()
        return Done(status, told.out, told.err)

    return call


def use(monkeypatch: pytest.MonkeyPatch, *archives: object) -> None:
    registry = Registry(archives)  # type: ignore[arg-type]
    for name, module in list(sys.modules.items()):
        if name.startswith("vo_auth.") and "default_registry" in vars(module):
            monkeypatch.setattr(module, "default_registry", lambda: registry)


# -------------------------------------------------------------------- without a verb


def test_somebody_new_is_told_how_to_log_in(run: Run) -> None:
    done = run()
    assert done.status == 0
    assert "vo-auth login " in done.out
    assert "eso" in done.out
    assert "vo-auth demo" in done.out
    assert max(map(len, done.out.splitlines())) <= 80


def test_without_any_plugin_one_is_named(run: Run, monkeypatch) -> None:
    use(monkeypatch)
    assert "pip install vo-auth-eso" in run().out


def test_somebody_who_is_logged_in_is_told_what_to_look_at(run: Run, vo_auth_sandbox) -> None:
    api.login("eso")
    done = run()
    assert done.out.startswith("Logged in to: eso\n")
    assert "vo-auth status" in done.out


# -------------------------------------------------------------------- token


def test_a_token_is_printed_alone_and_its_header_on_request(run: Run, vo_auth_sandbox) -> None:
    token = run("token", TAP)
    assert (token.status, token.err) == (0, "")
    assert run("token", TAP, "--header").out == f"Authorization: Bearer {token.out}"
    assert run("token", TAP, "--min-life", "7h").out == token.out


@pytest.mark.parametrize("option", [(), ("--header",)])
def test_where_the_permit_is_a_cookie_the_status_is_2_and_what_fits_is_named(
    option: tuple[str, ...], run: Run, vo_auth_sandbox
) -> None:
    done = run("token", f"{DATA}?obviously-fake-query=1", *option)
    assert (done.status, done.out) == (2, "")
    text = " ".join(done.err.replace("│", " ").split())
    assert "The permit for ICOS Carbon Portal is a cookie, not a token" in text
    assert "vo_auth.session_for(url) in Python" in text
    assert_no_secret(["obviously-fake-query"], done.err)


def test_a_verb_that_fits_is_named_where_it_is_there(run: Run, vo_auth_sandbox, monkeypatch) -> None:
    import typer

    other = typer.Typer(pretty_exceptions_enable=False)
    other.command("token")(command_line.token)

    @other.command("get")
    def get() -> None: ...

    monkeypatch.setattr(command_line, "app", other)
    text = " ".join(run("token", DATA).err.replace("│", " ").split())
    assert f"Use `vo-auth get {DATA}`" in text


def test_a_token_that_would_be_read_on_the_way_is_not_printed(run: Run, vo_auth_sandbox) -> None:
    done = run("token", "http://archives.ia2.inaf.it:8080/vo/tap")
    assert (done.status, done.out) == (1, "")


# -------------------------------------------------------------------- what programs read


def test_login_status_and_logout_can_be_read_by_programs(run: Run, vo_auth_sandbox) -> None:
    identity = json.loads(run("login", "eso", "--json").out)
    assert (identity["archive"], identity["user"]) == ("eso", "DEMOPI")
    assert identity["expires"].endswith("+00:00")
    (held,) = json.loads(run("status", "--json").out)
    assert (held["archive"], held["state"], held["insecure_origins"]) == ("eso", "fresh", [])
    assert held["renews"] < held["expires"]
    (gone,) = json.loads(run("logout", "eso", "--json").out)
    assert (gone["revoked"], gone["again"]) == (False, ["VO_AUTH_ESO_USERNAME, VO_AUTH_ESO_PASSWORD"])
    assert json.loads(run("status", "--json").out) == []


def test_elsewhere_than_on_a_terminal_a_row_is_a_line_with_tabs(run: Run, vo_auth_sandbox) -> None:
    run("login", "eso")
    (line,) = run("status").out.splitlines()
    assert line.split("\t")[:5] == ["eso", "DEMOPI", "DEMOPI", "bearer", "fresh"]


def test_logout_says_what_will_log_in_again_and_until_when_the_permit_holds(run: Run, vo_auth_sandbox) -> None:
    run("login", "eso")
    done = run("logout", "--all")
    assert done.out.startswith("eso DEMOPI: forgotten here; the archive cannot revoke it before its end, 20")
    assert "VO_AUTH_ESO_USERNAME, VO_AUTH_ESO_PASSWORD will log in again" in done.err


def test_explain_says_the_same_twice_and_holds_nothing_secret(run: Run, vo_auth_sandbox) -> None:
    one, other = run("explain", f"{TAP}?obviously-fake-query=1"), run("explain", f"{TAP}?obviously-fake-query=2")
    assert one == other
    assert one.status == 0
    assert_no_secret(["obviously-fake-query", "not-real-pi$@="], one.out, one.err)


@pytest.mark.vo_auth_sandbox(credentials=False)
def test_explain_with_ask_fails_where_no_answer_could_be_had(run: Run, vo_auth_sandbox) -> None:
    assert run("explain", TAP).status == 0
    done = run("explain", TAP, "--ask")
    assert done.status == 1
    assert "CredentialsNotFoundError" in done.out


@pytest.mark.parametrize("url", ["no url", "https://[::1", ""])
def test_what_is_no_url_is_wrong_usage(url: str, run: Run) -> None:
    assert run("explain", url).status == 2


# -------------------------------------------------------------------- failures


FAULTS = [
    (requests.ConnectionError("https://x.example/?password=obviously-fake-word"), 1, "the request failed"),
    (ValueError("there is no flow 'x'"), 2, "there is no flow 'x'"),
    (ZeroDivisionError("obviously-fake-word"), 1, "this should not happen (ZeroDivisionError)"),
    (BrokenPipeError("obviously-fake-word"), 1, "nobody reads"),
    (UnusableCredentialsError("it is open to other users"), 1, "it is open to other users"),
]


@pytest.mark.parametrize(("fault", "status", "said"), FAULTS, ids=[type(fault).__name__ for fault, *_ in FAULTS])
def test_a_failure_is_one_paragraph_without_a_traceback(
    fault: Exception, status: int, said: str, run: Run, monkeypatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise fault

    monkeypatch.setattr("vo_auth.api.status", fail)
    done = run("status")
    assert (done.status, done.out) == (status, "")
    assert done.err.startswith(f"vo-auth: {said}")
    assert "Traceback" not in done.err
    assert_no_secret(["obviously-fake-word"], done.err)


def test_debug_shows_the_traceback_and_the_decisions(vo_auth_sandbox) -> None:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("VO_AUTH_ESO_")}
    done = subprocess.run(
        [sys.executable, "-c", "from vo_auth.cli import main; main()", "--debug", "token", TAP],
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "Traceback" in done.stderr
    assert "vo_auth.registry: The plugin 'eso'" in done.stderr


# -------------------------------------------------------------------- the shell


def test_the_shell_completes_verbs_and_archives() -> None:
    def completed(words: str, count: int) -> list[str]:
        done = subprocess.run(
            [sys.executable, "-c", "from vo_auth.cli import main; main()"],
            env={
                **os.environ,
                "_VO_AUTH_COMPLETE": "complete_bash",
                "COMP_WORDS": words,
                "COMP_CWORD": str(count),
            },
            capture_output=True,
            text=True,
            check=False,
        )
        return done.stdout.split()

    assert completed("vo-auth logi", 1) == ["login"]
    assert "eso" in completed("vo-auth login e", 2)


def test_an_interrupt_has_a_status_of_its_own(run: Run, monkeypatch) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("vo_auth.api.status", interrupted)
    assert run("status").status == 130
