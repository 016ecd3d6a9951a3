"""explain agrees with what the servers recorded, on every hop; it asks nobody and shows no secret."""

from __future__ import annotations

import copy
import pickle
import warnings
from collections.abc import Callable
from typing import Any

import pytest
import requests

import vo_auth
from vo_auth import Archive, Domain
from vo_auth.attachment import Attachment, attach_session
from vo_auth.errors import AnonymousWarning, CallerHeaderWarning
from vo_auth.flows import PastedCookie, PastedToken
from vo_auth.registry import Registry
from vo_auth.testing import assert_no_secret

from .conftest import relay

PAGE = "https://archive.eso.org/tap_obs/availability"
ALPHA, BETA, THIRD = "alpha.example.org", "beta.example.org", "bucket.example.org"
RELAYS = [relay(name, host) for name, host in (("alpha", ALPHA), ("beta", BETA), ("third", THIRD))]
three_hosts = pytest.mark.vo_auth_sandbox(standins=[], extra=RELAYS)
TOKENS = {"VO_AUTH_ALPHA_TOKEN": "obviously-fake-alpha", "VO_AUTH_BETA_COOKIE": "beta=obviously-fake-beta"}
SIGNED = f"https://{THIRD}/data?signature=obviously-fake-signature"
SECRETS = ["obviously-fake-alpha", "obviously-fake-beta", "obviously-fake-signature"]


@pytest.fixture
def archives(sandbox, monkeypatch) -> Registry:
    for name, value in TOKENS.items():
        monkeypatch.setenv(name, value)
    return Registry(
        [
            Archive(name="alpha", title="Alpha", domains=(Domain(f"https://{ALPHA}"),), flows=(PastedToken(),)),
            Archive(name="beta", title="Beta", domains=(Domain(f"https://{BETA}"),), flows=(PastedCookie(),)),
        ]
    )


@pytest.fixture
def session(archives) -> requests.Session:
    session = requests.Session()
    attach_session(session, Attachment(url=f"https://{ALPHA}/data", registry=archives))
    return session


def told(response: requests.Response) -> list[tuple[str, str, str]]:
    hops = vo_auth.explain(response).hops
    return [(hop.url, hop.archive if hop.permit else "", hop.permit) for hop in hops]


def recorded(received: list[Any]) -> list[tuple[str, str, str]]:
    """Say in the same words what the servers saw."""
    kinds = {
        (True, False): ("alpha", "bearer"),
        (False, True): ("beta", "cookie"),
        (False, False): ("", ""),
    }
    return [
        (f"{one.scheme}://{one.host}{one.path}", *kinds["fake-alpha" in one.authorization, "fake-beta" in one.cookie])
        for one in received
    ]


CHAINS = {
    "archive, other archive, presigned third party": (ALPHA, BETA),
    "archive, foreign, the archive again, third": (ALPHA, THIRD, ALPHA),
    "foreign first": (THIRD, ALPHA, BETA),
    "there and back": (ALPHA, BETA, ALPHA, THIRD, BETA),
}


@three_hosts
@pytest.mark.parametrize("hosts", CHAINS.values(), ids=CHAINS)
@pytest.mark.parametrize("stream", [False, True])
def test_it_agrees_with_what_each_server_of_a_chain_recorded(hosts, stream, session, sandbox, chained) -> None:
    response = session.get(chained(*hosts, last=SIGNED), stream=stream)
    assert len(response.history) == len(hosts)
    assert told(response) == recorded(sandbox.received.all())
    kinds = {ALPHA: "bearer", BETA: "cookie", THIRD: ""}
    assert [hop.permit for hop in vo_auth.explain(response).hops] == [kinds[host] for host in (*hosts, THIRD)]
    assert [hop.status for hop in vo_auth.explain(response).hops] == [302] * len(hosts) + [200]


@three_hosts
def test_it_says_nothing_secret_and_never_a_query(session, chained) -> None:
    explanation = vo_auth.explain(session.get(chained(ALPHA, BETA, last=SIGNED)))
    text = f"{explanation} {explanation!r}"
    assert "?" not in text
    assert "bearer permit of alpha, account token#" in text
    assert_no_secret(SECRETS, explanation, text, *explanation.hops)


