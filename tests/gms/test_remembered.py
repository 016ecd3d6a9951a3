"""How long an answer is remembered, and for whom."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Any

import pytest
from aiohttp import web

import vo_auth
from vo_auth import gms
from vo_auth.clock import Clock
from vo_auth.errors import CredentialsNotFoundError
from vo_auth.gms import GroupClient


@dataclass(slots=True)
class Time:
    """A clock that tests move."""

    passed: float = 0.0
    client: GroupClient = field(init=False)

    def __post_init__(self) -> None:
        self.client = GroupClient(clock=Clock(elapsed=lambda: time.monotonic() + self.passed))


@pytest.fixture
def moved() -> Time:
    return Time()


def lasting(stage: Any, seconds: float | None, *, by_server: float = 0.0, **more: str) -> None:
    """Let the service's answers last so many seconds, by its own clock."""

    def reply(request: web.Request, user: str) -> web.Response:
        headers = {name.replace("_", "-"): value for name, value in more.items()}
        if seconds is not None:
            headers["Expires"] = formatdate(time.time() + by_server + seconds, usegmt=True)
        headers.setdefault("Date", formatdate(time.time() + by_server, usegmt=True))
        answer: web.Response = stage.service.names(request, user, **headers)
        return answer

    stage.service.reply = reply


def test_an_answer_holds_until_it_expires_and_no_longer(stage: Any, moved: Time) -> None:
    lasting(stage, 60)
    first = moved.client.ask("alpha")
    assert first == moved.client.ask("alpha")
    moved.passed = 55
    first.clear()  # the caller's list is the caller's
    assert len(moved.client.ask("alpha")) == 3
    assert len(stage.asked) == 1
    moved.passed = 61
    assert len(moved.client.ask("alpha")) == 3
    assert len(stage.asked) == 2


def test_no_answer_holds_longer_than_an_hour(stage: Any, moved: Time) -> None:
    lasting(stage, 86400)
    for moved.passed in (0, 3590, 3610):
        moved.client.ask("alpha")
    assert len(stage.asked) == 2


@pytest.mark.parametrize(
    ("seconds", "more"),
    [
        (None, {}),
        (None, {"Cache_Control": "max-age=600"}),
        (None, {"Expires": "0"}),
        (None, {"Expires": "soon"}),
        (-5, {}),
        (600, {"Cache_Control": "private, no-store"}),
        (600, {"Cache_Control": "No-Cache"}),
        (600, {"Cache_Control": "max-age=0"}),
    ],
)
def test_an_answer_that_does_not_say_how_long_it_holds_is_forgotten(
    stage: Any, moved: Time, seconds: float | None, more: dict[str, str]
) -> None:
    lasting(stage, seconds, **more)
    for _ in range(2):
        moved.client.ask("alpha")
    assert len(stage.asked) == 2
    assert moved.client._kept == {}


@pytest.mark.parametrize("by_server", [-86400.0, 86400.0])
def test_the_end_is_meant_by_the_servers_own_clock(stage: Any, moved: Time, by_server: float) -> None:
    stage.service.bench.knobs["clock_skew"] = by_server
    lasting(stage, 60, by_server=by_server)
    for moved.passed in (0, 50, 70):
        moved.client.ask("alpha")
    assert len(stage.asked) == 2


def test_each_question_and_each_place_has_its_own_answer(stage: Any, moved: Time) -> None:
    lasting(stage, 600)
    assert moved.client.ask("alpha", "muse-gto", "nobodys") == ["muse-gto"]
    assert moved.client.ask("alpha", "nobodys", "muse-gto", "muse-gto") == ["muse-gto"]
    assert len(stage.asked) == 1
    assert moved.client.ask("alpha", "nobodys") == []
    assert moved.client.ask("alpha", "Muse-GTO") == []
    assert len(moved.client.ask("alpha")) == 3
    assert len(stage.asked) == 4
    assert moved.client.ask("https://gms.alpha.example/mirror/search", "muse-gto") == ["muse-gto"]
    assert len(stage.sandbox.received.at("gms.alpha.example", "/mirror")) == 1


def test_it_can_be_asked_anew(stage: Any, moved: Time) -> None:
    lasting(stage, 600)
    moved.client.ask("alpha")
    stage.service.reply = None
    assert len(moved.client.ask("alpha", refresh=True)) == 3
    moved.client.ask("alpha")  # the newer answer says nothing, so the older one is gone, too
    assert len(stage.asked) == 3


def test_another_account_gets_an_answer_of_its_own(stage: Any, moved: Time) -> None:
    lasting(stage, 600)
    vo_auth.login("alpha", username="demo-colleague", password="obviously-fake-colleague")
    assert len(moved.client.ask("alpha")) == 3
    assert moved.client.ask("alpha", account="demo-colleague") == ["muse-gto"]
    assert len(moved.client.ask("alpha")) == 3
    assert len(stage.asked) == 2


def test_another_identity_under_the_same_label_gets_an_answer_of_its_own(stage: Any, moved: Time) -> None:
    lasting(stage, 600)
    vo_auth.login("alpha", account="team", username="demo-pi", password="obviously-fake-pi")
    assert len(moved.client.ask("alpha", account="team")) == 3
    vo_auth.logout("alpha", account="team")
    vo_auth.login("alpha", account="team", username="demo-colleague", password="obviously-fake-colleague")
    assert moved.client.ask("alpha", account="team") == ["muse-gto"]


@pytest.mark.parametrize("how", ["logout", "forced login"])
def test_a_logout_and_a_new_login_forget(stage: Any, moved: Time, how: str) -> None:
    lasting(stage, 600)
    moved.client.ask("alpha")
    if how == "logout":
        vo_auth.logout("alpha")
    else:
        vo_auth.login("alpha", force=True)
    moved.client.ask("alpha")
    assert len(stage.asked) == 2


def test_after_a_logout_nothing_is_answered_from_memory(
    stage: Any, moved: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    lasting(stage, 600)
    moved.client.ask("alpha")
    vo_auth.logout("alpha")
    for name in ("USERNAME", "PASSWORD"):
        monkeypatch.delenv(f"VO_AUTH_ALPHA_{name}")
    with pytest.raises(CredentialsNotFoundError):
        moved.client.ask("alpha", interactive=False)


def test_memory_is_bounded(stage: Any, moved: Time, monkeypatch: pytest.MonkeyPatch) -> None:
    assert gms._REMEMBERED == 64
    monkeypatch.setattr(gms, "_REMEMBERED", 4)
    lasting(stage, 600)
    for number in range(6):
        moved.client.ask("alpha", f"group-{number}")
    assert len(moved.client._kept) == 4
    moved.client.ask("alpha", "group-5")
    assert len(stage.asked) == 6
    moved.client.ask("alpha", "group-0")
    assert len(stage.asked) == 7


def test_two_clients_share_nothing(stage: Any) -> None:
    lasting(stage, 600)
    GroupClient().ask("alpha")
    GroupClient().ask("alpha")
    assert len(stage.asked) == 2
