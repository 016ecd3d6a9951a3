"""What answers mean by way of httpx and aiohttp: renewal, refusals, pages in place of data, cookies, errors."""

from __future__ import annotations

import asyncio
import pickle
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

import vo_auth
from vo_auth.edge import forget_cookies
from vo_auth.errors import (
    BodyNotReplayableError,
    CredentialsRejectedError,
    LicenceRequiredError,
    LoginPageError,
    NotEntitledWarning,
    PermitExpiredError,
    RefusedWarning,
)
from vo_auth.registry import Registry
from vo_auth.sandbox import Bench, Sandbox
from vo_auth.sandbox.faults import Fault
from vo_auth.testing import assert_no_secret
from vo_auth.verdict import Verdict, judge_status

TOKEN = "obviously-fake-token"
ALPHA, ELSEWHERE = "alpha.example.org", "elsewhere.example.org"
PAGE, DATA = f"https://{ALPHA}/page", f"https://{ALPHA}/data"
Client = Callable[..., Any]


@pytest.fixture
def bench(sandbox: Sandbox) -> Bench:
    return sandbox.bench("alpha")


def permits(sandbox: Sandbox) -> list[str]:
    return [entry.authorization.removeprefix("Bearer obviously-fake-") for entry in sandbox.received.at(ALPHA)]


# -------------------------------------------------------------------- renewal


def test_an_expired_permit_is_renewed_before_it_is_sent(
    client: Client, sandbox: Sandbox, minted: Callable[..., Any]
) -> None:
    made = minted(life=100.0)
    one = client(**made.options)
    one.get(DATA)
    made.mint.time.passed += 101
    one.get(DATA)
    assert permits(sandbox) == ["minted-1", "minted-2"]


def test_a_refused_permit_is_renewed_and_the_request_sent_once_more(
    client: Client, sandbox: Sandbox, bench: Bench, minted: Callable[..., Any]
) -> None:
    made = minted()
    one = client(**made.options)
    one.get(DATA)
    made.mint.time.passed += 300  # no refusal of a fresh permit starts a login
    bench.knobs["accept"] = ("Bearer obviously-fake-minted-2",)
    got = one.get(f"https://{ALPHA}/private", method="POST", content=b"the body")
    assert (got.status, got.text) == (200, "private the body")
    assert permits(sandbox) == ["minted-1", "minted-1", "minted-2"]
    assert_no_secret(["minted-1", "minted-2"], *got.seen)


def test_a_second_refusal_is_about_rights(client: Client, sandbox: Sandbox, minted: Callable[..., Any]) -> None:
    made = minted()
    one = client(**made.options)
    one.get(DATA)
    made.mint.time.passed += 300
    with pytest.warns(RefusedWarning):
        assert one.get(f"https://{ALPHA}/private").status == 401
    assert one.get(f"https://{ALPHA}/private").status == 401
    assert permits(sandbox) == ["minted-1", "minted-1", "minted-2", "minted-2"]


def test_a_refusal_of_a_fresh_permit_starts_no_login(client: Client, sandbox: Sandbox) -> None:
    one = client()
    with pytest.warns(RefusedWarning, match="no right to this URL"):
        assert one.get(f"https://{ALPHA}/private").status == 401
    assert permits(sandbox) == ["token"]


def test_the_connections_of_refused_answers_are_free_again(
    client: Client, sandbox: Sandbox, bench: Bench, minted: Callable[..., Any]
) -> None:
    made = minted(life=1e6)
    one = client(**made.options)
    one.get(DATA)
    for number in range(2, 25):
        made.mint.time.passed += 700
        bench.knobs["clock_skew"] = made.mint.time.passed  # here and there it is the same time
        bench.knobs["accept"] = (f"Bearer obviously-fake-minted-{number}",)
        assert one.get(f"https://{ALPHA}/private").status == 200
    assert len([entry for entry in sandbox.proxy_log if ALPHA in repr(entry)]) < 5


