"""Every source present, absent, broken or expired: the documented choice, explained in the same words on every run."""

from __future__ import annotations

import itertools
import os
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from vo_auth import Archive, Known, Secret
from vo_auth.archive import Ambient, KeyringEntry, KnownFile, TokenPlace
from vo_auth.credentials import (
    Chosen,
    CredentialSource,
    EnvironmentSource,
    ExplicitSource,
    KeyringSource,
    KnownFileSource,
    NetrcSource,
    OidcAgentSource,
    PlatformSource,
    PromptSource,
    WlcgSource,
)
from vo_auth.errors import (
    CredentialsNotFoundError,
    PermitExpiredError,
    PromptCancelledError,
    UnusableCredentialsError,
    VoAuthError,
)
from vo_auth.flows import PasswordGrant, PastedToken
from vo_auth.wallet import Wallet, Want

pytestmark = pytest.mark.skipif(os.name != "posix", reason="modes, user ids and such sockets are of POSIX")

ISSUER = "https://issuer.example.org/"
LONG_AGO, LONG = 1_000_000_000, 4_000_000_000
ENDED = "ended at 2001-09-09 01:46 UTC"


@dataclass(frozen=True)
class Row:
    """What is documented of one source in one state.

    Parameters
    ----------
    source, state
        Which.
    outcome
        What is said of it where the search goes on; or the error where it ends.
    """

    source: str
    state: str
    outcome: str | type[VoAuthError]

    def __str__(self) -> str:
        return f"{self.source} {self.state}"


NOT_SET = "not set: BEARER_TOKEN, BEARER_TOKEN_FILE"
TABLE = (
    Row("environment", "absent", "not set: VO_AUTH_EXAMPLE_USERNAME, VO_AUTH_EXAMPLE_PASSWORD, VO_AUTH_EXAMPLE_TOKEN"),
    Row("environment", "broken", UnusableCredentialsError),
    Row("environment", "expired", f"that of VO_AUTH_EXAMPLE_TOKEN {ENDED}"),
    Row("keyring", "absent", "no entry"),
    Row("keyring", "broken", "the keyring cannot be read (KeyringLocked)"),
    Row("keyring", "expired", f"that of keyring entry 'example-tokens' {ENDED}"),
    Row("files", "absent", "none at FOLDER/client"),
    Row("files", "broken", UnusableCredentialsError),
    Row("files", "expired", f"that of FOLDER/client {ENDED}"),
    Row(
        "wlcg",
        "absent",
        "not set: BEARER_TOKEN, BEARER_TOKEN_FILE; no token in RUNTIME/bt_uUID; no token in ALL/bt_uUID",
    ),
    Row("wlcg", "broken", UnusableCredentialsError),
    Row("wlcg", "expired", f"that of BEARER_TOKEN {ENDED}"),
    Row("oidc-agent", "absent", "not set: OIDC_SOCK"),
    Row("oidc-agent", "broken", f"{ISSUER}: the agent does not answer (FileNotFoundError)"),
    Row("oidc-agent", "expired", f"that of oidc-agent for {ISSUER} {ENDED}"),
    Row("platform", "absent", "no token in PLATFORM_TOKEN"),
    Row("platform", "broken", UnusableCredentialsError),
    Row("platform", "expired", f"that of PLATFORM_TOKEN {ENDED}"),
    Row("netrc", "absent", "there is no netrc file"),
    Row("netrc", "broken", UnusableCredentialsError),
    Row("prompt", "absent", "not asked: no interactive terminal or notebook"),
    Row("prompt", "broken", PromptCancelledError),
)
SOURCES = tuple(dict.fromkeys(row.source for row in TABLE))  # in the documented order
BY_STATE = {(row.source, row.state): row for row in TABLE}
EXPIRING = tuple(row.source for row in TABLE if row.state == "expired")


def read_client(text: str) -> dict[str, Secret] | None:
    name, _, value = text.partition(" ")
    if name != "token":
        raise ValueError("it does not begin with its name")
    return {"token": Secret(value)}


