"""Files over HTTP: names, ranges, conditions."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
import requests
from aiohttp import web

from vo_auth.sandbox.files import send_bytes

DATA = bytes(range(256)) * 4
CHANGED = datetime(2026, 9, 21, 14, 13, 20, 500, tzinfo=UTC)


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    async def handle(request: web.Request) -> web.StreamResponse:
        return await send_bytes(
            request,
            DATA if request.path == "/file" else b"",
            filename=request.query.get("name", "FRAME.fits"),
            content_type="application/fits",
            last_modified=None if request.query.get("undated") else CHANGED,
            inline=bool(request.query.get("inline")),
        )

    ready, found = threading.Event(), []

    async def serve() -> None:
        app = web.Application()
        app.router.add_get("/{name}", handle)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        end = asyncio.Event()
        found.extend([runner.addresses[0][1], asyncio.get_running_loop(), end])
        ready.set()
        await end.wait()
        await runner.cleanup()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    assert ready.wait(20)
    port, loop, end = found
    yield f"http://127.0.0.1:{port}/file"
    loop.call_soon_threadsafe(end.set)
    thread.join(20)


def get(url: str, **headers: str) -> requests.Response:
    return requests.get(url, headers={name.replace("_", "-"): value for name, value in headers.items()}, timeout=20)


def test_a_file_comes_whole_with_its_name_and_length(url: str) -> None:
    answer = get(url)
    assert (answer.status_code, answer.content) == (200, DATA)
    assert answer.headers["Content-Disposition"] == 'attachment; filename="FRAME.fits"'
    assert answer.headers["Content-Type"] == "application/fits"
    assert answer.headers["Content-Length"] == "1024"
    assert answer.headers["Accept-Ranges"] == "bytes"
    assert answer.headers["Last-Modified"] == "Mon, 21 Sep 2026 14:13:20 GMT"


def test_head_says_the_same_without_the_file(url: str) -> None:
    head, whole = requests.head(url, timeout=20), get(url)
    assert head.content == b""
    for name in ("Content-Length", "Content-Disposition", "ETag", "Content-Type", "Accept-Ranges"):
        assert head.headers[name] == whole.headers[name]


@pytest.mark.parametrize(
    ("asked", "part", "shown"),
    [
        ("bytes=0-0", DATA[:1], "bytes 0-0/1024"),
        ("bytes=10-19", DATA[10:20], "bytes 10-19/1024"),
        ("bytes=1000-", DATA[1000:], "bytes 1000-1023/1024"),
        ("bytes=1000-9999", DATA[1000:], "bytes 1000-1023/1024"),
        ("bytes=-24", DATA[-24:], "bytes 1000-1023/1024"),
        ("bytes=-9999", DATA, "bytes 0-1023/1024"),
        ("BYTES = 1-2", DATA[1:3], "bytes 1-2/1024"),
    ],
)
def test_one_range_comes_alone(asked: str, part: bytes, shown: str, url: str) -> None:
    answer = get(url, Range=asked)
    assert (answer.status_code, answer.content) == (206, part)
    assert answer.headers["Content-Range"] == shown
    assert answer.headers["Content-Length"] == str(len(part))


@pytest.mark.parametrize("asked", ["bytes=1024-", "bytes=5000-6000", "bytes=-0"])
def test_a_range_behind_the_end_cannot_be_had(asked: str, url: str) -> None:
    answer = get(url, Range=asked)
    assert answer.status_code == 416
    assert answer.headers["Content-Range"] == "bytes */1024"


@pytest.mark.parametrize("asked", ["bytes=9-3", "bytes=0-1,5-6", "bytes=-", "pages=1-2", "bytes=a-b", "", "-5"])
def test_a_range_that_makes_no_sense_is_ignored(asked: str, url: str) -> None:
    answer = get(url, Range=asked)
    assert (answer.status_code, answer.content) == (200, DATA)


def test_a_download_is_resumed_only_if_the_file_is_the_same(url: str) -> None:
    whole = get(url)
    tag, date = whole.headers["ETag"], whole.headers["Last-Modified"]
    for condition, status in ((tag, 206), (date, 206), ('"other"', 200), (f"W/{tag}", 200), ("soon", 200)):
        assert get(url, Range="bytes=5-", If_Range=condition).status_code == status, condition
    assert get(url, Range="bytes=5-", If_Range="Mon, 21 Sep 2026 14:13:19 GMT").status_code == 200
    assert get(f"{url}?undated=1", Range="bytes=5-", If_Range=date).status_code == 200


def test_an_unchanged_file_is_not_sent_again(url: str) -> None:
    tag = get(url).headers["ETag"]
    assert get(url, If_None_Match=tag).status_code == 304
    assert get(url, If_None_Match=f'"x", W/{tag}').status_code == 304
    assert get(url, If_None_Match='"x"').status_code == 200


def test_an_empty_file_is_a_file(url: str) -> None:
    empty = url.replace("/file", "/empty")
    assert (get(empty).status_code, get(empty).content) == (200, b"")
    assert get(empty, Range="bytes=0-").status_code == 416


def test_a_name_outside_of_ascii_is_sent_twice(url: str) -> None:
    answer = get(f'{url}?name=Gödel\'s "x".fits&inline=1')
    expected = "inline; filename=\"G_del's _x_.fits\"; filename*=UTF-8''G%C3%B6del%27s%20%22x%22.fits"
    assert answer.headers["Content-Disposition"] == expected


def test_a_name_cannot_add_a_header(url: str) -> None:
    answer = get(f"{url}?name=a%0d%0aX-Evil:%201")
    assert "X-Evil" not in answer.headers
    assert answer.status_code == 200