def test_one_connection_is_enough_for_a_refusal_with_a_long_body(
    client: Client, sandbox: Sandbox, bench: Bench, minted: Callable[..., Any]
) -> None:
    made = minted()
    one = client(**made.options, single=True)
    one.get(DATA)
    made.mint.time.passed += 300
    bench.knobs |= {"accept": ("Bearer obviously-fake-minted-2",), "refusal": "no " * 400_000}
    assert one.get(f"https://{ALPHA}/private").status == 200
    assert permits(sandbox) == ["minted-1", "minted-1", "minted-2"]


def test_a_body_that_cannot_be_sent_twice_is_an_error_that_says_so(
    client: Client, kind: str, bench: Bench, minted: Callable[..., Any]
) -> None:
    made = minted()
    one = client(**made.options)
    one.get(DATA)
    made.mint.time.passed += 300
    bench.knobs["accept"] = ("Bearer obviously-fake-minted-2",)

    async def later() -> Any:
        yield b"the body"

    body: Any = iter([b"the body"]) if kind == "httpx" else later()
    with pytest.raises(BodyNotReplayableError, match="cannot be sent twice"):
        one.get(f"https://{ALPHA}/private", method="POST", content=body)


def test_a_permit_that_ends_on_the_way_to_a_silent_archive_proves_nothing(
    client: Client, sandbox: Sandbox, bench: Bench, minted: Callable[..., Any]
) -> None:
    made = minted(life=100.0, silent=True)
    one = client(**made.options)

    def wait() -> None:
        made.mint.time.passed += 101

    bench.knobs["meanwhile"] = [wait]
    got = one.get(DATA)
    assert got.text == "data for Bearer"
    assert permits(sandbox) == ["minted-1", "minted-2"]


# -------------------------------------------------------------------- pages in place of data


@pytest.mark.parametrize("packing", ["", "?gzip"])
def test_a_login_page_is_an_error_and_no_data(client: Client, kind: str, bench: Bench, packing: str) -> None:
    one = client()
    with pytest.raises(LoginPageError, match="answers with a login page where data was due") as caught:
        one.get(PAGE + packing)
    assert isinstance(caught.value, one.error)
    assert_no_secret([TOKEN], caught.value)
    with vo_auth.anonymous(), pytest.raises(LoginPageError, match="answers the anonymous with a login page"):
        one.get(PAGE + packing)
    assert bench.counters["pages"] == 2


def test_a_page_that_was_looked_into_is_whole_for_the_caller(client: Client) -> None:
    got = client().get(f"https://{ALPHA}/harmless")
    assert got.body == b"<html>" + b"data " * 40_000


def test_a_page_of_a_third_party_is_its_own_affair(client: Client) -> None:
    assert b"please log in" in client().get(f"https://{ELSEWHERE}/page").body


@pytest.mark.parametrize(("name", "error"), [("demo", LicenceRequiredError), ("", PermitExpiredError)])
def test_the_archive_is_asked_whether_a_page_is_about_the_permit(
    client: Client, sandbox: Sandbox, bench: Bench, archive: Callable[..., Any], whoami: Any, name: str, error: Any
) -> None:
    bench.knobs["whoami"] = name

    def judge(answer: Any) -> Verdict:
        return Verdict.LICENCE if answer.url.endswith("/page") else judge_status(answer)

    one = client(registry=Registry([archive(judge=judge, whoami=whoami)]))
    with pytest.raises(error):
        one.get(PAGE)
    assert [(entry.path, entry.authorization) for entry in sandbox.received.at(ALPHA)] == [
        ("/page", f"Bearer {TOKEN}"),
        ("/whoami", f"Bearer {TOKEN}"),
    ]


def test_an_archive_that_knows_the_account_is_not_asked_again(
    client: Client, sandbox: Sandbox, archive: Callable[..., Any]
) -> None:
    one = client(registry=Registry([archive(judge=lambda _: Verdict.NOT_ENTITLED)]))
    with pytest.warns(NotEntitledWarning):
        one.get(DATA)
    assert permits(sandbox) == ["token"]


