"""Try, require, never: by argument and configuration, for each source."""

from __future__ import annotations

import pickle
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import vo_auth
from vo_auth import Archive, AuthSession, Secret
from vo_auth.configuration import read_configuration
from vo_auth.credentials import (
    CredentialChain,
    EnvironmentSource,
    ExplicitSource,
    Found,
    KeyringSource,
    NetrcSource,
    Passed,
    PromptSource,
    Wanted,
)
from vo_auth.credentials.modes import BUILT_IN
from vo_auth.errors import ConfigurationError, CredentialsNotFoundError, PermitExpiredError, UnusableCredentialsError
from vo_auth.flows import PastedToken
from vo_auth.registry import Registry
from vo_auth.wallet import Wallet, Want, default_wallet

DATA = "https://archive.example.org/tap"


class Plugged:
    """A source with credentials, or without."""

    def __init__(self, name: str, rank: int, answer: Found | Passed | Exception | None = None, mode: str = "") -> None:
        self.name, self.rank, self.answer, self.asked = name, rank, answer, 0
        if mode:
            self.mode = mode

    def find(self, wanted: Wanted) -> Found | Passed | None:
        self.asked += 1
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def pair(user: str) -> Found:
    return Found(values={"username": Secret(user), "password": Secret(f"{user}-fake")}, origin=f"the {user} place")


def chosen(chain: CredentialChain, archive: Archive) -> str:
    return chain.choose(archive, interactive=False).source


# ---------------------------------------------------------------- what the words mean


def test_a_source_that_is_set_to_never_is_not_asked_and_it_is_said(make_archive: Callable[..., Archive]) -> None:
    first, second = Plugged("first", 40, pair("first")), Plugged("second", 41, pair("second"))
    chain = CredentialChain([first, second])
    choice = chain.choose(make_archive(sources={"first": "never"}))
    assert (choice.source, first.asked) == ("second", 0)
    assert [(item.source, item.outcome) for item in choice.attempts] == [("first", "not asked: set to 'never'")]


def test_credentials_come_from_a_required_source_alone(make_archive: Callable[..., Archive]) -> None:
    first, second = Plugged("first", 40, pair("first")), Plugged("second", 41, pair("second"))
    choice = CredentialChain([first, second]).choose(make_archive(sources={"second": "require"}))
    assert (choice.source, first.asked) == ("second", 0)
    assert [(item.source, item.outcome) for item in choice.attempts] == [("first", "not asked: required is second")]


@pytest.mark.parametrize("answer", [None, Passed("it is of another user"), Found(values={}, origin="nothing")])
def test_a_required_source_without_credentials_is_an_error_that_names_it(
    answer: Any, make_archive: Callable[..., Archive]
) -> None:
    later = Plugged("second", 41, pair("second"))
    with pytest.raises(CredentialsNotFoundError) as caught:
        CredentialChain([Plugged("first", 40, answer), later]).choose(make_archive(sources={"first": "require"}))
    assert str(caught.value).startswith(
        "No credentials for An Example Archive: the source 'first' is required, and has none: "
    )
    assert later.asked == 0


def test_a_required_source_with_unusable_credentials_says_why(make_archive: Callable[..., Archive]) -> None:
    broken = Plugged("first", 40, UnusableCredentialsError("its file is damaged"))
    with pytest.raises(UnusableCredentialsError, match="its file is damaged"):
        CredentialChain([broken, Plugged("second", 41, pair("second"))]).choose(
            make_archive(sources={"first": "require"})
        )


def test_a_required_source_that_is_not_there_at_all_is_an_error_that_names_it(
    make_archive: Callable[..., Archive],
) -> None:
    with pytest.raises(CredentialsNotFoundError, match="the source 'keyring' is required, and is not there"):
        CredentialChain([Plugged("first", 40, pair("first"))]).choose(make_archive(sources={"keyring": "require"}))


