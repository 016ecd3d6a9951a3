"""The user's configuration file: what it can say of an archive, and what is wrong with it."""

from __future__ import annotations

import os
import textwrap
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import pytest

from vo_auth import Archive, Domain
from vo_auth.archive import Grant, LoginContext
from vo_auth.configuration import Configuration, read_configuration
from vo_auth.credentials import ExplicitSource
from vo_auth.domain import Origin, Target
from vo_auth.errors import ConfigurationError
from vo_auth.flows import PastedCookie, PastedToken
from vo_auth.registry import Registry
from vo_auth.wallet import Account, Wallet, Want

posix = pytest.mark.skipif(os.name != "posix", reason="access rights are modes on POSIX alone")


@dataclass(frozen=True, slots=True, kw_only=True)
class Registered:
    """A flow with two settings."""

    name = "registered client"
    asks = ()
    optional = ()
    unattended = False
    login_urls = ("https://login.example.org/token",)
    options = ("client_id", "scope")
    client_id: str = ""
    scope: str = "openid"

    def configured(self, options: Any) -> Self:
        if not isinstance(options.get("client_id", ""), str):
            raise ValueError("client_id is a text")  # noqa: TRY004 - as flows do
        return replace(self, **options)

    def login(self, ctx: LoginContext) -> Grant:
        raise NotImplementedError

    def renew(self, ctx: LoginContext, grant: Grant) -> Grant | None:
        raise NotImplementedError

    def revoke(self, ctx: LoginContext, grant: Grant) -> bool:
        raise NotImplementedError


EXAMPLE = Archive(
    name="example",
    title="An Example Archive",
    domains=(Domain("https://archive.example.org", upgrade_http=True),),
    flows=(Registered(), PastedToken()),
)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("VO_AUTH_HOME", str(tmp_path))
    return tmp_path


def written(home: Path, text: str) -> Path:
    path = home / "config.toml"
    path.write_text(textwrap.dedent(text), encoding="utf-8")
    path.chmod(0o600)
    return path


def applied(home: Path, text: str) -> Archive:
    written(home, text)
    return read_configuration().applied(EXAMPLE)


def covered(archive: Archive, url: str) -> bool:
    return any(domain.covers(Target.from_url(url)) for domain in archive.domains)


def test_without_a_file_an_archive_is_as_its_plugin_declares_it(home: Path) -> None:
    assert read_configuration() == Configuration()
    assert read_configuration().applied(EXAMPLE) is EXAMPLE


def test_without_a_home_of_ours_the_file_is_in_the_systems_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("VO_AUTH_HOME", raising=False)
    platformdirs = pytest.importorskip("platformdirs")
    monkeypatch.setattr(platformdirs, "user_config_path", lambda name, appauthor: tmp_path / name)
    (tmp_path / "vo_auth").mkdir()
    written(tmp_path / "vo_auth", '[archive.example]\nclient_id = "fake"')
    assert read_configuration().applied(EXAMPLE).flows[0] == Registered(client_id="fake")


def test_an_archive_that_is_not_named_stays_as_it_is(home: Path) -> None:
    assert applied(home, '[archive.other]\nclient_id = "fake"') is EXAMPLE


def test_settings_go_to_the_flows_that_have_them(home: Path) -> None:
    archive = applied(home, '[archive.example]\nclient_id = "fake-client"\nscope = "read:gms"')
    assert archive.flows == (Registered(client_id="fake-client", scope="read:gms"), PastedToken())


def test_flows_are_tried_in_the_order_that_is_written_and_no_others(home: Path) -> None:
    archive = applied(home, '[archive.example]\nflows = ["pasted token", "registered client"]')
    assert [flow.name for flow in archive.flows_of("pi")] == ["pasted token", "registered client"]
    archive = applied(home, '[archive.example]\nflows = ["pasted token"]')
    assert [flow.name for flow in archive.flows_of("")] == ["pasted token"]
    assert archive.flows == EXAMPLE.flows  # a person may still choose one by its name


