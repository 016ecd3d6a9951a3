"""What the wallet holds, and how long it is good for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from ..archive import Archive, Grant
from ..clock import Clock, Instant
from ..permit import PermitState
from .accounts import Account

__all__ = ["Held", "Key", "Want", "margins", "state_of"]

_SHORT = 0.05  # of its life, at most 30 s: so near the end that a permit might end on its way
_STALE = 0.2  # of its life, at most the archive's margin


class Key(NamedTuple):
    """Under which the wallet keeps a permit: never a host, never a realm text of a server."""

    archive: str
    account: str
    realm: str = ""
    resource: str = ""

    @property
    def lock(self) -> str:
        """The name of the lock for its logins: permits for several services may share one refresh token."""
        return str(tuple(self)[:3])

    @property
    def base(self) -> Key:
        """The key of the permit for whatever services the archive gives."""
        return self._replace(resource="")


@dataclass(frozen=True, slots=True, kw_only=True)
class Want:
    """What a session needs.

    Parameters
    ----------
    archive
        For which archive.
    account
        For which account of it.
    realm
        The realm of the domain.
    resource
        The one service that the permit is to be made for (RFC 8707); empty: whatever the archive gives.
    interactive
        Whether a person may be asked: True, False, or None to look for a terminal or notebook.
    min_life
        Seconds that the permit must still hold.
    wait
        Seconds to wait for a login in another process where there is no permit and nobody can be asked.
    """

    archive: Archive
    account: Account = field(default_factory=Account)
    realm: str = ""
    resource: str = ""
    interactive: bool | None = None
    min_life: float = 0.0
    wait: float = 0.0
    key: Key = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "key", Key(self.archive.name, self.account.label, self.realm, self.resource))


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A grant in the wallet.

    Parameters
    ----------
    key
        Where it is kept.
    grant
        The grant.
    flow
        The name of the flow that gave it.
    origin
        Where its credentials were found, for people.
    obtained
        When this process got hold of it.
    server_time
        The archive's time at that moment.
    stored
        Whether it is in the vault.
    refusal_renewed
        When (wall time) it, or one before it, was obtained because its predecessor was refused; 0 for never.
    redeeming
        When (wall time) its refresh token was last sent without an answer being saved; 0 for never.
    """

    key: Key
    grant: Grant
    flow: str
    origin: str
    obtained: Instant
    server_time: float
    stored: bool = False
    refusal_renewed: float = 0.0
    redeeming: float = 0.0

    def now(self, clock: Clock, skew: float) -> float:
        """Return the archive's time, the more pessimistic of what the clocks say.

        Parameters
        ----------
        clock
            This machine's clocks.
        skew
            Seconds by which the archive's clock is ahead of the wall clock.
        """
        return max(clock.wall() + skew, self.server_time + clock.since(self.obtained))

    def to_record(self) -> dict[str, Any]:
        """Return JSON values, secrets revealed: for the vault alone."""
        return {
            "archive": self.key.archive,
            "account": self.key.account,
            "realm": self.key.realm,
            "resource": self.key.resource,
            "grant": self.grant.to_record(),
            "flow": self.flow,
            "origin": self.origin,
            "skew": self.server_time - self.obtained.wall,
            "refusal_renewed": self.refusal_renewed,
            "redeeming": self.redeeming,
        }

    @classmethod
    def from_record(cls, record: Mapping[str, Any], clock: Clock) -> Held:
        """Return what :meth:`to_record` wrote down, obtained now.

        Raises
        ------
        ValueError
            When the record is not one of ours.
        """
        obtained = clock.instant()
        try:
            return cls(
                key=Key(
                    str(record["archive"]),
                    str(record["account"]),
                    str(record["realm"]),
                    str(record.get("resource", "")),
                ),
                grant=Grant.from_record(record["grant"]),
                flow=str(record["flow"]),
                origin=str(record["origin"]),
                obtained=obtained,
                server_time=obtained.wall + float(record["skew"]),
                stored=True,
                refusal_renewed=float(record["refusal_renewed"]),
                redeeming=float(record["redeeming"]),
            )
        except (KeyError, TypeError, AttributeError):
            raise ValueError("not a wallet entry") from None

    def after_refusal(self, wall: float) -> Held:
        """Return the same, marked as the successor of a permit that was refused."""
        return replace(self, refusal_renewed=wall)


def margins(archive: Archive, life: float) -> tuple[float, float]:
    """Return the seconds before its end from which a permit is stale, and from which it is not sent any more."""
    return min(archive.margin, _STALE * life), min(30.0, _SHORT * life)


def state_of(archive: Archive, held: Held, *, clock: Clock, skew: float, min_life: float = 0.0) -> PermitState:
    """Say how a permit stands now.

    Parameters
    ----------
    archive, held
        The archive and its permit.
    clock, skew
        This machine's clocks, and by how much the archive's is ahead.
    min_life
        Seconds that it must still hold.

    Returns
    -------
    PermitState
        EXPIRED also for one that would end within ``min_life``.
    """
    life = held.grant.life
    if held.grant.expires is None or life is None:
        return PermitState.UNKNOWN
    left = held.grant.expires - held.now(clock, skew)
    stale, short = margins(archive, life)
    if left <= short or left < min_life:
        return PermitState.EXPIRED
    return PermitState.STALE if left <= stale else PermitState.FRESH
