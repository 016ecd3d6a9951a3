"""What is aiohttp's and fsspec's own: netrc, connectors, pickles, shared file systems, files in pieces."""

from __future__ import annotations

import asyncio
import pickle
import ssl
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
import fsspec
import pytest

import vo_auth
from vo_auth.errors import CredentialsNotFoundError, InsecureTransportError
from vo_auth.integrations.aiohttp import EnvironmentProxies, PermitMiddleware, fsspec_options
from vo_auth.sandbox import Sandbox
from vo_auth.testing import assert_no_secret

HOST = "alpha.example.org"
ALPHA, ELSEWHERE = f"https://{HOST}/data", "https://elsewhere.example.org/data"
TOKEN = "obviously-fake-token"
OWN: dict[str, Any] = {"url": f"https://{HOST}", "token": TOKEN}


def ask(
    url: str,
    *,
    middleware: PermitMiddleware | None = None,
    connector: Callable[[], aiohttp.BaseConnector] | None = None,
    session: dict[str, Any] | None = None,
    **options: Any,
) -> None:
    async def once() -> None:
        trust = aiohttp.TCPConnector(ssl=ssl.create_default_context()) if connector is None else connector()
        middlewares = (EnvironmentProxies(), middleware or PermitMiddleware(**OWN))
        async with (
            aiohttp.ClientSession(connector=trust, middlewares=middlewares, **(session or {})) as client,
            client.get(url, **options) as response,
        ):
            await response.read()

    work: Coroutine[Any, Any, None] = once()
    asyncio.run(work)


@pytest.fixture
def netrc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sandbox: Sandbox) -> None:
    path = tmp_path / "netrc"
    path.touch(mode=0o600)
    path.write_text("default login someone password obviously-fake-netrc\n")
    monkeypatch.setenv("NETRC", str(path))


@pytest.mark.usefixtures("netrc")
def test_a_netrc_file_does_not_replace_the_permit(sandbox: Sandbox) -> None:
    url = f"https://elsewhere.example.org/to?url={quote(ALPHA, safe='')}"
    ask(url, session={"trust_env": True})
    assert sandbox.received.at(HOST)[-1].authorization == f"Bearer {TOKEN}"


@pytest.mark.usefixtures("netrc")
def test_the_options_for_fsspec_read_no_netrc_file(sandbox: Sandbox) -> None:
    with fsspec.open(ELSEWHERE, **fsspec_options(**OWN)) as file:
        file.read()
    assert {entry.authorization for entry in sandbox.received.all()} == {""}


def test_the_authorization_of_a_session_is_the_callers_own(sandbox: Sandbox) -> None:
    with pytest.warns(vo_auth.VoAuthWarning, match="of its own"):
        ask(ALPHA, session={"headers": {"Authorization": "Basic bWluZTptaW5l"}})
    assert [entry.authorization for entry in sandbox.received.all()] == ["Basic bWluZTptaW5l"]


@pytest.mark.parametrize("options", [{"ssl": False}, {"server_hostname": "elsewhere.example.org"}])
def test_requests_that_verify_nothing_or_another_name_are_refused(sandbox: Sandbox, options: dict[str, Any]) -> None:
    with pytest.raises(InsecureTransportError, match=r"not verified|another server"):
        ask(ALPHA, **options)
    assert not sandbox.received.all()


def test_a_connector_that_cannot_tell_where_it_connects_gets_no_permit(sandbox: Sandbox, tmp_path: Path) -> None:
    with pytest.raises(InsecureTransportError, match="use a TCPConnector"):
        ask(ALPHA, connector=lambda: aiohttp.UnixConnector(path=str(tmp_path / "socket")))


def test_a_middleware_is_pickled_as_a_recipe(sandbox: Sandbox) -> None:
    middleware = PermitMiddleware(**OWN)
    assert_no_secret([TOKEN], middleware, vars(middleware), pickle.dumps(middleware))
    with pytest.raises(CredentialsNotFoundError, match="never pickled"):
        ask(ALPHA, middleware=pickle.loads(pickle.dumps(middleware)))
    assert not sandbox.received.all()


# -------------------------------------------------------------------- fsspec


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    """Close the sessions of fsspec's file systems, which it keeps for ever."""
    from fsspec.asyn import sync
    from fsspec.implementations.http import HTTPFileSystem

    yield
    for system in list(HTTPFileSystem._cache.values()):
        if system._session is not None:
            sync(system.loop, system._session.close)
    HTTPFileSystem.clear_instance_cache()


def test_a_file_is_read_in_pieces_with_the_permit(sandbox: Sandbox) -> None:
    with fsspec.open(f"https://{HOST}/file", block_size=1000, cache_type="none", **fsspec_options(**OWN)) as file:
        file.seek(3000)
        assert file.read(500) == sandbox.bench("alpha").knob("file")[3000:3500]
    ranges = [(entry.method, entry.headers.get("range"), entry.authorization) for entry in sandbox.received.all()]
    assert ranges == [("HEAD", None, f"Bearer {TOKEN}"), ("GET", "bytes=3000-3499", f"Bearer {TOKEN}")]


def test_a_permit_that_ends_between_two_pieces_is_renewed(sandbox: Sandbox, minted: Callable[..., Any]) -> None:
    made = minted(life=100.0)
    options = {"block_size": 1000, "cache_type": "none", **fsspec_options(**made.options)}
    with fsspec.open(f"https://{HOST}/file", **options) as file:
        whole = file.read(500)
        made.mint.time.passed += 101
        whole += file.read(500)
    assert whole == sandbox.bench("alpha").knob("file")[:1000]
    carried = [(entry.method, entry.authorization.rpartition("-")[2]) for entry in sandbox.received.all()]
    assert carried == [("HEAD", "1"), ("GET", "1"), ("GET", "2")]


def test_a_file_behind_a_redirect_out_is_read_without(sandbox: Sandbox) -> None:
    url = f"https://{HOST}/to?url={quote('https://elsewhere.example.org/file', safe='')}"
    with fsspec.open(url, block_size=1000, cache_type="none", **fsspec_options(**OWN)) as file:
        file.seek(10)
        file.read(10)
    assert {(entry.host, entry.authorization) for entry in sandbox.received.all()} == {
        (HOST, f"Bearer {TOKEN}"),
        ("elsewhere.example.org", ""),
    }


def test_anonymous_reaches_the_thread_in_which_fsspec_reads(sandbox: Sandbox) -> None:
    options = fsspec_options(**OWN)
    with vo_auth.anonymous(), fsspec.open(ALPHA, **options) as file:
        assert file.read() == b"data for nobody"
    with fsspec.open(ALPHA, **options) as file:
        assert file.read() == b"data for Bearer"


def test_two_users_never_share_a_file_system(sandbox: Sandbox) -> None:
    read, trust = [], ssl.create_default_context()
    for token in ("obviously-fake-one", "obviously-fake-two"):
        with fsspec.open(ALPHA, **{**fsspec_options(f"https://{HOST}", token=token), "ssl": trust}) as file:
            file.read()
        read.append(sandbox.received.all()[-1].authorization)
    assert read == ["Bearer obviously-fake-one", "Bearer obviously-fake-two"]


def test_the_reason_stands_behind_what_fsspec_says(sandbox: Sandbox) -> None:
    unverified = {**fsspec_options(**OWN), "ssl": False}
    with pytest.raises(FileNotFoundError) as caught, fsspec.open(ALPHA, **unverified):
        pass
    assert "not verified" in str(caught.value.__cause__)
    assert_no_secret([TOKEN], caught.value)
