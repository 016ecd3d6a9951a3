"""Invariant 3 and what answers mean: a failure never becomes an anonymous request, nothing hangs, no body is harmed."""

from __future__ import annotations

import gzip
import io
import threading
import time

import pytest
import requests
from requests.adapters import HTTPAdapter

import vo_auth
from vo_auth.archive import Verdict, judge_status
from vo_auth.errors import (
    AnonymousWarning,
    BodyNotReplayableError,
    CredentialsNotFoundError,
    LicenceRequiredError,
    LoginAnswerError,
    LoginPageError,
    PermitExpiredError,
    PermitLifeError,
    RefusedWarning,
)

# ------------------------------------------------------------------ the permit is valid, or the call raises


def test_an_expired_permit_is_renewed_before_the_request_leaves(net) -> None:
    archive = net.server()
    declared, mint, wallet = net.minted(archive.url)
    session = net.session(declared, wallet=wallet)
    session.get(f"{archive.url}/1")
    mint.time.passed += 7200
    session.get(f"{archive.url}/2")
    assert [seen.authorization for seen in archive.received] == ["Bearer fake-minted-1", "Bearer fake-minted-2"]


def test_an_expired_permit_that_nothing_renews_never_becomes_an_anonymous_request(net, monkeypatch) -> None:
    archive = net.server()
    declared, mint, wallet = net.minted(archive.url)
    for required in (True, False):
        session = net.session(declared, wallet=wallet, required=required)
        session.get(f"{archive.url}/1")
        archive.received.clear()
        mint.time.passed += 7200
        with monkeypatch.context() as patch:
            patch.setattr(type(mint), "login", _fails)
            with pytest.raises(PermitExpiredError):
                session.get(f"{archive.url}/2")
        assert archive.received == []


def _fails(self, ctx):
    raise PermitExpiredError("the permit has ended, and nothing renews it")


def test_no_credentials_for_the_named_archive_raise_before_anything_is_sent(net) -> None:
    archive = net.server()
    session = net.session(net.archive(archive.url), wallet=net.wallet())
    with pytest.raises(CredentialsNotFoundError):
        session.get(f"{archive.url}/x")
    assert archive.received == []


def test_no_credentials_and_not_required_goes_anonymously_with_one_warning(net) -> None:
    archive = net.server()
    session = net.session(net.archive(archive.url), wallet=net.wallet(), required=False)
    with pytest.warns(AnonymousWarning) as caught:
        assert [session.get(f"{archive.url}/x").ok for _ in range(3)] == [True] * 3
    assert len(caught) == 1
    assert [seen.authorization for seen in archive.received] == [""] * 3


def test_required_prompts_and_min_life_are_for_the_named_archive_alone(net) -> None:
    named, other = net.server(), net.server()
    declared, _, wallet = net.minted(named.url)
    beta, beta_mint, _ = net.minted(other.url, name="beta", life=600.0)
    session = net.session(declared, beta, wallet=wallet, min_life="30min", account=None)
    session.get(f"{named.url}/x")
    session.get(f"{other.url}/x")  # lives for ten minutes, and that will do
    assert other.received[0].authorization == "Bearer fake-minted-1"
    with pytest.raises(PermitLifeError):
        net.session(beta, wallet=net.wallet({"username": "demo", "password": "obviously-fake"}), min_life="30min").get(
            f"{other.url}/x"
        )
    assert len(other.received) == 1
    assert beta_mint.logins


def test_an_archive_met_on_the_way_without_credentials_gets_an_anonymous_request(net) -> None:
    named, other = net.server(), net.server()
    session = net.session(net.archive(named.url), net.archive(other.url, name="beta"))
    with pytest.warns(AnonymousWarning) as caught:
        assert [session.get(f"{other.url}/x").ok for _ in range(2)] == [True] * 2
    assert len(caught) == 1
    assert [seen.authorization for seen in other.received] == ["", ""]


def silent_archive(net, reply, seconds_on_the_way, *, method_of=None):
    archive = net.server()
    declared, mint, wallet = net.minted(archive.url, silent=True)
    delays = iter([seconds_on_the_way])

    def rows(seen):
        mint.time.passed += next(delays, 0)  # the permit may end while the request is on the way
        return reply(200, (("Set-Cookie", f"sid={len(archive.received)}; Path=/"),), b"all rows")

    archive.replies["*"] = rows
    return archive, mint, net.session(declared, wallet=wallet)


