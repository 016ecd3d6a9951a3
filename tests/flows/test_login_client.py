"""The login client: another client than the data path, and a stricter one."""

from __future__ import annotations

import gzip
import logging
import ssl
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme

from vo_auth.clock import Clock
from vo_auth.domain import Origin
from vo_auth.errors import LoginAnswerError, LoginError, LoginUnreachableError
from vo_auth.login_client import LoginClient, mask_login_urls, parse_date
from vo_auth.testing import assert_no_secret

FAKE = "obviously-fake"


@pytest.fixture(name="client")
def _client(endpoint: Any) -> Iterator[LoginClient]:
    with LoginClient("An Example", [Origin.from_url(endpoint.url)], deadline=10.0) as client:
        yield client


# ---------------------------------------------------------------- where it goes


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.test/token",
        "http://127.0.0.1:1/token",
        "http://localhost/token",
        "{url}@evil.test/token",
        "{url}.evil.test/",
        "{https}/token",
    ],
)
def test_credentials_go_to_login_origins_alone(url: str, client: LoginClient, endpoint: Any) -> None:
    url = url.format(url=endpoint.url, https=endpoint.url.replace("http:", "https:"))
    with pytest.raises((LoginAnswerError, ValueError)) as caught:
        client.request("POST", url, data={"password": FAKE})
    assert isinstance(caught.value, OSError)  # a RequestException in any case
    assert endpoint.received == []
    assert client.requests_sent == 0


def test_plain_http_is_refused_even_where_it_is_named_unless_it_is_loopback() -> None:
    with LoginClient("An Example", [Origin("http", "login.example.org", 80)]) as client:
        with pytest.raises(LoginAnswerError, match="not a login origin"):
            client.request("POST", "http://login.example.org/", data={"password": FAKE})
        assert client.requests_sent == 0


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308, 300, 304])
def test_a_redirect_is_an_error_and_nothing_arrives_at_its_target(
    status: int, client: LoginClient, endpoint: Any, make_endpoint: Callable[[], Any], reply: Any
) -> None:
    target = make_endpoint()
    endpoint.reply(reply(status=status, headers=[("Location", f"{target.url}/steal")]))
    with pytest.raises(LoginAnswerError, match="redirects the login") as caught:
        client.request("POST", f"{endpoint.url}/token", data={"password": FAKE}, auth=("pi", FAKE))
    assert target.received == []
    assert len(endpoint.received) == 1
    assert target.url not in str(caught.value)