class Stage:
    """Puts each source into a state."""

    def __init__(self, folder: Path, keyring: Any, terminal: Any, make_jwt: Any, patch: pytest.MonkeyPatch) -> None:
        self.folder, self._keyring, self._terminal, self._jwt, self._patch = folder, keyring, terminal, make_jwt, patch
        self.tokens: dict[str, str | None] = {}  # of the agent
        patch.setattr("vo_auth.credentials.oidc_agent._exchange", self._agent)
        self._terminal(stdin=False, stderr=False)

    def _agent(self, path: str, request: bytes, patience: float) -> bytes:
        token = self.tokens.get("oidc-agent")
        if token is None:
            raise FileNotFoundError
        return b'{"status": "success", "issuer": "%s", "access_token": "%s"}' % (ISSUER.encode(), token.encode())

    def set(self, source: str, state: str) -> None:
        if state != "absent":
            end = LONG_AGO if state == "expired" else LONG
            token = self._jwt(iss=ISSUER, exp=end, from_=source)
            getattr(self, f"_set_{source.replace('-', '_')}")(state, token)

    def _set_environment(self, state: str, token: str) -> None:
        if state == "broken":
            self._patch.setenv("VO_AUTH_EXAMPLE_TOKEN_FILE", str(self._file("environment", token, 0o644)))
        else:
            self._patch.setenv("VO_AUTH_EXAMPLE_TOKEN", token)

    def _set_keyring(self, state: str, token: str) -> None:
        self._keyring.locked = state == "broken"
        self._keyring.entries["example-tokens", "token"] = token

    def _set_files(self, state: str, token: str) -> None:
        self._file("client", "damaged" if state == "broken" else f"token {token}")

    def _set_wlcg(self, state: str, token: str) -> None:
        self._patch.setenv("BEARER_TOKEN", "no token at all" if state == "broken" else token)

    def _set_oidc_agent(self, state: str, token: str) -> None:
        self._patch.setenv("OIDC_SOCK", str(self.folder / "agent"))
        self.tokens["oidc-agent"] = None if state == "broken" else token

    def _set_platform(self, state: str, token: str) -> None:
        self._patch.setenv("PLATFORM_TOKEN", "no token at all" if state == "broken" else token)

    def _set_netrc(self, state: str, token: str) -> None:
        text = "machine login.example.org login pi password obviously-fake\n"
        self._patch.setenv("NETRC", str(self._file("my-netrc", text + ("?" if state == "broken" else ""))))

    def _set_prompt(self, state: str, token: str) -> None:
        self._terminal("pi\n", "obviously-fake\n") if state == "present" else self._terminal("")

    def _file(self, name: str, text: str, mode: int = 0o600) -> Path:
        path = self.folder / name
        path.write_text(text)
        path.chmod(mode)
        return path

    def words(self, text: str, folder_of_all: Path) -> str:
        """Return a documented text with this machine's own words in it."""
        runtime = os.environ["XDG_RUNTIME_DIR"]
        for name, word in (
            ("FOLDER", self.folder),
            ("RUNTIME", runtime),
            ("ALL", folder_of_all),
            ("UID", os.geteuid()),
        ):
            text = text.replace(name, str(word))
        return text


@pytest.fixture
def stage(tmp_path: Path, fake_keyring: Any, terminal: Any, make_jwt: Any, monkeypatch: pytest.MonkeyPatch) -> Stage:
    return Stage(tmp_path, fake_keyring, terminal, make_jwt, monkeypatch)


@pytest.fixture
def archive(make_archive: Callable[..., Archive], tmp_path: Path) -> Archive:
    known = Known(
        keyring=(KeyringEntry(service="example-tokens", username="token", field="token"),),
        files=(KnownFile(path=str(tmp_path / "client"), read=read_client),),
        ambient=Ambient(places=(TokenPlace(variable="PLATFORM_TOKEN"),)),
    )
    flows = (PasswordGrant(token_url="https://login.example.org/token"), PastedToken())
    return make_archive(*flows, known=known, issuers=(ISSUER,), sources={"netrc": "try"})


