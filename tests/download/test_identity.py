"""Two accounts, or two versions, are never joined into one file; permits are renewed and refused as at the edge."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import requests
from faulty_server import BIG, FITS, Page, Request, Server
from test_faults import finished

import vo_auth
from conftest import Fetch
from vo_auth.clock import Clock
from vo_auth.errors import CredentialsRejectedError, RefusedWarning
from vo_auth.flows import LoginRequest, PastedToken
from vo_auth.registry import Registry
from vo_auth.testing import assert_no_secret
from vo_auth.transfer.journal import JOURNAL

TOKENS = {"anna": "obviously-fake-token-of-anna", "bert": "obviously-fake-token-of-bert"}
SessionAs = Callable[[str], requests.Session]


def account_of(request: Request) -> str:
    sent = request["Authorization"].removeprefix("Bearer ")
    return next((name for name, token in TOKENS.items() if token == sent), "")


@pytest.fixture
def session_as(server: Server) -> SessionAs:
    domain = vo_auth.Domain(server.base)
    archive = vo_auth.Archive(name="loop", title="Loop Archive", domains=(domain,), flows=(PastedToken(),))
    registry = Registry(archives=[archive])

    def make(account: str) -> requests.Session:
        return vo_auth.AuthSession(url=server.base, account=account, registry=registry, token=TOKENS[account])

    return make


def test_a_part_goes_on_for_the_account_that_began_it(
    server: Server, fetch: Fetch, session_as: SessionAs, tmp_path: Path
) -> None:
    url = server.add("/x.fits", data=BIG, cuts=[400_000, 0, 0])
    _, failed = fetch(url, session=session_as("anna"), retries=1)
    assert len(failed) == 1
    there, _ = fetch(url, session=session_as("anna"))
    assert [one.identity for one in there] == ["loop:anna"]
    assert server.received[-1]["Range"] != ""
    assert finished(tmp_path / "to") == {"x.fits": BIG}


def by_account(**pages: Page) -> Callable[[Request], Page]:
    return lambda request: pages[account_of(request) or "nobody"]


def test_a_part_of_another_account_is_not_gone_on_with(
    server: Server, fetch: Fetch, session_as: SessionAs, tmp_path: Path
) -> None:
    """Even where the archive calls both by one ETag, and both are of one length."""
    url = server.add("/x.fits", before=by_account(anna=Page(data=BIG, cuts=[400_000, 0, 0]), bert=Page(data=BIG[::-1])))
    _, failed = fetch(url, session=session_as("anna"), retries=1)
    assert len(failed) == 1
    there, _ = fetch(url, session=session_as("bert"))
    assert [one.identity for one in there] == ["loop:bert"]
    assert finished(tmp_path / "to") == {"x.fits": BIG[::-1]}


def test_a_part_that_was_fetched_with_a_permit_is_not_gone_on_with_by_nobody(
    server: Server, fetch: Fetch, session_as: SessionAs, tmp_path: Path
) -> None:
    url = server.add(
        "/x.fits", before=by_account(anna=Page(data=BIG, cuts=[400_000, 0, 0]), nobody=Page(data=BIG[::-1]))
    )
    fetch(url, session=session_as("anna"), retries=1)
    with vo_auth.anonymous():
        there, _ = fetch(url, session=session_as("anna"))
    assert [one.identity for one in there] == [""]
    assert account_of(server.received[-1]) == ""
    assert finished(tmp_path / "to") == {"x.fits": BIG[::-1]}


def test_anonymous_holds_in_the_workers_too(server: Server, fetch: Fetch, session_as: SessionAs) -> None:
    urls = [server.add(f"/{number}.fits") for number in range(8)]
    with vo_auth.anonymous():
        fetch(*urls, session=session_as("anna"))
    assert {request["Authorization"] for request in server.received} == {""}


def test_a_file_of_another_account_is_asked_for_again_and_kept_where_it_is_the_same(
    server: Server, fetch: Fetch, session_as: SessionAs, tmp_path: Path
) -> None:
    url = server.add("/x.fits")
    fetch(url, session=session_as("anna"))
    there, _ = fetch(url, session=session_as("bert"))
    assert [one.is_new for one in there] == [False]
    assert [account_of(request) for request in server.received] == ["anna", "bert"]
    server.pages["/x.fits"] = Page(data=FITS[::-1], etag='"of bert"')
    _, failed = fetch(url, session=session_as("bert"))
    assert "another version of x.fits" in failed[0].reason
    there, _ = fetch(url, session=session_as("bert"), overwrite=True)
    assert [one.identity for one in there] == ["loop:bert"]
    assert finished(tmp_path / "to") == {"x.fits": FITS[::-1]}


def test_files_that_are_refused_fail_alone_without_another_try(
    server: Server, fetch: Fetch, session_as: SessionAs, tmp_path: Path
) -> None:
    private = [server.add(f"/private/{number}.fits", status=401) for number in range(5)]
    good = server.add("/x.fits")
    with pytest.warns(RefusedWarning):
        there, failed = fetch(*private, good, session=session_as("anna"))
    assert [one.path.name for one in there] == ["x.fits"]
    assert {one.reason for one in failed} == {"loop answers 401 Unauthorized: account anna has no right to it"}
    assert len(server.received) == 6


def test_no_permit_is_in_the_journal_or_in_events(
    server: Server, fetch: Fetch, session_as: SessionAs, tmp_path: Path, events: list[object]
) -> None:
    there, failed = fetch(
        server.add("/x.fits", cuts=[3000]), server.add("/y.fits", status=404), session=session_as("anna")
    )
    assert_no_secret(TOKENS.values(), tmp_path / "to", events, there, failed)


# ---------------------------------------------------------------- logins


@pytest.fixture
def let_time_pass(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Let the wallet's clocks jump."""
    passed = 0.0
    wall, elapsed, sleep = Clock.__init__.__defaults__ or ()
    clocks = (lambda: wall() + passed, lambda: elapsed() + passed, sleep)
    monkeypatch.setattr(Clock.__init__, "__defaults__", clocks)  # of wallets that are made from now on

    def jump(seconds: float) -> None:
        nonlocal passed
        passed += seconds

    return jump