def test_a_required_source_whose_token_has_ended_says_when(
    make_archive: Callable[..., Archive], make_jwt: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VO_AUTH_EXAMPLE_TOKEN", make_jwt(exp=1_000_000_000))
    archive = make_archive(PastedToken(), sources={"environment": "require"})
    fresh = Plugged("second", 41, Found(values={"token": Secret("obviously-fake")}, origin="there"))
    with pytest.raises(PermitExpiredError, match="VO_AUTH_EXAMPLE_TOKEN at 2001-09-09 01:46 UTC"):
        Wallet(None, [EnvironmentSource(), fresh]).preview(Want(archive=archive))


def test_an_opt_in_source_is_asked_where_it_is_wanted(make_archive: Callable[..., Archive]) -> None:
    shy = Plugged("shy", 40, pair("shy"), mode="never")
    chain = CredentialChain([shy])
    with pytest.raises(CredentialsNotFoundError, match=r"shy: not asked: only where you want it \(sources\)"):
        chain.choose(make_archive())
    for mode in ("try", "require"):
        assert chain.choose(make_archive(sources={"shy": mode})).source == "shy"


def test_netrc_alone_is_opt_in_among_the_sources_that_every_process_has() -> None:
    sources = default_wallet().sources
    assert tuple(source.name for source in sources if source.name != "arguments") == BUILT_IN
    assert [source.name for source in sources if getattr(source, "mode", "try") != "try"] == ["netrc"]
    assert [source.rank for source in sources] == [20, 30, 40, 50, 60, 70, 72, 74, 80, 90]


def test_what_was_given_as_an_argument_stands_above_what_is_said_of_sources(
    make_archive: Callable[..., Archive],
) -> None:
    archive = make_archive(sources={"keyring": "require", "environment": "never"})
    explicit = ExplicitSource({"username": "pi", "password": "obviously-fake"})
    assert chosen(CredentialChain([explicit, EnvironmentSource()]), archive) == "arguments"


def test_a_prompt_that_is_set_to_never_asks_nobody(make_archive: Callable[..., Archive], terminal: Any) -> None:
    person = terminal("pi\n", "obviously-fake\n")
    with pytest.raises(CredentialsNotFoundError, match="prompt: not asked: set to 'never'"):
        CredentialChain([PromptSource()]).choose(make_archive(sources={"prompt": "never"}), interactive=True)
    assert person.shown == []


# ---------------------------------------------------------------- the configuration file


def configured(archive: Archive, text: str, home: Path) -> Archive:
    home.mkdir(exist_ok=True)
    (home / "config.toml").write_text(textwrap.dedent(text))
    (home / "config.toml").chmod(0o600)
    return read_configuration().applied(archive)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("VO_AUTH_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def test_the_table_of_all_archives_and_then_that_of_one(archive: Archive, home: Path) -> None:
    text = """
        [sources]
        netrc = "try"
        prompt = "never"
        [archive.example.sources]
        prompt = "try"
        keyring = "require"
    """
    assert configured(archive, text, home).sources == {"netrc": "try", "prompt": "try", "keyring": "require"}
    other = configured(archive, '[sources]\nnetrc = "try"\n[archive.other.sources]\nnetrc = "never"', home)
    assert other.sources == {"netrc": "try"}


@pytest.mark.parametrize("table", ["sources", "archive.example.sources"])
@pytest.mark.parametrize("line", ['netrc = "always"', "netrc = true", 'netrc = ["try"]'])
def test_a_value_that_makes_no_sense_is_refused_with_the_file(
    table: str, line: str, archive: Archive, home: Path
) -> None:
    with pytest.raises(ConfigurationError, match=r"config\.toml.*'netrc' is 'try', 'require' or 'never'"):
        configured(archive, f"[{table}]\n{line}", home)


def test_sources_that_are_no_table_are_refused(archive: Archive, home: Path) -> None:
    with pytest.raises(ConfigurationError, match="'sources' has names of sources"):
        configured(archive, 'sources = "never"', home)


def test_a_source_that_does_not_exist_is_refused_with_those_that_do(archive: Archive, home: Path) -> None:
    changed = configured(archive, '[sources]\nnetcr = "try"', home)
    with pytest.raises(ConfigurationError, match=r"there is no source 'netcr'; there are 'environment', .*'prompt'"):
        CredentialChain([EnvironmentSource()]).choose(changed)


def test_issuers_are_configured_too(archive: Archive, home: Path) -> None:
    changed = configured(archive, '[archive.example]\nissuers = ["https://issuer.example.org/"]', home)
    assert changed.token_issuers() == {"https://issuer.example.org/"}
    with pytest.raises(ConfigurationError, match="'issuers' is a list of texts"):
        configured(archive, "[archive.example]\nissuers = [1]", home)


# ---------------------------------------------------------------- sessions and login


@pytest.fixture
def netrc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "my-netrc"
    path.write_text("machine login.example.org login pi password obviously-fake\n")
    path.chmod(0o600)
    monkeypatch.setenv("NETRC", str(path))


def explained(session: AuthSession, wallet: Wallet) -> str:
    """Return the source of the credentials that a request of the session would be made with."""
    match = session._edge.registry.find(vo_auth.domain.Target.from_url(DATA))
    assert match is not None
    return wallet.preview(Want(archive=match.archive)).source


def test_a_session_wants_a_source_that_others_do_not(archive: Archive, netrc: None) -> None:
    registry, wallet = Registry([archive]), Wallet(None, [KeyringSource(), NetrcSource()])
    session = AuthSession(url=DATA, sources={"netrc": "try"}, registry=registry, wallet=wallet)
    assert explained(session, wallet) == "netrc"
    with pytest.raises(CredentialsNotFoundError):
        explained(AuthSession(url=DATA, registry=registry, wallet=wallet), wallet)


def test_an_argument_stands_above_the_configuration(make_archive: Callable[..., Archive], netrc: None) -> None:
    archive = make_archive(sources={"netrc": "require", "keyring": "never"})
    registry, wallet = Registry([archive]), Wallet(None, [KeyringSource(), NetrcSource()])
    session = AuthSession(url=DATA, sources={"netrc": "never"}, registry=registry, wallet=wallet)
    with pytest.raises(CredentialsNotFoundError) as caught:
        explained(session, wallet)
    assert caught.value.attempts[1:] == (
        ("keyring", "not asked: set to 'never'"),
        ("netrc", "not asked: set to 'never'"),
    )


def test_a_pickled_session_still_wants_the_same_sources(monkeypatch: pytest.MonkeyPatch) -> None:
    session = vo_auth.session_for("https://archive.eso.org/tap_obs", sources={"netrc": "require"})
    again = pickle.loads(pickle.dumps(session))
    match = again._edge.registry.find(vo_auth.domain.Target.from_url("https://archive.eso.org/tap_obs"))
    assert match is not None
    assert match.archive.sources == {"netrc": "require"}


def test_a_session_finds_the_same_match_again(archive: Archive) -> None:
    session = AuthSession(url=DATA, sources={"netrc": "try"}, registry=Registry([archive]))
    target = vo_auth.domain.Target.from_url(DATA)
    assert session._edge.registry.find(target) is session._edge.registry.find(target)


ENTRANCES = [
    lambda sources: vo_auth.session_for("https://archive.eso.org/tap_obs", sources=sources),
    lambda sources: vo_auth.login("eso", sources=sources),
]


@pytest.mark.parametrize("enter", ENTRANCES, ids=["session", "login"])
@pytest.mark.parametrize(
    ("sources", "text"),
    [
        (
            {"netcr": "try"},
            "there is no source 'netcr'; there are 'environment', 'this process', 'kept password', 'keyring'",
        ),
        ({"netrc": "always"}, "the source 'netrc' is 'try', 'require' or 'never', not 'always'"),
        ({"netrc": True}, "not True"),
        (["netrc"], "'sources' has names of sources"),
    ],
)
def test_a_wrong_name_or_value_is_refused_at_once(enter: Any, sources: Any, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        enter(sources)


def test_sources_beside_credentials_make_no_sense() -> None:
    with pytest.raises(TypeError, match="leave out `sources`"):
        vo_auth.session_for(DATA, token="obviously-fake", sources={"netrc": "try"})
    with pytest.raises(TypeError, match="leave out `sources`"):
        vo_auth.login("eso", token="obviously-fake", sources={"netrc": "try"})


def test_a_login_takes_the_source_that_is_wanted(vo_auth_sandbox: Any, tmp_path: Path, monkeypatch: Any) -> None:
    for name in ("USERNAME", "PASSWORD"):
        monkeypatch.delenv(f"VO_AUTH_ESO_{name}", raising=False)
    from vo_auth_eso.standin import STANDIN

    pi = dict(STANDIN.credentials["pi"])
    path = tmp_path / "my-netrc"
    path.write_text(f'machine www.eso.org login {pi["username"]} password "{pi["password"]}"\n')
    path.chmod(0o600)
    monkeypatch.setenv("NETRC", str(path))
    with pytest.raises(CredentialsNotFoundError, match="netrc: not asked: only where you want it"):
        vo_auth.login("eso", interactive=False)
    assert vo_auth.login("eso", interactive=False, sources={"netrc": "require"}).user == pi["username"]
    assert [held.origin for held in vo_auth.status()] == [f"{path} (www.eso.org)"]