def test_an_account_may_have_an_order_of_its_own(home: Path) -> None:
    archive = applied(home, '[archive.example.accounts.survey]\nflows = ["pasted token"]')
    assert [flow.name for flow in archive.flows_of("survey")] == ["pasted token"]
    assert archive.flows_of("") == archive.flows_of("pi") == EXAMPLE.flows
    archive = applied(home, '[archive.example]\nflows = ["pasted token"]\naccounts.bot.flows = ["registered client"]')
    assert [flow.name for flow in archive.flows_of("bot")] == ["registered client"]
    assert [flow.name for flow in archive.flows_of("pi")] == ["pasted token"]


def test_further_origins_belong_to_the_archive(home: Path) -> None:
    archive = applied(
        home,
        """
        [archive.example]
        domains = [
            "https://mirror.example.org/tap",
            {base = "https://files.example.org", audience = ["files"], anonymous = ["public"], realm = "data"},
        ]
        """,
    )
    assert covered(archive, "https://archive.example.org/x")
    assert covered(archive, "https://mirror.example.org/tap/sync")
    assert not covered(archive, "https://mirror.example.org/other")
    assert not covered(archive, "https://files.example.org/public/1")
    assert archive.domains[2] == Domain(
        "https://files.example.org", realm="data", anonymous=("public",), audience=("files",)
    )


def test_a_domain_with_the_same_base_takes_the_place_of_the_declared_one(home: Path) -> None:
    archive = applied(home, '[[archive.example.domains]]\nbase = "https://archive.example.org"\naudience = ["tap"]')
    assert archive.domains == (Domain("https://archive.example.org", audience=("tap",)),)


def test_an_insecure_origin_is_a_domain_by_plain_http_and_keeps_its_port_and_path(home: Path) -> None:
    archive = applied(home, '[archive.example]\ninsecure_origins = ["http://old.example.org:8080/files"]')
    assert archive.domains[1].insecure
    assert covered(archive, "http://old.example.org:8080/files/1")
    assert not covered(archive, "http://old.example.org/files/1")
    assert not covered(archive, "http://old.example.org:8080/other")
    assert not covered(archive, "http://archive.example.org/x")


def test_credentials_never_go_to_an_insecure_origin(home: Path) -> None:
    archive = applied(home, '[archive.example]\ninsecure_origins = ["http://login.example.org"]')
    assert archive.credential_origins() == {Origin("https", "login.example.org", 443)}


def test_pages_for_a_person_may_be_named(home: Path) -> None:
    archive = applied(home, '[archive.example]\npages = {token = "https://login.example.org/token"}')
    assert archive.pages == replace(EXAMPLE.pages, token="https://login.example.org/token")


def test_a_group_service_may_be_named(home: Path) -> None:
    text = '[archive.example]\ngroups = "https://archive.example.org/gms/search"'
    assert applied(home, text).groups == "https://archive.example.org/gms/search"


@pytest.mark.parametrize(
    ("table", "match"),
    [
        ('colour = "red"', r"no setting 'colour'; there are .*client_id.*flows"),
        ('password = "obviously-fake"', "'password' does not belong into this file"),
        ('client_secret = "obviously-fake"', "'client_secret' does not belong into this file"),
        ("client_id = 7", "client_id is a text"),
        ('flows = ["magic"]', r"there are 'registered client', 'pasted token'"),
        ("flows = []", "list of flows"),
        ('flows = "pasted token"', "list of flows"),
        ('domains = "https://mirror.example.org"', "'domains' is a list"),
        ('domains = ["http://mirror.example.org"]', "must be https"),
        ("domains = [7]", "list of URLs"),
        ('domains = [{base = "https://mirror.example.org", insecure = true}]', "'insecure' is none of them"),
        ('domains = [{base = "https://mirror.example.org", audience = "files"}]', "of another type"),
        ('domains = [{audience = ["files"]}]', "'base'"),
        ('insecure_origins = ["https://mirror.example.org"]', "begin with http://"),
        ('insecure_origins = ["ftp://mirror.example.org"]', "begin with http://"),
        ('insecure_origins = "http://mirror.example.org"', "is a list"),
        ("insecure_origins = [1]", "begin with http://"),
        ('groups = "http://archive.example.org/gms"', "https address"),
        ('pages = {tokens = "https://login.example.org"}', "there is no 'tokens'"),
        ('pages = {token = "http://login.example.org"}', "https address"),
        ('accounts = "pi"', "'accounts' is a table"),
        ('accounts.pi = "pasted token"', "'pi' is a table"),
        ('accounts.pi.flows = ["magic"]', "there are"),
    ],
)
def test_what_makes_no_sense_is_said_with_the_file_and_the_table(home: Path, table: str, match: str) -> None:
    with pytest.raises(ConfigurationError, match=match) as caught:
        applied(home, f"[archive.example]\n{table}\n")
    assert f"[archive.example] in {home / 'config.toml'}" in str(caught.value)
    assert "obviously-fake" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (b"[archive.example\n", "is not TOML: .*line 1"),
        (b"\xff\xfe", "is not TOML"),
        (b"[archives.eso]\n", "'archives'"),
        (b"archive = 7\n", "table of tables"),
        (b"[archive]\neso = 7\n", "table of tables"),
        (b"#" * 300_000, "larger than"),
    ],
)
def test_a_file_that_is_no_configuration_is_said_with_its_name(home: Path, content: bytes, match: str) -> None:
    path = home / "config.toml"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(ConfigurationError, match=match) as caught:
        read_configuration()
    assert str(path) in str(caught.value)


