"""VO_AUTH_DEBUG=1 says each decision on standard error, and no secret."""

from __future__ import annotations

import logging
import subprocess
import sys

import pytest

import vo_auth
from vo_auth.testing import assert_no_secret
from vo_auth.trace import trace_if_asked

TAP = "https://archive.eso.org/tap_obs/availability"
CODE = f"""
import vo_auth
with vo_auth.session_for({TAP!r}) as session:
    session.get({TAP!r} + "?obviously-fake-query=x")
"""


def traced(monkeypatch: pytest.MonkeyPatch, value: str | None) -> str:
    if value is not None:
        monkeypatch.setenv("VO_AUTH_DEBUG", value)
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", CODE], capture_output=True, text=True, check=True)
    assert not done.stdout
    return done.stderr


def test_plugin_source_login_and_permit_are_said_in_one_line_each(
    vo_auth_sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = traced(monkeypatch, "1")
    lines = told.splitlines()
    assert all(line.startswith("vo_auth.") for line in lines), told
    for part in (
        "'eso' of vo-auth-eso 0.1.0: loaded",
        "eso: source environment is used: VO_AUTH_ESO_USERNAME, VO_AUTH_ESO_PASSWORD, for the flow password grant",
        "eso: login by password grant with VO_AUTH_ESO_USERNAME",
        "https://archive.eso.org/ of eso: bearer permit of account 'DEMOPI'",
    ):
        assert sum(part in line for line in lines) == 1, part
    assert_no_secret(["not-real-pi$@=", vo_auth.token(TAP), "obviously-fake-query"], told)


@pytest.mark.parametrize("value", [None, "", "0"])
def test_nothing_is_said_without_being_asked(value: str | None, vo_auth_sandbox, monkeypatch) -> None:
    assert traced(monkeypatch, value) == ""


def test_sources_that_have_nothing_are_said_before_the_one_that_has(vo_auth_sandbox, monkeypatch) -> None:
    vo_auth.login("eso")
    token = vo_auth.token(TAP).reveal()
    vo_auth.logout("eso")
    for name in ("USERNAME", "PASSWORD"):
        monkeypatch.delenv(f"VO_AUTH_ESO_{name}")
    monkeypatch.setenv("VO_AUTH_ESO_TOKEN", token)
    told = traced(monkeypatch, "1")
    assert "eso: source environment is used: VO_AUTH_ESO_TOKEN, for the flow pasted token" in told
    assert_no_secret([token], told)


@pytest.fixture
def tracing(monkeypatch: pytest.MonkeyPatch):
    logger = logging.getLogger("vo_auth")
    level, handlers = logger.level, list(logger.handlers)
    monkeypatch.setenv("VO_AUTH_DEBUG", "1")
    trace_if_asked()
    trace_if_asked()
    yield logger
    logger.setLevel(level)
    logger.handlers[:] = handlers


def test_what_another_program_wrote_is_masked_and_stays_on_one_line(tracing, capsys) -> None:
    logging.getLogger("vo_auth.wallet").warning(
        "it failed at https://user:obviously-fake-pair@host.example/x?password=obviously-fake-word\nand again"
    )
    error = ValueError("obviously-fake-value")
    logging.getLogger("vo_auth.wallet").error("a plugin failed", exc_info=error)
    told = capsys.readouterr().err
    assert told.splitlines() == [
        "vo_auth.wallet: it failed at https://***host.example/x*** | and again",
        "vo_auth.wallet: a plugin failed",
    ]
    assert_no_secret(["obviously-fake"], told)


def test_a_renewal_is_said(tracing, vo_auth_sandbox, capsys) -> None:
    bench = vo_auth_sandbox.bench("eso")
    vo_auth.login("eso")
    vo_auth.login("eso", force=True)
    told = capsys.readouterr().err
    assert told.count("eso: login by password grant") == 2 == bench.counters["logins"]