@pytest.fixture
def archive_with_logins(server: Server) -> Callable[..., requests.Session]:
    """A loopback archive with a login whose tokens live for an hour.

    The password is another one in each test: a process remembers which were rejected.
    """
    domain = vo_auth.Domain(f"{server.base}/data")
    flow = LoginRequest(
        url=f"{server.base}/login",
        fields={"user": "username", "pass": "password"},
        answer="text",
        present="bearer",
        rejected=(403,),
        life=3600.0,
    )
    archive = vo_auth.Archive(name="loop", title="Loop Archive", domains=(domain,), flows=(flow,))
    registry = Registry(archives=[archive])

    def make() -> requests.Session:
        return vo_auth.AuthSession(
            url=f"{server.base}/data", registry=registry, username="anna", password=f"obviously-fake-{server.port}"
        )

    return make


def test_a_rejected_password_stops_everything_after_one_login(
    server: Server, fetch: Fetch, archive_with_logins: Callable[..., requests.Session], tmp_path: Path
) -> None:
    server.add("/login", status=403)
    urls = [server.add(f"/data/{number}.fits") for number in range(20)]
    there, failed = fetch(*urls, session=archive_with_logins())
    assert there == []
    assert len(failed) == 20
    assert all("did not accept" in one.reason for one in failed)
    assert [request.path for request in server.received] == ["/login"]
    assert finished(tmp_path / "to") == {}


def test_a_password_that_is_rejected_on_the_way_stops_what_is_under_way(
    server: Server,
    fetch: Fetch,
    archive_with_logins: Callable[..., requests.Session],
    let_time_pass: Callable[[float], None],
) -> None:
    """The second login is refused: the slow file that is under way is cut, and the rest is not tried."""
    logins = iter([Page(data=b"obviously-fake-1", content_type="text/plain", etag="")])
    server.add("/login", before=lambda _: next(logins, Page(status=403)))
    slow = server.add("/data/slow.fits", data=BIG, drip=0.05)
    ended = server.add("/data/ended.fits", before=lambda _: let_time_pass(4000))
    rest = [server.add(f"/data/{number}.fits") for number in range(10)]
    there, failed = fetch(slow, ended, *rest, session=archive_with_logins(), workers=2)
    assert [one.path.name for one in there] == ["ended.fits"]
    assert len(failed) == 11
    assert {type(one.error) for one in failed} == {CredentialsRejectedError}
    assert len(server.asked("/login")) == 2
    assert [request.path for request in server.received].count("/data/0.fits") == 0


def test_a_permit_that_ends_in_the_middle_is_renewed_and_the_file_goes_on(
    server: Server,
    fetch: Fetch,
    archive_with_logins: Callable[..., requests.Session],
    let_time_pass: Callable[[float], None],
    tmp_path: Path,
) -> None:
    count = 0

    def log_in(_: Request) -> Page:
        nonlocal count
        count += 1
        return Page(data=f"obviously-fake-{count}".encode(), content_type="text/plain", etag="")

    def data(request: Request) -> Page:
        """Take the newest token alone, and break off when the first one has ended."""
        if request["Authorization"] != f"Bearer obviously-fake-{count}":
            return Page(status=401)
        if count == 1:
            let_time_pass(4000)  # longer than the token lives
            return Page(data=BIG, cuts=[600_000])
        return Page(data=BIG)

    server.add("/login", before=log_in)
    url = server.add("/data/x.fits", before=data)
    session = archive_with_logins()
    there, failed = fetch(url, session=session)
    assert failed == []
    assert finished(tmp_path / "to") == {"x.fits": BIG}
    assert count == 2
    last = server.asked("/data/x.fits")[-1]
    assert (last["Range"] != "", last["Authorization"]) == (True, "Bearer obviously-fake-2")
    assert json.loads((tmp_path / "to" / JOURNAL).read_text().splitlines()[-1])["identity"] == there[0].identity
