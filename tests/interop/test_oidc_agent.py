"""A token of the real oidc-agent, which renews it at an authorization server of the tests."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from vo_auth import Archive, Domain
from vo_auth.credentials import Found, OidcAgentSource, Passed, Wanted
from vo_auth.errors import CredentialsNotFoundError
from vo_auth.flows import PastedToken
from vo_auth.wallet import Wallet, Want

pytestmark = pytest.mark.interop

sys.path.append(str(Path(__file__).parents[1] / "flows"))


@pytest.fixture
def authority() -> Iterator[Any]:
    from authority import Authority

    server = Authority()
    server.refresh["first-fake"] = "confidential"
    server.document |= {"scopes_supported": ["openid"], "grant_types_supported": ["refresh_token"]}
    yield server
    server.close()


@pytest.fixture
def agent(program: Callable[[str], str], monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """Run an agent without any login; yield the environment of its clients."""
    with tempfile.TemporaryDirectory(prefix="va") as folder:  # such a socket's path must be short
        place = f"{folder}/agent"
        Path(folder, "settings").mkdir(mode=0o700)
        environment = {"PATH": os.environ["PATH"], "HOME": folder, "TMPDIR": folder, "OIDC_SOCK": place}
        environment["OIDC_CONFIG_DIR"] = f"{folder}/settings"
        command = [program("oidc-agent"), "--console", "--no-autoload", "--no-autoreauthenticate", "-a", place]
        with subprocess.Popen(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as process:
            end = time.monotonic() + 20
            while not os.path.exists(place):
                assert process.poll() is None, "the agent ended"
                assert time.monotonic() < end, "the agent does not listen"
                time.sleep(0.01)
            monkeypatch.setenv("OIDC_SOCK", place)
            yield environment
            process.terminate()


@pytest.fixture
def log_in(agent: dict[str, str], authority: Any, program: Callable[[str], str]) -> Callable[[], None]:
    """Let the agent have a login at the authority, as a user does once."""

    def run() -> None:
        command = [program("oidc-gen"), "--manual", f"--issuer={authority.issuer}", "--scope=openid", "example"]
        command += ["--client-id=confidential", "--client-secret=confidential-fake", "--flow=refresh", "--rt-env"]
        command += ["--pw-env", "--prompt=none", "--confirm-yes", "--no-url-call"]
        secrets = {"OIDC_ENCRYPTION_PW": "obviously-fake", "OIDC_REFRESH_TOKEN": "first-fake"}
        done = subprocess.run(
            command, env=agent | secrets, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr

    return run


def make_archive(issuer: str) -> Archive:
    return Archive(
        name="example",
        title="An Example Archive",
        domains=(Domain("https://archive.example.org"),),
        flows=(PastedToken(),),
        issuers=(issuer,),
    )


def find(archive: Archive) -> Found | Passed | None:
    return OidcAgentSource().find(Wanted(archive=archive, flow=archive.flows[0]))


def test_the_agents_token_is_a_permit_for_the_archive_that_names_its_issuer(
    log_in: Callable[[], None], authority: Any
) -> None:
    authority.token = lambda token: token | {"expires_in": 3600}
    log_in()
    archive = make_archive(authority.issuer)
    held = Wallet(None, [OidcAgentSource()]).permit(Want(archive=archive, interactive=False))
    assert held.origin == f"oidc-agent for {authority.issuer}"
    assert held.grant.permit.token.reveal().startswith("access-fake-")
    assert [asked.form["grant_type"] for asked in authority.asked if asked.path == "/token"] == ["refresh_token"]
    with pytest.raises(CredentialsNotFoundError, match="oidc-agent: https://other"):
        Wallet(None, [OidcAgentSource()]).permit(Want(archive=make_archive("https://other.example.org")))


def test_an_agent_renews_a_token_that_would_not_hold_long_enough(log_in: Callable[[], None], authority: Any) -> None:
    authority.token = lambda token: token | {"expires_in": 90}
    log_in()
    first, second = find(make_archive(authority.issuer)), find(make_archive(authority.issuer))
    assert isinstance(first, Found)
    assert isinstance(second, Found)
    assert first.values["token"] != second.values["token"]  # the margin of the archive is ten minutes


def test_an_agent_without_a_login_is_no_error_and_says_so(agent: dict[str, str]) -> None:
    found = find(make_archive("https://issuer.example.org"))
    assert found == Passed("https://issuer.example.org: the agent says: account not loaded")


def test_an_agent_whose_issuer_refuses_is_no_error_and_says_so(log_in: Callable[[], None], authority: Any) -> None:
    authority.token = lambda token: token | {"expires_in": 1}
    log_in()
    authority.refresh.clear()
    found = find(make_archive(authority.issuer))
    assert isinstance(found, Passed)
    assert "the agent says: " in found.reason
