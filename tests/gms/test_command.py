"""``vo-auth groups`` and ``vo-auth whoami`` as a person or a script uses them."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from aiohttp import web

from vo_auth.cli import app
from vo_auth.sandbox.faults import Fault

Run = Callable[..., "Done"]
MINE = ["muse-gto", "Surveys.2026", "a~b_c-d,e"]


@dataclass(frozen=True, slots=True)
class Done:
    exit_code: int
    stdout: str
    stderr: str


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Done]:
    """Run ``vo-auth`` in this process, where the test's archive is."""

    def command(*arguments: str) -> Done:
        monkeypatch.setattr(sys, "argv", ["vo-auth", *arguments])
        try:
            status = app.run()
        except SystemExit as end:
            status = end.code  # type: ignore[assignment]
        printed = capsys.readouterr()
        return Done(status or 0, printed.out, printed.err)

    return command


def test_groups_are_printed_one_a_line(stage: Any, run: Run) -> None:
    done = run("groups", "alpha")
    assert (done.exit_code, done.stdout.splitlines(), done.stderr) == (0, MINE, "")


def test_groups_are_printed_as_json_for_programs(stage: Any, run: Run) -> None:
    done = run("groups", "alpha", "nobodys", "muse-gto", "--json")
    assert (done.exit_code, json.loads(done.stdout)) == (0, ["muse-gto"])
    assert json.loads(run("groups", "alpha", "nobodys", "--json").stdout) == []


def test_that_one_is_in_no_group_is_said_where_programs_do_not_read(stage: Any, run: Run) -> None:
    done = run("groups", "alpha", "nobodys")
    assert (done.exit_code, done.stdout, done.stderr) == (0, "", "You are in none of these groups.\n")
    stage.service.reply = lambda *_: web.Response(content_type="text/plain")
    assert run("groups", "alpha").stderr == "You are in no group.\n"


def test_a_full_identifier_needs_the_service(stage: Any, run: Run) -> None:
    name = "ivo://alpha.example/gms?muse-gto"
    assert run("groups", "alpha", name).exit_code == 2
    assert run("groups", "alpha", name, "--service", "ivo://alpha.example/gms").stdout == f"{name}\n"


@pytest.mark.filterwarnings("ignore::vo_auth.errors.NotEntitledWarning")
def test_wrong_usage_and_failures_have_their_own_status(stage: Any, run: Run) -> None:
    assert run("groups").exit_code == 2
    assert run("groups", "alpha", "no name").exit_code == 2
    stage.service.reply = lambda *_: web.Response(status=403)
    done = run("groups", "alpha")
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr.startswith("vo-auth: The group membership service of Archive Alpha")


@pytest.mark.parametrize(("command", "query"), [("groups", ""), ("whoami", "?x=fake-secret")])
def test_a_network_that_fails_is_one_line_without_what_may_be_secret(
    stage: Any, run: Run, command: str, query: str
) -> None:
    stage.service.bench.knobs["fail_on"] = [Fault(path_regex="search", drop=True, times=None)]
    done = run(command, f"https://user:fake-secret@gms.alpha.example/gms/search{query}")
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr.startswith("vo-auth: the request failed (")
    assert (done.stderr.count("\n"), "fake-secret" in done.stderr) == (1, False)


def test_whoami_prints_name_archive_and_end(stage: Any, run: Run) -> None:
    stage.service.reply = lambda *_: web.Response(headers={"X-VO-Authenticated": "demo-pi"})
    done = run("whoami", "https://gms.alpha.example/gms/search")
    assert done.exit_code == 0
    assert done.stdout.startswith("demo-pi at alpha, until 20")
    told = json.loads(run("whoami", "https://gms.alpha.example/gms/search", "--json").stdout)
    assert (told["archive"], told["account"], told["user"]) == ("alpha", "demo-pi", "demo-pi")
