"""``vo-auth groups`` and ``vo-auth whoami`` as a person or a script uses them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from aiohttp import web
from typer.testing import CliRunner, Result

from vo_auth.cli.app import app
from vo_auth.errors import GroupsUserUnknownError
from vo_auth.sandbox.faults import Fault

MINE = ["muse-gto", "Surveys.2026", "a~b_c-d,e"]


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments, env={"COLUMNS": "80", "NO_COLOR": "1", "TERM": "dumb"})


def test_groups_are_printed_one_a_line(stage: Any) -> None:
    done = run("groups", "alpha")
    assert (done.exit_code, done.stdout.splitlines(), done.stderr) == (0, MINE, "")


def test_groups_are_printed_as_json_for_programs(stage: Any) -> None:
    done = run("groups", "alpha", "nobodys", "muse-gto", "--json")
    assert (done.exit_code, json.loads(done.stdout)) == (0, ["muse-gto"])
    assert json.loads(run("groups", "alpha", "nobodys", "--json").stdout) == []


def test_that_one_is_in_no_group_is_said_where_programs_do_not_read(stage: Any) -> None:
    done = run("groups", "alpha", "nobodys")
    assert (done.exit_code, done.stdout, done.stderr) == (0, "", "You are in none of these groups.\n")
    stage.service.reply = lambda *_: web.Response(content_type="text/plain")
    assert run("groups", "alpha").stderr == "You are in no group.\n"


def test_a_full_identifier_needs_the_service(stage: Any) -> None:
    name = "ivo://alpha.example/gms?muse-gto"
    assert run("groups", "alpha", name).exit_code == 2
    assert run("groups", "alpha", name, "--service", "ivo://alpha.example/gms").stdout == f"{name}\n"


def test_wrong_usage_and_failures_have_their_own_status(stage: Any) -> None:
    assert run("groups").exit_code == 2
    assert run("groups", "alpha", "no name").exit_code == 2
    stage.service.reply = lambda *_: web.Response(status=403)
    assert isinstance(run("groups", "alpha").exception, GroupsUserUnknownError)  # which run() prints, with status 1


@pytest.mark.parametrize(("command", "query"), [("groups", ""), ("whoami", "?x=fake-secret")])
def test_a_network_that_fails_is_one_line_without_what_may_be_secret(stage: Any, command: str, query: str) -> None:
    stage.service.bench.knobs["fail_on"] = [Fault(path_regex="search", drop=True, times=None)]
    done = run(command, f"https://user:fake-secret@gms.alpha.example/gms/search{query}")
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr.startswith("vo-auth: gms.alpha.example/gms/search could not be asked (")
    assert (done.stderr.count("\n"), "fake-secret" in done.stderr) == (1, False)


def test_whoami_prints_name_archive_and_end(stage: Any) -> None:
    stage.service.reply = lambda *_: web.Response(headers={"X-VO-Authenticated": "demo-pi"})
    done = run("whoami", "https://gms.alpha.example/gms/search")
    assert done.exit_code == 0
    assert done.stdout.startswith("demo-pi at alpha, until 20")
    told = json.loads(run("whoami", "https://gms.alpha.example/gms/search", "--json").stdout)
    assert (told["archive"], told["account"], told["user"]) == ("alpha", "demo-pi", "demo-pi")


def test_help_of_both_fits_80_columns() -> None:
    for command in ("groups", "whoami"):
        done = run(command, "--help")
        assert done.exit_code == 0
        assert max(map(len, done.stdout.splitlines())) <= 80
