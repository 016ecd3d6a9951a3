"""Tokens that a science platform gives to the programs that run on it, where the archive says that they are."""

from __future__ import annotations

import os
from contextlib import suppress

from requests.exceptions import RequestException

from ..archive import Archive, TokenPlace
from ..domain import Origin
from ..errors import UnusableCredentialsError
from ..secret import Secret
from .base import Found, Passed, Wanted
from .discovered import judged, stripped, takes_tokens
from .files import read_protected

__all__ = ["PlatformSource"]


class PlatformSource:
    """The places of :class:`~vo_auth.archive.Ambient`: variables and files of a notebook or batch platform."""

    name = "platform"
    rank = 74

    def find(self, wanted: Wanted) -> Found | Passed | None:
        """Return the first token that is one for this archive and account.

        Raises
        ------
        UnusableCredentialsError
            When a place holds what is no token, or its file cannot be read or is open to others.
        """
        ambient = wanted.archive.known.ambient
        if not ambient.places or not takes_tokens(wanted):
            return None
        if elsewhere := _elsewhere(wanted.archive):
            return Passed(elsewhere)
        passed: Passed | None = None
        for place in ambient.places:
            origin, token = _held(place)
            if token is None:
                continue
            result = judged(wanted, token, origin, placed=True)
            if isinstance(result, Found):
                return result
            passed = passed or result
        return passed

    def looked_at(self, archive: Archive) -> str:
        """Say where this source looked, for the error that lists every source."""
        places = archive.known.ambient.places
        if not places or not any("token" in flow.asks for flow in archive.flows):
            return ""
        return "no token in " + ", ".join(place.variable or place.path for place in places)


def _elsewhere(archive: Archive) -> str:
    """Say that this is the platform of another archive; empty where it is not, or nobody says."""
    variable = archive.known.ambient.instance
    address = os.environ.get(variable) if variable else ""
    if not address:
        return ""
    with suppress(RequestException, ValueError):
        if Origin.from_url(address) in {domain.origin for domain in archive.domains}:
            return ""
    return f"not used: {variable} names the platform of another archive"


def _held(place: TokenPlace) -> tuple[str, Secret | None]:
    if place.variable:
        try:
            return place.variable, stripped(os.environ.get(place.variable, ""))
        except ValueError:
            raise UnusableCredentialsError(f"{place.variable} cannot be used: it is no text in UTF-8") from None
    path = os.path.expanduser(os.path.expandvars(place.path))
    if "$" in path or not os.path.lexists(path):
        return path, None
    return path, stripped(read_protected(path, what="The platform's token"))
