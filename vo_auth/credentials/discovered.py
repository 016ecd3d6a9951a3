"""Whether a token that was simply there is one for this archive and this account."""

from __future__ import annotations

import re
from typing import Any

from ..archive import Archive
from ..errors import UnusableCredentialsError
from ..flows.jwt import read_claims
from ..reach import is_for
from ..secret import Secret
from .base import Found, Passed, Wanted

__all__ = ["judged", "stripped", "takes_tokens", "takes_unplaced"]

_B64TOKEN = re.compile(r"[A-Za-z0-9\-._~+/]+=*")  # RFC 6750, section 2.1
_SPACE = " \f\n\r\t\v"  # what C99's isspace calls so; WLCG bearer token discovery strips it
_SHOWABLE = re.compile(r"[!-~]{1,200}")


def takes_tokens(wanted: Wanted) -> bool:
    """Say whether a flow begins with a token that somebody else obtained."""
    return "token" in wanted.flow.asks


def takes_unplaced(archive: Archive) -> bool:
    """Say whether an archive takes any token that was not put into a place of its own."""
    return bool(archive.token_issuers() or archive.known.ambient.pattern)


def stripped(text: str) -> Secret | None:
    """Return a token without white space around it; None for an empty one.

    Raises
    ------
    ValueError
        When it is no valid Unicode.
    """
    return Secret(text.strip(_SPACE)) or None


def judged(
    wanted: Wanted, token: Secret, origin: str, *, placed: bool = False, vouched: bool = False
) -> Found | Passed:
    """Return a token as credentials, or why it is not used.

    Parameters
    ----------
    wanted
        For which archive and account.
    token
        The token.
    origin
        Where it was found, for people.
    placed
        Whether it lay where the archive itself says that its tokens lie.
    vouched
        Whether who gave it says that it is of an issuer that the archive names.

    Raises
    ------
    UnusableCredentialsError
        When it is no bearer token at all (RFC 6750, section 2.1).
    """
    if not _B64TOKEN.fullmatch(token.reveal()):
        raise UnusableCredentialsError(
            f"{wanted.archive.title}: what {origin} holds is not a bearer token (RFC 6750): correct it, or remove it"
        )
    claims = read_claims(token.reveal())
    reason = _not_for_archive(wanted.archive, token, claims, given=placed or vouched, placed=placed)
    reason = reason or _not_for_account(wanted, claims)
    if reason:
        return Passed(f"the token of {origin} is not used: {reason}")
    return Found(values={"token": token}, origin=origin)


def _not_for_archive(archive: Archive, token: Secret, claims: dict[str, Any], *, given: bool, placed: bool) -> str:
    """Return why a token is not for an archive; empty when it is."""
    if claims:
        issuer = claims.get("iss")
        if issuer not in archive.token_issuers():
            shown = issuer if isinstance(issuer, str) and _SHOWABLE.fullmatch(issuer) else "nobody who is named"
            return f"its issuer is {shown}, of which {archive.title} takes none"
        return "" if is_for(archive, claims) else f"its audience is not {archive.title}"
    pattern = archive.known.ambient.pattern
    if pattern and (placed or not given):
        return "" if re.fullmatch(pattern, token.reveal()) else f"it has not the shape of those of {archive.title}"
    return "" if given else f"it does not say whose it is, and {archive.title} names no such tokens"


def _not_for_account(wanted: Wanted, claims: dict[str, Any]) -> str:
    """Return why a token is not for an account; empty when it is. A named account gets that of its own user alone."""
    mine = {name for name in (wanted.username, "" if wanted.is_default else wanted.account) if name}
    owners = {claims.get("sub"), claims.get("preferred_username")}
    return "" if not mine or mine & owners else "it does not say that it is of this account's user"