def test_a_permit_that_ends_on_the_way_to_a_silent_archive_is_renewed_and_the_request_sent_once_more(
    net, reply
) -> None:
    archive, mint, session = silent_archive(net, reply, 7200)
    assert session.get(f"{archive.url}/tap").text == "all rows"
    assert [seen.authorization for seen in archive.received] == ["Bearer fake-minted-1", "Bearer fake-minted-2"]
    assert len(mint.logins) == 2


def test_a_silent_archive_is_not_asked_twice_while_the_permit_holds(net, reply) -> None:
    archive, _, session = silent_archive(net, reply, 60)
    session.get(f"{archive.url}/tap")
    assert len(archive.received) == 1


def test_an_answer_for_everybody_to_a_good_permit_is_said(net, reply) -> None:
    archive = net.server()
    declared = net.archive(
        archive.url, judge=lambda answer: Verdict.ANONYMOUS if "X-Anon" in answer.headers else Verdict.OK
    )
    archive.replies["*"] = reply(200, (("X-Anon", "1"),))
    with pytest.warns(RefusedWarning, match="as if there were none"):
        net.session(declared).get(f"{archive.url}/x")


def test_a_refusal_of_a_fresh_permit_is_said_once_and_passed_on(net, reply) -> None:
    """A8: with archive and account, without another login."""
    archive = net.server()
    archive.replies["*"] = reply(401, (("WWW-Authenticate", "Bearer"),), b"no right")
    declared, mint, wallet = net.minted(archive.url)
    session = net.session(declared, wallet=wallet)
    with pytest.warns(RefusedWarning, match=r"Archive Alpha.*'demo'") as caught:
        answers = [session.get(f"{archive.url}/{number}") for number in range(3)]
    assert len(caught) == 1
    assert [(answer.status_code, answer.text) for answer in answers] == [(401, "no right")] * 3
    assert len(archive.received) == 3
    assert len(mint.logins) == 1


def test_a_refusal_of_an_old_permit_costs_one_login_and_one_more_request(net, reply) -> None:
    archive = net.server()
    declared, mint, wallet = net.minted(archive.url)
    session = net.session(declared, wallet=wallet)
    session.get(f"{archive.url}/ok")
    mint.time.passed += 600
    archive.replies["*"] = lambda seen: reply(401 if seen.authorization == "Bearer fake-minted-1" else 200)
    assert session.get(f"{archive.url}/x").status_code == 200
    assert len(archive.received) == 3
    assert len(mint.logins) == 2


def test_a_challenge_on_a_good_answer_and_the_authenticated_header_change_nothing(net, reply) -> None:
    """A7."""
    archive = net.server()
    archive.replies["*"] = reply(200, (("WWW-Authenticate", "Bearer"), ("X-VO-Authenticated", "mallory")))
    declared, mint, wallet = net.minted(archive.url)
    net.session(declared, wallet=wallet).get(f"{archive.url}/x")
    assert len(archive.received) == len(mint.logins) == 1


# ------------------------------------------------------------------ bodies


class Sent:
    """A session whose permit is refused at the next request, and renewed."""

    def __init__(self, net, reply) -> None:
        self.server = net.server()
        declared, self.mint, wallet = net.minted(self.server.url)
        self.session = net.session(declared, wallet=wallet)
        self.session.get(f"{self.server.url}/ok")
        self.mint.time.passed += 600
        self.server.replies["*"] = lambda seen: reply(401 if seen.authorization == "Bearer fake-minted-1" else 200)

    def post(self, data):
        return self.session.post(f"{self.server.url}/x", data=data)

    @property
    def bodies(self):
        return [seen.body for seen in self.server.received[1:]]


def from_the_middle():
    file = io.BytesIO(b"skipped, the whole body")
    file.seek(len(b"skipped, "))
    return file


BODIES = {
    "bytes": lambda: b"the whole body",
    "text": lambda: "the whole body",
    "file": lambda: io.BytesIO(b"the whole body"),
    "file from the middle": from_the_middle,
    "bytearray": lambda: bytearray(b"the whole body"),
}


@pytest.mark.parametrize("make", BODIES.values(), ids=BODIES.keys())
def test_a_body_that_can_be_sent_again_is_sent_again_whole(net, reply, make) -> None:
    sent = Sent(net, reply)
    assert sent.post(make()).status_code == 200
    assert sent.bodies == [b"the whole body"] * 2


def test_a_body_that_cannot_be_sent_twice_raises(net, reply) -> None:
    sent = Sent(net, reply)
    with pytest.raises(BodyNotReplayableError) as caught:
        sent.post(iter([b"the whole ", b"body"]))
    assert sent.bodies == [b"the whole body"]
    assert caught.value.request.headers.get("Authorization") is None


