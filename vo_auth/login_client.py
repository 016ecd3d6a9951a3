"""The login client: another client than the data path, and a stricter one.

https only (loopback excepted), to the archive's login origins alone, no redirects, no netrc, no cookies kept, bounded
in size and total time; every text is scrubbed before it becomes an exception or a log line.
"""

from __future__ import annotations

import contextvars
import datetime
import email.utils
import json
import logging
import os
import socket
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

import requests
import urllib3
from requests.adapters import HTTPAdapter
from requests.utils import get_environ_proxies

from ._version import USER_AGENT
from .clock import Clock, skew_of
from .domain import Origin
from .errors import LoginAnswerError, LoginError, LoginUnreachableError
from .unreachable import login_failure

__all__ = ["LoginAnswer", "LoginClient", "mask_login_urls", "parse_date"]

_LIMIT = 64 * 1024
_DAY = 86400.0
_QUIET: contextvars.ContextVar[bool] = contextvars.ContextVar("vo_auth_login", default=False)


class _MaskLoginUrls(logging.Filter):
    """Replace what urllib3 logs about a login: its debug line holds the query, and ESO's holds the password."""

    def filter(self, record: logging.LogRecord) -> bool:
        if _QUIET.get():
            record.msg, record.args, record.exc_info = "login request (masked)", (), None
        return True


def mask_login_urls() -> None:
    """Put the filter on urllib3's loggers; doing it twice changes nothing."""
    for name in ("urllib3.connectionpool", "urllib3.connection", "urllib3.util.retry", "urllib3.poolmanager"):
        logger = logging.getLogger(name)
        if not any(isinstance(item, _MaskLoginUrls) for item in logger.filters):
            logger.addFilter(_MaskLoginUrls())


@contextmanager
def _quiet() -> Iterator[None]:
    token = _QUIET.set(True)
    try:
        yield
    finally:
        _QUIET.reset(token)


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginAnswer:
    """What a login endpoint answered; its body is a secret.

    Parameters
    ----------
    status
        The HTTP status.
    headers
        Case-insensitive; a ``Set-Cookie`` here may be the permit.
    body
        At most 64 KiB.
    cookies
        Cookies of this answer, by name.
    """

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    cookies: Mapping[str, str] = field(repr=False)

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode("utf-8", "replace")

    def json(self) -> Any:
        """Return the body as JSON.

        Raises
        ------
        ValueError
            When it is something else; the text of the error does not quote it.
        """
        with suppress(ValueError, RecursionError):
            return json.loads(self.body)
        raise ValueError("the answer is not JSON")  # out here: the parser's error holds the body

    @property
    def retry_after(self) -> float | None:
        """Seconds that the server asks to wait (RFC 9110, 10.2.3), at most a day."""
        value = self.headers.get("Retry-After", "").strip()
        if value.isascii() and value.isdecimal():
            return min(float(value), _DAY)
        until, now = _moment(value), self.date
        return None if until is None else min(max(until - (time.time() if now is None else now), 0.0), _DAY)

    @property
    def date(self) -> float | None:
        """The server's own time (RFC 9110, 6.6.1), seconds since the epoch."""
        return parse_date(self.headers)


def parse_date(headers: Mapping[str, str]) -> float | None:
    """Return the time in a Date header, unless a cache stands between (Age).

    Parameters
    ----------
    headers
        Case-insensitive.

    Returns
    -------
    float or None
        Seconds since the epoch; None where the header tells nothing.
    """
    return None if "Age" in headers else _moment(headers.get("Date", ""))


def _moment(value: str) -> float | None:
    with suppress(ValueError, TypeError, OverflowError, IndexError):
        moment = email.utils.parsedate_to_datetime(value)
        # an HTTP date is always in GMT; the form of asctime, which is allowed, does not say so
        return (moment if moment.tzinfo else moment.replace(tzinfo=datetime.UTC)).timestamp()
    return None


