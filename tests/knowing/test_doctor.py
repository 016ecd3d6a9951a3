"""doctor: each finding in one line with a fix, nothing sent unasked, and a report that is safe to paste."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest
import requests

import vo_auth
from vo_auth.diagnosis import Finding, diagnose
from vo_auth.registry import Plugin, Registry, default_registry
from vo_auth.testing import assert_no_secret

SECRETS = {
    "password": "obviously-fake-password",
    "token": "obviously-fake-token",
    "proxy": "obviously-fake-proxy-word",
    "netrc": "obviously-fake-netrc-word",
    "configuration": "obviously-fake-config-word",
    "plugin": "obviously-fake-plugin-word",
}
posix = pytest.mark.skipif(os.name != "posix", reason="access rights are not modes there")


def problems(check: str, **options: Any) -> list[Finding]:
    return [one for one in diagnose(**options) if one.check == check and one.level == "problem"]


def findings(check: str, **options: Any) -> list[Finding]:
    return [one for one in diagnose(**options) if one.check == check]


@pytest.fixture
def home(vo_auth_home: Path) -> Path:
    vo_auth_home.mkdir(mode=0o700)
    return vo_auth_home


def write(path: Path, text: str, mode: int = 0o600) -> Path:
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)
    return path


def test_a_machine_in_order_has_no_problem(home: Path) -> None:
    assert [str(one) for one in diagnose() if one.level == "problem"] == []


def test_every_problem_and_note_has_a_fix_and_each_finding_is_one_line(home: Path, monkeypatch) -> None:
    monkeypatch.setenv("VO_AUTH_ESO_PASWORD", SECRETS["password"])
    monkeypatch.setenv("HTTPS_PROXY", "http://[nonsense")
    write(home / "config.toml", "this is no TOML")
    write(home.parent / "netrc", "default login x password y\n", 0o644)
    found = diagnose()
    assert len([one for one in found if one.level == "problem"]) >= 4
    assert [one for one in found if one.level != "ok" and not one.fix] == []
    assert [one for one in found if "\n" in str(one)] == []


def test_nothing_is_sent_unless_it_is_asked_for(home: Path, monkeypatch) -> None:
    def sent(*_: object, **__: object) -> None:
        raise AssertionError("something was sent")

    monkeypatch.setattr(requests.Session, "send", sent)
    diagnose()
    assert "vo-auth doctor --network" in findings("servers")[0].fix


def test_the_report_holds_no_secret(home: Path, monkeypatch) -> None:
    monkeypatch.setenv("VO_AUTH_ESO_PASSWORD", SECRETS["password"])
    monkeypatch.setenv("VO_AUTH_ESO_TOKKEN", SECRETS["token"])
    monkeypatch.setenv("HTTPS_PROXY", f"http://proxy-user:{SECRETS['proxy']}@127.0.0.1:3128")
    monkeypatch.setenv("HTTP_PROXY", f"http://proxy-user:{SECRETS['proxy']}@[nonsense")
    write(home.parent / "netrc", f"machine archive.eso.org login me password {SECRETS['netrc']}\n")
    write(home / "config.toml", f'[archive.eso]\npassword = "{SECRETS["configuration"]}"\n')
    monkeypatch.setenv("SOME_PLUGIN_TOKEN", SECRETS["plugin"])
    broken = Registry([])
    monkeypatch.setattr(
        broken, "plugins", lambda: [Plugin("x", "vo-auth-x", "1", f"ImportError: {SECRETS['plugin']} is bad")]
    )
    monkeypatch.setattr("vo_auth.diagnosis.installed.default_registry", lambda: broken)
    found = diagnose()
    report = "\n".join(map(str, found))
    assert "vo-auth-x 1 is left out: ImportError: *** is bad" in report
    assert "with a user name of its own" in report
    assert_no_secret([*SECRETS.values(), "proxy-user"], report, found)
    assert str(Path.home()) not in report


@pytest.mark.parametrize(
    "content",
    [
        f"machine archive.eso.org login me password {SECRETS['netrc']} {SECRETS['netrc']}\n",
        f"{SECRETS['netrc']}\n",
        f"machine archive.eso.org login me passwort {SECRETS['netrc']}\n",
    ],
)
def test_a_netrc_that_cannot_be_read_is_a_problem_that_does_not_quote_it(content: str, home: Path) -> None:
    write(home.parent / "netrc", content)
    (problem,) = problems("netrc")
    assert "something is wrong near line" in problem.text
    assert_no_secret([SECRETS["netrc"]], problem, str(problem))


def test_an_entry_of_netrc_for_an_archive_and_one_for_every_host_are_said(home: Path) -> None:
    write(home.parent / "netrc", "machine archive.eso.org login me password yyyy\ndefault login x password y\n")
    found = findings("netrc")
    assert any("archive.eso.org" in one.text and one.level == "note" for one in found)
    assert any("every host" in one.text and one.level == "problem" for one in found)


@posix
def test_files_that_others_may_read_and_folders_that_they_may_change_are_said_with_the_command(
    home: Path, monkeypatch, tmp_path: Path
) -> None:
    home.chmod(0o777)
    token = write(tmp_path / "token", "obviously-fake", 0o644)
    monkeypatch.setenv("VO_AUTH_ESO_TOKEN_FILE", str(token))
    monkeypatch.setenv("VO_AUTH_ESO_PASSWORD_FILE", str(tmp_path / "missing"))
    write(home.parent / "netrc", "machine x login y password z\n", 0o640)
    found = {one.fix for one in problems("files")}
    assert f"chmod 600 {token}" in found
    assert "correct VO_AUTH_ESO_PASSWORD_FILE" in found
    assert any(fix.startswith("chmod 700 ~") for fix in found)
    assert any(fix.startswith("chmod 600 ~") and fix.endswith("netrc") for fix in found)
    assert len(found) == 4


@posix
def test_looking_changes_nothing(home: Path) -> None:
    wallet = write(home / "permits.json", "{}", 0o644)
    assert any("permits.json is open to other users" in one.text for one in problems("files"))
    home.chmod(0o700)
    assert wallet.exists() or list(home.glob("permits.json.damaged-*"))


def test_a_variable_that_nobody_reads_is_said_with_the_one_that_was_meant(home: Path, monkeypatch) -> None:
    monkeypatch.setenv("VO_AUTH_ESO_PASWORD", "obviously-fake")
    monkeypatch.setenv("VO_AUTH_ESO_TOKEN", "obviously-fake")
    monkeypatch.setenv("VO_AUTH_ESO_TOKEN_FILE", "~/x")
    assert [one.fix for one in problems("variables")] == ["is VO_AUTH_ESO_PASSWORD meant?"]
    assert any("both set" in one.text for one in findings("variables"))


def test_a_faulty_configuration_is_said_and_the_other_checks_go_on(home: Path, monkeypatch) -> None:
    monkeypatch.setattr("vo_auth.registry.default_registry", Registry)
    write(home / "config.toml", "[archive.eso\n")
    assert "is not TOML" in problems("configuration")[0].text
    assert findings("loopback")


def test_a_table_of_no_archive_is_said(home: Path) -> None:
    write(home / "config.toml", '[archive.esso]\nflows = ["pasted token"]\n')
    assert [(one.text, one.fix) for one in problems("configuration")] == [
        ("[archive.esso] is of no archive here", "is eso meant?")
    ]


@pytest.mark.parametrize("value", ["http://[::1", "ftp://proxy:1", "http://:3128"])
def test_a_proxy_that_makes_no_sense_is_said(value: str, home: Path, monkeypatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", value)
    assert "HTTPS_PROXY" in problems("proxy")[0].fix


def test_a_bundle_that_is_not_there_is_said(home: Path, monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "missing.pem"))
    assert problems("authorities")[0].fix == "correct or unset REQUESTS_CA_BUNDLE"


def test_a_loopback_that_does_not_answer_is_said(home: Path, monkeypatch) -> None:
    def closed(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("vo_auth.diagnosis.network.socket.create_connection", closed)
    assert problems("loopback")[0].text == "127.0.0.1 cannot be reached (Permission denied)"


def test_a_wallet_of_a_later_version_is_said(home: Path) -> None:
    empty = {"entries": [], "defaults": {}, "rejected": {}, "salt": "00"}
    write(home / "permits.json", json.dumps({"format": "vo_auth permits", "version": 99, **empty}))
    assert "later vo_auth" in problems("wallet")[0].text


def test_a_clock_that_was_wrong_at_the_last_login_is_said_without_asking_anybody(vo_auth_sandbox) -> None:
    vo_auth_sandbox.bench("eso").knobs["clock_skew"] = 7200.0
    vo_auth.login("eso")
    (problem,) = problems("clock")
    assert problem.text == "at the last login this machine was 2.0 h behind the clock of eso"


# -------------------------------------------------------------------- the servers themselves


@pytest.mark.vo_auth_sandbox(only=["eso"])
def test_servers_are_asked_for_time_and_certificate_without_any_permit(vo_auth_sandbox, monkeypatch) -> None:
    vo_auth.login("eso")
    vo_auth_sandbox.bench("eso").knobs["clock_skew"] = -90_000.0
    before = len(vo_auth_sandbox.received.all())
    archives = [default_registry().get("eso")]
    monkeypatch.setattr("vo_auth.diagnosis.network.default_registry", lambda: Registry(archives))
    found = diagnose(ask=True)
    received = vo_auth_sandbox.received.all()[before:]
    assert [(one.host, one.authorization, one.cookie) for one in received] == [("archive.eso.org", "", "")]
    assert any("its certificate is issued by" in one.text for one in found if one.check == "server of eso")
    (clock,) = [one for one in found if one.check == "clock"]
    assert clock.text == "this machine is 1.0 days ahead of the clock of eso"


def only(net, url: str, monkeypatch) -> None:
    archive = net.archive(url)
    monkeypatch.setattr("vo_auth.diagnosis.network.default_registry", lambda: Registry([archive]))


def test_a_server_that_does_not_answer_is_said(net, home: Path, monkeypatch) -> None:
    server = net.server()
    server.drop()
    only(net, server.url, monkeypatch)
    assert "does not answer" in problems("server of alpha", ask=True)[0].text


def test_a_certificate_that_is_not_trusted_is_said(net, home: Path, monkeypatch, tls) -> None:
    only(net, net.server(tls.context()).url, monkeypatch)
    assert "is TLS intercepted" in problems("server of alpha", ask=True)[0].text
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", tls.bundle)
    assert problems("server of alpha", ask=True) == []


def test_a_proxy_that_refuses_is_said(net, home: Path, monkeypatch, tls) -> None:
    proxy = net.server()
    proxy.reply(407, ("Proxy-Authenticate", "Basic"))
    monkeypatch.setenv("HTTPS_PROXY", proxy.url)
    only(net, "https://archive.example.org", monkeypatch)
    assert "the proxy does not let" in problems("server of alpha", ask=True)[0].text


def test_netrc_is_not_sent_to_the_servers(net, home: Path, monkeypatch) -> None:
    write(home.parent / "netrc", f"machine 127.0.0.1 login me password {SECRETS['netrc']}\n")
    server = net.server()
    server.reply(200, ("Date", formatdate(usegmt=True)))
    only(net, server.url, monkeypatch)
    diagnose(ask=True)
    assert [headers.get("authorization") for _, _, headers in server.received] == [None]


# -------------------------------------------------------------------- the command


def doctor(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", "from vo_auth.cli import main; main()", "doctor", *arguments],
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_command_tells_by_its_status_whether_there_is_a_problem(home: Path, monkeypatch) -> None:
    assert doctor().returncode == 0
    monkeypatch.setenv("VO_AUTH_NONSENSE", "obviously-fake")
    done = doctor("--json")
    assert done.returncode == 1
    levels = {one["level"] for one in json.loads(done.stdout)}
    assert "problem" in levels
    assert_no_secret(["obviously-fake"], done.stdout, done.stderr)
