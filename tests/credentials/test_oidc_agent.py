"""oidc-agent over its socket: what it is asked, and what comes of each answer."""

from __future__ import annotations

import json
import os
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from vo_auth import Archive, Domain
from vo_auth.credentials import Found, OidcAgentSource, Passed, Wanted
from vo_auth.errors import UnusableCredentialsError
from vo_auth.flows import PasswordGrant, PastedToken
from vo_auth.testing import assert_no_secret

pytestmark = pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="this system has no such sockets")

ISSUER = "https://issuer.example.org/"


class Agent:
    """An agent that answers each request with the next of its answers; None: it says nothing and waits.

    Attributes
    ----------
    asked
        The requests.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.asked: list[dict[str, Any]] = []
        self.answers: list[bytes | None] = []
        self.closes = True
        self._done = threading.Event()
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(path)
        self._listener.listen()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def will_say(self, *answers: object) -> None:
        self.answers += [json.dumps(answer).encode() for answer in answers]

    def close(self) -> None:
        self._done.set()
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as knock:
            knock.connect(self.path)
        self._thread.join()
        self._listener.close()

    def _serve(self) -> None:
        while True:
            connection, _ = self._listener.accept()
            with connection:
                if self._done.is_set():
                    return
                self.asked.append(json.loads(connection.recv(65536)))
                answer = self.answers.pop(0)
                if answer is None:
                    self._done.wait(20)
                    return
                for start in range(0, len(answer), 4096):
                    connection.sendall(answer[start : start + 4096])
                if not self.closes:
                    connection.recv(1)  # until the other side has enough


@pytest.fixture
def agent(monkeypatch: pytest.MonkeyPatch) -> Iterator[Agent]:
    with tempfile.TemporaryDirectory(prefix="va") as folder:  # such a path must be short
        agent = Agent(os.path.join(folder, "agent"))
        monkeypatch.setenv("OIDC_SOCK", agent.path)
        yield agent
        agent.close()


@pytest.fixture
def archive(make_archive: Callable[..., Archive]) -> Archive:
    return make_archive(PastedToken(), issuers=(ISSUER,), margin=300.0)


def find(archive: Archive, **changes: Any) -> Found | Passed | None:
    return OidcAgentSource().find(Wanted(**({"archive": archive, "flow": archive.flows[0]} | changes)))


def granted(token: str, issuer: str = ISSUER) -> dict[str, Any]:
    return {"status": "success", "access_token": token, "issuer": issuer, "expires_at": 4_000_000_000}


def test_a_token_of_the_archives_issuer_is_asked_for_and_no_password(agent: Agent, archive: Archive) -> None:
    agent.will_say(granted("obviously-fake"))
    found = find(archive)
    assert isinstance(found, Found)
    assert {name: secret.reveal() for name, secret in found.values.items()} == {"token": "obviously-fake"}
    assert found.origin == f"oidc-agent for {ISSUER}"
    assert agent.asked == [
        {"request": "access_token", "issuer": ISSUER, "min_valid_period": 300, "application_hint": "vo_auth"}
    ]


def test_the_audiences_are_asked_for_where_the_archive_is_guarded_by_them(
    agent: Agent, make_archive: Callable[..., Archive], make_jwt: Callable[..., str]
) -> None:
    domains = [Domain(f"https://{name}.example.org", audience=(name, f"old-{name}")) for name in ("data", "tap")]
    agent.will_say(granted(make_jwt(iss=ISSUER, aud=["data", "tap"])))
    archive = make_archive(PastedToken(), issuers=(ISSUER,), domains=tuple(domains), by_audience=True, margin=5.0)
    assert isinstance(find(archive), Found)
    assert agent.asked[0]["audience"] == "data tap"
    assert agent.asked[0]["min_valid_period"] == 60


def test_the_last_slash_of_the_issuer_may_differ_in_the_answer(agent: Agent, archive: Archive) -> None:
    agent.will_say(granted("obviously-fake", ISSUER.rstrip("/")))
    assert isinstance(find(archive), Found)


def test_an_opaque_token_of_another_issuer_is_not_used(agent: Agent, archive: Archive) -> None:
    agent.will_say(granted("obviously-fake", "https://evil.example.org"))
    found = find(archive)
    assert isinstance(found, Passed)
    assert "names no such tokens" in found.reason


@pytest.mark.parametrize(
    "claims", [{"iss": "https://evil.example.org"}, {"iss": ISSUER, "aud": "https://other.example.org"}]
)
def test_a_jwt_of_another_issuer_or_for_another_audience_is_not_used(
    claims: dict[str, str], agent: Agent, archive: Archive, make_jwt: Callable[..., str]
) -> None:
    agent.will_say(granted(make_jwt(**claims)))
    assert isinstance(find(archive), Passed)


def test_the_issuers_are_asked_for_in_order_until_one_has_a_login(
    agent: Agent, make_archive: Callable[..., Archive]
) -> None:
    archive = make_archive(PastedToken(), issuers=("https://b.example.org", "https://a.example.org"))
    agent.will_say(
        {"status": "failure", "error": "No account loaded"}, granted("obviously-fake", "https://b.example.org")
    )
    assert isinstance(find(archive), Found)
    assert [request["issuer"] for request in agent.asked] == ["https://a.example.org", "https://b.example.org"]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b'{"status": "failure", "error": "Agent locked", "info": "unlock it"}', "the agent says: Agent locked"),
        (b'{"status": "failure", "error": "\\u001b[2Jgone"}', "the agent says: [2Jgone"),
        (b'{"status": "success", "access_token": " "}', "the agent gives no token"),
        (b'{"status": "success"}', "the agent's answer makes no sense"),
        (b'["obviously-fake"]', "the agent's answer makes no sense"),
        (b"obviously-fake", "the agent's answer makes no sense"),
        (b"", "the agent's answer makes no sense"),
        (b"x" * 70_000, "the agent's answer makes no sense"),
    ],
)
def test_an_agent_that_has_none_is_no_error_and_is_said(
    answer: bytes, reason: str, agent: Agent, archive: Archive
) -> None:
    agent.answers.append(answer)
    assert find(archive) == Passed(f"{ISSUER}: {reason}")


def test_an_answer_is_taken_when_it_is_whole_also_if_the_agent_keeps_the_line_open(
    agent: Agent, archive: Archive
) -> None:
    agent.closes = False
    agent.will_say(granted("obviously-fake" + "x" * 9000))
    assert isinstance(find(archive), Found)


def test_an_agent_that_says_nothing_is_left_alone_after_a_while(
    agent: Agent, archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(OidcAgentSource, "PATIENCE", 0.05)
    agent.answers.append(None)
    assert find(archive) == Passed(f"{ISSUER}: the agent does not answer (TimeoutError)")


def test_an_agent_that_is_gone_is_no_error_and_is_said(
    archive: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OIDC_SOCK", "/nowhere/agent")
    assert find(archive) == Passed(f"{ISSUER}: the agent does not answer (FileNotFoundError)")
    monkeypatch.setenv("OIDC_SOCK", str(tmp_path / ("x" * 200)))  # longer than such an address can be
    assert isinstance(find(archive), Passed)


def test_what_is_no_token_ends_the_search_and_is_not_shown(agent: Agent, archive: Archive) -> None:
    agent.will_say(granted("obviously fake"))
    with pytest.raises(UnusableCredentialsError, match=r"oidc-agent for https://issuer\.example\.org/ holds") as caught:
        find(archive)
    assert_no_secret(["obviously fake"], caught.value)


def test_the_agent_is_not_asked_for_archives_or_flows_that_take_no_tokens(
    agent: Agent, make_archive: Callable[..., Archive]
) -> None:
    assert find(make_archive(PastedToken())) == Passed("not used: An Example Archive names no issuer of tokens")
    assert find(make_archive(PasswordGrant(token_url="https://login.example.org/"), issuers=(ISSUER,))) is None
    assert agent.asked == []


def test_without_an_agent_the_variable_is_named_where_it_would_matter(
    archive: Archive, make_archive: Callable[..., Archive]
) -> None:
    assert find(archive) is None
    assert OidcAgentSource().looked_at(archive) == "not set: OIDC_SOCK"
    assert OidcAgentSource().looked_at(make_archive(PastedToken())) == ""


def test_without_such_sockets_it_is_said(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OIDC_SOCK", "/nowhere/agent")
    monkeypatch.delattr(socket, "AF_UNIX")
    assert isinstance(find(archive), Passed)
