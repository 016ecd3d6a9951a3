"""The forward proxy: to the stand-ins and nowhere else, and what it gets to see."""

from __future__ import annotations

import socket

import pytest
import requests

from vo_auth.sandbox import Sandbox


def speak(sandbox: Sandbox, head: str) -> str:
    port = int(sandbox.proxy.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(head.replace("\n", "\r\n").encode())
        answer = b""
        while chunk := connection.recv(65536):
            answer += chunk
    return answer.decode()


def test_an_unknown_host_is_named_in_the_error_of_an_https_request(sandbox: Sandbox) -> None:
    with pytest.raises(requests.exceptions.ProxyError, match=r"403 The sandbox does not know the host nope\.example"):
        requests.get("https://nope.example/")
    (entry,) = sandbox.proxy_log
    assert entry.refusal == "The sandbox does not know the host nope.example"


def test_an_unknown_host_is_answered_on_http_with_the_known_ones(sandbox: Sandbox) -> None:
    answer = requests.get("http://nope.example/")
    assert answer.status_code == 403
    assert "does not know the host nope.example. It knows:\n  archive.toy.example\n" in answer.text


def test_another_port_of_a_known_host_is_refused(sandbox: Sandbox) -> None:
    with pytest.raises(requests.exceptions.ProxyError, match="443 and 80 alone"):
        requests.get("https://archive.toy.example:8443/")


@pytest.mark.parametrize(
    "target", ["127.0.0.1:443", "localhost:443", "[::1]:443", "archive.toy.example.evil.example:443"]
)
def test_the_proxy_leads_to_no_other_place_on_this_machine(sandbox: Sandbox, target: str) -> None:
    assert " 403 " in speak(sandbox, f"CONNECT {target} HTTP/1.1\n\n").partition("\r\n")[0]


def test_the_proxy_sees_of_an_https_request_only_where_it_goes(sandbox: Sandbox) -> None:
    requests.get("https://archive.toy.example/p?token=obviously-fake", headers={"Authorization": "obviously-fake"})
    (entry,) = sandbox.proxy_log
    assert (entry.method, entry.target, entry.refusal) == ("CONNECT", "archive.toy.example:443", "")
    assert "obviously-fake" not in repr(entry)
    assert sandbox.received.all()[0].authorization == "obviously-fake"


def test_a_plain_request_arrives_in_origin_form(sandbox: Sandbox) -> None:
    requests.get("http://archive.toy.example/a%2Fb?c=d", headers={"Proxy-Authorization": "Basic for-the-proxy"})
    (seen,), (received,) = sandbox.proxy_log.all(), sandbox.received.all()
    assert (seen.method, seen.target) == ("GET", "http://archive.toy.example/a%2Fb?c=d")
    assert seen.headers["proxy-authorization"] == "Basic for-the-proxy"
    assert (received.scheme, received.path, received.query) == ("http", "/a%2Fb", "c=d")
    assert "proxy-authorization" not in received.headers


def test_a_tunnel_to_port_80_leads_to_the_plain_server(sandbox: Sandbox) -> None:
    request = "GET / HTTP/1.1\nHost: archive.toy.example\nConnection: close\n\n"
    answer = speak(sandbox, f"CONNECT archive.toy.example:80 HTTP/1.1\n\n{request}")
    assert answer.startswith("HTTP/1.1 200 Connection established\r\n\r\nHTTP/1.1 200 OK")


@pytest.mark.parametrize(
    ("head", "status"),
    [
        ("GET https://archive.toy.example/ HTTP/1.1\n\n", 501),
        ("GET ftp://archive.toy.example/ HTTP/1.1\n\n", 501),
        ("GET / HTTP/1.1\n\n", 501),
        ("hello\n\n", 400),
    ],
)
def test_what_the_proxy_cannot_carry_is_said(sandbox: Sandbox, head: str, status: int) -> None:
    assert speak(sandbox, head).startswith(f"HTTP/1.1 {status} ")


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_large_bodies_pass_unharmed_in_both_directions(sandbox: Sandbox, scheme: str) -> None:
    assert requests.get(f"{scheme}://archive.toy.example/big").content == bytes(range(256)) * 20_000
    answer = requests.post(f"{scheme}://archive.toy.example/", data=b"x" * 5_000_000)
    assert answer.json()["body"] == 5_000_000


def test_a_client_that_leaves_in_the_middle_harms_nobody(sandbox: Sandbox) -> None:
    with requests.get("https://archive.toy.example/big", stream=True) as answer:
        next(answer.iter_content(10))
    assert requests.get("https://archive.toy.example/").status_code == 200
