"""What the wallet holds, without a secret."""

from __future__ import annotations

import datetime
import html
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from .archive import Archive
from .errors import VoAuthError
from .registry import Registry, default_registry

if TYPE_CHECKING:
    from .wallet import Held, Wallet

__all__ = ["HeldPermit", "HeldPermits", "cells", "insecure_origins", "moment", "status", "text_of_life"]


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldPermit:
    """A permit in the wallet, without its secret.

    Parameters
    ----------
    archive, account, user
        Whose it is.
    kind
        ``bearer``, ``header``, ``cookie``, ``certificate`` or ``basic``.
    state
        ``fresh``, ``stale``, ``expired`` or ``unknown``.
    flow, origin
        How it was obtained, and where the credentials were found.
    kept
        ``encrypted file``, ``plain file`` or ``memory``.
    expires
        When it ends; None where that is not known.
    seconds_left
        How long it holds, in seconds; None where that is not known.
    renews
        When whoever uses it begins to renew it, in the background; None where its end is not known, or where only a
        person can replace it.
    service
        The one service that it was made for (RFC 8707); empty: whatever the archive gives.
    insecure_origins
        Where the user's own configuration lets it go over plain http.
    """

    archive: str
    account: str
    user: str
    kind: str
    state: str
    flow: str
    origin: str
    kept: str
    expires: datetime.datetime | None
    seconds_left: float | None
    renews: datetime.datetime | None = None
    service: str = ""
    insecure_origins: tuple[str, ...] = ()


class HeldPermits(list[HeldPermit]):
    """A list of what the wallet holds; a notebook shows it as a table.

    Parameters
    ----------
    permits
        In their order.
    insecure_origins
        By archive: the origins that the user's own configuration names as insecure, also of archives without a permit.
    """

    COLUMNS: ClassVar = ("archive", "account", "user", "permit", "state", "left", "renews", "kept in", "from")

    def __init__(
        self, permits: Iterable[HeldPermit] = (), *, insecure_origins: Mapping[str, tuple[str, ...]] | None = None
    ) -> None:
        super().__init__(permits)
        self.insecure_origins = dict(insecure_origins or {})

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{name}</th>" for name in self.COLUMNS)
        rows = "".join(f"<tr>{''.join(f'<td>{html.escape(cell)}</td>' for cell in cells(one))}</tr>" for one in self)
        notes = "".join(f"<p>{html.escape(note)}</p>" for note in self.notes())
        if not self:
            return f"<p>vo_auth holds no permits.</p>{notes}"
        return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>{notes}"

    def notes(self) -> list[str]:
        """Return what a person should know beside the table, one sentence each."""
        return [
            f"Permits of {archive} also go to {', '.join(origins)} over plain http, readable on the way, "
            "because your configuration names it in insecure_origins."
            for archive, origins in sorted(self.insecure_origins.items())
        ]


def cells(item: HeldPermit) -> tuple[str, ...]:
    """Return one permit as the columns of a table.

    Parameters
    ----------
    item
        The permit.
    """
    kind = f"{item.kind} for {item.service}" if item.service else item.kind
    renews = item.renews.astimezone().strftime("%Y-%m-%d %H:%M") if item.renews else "by you" if item.expires else ""
    left = text_of_life(item.seconds_left)
    return (item.archive, item.account, item.user, kind, item.state, left, renews, item.kept, item.origin)


def text_of_life(seconds: float | None) -> str:
    """Return a length of time as a person reads it.

    Parameters
    ----------
    seconds
        None where it is not known.

    Examples
    --------
    >>> text_of_life(3 * 3600 + 125), text_of_life(95), text_of_life(None), text_of_life(-1)
    ('3 h 02 min', '1 min 35 s', 'not known', 'ended')
    """
    if seconds is None:
        return "not known"
    if seconds <= 0:
        return "ended"
    hours, minutes = divmod(int(seconds) // 60, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {int(seconds) % 60:02d} s"


def moment(seconds: float | None) -> datetime.datetime | None:
    """Return seconds since the epoch as a time; None for None."""
    return None if seconds is None else datetime.datetime.fromtimestamp(seconds, tz=datetime.UTC)


def insecure_origins(registry: Registry) -> dict[str, tuple[str, ...]]:
    """Return, by archive, the origins that the user's own configuration names as insecure.

    Parameters
    ----------
    registry
        What knows the archives as they are configured.
    """
    found = {
        archive.name: tuple(str(domain.origin) for domain in archive.domains if domain.insecure)
        for archive, _ in registry.archives()
    }
    return {name: origins for name, origins in found.items() if origins}


def status() -> HeldPermits:
    """Return what the wallet holds, without secrets.

    Returns
    -------
    HeldPermits
        A list of :class:`HeldPermit` in the order of archives and accounts; a table in a notebook.

    Raises
    ------
    WalletError
        When the wallet's file cannot be used.
    """
    from .wallet import default_wallet

    wallet, registry = default_wallet(), default_registry()
    known = {archive.name: archive for archive, _ in registry.archives()}
    insecure = insecure_origins(registry)
    permits = [
        _shown(wallet, known.get(held.key.archive), held, insecure.get(held.key.archive, ()))
        for held in wallet.everything()
    ]
    return HeldPermits(permits, insecure_origins=insecure)


def _shown(wallet: Wallet, archive: Archive | None, held: Held, insecure: tuple[str, ...]) -> HeldPermit:
    return HeldPermit(
        archive=held.key.archive,
        account=held.key.account,
        user=held.grant.identity,
        kind=held.grant.permit.kind,
        state=wallet.state(archive, held).value if archive else "unknown",
        flow=held.flow,
        origin=held.origin,
        kept=wallet.kept(held),
        expires=moment(held.grant.expires),
        seconds_left=wallet.seconds_left(held.key.archive, held),
        renews=moment(_renewal(wallet, archive, held)) if archive else None,
        service=held.key.resource,
        insecure_origins=insecure,
    )


def _renewal(wallet: Wallet, archive: Archive, held: Held) -> float | None:
    """Return when a permit becomes stale, where something at hand can renew it."""
    from .wallet import margins

    if held.grant.expires is None or held.grant.life is None:
        return None
    if held.grant.refresh is None and not _has_credentials(wallet, archive, held):
        return None
    return held.grant.expires - margins(archive, held.grant.life)[0]


def _has_credentials(wallet: Wallet, archive: Archive, held: Held) -> bool:
    """Say whether a login could be made without a person, by a flow that makes new permits."""
    from .wallet import Want

    try:
        account = wallet.account(archive, held.key.account or None)
        chosen = wallet.preview(Want(archive=archive, account=account, realm=held.key.realm))
    except VoAuthError:
        return False
    return bool(chosen.flow.login_urls)
