"""A page in place of data: whether the permit is dead, or good but not enough, the archive is asked."""

from __future__ import annotations

from typing import Any

import pytest

import vo_auth
from vo_auth.archive import Answer, Pages, Verdict, WhoAmI, judge_status
from vo_auth.domain import Domain
from vo_auth.errors import LicenceRequiredError, LoginPageError, PermitExpiredError, RefusedWarning

PAGES = Pages(licence="https://archive.example.org/licence", token="https://archive.example.org/me")


def judge(answer: Answer) -> Verdict:
    if answer.status == 203:
        return Verdict.DEAD
    pages = {"/licence": Verdict.LICENCE, "/login": Verdict.LOGIN_PAGE}
    path = "/" + answer.location.rpartition("/")[2] if answer.location else ""
    return pages.get(path, judge_status(answer))


def read(answer: Answer) -> str:
    if answer.status != 200:
        raise ValueError("not an answer")
    return answer.peek(100).decode()


class Place:
    """An archive that takes the tokens in ``known`` and leads all others to a page."""

    def __init__(self, net: Any, reply: Any, redirected: Any, *, page: str = "/licence", **more: Any) -> None:
        self.server, self.reply, self.redirected, self.page = net.server(), reply, redirected, page
        self.known: dict[str, str] = {}
        self.entitled: set[str] = set()
        self.whoami: Any = None
        self.server.replies.update({"/data": self.data, "/whoami": self.who})
        more.setdefault("whoami", WhoAmI(path="/whoami", read=read))
        more.setdefault("bases", (self.server.url,))
        self.archive, self.mint, wallet = net.minted(*more.pop("bases"), judge=judge, pages=PAGES, **more)
        self.session = net.session(self.archive, wallet=wallet)

    def owner(self, seen: Any) -> str:
        return self.known.get(seen.authorization.removeprefix("Bearer "), "")

    def data(self, seen: Any) -> Any:
        return self.reply() if self.owner(seen) in self.entitled else self.redirected(self.page)

    def who(self, seen: Any) -> Any:
        return self.whoami or self.reply(200, (("Set-Cookie", "kept=fake"),), self.owner(seen).encode())

    def asked(self, path: str) -> int:
        return sum(seen.path == path for seen in self.server.received)

    def get(self, **options: Any) -> Any:
        return self.session.get(f"{self.server.url}/data", **options)


@pytest.fixture
def place(net: Any, reply: Any, redirected: Any) -> Place:
    made = Place(net, reply, redirected)
    made.known = {"fake-minted-1": "demo", "fake-minted-2": "demo"}
    made.entitled = {"demo"}
    return made


def test_an_answer_that_is_data_asks_nothing(place: Place) -> None:
    assert place.get().content == b"data"
    assert place.asked("/whoami") == 0


def test_a_dead_permit_is_replaced_although_it_is_young(place: Place) -> None:
    del place.known["fake-minted-1"]
    answer = place.get()
    assert (answer.content, answer.history) == (b"data", [])
    assert (len(place.mint.logins), place.asked("/whoami")) == (2, 1)
    assert "kept" not in place.session.cookies


def test_a_good_permit_that_is_not_enough_costs_no_login_although_it_is_old(place: Place) -> None:
    place.entitled.clear()
    for _ in range(2):
        place.mint.time.passed += 1800
        with pytest.raises(LicenceRequiredError, match=r"https://archive\.example\.org/licence") as caught:
            place.get()
    assert caught.value.licence_url == PAGES.licence
    assert caught.value.request.headers.get("Authorization") is None
    assert len(place.mint.logins) == 1


def test_an_archive_that_takes_no_permit_at_all_costs_two_logins_in_ten_minutes(place: Place) -> None:
    place.known.clear()
    for _ in range(3):
        with pytest.raises(PermitExpiredError, match=r"https://archive\.example\.org/me"):
            place.get()
    assert len(place.mint.logins) == 2


@pytest.mark.parametrize("answer", ["status", "connection"])
def test_where_the_question_has_no_answer_the_age_of_the_permit_decides_as_ever(place: Place, answer: str) -> None:
    place.whoami = place.reply(500) if answer == "status" else place.reply(raw=lambda handler: None)
    del place.known["fake-minted-1"]
    with pytest.raises(LicenceRequiredError):
        place.get()
    assert len(place.mint.logins) == 1
    place.mint.time.passed += 61
    assert place.get().content == b"data"


@pytest.mark.parametrize("stream", [False, True])
def test_a_pool_of_one_connection_that_blocks_is_no_trap(place: Place, stream: bool) -> None:
    from requests.adapters import HTTPAdapter

    place.session.mount("http://", HTTPAdapter(pool_maxsize=1, pool_block=True))
    del place.known["fake-minted-1"]
    assert place.get(stream=stream, timeout=10).content == b"data"


def test_a_login_page_is_parted_in_the_same_way(net: Any, reply: Any, redirected: Any) -> None:
    place = Place(net, reply, redirected, page="/login")
    place.known = {"fake-minted-1": "demo"}
    with pytest.raises(LoginPageError):
        place.get()
    assert len(place.mint.logins) == 1


def test_the_question_goes_only_where_the_permit_may_go(net: Any, reply: Any, redirected: Any) -> None:
    server = net.server()
    for base in (Domain(f"{server.url}/data"), Domain(server.url, anonymous=("whoami",))):
        place = Place(net, reply, redirected, bases=(base,))
        place.server = server
        server.replies["/data"] = redirected("/licence")
        with pytest.raises(LicenceRequiredError):
            place.get()
    assert place.asked("/whoami") == 0


def test_the_question_carries_nothing_of_the_request_but_the_permit(place: Place) -> None:
    del place.known["fake-minted-1"]
    place.session.post(
        f"{place.server.url}/data?secret=fake", data=b"fake-body", headers={"X-Own": "fake"}, cookies={"own": "fake"}
    )
    (question,) = [seen for seen in place.server.received if seen.path.startswith("/whoami")]
    assert (question.method, question.path, question.body) == ("GET", "/whoami", b"")
    assert question.authorization == "Bearer fake-minted-1"
    assert "x-own" not in question.headers
    assert question.cookies == {}


def test_a_permit_that_the_judge_calls_dead_is_replaced_without_a_question(place: Place) -> None:
    place.server.replies["/data"] = lambda seen: place.reply(203 if "minted-1" in seen.authorization else 200)
    assert place.get().status_code == 200
    assert (len(place.mint.logins), place.asked("/whoami")) == (2, 0)


def test_a_dead_permit_that_nothing_can_replace_is_an_error_with_the_page_to_get_another(
    net: Any, reply: Any, recwarn: Any
) -> None:
    server = net.server()
    server.replies["*"] = reply(203)
    with pytest.raises(PermitExpiredError, match=r"https://archive\.example\.org/me"):
        net.session(net.archive(server.url, judge=judge, pages=PAGES)).get(f"{server.url}/data")
    assert [one for one in recwarn if one.category is RefusedWarning] == []


def test_the_anonymous_get_no_licence_page_for_data(place: Place) -> None:
    with vo_auth.anonymous(), pytest.raises(LicenceRequiredError, match="vo-auth login alpha"):
        place.get()
    assert place.mint.logins == []
