"""One dressed request and its answer: the copy that carries the permit, the cookies that stay, a look at the body."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from email.message import Message
from http.client import HTTPException
from http.cookiejar import Cookie
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

from requests import PreparedRequest, Response
from requests.cookies import RequestsCookieJar, extract_cookies_to_jar, get_cookie_header
from requests.structures import CaseInsensitiveDict

from .domain import Origin

if TYPE_CHECKING:
    from .permit import Presentation

__all__ = [
    "AmbientHeader",
    "JarKey",
    "KeptCookies",
    "add_cookies",
    "bare_request",
    "bare_url",
    "decoded_start",
    "dressed_copy",
    "drop",
    "has_cookie",
    "hide_cookies",
    "peek_into",
    "redirect_target",
    "secure_url",
]

_DRAIN = 64 * 1024
_COOKIES, _COOKIE_SIZE = 50, 4096  # per archive, account and origin; RFC 6265, 6.1 asks for no more
_LINE = 64 * 1024
_SET_COOKIE = ("Set-Cookie", "Set-Cookie2")

JarKey = tuple[str, str, Origin]


class AmbientHeader(str):
    """An Authorization header that nobody set: only userinfo in a URL produced it. It travels through redirects."""

    __slots__ = ()

    def __reduce__(self) -> tuple[Any, ...]:
        return str, (str(self),)


class KeptCookies:
    """Cookies of dressed answers, as secret as the permit: they go back to the same archive, account and origin."""

    def __init__(self) -> None:
        self._jars: dict[JarKey, RequestsCookieJar] = {}
        self._guard = threading.Lock()

    def header(self, key: JarKey, request: PreparedRequest) -> str:
        """Return the Cookie header that these cookies make for a request, or an empty string."""
        if key not in self._jars:
            return ""
        with self._guard:
            return get_cookie_header(self._jars[key], request) or ""  # type: ignore[no-untyped-call]

    def keep(self, key: JarKey, request: PreparedRequest, response: Response) -> None:
        """Take the cookies of a dressed answer away from it; a flood pushes the oldest ones out."""
        if not response.cookies and not any(name in response.headers for name in _SET_COOKIE):
            return
        self._take(key, request, response.raw)
        hide_cookies(response)

    def keep_lines(self, key: JarKey, url: str, lines: Iterable[str]) -> None:
        """Take what the Set-Cookie lines of a dressed answer say, whatever library brought it."""
        message = Message()
        for line in lines:
            message["Set-Cookie"] = line
        if message:
            self._take(key, bare_request(url), SimpleNamespace(_original_response=SimpleNamespace(msg=message)))

    def _take(self, key: JarKey, request: PreparedRequest, raw: Any) -> None:
        with self._guard:
            jar = self._jars.setdefault(key, RequestsCookieJar())
            extract_cookies_to_jar(jar, request, raw)  # type: ignore[no-untyped-call]
            cookies: list[Cookie] = [*jar]
            large = [cookie for cookie in cookies if len(cookie.name) + len(cookie.value or "") > _COOKIE_SIZE]
            rest = [cookie for cookie in cookies if cookie not in large]
            for cookie in (*large, *rest[: max(len(rest) - _COOKIES, 0)]):
                jar.clear(cookie.domain, cookie.path, cookie.name)

    def forget(self, archive: str, account: str | None) -> None:
        """Drop the cookies of an archive's accounts, or of one."""
        with self._guard:
            for key in [key for key in self._jars if key[0] == archive and account in (None, key[1])]:
                del self._jars[key]

    def renew_after_fork(self) -> None:
        """Forget who held the lock in the parent."""
        self._guard = threading.Lock()


def hide_cookies(response: Response) -> None:
    """Remove cookies from everywhere in an answer where requests or its users would find them."""
    response.cookies.clear()
    original = getattr(response.raw, "_original_response", None)
    for headers in (response.headers, getattr(response.raw, "headers", None), getattr(original, "msg", None)):
        if headers is not None:
            for name in _SET_COOKIE:
                with suppress(KeyError):
                    del headers[name]


def bare_request(url: str) -> PreparedRequest:
    """Return a request with a URL and no headers, for what looks at cookies alone."""
    request = PreparedRequest()
    request.method, request.url, request.headers = "GET", url, CaseInsensitiveDict()
    return request


def bare_url(url: str) -> str:
    """Return a URL without userinfo, query and fragment: they may hold secrets."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def secure_url(url: str) -> str:
    """Return the https form of a plain http URL on the default port."""
    parts = urlsplit(url)
    netloc = parts.netloc.rpartition(":")[0] if parts.port is not None else parts.netloc
    return parts._replace(scheme="https", netloc=netloc).geturl()


def dressed_copy(request: PreparedRequest, url: str, presentation: Presentation) -> PreparedRequest:
    """Return a copy of the request that carries the permit."""
    copy = PreparedRequest()
    copy.method, copy.url, copy.body, copy.hooks = request.method, url, request.body, request.hooks
    copy._cookies = request._cookies  # type: ignore[attr-defined]
    copy._body_position = request._body_position  # type: ignore[attr-defined]
    headers = copy.headers = _copied(request.headers)
    # On redirects requests writes it into the request itself; it belongs to the proxy alone.
    headers._store.pop("proxy-authorization", None)  # type: ignore[attr-defined]
    if url != request.url:
        _derive_cookies(request, copy)
    for name, value in presentation.headers.items():
        headers[name] = value
    return copy


def _copied(headers: Mapping[str, str]) -> CaseInsensitiveDict[str]:
    copy: CaseInsensitiveDict[str] = CaseInsensitiveDict()
    if type(headers) is CaseInsensitiveDict:
        copy._store = headers._store.copy()  # type: ignore[attr-defined]  # its own copy() costs ten times as much
    else:
        copy.update(headers)
    return copy


def _derive_cookies(request: PreparedRequest, copy: PreparedRequest) -> None:
    """Derive the Cookie header again for the copy's URL: https may carry cookies that http may not."""
    given = copy.headers.pop("Cookie", None)
    copy.url, url = request.url, copy.url
    derived = get_cookie_header(request._cookies, copy)  # type: ignore[no-untyped-call, attr-defined]
    copy.url = url
    if given == derived:
        copy.prepare_cookies(request._cookies)  # type: ignore[attr-defined]
    elif given is not None:  # the caller wrote it by hand
        copy.headers["Cookie"] = given


