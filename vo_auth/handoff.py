"""Permits for programs that take no session: decided for their URLs as for a request, and out of sight.

A program's arguments and its environment can be read by others, and are written down in many places. So what is secret
goes to it on its standard input or in a file that only its owner reads.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urldefrag, urlsplit

from requests.exceptions import InvalidURL, MissingSchema
from requests.models import PreparedRequest

from .claims import Claim, Dressing, Policy
from .domain import Origin, Target
from .duration import seconds_in
from .edge import Edge
from .errors import InsecureUrlError, PermitDomainError
from .naming import edge_for
from .permit import BasicPermit, CertificatePermit, CookiePermit, Permit
from .registry import Registry, default_registry
from .wire import secure_url

if TYPE_CHECKING:
    from .archive import Archive

__all__ = ["Handoff", "HandoffError", "bare_secret", "clean_environ", "hand_off", "header_lines"]

_OWN = re.compile(r"VO_AUTH_.+_(PASSWORD|TOKEN|COOKIE|CLIENT_SECRET)")
_SECRETS = ("password", "token", "cookie", "client_secret")
_COMMON = frozenset({"BEARER_TOKEN"})  # of the WLCG's bearer token discovery


class HandoffError(ValueError):
    """A permit cannot be handed to a program in a way that is safe; the text says what to do in its place."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Handoff:
    """URLs of one origin, and the permit that goes there.

    Parameters
    ----------
    urls
        As they are to be asked: normalised, so that every program reads the same in them.
    claim
        Whose they are.
    permit
        What goes there.
    may_follow
        Whether all of the origin gets this permit, so that redirects inside of it may be followed with it.
    """

    urls: tuple[str, ...]
    claim: Claim
    permit: Permit
    may_follow: bool

    @property
    def archive(self) -> Archive:
        """The archive that they belong to."""
        return self.claim.match.archive

    @property
    def origin(self) -> Origin:
        """What is dialled."""
        return self.claim.target.origin

    @property
    def certificate(self) -> CertificatePermit | None:
        """The client certificate to present, where the permit is one."""
        return self.permit if isinstance(self.permit, CertificatePermit) else None

    def headers(self) -> list[str]:
        """Return the header lines of the permit, revealed."""
        return header_lines(self.permit, self.urls[0])


def hand_off(urls: Sequence[str], *, account: str | None = None, min_life: float | str | None = None) -> Handoff:
    """Decide about URLs as a session does, and get the permit for them.

    Parameters
    ----------
    urls
        One, or several of the same origin.
    account
        The label of the account; None: the archive's default account.
    min_life
        How long the permit must still hold: seconds, or text as ``"8h"``.

    Returns
    -------
    Handoff
        What may be handed to a program.

    Raises
    ------
    HandoffError
        When a URL gets no permit, or may not get it; or when they do not belong together.
    VoAuthError
        When no permit can be had.
    """
    first, registry = _normalised(urls[0]), default_registry()
    policy = Policy(account=account, min_life=seconds_in(min_life) if min_life is not None else 0.0)
    edge = edge_for(policy, first, registry, None, {})
    dressings, asked = [], []
    for url in urls:
        dressing = _dressing(edge, _normalised(url))
        dressings.append(dressing)
        asked.append(secure_url(_normalised(url)) if dressing.claim.plain_http else _normalised(url))
    one = dressings[0]
    for other, url in zip(dressings, asked, strict=True):
        if other.claim.target.origin != one.claim.target.origin or other.held is not one.held:
            raise HandoffError(f"{_shown(url)} gets another permit than {_shown(asked[0])}: give each a run of its own")
    permit = one.held.grant.permit
    if isinstance(permit, CertificatePermit) and one.claim.target.origin.scheme == "http":
        raise HandoffError("a client certificate cannot be presented over plain http")
    return Handoff(urls=tuple(asked), claim=one.claim, permit=permit, may_follow=_is_alone(one.claim, registry))


def _normalised(url: str) -> str:
    prepared = PreparedRequest()
    try:
        prepared.prepare_url(url, None)
        Target.from_url(url)
    except (InvalidURL, MissingSchema):
        raise HandoffError("this is no URL that can be requested; it begins with https://") from None
    text = urldefrag(prepared.url or "").url
    if urlsplit(text).username is not None:
        raise HandoffError("this URL has a user name in it: leave it out, the permit says who asks")
    return text


def _dressing(edge: Edge, url: str) -> Dressing:
    claim = edge.claim(Target.from_url(url))
    if claim is None:
        raise HandoffError(f"{_shown(url)} gets no permit: no installed archive claims it, so there is nothing to add")
    try:
        why = edge.why_undressed(claim)
        dressing = None if why else edge.dress(claim)
    except (InsecureUrlError, PermitDomainError) as error:
        raise HandoffError(str(error)) from None
    if dressing is None:
        raise HandoffError(f"{_shown(url)} gets no permit: {why or 'no credentials were found'}")
    return dressing


def _is_alone(claim: Claim, registry: Registry) -> bool:
    """Say whether a whole origin belongs to one domain."""
    domain = claim.match.domain
    here = [other for archive, _ in registry.archives() for other in archive.domains if other.origin == domain.origin]
    return not domain.segments and not domain.anonymous and len(here) == 1


def _shown(url: str) -> str:
    return url.partition("?")[0]


# -------------------------------------------------------------------- what is handed over


def header_lines(permit: Permit, url: str) -> list[str]:
    """Return the header lines by which a permit is presented, revealed; none for a certificate.

    Parameters
    ----------
    permit
        The permit.
    url
        Where it goes.
    """
    presentation = permit.present(url)
    cookies = "; ".join(f"{name}={value}" for name, value in presentation.cookies.items())
    lines = [f"{name}: {value}" for name, value in presentation.headers.items()]
    return [*lines, *([f"Cookie: {cookies}"] if cookies else [])]


def bare_secret(permit: Permit) -> str:
    """Return what is secret about a permit, revealed: a token, ``name=value``, a password, or PEM text.

    Parameters
    ----------
    permit
        The permit.
    """
    if isinstance(permit, CertificatePermit):
        return permit.pem.reveal()
    if isinstance(permit, CookiePermit):
        return f"{permit.name}={permit.value.reveal()}"
    if isinstance(permit, BasicPermit):
        return permit.password.reveal()
    record = permit.to_record()
    return str(record.get("token") or record["value"])


def clean_environ(environ: Mapping[str, str], archives: Iterable[Archive]) -> dict[str, str]:
    """Return an environment without the variables that hold secrets of archives.

    Parameters
    ----------
    environ
        As it is.
    archives
        Whose users' own variables are known.

    Returns
    -------
    dict
        Names of files that hold secrets stay: a file says who may read it.
    """
    known = set(_COMMON)
    for archive in archives:
        known.update(name for secret in _SECRETS for name in archive.known.environment.get(secret, ()))
        known.update(place.variable for place in archive.known.ambient.places if place.variable)
    return {name: value for name, value in environ.items() if name not in known and not _OWN.fullmatch(name)}
