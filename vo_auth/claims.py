"""Whose request it is, what it gets, and why it may not get it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .archive import Archive
from .domain import Origin, Target
from .errors import InsecureUrlError, PermitDomainError
from .registry import Match

if TYPE_CHECKING:
    from requests import PreparedRequest

    from .wallet import Held, Wallet, Want
    from .wire import JarKey

__all__ = ["Claim", "Dressing", "NoHttpsError", "Policy", "excluded", "no_https"]


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
    wait_for_login
        Seconds to wait for a login in another process, where the named archive's permit has ended and nobody can be
        asked; None: as the environment says.
    is_session
        Whether it is made for work, of which nobody knows how long it takes; not for one request.
    """

    archive: str = ""
    origin: Origin | None = None
    account: str | None = None
    required: bool = True
    interactive: bool | None = None
    min_life: float = 0.0
    wait_for_login: float | None = None
    is_session: bool = False


@dataclass(frozen=True, slots=True)
class Claim:
    """Whose request it is.

    Parameters
    ----------
    match
        The archive and domain it goes to.
    target
        Where its permit would go: the https form of what was asked, where that is plain http.
    plain_http
        Whether plain http was asked for.
    """

    match: Match
    target: Target
    plain_http: bool


@dataclass(frozen=True, slots=True)
class Dressing:
    """What one request gets.

    Parameters
    ----------
    claim
        Whose request it is.
    want, held, wallet
        The permit and where it comes from.
    """

    claim: Claim
    want: Want
    held: Held
    wallet: Wallet

    @property
    def archive(self) -> Archive:
        """The archive it goes to."""
        return self.claim.match.archive

    @property
    def jar(self) -> JarKey:
        """Where cookies of its answers are kept."""
        return self.held.key.archive, self.held.key.account, self.claim.target.origin


class NoHttpsError(InsecureUrlError):
    """A URL was asked by plain http; its https form, where the permit would go, does not answer."""


def no_https(claim: Claim, request: PreparedRequest | None, error: Exception) -> NoHttpsError:
    """Return the error for a service that its tables name with http, and that https does not reach."""
    https_url = f"{claim.target.origin}{claim.target.path}"  # neither userinfo nor query
    return NoHttpsError(
        f"{claim.match.archive.title} is asked by plain http, where anyone on the way reads the permit, and "
        f"{claim.target.origin} does not answer by https ({type(error).__name__}): the permit stays here. "
        "Public data need none: use vo_auth.anonymous()",
        https_url=https_url,
        request=request,
    )


def excluded(claim: Claim) -> PermitDomainError:
    """Return the error for a permit that, by its own words, is not for this service."""
    archive = claim.match.archive
    page = f" (see {archive.pages.token})" if archive.pages.token else ""
    return PermitDomainError(
        f"The permit for {archive.title} says that it is not for {claim.target.origin}: "
        f"use a permit made for this service{page}"
    )