@pytest.mark.parametrize("size", [10, 64_000, 64 * 1024 + 1, 3_000_000])
@pytest.mark.parametrize("chunked", [False, True])
def test_a_blocking_pool_does_not_hang_on_refused_answers(net, reply, size, chunked) -> None:
    sent = Sent(net, reply)
    body = b"x" * size
    refused = reply(401, (), b"" if chunked else body, (body,) if chunked else ())
    sent.server.replies["*"] = lambda seen: refused if seen.authorization == "Bearer fake-minted-1" else reply(200)
    adapter = HTTPAdapter(pool_connections=1, pool_maxsize=1, pool_block=True)
    sent.session.mount("http://", adapter)
    for _ in range(2):
        assert sent.session.get(f"{sent.server.url}/x", timeout=5).status_code == 200
    connections = [seen.connection for seen in sent.server.received[1:3]]
    assert (connections[0] == connections[1]) == (size <= 64 * 1024), "small answers are read, large ones closed"


def test_a_blocking_pool_does_not_hang_after_a_renewal_that_failed(net, reply, monkeypatch) -> None:
    sent = Sent(net, reply)
    sent.session.mount("http://", HTTPAdapter(pool_connections=1, pool_maxsize=1, pool_block=True))
    with monkeypatch.context() as patch:
        patch.setattr(type(sent.mint), "login", _answers_nonsense)
        with pytest.raises(LoginAnswerError) as caught:
            sent.session.get(f"{sent.server.url}/x")
    answers: list[int] = []
    again = threading.Thread(
        target=lambda: answers.append(sent.session.get(f"{sent.server.url}/x").status_code), daemon=True
    )
    again.start()
    again.join(5)
    assert answers == [200], caught.value


def _answers_nonsense(self, ctx):
    raise LoginAnswerError("the login answers nonsense")


# ------------------------------------------------------------------ login and licence pages


MARKER = b"<form action='/sso/login'>"


def judge(answer):
    if "/sso/" in answer.location:
        return Verdict.LOGIN_PAGE
    if "/licence/" in answer.location:
        return Verdict.LICENCE
    if answer.status == 200 and answer.headers.get("Content-Type", "").startswith("text/html"):
        return Verdict.LOGIN_PAGE if b"/sso/login" in answer.peek(4096) else Verdict.OK
    return judge_status(answer)


HTML = ("Content-Type", "text/html; charset=utf-8")
START = b"<!DOCTYPE html>\n<html><body>" + b" " * 900
PAGE = START + MARKER + b"</body></html>" + b"." * 5000
HARMLESS = START + "<p>Examples of queries, ü</p>".encode() + b"." * 200_000


def forms(reply, body: bytes):
    """The same page in each way in which a server may send it."""
    packed = gzip.compress(body)
    small = tuple(body[at : at + 700] for at in range(0, min(len(body), 7000), 700)) + (body[7000:],) * (
        len(body) > 7000
    )

    def in_pieces(handler) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: %d\r\n" % len(body))
        handler.wfile.write(b"Connection: close\r\n\r\n")
        for piece in (body[:1], body[1:30], body[30:]):
            handler.wfile.write(piece)
            handler.wfile.flush()
            time.sleep(0.01)  # each piece is a packet of its own

    def until_close(handler) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\n\r\n" + body)

    return {
        "plain": reply(200, (HTML,), body),
        "gzip": reply(200, (HTML, ("Content-Encoding", "gzip")), packed),
        "chunked": reply(200, (HTML,), b"", (body,)),
        "small chunks": reply(200, (HTML,), b"", small),
        "gzip in chunks": reply(200, (HTML, ("Content-Encoding", "gzip")), b"", (packed[:20], packed[20:])),
        "in packets": reply(raw=in_pieces),
        "until the connection closes": reply(raw=until_close),
    }


FORMS = tuple(forms(lambda *args, **kwargs: None, b"x"))


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("form", FORMS)
def test_a_login_page_is_recognised_by_its_first_bytes(net, reply, form, stream) -> None:
    archive = net.server()
    archive.replies["*"] = forms(reply, PAGE)[form]
    with pytest.raises(LoginPageError, match="login page where data was due"):
        net.session(net.archive(archive.url, judge=judge)).get(f"{archive.url}/x", stream=stream)


READERS = {
    "content": lambda response: response.content,
    "iter_content": lambda response: b"".join(response.iter_content(333)),
    "iter_content as it comes": lambda response: b"".join(response.iter_content(None)),
    "raw.read": lambda response: response.raw.read(decode_content=True),
    "raw.read in parts": lambda response: b"".join(iter(lambda: response.raw.read(1000, decode_content=True), b"")),
    "raw.stream": lambda response: b"".join(response.raw.stream(1000, decode_content=True)),
    "lines": lambda response: b"\n".join(response.iter_lines(delimiter=b"\n")),
    "file": lambda response: io.BufferedReader(decoding(response.raw)).read(),
}


