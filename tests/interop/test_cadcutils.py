"""Unmodified cadcutils, cadc-get-cert and cadc-tap on the stand-in of CADC, in an environment of their own.

They ignore proxies, so the sandbox's ``sitecustomize`` brings them to the stand-in; and they cache what the registry
says below their home, which is the sandbox's.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from vo_auth.sandbox import Bench, Sandbox

pytestmark = pytest.mark.interop
pytest.importorskip("vo_auth_cadc")

# The Python that has them; else they must be beside this one.
VARIABLE = "CADC_PYTHON"
PUBLIC = ["700001o", "700002p", "scuba2_demo_1"]
OWN = [*PUBLIC, "scuba2_demo_2"]
QUERY = ["query", "-s", "argus", "-f", "csv", "--quiet"]
SELECT = "SELECT observationID FROM caom2.Observation ORDER BY observationID"
FILE = "https://cadc-west-01.canfar.net/raven/files/cadc:JCMT/scuba2_demo_1.fits"
VO_AUTH = "from vo_auth.cli import main; main()"
LOGIN_HOSTS = ("ws-cadc.canfar.net", "ws.cadc-ccda.hia-iha.nrc-cnrc.gc.ca")

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(only=["cadc"], credentials=False) as one:
        yield one


@pytest.fixture
def bench(sandbox: Sandbox) -> Bench:
    return sandbox.bench("cadc")


@pytest.fixture
def python() -> Path:
    """Return the Python that has the clients."""
    found = Path(os.environ.get(VARIABLE) or sys.executable)
    if not shutil.which("cadc-get-cert", path=found.parent):
        pytest.skip(f"cadcutils is not installed, and {VARIABLE} names no Python that has it")
    return found


@pytest.fixture
def run(sandbox: Sandbox, python: Path) -> Run:
    """Run one of the clients' programs, or their Python, inside the sandbox."""

    def call(name: str, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        command = [str(python.with_name(name)), *arguments]
        done = subprocess.run(
            command, env=sandbox.child_environ(), capture_output=True, text=True, check=False, timeout=100
        )
        assert done.returncode == 0 or not check, done.stderr + done.stdout
        return done

    return call


@pytest.fixture
def netrc(sandbox: Sandbox) -> Callable[[str], None]:
    """Write a role's user name and password where the clients look with ``-n``."""
    from vo_auth_cadc.standin import STANDIN

    def write(role: str) -> None:
        words = STANDIN.credentials[role]
        path = sandbox.home / ".netrc"
        path.touch(mode=0o600)
        lines = [f"machine {host} login {words['username']} password {words['password']}\n" for host in LOGIN_HOSTS]
        path.write_text("".join(lines))

    return write


@pytest.fixture
def certificate(sandbox: Sandbox) -> Path:
    """Where the clients keep a certificate."""
    return sandbox.home / ".ssl" / "cadcproxy.pem"


def rows(done: subprocess.CompletedProcess[str]) -> list[str]:
    return done.stdout.split()


def test_cadc_get_cert_gets_a_certificate_that_cadc_tap_finds_by_itself(
    run: Run, netrc: Callable[[str], None], certificate: Path, bench: Bench, sandbox: Sandbox
) -> None:
    netrc("pi")
    assert "certificate saved in" in run("cadc-get-cert", "-n").stdout
    (sandbox.home / ".netrc").unlink()
    assert certificate.read_text().count("-----BEGIN") == 3
    assert rows(run("cadc-tap", *QUERY, SELECT)) == OWN
    assert sandbox.received.all()[-1].client_certificate is not None
    assert bench.counters["certificates"] == 1


def test_cadc_get_cert_says_what_the_server_says(run: Run, netrc: Callable[[str], None], certificate: Path) -> None:
    netrc("visitor")  # a ':' in the password, which HTTP Basic does not survive there
    assert "invalid username/password" in run("cadc-get-cert", "-n").stderr
    assert not certificate.exists()
    netrc("pi")
    done = run("cadc-get-cert", "-n", "--days-valid", "40", check=False)
    assert (done.returncode, "daysValid larger than maximum allowed" in done.stderr) == (1, True)


def test_cadc_tap_searches_by_cookie_by_token_and_as_anybody(
    run: Run, netrc: Callable[[str], None], bench: Bench, sandbox: Sandbox
) -> None:
    from vo_auth_cadc.standin import make_token

    assert rows(run("cadc-tap", *QUERY, "--anon", SELECT)) == PUBLIC
    assert rows(run("cadc-tap", *QUERY, "--token", make_token(), SELECT)) == OWN
    netrc("visitor")
    assert rows(run("cadc-tap", *QUERY, "-n", SELECT)) == PUBLIC
    assert 'CADC_SSO="' in sandbox.received.all()[-1].cookie
    netrc("pi")
    assert rows(run("cadc-tap", *QUERY, "-n", SELECT)) == OWN
    assert bench.counters["logins"] == 2


def test_cadc_tap_shows_the_tables(run: Run) -> None:
    assert "caom2.Plane" in run("cadc-tap", "schema", "-s", "argus", "--anon").stdout


FETCH = """
import sys
from cadcutils import net, exceptions
from cadcutils.net.ws import BaseDataClient
from cadcutils.net.groups_client import GroupsClient
subject = net.Subject(certificate=sys.argv[1], validate_certificate=True)
client = BaseDataClient("ivo://cadc.nrc.ca/global/raven", subject, "test/1.0")
print(client.download_file(sys.argv[2], dest=sys.argv[3])[0])
groups = GroupsClient(subject)
print(groups.is_member("JCMT-M26A-Demo"), groups.is_member("Nobody-Here"))
try:
    BaseDataClient("ivo://cadc.nrc.ca/global/raven", net.Subject(), "test/1.0").download_file(sys.argv[2])
except exceptions.UnauthorizedException as error:
    print("refused")
"""


def test_cadcutils_downloads_over_a_redirect_and_asks_for_groups(
    run: Run, sandbox: Sandbox, python: Path, tmp_path: Path
) -> None:
    from vo_auth_cadc.standin import OBSERVATIONS, make_certificate

    own, file = tmp_path / "own.pem", tmp_path / "file.fits"
    own.write_text(make_certificate(sandbox.authority))
    said = run(python.name, "-c", FETCH, str(own), FILE, str(file)).stdout
    assert said == "file.fits\nTrue False\nrefused\n"
    assert file.read_bytes() == next(item for item in OBSERVATIONS if FILE.endswith(item.uri)).content


def test_the_certificate_of_our_login_is_found_by_cadc_tap(
    run: Run, sandbox: Sandbox, certificate: Path, bench: Bench
) -> None:
    from vo_auth_cadc.standin import STANDIN

    for role in ("visitor", "pi"):  # the first has a ':' in the password
        words = STANDIN.credentials[role]
        done = subprocess.run(
            [sys.executable, "-c", VO_AUTH, "login", "cadc", "--to-file", "default", "--force"],
            env=sandbox.child_environ()
            | {"VO_AUTH_CADC_USERNAME": words["username"], "VO_AUTH_CADC_PASSWORD": words["password"]},
            capture_output=True,
            text=True,
            check=False,
            timeout=100,
        )
        assert done.returncode == 0, done.stderr
        assert certificate.stat().st_mode & 0o777 == 0o600
        assert rows(run("cadc-tap", *QUERY, SELECT)) == {"visitor": PUBLIC, "pi": OWN}[role]
    assert bench.counters["certificates"] == 2