class LoginClient:
    """Send credentials to the origins that may have them.

    Parameters
    ----------
    title
        The archive, for messages.
    origins
        Where requests may go.
    deadline
        Seconds for one request, from the first byte out to the last byte in.
    clock
        This machine's clocks.
    skew
        What is known of the server's clock beforehand.

    Attributes
    ----------
    requests_sent
        How many requests have been sent.
    skew
        Seconds by which the server's clock is ahead of this machine's, as the last answer's Date tells.
    last_answer
        The last whole answer; None while there is none. Its body is a secret.
    """

    def __init__(
        self,
        title: str,
        origins: Iterable[Origin],
        *,
        deadline: float = 30.0,
        clock: Clock | None = None,
        skew: float = 0.0,
    ) -> None:
        mask_login_urls()
        self._clock = clock or Clock()
        self.skew = skew
        self.title = title
        self.origins = frozenset(origins)
        self.deadline = deadline
        self.requests_sent = 0
        self.last_answer: LoginAnswer | None = None
        self._watch = _Watch()
        self._session = requests.Session()
        self._session.trust_env = False  # no netrc; proxies and CA are looked up below
        self._session.mount("https://", _WatchedAdapter(self._watch))
        self._session.mount("http://", _WatchedAdapter(self._watch))
        self._session.headers["User-Agent"] = USER_AGENT

    def __enter__(self) -> LoginClient:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close its connections."""
        self._session.close()
        self._watch.close()

    def now(self) -> float:
        """Return the server's own time as its last answer told it, else this machine's."""
        return self._clock.wall() + self.skew

    def request(
        self,
        method: str,
        url: str,
        *,
        params: Mapping[str, str] | None = None,
        data: Mapping[str, str] | str | None = None,
        json: object = None,
        headers: Mapping[str, str] | None = None,
        auth: tuple[str, str] | None = None,
    ) -> LoginAnswer:
        """Send one request and return the whole answer.

        Parameters
        ----------
        method, url, params, data, json, headers, auth
            As in ``requests``.

        Returns
        -------
        LoginAnswer
            Any status below 500 except a redirect and 429.

        Raises
        ------
        LoginUnreachableError
            When no answer came in time, or the server said 429 or 5xx.
        LoginAnswerError
            When the URL is not one of the login origins, the answer is a redirect or larger than 64 KiB.
        LoginError
            When the request cannot be made at all.
        """
        origin = self._checked(url)
        failure: LoginError | None = None
        answer: LoginAnswer | None = None
        with _quiet(), self._watch.limit(self.deadline):
            try:
                answer = self._exchange(
                    method, url, origin, params=params, data=data, json=json, headers=headers, auth=_basic(auth)
                )
            except _TooLargeError:
                failure = LoginAnswerError(f"{self.title}: {origin} answered more than {_LIMIT} bytes to a login")
            except (OSError, ValueError, urllib3.exceptions.HTTPError) as error:
                failure = login_failure(self.title, origin, requests.Timeout() if self._watch.has_cut else error)
        if failure is not None:  # raised out here: the frames that saw the secrets are gone
            raise failure
        assert answer is not None
        self.last_answer = answer
        self._judge(origin, answer)
        return answer

    def _checked(self, url: str) -> Origin:
        origin = Origin.from_url(url)
        if origin not in self.origins or not origin.may_carry_permits:
            raise LoginAnswerError(f"{self.title}: credentials are not sent to {origin}, which is not a login origin")
        return origin

    def _exchange(self, method: str, url: str, origin: Origin, **arguments: Any) -> LoginAnswer:
        self.requests_sent += 1
        started = self._clock.elapsed()
        with self._session.request(
            method,
            url,
            stream=True,
            allow_redirects=False,
            timeout=min(self.deadline, 10.0),
            # loopback in clear: not by way of another machine
            proxies=get_environ_proxies(url) if origin.scheme == "https" else {},
            verify=os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE") or True,
            **arguments,
        ) as response:
            self._session.cookies.clear()
            body = b""
            for piece in response.iter_content(8192):
                body += piece
                if len(body) > _LIMIT:
                    raise _TooLargeError
            if self._watch.has_cut:  # what there is of the body may look whole
                raise requests.Timeout
            answer = LoginAnswer(
                status=response.status_code,
                headers=response.headers,
                body=body,
                cookies={cookie.name: cookie.value or "" for cookie in response.cookies},
            )
        if answer.date is not None:
            self.skew = skew_of(answer.date, self._clock.wall(), took=self._clock.elapsed() - started)
        return answer

    def _judge(self, origin: Origin, answer: LoginAnswer) -> None:
        if 300 <= answer.status < 400:
            # RFC 9700, 4.12: a redirected login would hand the credentials on
            raise LoginAnswerError(
                f"{self.title}: {origin} redirects the login (status {answer.status}), which is not followed; "
                "is a proxy or captive portal in between, or has the archive moved its login?"
            )
        if answer.status == 429 or answer.status >= 500:
            raise LoginUnreachableError(
                f"{self.title}: {origin} answers a login with status {answer.status}; try again later",
                retry_after=answer.retry_after,
            )


class _TooLargeError(Exception):
    pass


class _Watch:
    """Cut the connections when the time is over: a time limit for each read lets a slow drip go on for ever."""

    def __init__(self) -> None:
        self._sockets: list[socket.socket] = []
        self.has_cut = False

    @contextmanager
    def limit(self, seconds: float) -> Iterator[None]:
        self.has_cut = False
        timer = threading.Timer(seconds, self._cut)
        timer.daemon = True
        with suppress(RuntimeError):  # at the interpreter's end there are no new threads: the limit per read remains
            timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def add(self, connection: socket.socket) -> None:
        """Note a connection, by a second handle: TLS takes the first one over."""
        self._sockets.append(connection.dup())
        if self.has_cut:
            self._cut()

    def close(self) -> None:
        while self._sockets:
            self._sockets.pop().close()

    def _cut(self) -> None:
        self.has_cut = True
        for connection in list(self._sockets):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


class _WatchedAdapter(HTTPAdapter):
    def __init__(self, watch: _Watch) -> None:
        self._watch = watch
        super().__init__()

    def get_connection_with_tls_context(self, *args: Any, **kwargs: Any) -> Any:
        pool: Any = super().get_connection_with_tls_context(*args, **kwargs)
        if not hasattr(pool.ConnectionCls, "watch"):
            kind = pool.ConnectionCls
            pool.ConnectionCls = type(kind.__name__, (_WatchedConnection, kind), {"watch": self._watch})
        return pool


class _WatchedConnection:
    watch: _Watch

    def _new_conn(self) -> socket.socket:
        connection: socket.socket = super()._new_conn()  # type: ignore[misc]  # urllib3's, mixed in above
        self.watch.add(connection)
        return connection


class _Basic(requests.auth.AuthBase):
    """HTTP Basic in UTF-8 (RFC 7617), which ``requests`` encodes as Latin-1."""

    def __init__(self, username: str, password: str) -> None:
        self._header = requests.auth._basic_auth_str(username.encode(), password.encode())

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = self._header
        return request


def _basic(auth: tuple[str, str] | None) -> _Basic | None:
    return _Basic(*auth) if auth else None