@three_hosts
@pytest.mark.parametrize(
    "again",
    [lambda response: pickle.loads(pickle.dumps(response)), copy.copy, copy.deepcopy],
    ids=["pickle", "copy", "deepcopy"],
)
def test_it_says_the_same_of_a_copy(again, session, chained) -> None:
    response = session.get(chained(ALPHA, BETA, last=SIGNED))
    other = again(again(response))
    assert vo_auth.explain(other) == vo_auth.explain(response)
    assert other.text == response.text
    assert_no_secret(SECRETS[:2], pickle.dumps(other))
    assert b"vo_auth." not in pickle.dumps(other)  # it is read where vo_auth is not installed, too


@three_hosts
def test_an_anonymous_block_is_named_as_the_reason(session, sandbox, chained) -> None:
    with vo_auth.anonymous():
        response = session.get(chained(ALPHA, last=f"https://{BETA}/data"))
        foreseen = vo_auth.explain(response)
    assert told(response) == recorded(sandbox.received.all())
    assert [(hop.archive, hop.permit) for hop in foreseen.hops] == [("alpha", ""), ("beta", "")]
    assert "no permit: vo_auth.anonymous() was in force" in str(foreseen)


@three_hosts
def test_a_header_that_the_caller_set_is_named_as_the_reason(session, sandbox) -> None:
    with pytest.warns(CallerHeaderWarning):
        response = session.get(f"https://{ALPHA}/data", headers={"Authorization": "Bearer obviously-fake-own"})
    (hop,) = vo_auth.explain(response).hops
    assert (hop.archive, hop.permit, hop.why) == ("alpha", "", "the caller gave an Authorization header")
    assert sandbox.received.all()[-1].authorization == "Bearer obviously-fake-own"
    assert_no_secret(["obviously-fake-own"], vo_auth.explain(response))


@three_hosts
def test_a_request_without_credentials_says_that_none_were_required(archives, monkeypatch) -> None:
    monkeypatch.delenv("VO_AUTH_ALPHA_TOKEN")
    session = requests.Session()
    attach_session(session, Attachment(url=f"https://{ALPHA}/data", registry=archives, required=False))
    with pytest.warns(AnonymousWarning):
        (hop,) = vo_auth.explain(session.get(f"https://{ALPHA}/data")).hops
    assert (hop.permit, hop.why) == ("", "no credentials were found, and none were required")


@three_hosts
def test_a_response_of_another_session_is_refused(session) -> None:
    with requests.Session() as bare:
        foreign = bare.get(f"https://{ALPHA}/data")
    with pytest.raises(ValueError, match="knows nothing"):
        vo_auth.explain(foreign)
    with pytest.raises(ValueError, match="knows nothing"):
        vo_auth.explain(requests.Response())
    mixed = session.get(f"https://{ALPHA}/data")
    mixed.history = [foreign]
    with pytest.raises(ValueError, match="knows nothing"):
        vo_auth.explain(mixed)


@three_hosts
def test_userinfo_of_a_url_is_left_out(session) -> None:
    response = session.get(f"https://demo:obviously-fake-pair@{THIRD}/data")
    assert vo_auth.explain(response).hops[0].url == f"https://{THIRD}/data"
    assert_no_secret(["obviously-fake-pair"], vo_auth.explain(response))


# ------------------------------------------------------------------ a URL


@pytest.fixture
def quiet(sandbox, monkeypatch) -> Callable[[str], vo_auth.Hop]:
    """Explain a URL, and make sure that nobody was asked: neither a server nor a person."""

    def asked(*_: object, **__: object) -> str:
        raise AssertionError("a person was asked")

    monkeypatch.setattr("getpass.getpass", asked)
    monkeypatch.setattr("builtins.input", asked)

    def call(url: str, **options: Any) -> vo_auth.Hop:
        before = len(sandbox.received.all())
        with warnings.catch_warnings(action="error"):
            explanation = vo_auth.explain(url, **options)
        assert len(sandbox.received.all()) == before
        (hop,) = explanation.hops
        return hop

    return call


