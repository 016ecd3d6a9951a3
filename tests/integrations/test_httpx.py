"""What is httpx's own: which transports may be wrapped, and what requests ask of them."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import trio

import vo_auth
from vo_auth.errors import InsecureTransportError
from vo_auth.integrations.httpx import AsyncPermitTransport, PermitTransport
from vo_auth.sandbox import Sandbox
from vo_auth.testing import assert_no_secret

ALPHA = "https://alpha.example.org/data"
TOKEN = "obviously-fake-token"
OWN: dict[str, Any] = {"url": "https://alpha.example.org", "token": TOKEN}


@pytest.fixture
def open_client(sandbox: Sandbox) -> Iterator[Any]:
    opened: list[httpx.Client] = []

    def make(inner: Any = None, **options: Any) -> httpx.Client:
        opened.append(httpx.Client(transport=PermitTransport(inner=inner, **{**OWN, **options})))
        return opened[-1]

    yield make
    for client in opened:
        client.close()


def test_a_url_that_no_plugin_knows_is_served_with_credentials_of_its_own(open_client: Any, sandbox: Sandbox) -> None:
    client = open_client()
    client.get(ALPHA)
    client.get("https://data.alpha.example.org/data")
    assert [entry.authorization for entry in sandbox.received.all()] == [f"Bearer {TOKEN}", ""]


def test_a_given_transport_makes_the_connections(open_client: Any, sandbox: Sandbox) -> None:
    class Counting(httpx.HTTPTransport):
        made = 0

        def __init__(self, **options: Any) -> None:
            super().__init__(**options)
            Counting.made += 1

    open_client(Counting(proxy=sandbox.proxy)).get(ALPHA)
    assert Counting.made == 1
    assert sandbox.received.all()[-1].authorization == f"Bearer {TOKEN}"


def test_a_transport_that_cannot_tell_where_it_connects_gets_no_permit(open_client: Any, sandbox: Sandbox) -> None:
    class Elsewhere(httpx.BaseTransport):
        def handle_request(self, request: httpx.Request) -> httpx.Response:
            return httpx.Response(200, text=str(dict(request.headers)))

    class Deviating(httpx.HTTPTransport):
        def handle_request(self, request: httpx.Request) -> httpx.Response:
            return super().handle_request(request)

    for inner in (Elsewhere(), Deviating(proxy=sandbox.proxy)):
        client = open_client(inner)
        with pytest.raises(InsecureTransportError, match="cannot tell where it connects to"):
            client.get(ALPHA)
        with vo_auth.anonymous():
            assert TOKEN not in client.get(ALPHA).text


def test_a_mock_sees_dressed_requests_because_it_dials_nothing(open_client: Any) -> None:
    seen: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers.get("Authorization", ""))
        return httpx.Response(200, text="mocked", headers={"Set-Cookie": "planted=obviously-fake-planted"})

    client = open_client(httpx.MockTransport(answer))
    got = client.get(ALPHA)
    assert (got.text, seen) == ("mocked", [f"Bearer {TOKEN}"])
    assert_no_secret([TOKEN, "obviously-fake-planted"], got.request.headers, got.headers, list(client.cookies.jar))


@pytest.mark.parametrize(
    "extensions", [{"target": b"http://elsewhere.example.org/data"}, {"sni_hostname": "elsewhere.example.org"}]
)
def test_extensions_that_lead_elsewhere_are_refused(
    open_client: Any, sandbox: Sandbox, extensions: dict[str, Any]
) -> None:
    with pytest.raises(InsecureTransportError, match="extensions"):
        open_client().get(ALPHA, extensions=extensions)
    assert not sandbox.received.all()


def test_a_context_that_checks_no_names_is_not_verified(open_client: Any, sandbox: Sandbox) -> None:
    context = httpx.create_ssl_context()
    context.check_hostname = False
    with pytest.raises(InsecureTransportError, match="not verified"):
        open_client(httpx.HTTPTransport(verify=context, proxy=sandbox.proxy)).get(ALPHA)


def test_the_error_has_the_plain_request(open_client: Any) -> None:
    client = open_client(httpx.HTTPTransport(verify=False))
    with pytest.raises(httpx.TransportError) as caught:
        client.get(ALPHA)
    assert str(caught.value.request.url) == ALPHA
    assert_no_secret([TOKEN], caught.value, caught.value.request.headers)


def test_what_a_frame_below_remembers_is_cut_off(open_client: Any) -> None:
    def parts(carried: dict[str, str]) -> Iterator[bytes]:
        yield b"the start"
        raise httpx.ReadError(f"broken after {len(carried)} headers")

    class Parts(httpx.SyncByteStream):
        def __init__(self, carried: dict[str, str]) -> None:
            self.carried = carried

        def __iter__(self) -> Iterator[bytes]:
            return parts(self.carried)

    def answer(request: httpx.Request) -> httpx.Response:
        carried = dict(request.headers)
        if request.url.path == "/data":
            raise httpx.ReadError(f"no answer to {len(carried)} headers")
        return httpx.Response(200, stream=Parts(carried))

    client = open_client(httpx.MockTransport(answer))
    for url in (ALPHA, "https://alpha.example.org/other"):
        with pytest.raises(httpx.ReadError, match="headers") as caught:
            client.get(url)
        names = [frame.name for frame in traceback.extract_tb(caught.value.__traceback__)]
        assert not {"answer", "parts"} & set(names)


def test_a_transport_shows_no_secret() -> None:
    for transport in (PermitTransport(**OWN), AsyncPermitTransport(**OWN)):
        assert_no_secret([TOKEN], transport, vars(transport))


def test_credentials_need_the_url_of_their_archive() -> None:
    with pytest.raises(TypeError, match="need the URL"):
        PermitTransport(token=TOKEN)
    with pytest.raises(TypeError, match="leave out `sources`"):
        PermitTransport(**OWN, sources={"netrc": "never"})


def test_trio_is_served_as_well(sandbox: Sandbox) -> None:
    async def ask() -> str:
        async with httpx.AsyncClient(transport=AsyncPermitTransport(**OWN)) as client:
            return (await client.get(ALPHA)).text

    assert trio.run(ask) == "data for Bearer"