def sources() -> list[CredentialSource]:
    kinds = (EnvironmentSource, KeyringSource, KnownFileSource, WlcgSource, OidcAgentSource, PlatformSource)
    return [*(kind() for kind in kinds), NetrcSource(), PromptSource()]


def search(archive: Archive, *, seed: int = 0) -> Chosen:
    """Choose as a login would, with the sources in any order."""
    shuffled = sources()
    random.Random(seed).shuffle(shuffled)
    wallet = Wallet(None, shuffled)
    return wallet._logins.choose(Want(archive=archive, account=wallet.account(archive, None)))


def told(archive: Archive, *, seed: int = 0) -> str:
    """Return all that is said of a choice, or of there being none."""
    try:
        chosen = search(archive, seed=seed)
    except VoAuthError as error:
        return f"{type(error).__name__}: {error}\n{getattr(error, 'attempts', ())}"
    return f"{chosen.source}, {chosen.origin}, {chosen.flow.name}\n{chosen.attempts}"


def outcomes(attempts: Any) -> dict[str, str]:
    return {item.source: item.outcome for item in attempts}


# ---------------------------------------------------------------- one source in a state, and what comes after it


@pytest.mark.parametrize("source", SOURCES)
def test_the_only_source_that_is_there_is_taken(source: str, stage: Stage, archive: Archive) -> None:
    stage.set(source, "present")
    chosen = search(archive)
    assert chosen.source == source
    absent = list(SOURCES[: SOURCES.index(source)])
    assert [item.source for item in chosen.attempts if item.source != "this process"] == absent


@pytest.mark.parametrize("source", SOURCES)
def test_a_source_that_is_there_stands_above_all_that_follow(source: str, stage: Stage, archive: Archive) -> None:
    for name in SOURCES[SOURCES.index(source) :]:
        stage.set(name, "present")
    assert search(archive).source == source


@pytest.mark.parametrize("row", TABLE, ids=str)
def test_each_state_has_its_documented_outcome(row: Row, stage: Stage, archive: Archive, folder_of_all: Path) -> None:
    """The one that follows has credentials: the search gets there, or ends before."""
    following = SOURCES[SOURCES.index(row.source) + 1 :][:1]
    for name in following:
        stage.set(name, "present")
    stage.set(row.source, row.state)
    if not isinstance(row.outcome, str):
        with pytest.raises(row.outcome):
            search(archive)
        return
    if following:
        chosen = search(archive)
        assert chosen.source == following[0]
        said = outcomes(chosen.attempts)
    else:
        with pytest.raises(CredentialsNotFoundError) as caught:
            search(archive)
        said = dict(caught.value.attempts)
    assert said[row.source] == stage.words(row.outcome, folder_of_all)


# ---------------------------------------------------------------- several at once


def documented(states: dict[str, str]) -> str | type[VoAuthError]:
    """Say what is documented: the source that is chosen, or the error."""
    for source in SOURCES:
        state = states.get(source, "absent")
        if state == "present":
            return source
        outcome = BY_STATE[source, state].outcome
        if not isinstance(outcome, str):
            return outcome
    return PermitExpiredError if "expired" in states.values() else CredentialsNotFoundError


def pairs() -> Iterator[dict[str, str]]:
    for (one, state), (other, further) in itertools.combinations(
        [(row.source, row.state) for row in TABLE if row.state != "absent"] + [(name, "present") for name in SOURCES], 2
    ):
        if one != other:
            yield {one: state, other: further}