def test_a_netrc_file_is_not_read(
    client: LoginClient, endpoint: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text(f"machine 127.0.0.1 login netrc-user password {FAKE}\ndefault login netrc-user password {FAKE}\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    client.request("GET", f"{endpoint.url}/token")
    assert "Authorization" not in endpoint.received[0].headers


def test_cookies_of_one_answer_are_not_sent_with_the_next_request(
    client: LoginClient, endpoint: Any, reply: Any
) -> None:
    endpoint.reply(reply(headers=[("Set-Cookie", "session=fake; Path=/")]))
    assert client.request("GET", f"{endpoint.url}/a").cookies == {"session": "fake"}
    client.request("GET", f"{endpoint.url}/b")
    assert "Cookie" not in endpoint.received[1].headers


def test_it_introduces_itself_as_the_ivoa_note_asks(client: LoginClient, endpoint: Any) -> None:
    client.request("GET", endpoint.url)
    agent = endpoint.received[0].headers["User-Agent"]
    assert agent.startswith("vo-auth/")
    assert "(IVOA-" in agent


def test_basic_is_sent_in_utf_8(client: LoginClient, endpoint: Any) -> None:
    client.request("POST", endpoint.url, auth=("pí", "ü:🔭"))
    assert endpoint.received[0].headers["Authorization"] == "Basic cMOtOsO8OvCflK0="


# ---------------------------------------------------------------- proxies


def test_an_https_login_goes_by_the_proxy_of_the_environment(
    endpoint: Any, reply: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    endpoint.reply(reply(status=403))
    monkeypatch.setenv("HTTPS_PROXY", endpoint.url)
    with (
        LoginClient("An Example", [Origin("https", "login.example.org", 443)]) as client,
        pytest.raises(LoginUnreachableError, match="proxy"),
    ):
        client.request("POST", "https://login.example.org/token", data={"password": FAKE})
    (request,) = endpoint.received
    assert (request.method, request.target) == ("CONNECT", "login.example.org:443")
    assert FAKE not in str(request)


def test_a_login_in_clear_on_loopback_never_goes_by_a_proxy(
    client: LoginClient, endpoint: Any, make_endpoint: Callable[[], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = make_endpoint()
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, proxy.url)
    client.request("POST", f"{endpoint.url}/token", data={"password": FAKE})
    assert proxy.received == []
    assert len(endpoint.received) == 1


# ---------------------------------------------------------------- TLS


@pytest.fixture
def tls(endpoint: Any, tmp_path: Path) -> tuple[str, Path]:
    authority = trustme.CA(key_type=trustme.KeyType.ECDSA)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1", key_type=trustme.KeyType.ECDSA).configure_cert(context)
    server = endpoint._server
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    bundle = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(bundle))
    return endpoint.url.replace("http:", "https:"), bundle


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_the_ca_bundle_of_the_environment_is_honoured(
    variable: str, tls: tuple[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    url, bundle = tls
    monkeypatch.setenv(variable, str(bundle))
    with LoginClient("An Example", [Origin.from_url(url)]) as client:
        assert client.request("POST", url, data={"password": FAKE}).status == 200


def test_an_untrusted_certificate_ends_the_login_before_anything_is_sent(tls: tuple[str, Path], endpoint: Any) -> None:
    url, _ = tls
    with (
        LoginClient("An Example", [Origin.from_url(url)]) as client,
        pytest.raises(LoginUnreachableError, match="certificate is not trusted"),
    ):
        client.request("POST", url, data={"password": FAKE})
    assert endpoint.received == []


def test_a_ca_bundle_that_is_not_there_is_named_and_not_tried_again(
    endpoint: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "gone.pem"))
    url = endpoint.url.replace("http:", "https:")
    with (
        LoginClient("An Example", [Origin.from_url(url)]) as client,
        pytest.raises(LoginError, match="REQUESTS_CA_BUNDLE") as caught,
    ):
        client.request("POST", url, params={"password": FAKE})
    assert not isinstance(caught.value, LoginUnreachableError)
    assert caught.value.__context__ is None


# ---------------------------------------------------------------- size and time


def test_an_answer_larger_than_64_kib_is_refused(client: LoginClient, endpoint: Any, reply: Any) -> None:
    endpoint.reply(reply(body=b"x" * 65537))
    with pytest.raises(LoginAnswerError, match="more than 65536 bytes"):
        client.request("GET", endpoint.url)
    endpoint.reply(reply(body=b"x" * 65536))
    assert len(client.request("GET", endpoint.url).body) == 65536


def test_an_answer_that_unpacks_to_more_than_64_kib_is_refused(client: LoginClient, endpoint: Any, reply: Any) -> None:
    bomb = gzip.compress(b"\0" * 50_000_000)
    assert len(bomb) < 65536
    endpoint.reply(reply(body=bomb, headers=[("Content-Encoding", "gzip")]))
    with pytest.raises(LoginAnswerError, match="more than 65536 bytes"):
        client.request("GET", endpoint.url)


def endless(connection: Any) -> None:
    connection.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n")
    while True:
        connection.wfile.write(b"x" * 8192)


def test_an_endless_answer_is_left_alone_after_64_kib(client: LoginClient, endpoint: Any, reply: Any) -> None:
    endpoint.reply(reply(write=endless))
    with pytest.raises(LoginAnswerError, match="more than 65536 bytes"):
        client.request("GET", endpoint.url)


def drip(start: bytes) -> Callable[[Any], None]:
    def write(connection: Any) -> None:
        connection.wfile.write(start)
        while True:
            connection.wfile.write(b"x")
            time.sleep(0.01)

    return write


@pytest.mark.parametrize(
    "start",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n",  # until the connection ends: what has come by the deadline looks whole
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nFFFF\r\n",
        b"HTTP/1.1 200 OK\r\nX-Long: ",
        b"HTTP/1.1 200 ",
    ],
    ids=["length", "until the end", "chunk", "header", "status line"],
)
def test_a_slow_drip_ends_at_the_deadline(start: bytes, endpoint: Any, reply: Any) -> None:
    endpoint.reply(reply(write=drip(start)))
    began = time.monotonic()
    with (
        LoginClient("An Example", [Origin.from_url(endpoint.url)], deadline=0.3) as client,
        pytest.raises(LoginUnreachableError, match="no answer in time"),
    ):
        client.request("GET", endpoint.url, params={"password": FAKE})
    assert time.monotonic() - began < 5


def test_the_deadline_counts_for_each_request_alone(endpoint: Any, reply: Any) -> None:
    endpoint.reply(reply(write=drip(b"HTTP/1.1 200 OK\r\n\r\n")), reply())
    with LoginClient("An Example", [Origin.from_url(endpoint.url)], deadline=0.5) as client:
        with pytest.raises(LoginUnreachableError):
            client.request("GET", endpoint.url)
        assert client.request("GET", endpoint.url).status == 200
        assert client.request("GET", endpoint.url).status == 200


@pytest.mark.parametrize("status", [429, 500, 502, 503])
def test_a_server_in_trouble_is_worth_another_try(status: int, client: LoginClient, endpoint: Any, reply: Any) -> None:
    endpoint.reply(reply(status=status))
    with pytest.raises(LoginUnreachableError, match=f"status {status}"):
        client.request("GET", endpoint.url)


def test_nobody_at_the_port_is_worth_another_try(make_endpoint: Callable[[], Any]) -> None:
    endpoint = make_endpoint()
    endpoint._server.socket.close()
    with (
        LoginClient("An Example", [Origin.from_url(endpoint.url)]) as client,
        pytest.raises(LoginUnreachableError, match="no connection"),
    ):
        client.request("GET", endpoint.url)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7.0),
        (" 7 ", 7.0),
        ("0", 0.0),
        ("Thu, 01 Jan 2026 12:01:00 GMT", 60.0),
        ("Thu, 01 Jan 2026 11:00:00 GMT", 0.0),
        ("9" * 400, 86400.0),
        ("Thu, 01 Jan 2099 12:00:00 GMT", 86400.0),
        ("-7", None),
        ("nan", None),
        ("inf", None),
        ("1e400", None),
        ("soon", None),
        ("", None),
    ],
)
def test_the_time_to_wait_is_a_number_or_a_date_and_never_absurd(
    value: str, seconds: float | None, client: LoginClient, endpoint: Any, reply: Any
) -> None:
    endpoint.date = "Thu, 01 Jan 2026 12:00:00 GMT"
    endpoint.reply(reply(status=503, headers=[("Retry-After", value)]))
    with pytest.raises(LoginUnreachableError) as caught:
        client.request("GET", endpoint.url)
    assert caught.value.retry_after == seconds


