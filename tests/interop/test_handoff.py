"""The real curl and wget, run by ``vo-auth`` in a sandbox: what they send where, and what others see of them."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from vo_auth.sandbox import Bench, Sandbox, StandIn
from vo_auth.sandbox.faults import Fault
from vo_auth.testing import assert_no_secret
from vo_auth_eso.standin import PROPRIETARY_RUN
from vo_auth_eso.standin import STANDIN as ESO
from vo_auth_eso.standin.holdings import raw_frames
from vo_auth_icos.standin import STANDINS as ICOS_STANDINS
from vo_auth_icos.standin.repository import ICOS

FIRST, SECOND = (
    f"https://dataportal.eso.org/dataPortal/file/{frame.dp_id}" for frame in raw_frames(PROPRIETARY_RUN)[:2]
)
OBJECT = f"https://{ICOS.data}/objects/{ICOS.named('ICOS_ATC_HTM_30').id}"
ELSEWHERE = "elsewhere.example.org"
# In the program's place on the path: writes down what everybody on the machine can see of the program.
WRAPPER = """#!/bin/sh
cat /proc/self/cmdline /proc/$$/cmdline /proc/$$/environ >> "$SEEN"
exec {program} "$@"
"""


def elsewhere(_: Bench) -> web.Application:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(text="elsewhere")

    app = web.Application()
    app.router.add_get("/{path:.*}", answer)
    return app


pytestmark = [
    pytest.mark.interop,
    pytest.mark.vo_auth_sandbox(
        [ESO, *ICOS_STANDINS, StandIn(archive="elsewhere", hosts=(ELSEWHERE,), credentials={}, app=elsewhere)]
    ),
]


@dataclass(frozen=True, slots=True)
class Ran:
    status: int
    out: str
    err: str
    seen: bytes


@pytest.fixture
def vo(
    vo_auth_sandbox: Sandbox, program: Callable[[str], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Ran]:
    """Run ``vo-auth`` in an empty folder; afterwards look for secrets in all that could be seen of the programs."""
    for name in ("curl", "wget"):
        wrapper = tmp_path / "bin" / name
        wrapper.parent.mkdir(exist_ok=True)
        wrapper.write_text(WRAPPER.format(program=program(name)))
        wrapper.chmod(0o755)
    (tmp_path / "work").mkdir()
    (tmp_path / "runtime").mkdir(mode=0o700)

    def call(*words: str) -> Ran:
        environ = vo_auth_sandbox.child_environ()
        environ["PATH"] = f"{tmp_path / 'bin'}:{environ['PATH']}"
        environ |= {"SEEN": str(tmp_path / "seen"), "XDG_RUNTIME_DIR": str(tmp_path / "runtime")}
        done = subprocess.run(
            [sys.executable, "-c", "from vo_auth.cli import main; main()", *words],
            env=environ,
            cwd=tmp_path / "work",
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
        seen = tmp_path / "seen"
        assert list((tmp_path / "runtime").iterdir()) == []
        ran = Ran(done.returncode, done.stdout, done.stderr, seen.read_bytes() if seen.exists() else b"")
        arrived = vo_auth_sandbox.received.all()
        secrets = {entry.authorization.partition(" ")[2] for entry in arrived} - {""}
        secrets |= {pair for entry in arrived for pair in re.findall(r"=([^;]{8,})", entry.cookie)}
        if secrets and ran.seen:
            secrets.add(ESO.credentials["pi"]["password"])
            assert_no_secret(secrets, ran.seen, ran.err, *vo_auth_sandbox.proxy_log)
        return ran

    return call


@pytest.fixture
def work(tmp_path: Path) -> Path:
    return tmp_path / "work"


def sent(sandbox: Sandbox, host: str = "dataportal.eso.org") -> list[str]:
    return [entry.authorization.partition(" ")[0] for entry in sandbox.received.at(host)]


Vo = Callable[..., Ran]


def test_curl_fetches_private_files(vo: Vo, vo_auth_sandbox: Sandbox, work: Path) -> None:
    ran = vo("curl", FIRST, "--", "-sSfOO", SECOND)
    assert ran.status == 0, ran.err
    assert [path.read_bytes()[:2] for path in work.iterdir()] == [b"\x1f\x9d"] * 2  # packed, as ESO gives them
    assert sent(vo_auth_sandbox) == ["Bearer", "Bearer"]
    assert b"-K" in ran.seen  # it was really that program which was looked at


def test_wget_fetches_private_files(vo: Vo, vo_auth_sandbox: Sandbox, work: Path) -> None:
    ran = vo("wget", FIRST, "--", "-nv", SECOND)
    assert ran.status == 0, ran.err
    assert [path.read_bytes()[:2] for path in work.iterdir()] == [b"\x1f\x9d"] * 2
    assert sent(vo_auth_sandbox) == ["Bearer", "Bearer"]
    assert b"--config=" in ran.seen


def test_wget_goes_on_where_it_stopped(vo: Vo, vo_auth_sandbox: Sandbox, work: Path) -> None:
    vo_auth_sandbox.bench("eso").knobs["packed"] = False
    (work / "file").write_bytes(b"SIMPLE  =")
    assert vo("wget", FIRST, "--", "-nv", "-cO", "file").status == 0
    assert vo_auth_sandbox.received.at("dataportal.eso.org")[-1].headers["range"] == "bytes=9-"
    assert (work / "file").read_bytes().startswith(b"SIMPLE  =                    T")


@pytest.mark.parametrize(("program_name", "status"), [("curl", 47), ("wget", 8)])
@pytest.mark.parametrize("target", [f"https://{ELSEWHERE}/", SECOND, "http://dataportal.eso.org/rh"])
def test_a_redirect_is_an_error_and_is_not_followed(
    vo: Vo, vo_auth_sandbox: Sandbox, work: Path, program_name: str, status: int, target: str
) -> None:
    vo_auth_sandbox.bench("eso").knobs["fail_on"] = [Fault(path_regex="/file/", redirect=target)]
    ran = vo(program_name, FIRST, "--", "-O") if program_name == "curl" else vo(program_name, FIRST)
    assert ran.status == status, ran.err
    assert sent(vo_auth_sandbox) == ["Bearer"]
    assert sent(vo_auth_sandbox, ELSEWHERE) == []
    assert [path for path in work.iterdir() if path.stat().st_size] == []


def test_curl_carries_no_token_to_where_it_is_told_to_follow(vo: Vo, vo_auth_sandbox: Sandbox) -> None:
    bench = vo_auth_sandbox.bench("eso")
    bench.knobs["fail_on"] = [Fault(path_regex="/file/", redirect=f"https://{ELSEWHERE}/x")]
    ran = vo("curl", FIRST, "--", "-sSL")
    assert (ran.status, ran.out) == (0, "elsewhere"), ran.err
    assert sent(vo_auth_sandbox, ELSEWHERE) == [""]
    bench.knobs["fail_on"] = [Fault(path_regex="/file/", redirect=SECOND)]
    assert vo("curl", FIRST, "--", "-sSLo", "two").status == 0
    assert sent(vo_auth_sandbox) == ["Bearer"] * 3


def test_curl_follows_to_no_other_scheme_or_port(vo: Vo, vo_auth_sandbox: Sandbox) -> None:
    bench = vo_auth_sandbox.bench("eso")
    for target in ("http://dataportal.eso.org/rh", "https://dataportal.eso.org:80/rh"):
        bench.knobs["fail_on"] = [Fault(path_regex="/file/", redirect=target)]
        assert vo("curl", FIRST, "--", "-sSL").status != 0
    assert sent(vo_auth_sandbox) == ["Bearer", "Bearer"]
    assert bench.counters["permits_on_http"] == 0


@pytest.mark.parametrize("words", [["curl", OBJECT, "--", "-sSfo", "it"], ["wget", OBJECT, "--", "-nv", "-O", "it"]])
def test_a_cookie_goes_along_as_well(vo: Vo, vo_auth_sandbox: Sandbox, work: Path, words: list[str]) -> None:
    ran = vo(*words)
    assert ran.status == 0, ran.err
    (entry,) = vo_auth_sandbox.received.at(ICOS.data)
    assert entry.cookie.startswith("cpauthToken=")
    assert (work / "it").stat().st_size > 100


def test_configurations_of_the_user_change_nothing(vo: Vo, vo_auth_sandbox: Sandbox) -> None:
    home = vo_auth_sandbox.home
    (home / ".curlrc").write_text("location-trusted\ninsecure\nverbose\n")
    (home / ".netrc").touch(mode=0o600)
    (home / ".netrc").write_text("default login someone password obviously-fake-netrc\n")
    bench = vo_auth_sandbox.bench("eso")
    for program_name in ("curl", "wget"):
        bench.knobs["fail_on"] = [Fault(path_regex="/file/", redirect=f"https://{ELSEWHERE}/x")]
        assert vo(program_name, FIRST).status in (47, 8)
    assert sent(vo_auth_sandbox) == ["Bearer", "Bearer"]
    assert sent(vo_auth_sandbox, ELSEWHERE) == []


def test_a_server_that_is_not_trusted_gets_nothing(vo: Vo, vo_auth_sandbox: Sandbox, tmp_path: Path) -> None:
    other = tmp_path / "other.pem"
    other.write_bytes(Sandbox([]).authority.pem)
    for words in (["curl", FIRST, "--", "--cacert", str(other)], ["wget", FIRST, "--", f"--ca-certificate={other}"]):
        assert vo(*words).status in (5, 60)
    assert sent(vo_auth_sandbox) == []


def test_every_option_that_is_let_through_is_one_of_the_program(program: Callable[[str], str]) -> None:
    from vo_auth.cli import curl, wget

    told: dict[str, Any] = {
        "curl": subprocess.run([program("curl"), "--help", "all"], capture_output=True, text=True, check=True).stdout,
        "wget": subprocess.run([program("wget"), "--help"], capture_output=True, text=True, check=True).stdout,
    }
    for name, grammar in (("curl", curl.GRAMMAR), ("wget", wget.GRAMMAR)):
        known = set(re.findall(r"(?<![\w-])--?[a-zA-Z0-9#:.][\w.-]*", told[name]))
        newer = {"--no-clobber", "--json", "--rate", "--remove-on-error", "--retry-on-http-error", "--compression"}
        missing = {option for option in grammar.flags | grammar.valued if option not in known} - newer
        assert not missing, name
