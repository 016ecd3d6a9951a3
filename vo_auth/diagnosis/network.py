"""The way to the archives: proxy, authorities, this machine's loopback; and, on request, the servers themselves."""

from __future__ import annotations

import os
import socket
import time
import webbrowser
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests

from ..clock import skew_of
from ..login_client import parse_date
from ..registry import default_registry
from .finding import Finding
from .places import difference

__all__ = ["authorities", "loopback", "proxy", "servers"]

_PROXIES = ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY")
_BUNDLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")
_TIMEOUT = (5.0, 10.0)
_SKEW = 60.0


def proxy() -> Iterator[Finding]:
    """Say which proxy requests go through, without its user name and password."""
    found = False
    for name in _PROXIES:
        value = os.environ.get(name.lower()) or os.environ.get(name)
        if not value:
            continue
        found = True
        yield _about_proxy(name, value)
    if not found:
        yield Finding(check="proxy", level="ok", text="none is set")
        return
    without = (os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or "").split(",")
    if not {"127.0.0.1", "localhost", "*"} & {host.strip() for host in without}:
        text = "NO_PROXY does not name localhost and 127.0.0.1: services of this machine are asked through the proxy"
        yield Finding(check="proxy", level="note", text=text, fix="add them to NO_PROXY")


def _about_proxy(name: str, value: str) -> Finding:
    fix = f"write {name}=http://host:port"
    try:
        parts = urlsplit(value if "://" in value else f"http://{value}")
        host, port = parts.hostname, parts.port
    except ValueError:
        return Finding(check="proxy", level="problem", text=f"{name} is no address", fix=fix)
    if not host or parts.scheme not in ("http", "https", "socks4", "socks5", "socks5h"):
        return Finding(check="proxy", level="problem", text=f"{name} is no address of a proxy", fix=fix)
    named = ", with a user name of its own" if parts.username else ""
    return Finding(check="proxy", level="ok", text=f"{name} is {parts.scheme}://{host}:{port or 80}{named}")


def authorities() -> Iterator[Finding]:
    """Say whom connections trust."""
    found = False
    for name in _BUNDLES:
        value = os.environ.get(name)
        if not value:
            continue
        found = True
        path = Path(value)
        if not path.exists():
            text, fix = f"{name}: {path} is not there", f"correct or unset {name}"
            yield Finding(check="authorities", level="problem", text=text, fix=fix)
        elif path.is_file() and not os.access(path, os.R_OK):
            text = f"{name}: {path} cannot be read"
            yield Finding(check="authorities", level="problem", text=text, fix=f"chmod a+r {path}")
        else:
            yield Finding(check="authorities", level="ok", text=f"{name} is {path}")
    if not found:
        yield Finding(check="authorities", level="ok", text="those that come with requests (certifi)")


def loopback() -> Iterator[Finding]:
    """Say whether a browser on this machine could bring a login back."""
    try:
        with (
            socket.create_server(("127.0.0.1", 0)) as listener,
            socket.create_connection(listener.getsockname(), timeout=2.0),
        ):
            listener.settimeout(2.0)
            listener.accept()[0].close()
        yield Finding(check="loopback", level="ok", text="a login in a browser can come back to 127.0.0.1")
    except OSError as error:
        text = f"127.0.0.1 cannot be reached ({error.strerror or type(error).__name__})"
        yield Finding(
            check="loopback", level="problem", text=text, fix="allow it in the firewall, or paste the address"
        )
    if os.environ.get("SSH_CONNECTION"):
        text = "this is a remote session: a browser on your own computer does not reach this machine's 127.0.0.1"
        yield Finding(check="loopback", level="note", text=text, fix="paste the address that the browser shows")
    try:
        webbrowser.get()
    except webbrowser.Error:
        text = "no browser is found on this machine"
        yield Finding(check="loopback", level="note", text=text, fix="open the login address elsewhere, and paste")


def servers(*, ask: bool) -> Iterator[Finding]:
    """Ask one page of each archive, without a permit, for its time and its certificate.

    Parameters
    ----------
    ask
        Whether the network may be used; False: nothing is sent.
    """
    archives = [archive for archive, _ in default_registry().archives()]
    if not ask:
        text = "clock and certificates were not compared with the archives"
        yield Finding(check="servers", level="ok", text=text, fix="vo-auth doctor --network asks them")
        return
    for archive in archives:
        origin = next((domain.origin for domain in archive.domains if not domain.insecure), None)
        if origin is not None:
            yield from _about_server(archive.name, str(origin))


def _about_server(name: str, origin: str) -> Iterator[Finding]:
    check = f"server of {name}"
    try:
        with requests.Session() as session:
            response = session.get(
                f"{origin}/",
                stream=True,
                allow_redirects=False,
                timeout=_TIMEOUT,
                auth=_unchanged,  # no entry of netrc
            )
            issuer, date = _issuer(response), parse_date(response.headers)
            response.close()
    except requests.exceptions.ProxyError:
        text, fix = f"the proxy does not let {origin} through", "check HTTPS_PROXY and NO_PROXY"
        yield Finding(check=check, level="problem", text=text, fix=fix)
    except requests.exceptions.SSLError:
        text = f"the certificate of {origin} is not trusted: is TLS intercepted, or the clock wrong?"
        fix = "set REQUESTS_CA_BUNDLE to the network's own authority; check the clock"
        yield Finding(check=check, level="problem", text=text, fix=fix)
    except (requests.RequestException, OSError) as error:
        text = f"{origin} does not answer ({type(error).__name__})"
        yield Finding(check=check, level="problem", text=text, fix="check the network; try again later")
    else:
        yield Finding(check=check, level="ok", text=f"{origin} answers; its certificate is issued by {issuer}")
        skew = 0.0 if date is None else skew_of(date, time.time())
        if abs(skew) > _SKEW:
            text = f"this machine is {difference(skew)} the clock of {name}"
            yield Finding(check="clock", level="problem", text=text, fix="set this machine's clock (NTP)")


def _unchanged(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


def _issuer(response: requests.Response) -> str:
    """Return who signed the server's certificate: a name of the own network tells that TLS is intercepted."""
    certificate: Any = None
    connection: Any = response.raw._connection
    with suppress(AttributeError, ValueError):
        certificate = connection.sock.getpeercert()
    names = dict(pair for part in (certificate or {}).get("issuer", ()) for pair in part)
    return str(names.get("organizationName") or names.get("commonName") or "an authority that was not looked at")
