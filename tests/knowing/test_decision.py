"""The whole decision about a URL: what was looked at, in the same words on every run, and what a server says."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

import vo_auth
from vo_auth import Archive, Domain
from vo_auth.archive import judge_offered
from vo_auth.decision import Decision
from vo_auth.errors import RefusedWarning
from vo_auth.flows import CertificateFile, HttpBasic, LoginRequest, PastedCookie, PastedToken
from vo_auth.registry import Registry
from vo_auth.testing import assert_no_secret

TAP = "https://archive.eso.org/tap_obs"
PASSWORD = "not-real-pi$@="
ALPHA = "https://alpha.example.org"


@pytest.fixture
def decided(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Decision]:
    """Return the decision about a URL among given archives."""

    def call(url: str, *archives: Archive, **options: str) -> Decision:
        monkeypatch.setattr("vo_auth.explanation.default_registry", lambda: Registry(archives))
        decision = vo_auth.explain(url, **options).decision
        assert decision is not None
        return decision

    return call


def alpha(*flows: object, base: str = ALPHA, **options: object) -> Archive:
    return Archive(name="alpha", title="Alpha", domains=(Domain(base),), flows=flows or (PastedToken(),), **options)


def test_it_names_plugin_domain_source_flow_and_what_would_be_sent(vo_auth_sandbox) -> None:
    decision = vo_auth.explain(TAP).decision
    assert decision is not None
    assert (decision.archive, decision.plugin, decision.version) == ("eso", "vo-auth-eso", "0.1.0")
    assert decision.domain == "https://archive.eso.org/, never below tap_cat"
    assert (decision.account, decision.flow, decision.permit) == ("DEMOPI", "password grant", "new")
    assert decision.sends == ("Authorization: Bearer *** (after a login)",)
    used = [source for source in decision.sources if source.is_used]
    assert [(source.name, source.outcome) for source in used] == [
        ("environment", "VO_AUTH_ESO_USERNAME, VO_AUTH_ESO_PASSWORD")
    ]
    assert all("an earlier one is enough" in source.outcome for source in decision.sources if source not in used)
    assert decision.sources[-1].name == "prompt"


def test_a_permit_that_is_held_is_what_would_be_sent_and_the_sources_are_for_the_next_login(
    vo_auth_sandbox: object,
) -> None:
    vo_auth.login("eso")
    decision = vo_auth.explain(TAP).decision
    assert decision is not None
    assert decision.held.startswith("bearer, fresh, until 20")
    assert decision.sends == ("Authorization: Bearer ***",)
    assert any(source.is_used for source in decision.sources)
    assert_no_secret([PASSWORD, vo_auth.token(TAP)], decision, str(decision), vo_auth.explain(TAP))


@pytest.mark.vo_auth_sandbox(credentials=False)
def test_without_credentials_each_source_says_why_it_has_none(vo_auth_sandbox) -> None:
    decision = vo_auth.explain(TAP).decision
    assert decision is not None
    outcomes = {source.name: source.outcome for source in decision.sources}
    assert outcomes["environment"].startswith("not set: VO_AUTH_ESO_USERNAME")
    assert "keyring" in outcomes["keyring"]
    assert "no interactive terminal" in outcomes["prompt"]
    assert not any(source.is_used for source in decision.sources)
    assert str(decision).splitlines()[1].startswith("  would send    no permit: ")


def test_a_source_that_would_ask_a_person_says_so_where_there_is_one(
    decided: Callable[..., Decision], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vo_auth.decision.is_interactive", lambda: True)
    outcomes = {source.name: source.outcome for source in decided(f"{ALPHA}/x", alpha()).sources}
    assert outcomes["prompt"] == "would ask you here"


def test_near_domains_say_why_they_do_not_decide(decided: Callable[..., Decision]) -> None:
    archive = replace(
        alpha(),
        domains=(
            Domain(f"{ALPHA}/tap"),
            Domain(f"{ALPHA}/tap/private"),
            Domain(f"{ALPHA}/files"),
            Domain(f"{ALPHA}:8443/tap"),
            Domain("https://other.alpha.example.org"),
            Domain("https://beta.example.com"),
        ),
    )
    decision = decided(f"{ALPHA}/tap/private/sync", archive)
    assert decision.domain == f"{ALPHA}/tap/private"
    assert {other.domain: other.why for other in decision.others} == {
        f"{ALPHA}/tap": "a longer domain covers the URL",
        f"{ALPHA}/files": "the path is not below it",
        f"{ALPHA}:8443/tap": "another origin (https, port 8443)",
        "https://other.alpha.example.org/": "another host",
    }
    assert decision.elsewhere == 1
    outside = decided(f"{ALPHA}/tap/%2e%2e/admin", archive)
    assert outside.domain == ""
    assert "no archive claims it" in str(outside)


@pytest.mark.parametrize(
    ("flow", "variable", "sends"),
    [
        (PastedToken(), "TOKEN", "Authorization: Bearer ***"),
        (PastedToken(header="X-Auth-Token", prefix=""), "TOKEN", "X-Auth-Token: ***"),
        (PastedCookie(cookie="sid"), "COOKIE", "Cookie: sid=***"),
        (HttpBasic(), "PASSWORD", "Authorization: Basic ***"),
        (CertificateFile(), "CERTIFICATE", "a client certificate"),
        (
            LoginRequest(url=f"{ALPHA}/login", answer="cookie:sid", present="cookie:sid"),
            "PASSWORD",
            "Cookie: sid=*** (after a login)",
        ),
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_what_would_be_sent_is_masked_for_every_kind_of_permit(
    flow: object, variable: str, sends: str, decided: Callable[..., Decision], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VO_AUTH_ALPHA_USERNAME", "alice")
    monkeypatch.setenv(f"VO_AUTH_ALPHA_{variable}", "obviously-fake-secret")
    if variable == "CERTIFICATE":
        monkeypatch.setattr("vo_auth.wallet.logins.Logins._end_of", lambda *_: None)
    decision = decided(f"{ALPHA}/x", alpha(flow))
    assert decision.sends == (sends,)
    assert_no_secret(["obviously-fake-secret"], decision, str(decision))


def test_the_configuration_that_applies_is_named(vo_auth_sandbox: object, vo_auth_home: Path) -> None:
    vo_auth_home.mkdir(mode=0o700)
    file = vo_auth_home / "config.toml"
    file.write_text('[archive.eso]\ninsecure_origins = ["http://old.eso.org"]\n', encoding="utf-8")
    file.chmod(0o600)
    decision = vo_auth.explain(TAP).decision
    assert decision is not None
    assert decision.configuration.startswith("insecure_origins in ~/")
    assert str(Path.home()) not in str(decision)


@pytest.mark.parametrize(
    ("url", "options", "said"),
    [
        ("http://alpha.example.org/x", {"upgrade_http": True}, "http is asked for, https is requested"),
        ("http://alpha.example.org/x", {}, "plain http: no permit goes there"),
        ("https://alpha.example.org/x", {}, "https"),
    ],
)
def test_what_becomes_of_plain_http_is_said(
    url: str, options: dict[str, bool], said: str, decided: Callable[..., Decision]
) -> None:
    archive = replace(alpha(), domains=(Domain(ALPHA, **options),))
    assert decided(url, archive).transport == said


def test_an_origin_that_the_user_names_as_insecure_is_said(decided: Callable[..., Decision]) -> None:
    archive = replace(alpha(), domains=(Domain("http://old.example.org", insecure=True),))
    assert "insecure_origins" in decided("http://old.example.org/x", archive).transport


def test_audiences_are_said_where_they_matter(decided: Callable[..., Decision]) -> None:
    service = Domain(ALPHA, audience=("alpha-api",))
    decision = decided(f"{ALPHA}/x", replace(alpha(by_audience=True), domains=(service,)))
    assert decision.audience == "a token must be for alpha-api, or name nobody"


def test_the_text_is_the_same_on_every_run(vo_auth_sandbox) -> None:
    vo_auth.login("eso")
    code = f"import vo_auth; print(vo_auth.explain({TAP + '?x=1'!r}))"
    texts = {
        subprocess.run(
            [sys.executable, "-X", "utf8", "-W", "ignore", "-c", code], capture_output=True, text=True, check=True
        ).stdout
        for _ in range(3)
    }
    assert len(texts) == 1
    assert texts == {f"{vo_auth.explain(TAP)}\n"}


def test_everything_can_be_read_by_a_program(vo_auth_sandbox) -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from vo_auth.cli import main; main()", "explain", TAP, "--json", "--ask"],
        capture_output=True,
        text=True,
        check=True,
    )
    content = json.loads(done.stdout)
    assert content["decision"]["archive"] == "eso"
    assert (content["said"]["permit"], content["said"]["verdict"]) == ("bearer", "ok")


# -------------------------------------------------------------------- what the server says


def test_without_ask_nothing_is_sent_and_with_it_one_request(vo_auth_sandbox) -> None:
    vo_auth.login("eso")
    received = vo_auth_sandbox.received
    before = len(received.all())
    vo_auth.explain(TAP)
    assert len(received.all()) == before
    said = vo_auth.explain(f"{TAP}/availability", ask=True).said
    assert len(received.all()) == before + 1
    assert said is not None
    assert (said.status, said.permit, said.account, said.verdict) == (200, "bearer", "DEMOPI", "ok")


@pytest.mark.vo_auth_sandbox(credentials=False)
def test_an_error_is_what_the_server_said(vo_auth_sandbox) -> None:
    said = vo_auth.explain(TAP, ask=True).said
    assert said is not None
    assert said.error.startswith("CredentialsNotFoundError: No credentials for ESO")
    assert "\n" not in str(said)


def test_a_url_that_no_archive_claims_is_not_asked(vo_auth_sandbox) -> None:
    assert vo_auth.explain("https://elsewhere.example.org/x", ask=True).said is None


def test_challenges_and_names_are_shown_one_by_one_without_what_a_terminal_obeys(net) -> None:
    server = net.server()
    server.reply(
        200,
        ("WWW-Authenticate", 'ivoa_bearer standard_id="ivo://ivoa.net/sso#x", access_url="https://a.example/\x1b[31m"'),
        ("WWW-Authenticate", "Bearer"),
    )
    with pytest.warns(RefusedWarning, match="as if there were none"):
        said = net.ask(server, judge=judge_offered)
    assert (said.status, said.authenticated, said.verdict) == (200, "", "answered as anonymous")
    assert len(said.challenges) == 2
    assert "\x1b" not in str(said)
