"""``vo-auth curl``, ``wget`` and ``exec``: what the programs are given, and what nobody else sees."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import trustme

from vo_auth import Archive, Domain, Known
from vo_auth.cli.app import run
from vo_auth.flows import CertificateFile, HttpBasic, PastedCookie, PastedToken
from vo_auth.testing import assert_no_secret

TOKEN = 'obviously"fake\\token'  # with the characters that a quoted text must escape
URL = "https://toy.example.org/files/one"
HEADER = "X-Toy-Token: "

# Writes down what it was given, then behaves as it is told.
PROGRAM = f"""#!{sys.executable}
import json, os, pathlib, stat, sys
given = {{"argv": sys.argv[1:], "environ": dict(os.environ), "files": {{}}}}
given["cmdline"] = pathlib.Path("/proc/self/cmdline").read_bytes().decode()
for word in [*sys.argv[1:], *[value for name, value in os.environ.items() if name.startswith("VO_AUTH_EXEC_")]]:
    path = pathlib.Path(word.partition("=")[2] or word)
    if path.is_file():
        modes = [stat.S_IMODE(place.stat().st_mode) for place in (path, path.parent)]
        given["files"][str(path)] = [path.read_text(), *modes]
given["stdin"] = sys.stdin.read() if "-K" in sys.argv else ""
for line in given["stdin"].splitlines():
    if line.startswith("cert = "):
        given["certificate"] = pathlib.Path(json.loads(line[7:])).read_text()
pathlib.Path(os.environ["SEEN"]).write_text(json.dumps(given))
sys.exit(int(os.environ.get("STATUS", "0")))
"""


@dataclass(frozen=True, slots=True)
class Outcome:
    status: int
    text: str
    given: dict[str, Any] | None

    @property
    def stdin(self) -> list[str]:
        assert self.given is not None, self.text
        return str(self.given["stdin"]).splitlines()

    @property
    def files(self) -> dict[str, tuple[str, int, int]]:
        """The files that the program could read: text, mode, and the folder's mode, by name."""
        assert self.given is not None, self.text
        return {Path(path).name: tuple(found) for path, found in self.given["files"].items()}


