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

__all__ = ["edge_for"]


def edge_for(
    policy: Policy, url: str | None, registry: Registry, wallet: Wallet | None, credentials: Mapping[str, str | Secret]
) -> Edge:
    """Return the edge of a session made for a URL, with credentials of its own or without.

    Raises
    ------
    PluginNotInstalledError
        When the URL belongs to a known archive whose plugin is not installed.
    UnusableCredentialsError
        When the file of credentials cannot be used.
    ValueError
        When credentials are given for a URL where a permit would be readable.
    """
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


class _Widened(Registry):
    """A registry with one more archive, for one session."""

    def __init__(self, registry: Registry, archive: Archive) -> None:
        super().__init__([archive])
        self._others = registry

    def find(self, target: Target) -> Match | None:
        return self._others.find(target) or super().find(target)

    def missing(self, origin: Origin) -> Any:
        return self._others.missing(origin)