@pytest.mark.parametrize("states", list(pairs()), ids=lambda states: "-".join(f"{n}:{s}" for n, s in states.items()))
def test_any_two_sources_come_to_the_documented_choice_in_the_same_words(
    states: dict[str, str], stage: Stage, archive: Archive
) -> None:
    for source, state in states.items():
        stage.set(source, state)
    expected = documented(states)
    if isinstance(expected, str):
        assert search(archive).source == expected
    else:
        with pytest.raises(expected):
            search(archive)
    for source, state in states.items():  # the person who sits there has answered once
        if source == "prompt":
            stage.set(source, state)
    first = told(archive, seed=1)
    for source, state in states.items():
        if source == "prompt":
            stage.set(source, state)
    assert told(archive, seed=2) == first


@pytest.mark.parametrize("seed", range(40))
def test_any_states_of_all_sources_come_to_the_documented_choice(seed: int, stage: Stage, archive: Archive) -> None:
    chance = random.Random(seed)
    states = {}
    for source in SOURCES:
        possible = [
            state for name, state in BY_STATE if name == source and isinstance(BY_STATE[name, state].outcome, str)
        ]
        states[source] = chance.choice([*possible * 3, "present", "broken"])  # mostly those that lead further
        stage.set(source, states[source])
    expected = documented(states)
    if isinstance(expected, str):
        assert search(archive, seed=seed).source == expected
    else:
        with pytest.raises(expected):
            search(archive, seed=seed)


def test_when_all_that_is_there_has_ended_each_place_and_date_is_named(stage: Stage, archive: Archive) -> None:
    for source in EXPIRING:
        stage.set(source, "expired")
    with pytest.raises(PermitExpiredError) as caught:
        search(archive)
    first, *rest = str(caught.value).splitlines()
    for place in (
        "VO_AUTH_EXAMPLE_TOKEN",
        "'example-tokens'",
        f"{stage.folder / 'client'}",
        "BEARER_TOKEN",
        "oidc-agent",
    ):
        assert place in first
    assert first.count("2001-09-09 01:46 UTC") == len(EXPIRING)
    assert first.endswith("or run: vo-auth login example")
    assert [line for line in rest if ENDED in line] == [f"  {n}: {o}" for n, o in caught.value.attempts if ENDED in o]


def test_nothing_anywhere_is_said_in_the_same_words_on_every_run(
    stage: Stage, archive: Archive, folder_of_all: Path
) -> None:
    texts = {told(archive, seed=seed) for seed in range(5)}
    assert len(texts) == 1
    with pytest.raises(CredentialsNotFoundError) as caught:
        search(archive)
    expected = [(name, stage.words(str(BY_STATE[name, "absent"].outcome), folder_of_all)) for name in SOURCES]
    assert [item for item in caught.value.attempts if item[0] != "this process"] == expected


# ---------------------------------------------------------------- arguments


def test_arguments_are_taken_alone_also_where_every_source_is_broken(stage: Stage, archive: Archive) -> None:
    for source in SOURCES:
        stage.set(source, "broken")
    wallet = Wallet(None, sources())
    explicit = ExplicitSource({"token": "obviously-fake"})
    assert wallet._logins.choose(Want(archive=archive), explicit=explicit).source == "arguments"


def test_an_argument_that_has_ended_raises_and_no_source_is_asked(
    stage: Stage, archive: Archive, make_jwt: Callable[..., str]
) -> None:
    for source in SOURCES:
        stage.set(source, "present")
    with pytest.raises(PermitExpiredError, match="from arguments has ended"):
        Wallet(None, sources()).login(Want(archive=archive), credentials={"token": make_jwt(exp=LONG_AGO)})
    own = Wallet(None, [ExplicitSource({"token": make_jwt(exp=LONG_AGO)})])
    with pytest.raises(PermitExpiredError, match="from arguments has ended"):
        own.permit(Want(archive=archive, account=own.account(archive, None)))


@pytest.mark.parametrize("broken", SOURCES)
def test_no_text_has_a_secret(broken: str, stage: Stage, archive: Archive) -> None:
    for source in EXPIRING:
        stage.set(source, "expired")
    stage.set(broken, "broken")
    text = told(archive)
    assert "obviously-fake" not in text
    assert "no token at all" not in text
