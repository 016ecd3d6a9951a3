"""What goes wrong at a group membership service: one class for each thing that a program would do."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
import requests
from aiohttp import web

import vo_auth
from vo_auth import Archive, Domain
from vo_auth.archive import Answer, Verdict, judge_status
from vo_auth.clock import Clock
from vo_auth.errors import (
    GroupsAnswerError,
    GroupsError,
    GroupsRefusedError,
    GroupsUnavailableError,
    GroupsUserUnknownError,
    InsecureUrlError,
    RefusedWarning,
)
from vo_auth.flows import LoginRequest
from vo_auth.gms import GroupClient
from vo_auth.sandbox.faults import Fault

HOST, ELSEWHERE = "gms.alpha.example", "gms.elsewhere.example"
SEARCH = f"https://{HOST}/gms/search"
ALPHA = Archive(
    name="alpha",
    title="Archive Alpha",
    domains=(Domain(f"https://{HOST}/gms"),),
    flows=(LoginRequest(url=f"https://{HOST}/login", life=3600),),
    groups=SEARCH,
)
MINE = ["muse-gto", "Surveys.2026", "a~b_c-d,e"]


def says(status: int, text: str = "", **headers: str) -> Callable[..., web.Response]:
    return lambda request, user: web.Response(
        status=status, text=text, headers={name.replace("_", "-"): value for name, value in headers.items()}
    )


@dataclass(frozen=True, slots=True)
class Waiting:
    """A client that waits without waiting."""

    waits: list[float] = field(default_factory=list)

    @property
    def client(self) -> GroupClient:
        return GroupClient(clock=Clock(sleep=self.waits.append))


@pytest.fixture
def waiting() -> Waiting:
    return Waiting()


# -------------------------------------------------------------------- about the permit and its owner


def test_a_permit_that_is_refused_is_renewed_and_the_groups_are_there(stage: Any) -> None:
    vo_auth.login("alpha")
    stage.service.bench.knobs["clock_skew"] = 600.0  # older than a minute: the refusal may be about the permit
    stage.service.tokens.clear()
    assert vo_auth.groups("alpha") == MINE
    assert (stage.logins, stage.asked) == (2, ["", ""])


def test_a_permit_that_is_refused_after_renewal_too_is_an_error_of_its_own(stage: Any) -> None:
    stage.service.reply = says(401, "Who are you?", WWW_Authenticate="Bearer")
    with (
        pytest.warns(RefusedWarning),
        pytest.raises(GroupsRefusedError, match=r"\(account 'demo-pi'\): run `vo-auth login alpha --force`"),
    ):
        vo_auth.groups("alpha")


def test_a_403_with_a_challenge_is_a_refusal_as_well(stage: Any) -> None:
    stage.service.reply = says(403, WWW_Authenticate="Bearer")
    with pytest.warns(RefusedWarning), pytest.raises(GroupsRefusedError):
        vo_auth.groups("alpha")


def offers_a_login(answer: Answer) -> Verdict:
    return Verdict.ANONYMOUS if answer.status == 200 and "WWW-Authenticate" in answer.headers else judge_status(answer)


@pytest.mark.parametrize("archive", [replace(ALPHA, judge=offers_a_login)], ids=["alpha"])
def test_an_answer_to_the_anonymous_is_not_the_callers(stage: Any) -> None:
    stage.service.reply = says(200, "everybody\r\n", WWW_Authenticate="Bearer", Content_Type="text/plain")
    with pytest.warns(RefusedWarning), pytest.raises(GroupsRefusedError, match="does not accept the permit"):
        vo_auth.groups("alpha")


@pytest.mark.filterwarnings("ignore::vo_auth.errors.NotEntitledWarning")
@pytest.mark.parametrize(
    ("status", "text"), [(403, ""), (403, "Permission Denied"), (404, "User not found: x"), (404, "No identities")]
)
def test_a_user_whom_the_service_does_not_know_is_told_from_a_refusal(stage: Any, status: int, text: str) -> None:
    stage.service.reply = says(status, text)
    with pytest.raises(GroupsUserUnknownError, match=rf"knows no such user .*\(status {status}\)") as caught:
        vo_auth.groups("alpha", "muse-gto")
    assert stage.logins == 1
    assert caught.value.request is not None
    assert "Authorization" not in caught.value.request.headers


@pytest.mark.parametrize(
    ("status", "kind", "text"),
    [(404, "text/html", "<p>no user page here</p>"), (404, "text/plain", "404: Not Found"), (400, "text/plain", "bad")],
)
def test_an_address_that_is_no_service_is_not_taken_for_an_unknown_user(
    stage: Any, status: int, kind: str, text: str
) -> None:
    stage.service.reply = lambda *_: web.Response(status=status, text=text, content_type=kind)
    with pytest.raises(GroupsAnswerError, match=f"answers with status {status}; is it the access URL"):
        vo_auth.groups("alpha")


@pytest.mark.parametrize("status", [201, 204])
def test_only_200_is_an_answer(stage: Any, status: int) -> None:
    stage.service.reply = says(status)
    with pytest.raises(GroupsAnswerError, match=f"status {status}"):
        vo_auth.groups("alpha")


# -------------------------------------------------------------------- trouble


@pytest.mark.parametrize("status", [429, 503])
def test_a_service_that_wants_to_be_asked_again_soon_is_asked_again_once(
    stage: Any, waiting: Waiting, status: int
) -> None:
    fault = Fault(path_regex="/gms/search", status=status, headers={"Retry-After": "7"})
    stage.service.bench.knobs["fail_on"] = [fault]
    assert waiting.client.ask("alpha", "muse-gto") == ["muse-gto"]
    assert waiting.waits == [7.0]
    assert stage.asked == ["group=muse-gto", "group=muse-gto"]
    stage.service.bench.knobs["fail_on"] = [fault, fault]
    with pytest.raises(GroupsUnavailableError, match="try again in 7 s") as caught:
        waiting.client.ask("alpha")
    assert caught.value.retry_after == 7.0
    assert waiting.waits == [7.0, 7.0]


def test_nobody_waits_longer_than_ten_seconds(stage: Any, waiting: Waiting) -> None:
    stage.service.reply = says(503, Retry_After="11")
    with pytest.raises(GroupsUnavailableError, match=r"status 503\): try again in 11 s") as caught:
        waiting.client.ask("alpha")
    assert (waiting.waits, len(stage.asked)) == ([], 1)
    assert pickle.loads(pickle.dumps(caught.value)).retry_after == 11.0


@pytest.mark.parametrize("status", [500, 502, 503])
def test_a_service_in_trouble_that_says_no_time_is_asked_once(stage: Any, waiting: Waiting, status: int) -> None:
    stage.service.reply = says(status)
    with pytest.raises(GroupsUnavailableError, match="try again later") as caught:
        waiting.client.ask("alpha")
    assert (caught.value.retry_after, waiting.waits, len(stage.asked)) == (None, [], 1)


def test_an_answer_that_breaks_off_is_no_list_of_groups(stage: Any) -> None:
    def half(request: web.Request, _: str) -> web.Response:
        assert request.transport is not None
        head = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 100\r\n\r\n"
        request.transport.write(head + b"muse-gto\r\n")
        request.transport.close()
        return web.Response()

    stage.service.reply = half
    with pytest.raises(requests.RequestException):
        vo_auth.groups("alpha")


@pytest.mark.filterwarnings("ignore::vo_auth.errors.NotEntitledWarning")
def test_every_error_of_the_service_can_be_caught_as_one(stage: Any) -> None:
    for status in (403, 404, 500):
        stage.service.reply = says(status)
        with pytest.raises(GroupsError):
            vo_auth.groups("alpha")


# -------------------------------------------------------------------- redirects


def leads(url: str, status: int = 302) -> Callable[..., web.Response | None]:
    def reply(request: web.Request, _: str) -> web.Response | None:
        if request.path.startswith("/gms"):
            return web.Response(status=status, headers={"Location": url})
        return None

    return reply


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_inside_the_archive_is_followed(stage: Any, status: int) -> None:
    stage.service.reply = leads("/mirror/search?group=muse-gto", status)
    assert vo_auth.groups("alpha", "muse-gto", "Surveys.2026") == ["muse-gto"]
    assert [entry.query for entry in stage.sandbox.received.at(HOST, "/mirror")] == ["group=muse-gto"]


@pytest.mark.parametrize(
    "url",
    [
        f"https://{ELSEWHERE}/gms/search",
        f"https://{HOST}:8443/gms/search",
        f"https://{HOST}@{ELSEWHERE}/gms/search",
        f"https://{HOST}/private/search",
        "ftp://gms.alpha.example/gms/search",
    ],
)
def test_a_redirect_out_of_the_archive_is_an_error_and_nothing_is_sent_there(stage: Any, url: str) -> None:
    stage.service.reply = leads(url)
    with pytest.raises(GroupsAnswerError, match=r"a redirect to .*, which is not followed"):
        vo_auth.groups("alpha", "muse-gto")
    assert stage.outside() == 0
    assert stage.sandbox.received.at(HOST, "/private") == []


def test_a_redirect_to_another_archive_is_an_error_although_it_has_a_permit_of_its_own(
    stage: Any, archive: Archive, install: Callable[..., None]
) -> None:
    other = replace(archive, name="other", domains=(Domain(f"https://{ELSEWHERE}"),), groups="")
    install(archive, other)
    stage.service.reply = leads(f"https://{ELSEWHERE}/gms/search")
    with pytest.raises(GroupsAnswerError, match="which is not followed"):
        vo_auth.groups("alpha")
    assert stage.outside() == 0


def test_a_redirect_to_what_is_no_url_is_an_error_as_others_are(stage: Any) -> None:
    stage.service.reply = leads("https://[broken/search")
    with pytest.raises(requests.exceptions.InvalidURL, match="leads to what is no URL"):
        vo_auth.groups("alpha")


def test_a_redirect_to_plain_http_is_an_error_and_nothing_is_sent_there(stage: Any) -> None:
    stage.service.reply = leads(f"http://{HOST}/mirror/search")
    with pytest.raises(InsecureUrlError):
        vo_auth.groups("alpha")
    assert [entry for entry in stage.sandbox.received if entry.scheme == "http"] == []


def test_redirects_in_a_circle_end(stage: Any) -> None:
    stage.service.reply = leads("/gms/search")
    with pytest.raises(GroupsAnswerError, match="which is not followed"):
        vo_auth.groups("alpha")
    assert len(stage.asked) == 6
