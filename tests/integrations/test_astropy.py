"""Private files by way of astropy: in its cache, and in pieces."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiohttp import web

with warnings.catch_warnings(action="ignore"):
    from astropy.io import fits
    from astropy.utils.data import cache_contents, download_file, is_url_in_cache

import vo_auth
from vo_auth.integrations.aiohttp import fsspec_options
from vo_auth.integrations.astropy import cached_file
from vo_auth.sandbox import Bench, Sandbox, StandIn
from vo_auth.sandbox.faults import Fault
from vo_auth.testing import assert_no_secret
from vo_auth_eso.standin import PROPRIETARY_RUN, STANDIN
from vo_auth_eso.standin.holdings import raw_frames

FRAME = raw_frames(PROPRIETARY_RUN)[0].dp_id
URL = f"https://dataportal.eso.org/dataPortal/file/{FRAME}"
ELSEWHERE = "elsewhere.example.org"


def elsewhere(_: Bench) -> web.Application:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(body=b"public data of a third party")

    app = web.Application()
    app.router.add_get("/{path:.*}", answer)
    return app


pytestmark = pytest.mark.vo_auth_sandbox(
    [STANDIN, StandIn(archive="elsewhere", hosts=(ELSEWHERE,), credentials={}, app=elsewhere)]
)


@pytest.fixture(autouse=True)
def _plain_files(vo_auth_sandbox: Sandbox) -> None:
    vo_auth_sandbox.bench("eso").knobs["packed"] = False


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    from fsspec.asyn import sync
    from fsspec.implementations.http import HTTPFileSystem

    yield
    for system in list(HTTPFileSystem._cache.values()):
        if system._session is not None:
            sync(system.loop, system._session.close)
    HTTPFileSystem.clear_instance_cache()


def files(sandbox: Sandbox) -> list[str]:
    return [entry.authorization.partition(" ")[0] for entry in sandbox.received.at("dataportal.eso.org")]


def test_a_private_file_is_read_from_the_cache_the_second_time(vo_auth_sandbox: Sandbox) -> None:
    for _ in range(2):
        with fits.open(cached_file(URL)) as hdus:
            assert hdus[0].header["ARCFILE"] == f"{FRAME}.fits"
    assert files(vo_auth_sandbox) == ["Bearer"]
    assert cached_file(URL, refresh=True) == cached_file(URL)
    assert files(vo_auth_sandbox) == ["Bearer", "Bearer"]


def test_nobody_else_gets_it_from_there(vo_auth_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = cached_file(URL)
    assert not is_url_in_cache(URL)
    with vo_auth.anonymous(), pytest.raises(vo_auth.VoAuthError):
        cached_file(URL)
    other = STANDIN.credentials["norights"]
    monkeypatch.setenv("VO_AUTH_ESO_USERNAME", other["username"])
    monkeypatch.setenv("VO_AUTH_ESO_PASSWORD", other["password"])
    with pytest.warns(vo_auth.VoAuthWarning), pytest.raises(vo_auth.VoAuthError):
        cached_file(URL, account=other["username"])
    assert files(vo_auth_sandbox) == ["Bearer", "", "Bearer"]
    assert Path(mine).exists()


def test_shared_by_choice_everything_that_uses_the_cache_finds_it(vo_auth_sandbox: Sandbox) -> None:
    path = cached_file(URL, shared=True)
    assert download_file(URL, cache=True) == path
    with fits.open(URL, cache=True) as hdus:
        assert hdus[0].header["ARCFILE"] == f"{FRAME}.fits"
    assert files(vo_auth_sandbox) == ["Bearer"]


def test_what_anybody_gets_is_kept_under_its_url(vo_auth_sandbox: Sandbox) -> None:
    url = f"https://{ELSEWHERE}/public"
    with pytest.warns(vo_auth.VoAuthWarning, match="goes anonymously"):
        path = cached_file(url)
    assert download_file(url, cache=True) == path
    assert [entry.authorization for entry in vo_auth_sandbox.received.at(ELSEWHERE)] == [""]


def test_a_redirect_out_carries_no_permit(vo_auth_sandbox: Sandbox) -> None:
    vo_auth_sandbox.bench("eso").knobs["fail_on"] = [Fault(path_regex="/file/", redirect=f"https://{ELSEWHERE}/x")]
    assert Path(cached_file(URL)).read_bytes() == b"public data of a third party"
    assert [entry.authorization for entry in vo_auth_sandbox.received.at(ELSEWHERE)] == [""]


def test_what_is_no_data_is_not_cached(vo_auth_sandbox: Sandbox) -> None:
    vo_auth_sandbox.bench("eso").knobs["fail_on"] = [
        Fault(path_regex="/file/", status=200, body="<html>no data</html>", headers={"Content-Type": "text/html"})
    ]
    with pytest.raises(vo_auth.VoAuthError):
        cached_file(URL)
    assert cache_contents() == {}


def test_the_cache_holds_no_secret(vo_auth_sandbox: Sandbox) -> None:
    path = Path(cached_file(URL))
    (entry,) = vo_auth_sandbox.received.at("dataportal.eso.org")
    assert_no_secret([entry.authorization.partition(" ")[2], STANDIN.credentials["pi"]["password"]], path.parent)


def test_a_private_file_is_read_in_pieces(vo_auth_sandbox: Sandbox) -> None:
    options = {**fsspec_options(URL), "block_size": 2880, "cache_type": "none"}
    with fits.open(URL, use_fsspec=True, fsspec_kwargs=options) as hdus:
        assert hdus[0].header["ARCFILE"] == f"{FRAME}.fits"
        assert hdus[0].section[:2, :2].shape == (2, 2)
    received = vo_auth_sandbox.received.at("dataportal.eso.org")
    assert [entry.method for entry in received].count("GET") >= 2
    assert all("range" in entry.headers for entry in received if entry.method == "GET")
    assert {entry.authorization.partition(" ")[0] for entry in received} == {"Bearer"}
