"""The sources in their order, and the choice among them."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from vo_auth import Archive, Secret
from vo_auth.credentials import (
    CredentialChain,
    CredentialSource,
    EnvironmentSource,
    ExplicitSource,
    Found,
    KeyringSource,
    PromptSource,
    Wanted,
)
from vo_auth.errors import CredentialsNotFoundError, PromptCancelledError, UnusableCredentialsError

Person = Callable[..., Any]
ORDER = ("explicit", "environment", "keyring", "prompt")


class Plugged:
    """A source that a plugin brings."""

    def __init__(self, name: str, rank: int, answer: Found | Exception | None) -> None:
        self.name, self.rank, self.answer = name, rank, answer
        self.asked: list[Wanted] = []

    def find(self, wanted: Wanted) -> Found | None:
        self.asked.append(wanted)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def found(origin: str = "vault", **values: str) -> Found:
    return Found(values={name: Secret(value) for name, value in values.items()}, origin=origin)


PAIR = found(username="vault-user", password="vault-fake")


# ---------------------------------------------------------------- the matrix


@pytest.fixture
def scene(
    fake_keyring: Any, terminal: Person, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., CredentialChain]:
    """Set each source present, absent or broken; return the chain of them."""

    def build(explicit: str, environment: str, keyring: str, prompt: str) -> CredentialChain:
        sources: list[CredentialSource] = [EnvironmentSource(), KeyringSource(), PromptSource()]
        if explicit == "present":
            sources.append(ExplicitSource({"username": "explicit", "password": "explicit-fake"}))
        if environment == "present":
            monkeypatch.setenv("VO_AUTH_EXAMPLE_USERNAME", "environment")
            monkeypatch.setenv("VO_AUTH_EXAMPLE_PASSWORD", "environment-fake")
        elif environment == "broken":
            monkeypatch.setenv("VO_AUTH_EXAMPLE_PASSWORD_FILE", str(tmp_path / "gone"))
        if keyring == "present":
            fake_keyring.entries["vo-auth:example", "keyring"] = "keyring-fake"
        fake_keyring.locked = keyring == "broken"
        if prompt == "present":
            terminal("prompt\n", "prompt-fake\n")
        elif prompt == "broken":
            terminal("")
        else:
            terminal(stdin=False, stderr=False)
        return CredentialChain(sources)

    return build


def expected(explicit: str, environment: str, keyring: str, prompt: str) -> str | type[Exception]:
    """Say what is documented: the first that has them; broken files and a declined question end the search."""
    if explicit == "present":
        return "explicit"
    if environment == "present":
        return "environment"
    if environment == "broken":
        return UnusableCredentialsError
    if keyring == "present":  # a locked one is passed over
        return "keyring"
    if prompt == "present":
        return "prompt"
    return PromptCancelledError if prompt == "broken" else CredentialsNotFoundError


STATES = ("present", "absent", "broken")
MATRIX = list(itertools.product(STATES[:2], STATES, STATES, STATES))


@pytest.mark.parametrize("states", MATRIX, ids="-".join)
def test_the_first_source_that_has_credentials_is_taken(
    states: tuple[str, str, str, str], scene: Callable[..., CredentialChain], archive: Archive
) -> None:
    chain, outcome = scene(*states), expected(*states)
    if not isinstance(outcome, str):
        with pytest.raises(outcome):
            chain.choose(archive)
        return
    chosen = chain.choose(archive)
    assert chosen.username == outcome
    assert chosen.values["password"] == Secret(f"{outcome}-fake")
    assert chosen.source == {"explicit": "arguments"}.get(outcome, outcome)


def test_ranks_are_the_documented_ones() -> None:
    ranks = [ExplicitSource({}).rank, EnvironmentSource.rank, KeyringSource.rank, PromptSource.rank]
    assert ranks == [10, 20, 50, 90]


# ---------------------------------------------------------------- order and plugins


@pytest.mark.parametrize(("rank", "first"), [(15, "vault"), (25, "environment"), (95, "environment")])
def test_a_plugins_source_takes_part_by_its_rank(
    rank: int, first: str, archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VO_AUTH_EXAMPLE_USERNAME", "environment")
    monkeypatch.setenv("VO_AUTH_EXAMPLE_PASSWORD", "environment-fake")
    for sources in itertools.permutations([Plugged("vault", rank, PAIR), EnvironmentSource()]):
        assert CredentialChain(sources).choose(archive).source == first


def test_sources_of_one_rank_are_asked_by_name_whatever_their_order(archive: Archive) -> None:
    for sources in itertools.permutations(Plugged(name, 45, PAIR) for name in "bca"):
        assert CredentialChain(sources).choose(archive).source == "a"


def test_a_source_is_not_asked_after_one_that_has_what_is_needed(archive: Archive) -> None:
    late = Plugged("late", 60, PAIR)
    CredentialChain([late, Plugged("early", 40, PAIR)]).choose(archive)
    assert late.asked == []


def test_what_a_source_has_for_a_flow_that_is_named_is_passed_over(archive: Archive) -> None:
    vault = Plugged("vault", 40, PAIR)
    unless = {("vault", flow.name): "ended long ago" for flow in archive.flows}
    with pytest.raises(CredentialsNotFoundError, match="  vault: ended long ago"):
        CredentialChain([vault]).choose(archive, unless=unless)
    assert vault.asked == []


def test_a_source_is_told_for_whom_it_looks(archive: Archive) -> None:
    vault = Plugged("vault", 40, PAIR)
    CredentialChain([vault]).choose(archive, account="pi", is_default=False, username="pi", interactive=False)
    (wanted,) = vault.asked
    assert (wanted.archive, wanted.flow, wanted.account) == (archive, archive.flows[0], "pi")
    assert (wanted.is_default, wanted.username, wanted.interactive) == (False, "pi", False)
    assert wanted.names == ("username", "password", "client_id", "client_secret")


def test_the_flow_that_the_credentials_fit_is_chosen(archive: Archive) -> None:
    chosen = CredentialChain([Plugged("vault", 40, found(token="token-fake"))]).choose(archive)
    assert chosen.flow is archive.flows[1]
    assert chosen.username == ""


@pytest.mark.parametrize(
    ("answer", "passes"), [(KeyError("obviously-fake"), True), (UnusableCredentialsError("x"), False)]
)
def test_a_source_that_fails_by_mistake_is_passed_over_and_one_that_refuses_ends_the_search(
    answer: Exception, passes: bool, archive: Archive
) -> None:
    chain = CredentialChain([Plugged("broken", 40, answer), Plugged("vault", 60, PAIR)])
    if passes:
        assert chain.choose(archive).source == "vault"
    else:
        with pytest.raises(UnusableCredentialsError):
            chain.choose(archive)


def test_where_nothing_is_left_beside_a_source_that_fails_it_is_no_case_of_no_credentials(archive: Archive) -> None:
    chain = CredentialChain([Plugged("broken", 40, KeyError("obviously-fake"))])
    with pytest.raises(UnusableCredentialsError, match="broken: failed with KeyError") as caught:  # never anonymous
        chain.choose(archive)
    assert "obviously-fake" not in str(caught.value)


# ---------------------------------------------------------------- incomplete sets


def test_the_user_name_is_carried_to_the_keyring(
    archive: Archive, fake_keyring: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VO_AUTH_EXAMPLE_USERNAME", "pi")
    fake_keyring.entries |= {
        ("astroquery:www.example.org", "other"): "other-fake",
        ("astroquery:www.example.org", "pi"): "pi-fake",
    }
    chosen = CredentialChain([EnvironmentSource(), KeyringSource()]).choose(archive)
    assert (chosen.username, chosen.values["password"]) == ("pi", Secret("pi-fake"))
    assert chosen.origin == "keyring entry 'astroquery:www.example.org'"
    (attempt,) = chosen.attempts
    assert (attempt.source, attempt.outcome) == ("environment", "VO_AUTH_EXAMPLE_USERNAME: no password with it")


def test_the_user_name_is_carried_to_the_prompt(
    archive: Archive, terminal: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VO_AUTH_EXAMPLE_USERNAME", "pi")
    terminal("\n", "typed-fake\n")
    chosen = CredentialChain([EnvironmentSource(), PromptSource()]).choose(archive)
    assert (chosen.username, chosen.values["password"]) == ("pi", Secret("typed-fake"))


def test_a_password_is_never_joined_with_another_sources_name(
    archive: Archive, fake_keyring: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VO_AUTH_EXAMPLE_PASSWORD", "environment-fake")  # whose, nobody says
    fake_keyring.entries["vo-auth:example", "keyring"] = "keyring-fake"
    chosen = CredentialChain([EnvironmentSource(), KeyringSource()]).choose(archive)
    assert (chosen.username, chosen.values["password"]) == ("keyring", Secret("keyring-fake"))


@pytest.mark.parametrize("owner", ["other", "pi"])
def test_a_named_account_is_served_by_its_own_credentials_alone(
    owner: str, archive: Archive, fake_keyring: Any, terminal: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VO_AUTH_EXAMPLE_USERNAME", owner)
    monkeypatch.setenv("VO_AUTH_EXAMPLE_PASSWORD", "environment-fake")
    fake_keyring.entries["vo-auth:example", owner] = "keyring-fake"
    terminal(stdin=False)
    chain = CredentialChain([EnvironmentSource(), KeyringSource(), PromptSource()])
    if owner == "pi":
        assert chain.choose(archive, account="pi", is_default=False).values["password"] == Secret("environment-fake")
    else:
        with pytest.raises(CredentialsNotFoundError, match=r"\(account pi\)"):
            chain.choose(archive, account="pi", is_default=False)


# ---------------------------------------------------------------- nothing anywhere


def test_the_error_names_what_to_set_first_and_then_every_source(
    archive: Archive, fake_keyring: Any, terminal: Person
) -> None:
    fake_keyring.locked = True
    terminal(stdin=False, stderr=False)
    sources = [PromptSource(), KeyringSource(), Plugged("vault", 45, None), EnvironmentSource()]
    with pytest.raises(CredentialsNotFoundError) as caught:
        CredentialChain(sources).choose(archive)
    first, other, heading, *looked_at = str(caught.value).splitlines()
    assert first == (
        "No credentials for An Example Archive: run `vo-auth login example` in a terminal, "
        "or set VO_AUTH_EXAMPLE_USERNAME and VO_AUTH_EXAMPLE_PASSWORD."
    )
    assert other == (
        "No password there? Copy the token from https://archive.example.org/token "
        'and run: vo-auth login example --flow "pasted token"'
    )
    assert heading == "Looked at:"
    assert [line.strip() for line in looked_at] == [
        "environment: not set: VO_AUTH_EXAMPLE_USERNAME, VO_AUTH_EXAMPLE_PASSWORD, VO_AUTH_EXAMPLE_TOKEN",
        "vault: nothing",
        "keyring: the keyring cannot be read (KeyringLocked)",
        "prompt: not asked: no interactive terminal or notebook",
    ]


def test_what_was_there_but_not_enough_is_said(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VO_AUTH_EXAMPLE_PASSWORD", "obviously-fake")
    with pytest.raises(CredentialsNotFoundError, match="VO_AUTH_EXAMPLE_PASSWORD: no username with it") as caught:
        CredentialChain([EnvironmentSource()]).choose(archive)
    assert "obviously-fake" not in str(caught.value)


def test_a_choice_shows_no_secret(archive: Archive) -> None:
    chosen = CredentialChain([Plugged("vault", 40, PAIR)]).choose(archive)
    assert "vault-fake" not in repr(chosen)
