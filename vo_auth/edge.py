"""The decisions at the transport edge: which permit, if any, one request gets, and what its answer means."""

from __future__ import annotations

import contextvars
import logging
import threading
import warnings
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from .archive import Archive
from .claims import Claim, Dressing, NoHttpsError, Policy, excluded
from .domain import Origin, Target
from .errors import (
    AnonymousWarning,
    CredentialsError,
    CredentialsNotFoundError,
    InsecureOriginWarning,
    InsecureUrlError,
    PermitEndWarning,
    PromptCancelledError,
    VoAuthError,
    VoAuthWarning,
)
from .reach import Reach, reach_of, resource_of
from .registry import Match, Registry
from .wire import KeptCookies

if TYPE_CHECKING:
    from .wallet import Held, Key, Wallet, Want

__all__ = ["Edge", "anonymous", "forget_cookies", "is_anonymous"]

_LOG = logging.getLogger("vo_auth.edge")
_ANONYMOUS: contextvars.ContextVar[bool] = contextvars.ContextVar("vo_auth_anonymous", default=False)


@contextmanager
def anonymous() -> Iterator[None]:
    """Send no permit through any session while this context lasts.

    It is a context variable: it concerns this thread or task alone. Archives advise it for searches of public data,
    which authenticated ones only slow down.

    Yields
    ------
    None
        It is for its ``with`` block alone.

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


def is_anonymous() -> bool:
    """Return whether :func:`anonymous` is in force in this thread or task."""
    return _ANONYMOUS.get()


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
        Makes, by archive, a wallet of the session's own: for credentials that were given to it alone.
    """

    def __init__(
        self,
        policy: Policy,
        registry: Registry,
        wallet: Callable[[], Wallet],
        private: Mapping[str, Callable[[], Wallet]] | None = None,
    ) -> None:
        self.policy = policy
        self.registry = registry
        self.cookies = KeptCookies()
        self._wallet = wallet
        self._private = dict(private or {})
        self._own: dict[str, Wallet] = {}
        self._wants: dict[tuple[str, str], tuple[Want, Wallet]] = {}
        self._reach: dict[Key, tuple[Held, Reach]] = {}
        self._said: set[tuple[object, ...]] = set()
        self._guard = threading.Lock()
        self._lost = False
        _EDGES.add(self)

    def lost_credentials(self) -> None:
        """Note that the session's own credentials stayed behind when it was pickled."""
        self._lost = True

    @property
    def has_own_credentials(self) -> bool:
        """Whether the session was given credentials that belong to it alone."""
        return self._lost or bool(self._private)

    def renew_after_fork(self) -> None:
        """Forget who held the locks in the parent."""
        self._guard = threading.Lock()
        self.cookies.renew_after_fork()

    def claim(self, target: Target) -> Claim | None:
        """Return whose request this is; None outside all domains.

        Raises
        ------
        PluginClashError
            When two distributions claim the domain.
        """
        match = self.registry.find(target)
        if match is not None:
            return Claim(match, target, plain_http=False)
        secure = target.secured()
        if secure is not None and (match := self.registry.find(secure)) is not None:
            return Claim(match, secure, plain_http=True)
        return None

    def leave_alone(self, target: Target) -> None:
        """Note that a request goes, as it is, to where no domain is.

        Raises
        ------
        CredentialsNotFoundError
            When the session had credentials for that very origin.
        """
        if _ANONYMOUS.get():
            return
        origins = dict.fromkeys((target.origin, (target.secured() or target).origin))
        if self._lost and not self.policy.archive and self.policy.origin in origins:
            raise self._without_own(str(target.origin))
        for origin in origins:
            self._warn_outside(origin)

    def why_undressed(self, claim: Claim) -> str:
        """Return why a request inside a domain gets no permit, as far as the session and the URL tell.

        Returns
        -------
        str
            Empty when it may get one.

        Raises
        ------
        InsecureUrlError
            When the named archive is asked by plain http, which it does not want changed to https.
        """
        if _ANONYMOUS.get():
            return "vo_auth.anonymous() was in force"
        if claim.plain_http and not claim.match.domain.upgrade_http:
            self._insecure(claim)
            return "it was asked by plain http"
        return ""

    def dress(self, claim: Claim) -> Dressing | None:
        """Return what a request gets that may be dressed; None when there is no permit and none is required.

        Raises
        ------
        VoAuthError
            When a permit is due and cannot be had.
        """
        archive = claim.match.archive
        if self._lost and archive.name == self.policy.archive:
            raise self._without_own(archive.title)
        want, wallet = self._want(claim.match)
        try:
            held = wallet.permit(want)
        except (CredentialsNotFoundError, PromptCancelledError) as error:
            if self._is_required(archive):
                raise
            _LOG.debug("%s of %s: no permit", claim.match.domain, archive.name)
            self.say_once(AnonymousWarning, archive.name, f"{_first_line(error)} The request goes anonymously.")
            return None
        self._bind(claim.match, want, wallet, held)
        if archive.by_audience and not self._reaches(claim, held):
            want, held = self._for_this_service(claim, want, wallet)
        if claim.match.domain.insecure:
            self._announce(claim)
        _LOG.debug(
            "%s of %s: %s permit of account %r",
            claim.match.domain,
            archive.name,
            held.grant.permit.kind,
            held.key.account,
        )
        return self._checked(Dressing(claim, want, held, wallet))

    def refused(self, dressing: Dressing, *, dead: bool) -> Dressing | None:
        """Return the dressing with another permit after a refusal, or None where that cannot help.

        Raises
        ------
        VoAuthError
            When no other permit can be had, or it excludes the target.
        """
        another = dressing.wallet.refused(dressing.want, dressing.held, dead=dead)
        what = (
            "it is about rights, or nothing makes another one" if another is None else "it goes again with another one"
        )
        _LOG.debug("%s refused the permit: %s", dressing.archive.name, what)
        return self.again(dressing, another)

    def again(self, dressing: Dressing, held: Held | None) -> Dressing | None:
        """Return the dressing with another permit, or None without one.

        Raises
        ------
        PermitDomainError
            When the other permit excludes the target.
        """
        return None if held is None else self._checked(replace(dressing, held=held))

    def foresee(self, target: Target) -> tuple[str, str]:
        """Return archive and account whose permit a request would get now; nothing is sent and nobody is asked.

        Parameters
        ----------
        target
            Where the request would go.

        Returns
        -------
        tuple
            Empty texts where it would go without a permit, or not at all.
        """
        claim = self.claim(target)
        if claim is None or _ANONYMOUS.get():
            return "", ""
        archive = claim.match.archive
        try:
            want, wallet = self._want(claim.match)
            account, _, _ = wallet.foresee(replace(want, interactive=False))
        except VoAuthError:
            return archive.name, ""
        return archive.name, account

    def say_once(self, category: type[VoAuthWarning], about: object, text: str) -> None:
        """Warn about a thing, once per session."""
        with self._guard:
            if (category, about) in self._said:
                return
            self._said.add((category, about))
        warnings.warn(text, category, stacklevel=8)

    def goes_without(self, claim: Claim, error: NoHttpsError) -> bool:
        """Say whether a request goes as plain http, without a permit, where https does not answer; with one warning."""
        if self._is_required(claim.match.archive):
            return False
        self.say_once(AnonymousWarning, claim.target.origin, f"{error}. The request goes anonymously.")
        return True

    def _is_required(self, archive: Archive) -> bool:
        return self.policy.required and archive.name == self.policy.archive

    def _own_wallet(self, archive: str) -> Wallet | None:
        """Return the session's own wallet for an archive, made once, at the first request."""
        if archive not in self._private:
            return None
        with self._guard:
            if archive not in self._own:
                self._own[archive] = self._private[archive]()
            return self._own[archive]

    def _want(self, match: Match) -> tuple[Want, Wallet]:
        known = self._wants.get((match.archive.name, match.domain.realm))
        if known is not None:
            return known
        from .wallet import Want, wait_in_environment

        named = match.archive.name == self.policy.archive
        asked = self.policy.wait_for_login
        wallet = self._own_wallet(match.archive.name) or self._wallet()
        want = Want(
            archive=match.archive,
            account=wallet.account(match.archive, self.policy.account if named else None),
            realm=match.domain.realm,
            interactive=self.policy.interactive if named and self.policy.required else False,
            min_life=self.policy.min_life if named else 0.0,
            wait=(wait_in_environment() if asked is None else asked) if named and self.policy.required else 0.0,
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
        if self.policy.is_session and not want.min_life and (text := wallet.foretell(want, held)):
            self.say_once(PermitEndWarning, key, text)

    def _checked(self, dressing: Dressing) -> Dressing:
        """Return the dressing if the permit, by its own words, may go to the target."""
        if self._reaches(dressing.claim, dressing.held):
            return dressing
        raise excluded(dressing.claim)

    def _reaches(self, claim: Claim, held: Held) -> bool:
        archive = claim.match.archive
        if archive.narrow is None and not archive.by_audience:
            return True
        known = self._reach.get(held.key)
        if known is None or known[0] is not held:
            known = self._reach[held.key] = held, reach_of(archive, held.grant)
        return known[1].covers(claim.match.domain, claim.target)

    def _for_this_service(self, claim: Claim, want: Want, wallet: Wallet) -> tuple[Want, Held]:
        """Return a permit that the issuer makes for this service, where it can, in place of one that excludes it."""
        want = replace(want, resource=resource_of(claim.match.domain), interactive=False)
        try:
            held = wallet.permit(want)
        except CredentialsError:
            raise excluded(claim) from None
        return want, held

    def _announce(self, claim: Claim) -> None:
        """Say at every use that a permit goes where anyone on the way reads it."""
        text = (
            f"The permit for {claim.match.archive.title} goes to {claim.target.origin} over plain http, "
            "readable on the way, because your configuration names it in insecure_origins"
        )
        _LOG.warning("%s", text)
        self.say_once(InsecureOriginWarning, claim.target.origin, text)

    def _without_own(self, what: str) -> CredentialsNotFoundError:
        return CredentialsNotFoundError(
            f"This session had credentials of its own for {what}, which are never pickled: "
            "make it anew with session_for"
        )

    def _insecure(self, claim: Claim) -> None:
        archive = claim.match.archive
        https_url = f"{claim.target.origin}{claim.target.path}"  # neither userinfo nor query
        text = f"{archive.title} is asked by plain http, where anyone on the way reads the permit"
        if self._is_required(archive):
            raise InsecureUrlError(f"{text}: use {https_url}", https_url=https_url)
        self.say_once(AnonymousWarning, claim.target.origin, f"{text}. The request goes anonymously; use {https_url}")

    def _warn_outside(self, origin: Origin) -> None:
        missing = self.registry.missing(origin)
        if missing is not None:
            self.say_once(
                AnonymousWarning,
                origin,
                f"{origin} belongs to the {missing.title}, whose plugin is not installed: "
                f"pip install {missing.distribution}. The request goes anonymously.",
            )
        elif origin == self.policy.origin and not self.policy.archive:
            self.say_once(
                AnonymousWarning,
                origin,
                f"No plugin knows {origin}: the request goes anonymously. Give credentials to session_for, "
                "or install the archive's plugin.",
            )


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]


_EDGES: weakref.WeakSet[Edge] = weakref.WeakSet()


def forget_cookies(archive: str, account: str | None) -> None:
    """Drop what all sessions of this process keep of an archive's cookies.

    Parameters
    ----------
    archive, account
        Whose; None for every account.
    """
    for edge in list(_EDGES):
        edge.cookies.forget(archive, account)
