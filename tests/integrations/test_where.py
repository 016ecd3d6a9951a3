"""Where a permit goes by way of httpx and aiohttp: what the servers received, and what callers can see."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

import vo_auth
from vo_auth import Domain
from vo_auth.errors import CallerHeaderWarning, CredentialsNotFoundError, InsecureTransportError, InsecureUrlError
from vo_auth.registry import Registry
from vo_auth.sandbox import Sandbox
from vo_auth.testing import assert_no_secret
from vo_auth.wallet import Wallet

TOKEN = "obviously-fake-token"
ALPHA, SIBLING, ELSEWHERE = "alpha.example.org", "data.alpha.example.org", "elsewhere.example.org"
Client = Callable[..., Any]


def carried(sandbox: Sandbox) -> list[tuple[str, str, str]]:
    """Return scheme, host and Authorization of all that arrived."""
    return [(one.scheme, one.host, one.authorization) for one in sandbox.received.all()]


def through(*hosts: str, last: str, status: int = 302) -> str:
    url = last
    for host in reversed(hosts):
        url = f"https://{host}/to?status={status}&url={quote(url, safe='')}"
    return url


def test_the_permit_arrives_inside_and_the_caller_never_sees_it(client: Client, sandbox: Sandbox) -> None:
    got = client().get(f"https://{ALPHA}/data")
    assert got.text == "data for Bearer"
    assert carried(sandbox) == [("https", ALPHA, f"Bearer {TOKEN}")]
    assert "Authorization" not in got.request_headers
    assert_no_secret([TOKEN], *got.seen)


def test_nothing_arrives_outside(client: Client, sandbox: Sandbox) -> None:
    one = client()
    for url in (f"https://{ELSEWHERE}/data", f"https://{SIBLING}/data", f"https://{SIBLING}/deeper"):
        one.get(url)
    assert {authorization for _, _, authorization in carried(sandbox)} == {""}


def test_a_path_that_servers_read_in_several_ways_gets_nothing(client: Client, sandbox: Sandbox) -> None:
    one = client()
    one.get(f"https://{SIBLING}/deep/data")
    one.get(f"https://{SIBLING}/deep/%2e%2e/data")
    assert [authorization for _, _, authorization in carried(sandbox)] == [f"Bearer {TOKEN}", ""]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_each_hop_of_a_redirect_is_decided_anew(client: Client, sandbox: Sandbox, status: int) -> None:
    url = through(ALPHA, ELSEWHERE, ALPHA, ELSEWHERE, last=f"https://{SIBLING}/deep/data", status=status)
    got = client().get(url)
    assert got.text == "data for Bearer"
    permit = f"Bearer {TOKEN}"
    assert [(host, authorization) for _, host, authorization in carried(sandbox)] == [
        (ALPHA, permit),
        (ELSEWHERE, ""),
        (ALPHA, permit),
        (ELSEWHERE, ""),
        (SIBLING, permit),
    ]
    assert_no_secret([TOKEN], *got.seen)


def test_a_redirected_post_carries_its_permit_no_further(client: Client, sandbox: Sandbox) -> None:
    client().get(through(ALPHA, last=f"https://{ELSEWHERE}/private", status=307), method="POST", content=b"body")
    assert [authorization for _, _, authorization in carried(sandbox)] == [f"Bearer {TOKEN}", ""]


def test_another_port_is_another_origin(client: Client, sandbox: Sandbox) -> None:
    one = client()
    with pytest.raises(one.error):  # the sandbox serves no such port
        one.get(f"https://{ALPHA}:8443/data")
    assert carried(sandbox) == []
    assert not [entry for entry in sandbox.proxy_log if TOKEN in repr(entry)]


def test_plain_http_is_asked_by_https_where_the_archive_says_so(client: Client, sandbox: Sandbox) -> None:
    got = client().get(f"http://{ALPHA}/data")
    assert got.text == "data for Bearer"
    assert carried(sandbox) == [("https", ALPHA, f"Bearer {TOKEN}")]


def test_plain_http_elsewhere_in_the_archive_is_an_error(
    client: Client, sandbox: Sandbox, archive: Callable[..., Any]
) -> None:
    one = client(registry=Registry([archive(domains=(Domain(f"https://{ALPHA}"),))]))
    with pytest.raises(InsecureUrlError, match=f"use https://{ALPHA}/data") as caught:
        one.get(f"http://{ALPHA}/data")
    assert isinstance(caught.value, one.error)
    assert carried(sandbox) == []


def test_a_redirect_to_plain_http_carries_nothing(
    client: Client, sandbox: Sandbox, archive: Callable[..., Any]
) -> None:
    one = client(registry=Registry([archive(domains=(Domain(f"https://{ALPHA}"),))]))
    with pytest.raises(InsecureUrlError):
        one.get(through(ALPHA, last=f"http://{ALPHA}/data"))
    assert [scheme for scheme, _, _ in carried(sandbox)] == ["https"]


def test_a_server_that_is_not_verified_gets_nothing(client: Client, sandbox: Sandbox) -> None:
    one = client(verified=False)
    with pytest.raises(InsecureTransportError, match="not verified"):
        one.get(f"https://{ALPHA}/data")
    assert one.get(f"https://{ELSEWHERE}/data").status == 200
    with vo_auth.anonymous():
        assert one.get(f"https://{ALPHA}/data").text == "data for nobody"
    assert {authorization for _, _, authorization in carried(sandbox)} == {""}


def test_anonymous_is_respected(client: Client, sandbox: Sandbox) -> None:
    one = client()
    with vo_auth.anonymous():
        assert one.get(f"https://{ALPHA}/data").text == "data for nobody"
    assert one.get(f"https://{ALPHA}/data").text == "data for Bearer"
    assert [authorization for _, _, authorization in carried(sandbox)] == ["", f"Bearer {TOKEN}"]


def test_without_credentials_nothing_is_sent(client: Client, sandbox: Sandbox) -> None:
    one = client(wallet=Wallet(None, []), interactive=False)
    with pytest.raises(CredentialsNotFoundError) as caught:
        one.get(f"https://{ALPHA}/data")
    assert isinstance(caught.value, one.error)
    assert carried(sandbox) == []


def test_where_none_is_required_it_goes_anonymously_with_a_warning(client: Client, sandbox: Sandbox) -> None:
    one = client(wallet=Wallet(None, []), required=False)
    with pytest.warns(vo_auth.VoAuthWarning, match="goes anonymously"):
        assert one.get(f"https://{ALPHA}/data").text == "data for nobody"
    assert one.get(f"https://{ALPHA}/data").text == "data for nobody"  # said once
    assert len(carried(sandbox)) == 2


def test_a_cookie_goes_where_a_token_would_and_into_no_jar(client: Client, sandbox: Sandbox) -> None:
    one = client(cookie="login=obviously-fake-cookie")
    got = one.get(through(ALPHA, ELSEWHERE, last=f"https://{ALPHA}/data"))
    assert [(entry.host, entry.cookie) for entry in sandbox.received.all()] == [
        (ALPHA, "login=obviously-fake-cookie"),
        (ELSEWHERE, ""),
        (ALPHA, "login=obviously-fake-cookie"),
    ]
    assert_no_secret(["obviously-fake-cookie"], *got.seen)


def test_a_certificate_is_presented_inside_alone(client: Client, sandbox: Sandbox, tmp_path: Path) -> None:
    path = tmp_path / "demo.pem"
    path.touch(mode=0o600)
    path.write_bytes(sandbox.authority.issue_client("demo").private_key_and_cert_chain_pem.bytes())
    one = client(certificate=str(path))
    for _ in range(2):
        one.get(through(ALPHA, ELSEWHERE, last=f"https://{ALPHA}/data"))
    shown = [(entry.host, entry.client_certificate is not None) for entry in sandbox.received.all()]
    assert shown == [(ALPHA, True), (ELSEWHERE, False), (ALPHA, True)] * 2


def test_a_header_that_the_caller_set_stays_with_one_warning(client: Client, sandbox: Sandbox) -> None:
    one = client()
    with pytest.warns(CallerHeaderWarning, match="an Authorization header of its own"):
        one.get(f"https://{ALPHA}/data", headers={"Authorization": "Custom mine"})
    assert carried(sandbox) == [("https", ALPHA, "Custom mine")]


def test_a_login_cookie_that_the_caller_set_stays(
    client: Client, sandbox: Sandbox, archive: Callable[..., Any]
) -> None:
    one = client(registry=Registry([archive(cookies=("login",))]))
    with pytest.warns(CallerHeaderWarning, match="a login cookie of its own"):
        one.get(f"https://{ALPHA}/data", headers={"Cookie": "login=mine"})
    assert [(entry.authorization, entry.cookie) for entry in sandbox.received.all()] == [("", "login=mine")]


def test_user_names_in_a_url_do_not_swap_the_identity(client: Client, sandbox: Sandbox) -> None:
    one = client()
    one.get(f"https://someone:else@{ALPHA}/data")
    one.get(through(ELSEWHERE, last=f"https://someone:else@{ALPHA}/data"))
    at_alpha = [entry.authorization for entry in sandbox.received.at(ALPHA)]
    assert at_alpha == [f"Bearer {TOKEN}"] * 2


def test_user_names_in_a_url_are_not_added_to_a_cookie(client: Client, sandbox: Sandbox) -> None:
    client(cookie="login=obviously-fake-cookie").get(f"https://someone:else@{ALPHA}/data")
    assert [(entry.authorization, entry.cookie) for entry in sandbox.received.all()] == [
        ("", "login=obviously-fake-cookie")
    ]


def test_two_archives_get_nothing_of_each_other(client: Client, sandbox: Sandbox, archive: Callable[..., Any]) -> None:
    other = archive(name="beta", title="Archive Beta", domains=(Domain(f"https://{ELSEWHERE}"),))
    one = client(registry=Registry([archive(), other]), wallet=None, token=TOKEN)
    with pytest.warns(vo_auth.VoAuthWarning, match="Archive Beta"):
        one.get(through(ALPHA, last=f"https://{ELSEWHERE}/data"))
    assert carried(sandbox) == [("https", ALPHA, f"Bearer {TOKEN}"), ("https", ELSEWHERE, "")]