# ---------------------------------------------------------------- the server's time


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Date": "Thu, 01 Jan 2026 12:00:00 GMT"}, 1767268800.0),
        ({"Date": "Thursday, 01-Jan-26 12:00:00 GMT"}, 1767268800.0),
        ({"Date": "Thu Jan  1 12:00:00 2026"}, 1767268800.0),  # asctime: GMT without saying so
        ({"Date": "Thu, 01 Jan 2026 12:00:00 -0000"}, 1767268800.0),
        ({"Date": "Thu, 01 Jan 2026 12:00:00 GMT", "Age": "600"}, None),
        ({"Date": "yesterday"}, None),
        ({"Date": ""}, None),
        ({"Date": "Thu, 99 Jan 2026 12:00:00 GMT"}, None),
        ({}, None),
    ],
)
def test_a_date_is_read_as_gmt_or_not_at_all(
    headers: dict[str, str], seconds: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "Pacific/Kiritimati")
    if hasattr(time, "tzset"):
        time.tzset()
    try:
        assert parse_date(headers) == seconds
    finally:
        monkeypatch.undo()
        if hasattr(time, "tzset"):
            time.tzset()


def test_the_clients_time_is_the_servers(endpoint: Any) -> None:
    endpoint.date = "Thu, 01 Jan 2026 12:00:00 GMT"
    clock = Clock(wall=lambda: 1767268800.0 - 3600)
    with LoginClient("An Example", [Origin.from_url(endpoint.url)], clock=clock, skew=5.0) as client:
        assert client.now() == 1767268800.0 - 3595
        client.request("GET", endpoint.url)
        assert client.now() == pytest.approx(1767268800.0, abs=2)


