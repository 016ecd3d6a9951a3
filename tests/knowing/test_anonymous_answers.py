"""Where login is optional, a session that was meant to be somebody says when the answer was for nobody."""

from __future__ import annotations

import warnings

import pytest

import vo_auth
from vo_auth import Archive
from vo_auth.archive import Answer, Verdict, judge_named, judge_offered
from vo_auth.errors import AnonymousWarning, RefusedWarning

from .conftest import PERMIT, Net, Server

NAMED = ("X-VO-Authenticated", "alice")
OFFER = ("WWW-Authenticate", 'ivoa_bearer standard_id="ivo://ivoa.net/sso#tls-with-password"')


class Optional:
    """An archive with optional login: it knows one token, and answers everybody else as nobody."""

    def __init__(self, net: Net, *, named: bool, offers: bool) -> None:
        self.net, self.named, self.offers = net, named, offers
        self.server: Server = net.server()
        self.known = {f"Bearer {PERMIT}"}
        self.server.headers_for = self.headers_for

    def headers_for(self, headers: dict[str, str]) -> list[tuple[str, str]]:
        if headers.get("authorization") in self.known:
            return [NAMED] if self.named else []
        return [OFFER] if self.offers else []

    def session(self, judge, token: str = PERMIT, **options) -> vo_auth.AuthSession:
        archive: Archive = self.net.archive(self.server.url, judge=judge)
        if token:
            self.net.credentials(token=token)
        return self.net.session(archive, **options)


@pytest.fixture
def offering(net: Net) -> Optional:
    return Optional(net, named=True, offers=True)


@pytest.fixture
def naming(net: Net) -> Optional:
    return Optional(net, named=True, offers=False)


@pytest.mark.parametrize("judge", [judge_offered, judge_named])
def test_who_is_recognised_hears_nothing(judge, offering: Optional) -> None:
    session = offering.session(judge)
    with warnings.catch_warnings(action="error"):
        assert session.get(f"{offering.server.url}/tap").ok


@pytest.mark.parametrize("judge", [judge_offered, judge_named])
def test_who_is_not_recognised_is_warned_once_and_gets_the_answer(judge, offering: Optional) -> None:
    session = offering.session(judge, token="obviously-fake-other-token")
    with pytest.warns(RefusedWarning, match="as if there were none: this is what everybody sees") as caught:
        answers = [session.get(f"{offering.server.url}/tap") for _ in range(3)]
    assert len(caught) == 1
    assert [answer.text for answer in answers] == ["data"] * 3
    assert len(offering.server.received) == 3  # a permit that was just obtained is not replaced


def test_an_archive_that_offers_nothing_tells_by_the_missing_name(naming: Optional) -> None:
    session = naming.session(judge_named, token="obviously-fake-other-token")
    with pytest.warns(RefusedWarning, match="as if there were none"):
        session.get(f"{naming.server.url}/tap")


def test_a_missing_name_proves_nothing_where_the_archive_does_not_promise_one(naming: Optional) -> None:
    session = naming.session(judge_offered, token="obviously-fake-other-token")
    with warnings.catch_warnings(action="error"):
        session.get(f"{naming.server.url}/tap")


def test_who_has_no_credentials_is_warned_before_and_not_judged(offering: Optional) -> None:
    session = offering.session(judge_offered, token="", required=False)
    with pytest.warns(AnonymousWarning) as caught:
        assert session.get(f"{offering.server.url}/tap").ok
    assert [one.category for one in caught] == [AnonymousWarning]


def test_who_wants_to_be_nobody_hears_nothing(offering: Optional) -> None:
    session = offering.session(judge_offered)
    with vo_auth.anonymous(), warnings.catch_warnings(action="error"):
        assert session.get(f"{offering.server.url}/tap").ok


def answer(status: int, **headers: str) -> Answer:
    return Answer(status=status, headers=headers, url="https://x.example")


@pytest.mark.parametrize(
    ("given", "offered", "named"),
    [
        (answer(200), Verdict.OK, Verdict.ANONYMOUS),
        (answer(200, **{"WWW-Authenticate": "Bearer"}), Verdict.ANONYMOUS, Verdict.ANONYMOUS),
        (answer(200, **{"X-VO-Authenticated": "alice"}), Verdict.OK, Verdict.OK),
        (answer(200, **{"X-VO-Authenticated": " "}), Verdict.OK, Verdict.ANONYMOUS),
        (answer(200, **{"WWW-Authenticate": "Bearer", "X-VO-Authenticated": "alice"}), Verdict.OK, Verdict.OK),
        (answer(303, **{"WWW-Authenticate": "Bearer"}), Verdict.OK, Verdict.OK),
        (answer(401, **{"WWW-Authenticate": "Bearer"}), Verdict.REFUSED, Verdict.REFUSED),
        (answer(403), Verdict.NOT_ENTITLED, Verdict.NOT_ENTITLED),
        (answer(404), Verdict.OK, Verdict.OK),
    ],
)
def test_the_judges_look_at_good_answers_alone(given: Answer, offered: Verdict, named: Verdict) -> None:
    assert (judge_offered(given), judge_named(given)) == (offered, named)
