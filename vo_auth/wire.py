"""One dressed request and its answer: the copy that carries the permit, the cookies that stay, a look at the body."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING
from urllib.parse import urljoin

from requests import PreparedRequest, Response
from requests.cookies import RequestsCookieJar, extract_cookies_to_jar, get_cookie_header

if TYPE_CHECKING:
    from .permit import Presentation

__all__ = ["dressed_copy", "drop", "keep_cookies", "peek_into", "redirect_target"]

_DRAIN = 64 * 1024
_COOKIES = 50  # per archive, account and origin


def dressed_copy(
    request: PreparedRequest, url: str, presentation: Presentation, jar: RequestsCookieJar
) -> PreparedRequest:
    """Return a copy of the request that carries the permit and the cookies of earlier dressed answers."""
    copy = PreparedRequest()
    copy.method, copy.url, copy.body, copy.hooks = request.method, url, request.body, request.hooks
    copy.headers = request.headers.copy()
    copy._cookies = request._cookies  # type: ignore[attr-defined]
    copy._body_position = request._body_position  # type: ignore[attr-defined]
    if url != request.url and request._cookies:  # type: ignore[attr-defined]
        copy.headers.pop("Cookie", None)  # https may carry cookies that http may not
        copy.prepare_cookies(request._cookies)  # type: ignore[attr-defined]
    copy.headers.update(presentation.headers)
    if presentation.cookies or len(jar):
        _add_cookies(copy, presentation.cookies, jar)
    return copy


def _add_cookies(copy: PreparedRequest, permit: Mapping[str, str], jar: RequestsCookieJar) -> None:
    given = copy.headers.pop("Cookie", "")
    kept = get_cookie_header(jar, copy) or ""  # type: ignore[no-untyped-call]
    cookies: dict[str, str] = {}
    for pair in (*given.split(";"), *kept.split(";")):
        name, separator, value = pair.strip().partition("=")
        if separator:
            cookies[name] = value
    cookies.update(permit)
    if cookies:
        copy.headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in cookies.items())


def keep_cookies(response: Response, dressed: PreparedRequest, jar: RequestsCookieJar) -> None:
    """Take the cookies of a dressed answer away from it: they are as secret as the permit."""
    if "Set-Cookie" not in response.headers:
        return
    extract_cookies_to_jar(jar, dressed, response.raw)  # type: ignore[no-untyped-call]
    while len(jar) > _COOKIES:
        oldest = next(iter(jar))
        jar.clear(oldest.domain, oldest.path, oldest.name)
    response.cookies.clear()
    original = getattr(response.raw, "_original_response", None)
    for headers in (response.headers, getattr(response.raw, "headers", None), getattr(original, "msg", None)):
        if headers is not None:
            for name in ("Set-Cookie", "Set-Cookie2"):
                with suppress(KeyError):
                    del headers[name]


def drop(response: Response) -> None:
    """Read the rest of a small answer and close it, so that its connection is free for the next request."""
    with suppress(Exception):
        response.raw.read(_DRAIN, decode_content=False)
    response.close()


def redirect_target(response: Response) -> str:
    """Return where a redirect leads, absolute; an empty string if the answer is none."""
    return urljoin(response.url, response.headers["Location"]) if response.is_redirect else ""


def peek_into(response: Response) -> Callable[[int], bytes]:
    """Return a function that shows the first bytes of the body without taking them."""

    def peek(count: int) -> bytes:
        original = getattr(response.raw, "_original_response", None)
        if original is None or not hasattr(original, "peek"):
            return b""
        try:
            start: bytes = original.peek(count)
        except (OSError, ValueError):
            return b""  # reading the body will raise what is wrong
        encoding = response.headers.get("Content-Encoding", "")
        if encoding in ("gzip", "x-gzip", "deflate"):
            try:
                start = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32).decompress(start, count)
            except zlib.error:
                return b""
        return start[:count]

    return peek