def decoding(raw):
    raw.decode_content = True
    return raw


@pytest.mark.parametrize("read", READERS.values(), ids=READERS.keys())
@pytest.mark.parametrize("form", FORMS)
def test_the_body_of_other_html_is_whole_after_the_look(net, reply, form, read) -> None:
    """text/html alone says nothing: /examples, night logs and portal pages pass."""
    archive = net.server()
    archive.replies["/html"] = forms(reply, HARMLESS)[form]
    session = net.session(net.archive(archive.url, judge=judge))
    with session.get(f"{archive.url}/html", stream=True) as response:
        assert read(response) == HARMLESS
    assert session.get(f"{archive.url}/next").text == "data"


def test_a_connection_is_used_again_after_a_look(net, reply) -> None:
    archive = net.server()
    archive.replies["*"] = reply(200, (HTML,), b"<p>small</p>")
    session = net.session(net.archive(archive.url, judge=judge))
    for _ in range(3):
        assert session.get(f"{archive.url}/x").text == "<p>small</p>"
    assert len({seen.connection for seen in archive.received}) == 1


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_look_at_no_body_does_not_wait_for_one(net, reply, method) -> None:
    archive = net.server()
    archive.replies["*"] = reply(200, (HTML,), b"" if method == "GET" else PAGE)
    session = net.session(net.archive(archive.url, judge=judge))
    started = time.monotonic()
    assert session.request(method, f"{archive.url}/x", timeout=10).ok
    assert time.monotonic() - started < 5


def test_a_body_that_breaks_during_the_look_breaks_when_it_is_read(net, reply) -> None:
    def broken(handler) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 900\r\n\r\n<p>half")

    archive = net.server()
    archive.replies["*"] = reply(raw=broken)
    response = net.session(net.archive(archive.url, judge=judge)).get(f"{archive.url}/x", stream=True)
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        assert response.content


def test_a_redirect_to_a_login_page_is_an_error_and_nobody_is_asked_there(net, redirected) -> None:
    archive, login = net.server(), net.server()
    archive.replies["*"] = redirected(f"{login.url}/sso/login?service=x")
    session = net.session(net.archive(archive.url, judge=judge))
    with pytest.raises(LoginPageError, match="Archive Alpha"):
        session.get(f"{archive.url}/x")
    with vo_auth.anonymous(), pytest.raises(LoginPageError, match="anonymous"):
        session.get(f"{archive.url}/x")
    assert login.received == []


def test_a_login_page_for_the_anonymous_raises_as_well(net, reply) -> None:
    archive = net.server()
    archive.replies["*"] = reply(200, (HTML,), PAGE)
    session = net.session(net.archive(archive.url, judge=judge), wallet=net.wallet(), required=False)
    with pytest.warns(AnonymousWarning), pytest.raises(LoginPageError):
        session.get(f"{archive.url}/x")


def test_a_licence_page_is_an_error_of_its_own(net, redirected) -> None:
    archive = net.server()
    archive.replies["/x"] = redirected("/licence/accept")
    with pytest.raises(LicenceRequiredError, match="licence"):
        net.session(net.archive(archive.url, judge=judge)).get(f"{archive.url}/x")
    assert len(archive.received) == 1


def test_a_redirect_to_nonsense_is_judged_without_harm(net, redirected) -> None:
    archive = net.server()
    archive.replies["*"] = redirected("http://[nonsense/")
    session = net.session(net.archive(archive.url, judge=judge))
    request = requests.Request("GET", f"{archive.url}/x").prepare()
    assert session.get_adapter(archive.url).send(request).status_code == 302  # requests itself raises, further up


# ------------------------------------------------------------------ one session, many threads


def test_threads_share_a_session_and_one_login(net) -> None:
    archive = net.server()
    declared, mint, wallet = net.minted(archive.url)
    session = net.session(declared, wallet=wallet)
    session.mount("http://", HTTPAdapter(pool_maxsize=16))
    start = threading.Barrier(16)
    failures: list[BaseException] = []

    def work() -> None:
        try:
            start.wait(10)
            for _ in range(5):
                session.get(f"{archive.url}/x")
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert failures == []
    assert len(mint.logins) == 1
    assert {seen.authorization for seen in archive.received} == {"Bearer fake-minted-1"}
    assert len(archive.received) == 80
