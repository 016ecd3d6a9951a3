"""A ``requests.Session`` whose every request is decided at the edge."""

from __future__ import annotations

import copy
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import requests
from requests.auth import AuthBase
from requests.sessions import merge_setting
from requests.structures import CaseInsensitiveDict
from requests.utils import get_auth_from_url

from ._version import USER_AGENT
from .claims import Policy
from .duration import seconds_in
from .environ import EnvironmentSettings
from .mounts import Adapters
from .naming import edge_for
from .registry import Registry, default_registry
from .secret import Secret
from .wire import AmbientHeader

if TYPE_CHECKING:
    from .wallet import Wallet

__all__ = ["AuthSession", "session_for"]

_RECIPE = ("headers", "proxies", "hooks", "params", "verify", "cert", "stream", "trust_env", "max_redirects")
_SECRET_HEADERS = ("Authorization", "Proxy-Authorization", "Cookie")


class AuthSession(requests.Session):
    """A ``requests.Session`` that carries the right permit to the right place, and nowhere else.

    It is a real session: ``mount``, ``hooks``, ``headers`` and redirects work as ever. It reads no netrc file. In
    scripts that also use ``pyvo.auth.AuthSession``, write ``vo_auth.AuthSession``.

    Parameters
    ----------
    url
        A URL of the archive that the session is for; None: it serves every archive for which credentials are at hand.
    account
        The label of the account, else its user name; None: the archive's default account.
    required
        Whether a request to that archive fails when there are no credentials; False: it goes anonymously, with one
        warning, and nobody is prompted.
    interactive
        Whether a person may be asked: True, False, or None to look for a terminal or notebook.
    min_life
        How long a permit must still hold when a request leaves: seconds, or text as ``"8h"``.
    wait_for_login
        How long to wait for ``vo-auth login`` in another terminal when a permit has ended and nobody can be asked:
        seconds, or text as ``"2h"``; None: as ``VO_AUTH_WAIT_FOR_LOGIN`` says, else not at all.
    sources
        Names of sources of credentials, each with ``try``, ``require`` or ``never``, before what the configuration file
        says. Permits that the wallet holds already are used wherever they came from.
    registry, wallet
        For tests and special setups; None: those that the process shares.
    **credentials
        ``username``, ``password``, ``token``, ``cookie``, ``certificate``, ``client_id``, ``client_secret`` or
        ``file``: they belong to this session alone. No other source is asked; nothing is stored or pickled.

    Raises
    ------
    PluginNotInstalledError
        When the URL belongs to a known archive whose plugin is not installed.
    TypeError
        When credentials are given without a URL, or under a name that is not known, or together with ``sources``.
    UnusableCredentialsError
        When the file of credentials cannot be used.
    ValueError
        When ``min_life`` or ``wait_for_login`` cannot be read, or a source is not known.

    Examples
    --------
    >>> session = AuthSession(url="https://archive.example.org/tap", token="obviously-fake")
    >>> session.headers["User-Agent"].startswith("vo-auth/")
    True
    """

    def __init__(
        self,
        *,
        url: str | None = None,
        account: str | None = None,
        required: bool = True,
        interactive: bool | None = None,
        min_life: float | str | None = None,
        wait_for_login: float | str | None = None,
        sources: Mapping[str, str] | None = None,
        registry: Registry | None = None,
        wallet: Wallet | None = None,
        **credentials: str | Secret,
    ) -> None:
        given = {name: value for name, value in credentials.items() if value is not None}
        if given and url is None:
            raise TypeError("credentials need the URL of the archive they are for: AuthSession(url=…, token=…)")
        if given and sources:
            raise TypeError("credentials belong to the session alone, so that no source is asked: leave out `sources`")
        policy = Policy(
            account=account,
            required=required,
            interactive=interactive,
            min_life=seconds_in(min_life) if min_life is not None else 0.0,
            wait_for_login=seconds_in(wait_for_login) if wait_for_login is not None else None,
            is_session=True,
        )
        self._edge = edge_for(policy, url, registry or default_registry(), wallet, given, sources=sources)
        self._recipe = {
            "url": _without_secrets(url),
            "account": account,
            "required": required,
            "interactive": interactive,
            "min_life": min_life,
            "wait_for_login": wait_for_login,
            "sources": dict(sources) if sources else None,
        }
        self._had_credentials = bool(given)
        self._environment = EnvironmentSettings()
        super().__init__()
        self.headers["User-Agent"] = USER_AGENT

    @property
    def adapters(self) -> Adapters:
        """The transport adapters, each inside the edge."""
        return self._adapters

    @adapters.setter
    def adapters(self, adapters: Mapping[str, requests.adapters.BaseAdapter]) -> None:
        self._adapters = Adapters(self._edge, adapters, netrc=False)

    def prepare_request(self, request: requests.Request) -> requests.PreparedRequest:
        """Prepare a request without looking at netrc files: they never replace a permit.

        Parameters
        ----------
        request
            The request.

        Returns
        -------
        requests.PreparedRequest
            As ``requests`` does.
        """
        if request.auth or self.auth:
            return super().prepare_request(request)
        request.auth = _NO_NETRC
        try:
            return super().prepare_request(request)
        finally:
            request.auth = None

    def rebuild_auth(self, prepared_request: requests.PreparedRequest, response: requests.Response) -> None:
        """Drop an Authorization header that must not follow a redirect; look at no netrc file.

        Parameters
        ----------
        prepared_request, response
            The next request, and the redirect.
        """
        headers = prepared_request.headers
        strip: bool = self.should_strip_auth(  # type: ignore[no-untyped-call]
            response.request.url or "", prepared_request.url or ""
        )
        if strip and "Authorization" in headers:
            del headers["Authorization"]

    def merge_environment_settings(
        self,
        url: str | bytes | None,
        proxies: Any,
        stream: bool | None,
        verify: Any,
        cert: Any,
    ) -> Any:
        """Merge the environment's proxies and CA bundle with the session's settings, as ``requests`` does.

        Parameters
        ----------
        url, proxies, stream, verify, cert
            Of the request.

        Returns
        -------
        dict
            Settings for ``send``.
        """
        if self.trust_env:
            text = url.decode() if isinstance(url, bytes) else url or ""
            proxies = dict(proxies or {})
            for scheme, proxy in self._environment.proxies(text, proxies.get("no_proxy")).items():
                proxies.setdefault(scheme, proxy)
            if verify is True or verify is None:
                verify = self._environment.bundle() or verify
        return {
            "proxies": _merged(proxies, self.proxies) if self.proxies or proxies else {},
            "stream": self.stream if stream is None else stream,
            "verify": self.verify if verify is None else verify,
            "cert": self.cert if cert is None else cert,
        }

    def __repr__(self) -> str:
        for_what = f" for {self._recipe['url']}" if self._recipe["url"] else ""
        return f"<vo_auth.AuthSession{for_what}>"

    # ---------------------------------------------------------------- copies and pickles

    def __getstate__(self) -> dict[str, Any]:
        """Return a recipe without secrets: what the session is for, and its plain settings."""
        settings = {name: getattr(self, name) for name in _RECIPE}
        settings["headers"] = _copied(self.headers)
        for name in _SECRET_HEADERS:
            settings["headers"].pop(name, None)
        settings["proxies"] = {scheme: proxy for scheme, proxy in self.proxies.items() if "@" not in proxy}
        return {
            "recipe": self._recipe,
            "had_credentials": self._had_credentials,
            "settings": settings,
            "adapters": [(prefix, adapter.inner) for prefix, adapter in self.adapters.items()],
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(**state["recipe"])  # type: ignore[misc]  # the recipe is the arguments
        if state["had_credentials"]:
            self._had_credentials = True
            self._edge.lost_credentials()
        self._furnish(state["settings"], state["adapters"])

    def __copy__(self) -> AuthSession:
        """Return a session with the same edge, credentials of its own included, and pools of its own."""
        other = type(self).__new__(type(self))
        other._edge, other._recipe, other._had_credentials = self._edge, self._recipe, self._had_credentials
        other._environment = EnvironmentSettings()
        requests.Session.__init__(other)
        settings = {name: getattr(self, name) for name in _RECIPE}
        settings["headers"], settings["cookies"] = _copied(self.headers), self.cookies.copy()
        settings["hooks"] = {event: list(hooks) for event, hooks in self.hooks.items()}
        settings["proxies"] = dict(self.proxies)
        settings["params"] = copy.copy(self.params)
        settings["auth"] = self.auth
        other._furnish(settings, [(prefix, copy.copy(adapter.inner)) for prefix, adapter in self.adapters.items()])
        return other

    def __deepcopy__(self, memo: dict[int, Any]) -> AuthSession:
        return self.__copy__()

    def _furnish(self, settings: dict[str, Any], adapters: list[tuple[str, requests.adapters.BaseAdapter]]) -> None:
        for name, value in settings.items():
            setattr(self, name, value)
        self.adapters = OrderedDict(adapters)  # wrapped on the way in


class _NoNetrc(AuthBase):
    """Authentication that adds nothing but what the URL's userinfo says, as ``requests`` would."""

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        url = request.url or ""
        pair = get_auth_from_url(url) if "@" in url else None
        if pair and any(pair):
            request.headers["Authorization"] = AmbientHeader(requests.auth._basic_auth_str(*pair))
        return request


_NO_NETRC = _NoNetrc()
_merged: Callable[[Any, Any], Any] = merge_setting


def _copied(headers: Mapping[str, str | bytes]) -> CaseInsensitiveDict[str | bytes]:
    return CaseInsensitiveDict(headers)  # copy.copy would share what is inside


def _without_secrets(url: str | None) -> str | None:
    """Return a URL without userinfo, query and fragment: it is shown and pickled."""
    if url is None:
        return None
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()


def session_for(
    url: str,
    *,
    account: str | None = None,
    required: bool = True,
    interactive: bool | None = None,
    min_life: float | str | None = None,
    wait_for_login: float | str | None = None,
    sources: Mapping[str, str] | None = None,
    **credentials: str | Secret,
) -> AuthSession:
    """Return a session that authenticates where it should, and is anonymous everywhere else.

    No request is made before the first one of yours.

    Parameters
    ----------
    url
        A URL of the archive: of a TAP service, a file, anything there.
    account
        The label of the account, else its user name; None: the archive's default account.
    required
        Whether a request to that archive fails when there are no credentials; False: it goes anonymously, with one
        warning, and nobody is prompted.
    interactive
        Whether a person may be asked: True, False, or None to look for a terminal or notebook.
    min_life
        How long a permit must still hold when a request leaves: seconds, or text as ``"8h"``.
    wait_for_login
        How long to wait for ``vo-auth login`` in another terminal when a permit has ended and nobody can be asked:
        seconds, or text as ``"2h"``; None: as ``VO_AUTH_WAIT_FOR_LOGIN`` says, else not at all.
    sources
        Names of sources of credentials, each with ``try``, ``require`` (from there alone) or ``never``, before what
        the configuration file says: ``{"netrc": "try", "prompt": "never"}``.
    **credentials
        ``username``, ``password``, ``token``, ``cookie``, ``certificate``, ``client_id``, ``client_secret`` or
        ``file``: they belong to this session alone. With them also a URL that no plugin knows works; the permit then
        goes to that URL's origin.

    Returns
    -------
    AuthSession
        Give it to pyvo as ``session=``, or use it as a ``requests.Session``.

    Raises
    ------
    PluginNotInstalledError
        When the URL belongs to a known archive whose plugin is not installed.
    PluginClashError
        When two plugins claim it.
    TypeError
        When a credential's name is not known, or credentials are given together with ``sources``.
    UnusableCredentialsError
        When the file of credentials cannot be used.
    ValueError
        When ``min_life`` or ``wait_for_login`` cannot be read, a source is not known, or credentials are given for a
        URL where a permit would be readable.

    Examples
    --------
    >>> import vo_auth
    >>> session = vo_auth.session_for("https://archive.example.org/tap", token="obviously-fake")
    """
    options: dict[str, Any] = dict(credentials)
    return AuthSession(
        url=url,
        account=account,
        required=required,
        interactive=interactive,
        min_life=min_life,
        wait_for_login=wait_for_login,
        sources=sources,
        **options,
    )
