"""Why a login endpoint was not reached: network, proxy, TLS or clock, told from the error without its own text."""

from __future__ import annotations

import re
import ssl
import time
from collections.abc import Iterator

import requests
import urllib3

from .domain import Origin
from .errors import (
    ClockError,
    LoginAnswerError,
    LoginCertificateError,
    LoginError,
    LoginProxyError,
    LoginUnreachableError,
)

__all__ = ["login_failure"]

# Of OpenSSL's x509_vfy.h.
_NOT_YET_VALID, _HAS_EXPIRED, _HOST_MISMATCH = 9, 10, 62
_TUNNEL = re.compile(r"Tunnel connection failed: (\d{3})")


def login_failure(title: str, origin: Origin, error: Exception) -> LoginError:
    """Return our error for what happened; the original's text holds the URL with its query.

    Parameters
    ----------
    title
        The archive.
    origin
        The login origin.
    error
        As ``requests`` or urllib3 raised it.

    Returns
    -------
    LoginError
        With what to do.
    """
    if isinstance(error, ValueError):  # InvalidHeader, InvalidURL, UnicodeError
        return LoginAnswerError(f"{title}: the login request cannot be written; do the credentials hold a line end?")
    if not isinstance(error, requests.RequestException | urllib3.exceptions.HTTPError):
        return LoginError(
            f"{title}: the login at {origin} cannot be tried: {getattr(error, 'strerror', '') or 'a file is missing'}; "
            "check REQUESTS_CA_BUNDLE and CURL_CA_BUNDLE"
        )
    kind, what = _told_apart(error)
    return kind(f"{title}: the login at {origin} cannot be reached ({what}); {_NEXT[kind]}")


_NEXT: dict[type[LoginUnreachableError], str] = {
    LoginUnreachableError: "try again later",
    LoginProxyError: "check HTTPS_PROXY and NO_PROXY, or ask: vo-auth doctor",
    LoginCertificateError: "ask whoever runs this network, or: vo-auth doctor --network",
    ClockError: "set the clock, then try again",
}


def _told_apart(error: Exception) -> tuple[type[LoginUnreachableError], str]:
    if isinstance(error, requests.exceptions.ProxyError):
        status = next((found[1] for text in _texts(error) if (found := _TUNNEL.search(text))), "")
        if status == "407":
            return LoginProxyError, "the proxy in HTTPS_PROXY wants a user name and password of its own"
        refused = f" (status {status})" if status else ""
        return LoginProxyError, f"the proxy in HTTPS_PROXY does not let it through{refused}"
    if isinstance(error, requests.exceptions.SSLError):
        return _about_tls(error)
    if isinstance(error, requests.exceptions.Timeout):
        return LoginUnreachableError, "no answer in time"
    if any(isinstance(item, urllib3.exceptions.NameResolutionError) for item in _chain(error)):
        return LoginUnreachableError, "no connection: its name cannot be looked up; is this machine online?"
    return LoginUnreachableError, "no connection"


def _about_tls(error: Exception) -> tuple[type[LoginUnreachableError], str]:
    code = next((item.verify_code for item in _chain(error) if isinstance(item, ssl.SSLCertVerificationError)), None)
    now = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime())
    if code == _NOT_YET_VALID:
        return ClockError, f"its certificate is not valid yet by this machine's clock, which says {now}"
    if code == _HAS_EXPIRED:
        return ClockError, f"its certificate has ended by this machine's clock, which says {now}"
    if code == _HOST_MISMATCH:
        return LoginCertificateError, "its certificate is for another host"
    if code is None:
        return LoginCertificateError, "it does not speak TLS as it should; is a proxy in between?"
    return (
        LoginCertificateError,
        "its certificate is not trusted (TLS interception? then set REQUESTS_CA_BUNDLE to the network's own authority)",
    )


def _texts(error: BaseException) -> Iterator[str]:
    return (str(item) for item in _chain(error))


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Walk through an error, its causes and what it carries as arguments."""
    seen: set[int] = set()
    queue: list[object] = [error]
    while queue:
        item = queue.pop(0)
        if isinstance(item, BaseException) and id(item) not in seen:
            seen.add(id(item))
            yield item
            queue += [*item.args, getattr(item, "reason", None), item.__cause__, item.__context__]