Vo = Callable[..., Outcome]


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put recording programs in the place of the real ones; secrets go to a folder that a test can look into."""
    for name in ("curl", "wget", "tool"):
        program = tmp_path / "bin" / name
        program.parent.mkdir(exist_ok=True)
        program.write_text(PROGRAM)
        program.chmod(0o755)
    (tmp_path / "runtime").mkdir(mode=0o700)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "runtime"))
    monkeypatch.setenv("SEEN", str(tmp_path / "seen.json"))
    return tmp_path


@pytest.fixture
def vo(places: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Vo:
    def call(*words: str) -> Outcome:
        (places / "seen.json").unlink(missing_ok=True)
        monkeypatch.setattr(sys, "argv", ["vo-auth", *words])
        monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)
        try:
            status: Any = run()
        except SystemExit as end:
            status = end.code
        out, err = capfd.readouterr()
        seen = places / "seen.json"
        assert list((places / "runtime").iterdir()) == [], "nothing secret is left behind"
        return Outcome(int(status or 0), out + err, json.loads(seen.read_text()) if seen.exists() else None)

    return call


def toy(flow: Any, **changes: Any) -> Archive:
    given: dict[str, Any] = {"domains": (Domain("https://toy.example.org", upgrade_http=True),), **changes}
    return Archive(name="toy", title="Toy Archive", flows=(flow,), **given)


@pytest.fixture
def token(install: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> str:
    install(toy(PastedToken(header="X-Toy-Token", prefix="")))
    monkeypatch.setenv("VO_AUTH_TOY_TOKEN", TOKEN)
    return TOKEN


@pytest.fixture
def bearer(install: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    def put(**changes: Any) -> str:
        install(toy(PastedToken(), **changes))
        monkeypatch.setenv("VO_AUTH_TOY_TOKEN", "obviously-fake-bearer")
        return "obviously-fake-bearer"

    return put


# -------------------------------------------------------------------- curl


def test_curl_reads_the_permit_and_the_url_on_its_standard_input(vo: Vo, token: str) -> None:
    done = vo("curl", URL, "--", "-sSo", "one.fits", "--retry", "3")
    assert done.given is not None
    assert done.given["argv"] == ["-q", "-K", "-", "-s", "-S", "-o", "one.fits", "--retry", "3"]
    assert done.stdin == [
        f'url = "{URL}"',
        'header = "X-Toy-Token: obviously\\"fake\\\\token"',
        'proto = "=https"',
        'proto-redir = "=https"',
        "globoff",
        "location",
        "max-redirs = 0",
    ]


@pytest.mark.parametrize("program", ["curl", "wget"])
def test_neither_arguments_nor_environment_show_a_secret(vo: Vo, token: str, program: str) -> None:
    done = vo(program, URL)
    assert done.given is not None
    assert_no_secret([token], done.given["cmdline"], done.given["environ"], done.text)


@pytest.mark.parametrize("program", ["curl", "wget"])
def test_the_status_is_the_programs(vo: Vo, token: str, monkeypatch: pytest.MonkeyPatch, program: str) -> None:
    monkeypatch.setenv("STATUS", "22")
    assert vo(program, URL).status == 22


@pytest.mark.parametrize("program", ["curl", "wget", "exec"])
def test_a_program_that_is_not_there_is_named(
    vo: Vo, token: str, places: Path, monkeypatch: pytest.MonkeyPatch, program: str
) -> None:
    monkeypatch.setenv("PATH", str(places / "runtime"))
    words = ["exec", "--archive", "toy", "--", "tool"] if program == "exec" else [program, URL]
    done = vo(*words)
    assert done.status == 127
    assert "there is no program" in done.text


@pytest.mark.parametrize(
    "words",
    [
        *(["-v"], ["--trace", "x"], ["--trace-ascii", "-"], ["--libcurl", "x.c"], ["-sv"], ["-k"], ["--insecure"]),
        *(["--insec"], ["--location-trusted"], ["--location-tr"], ["-u", "me:secret"], ["--netrc"], ["-n"]),
        *(["-K", "file"], ["--config", "file"], ["--next"], ["-:"], ["-b", "a=b"], ["-c", "jar"], ["-E", "my.pem"]),
        *(["--connect-to", "::x:"], ["--resolve", "toy.example.org:443:127.0.0.1"], ["--proto", "all"], ["-q"]),
        *(["-H", "Authorization: mine"], ["-H", "cookie: a=b"], ["-H", "Host: other"], ["-H", "@file"], ["-HCookie;"]),
        *(["-d", "@-"], ["-T", "-"], ["-T", "."], ["-F", "a=@-"], ["-F", "a=<-"], ["--data-urlencode", "a@-"]),
        *(["--", "x"], ["-o"], ["--max-redirs", "5"], ["--unknown"], ["--output=x"]),
    ],
    ids=" ".join,
)
def test_curl_is_not_run_with_what_is_not_known_to_be_safe(vo: Vo, token: str, words: list[str]) -> None:
    done = vo("curl", URL, "--", *words)
    assert (done.status, done.given) == (2, None)


@pytest.mark.parametrize(
    "url",
    [
        "https://other.example.org/one",  # nobody's
        "https://toy.example.org:8443/one",
        "https://toy.example.org.other.example.org/one",
        "http://toy.example.org:8080/one",
        "https://me:secret@toy.example.org/one",
        "ftp://toy.example.org/one",
        "toy.example.org/one",
        "https://",
    ],
)
@pytest.mark.parametrize("program", ["curl", "wget"])
def test_urls_that_get_no_permit_are_refused_as_the_first_and_as_a_further_one(
    vo: Vo, token: str, program: str, url: str
) -> None:
    for words in ([url], [URL, "--", url]):
        done = vo(program, *words)
        assert (done.status, done.given) == (2, None), words
        assert "secret" not in done.text


def test_further_urls_of_the_origin_go_along(vo: Vo, token: str) -> None:
    done = vo(
        "curl", URL, "--", "-OO", "https://toy.example.org/two?a=[1-3]#x", "--url", "HTTPS://Toy.Example.Org:443/3"
    )
    assert done.stdin[:3] == [
        f'url = "{URL}"',
        'url = "https://toy.example.org/two?a=%5B1-3%5D"',
        'url = "https://toy.example.org:443/3"',
    ]
    assert done.given is not None
    assert done.given["argv"][3:] == ["-O", "-O"]


def test_two_archives_on_one_origin_are_two_runs(
    vo: Vo, install: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    install(
        toy(PastedToken(), domains=(Domain("https://toy.example.org/a"),)),
        Archive(name="toy-2", title="Toy 2", flows=(PastedToken(),), domains=(Domain("https://toy.example.org/b"),)),
    )
    monkeypatch.setenv("VO_AUTH_TOY_TOKEN", "obviously-fake-1")
    monkeypatch.setenv("VO_AUTH_TOY_2_TOKEN", "obviously-fake-2")
    assert vo("curl", "https://toy.example.org/a/x").status == 0
    done = vo("curl", "https://toy.example.org/a/x", "--", "https://toy.example.org/b/x")
    assert (done.status, done.given) == (2, None)


def test_plain_http_is_asked_by_https_where_the_archive_says_so(vo: Vo, token: str) -> None:
    assert vo("curl", "http://toy.example.org/one").stdin[0] == 'url = "https://toy.example.org/one"'
    done = vo("wget", "http://toy.example.org/one")
    assert done.given is not None
    assert done.given["argv"][-2:] == ["--", "https://toy.example.org/one"]


def test_plain_http_is_refused_elsewhere(vo: Vo, bearer: Callable[..., str]) -> None:
    bearer(domains=(Domain("https://toy.example.org"),))
    done = vo("curl", "http://toy.example.org/one")
    assert (done.status, done.given) == (2, None)
    assert "use https://toy.example.org/one" in done.text


def test_a_local_service_is_asked_without_a_proxy(vo: Vo, bearer: Callable[..., str]) -> None:
    bearer(domains=(Domain("http://127.0.0.1:8080"),))
    lines = vo("curl", "http://127.0.0.1:8080/one").stdin
    assert {'proto = "=http"', 'noproxy = "*"'} <= set(lines)
    assert vo("curl", "http://127.0.0.1:8080/one", "--", "-x", "http://proxy.example.org").status == 2
    text, _, _ = vo("wget", "http://127.0.0.1:8080/one").files["wgetrc"]
    assert "use_proxy = off" in text.splitlines()


@pytest.mark.parametrize(
    ("domains", "follows"),
    [
        ((Domain("https://toy.example.org"),), True),
        ((Domain("https://toy.example.org/files"),), False),
        ((Domain("https://toy.example.org", anonymous=("public",)),), False),
        ((Domain("https://toy.example.org"), Domain("https://toy.example.org/b", realm="b")), False),
    ],
)
def test_curl_follows_redirects_only_where_all_of_the_origin_gets_the_permit(
    vo: Vo, bearer: Callable[..., str], monkeypatch: pytest.MonkeyPatch, domains: tuple[Domain, ...], follows: bool
) -> None:
    monkeypatch.setattr("vo_auth.cli.curl.curl_version", lambda: (7, 88))
    bearer(domains=domains)
    done = vo("curl", URL, "--", "-L", "--max-redirs", "3")
    assert done.status == (0 if follows else 2), done.text
    if follows:
        assert "location" in done.stdin
        assert "max-redirs = 0" not in done.stdin


def test_curl_follows_no_redirects_with_a_header_of_the_archives_own(vo: Vo, token: str) -> None:
    done = vo("curl", URL, "--", "-L")
    assert (done.status, done.given) == (2, None)
    assert "no Authorization header" in done.text


@pytest.mark.parametrize(("version", "status"), [((7, 58), 2), ((7, 82), 2), ((7, 83), 0), ((8, 0), 0), ((0,), 2)])
def test_an_old_curl_follows_no_redirects(
    vo: Vo,
    bearer: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
    version: tuple[int, ...],
    status: int,
) -> None:
    monkeypatch.setattr("vo_auth.cli.curl.curl_version", lambda: version)
    bearer()
    assert vo("curl", URL, "--", "-L").status == status


def test_a_permit_that_lives_too_short_is_an_error(
    vo: Vo, install: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    install(toy(PastedCookie(cookie="login", expires=lambda _: time.time() + 100)))
    monkeypatch.setenv("VO_AUTH_TOY_COOKIE", "login=obviously-fake-cookie")
    assert vo("curl", URL).stdin[1] == 'header = "Cookie: login=obviously-fake-cookie"'
    done = vo("curl", URL, "--min-life", "2h")
    assert (done.status, done.given) == (1, None)


@pytest.fixture
def certificate(install: Callable[..., None], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    install(toy(CertificateFile()))
    path = tmp_path / "own.pem"
    path.touch(mode=0o600)
    path.write_bytes(trustme.CA().issue_cert(common_name="demo").private_key_and_cert_chain_pem.bytes())
    monkeypatch.setenv("VO_AUTH_TOY_CERTIFICATE", str(path))
    return path.read_text()


def test_a_certificate_lies_in_a_file_while_the_program_runs(vo: Vo, certificate: str) -> None:
    done = vo("curl", URL)
    assert done.given is not None
    assert done.given["certificate"].strip() == certificate.strip()
    text, mode, folder = vo("wget", URL).files["wgetrc"]
    assert (mode, folder) == (0o600, 0o700)
    assert [line.partition(" ")[0] for line in text.splitlines()][-2:] == ["certificate", "private_key"]
    assert vo("curl", URL, "--", "-L").status == 2


# -------------------------------------------------------------------- wget


def test_wget_reads_the_permit_in_a_file_of_its_own(vo: Vo, token: str, monkeypatch: pytest.MonkeyPatch) -> None:
    done = vo("wget", URL, "--", "-qO", "one", "--tries=3", "-nv", "https://toy.example.org/two")
    text, mode, folder = done.files["wgetrc"]
    assert (mode, folder) == (0o600, 0o700)
    assert text.splitlines() == [
        f"header = {HEADER}{TOKEN}",
        *("max_redirect = 0", "check_certificate = on", "cookies = off", "hsts = off", "netrc = off"),
        "https_only = on",
    ]
    assert done.given is not None
    assert done.given["argv"][1:] == ["-q", "-O", "one", "--tries=3", "-nv", "--", URL, "https://toy.example.org/two"]


def test_of_the_users_own_start_up_file_only_the_way_and_the_trust_are_kept(
    vo: Vo, token: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = tmp_path / "own-wgetrc"
    own.write_text("https_proxy = http://127.0.0.1:1\nCA-Certificate=/ca\ncheck_certificate = off\nheader = X: y\n")
    monkeypatch.setenv("WGETRC", str(own))
    text, _, _ = vo("wget", URL).files["wgetrc"]
    assert text.splitlines()[:3] == [
        "https_proxy = http://127.0.0.1:1",
        "CA-Certificate=/ca",
        f"header = {HEADER}{TOKEN}",
    ]
    assert "check_certificate = off" not in text


@pytest.mark.parametrize(
    "words",
    [
        *(["-i", "list"], ["--input-file=list"], ["-ilist"], ["-qi", "list"], ["-r"], ["-m"], ["-p"], ["-H"]),
        *(["--max-redirect=5"], ["--max-redir=5"], ["--max-redirect", "5"], ["-d"], ["--debug"], ["-b"]),
        *(["-e", "max_redirect=5"], ["--execute=max_redirect=5"], ["--config=x"], ["--no-check-certificate"]),
        *(["--header=Cookie: a=b"], ["--header", "Authorization: x"], ["--user=me"], ["--load-cookies=x"]),
        *(["--save-cookies=x"], ["--post-file=-"], ["-nvd"], ["--quiet=1"], ["-O"]),
    ],
    ids=" ".join,
)
def test_wget_is_not_run_with_what_is_not_known_to_be_safe(vo: Vo, token: str, words: list[str]) -> None:
    done = vo("wget", URL, "--", *words)
    assert (done.status, done.given) == (2, None)


# -------------------------------------------------------------------- exec


def test_a_command_finds_the_permit_in_a_file(vo: Vo, token: str) -> None:
    done = vo("exec", "--archive", "toy", "--", "tool", "--token={VO_AUTH_EXEC_FILE}", "{other}")
    assert done.files == {"permit": (TOKEN, 0o600, 0o700), "header": (f"{HEADER}{TOKEN}\n", 0o600, 0o700)}
    assert done.given is not None
    environ = done.given["environ"]
    assert done.given["argv"] == [f"--token={environ['VO_AUTH_EXEC_FILE']}", "{other}"]
    assert environ["VO_AUTH_EXEC_KIND"] == "header"
    assert_no_secret([token], done.given["cmdline"], environ)


def test_a_certificate_is_one_file_for_a_command(vo: Vo, certificate: str) -> None:
    files = vo("exec", "--archive", "toy", "--", "tool").files
    assert [name for name in files if name != "own.pem"] == ["permit"]
    assert files["permit"][0].strip() == certificate.strip()


@pytest.mark.parametrize("more", [[], ["--credentials"]])
def test_user_name_and_password_are_two_files(
    vo: Vo, install: Callable[..., None], monkeypatch: pytest.MonkeyPatch, more: list[str]
) -> None:
    install(toy(HttpBasic()))
    monkeypatch.setenv("VO_AUTH_TOY_USERNAME", "demo")
    monkeypatch.setenv("VO_AUTH_TOY_PASSWORD", "obviously-fake")
    words = ["-D{VO_AUTH_EXEC_USERNAME_FILE}", "-D{VO_AUTH_EXEC_PASSWORD_FILE}"]
    done = vo("exec", "--archive", "toy", *more, "--", "tool", *words)
    assert done.given is not None
    read = {name.rpartition("_")[0].lower() if "_" in name else name: text for name, (text, _, _) in done.files.items()}
    assert (read["username"], read["password"]) == ("demo", "obviously-fake")
    assert all(word.startswith("-D/") for word in done.given["argv"])
    assert_no_secret(["obviously-fake"], done.given["cmdline"], done.given["environ"])


def test_credentials_that_are_not_there_are_named(vo: Vo, token: str) -> None:
    done = vo("exec", "--archive", "toy", "--credentials", "--", "tool")
    assert (done.status, done.given) == (1, None)
    assert "VO_AUTH_TOY_PASSWORD_FILE" in done.text


def test_a_command_does_not_see_the_variables_that_hold_secrets(
    vo: Vo, install: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    install(toy(PastedToken(), known=Known(environment={"token": ("TOY_OWN_TOKEN",)})))
    secret = "obviously-fake-secret"
    for name in ("TOY_TOKEN", "TOY_PASSWORD", "OTHER_COOKIE", "OTHER_CLIENT_SECRET"):
        monkeypatch.setenv(f"VO_AUTH_{name}", secret)
    monkeypatch.setenv("TOY_OWN_TOKEN", secret)
    monkeypatch.setenv("BEARER_TOKEN", secret)
    monkeypatch.setenv("VO_AUTH_TOY_USERNAME", "demo")
    monkeypatch.setenv("VO_AUTH_OTHER_PASSWORD_FILE", "/somewhere")
    done = vo("exec", "--archive", "toy", "--", "tool")
    assert done.given is not None
    environ = done.given["environ"]
    assert_no_secret([secret], environ)
    assert environ["VO_AUTH_TOY_USERNAME"] == "demo"
    assert environ["VO_AUTH_OTHER_PASSWORD_FILE"] == "/somewhere"


def test_the_permit_for_one_url_is_decided_as_for_a_request(vo: Vo, token: str) -> None:
    assert vo("exec", "--archive", URL, "--", "tool").files["permit"][0] == TOKEN
    done = vo("exec", "--archive", "https://other.example.org/", "--", "tool")
    assert (done.status != 0, done.given) == (True, None)


WAITING = """
import os, pathlib, signal, sys, time
def end(number, frame):
    print("still there:", pathlib.Path(os.environ["VO_AUTH_EXEC_FILE"]).is_file(), flush=True)
    sys.exit(40 + number)
for name in ("SIGTERM", "SIGHUP", "SIGINT"):
    signal.signal(getattr(signal, name), end)
print("ready", flush=True)
time.sleep(60)
"""


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP", "SIGINT"])
def test_files_are_removed_after_a_signal_which_the_command_gets(places: Path, name: str) -> None:
    environ = {**os.environ, "VO_AUTH_ESO_TOKEN": "obviously-fake", "PYTHONUNBUFFERED": "1"}
    words = ["exec", "--archive", "eso", "--", sys.executable, "-c", WAITING]
    process = subprocess.Popen(
        [sys.executable, "-c", "from vo_auth.cli import main; main()", *words],
        env=environ,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        number = getattr(signal, name)
        process.send_signal(number)
        assert process.stdout.readline() == "still there: True\n"
        assert process.wait(30) == 40 + number
    assert list((places / "runtime").iterdir()) == []
