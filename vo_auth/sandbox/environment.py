"""The environment variables by which unmodified programs reach the sandbox.

What each kind of program looks at:

============================  ======================================  ==========================================
program                       way to the stand-ins                    trust in the sandbox's authority
============================  ======================================  ==========================================
requests, pyvo, astroquery    ``HTTPS_PROXY``, ``HTTP_PROXY``         ``REQUESTS_CA_BUNDLE``
urllib, OpenSSL programs      ``https_proxy``, ``http_proxy``         ``SSL_CERT_FILE`` (``SSL_CERT_DIR`` unset)
curl                          the same                                ``CURL_CA_BUNDLE``
wget                          ``WGETRC`` (it holds both)              ``WGETRC``
Java (STILTS, TOPCAT)         ``JAVA_TOOL_OPTIONS`` (it holds both)   ``JAVA_TOOL_OPTIONS``
Python without proxies        ``PYTHONPATH`` (a ``sitecustomize``)    the same, through ``certifi.where``
============================  ======================================  ==========================================

Home and caches are temporary as well: the answers of a stand-in must not stay in the caches of astropy and astroquery
under the archive's real address, and the user's real netrc, keyring and certificates have no business here.
"""

from __future__ import annotations

import os
import re
import sys
import urllib.request
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from .standin import StandIn

__all__ = ["DATA_VARIABLE", "Places", "applied", "compute", "credential_variables", "merged", "prepare_home"]

DATA_VARIABLE = "VO_AUTH_SANDBOX"
"""Names the file from which ``sitecustomize`` learns host names, ports and the authority's file."""

LOOPBACK = "localhost,127.0.0.1,::1"
_PROXIES = ("http_proxy", "https_proxy", "ftp_proxy", "all_proxy")
_CA_FILES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")
_STALE = ("SSL_CERT_DIR", "ASTROPY_CACHE_DIR", "ASTROPY_CONFIG_DIR", "CURL_HOME", "CURL_SSL_BACKEND")
_XDG = {
    "XDG_CONFIG_HOME": ".config",
    "XDG_CACHE_HOME": ".cache",
    "XDG_DATA_HOME": ".local/share",
    "XDG_STATE_HOME": ".local/state",
}
_SECRETS = "USERNAME|PASSWORD|TOKEN|COOKIE|CERTIFICATE|CLIENT_ID|CLIENT_SECRET"
_OWN_VARIABLE = re.compile(rf"VO_AUTH_.+_(({_SECRETS})(_FILE)?|ACCOUNT)")

Changes = Mapping[str, str | None]
"""Variables to set; None means: to unset."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Where the parts of a running sandbox are.

    Parameters
    ----------
    proxy_port
        Of the forward proxy; None where the real ports are served and no proxy is needed.
    ca_pem
        The authority's certificate.
    data
        What ``sitecustomize`` reads.
    wgetrc
        Written by :func:`wgetrc`.
    trust_store, trust_store_password
        For Java; None where it could not be written.
    home, state
        The temporary home, and the temporary ``VO_AUTH_HOME``.
    site
        The folder that holds ``sitecustomize``.
    user_base
        The user's own ``site.USER_BASE``, which would otherwise move with the home.
    """

    proxy_port: int | None
    ca_pem: Path
    data: Path
    wgetrc: Path
    trust_store: Path | None
    trust_store_password: str
    home: Path
    state: Path
    site: Path
    user_base: str

    @property
    def proxy(self) -> str | None:
        """The proxy's URL."""
        return None if self.proxy_port is None else f"http://127.0.0.1:{self.proxy_port}"


def compute(
    places: Places,
    *,
    standins: Iterable[StandIn],
    current: Mapping[str, str],
    credentials: bool = True,
    windows: bool = os.name == "nt",
) -> Changes:
    """Compute the variables that bring a program into the sandbox. Pure: nothing is read or written.

    Parameters
    ----------
    places
        Where everything is.
    standins
        Whose demo credentials go into the environment.
    current
        The environment as it is; the user's own credentials for any archive are unset.
    credentials
        Set the credentials of each stand-in's first role.
    windows
        Set what Windows has in place of ``HOME``.

    Returns
    -------
    Mapping[str, str | None]
        None means: to unset.
    """
    changes: dict[str, str | None] = {name: None for name in current if _OWN_VARIABLE.fullmatch(name)}
    changes.update(_way(places))
    changes.update(_homes(places, windows=windows))
    changes[DATA_VARIABLE] = str(places.data)
    changes["PYTHONPATH"] = os.pathsep.join(filter(None, [str(places.site), current.get("PYTHONPATH")]))
    changes["JAVA_TOOL_OPTIONS"] = " ".join(filter(None, [current.get("JAVA_TOOL_OPTIONS"), *_java(places)]))
    if credentials:
        changes.update(credential_variables(standins))
    return MappingProxyType(changes)