@posix
@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_a_file_that_others_can_change_is_refused(home: Path, mode: int) -> None:
    """It decides where permits go."""
    written(home, "").chmod(mode)
    with pytest.raises(ConfigurationError, match="chmod go-w"):
        read_configuration()


@posix
def test_a_file_that_others_can_only_read_is_taken_for_it_holds_no_secret(home: Path) -> None:
    written(home, '[archive.example]\nclient_id = "fake"').chmod(0o644)
    assert read_configuration().archives == {"example": {"client_id": "fake"}}


@posix
def test_a_pipe_or_folder_in_its_place_is_an_error_and_no_hanging(home: Path) -> None:
    os.mkfifo(home / "config.toml")
    with pytest.raises(ConfigurationError, match="not a plain file"):
        read_configuration()
    (home / "config.toml").unlink()
    (home / "config.toml").mkdir()
    with pytest.raises(ConfigurationError):
        read_configuration()


# ------------------------------------------------------------------ where it is used


def test_the_registry_knows_archives_as_the_user_configured_them(home: Path) -> None:
    written(home, '[archive.eso]\nflows = ["pasted token"]\ndomains = ["https://mirror.example.org/eso"]')
    registry = Registry()
    assert [flow.name for flow in registry.get("eso").flows_of("")] == ["pasted token"]
    match = registry.find(Target.from_url("https://mirror.example.org/eso/tap"))
    assert match is not None
    assert match.archive.name == "eso"
    assert registry.find(Target.from_url("https://mirror.example.org/other")) is None


def test_a_faulty_file_stops_every_request_until_it_is_mended(home: Path) -> None:
    """Going on without it could send a permit where the user did not want it, or leave it out where it is due."""
    written(home, '[archive.eso]\ncolour = "red"')
    registry = Registry()
    for _ in range(2):
        with pytest.raises(ConfigurationError, match="no setting 'colour'"):
            registry.find(Target.from_url("https://archive.eso.org/tap_obs"))
    written(home, "")
    assert registry.find(Target.from_url("https://archive.eso.org/tap_obs")) is not None
    assert [plugin.name for plugin in registry.plugins()] == [plugin.name for plugin in Registry().plugins()]


def test_archives_that_a_program_gives_are_taken_as_they_are(home: Path) -> None:
    written(home, "[archive.example]\nflows = []")
    assert Registry([EXAMPLE]).get("example") is EXAMPLE


def test_an_accounts_own_order_of_flows_is_the_one_that_is_tried() -> None:
    flows = (PastedToken(), PastedCookie(cookie="session"))
    archive = replace(EXAMPLE, flows=flows, account_flows={"survey": ("pasted cookie",)})
    wallet = Wallet(None, [ExplicitSource({"token": "obviously-fake", "cookie": "obviously-fake"})])
    used = {
        label: wallet.permit(Want(archive=archive, account=Account(label, is_label=True))).flow
        for label in ("survey", "other")
    }
    assert used == {"survey": "pasted cookie", "other": "pasted token"}