def test_before_the_first_login_it_says_which_one_there_would_be(quiet) -> None:
    hop = quiet(f"{PAGE}?secret=obviously-fake#part")
    assert (hop.url, hop.archive, hop.account, hop.permit) == (PAGE, "eso", "DEMOPI", "new")
    assert "https://archive.eso.org/ of vo-auth-eso" in hop.why
    assert "VO_AUTH_ESO_USERNAME" in hop.why


def test_after_it_the_permit_that_is_held_is_named_as_then_sent(quiet, sandbox) -> None:
    session = vo_auth.attach(requests.Session(), url=PAGE)
    response = session.get(PAGE)
    foreseen, done = quiet(PAGE), vo_auth.explain(response).hops[0]
    assert "held, fresh" in foreseen.why
    assert (foreseen.archive, foreseen.account, foreseen.permit) == (done.archive, done.account, done.permit)
    secret = sandbox.received.at("archive.eso.org")[-1].authorization.removeprefix("Bearer ")
    assert_no_secret([secret], foreseen, done, str(foreseen))


@pytest.mark.vo_auth_sandbox(credentials=False)
def test_without_credentials_it_says_that_nothing_was_found(quiet) -> None:
    hop = quiet(PAGE)
    assert (hop.archive, hop.permit) == ("eso", "")
    assert "VO_AUTH_ESO_USERNAME" in hop.why


@pytest.mark.parametrize(
    "url", ["https://elsewhere.example.org/x", "https://archive.eso.org.evil.example/", "http://archive.eso.org:8080/"]
)
def test_no_archive_claims_an_unknown_host(quiet, url) -> None:
    hop = quiet(url)
    assert (hop.archive, hop.permit, hop.why) == ("", "", "no archive claims it")


def test_a_path_that_never_gets_a_permit_is_outside(quiet, sandbox) -> None:
    assert quiet("https://archive.eso.org/tap_cat/sync").permit == ""
    session = vo_auth.attach(requests.Session(), url=PAGE)
    assert vo_auth.explain(session.get("https://archive.eso.org/tap_cat/availability")).hops[0].permit == ""


def test_a_missing_plugin_is_named_with_its_pip_line(quiet, monkeypatch) -> None:
    monkeypatch.setattr("vo_auth.explanation.default_registry", lambda: Registry([]))
    hop = quiet(PAGE)
    assert (hop.archive, hop.permit) == ("eso", "")
    assert "pip install vo-auth-eso" in hop.why


@pytest.mark.parametrize(
    "url", ["http://archive.eso.org/tap_obs/availability", "HTTP://ARCHIVE.ESO.ORG:80/tap_obs/availability"]
)
def test_plain_http_that_is_upgraded_is_told_as_what_is_then_sent(quiet, url, sandbox) -> None:
    session = vo_auth.attach(requests.Session(), url=PAGE)
    done = vo_auth.explain(session.get(url)).hops[0]
    hop = quiet(url)
    assert hop.url.lower() == done.url.lower() == PAGE
    assert hop.permit == done.permit == "bearer"


def test_plain_http_that_is_not_upgraded_gets_nothing(quiet, monkeypatch) -> None:
    alpha = Archive(name="alpha", title="Alpha", domains=(Domain(f"https://{ALPHA}"),), flows=(PastedToken(),))
    monkeypatch.setattr("vo_auth.explanation.default_registry", lambda: Registry([alpha]))
    hop = quiet(f"http://{ALPHA}/data")
    assert (hop.archive, hop.permit, hop.why) == ("alpha", "", "it is plain http, which anyone on the way reads")


def test_an_anonymous_block_is_said_before_the_request_too(quiet) -> None:
    with vo_auth.anonymous():
        hop = quiet(PAGE)
    assert (hop.archive, hop.permit, hop.why) == ("eso", "", "vo_auth.anonymous() is in force")


def test_another_account_is_looked_up_by_its_label(quiet, monkeypatch) -> None:
    assert quiet(PAGE, account="somebody else").permit == ""


@pytest.mark.parametrize("url", ["", "no url", "https://", "https://[::1", "https://a b.example.org"])
def test_what_is_no_url_is_refused(url) -> None:
    with pytest.raises((requests.exceptions.InvalidURL, requests.exceptions.MissingSchema)):
        vo_auth.explain(url)
