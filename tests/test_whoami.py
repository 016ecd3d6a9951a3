"""For whom an archive takes the user: what it says is passed on, and what it does not say is not guessed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
import requests
from aiohttp import web

import vo_auth
from vo_auth import Archive, Domain
from vo_auth.archive import Answer, Verdict, WhoAmI, judge_status
from vo_auth.errors import (
    CredentialsNotFoundError,
    IdentityUnknownError,
    InsecureUrlError,
    PluginNotInstalledError,
    RefusedWarning,
)
from vo_auth.flows import LoginRequest
from vo_auth.sandbox import Bench, Sandbox, StandIn
from vo_auth.sandbox.faults import Fault

HOST, OTHER, ELSEWHERE = "data.alpha.example", "meta.alpha.example", "elsewhere.example"
URL = f"https://{HOST}/tap/capabilities"
PEOPLE = {"demo-pi": "obviously-fake-pi", "demo-colleague": "obviously-fake-colleague"}
Reply = Callable[[web.Request, str], "web.Response | None"]

ALPHA = Archive(
    name="alpha",
    title="Archive Alpha",
    domains=(Domain(f"https://{HOST}", anonymous=("public",)), Domain(f"https://{OTHER}")),
    flows=(LoginRequest(url=f"https://{HOST}/login", life=3600),),
)


def read(answer: Answer) -> str:
    """Read the tests' own place: a name, ``-`` for nobody."""
    if answer.status != 200:
        raise ValueError("no answer")
    return answer.peek(100).decode().strip("-")


PLACE = replace(ALPHA, whoami=WhoAmI(path="/whoami", read=read))


@dataclass(slots=True)
class Stage:
    """An archive whose service answers as a test says; by itself it names the user in the header."""

    sandbox: Sandbox
    replies: dict[str, Reply] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)

    def app(self, bench: Bench) -> web.Application:
        async def log_in(request: web.Request) -> web.Response:
            form = await request.post()
            user = str(form["username"])
            if PEOPLE.get(user) != form["password"]:
                return web.Response(status=401)
            token = f"obviously-fake-token-{bench.count('logins')}"
            self.tokens[token] = user
            return web.Response(text=token)

        async def answer(request: web.Request) -> web.Response:
            user = self.tokens.get(request.headers.get("Authorization", "").removeprefix("Bearer "), "")
            reply = self.replies.get(request.path) or self.replies.get(f"{request.host}{request.path}")
            odd = reply(request, user) if reply else None
            if odd is not None:
                return odd
            if request.path == "/whoami":
                return web.Response(status=404)
            return web.Response(text="data", headers={"X-VO-Authenticated": user} if user else {})

        application = web.Application()
        application.router.add_post("/login", log_in)
        application.router.add_get("/{tail:.*}", answer)
        return application

    def asked(self, host: str = HOST) -> list[str]:
        return [entry.path for entry in self.sandbox.received.at(host) if entry.method == "GET"]


@pytest.fixture
def archive() -> Archive:
    return ALPHA


@pytest.fixture
def stage(archive: Archive, install: Callable[..., None]) -> Iterator[Stage]:
    install(archive)
    made: Any = Stage(sandbox=None)  # type: ignore[arg-type]  # in a moment
    credentials = {user: {"username": user, "password": password} for user, password in PEOPLE.items()}
    alpha = StandIn(archive="alpha", hosts=(HOST, OTHER), credentials=credentials, app=made.app)
    other = StandIn(archive="elsewhere", hosts=(ELSEWHERE,), credentials={}, app=lambda _: web.Application())
    with Sandbox(standins=[], extra=[alpha, other]) as made.sandbox, made.sandbox.activated():
        yield made


def with_archive(archive: Archive) -> Any:
    return pytest.mark.parametrize("archive", [archive], ids=["place" if archive.whoami else "other"])


def says(text: str) -> Reply:
    return lambda request, user: web.Response(text=text)


# -------------------------------------------------------------------- by the header of any answer


def test_the_name_is_the_one_that_the_service_says(stage: Stage) -> None:
    identity = vo_auth.whoami(URL)
    assert identity is not None
    assert (identity.archive, identity.account, identity.user) == ("alpha", "demo-pi", "demo-pi")
    assert identity.expires is not None
    assert identity.expires == vo_auth.status()[0].expires


def test_the_services_own_word_counts_not_the_name_of_the_login(stage: Stage) -> None:
    stage.replies["/tap/capabilities"] = lambda *_: web.Response(headers={"x-vo-authenticated": " CN=Demo PI "})
    identity = vo_auth.whoami(URL)
    assert identity is not None
    assert (identity.account, identity.user) == ("demo-pi", "CN=Demo PI")


