"""Which archive a session is for: the URL that it was made with, and the credentials that it was given."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from .archive import Archive
from .claims import Policy
from .domain import Domain, Origin, Target
from .edge import Edge
from .errors import PluginNotInstalledError
from .registry import Match, Registry
from .secret import Secret

if TYPE_CHECKING:
    from .wallet import Wallet

__all__ = ["edge_for", "known_sources"]


def edge_for(
    policy: Policy,
    url: str | None,
    registry: Registry,
    wallet: Wallet | None,
    credentials: Mapping[str, str | Secret],
    *,
    sources: Mapping[str, str] | None = None,
) -> Edge:
    """Return the edge of a session made for a URL, with credentials of its own or without.

    Parameters
    ----------
    policy
        What else the session was made for.
    url
        The URL; None: no archive is named.
    registry
        Which archive a URL belongs to.
    wallet
        Where permits come from; None: the wallet that the process shares.
    credentials
        The session's own.
    sources
        What to do with each source of credentials, before what the user's configuration says.

    Raises
    ------
    PluginNotInstalledError
        When the URL belongs to a known archive whose plugin is not installed.
    UnusableCredentialsError
        When the file of credentials cannot be used.
    ValueError
        When credentials are given for a URL where a permit would be readable, or a source is not known.
    """
    if sources:
        registry = _WithSources(registry, known_sources(sources, registry))
    if url is None:
        return Edge(policy, registry, _given(wallet))
    archive, origin = _named(url, registry, required=policy.required)
    if credentials and archive is None:
        archive = _archive_for(origin)
        registry = _Widened(registry, archive)
    policy = replace(policy, archive=archive.name if archive else "", origin=origin)
    private = {archive.name: _private_wallet(credentials, archive)} if credentials and archive else {}
    return Edge(policy, registry, _given(wallet), private)


def _given(wallet: Wallet | None) -> Callable[[], Wallet]:
    if wallet is not None:
        return lambda: wallet
    from .wallet import default_wallet

    return default_wallet


def _named(url: str, registry: Registry, *, required: bool) -> tuple[Archive | None, Origin]:
    target = Target.from_url(url)
    match, secure = registry.find(target), target.secured()
    if match is None and secure is not None:
        match = registry.find(secure)
    missing = registry.missing(target.origin)
    if match is None and required and missing is not None:
        raise PluginNotInstalledError(
            f"{target.origin} belongs to the {missing.title}, whose plugin is not installed: "
            f"pip install {missing.distribution}"
        )
    return (match.archive if match else None), target.origin


def _archive_for(origin: Origin) -> Archive:
    """Return an archive for a URL that no plugin knows: its origin alone, and credentials that are sent as they are."""
    from .flows import CertificateFile, HttpBasic, PastedCookie, PastedToken

    return Archive(
        name="this-url",
        title=str(origin),
        domains=(Domain(str(origin)),),
        flows=(PastedToken(), CertificateFile(), PastedCookie(), HttpBasic()),
    )


def _private_wallet(credentials: Mapping[str, str | Secret], archive: Archive) -> Callable[[], Wallet]:
    """Look at the credentials now; the wallet for them is made when it is needed."""
    from .credentials import ExplicitSource

    source = ExplicitSource(credentials, archive)

    def make() -> Wallet:
        from .wallet import Wallet

        return Wallet(None, [source])

    return make


def known_sources(sources: Mapping[str, str], registry: Registry) -> dict[str, str]:
    """Return what is to be done with sources of credentials, as far as there are such sources.

    Parameters
    ----------
    sources
        Names of sources, each with ``try``, ``require`` or ``never``.
    registry
        Which sources the plugins bring.

    Raises
    ------
    ValueError
        When a name or a value is not known.
    """
    from .credentials.modes import checked_modes, checked_names

    modes = checked_modes(sources)
    checked_names(modes, [source.name for source in registry.credential_sources()])
    return modes


class _WithSources(Registry):
    """A registry whose archives know what one session wants of the sources of credentials."""

    def __init__(self, registry: Registry, sources: Mapping[str, str]) -> None:
        super().__init__([])
        self._inner = registry
        self._sources = sources
        self._changed: dict[int, tuple[Match, Match]] = {}

    def find(self, target: Target) -> Match | None:
        match = self._inner.find(target)
        if match is None:
            return None
        known = self._changed.get(id(match))
        if known is None:  # with the original, so that its id is not given to another one
            archive = replace(match.archive, sources={**match.archive.sources, **self._sources})
            known = self._changed[id(match)] = match, replace(match, archive=archive)
        return known[1]

    def missing(self, origin: Origin) -> Any:
        return self._inner.missing(origin)


class _Widened(Registry):
    """A registry with one more archive, for one session."""

    def __init__(self, registry: Registry, archive: Archive) -> None:
        super().__init__([archive])
        self._others = registry

    def find(self, target: Target) -> Match | None:
        return self._others.find(target) or super().find(target)

    def missing(self, origin: Origin) -> Any:
        return self._others.missing(origin)
