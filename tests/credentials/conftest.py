"""An archive, a keyring and a person to ask, for one test."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keyring
import pytest
from keyring.backend import KeyringBackend
from keyring.credentials import Credential, SimpleCredential
from keyring.errors import KeyringLocked

from vo_auth import Archive, Domain, Known, Pages
from vo_auth.archive import Flow, KeyringEntry
from vo_auth.credentials import Wanted
from vo_auth.flows import PasswordGrant, PastedToken

AMBIENT = ("ACCESS_TOKEN", "BEARER_TOKEN", "BEARER_TOKEN_FILE", "NUBLADO_TOKEN", "OIDC_SOCK")


@pytest.fixture(autouse=True)
def folder_of_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Take away the tokens of whoever runs the tests; return the folder that stands for /tmp."""
    for name in AMBIENT:
        monkeypatch.delenv(name, raising=False)
    folder = tmp_path / "folder-of-all"
    folder.mkdir()
    monkeypatch.setattr("vo_auth.credentials.wlcg._LAST_FOLDER", str(folder))
    return folder


@pytest.fixture
def make_jwt() -> Callable[..., str]:
    """Make what looks like a JWT; nothing here checks signatures."""

    def make(**claims: Any) -> str:
        parts = ({"alg": "RS256", "typ": "JWT"}, claims)
        encoded = [base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts]
        return ".".join([*encoded, "obviously-fake"])

    return make


class FakeKeyring(KeyringBackend):
    """Entries of a dictionary: (service, user name) → password."""

    priority = 1  # type: ignore[assignment]

    def __init__(self) -> None:
        super().__init__()
        self.entries: dict[tuple[str, str], str] = {}
        self.asked: list[tuple[str, str | None]] = []
        self.locked = False
        self.careless = False

    def get_password(self, service: str, username: str) -> str | None:
        return self.entries.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        raise AssertionError("a source writes nothing")

    def get_credential(self, service: str, username: str | None) -> Credential | None:
        self.asked.append((service, username))
        if self.locked:
            raise KeyringLocked("obviously-fake detail of the backend")
        for (name, user), password in self.entries.items():
            if name == service and (username in (None, user) or self.careless):
                return SimpleCredential(user, password)
        return None


@pytest.fixture
def fake_keyring() -> Iterator[FakeKeyring]:
    before = keyring.get_keyring()
    backend = FakeKeyring()
    keyring.set_keyring(backend)
    yield backend
    keyring.set_keyring(before)


GRANT = PasswordGrant(token_url="https://login.example.org/token")


@pytest.fixture
def make_archive() -> Callable[..., Archive]:
    def make(*flows: Flow, **changes: Any) -> Archive:
        values: dict[str, Any] = {
            "name": "example",
            "title": "An Example Archive",
            "domains": (Domain("https://archive.example.org"),),
            "flows": flows or (GRANT, PastedToken()),
            "known": Known(
                environment={"password": ("EXAMPLE_PW",)}, keyring=(KeyringEntry(service="astroquery:www.example.org"),)
            ),
            "pages": Pages(register="https://archive.example.org/register", token="https://archive.example.org/token"),
        }
        return Archive(**(values | changes))

    return make


@pytest.fixture
def archive(make_archive: Callable[..., Archive]) -> Archive:
    return make_archive()


@pytest.fixture
def wanted(archive: Archive) -> Callable[..., Wanted]:
    def make(**changes: Any) -> Wanted:
        return Wanted(**({"archive": archive, "flow": archive.flows[0]} | changes))

    return make


@dataclass
class Person:
    """Who answers in the terminal."""

    answers: list[str] = field(default_factory=list)
    shown: list[str] = field(default_factory=list)
    hidden: list[str] = field(default_factory=list)


class Terminal:
    """A stream that says it is a terminal, or not."""

    def __init__(self, person: Person, *, tty: bool) -> None:
        self._person = person
        self._tty = tty

    def isatty(self) -> bool:
        return self._tty

    def write(self, text: str) -> int:
        self._person.shown.append(text)
        return len(text)

    def flush(self) -> None:
        pass

    def readline(self) -> str:
        return self._person.answers.pop(0) if self._person.answers else ""


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Person]:
    """Put a person before both ends of a terminal; ``""`` as an answer is the end of input."""

    def sit(*answers: str, stdin: bool = True, stderr: bool = True) -> Person:
        person = Person(list(answers))
        monkeypatch.setattr("sys.stdin", Terminal(person, tty=stdin))
        monkeypatch.setattr("sys.stderr", Terminal(person, tty=stderr))

        def getpass(prompt: str) -> str:
            person.hidden.append(prompt)
            line = person.answers.pop(0) if person.answers else ""
            if not line:
                raise EOFError
            return line.rstrip("\n")

        monkeypatch.setattr("getpass.getpass", getpass)
        return person

    return sit