def test_each_account_has_its_own_name(stage: Stage) -> None:
    vo_auth.login("alpha", account="team", username="demo-colleague", password=PEOPLE["demo-colleague"])
    identity = vo_auth.whoami(URL, account="team")
    assert identity is not None
    assert (identity.account, identity.user) == ("team", "demo-colleague")


def raw(head: bytes) -> Reply:
    def reply(request: web.Request, _: str) -> web.Response:
        assert request.transport is not None
        request.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n" + head + b"\r\n\r\n")
        request.transport.close()
        return web.Response()

    return reply


def test_a_name_cannot_write_on_a_terminal(stage: Stage) -> None:
    stage.replies["/tap/capabilities"] = raw(b"X-VO-Authenticated: \x1b[31mdemo\x9b2J-pi")
    identity = vo_auth.whoami(URL)
    assert identity is not None
    assert identity.user == "demo-pi"


def test_a_name_that_is_none_is_not_nobody(stage: Stage) -> None:
    stage.replies["/tap/capabilities"] = raw(b"X-VO-Authenticated: \x1b[31m")
    with pytest.raises(IdentityUnknownError):
        vo_auth.whoami(URL)


def test_the_body_is_not_read(stage: Stage) -> None:
    def reply(request: web.Request, user: str) -> web.Response:
        assert request.transport is not None
        request.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\nX-VO-Authenticated: demo\r\n\r\n")
        return web.Response()  # swallowed: the client waits for a body that does not come, or has gone

    stage.replies["/tap/capabilities"] = reply
    assert vo_auth.whoami(URL) is not None


@pytest.mark.parametrize(
    ("reply", "says"),
    [
        (web.Response, "sends no X-VO-Authenticated (status 200)"),
        (lambda: web.Response(headers={"WWW-Authenticate": "ivoa_bearer"}), "(status 200, and offers a login)"),
        (lambda: web.Response(headers={"X-VO-Authenticated": " "}), "sends no X-VO-Authenticated"),
        (lambda: web.Response(status=404), "sends no X-VO-Authenticated (status 404)"),
        (lambda: web.Response(status=302, headers={"Location": f"https://{ELSEWHERE}/x"}), "leads out of the archive"),
    ],
)
def test_an_answer_without_the_header_tells_nothing(stage: Stage, reply: Any, says: str) -> None:
    stage.replies["/tap/capabilities"] = lambda *_: reply()
    with pytest.raises(IdentityUnknownError) as caught:
        vo_auth.whoami(URL)
    assert says in str(caught.value)
    assert "the permit is a token that names no issuer" in str(caught.value)
    assert stage.sandbox.received.at(ELSEWHERE) == []


def test_a_redirect_inside_the_archive_is_followed(stage: Stage) -> None:
    location = {"Location": f"https://{OTHER}/mirror"}
    stage.replies["/tap/capabilities"] = lambda *_: web.Response(status=307, headers=location)
    assert vo_auth.whoami(URL) is not None
    assert stage.asked(OTHER) == ["/mirror"]


def test_a_permit_that_is_refused_is_an_error_not_nobody(stage: Stage) -> None:
    stage.replies["/tap/capabilities"] = lambda *_: web.Response(status=401, headers={"WWW-Authenticate": "Bearer"})
    with (
        pytest.warns(RefusedWarning),
        pytest.raises(IdentityUnknownError, match=r"refuses the permit, or its owner, with status 401: run `vo-auth"),
    ):
        vo_auth.whoami(URL)


def anonymously(answer: Answer) -> Verdict:
    return Verdict.ANONYMOUS if answer.status == 203 else judge_status(answer)


@with_archive(replace(ALPHA, judge=anonymously))
def test_an_archive_that_is_known_to_say_so_takes_the_user_for_nobody(stage: Stage) -> None:
    stage.replies["/tap/capabilities"] = lambda *_: web.Response(status=203)
    with pytest.warns(RefusedWarning, match="as if there were none"):
        assert vo_auth.whoami(URL) is None


# -------------------------------------------------------------------- by the archive's own place


@with_archive(PLACE)
@pytest.mark.parametrize("name", ["alpha", URL])
def test_the_archives_own_place_comes_first(stage: Stage, name: str) -> None:
    stage.replies["/whoami"] = says("demo@alpha.example")
    identity = vo_auth.whoami(name)
    assert identity is not None
    assert (identity.user, identity.account) == ("demo@alpha.example", "demo-pi")
    assert stage.asked() == ["/whoami"]


@with_archive(PLACE)
def test_it_may_say_that_it_knows_nobody(stage: Stage) -> None:
    stage.replies["/whoami"] = says("-")
    assert vo_auth.whoami(URL) is None
    assert stage.asked() == ["/whoami"]


