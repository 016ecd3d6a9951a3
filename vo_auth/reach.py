"""How far a permit reaches by its own words: a list of domains, or the audience of a token. It can only narrow."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from .archive import Archive, Grant
from .domain import Domain, Target
from .flows.jwt import read_claims
from .permit import BearerPermit

__all__ = ["Reach", "is_for", "reach_of", "resource_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """What a permit says of where it may go.

    Parameters
    ----------
    domains
        Its own list; None: it has none.
    audience
        The services that a token names (``aud``, RFC 7519, section 4.1.3); None: it names none.
    """

    domains: tuple[Domain, ...] | None = None
    audience: tuple[str, ...] | None = None

    def covers(self, domain: Domain, target: Target) -> bool:
        """Say whether the permit may go to a target.

        Parameters
        ----------
        domain
            The archive's domain that covers it.
        target
            Where the request goes.
        """
        if self.domains is not None and not any(own.covers(target) for own in self.domains):
            return False
        return self.audience is None or self._is_addressed(domain, target)

    def _is_addressed(self, domain: Domain, target: Target) -> bool:
        """Say whether the audience has this service.

        A URL says itself what it covers. Of other names only those that the archive gives its services tell anything:
        where the domain has none, a name that nobody can place excludes nothing.
        """
        assert self.audience is not None
        if any(name in domain.audience for name in self.audience):
            return True
        addresses = [name for name in self.audience if "://" in name]
        # where the user wants plain http, the service is the one that its https address names
        targets = [target, *([secure] if domain.insecure and (secure := target.secured()) else [])]
        if any(_covers(address, place) for address in addresses for place in targets):
            return True
        return not domain.audience and len(addresses) < len(self.audience)


def reach_of(archive: Archive, grant: Grant) -> Reach:
    """Return what a grant says of where its permit may go.

    Parameters
    ----------
    archive
        Whose permit it is.
    grant
        The grant.

    Returns
    -------
    Reach
        One without restriction where the permit says nothing.
    """
    domains = archive.narrow(grant) if archive.narrow else None
    audience = None
    if archive.by_audience and isinstance(grant.permit, BearerPermit):
        audience = _audience(read_claims(grant.permit.token.reveal()))
    return Reach(domains=domains, audience=audience)


def is_for(archive: Archive, claims: Mapping[str, Any]) -> bool:
    """Say whether a token that nobody chose for an archive names it as its audience; one without audience names all.

    Here a name that nobody can place excludes the archive. Where tokens are guarded by their audience at every
    request, one service of the archive is enough; elsewhere it must be all of them.

    Parameters
    ----------
    archive
        The archive.
    claims
        Of the token (RFC 7519, section 4.1.3).
    """
    audience = _audience(claims)
    if audience is None:
        return "aud" not in claims
    named = [_names(audience, domain) for domain in archive.domains]
    return any(named) if archive.by_audience else all(named)


def resource_of(domain: Domain) -> str:
    """Return what to call a domain when a token for it is asked for (RFC 8707, section 2)."""
    return domain.audience[0] if domain.audience else str(domain)


def _audience(claims: Mapping[str, Any]) -> tuple[str, ...] | None:
    value = claims.get("aud")
    names = (value,) if isinstance(value, str) else value
    if not isinstance(names, list | tuple):
        return None
    return tuple(name for name in names if isinstance(name, str)) or None


def _names(audience: tuple[str, ...], domain: Domain) -> bool:
    target = Target.from_url(str(domain))
    return any(name in domain.audience or ("://" in name and _covers(name, target)) for name in audience)


def _covers(address: str, target: Target) -> bool:
    """Say whether an address covers a target; it is a name here, so that https may also be written with http."""
    for form in dict.fromkeys((address, address.replace("http://", "https://", 1))):
        with suppress(ValueError):
            if Domain(form.rstrip("/")).covers(target):
                return True
    return False