# ---------------------------------------------------------------- nothing leaks


@pytest.mark.parametrize(
    "behaviour",
    [
        {"status": 302, "headers": [("Location", "/again?password=obviously-fake")]},
        {"status": 500, "body": FAKE},
        {"body": b"x" * 70000},
        {"write": lambda connection: connection.wfile.write(b"nonsense obviously-fake\r\n\r\n")},
        {"write": lambda connection: None},
    ],
    ids=["redirect", "500", "large", "not HTTP", "no answer"],
)
def test_an_error_holds_neither_the_query_nor_the_answer(
    behaviour: dict[str, Any], client: LoginClient, endpoint: Any, reply: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    endpoint.reply(reply(**behaviour))
    with pytest.raises(LoginError) as caught:
        client.request("GET", f"{endpoint.url}/token", params={"password": FAKE})
    assert FAKE not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
    assert FAKE not in caplog.text
    assert_no_secret([FAKE], caplog.records)


def test_debug_logs_hold_no_login_url_and_show_other_requests(
    client: LoginClient, endpoint: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    client.request("GET", f"{endpoint.url}/token", params={"password": FAKE})
    assert_no_secret([FAKE], caplog.records)
    assert "login request (masked)" in caplog.text
    logging.getLogger("urllib3.connectionpool").debug("another request")
    assert "another request" in caplog.text


def test_the_filter_is_put_in_place_once() -> None:
    mask_login_urls()
    before = list(logging.getLogger("urllib3.connectionpool").filters)
    mask_login_urls()
    assert logging.getLogger("urllib3.connectionpool").filters == before


def test_an_answer_does_not_show_its_secrets(client: LoginClient, endpoint: Any, reply: Any) -> None:
    endpoint.reply(reply(body={"token": FAKE}, headers=[("Set-Cookie", f"session={FAKE}"), ("X-Token", FAKE)]))
    answer = client.request("GET", endpoint.url)
    assert answer.json() == {"token": FAKE}
    assert FAKE not in repr(answer)


@pytest.mark.parametrize("body", [b"{", b"\xff", b"[" * 60000, b"obviously-fake"])
def test_what_is_not_json_is_not_quoted(body: bytes, client: LoginClient, endpoint: Any, reply: Any) -> None:
    endpoint.reply(reply(body=body))
    answer = client.request("GET", endpoint.url)
    with pytest.raises(ValueError, match="not JSON") as caught:
        answer.json()
    assert caught.value.__context__ is None


def test_a_header_that_cannot_be_written_is_an_error_without_it(client: LoginClient, endpoint: Any) -> None:
    for value in (f"{FAKE}\r\nX-Evil: 1", f"{FAKE}€"):
        with pytest.raises(LoginAnswerError, match="cannot be written") as caught:
            client.request("GET", endpoint.url, headers={"X-Password": value})
        assert caught.value.__context__ is None
    assert endpoint.received == []


def test_a_closed_client_keeps_no_connection_open(endpoint: Any) -> None:
    with LoginClient("An Example", [Origin.from_url(endpoint.url)]) as client:
        client.request("GET", endpoint.url)
        assert client._watch._sockets
    assert client._watch._sockets == []