@with_archive(PLACE)
def test_it_is_asked_at_the_urls_own_host_then_at_the_others(stage: Stage) -> None:
    stage.replies[f"{HOST}/whoami"] = says("demo-at-data")
    identity = vo_auth.whoami(f"https://{OTHER}/tap")
    assert identity is not None
    assert identity.user == "demo-at-data"
    assert (stage.asked(OTHER), stage.asked()) == (["/whoami"], ["/whoami"])


@with_archive(replace(PLACE, domains=(Domain(f"https://{HOST}/tap"), Domain(f"https://{OTHER}", realm="other"))))
def test_it_is_asked_only_where_this_permit_goes(stage: Stage) -> None:
    stage.replies["/whoami"] = says("demo-of-another-login")
    identity = vo_auth.whoami(URL)
    assert identity is not None
    assert identity.user == "demo-pi"
    assert (stage.asked(), stage.asked(OTHER)) == (["/tap/capabilities"], [])


@with_archive(PLACE)
@pytest.mark.parametrize("how", ["status", "connection"])
def test_where_it_does_not_tell_the_service_is_asked(stage: Stage, how: str) -> None:
    if how == "connection":
        stage.sandbox.bench("alpha").knobs["fail_on"] = [Fault(path_regex="/whoami", drop=True, times=None)]
    identity = vo_auth.whoami(URL)
    assert identity is not None
    assert identity.user == "demo-pi"
    assert stage.asked()[-1] == "/tap/capabilities"


@with_archive(PLACE)
def test_a_redirect_of_it_is_an_answer_and_not_followed(stage: Stage) -> None:
    stage.replies["/whoami"] = lambda *_: web.Response(status=302, headers={"Location": f"https://{ELSEWHERE}/x"})
    with pytest.raises(IdentityUnknownError, match=r"/whoami answers something else \(status 302\)"):
        vo_auth.whoami("alpha")
    assert stage.sandbox.received.at(ELSEWHERE) == []


# -------------------------------------------------------------------- nobody to ask, nothing to ask with


def test_a_name_alone_is_not_enough_where_only_a_service_can_tell(stage: Stage) -> None:
    with pytest.raises(IdentityUnknownError, match="Give the URL of a service that does"):
        vo_auth.whoami("alpha")
    assert stage.asked() == []


def test_an_anonymous_block_is_nobody_and_asks_nobody(stage: Stage) -> None:
    with vo_auth.anonymous():
        assert vo_auth.whoami(URL) is None
    assert len(stage.sandbox.received) == 0


def test_without_credentials_nothing_is_asked(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("USERNAME", "PASSWORD"):
        monkeypatch.delenv(f"VO_AUTH_ALPHA_{name}")
    with pytest.raises(CredentialsNotFoundError):
        vo_auth.whoami(URL, interactive=False)
    assert len(stage.sandbox.received) == 0


@pytest.mark.parametrize("url", [f"https://{ELSEWHERE}/tap", f"https://{HOST}/public/tap"])
def test_what_is_no_archives_is_not_asked(stage: Stage, url: str) -> None:
    with pytest.raises(PluginNotInstalledError):
        vo_auth.whoami(url)
    assert len(stage.sandbox.received) == 0


def test_plain_http_is_not_asked(stage: Stage) -> None:
    with pytest.raises(InsecureUrlError):
        vo_auth.whoami(f"http://{HOST}/tap")
    assert stage.asked() == []


def test_a_network_that_fails_is_not_nobody(stage: Stage) -> None:
    stage.sandbox.bench("alpha").knobs["fail_on"] = [Fault(path_regex="/tap", drop=True, times=None)]
    with pytest.raises(requests.ConnectionError):
        vo_auth.whoami(URL)


# -------------------------------------------------------------------- a real archive's stand-in


def test_icos_says_whose_cookie_it_is(vo_auth_sandbox: Sandbox) -> None:
    from vo_auth_icos.standin import ICOS_STANDIN

    user = next(iter(ICOS_STANDIN.credentials.values()))["username"]
    for name in ("icos", "https://data.icos-cp.eu/objects/x"):
        identity = vo_auth.whoami(name)
        assert identity is not None
        assert (identity.archive, identity.user) == ("icos", user)
    asked = vo_auth_sandbox.received.at("data.icos-cp.eu")
    assert [entry.path for entry in asked] == ["/whoami", "/whoami"]


def test_icos_takes_a_dead_cookie_for_nobody(vo_auth_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("USERNAME", "PASSWORD"):
        monkeypatch.delenv(f"VO_AUTH_ICOS_{name}")
    monkeypatch.setenv("VO_AUTH_ICOS_COOKIE", "cpauthToken=b2J2aW91c2x5LWZha2U=")
    assert vo_auth.whoami("icos", interactive=False) is None