# -------------------------------------------------------------------- cookies


def test_cookies_of_dressed_answers_stay_at_the_edge_and_go_back(client: Client, sandbox: Sandbox) -> None:
    one = client()
    got = one.get(f"https://{ALPHA}/cookie")
    planted = ["obviously-fake-planted", "obviously-fake-second"]
    assert_no_secret(planted, *got.seen)
    got = one.get(DATA)
    one.get(f"https://{ELSEWHERE}/data")
    sent = [set(entry.cookie.split("; ")) for entry in sandbox.received.all()]
    assert sent == [{""}, {"session=obviously-fake-planted", "second=obviously-fake-second"}, {""}]
    assert_no_secret(planted, *got.seen)
    forget_cookies("alpha", None)  # as a logout does
    one.get(DATA)
    assert sandbox.received.all()[-1].cookie == ""


def test_cookies_of_plain_answers_are_the_callers(client: Client, sandbox: Sandbox) -> None:
    one = client()
    one.get(f"https://{ELSEWHERE}/cookie")
    one.get(f"https://{ELSEWHERE}/data")
    assert "session=obviously-fake-planted" in sandbox.received.all()[-1].cookie


# -------------------------------------------------------------------- errors


def test_an_error_does_not_remember_the_permit(client: Client, sandbox: Sandbox, bench: Bench) -> None:
    one = client()
    one.get(DATA)
    bench.knobs["fail_on"] = [Fault(path_regex="/data", drop=True, times=None)]
    with pytest.raises(Exception, match=r"(?i)disconnect") as caught:
        one.get(DATA)
    assert isinstance(caught.value, one.error)
    assert f"Bearer {TOKEN}" in {entry.authorization for entry in sandbox.received.all()}
    assert_no_secret([TOKEN], caught.value, vars(caught.value))


def test_an_error_in_the_middle_of_a_body_does_not_remember_it_either(client: Client, sandbox: Sandbox) -> None:
    one = client()
    with pytest.raises(Exception, match=r"(?i)complete|closed|payload") as caught:
        one.get(f"https://{ALPHA}/broken")
    assert permits(sandbox) == ["token"]
    assert_no_secret([TOKEN], caught.value)


def test_a_rejected_login_is_the_librarys_error_too_and_survives_a_pickle(
    client: Client, minted: Callable[..., Any]
) -> None:
    def reject() -> None:
        raise CredentialsRejectedError("Archive Alpha does not know this password")

    one = client(**minted(before=reject).options)
    with pytest.raises(one.error) as caught:
        one.get(DATA)
    assert isinstance(caught.value, CredentialsRejectedError)
    again = pickle.loads(pickle.dumps(caught.value))
    assert type(again) is CredentialsRejectedError
    assert str(again) == str(caught.value)


# -------------------------------------------------------------------- many at once


def test_many_requests_share_one_login(client: Client, kind: str, sandbox: Sandbox, minted: Callable[..., Any]) -> None:
    made = minted()
    one = client(**made.options)
    if kind == "httpx":
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(one.get, [DATA] * 16))
    else:

        async def all_of_them() -> None:
            await asyncio.gather(*(one.ask(DATA) for _ in range(16)))

        one.run(all_of_them())
    assert made.mint.logins == ["obviously-fake-minted-1"]
    assert permits(sandbox) == ["minted-1"] * 16


@pytest.mark.parametrize("kind", ["httpx-async", "aiohttp"])
def test_a_login_does_not_stop_the_event_loop(client: Client, minted: Callable[..., Any]) -> None:
    go_on = threading.Event()
    made = minted(before=lambda: go_on.wait(20) or pytest.fail("the loop stood still"))
    one = client(**made.options)

    async def both() -> Any:
        asking = asyncio.ensure_future(one.ask(DATA))
        await one.ask(f"https://{ELSEWHERE}/data")
        assert not asking.done()
        go_on.set()
        return await asking

    assert one.run(both()).text == "data for Bearer"
