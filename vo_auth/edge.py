"""The decisions at the transport edge: which permit, if any, one request gets, and what its answer means."""

from __future__ import annotations

import contextvars
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from .archive import Archive
from .domain import Origin, Target
from .errors import (
    AnonymousWarning,
    CredentialsNotFoundError,
    InsecureUrlError,
    PermitDomainError,
    PluginNotInstalledError,
    VoAuthWarning,
)
from .registry import Match, Registry

if TYPE_CHECKING:
    from .wallet import Held, Wallet, Want

__all__ = ["Dressing", "Edge", "Policy", "anonymous"]

_ANONYMOUS: contextvars.ContextVar[bool] = contextvars.ContextVar("vo_auth_anonymous", default=False)


@contextmanager
def anonymous() -> Iterator[None]:
    """Send no permit through any session while this context lasts.

    It is a context variable: it concerns this thread or task alone. Archives advise it for searches of public data,
    which authenticated ones only slow down.

    Examples
    --------
    >>> with anonymous():
    ...     pass  # tap.search("…") sees what everybody sees
    """
    token = _ANONYMOUS.set(True)
    try:
        yield
    finally:
        _ANONYMOUS.reset(token)


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What a session was made for.

    Parameters
    ----------
    archive
        The name of the archive that was named; empty for none.
    origin
        The origin of the URL it was made for; None for none.
    account
        The account's label; None for the default one.
    required
        Whether a request to the named archive may go without a permit.
    interactive
        Whether a person may be asked, for the named archive alone: True, False, or None to look.
    min_life
        Seconds that a permit of the named archive must still hold.
    """

    archive: str = ""
    origin: Origin | None = None
    account: str | None = None
    required: bool = True
    interactive: bool | None = None
    min_life: float = 0.0


@dataclass(frozen=True, slots=True)
class Dressing:
    """What one request gets.

    Parameters
    ----------
    match
        The archive and domain it goes to.
    https_url
        The URL to ask instead of the plain http one; empty for none.
    want, held, wallet
        The permit and where it comes from.
    """

    match: Match
    https_url: str
    want: Want
    held: Held
    wallet: Wallet


class Edge:
    """The decisions of one session.

    Parameters
    ----------
    policy
        What the session was made for.
    registry
        Which archive a URL belongs to.
    wallet
        Returns the wallet that permits come from.
    private
        Wallets of the session's own, by archive: credentials that were given to it alone.
    """

    def __init__(
        self,
        policy: Policy,
        registry: Registry,
        wallet: Callable[[], Wallet],
        private: Mapping[str, Wallet] | None = None,
    ) -> None:
        self.policy = policy
        self.registry = registry
        self._wallet = wallet
        self._private = dict(private or {})
        self._wants: dict[tuple[str, str], tuple[Want, Wallet]] = {}
        self._said: set[tuple[object, ...]] = set()
        self._guard = threading.Lock()
        self._lost = ""

    def lost_credentials(self, url: str) -> None:
        """Note that the session's own credentials stayed behind when it was pickled."""
        self._lost = url

    def claim(self, target: Target) -> tuple[Match, bool] | None:
        """Return whose request this is, and whether its plain http must become https; None outside all domains.

        Raises
        ------
        PluginNotInstalledError, PluginClashError
            When the archive is known but cannot be served.
        """
        if self._lost and target.origin == self.policy.origin:
            raise CredentialsNotFoundError(
                f"This session had credentials of its own for {target.origin}, which are never pickled: "
                "make it anew with session_for"
            )
        match = self.registry.find(target)
        if match is not None:
            return match, False
        origin = target.origin
        if origin.scheme == "http" and origin.port == 80:
            target = Target(Origin("https", origin.host, 443), target.path)
            match = self.registry.find(target)
            if match is not None:
                return match, True
        self._outside(target.origin)
        return None

    def dress(self, match: Match, *, plain_http: bool, url: str) -> Dressing | None:
        """Return what a request inside a domain gets; None when it goes as it is.

        Parameters
        ----------
        match
            The archive and its domain.
        plain_http
            Whether the URL asks for plain http.
        url
            The URL as asked.

        Raises
        ------
        InsecureUrlError
            When a permit would go over plain http.
        VoAuthError
            When a permit is due and cannot be had.
        """
        if _ANONYMOUS.get():
            return None
        https_url = ""
        if plain_http:
            https_url = "https:" + url.partition(":")[2]
            if not match.domain.upgrade_http:
                self._insecure(match, https_url)
                return None
        want, wallet = self._want(match)
        try:
            held = wallet.permit(want)
        except CredentialsNotFoundError as error:
            if self._is_required(match.archive):
                raise
            self.say_once(AnonymousWarning, match.archive.name, f"{_first_line(error)} The request goes anonymously.")
            return None
        self._bind(match, want, wallet, held)
        self._check_narrow(match, held, url)
        return Dressing(match, https_url, want, held, wallet)

    def again(self, dressing: Dressing, held: Held | None) -> Dressing | None:
        """Return the dressing with another permit, or None without one."""
        return None if held is None else replace(dressing, held=held)

    def say_once(self, category: type[VoAuthWarning], about: object, text: str) -> None:
        """Warn about a thing, once per session."""
        with self._guard:
            if (category, about) in self._said:
                return
            self._said.add((category, about))
        warnings.warn(text, category, stacklevel=8)

    def _is_required(self, archive: Archive) -> bool:
        return self.policy.required and archive.name == self.policy.archive

    def _want(self, match: Match) -> tuple[Want, Wallet]:
        from .wallet import Want

        key = (match.archive.name, match.domain.realm)
        known = self._wants.get(key)
        if known is not None:
            return known
        named = match.archive.name == self.policy.archive
        wallet = self._private.get(match.archive.name) or self._wallet()
        want = Want(
            archive=match.archive,
            account=wallet.account(match.archive, self.policy.account if named else None),
            realm=match.domain.realm,
            interactive=self.policy.interactive if named and self.policy.required else False,
            min_life=self.policy.min_life if named else 0.0,
        )
        return want, wallet

    def _bind(self, match: Match, want: Want, wallet: Wallet, held: Held) -> None:
        """Settle on the account that served the first request: a session is one person at an archive."""
        key = (match.archive.name, match.domain.realm)
        if key in self._wants:
            return
        if held.key.account and not want.account.label:
            want = replace(want, account=replace(want.account, label=held.key.account))
        self._wants[key] = (want, wallet)

    def _check_narrow(self, match: Match, held: Held, url: str) -> None:
        domains = match.archive.narrow(held.grant) if match.archive.narrow else None
        if domains is None:
            return
        target = Target.from_url(url)
        secure = Target(Origin("https", target.origin.host, 443), target.path)
        if not any(domain.covers(target) or domain.covers(secure) for domain in domains):
            raise PermitDomainError(
                f"The permit for {match.archive.title} says that it is not for {target.origin}: "
                "use a permit made for this service"
            )

    def _insecure(self, match: Match, https_url: str) -> None:
        shown = https_url.partition("?")[0].rpartition("@")[2].removeprefix("https://")
        text = f"{match.archive.title} is asked by plain http, where anyone on the way reads the permit"
        if self._is_required(match.archive):
            raise InsecureUrlError(f"{text}: use https://{shown}", https_url=f"https://{shown}")
        self.say_once(
            AnonymousWarning, match.domain.origin, f"{text}. The request goes anonymously; use https://{shown}"
        )

    def _outside(self, origin: Origin) -> None:
        missing = self.registry.missing(origin)
        if missing is not None:
            text = (
                f"{origin} belongs to the {missing.title}, whose plugin is not installed: "
                f"pip install {missing.distribution}"
            )
            if self.policy.required and missing.name == self.policy.archive:
                raise PluginNotInstalledError(text)
            self.say_once(AnonymousWarning, origin, f"{text}. The request goes anonymously.")
        elif origin == self.policy.origin and not self.policy.archive:
            self.say_once(
                AnonymousWarning,
                origin,
                f"No plugin knows {origin}: the request goes anonymously. Give credentials to session_for, "
                "or install the archive's plugin.",
            )


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
