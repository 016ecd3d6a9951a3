"""The listener for the browser that comes back: deaf to everything else, and gone in every case."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.client import HTTPException
from typing import Any

import pytest
from authority import fetch

from vo_auth.errors import LoginError
from vo_auth.flows._redirect import read_answer
from vo_auth.flows.loopback import Loopback

STATE = "state-fake-" + "x" * 32


@pytest.fixture
def loopback() -> Iterator[Loopback]:
    with Loopback(title="An Example Archive", state=STATE, path="/example/abc", grace=0) as here:
        yield here


@pytest.fixture
def good(loopback: Loopback) -> str:
    return f"{loopback.redirect_uri}?code=code-fake&state={STATE}"


def port_of(loopback: Loopback) -> int:
    return int(loopback.redirect_uri.split(":")[2].split("/")[0])


def test_the_address_with_the_right_state_arrives_whole(loopback: Loopback, good: str) -> None:
    assert loopback.arrived(0) is None
    answer = fetch(good)
    assert loopback.arrived(5) == good
    assert answer.status == 303
    assert answer.headers["Location"].startswith("/")
    assert "code-fake" not in answer.headers["Location"] + answer.body
    assert STATE not in answer.headers["Location"] + answer.body


def test_it_listens_on_this_machine_alone(loopback: Loopback) -> None:
    assert loopback._server.socket.getsockname()[0] == "127.0.0.1"
    with pytest.raises(OSError, match=r"refused|unreachable|assign"), socket.socket(socket.AF_INET6) as other:
        other.connect(("::1", port_of(loopback)))


def test_each_listener_has_a_port_of_its_own() -> None:
    with (
        Loopback(title="A", state=STATE, path="/a") as one,
        Loopback(title="B", state=STATE, path="/a") as two,
    ):
        assert one.redirect_uri != two.redirect_uri


def test_a_port_that_is_taken_is_not_shared(free_port: int) -> None:
    with (
        Loopback(title="A", state=STATE, path="/a", port=free_port),
        pytest.raises(LoginError, match=f"port {free_port} of this machine is taken.*redirect_port"),
    ):
        Loopback(title="B", state=STATE, path="/a", port=free_port)


WRONG_HOSTS = ["evil.example.org", "localhost:{port}", "127.0.0.1", "127.0.0.1:1", "127.0.0.1:{port}.example", ""]


@pytest.mark.parametrize("host", WRONG_HOSTS)
def test_a_name_that_leads_here_is_not_answered(host: str, loopback: Loopback, good: str) -> None:
    answer = fetch(good, headers={"Host": host.format(port=port_of(loopback))})
    assert answer.status == 421
    assert loopback.arrived(0) is None


def test_two_hosts_or_none_are_not_answered(loopback: Loopback) -> None:
    port = port_of(loopback)
    target = f"/example/abc?code=code-fake&state={STATE}"
    for head in (f"Host: 127.0.0.1:{port}\r\nHost: evil.example", "X: y"):
        assert b" 421 " in raw(port, f"GET {target} HTTP/1.1\r\n{head}\r\n\r\n".encode())
    assert b"421" in raw(port, f"GET {target} HTTP/1.0\r\n\r\n".encode())
    raw(port, f"GET {target}\r\n".encode())  # HTTP/0.9
    assert loopback.arrived(0) is None


def raw(port: int, data: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        received = b""
        try:
            while piece := connection.recv(65536):
                received += piece
        except ConnectionError:  # closed with our bytes unread
            pass
        return received


@pytest.mark.parametrize("method", ["POST", "HEAD", "PUT", "OPTIONS", "CONNECT", "TRACE", "get"])
def test_another_method_is_not_answered(method: str, loopback: Loopback, good: str) -> None:
    answer = fetch(good, method=method)
    assert answer.status == 405
    assert "code-fake" not in answer.body
    assert loopback.arrived(0) is None


JUNK: dict[str, tuple[str, int]] = {
    "another path": ("/example/abd?code=c&state={state}", 404),
    "the path's beginning": ("/example?code=c&state={state}", 404),
    "more path": ("/example/abc/?code=c&state={state}", 404),
    "an escaped path": ("/example/%61bc?code=c&state={state}", 404),
    "the whole address": ("http://127.0.0.1/example/abc?code=c&state={state}", 404),
    "an icon": ("/favicon.ico", 404),
    "nothing": ("/example/abc", 400),
    "another state": ("/example/abc?code=c&state=other", 400),
    "no state": ("/example/abc?code=c", 400),
    "two states": ("/example/abc?code=c&state={state}&state=other", 400),
    "two codes": ("/example/abc?code=c&code=d&state={state}", 400),
    "neither code nor error": ("/example/abc?state={state}", 400),
    "an empty code": ("/example/abc?code=&state={state}", 400),
    "code and error": ("/example/abc?code=c&error=e&state={state}", 400),
    "not UTF-8": ("/example/abc?code=%ff&state={state}", 400),
    "many fields": ("/example/abc?code=c&state={state}" + "&a=b" * 60, 400),
    "a long one": ("/example/abc?code=c&state={state}&a=" + "b" * 20000, 414),
    "a longer one": ("/example/abc?code=c&state={state}&a=" + "b" * 70000, 414),
}


@pytest.mark.parametrize("case", JUNK)
def test_junk_does_not_end_the_wait_and_is_not_repeated(case: str, loopback: Loopback, good: str) -> None:
    target, status = JUNK[case]
    head = f"Host: 127.0.0.1:{port_of(loopback)}\r\n\r\n"
    answer = raw(port_of(loopback), f"GET {target.format(state=STATE)} HTTP/1.1\r\n{head}".encode())
    assert answer.split()[1] == str(status).encode()
    assert STATE.encode() not in answer
    assert b"<" not in answer
    assert loopback.arrived(0) is None
    fetch(good)
    assert loopback.arrived(5) == good


@pytest.mark.parametrize(
    "data",
    [
        b"\0\1\2\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00",
        b"GET / HTTP/9.9\r\n\r\n",
        b"\r\n",
        b"G" * 70000,
        b"a b c d\r\n",
    ],
)
def test_what_is_not_http_does_no_harm(
    data: bytes, loopback: Loopback, good: str, capsys: pytest.CaptureFixture[str]
) -> None:
    raw(port_of(loopback), data)
    fetch(good)
    assert loopback.arrived(5) == good
    shown = capsys.readouterr()
    assert (shown.out, shown.err) == ("", "")


def test_headers_without_end_are_cut_off(loopback: Loopback) -> None:
    answer = raw(port_of(loopback), b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 200 + b"\r\n")
    assert answer.split()[1] == b"431"


def test_who_holds_many_connections_open_keeps_no_browser_out(loopback: Loopback, good: str) -> None:
    held = [socket.create_connection(("127.0.0.1", port_of(loopback)), timeout=20) for _ in range(60)]
    try:
        assert fetch(good).status == 303
        assert loopback.arrived(5) == good
        assert sum(thread.name.startswith("Thread") for thread in threading.enumerate()) < 40
    finally:
        for connection in held:
            connection.close()


def test_the_first_answer_stays_whatever_comes_later(loopback: Loopback, good: str) -> None:
    fetch(good)
    assert fetch(good.replace("code-fake", "later")).status == 303  # a reload, as far as the browser knows
    assert loopback.arrived(0) == good


def test_the_last_page_waits_for_the_end_of_the_login(loopback: Loopback, good: str) -> None:
    final = loopback.redirect_uri.removesuffix("/example/abc") + loopback.final_path
    assert fetch(final).status == 404  # not before somebody came
    fetch(good)
    pages: list[Any] = []
    browser = threading.Thread(target=lambda: pages.append(fetch(final)))
    browser.start()
    browser.join(0.2)
    assert pages == []
    loopback.end("All is well", "Go on.")
    browser.join(20)
    assert "All is well" in pages[0].body


def test_the_end_is_not_told_to_who_does_not_know_the_address(loopback: Loopback, good: str) -> None:
    fetch(good)
    loopback.end("All is well", "Go on.")
    for path in ("/", "/final", "/example/abc/final", loopback.final_path + "x"):
        answer = fetch(loopback.redirect_uri.removesuffix("/example/abc") + path)
        assert "All is well" not in answer.body


@pytest.mark.parametrize("fails", [None, ValueError, KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("comes", [False, True])
def test_the_port_and_the_threads_are_gone_in_every_case(comes: bool, fails: type[BaseException] | None) -> None:
    before = threading.active_count()

    def use() -> str:
        with Loopback(title="A", state=STATE, path="/a") as here:
            connection = socket.create_connection(("127.0.0.1", port_of(here)))
            if comes:
                final = here.redirect_uri.removesuffix("/a") + here.final_path
                fetch(f"{here.redirect_uri}?code=c&state={STATE}")
                threading.Thread(target=fetch_or_not, args=(final,)).start()
            where.append(here.redirect_uri)
            where.append(connection)
            if fails:
                raise fails
        return "done"

    where: list[Any] = []
    if fails:
        with pytest.raises(fails):
            use()
    else:
        assert use() == "done"
    with pytest.raises(ConnectionRefusedError):
        fetch(where[0])
    with where[1], suppress(ConnectionResetError):
        assert where[1].recv(1) == b""  # cut, though it never asked for anything
    eventually(lambda: threading.active_count() <= before)


def fetch_or_not(url: str) -> None:
    with suppress(OSError, HTTPException):
        fetch(url)


def eventually(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_an_interrupt_is_not_held_up_by_a_browser_that_does_not_fetch_its_page() -> None:
    def use() -> None:
        with Loopback(title="A", state=STATE, path="/a") as here:
            fetch(f"{here.redirect_uri}?code=c&state={STATE}")
            raise KeyboardInterrupt

    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        use()
    assert time.monotonic() - started < 1.5


def test_a_fragment_is_no_part_of_the_answer() -> None:
    url = f"http://127.0.0.1:9/a?code=c&state={STATE}#x"
    assert read_answer(url, redirect_uri="http://127.0.0.1:9/a", state=STATE)["state"] == STATE