def add_cookies(copy: PreparedRequest, permit: Mapping[str, str], kept: str) -> None:
    """Add cookies to a dressed copy; those of the permit replace kept ones, and both what the request had."""
    given = copy.headers.pop("Cookie", "")
    given = given.decode("latin-1") if isinstance(given, bytes) else given
    cookies: dict[str, str] = {}
    for pair in (*given.split(";"), *kept.split(";")):
        name, separator, value = pair.strip().partition("=")
        if separator:
            cookies[name] = value
    cookies.update(permit)
    if cookies:
        copy.headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in cookies.items())


def has_cookie(request: PreparedRequest, names: Iterable[str]) -> bool:
    """Say whether a request has a cookie of one of these names."""
    given = request.headers.get("Cookie", "")
    given = given.decode("latin-1") if isinstance(given, bytes) else given
    return any(pair.partition("=")[0].strip() in names for pair in given.split(";"))


def drop(response: Response) -> None:
    """Read the rest of a small answer and close it, so that its connection is free for the next request."""
    with suppress(Exception):
        response.raw.read(_DRAIN, decode_content=False)
    response.close()


def redirect_target(response: Response) -> str:
    """Return where a redirect leads, absolute; an empty string if the answer is none."""
    if not 300 <= response.status_code < 400 or not response.is_redirect:
        return ""
    location = response.headers["Location"]
    try:
        return urljoin(response.url, location)
    except ValueError:  # requests will say what is wrong with it, if it is to follow
        return location


def peek_into(response: Response) -> Callable[[int], bytes]:
    """Return a function that shows the first bytes of the body without taking them."""

    def peek(count: int) -> bytes:
        original = getattr(response.raw, "_original_response", None)
        if getattr(original, "fp", None) is None:
            return b""  # no body, or a test library without a connection
        start = _start_of_body(original, count)
        encoding = response.headers.get("Content-Encoding")
        return (decoded_start(start, encoding, count) if encoding else start)[:count]

    return peek


def _start_of_body(original: Any, count: int) -> bytes:
    """Read the first bytes of a body and put all that was read back onto the wire.

    ``HTTPResponse.peek`` shows only what one packet brought, swallows the length of a chunk, which urllib3 then
    misses, and waits for the next answer where this one has no body.
    """
    wire, taken = original.fp, bytearray()
    try:
        if original.chunked:
            start = _start_of_chunks(wire, count, taken)
        else:
            start = _read(wire, count if original.length is None else min(count, original.length), taken)
    except (OSError, ValueError, HTTPException):
        start = b""  # reading the body will raise what is wrong
    original.fp = io.BufferedReader(_Unread(bytes(taken), wire))
    return start


def _start_of_chunks(wire: io.BufferedReader, count: int, taken: bytearray) -> bytes:
    """Read chunks (RFC 9112, 7.1) until there is enough of the body."""
    start = b""
    while len(start) < count:
        line = wire.readline(_LINE)
        taken += line
        size = int(line.partition(b";")[0], 16)
        wanted = min(size, count - len(start))
        piece = _read(wire, wanted, taken)
        start += piece
        if wanted < size or not piece:  # enough, or the last chunk
            break
        taken += wire.readline(_LINE)
    return start


def _read(wire: io.BufferedReader, count: int, taken: bytearray) -> bytes:
    piece = b""
    while len(piece) < count and (more := wire.read1(count - len(piece))):
        taken += more
        piece += more
    return piece


class _Unread(io.RawIOBase):
    """A wire from its start again: what was taken from it, then the rest."""

    def __init__(self, taken: bytes, rest: io.BufferedReader) -> None:
        self._taken, self._rest = taken, rest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        if self._taken:
            piece, self._taken = self._taken[: len(buffer)], self._taken[len(buffer) :]
        else:
            piece = self._rest.read1(len(buffer))
        buffer[: len(piece)] = piece
        return len(piece)

    def fileno(self) -> int:
        return self._rest.fileno()

    def close(self) -> None:
        self._rest.close()
        super().close()


def decoded_start(start: bytes, encoding: str, count: int) -> bytes:
    """Undo the Content-Encoding of the start of a body, as urllib3 will."""
    from urllib3 import HTTPResponse
    from urllib3.exceptions import HTTPError

    try:
        body = HTTPResponse(io.BytesIO(start), headers={"Content-Encoding": encoding}, preload_content=False)
        return body.read1(count, decode_content=True)
    except (HTTPError, OSError, ValueError):
        return b""
