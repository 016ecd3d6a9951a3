"""Proxy and CA settings of the environment, looked up again only when a variable changed.

``requests`` reads them anew for every call, which takes a third of its time.
"""

from __future__ import annotations

import os
import sys
from urllib.parse import urlsplit

from requests.utils import get_environ_proxies

__all__ = ["EnvironmentSettings"]

_BUNDLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
_PROXIES = (
    *("http_proxy", "https_proxy", "all_proxy", "no_proxy"),
    *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"),
    "REQUEST_METHOD",  # urllib ignores HTTP_PROXY in a CGI script
)
_NAMES = (*_PROXIES, *_BUNDLES)
_KEYS = tuple(os.environ.encodekey(name) for name in _NAMES)
# On these systems settings outside of the environment count, where no variable is set.
_SYSTEM_SETTINGS = sys.platform in ("darwin", "win32")
_LIMIT = 256

_Known = dict[tuple[str, str | None], dict[str, str]]


class EnvironmentSettings:
    """Remember the proxies of each host, and the CA bundle, until a variable changes."""

    def __init__(self) -> None:
        # One attribute, so that another thread never sees the settings of one moment under the stamp of another.
        self._remembered: tuple[tuple[object, ...], _Known, str | None] = ((), {}, None)

    def _now(self) -> tuple[tuple[object, ...], _Known, str | None]:
        stamp = _stamp()
        if stamp != self._remembered[0]:
            bundle = next((path for name in _BUNDLES if (path := os.environ.get(name))), None)
            self._remembered = stamp, {}, bundle
        return self._remembered

    def bundle(self) -> str | None:
        """Return the CA bundle that the environment names, as requests reads it."""
        return self._now()[2]

    def proxies(self, url: str, no_proxy: str | None = None) -> dict[str, str]:
        """Return what ``requests.utils.get_environ_proxies`` would.

        Parameters
        ----------
        url
            The URL of the request.
        no_proxy
            Hosts without proxy, where the caller names them.

        Returns
        -------
        dict
            A new one each time.
        """
        stamp, known, _ = self._now()
        if _SYSTEM_SETTINGS and not any(stamp[: len(_PROXIES)]):
            return get_environ_proxies(url, no_proxy)
        parts = urlsplit(url)
        key = (f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}", no_proxy)
        found = known.get(key)
        if found is None:
            found = get_environ_proxies(url, no_proxy)
            if len(known) >= _LIMIT:
                known.clear()
            known[key] = found
        return dict(found)


def _stamp() -> tuple[object, ...]:
    """Return the variables as they are now.

    The dictionary below ``os.environ`` is asked where there is one: ``os.environ.get`` raises and catches two
    exceptions for each variable that is not set, which is most of them.
    """
    values = getattr(os.environ, "_data", None)
    return tuple(map(values.get, _KEYS)) if isinstance(values, dict) else tuple(map(os.environ.get, _NAMES))
