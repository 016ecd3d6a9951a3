"""Proxy settings of the environment, looked up again only when a variable changed.

``requests`` reads them anew for every call, which takes a third of its time.
"""

from __future__ import annotations

import os
import sys
from urllib.parse import urlsplit

from requests.utils import get_environ_proxies

__all__ = ["EnvironmentProxies"]

_NAMES = (
    *("http_proxy", "https_proxy", "all_proxy", "no_proxy"),
    *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"),
    "REQUEST_METHOD",  # urllib ignores HTTP_PROXY in a CGI script
)
# On these systems settings outside of the environment count, where no variable is set.
_SYSTEM_SETTINGS = sys.platform in ("darwin", "win32")
_LIMIT = 256


class EnvironmentProxies:
    """Remember the proxies of each host until a variable changes."""

    def __init__(self) -> None:
        self._stamp: tuple[str | None, ...] = ()
        self._known: dict[tuple[str, str | None], dict[str, str]] = {}

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
        get = os.environ.get
        stamp = tuple([get(name) for name in _NAMES])
        if stamp != self._stamp:
            self._stamp, self._known = stamp, {}
        if _SYSTEM_SETTINGS and not any(stamp):
            return get_environ_proxies(url, no_proxy)
        parts = urlsplit(url)
        key = (f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}", no_proxy)
        found = self._known.get(key)
        if found is None:
            found = get_environ_proxies(url, no_proxy)
            if len(self._known) >= _LIMIT:
                self._known.clear()
            self._known[key] = found
        return dict(found)