def credential_variables(standins: Iterable[StandIn]) -> dict[str, str]:
    """Return the demo credentials of each stand-in's first role as variables.

    Parameters
    ----------
    standins
        Of the sandbox.

    Returns
    -------
    dict
        ``VO_AUTH_<ARCHIVE>_<NAME>``; hyphens become underscores.

    Examples
    --------
    >>> from vo_auth.sandbox import StandIn
    >>> toy = StandIn(archive="toy-1", hosts=(), credentials={"pi": {"token": "obviously-fake"}}, app=None)
    >>> credential_variables([toy])
    {'VO_AUTH_TOY_1_TOKEN': 'obviously-fake'}
    """
    variables = {}
    for standin in standins:
        first = next(iter(standin.credentials.values()), {})
        for name, value in first.items():
            variables[f"VO_AUTH_{standin.archive}_{name}".upper().replace("-", "_")] = value
    return variables


def _way(places: Places) -> dict[str, str | None]:
    changes: dict[str, str | None] = dict.fromkeys(_STALE)
    for name in _PROXIES:
        changes[name] = changes[name.upper()] = places.proxy
    changes["no_proxy"] = changes["NO_PROXY"] = LOOPBACK
    changes.update(dict.fromkeys(_CA_FILES, str(places.ca_pem)))
    changes["WGETRC"] = str(places.wgetrc)
    return changes


def _homes(places: Places, *, windows: bool) -> dict[str, str | None]:
    changes: dict[str, str | None] = {name: str(places.home / below) for name, below in _XDG.items()}
    names = ("HOME", "USERPROFILE", "APPDATA", "LOCALAPPDATA") if windows else ("HOME",)
    changes.update(dict.fromkeys(names, str(places.home)))
    changes["NETRC"] = str(places.home / ".netrc")
    changes["PYTHONUSERBASE"] = places.user_base
    changes["PYTHON_KEYRING_BACKEND"] = "keyring.backends.null.Keyring"
    changes["VO_AUTH_HOME"] = str(places.state)
    return changes


def _java(places: Places) -> list[str]:
    options = []
    if places.proxy_port is not None:
        for scheme in ("http", "https"):
            options += [f"-D{scheme}.proxyHost=127.0.0.1", f"-D{scheme}.proxyPort={places.proxy_port}"]
    if places.trust_store is not None:
        options += [
            f"-Djavax.net.ssl.trustStore={places.trust_store}",
            "-Djavax.net.ssl.trustStoreType=PKCS12",
            f"-Djavax.net.ssl.trustStorePassword={places.trust_store_password}",
        ]
    return [f'"{option}"' if " " in option else option for option in options]


def wgetrc(places: Places) -> str:
    """Return the start-up file that brings wget into the sandbox.

    Parameters
    ----------
    places
        Where everything is.

    Returns
    -------
    str
    """
    lines = [f"ca_certificate = {places.ca_pem}", "check_certificate = on"]
    if places.proxy is not None:
        lines += ["use_proxy = on", f"https_proxy = {places.proxy}", f"http_proxy = {places.proxy}"]
        lines += [f"no_proxy = {LOOPBACK}"]
    return "\n".join([*lines, ""])


def prepare_home(home: Path) -> None:
    """Make the folders of a temporary home.

    Parameters
    ----------
    home
        A folder that may exist.
    """
    for below in _XDG.values():
        (home / below).mkdir(parents=True, exist_ok=True)


def merged(changes: Changes, environ: Mapping[str, str]) -> dict[str, str]:
    """Return an environment with the changes made, as ``subprocess`` takes it.

    Parameters
    ----------
    changes
        As :func:`compute` returns them.
    environ
        To start from; it stays as it is.

    Returns
    -------
    dict
    """
    wanted = {**environ, **changes}
    return {name: value for name, value in wanted.items() if value is not None}


@contextmanager
def applied(changes: Changes) -> Iterator[None]:
    """Apply changes to this process's environment for the length of a ``with`` block.

    Parameters
    ----------
    changes
        As :func:`compute` returns them.

    Yields
    ------
    None
    """
    before = {name: os.environ.get(name) for name in changes}
    try:
        _assign(changes)
        forget_openers()
        yield
    finally:
        _assign(before)
        forget_openers()


def forget_openers() -> None:
    """Let urllib, and astropy above it, look at the proxy variables again: they remember those of their first call."""
    urllib.request.install_opener(None)  # as it is before the first call
    data = sys.modules.get("astropy.utils.data")
    remembered = getattr(getattr(data, "_build_urlopener", None), "cache_clear", None)
    if remembered is not None:
        remembered()


def _assign(changes: Changes) -> None:
    for name, value in changes.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
