"""How permits stand, by the archive's own time as far as it is known."""

from __future__ import annotations

from ..archive import Archive
from ..clock import Clock, skew_of
from ..errors import PermitExpiredError, PermitLifeError
from ..permit import PermitState
from .held import Held, Want, state_of

__all__ = ["Standing", "differ", "is_better"]

_YOUNG = 60.0  # a permit younger than this was refused for its rights
_ONCE_IN = 600.0  # at most one login because of a refusal in this time


class Standing:
    """Judge permits, and learn by how much each archive's clock is ahead of this machine's.

    Parameters
    ----------
    clock
        This machine's clocks.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._skew: dict[str, float] = {}

    def skew_of(self, archive: Archive) -> float:
        """Return by how many seconds an archive's clock is ahead."""
        return self._skew.get(archive.name, 0.0)

    def observe(self, archive: Archive, date: float, *, took: float = 0.0) -> None:
        """Learn from the Date header of an answer that came just now, so many seconds after its request."""
        self._skew[archive.name] = skew_of(date, self._clock.wall(), took=took)

    def learn(self, held: Held) -> None:
        """Learn from a login that has just been answered."""
        self._skew[held.key.archive] = held.server_time - held.obtained.wall

    def suppose(self, held: Held) -> None:
        """Take what another process learned, where nothing is known here."""
        self._skew.setdefault(held.key.archive, held.server_time - held.obtained.wall)

    def state(self, want: Want, held: Held) -> PermitState:
        """Say how a permit stands now; EXPIRED also when it would end within ``min_life``."""
        skew = self.skew_of(want.archive)
        return state_of(want.archive, held, clock=self._clock, skew=skew, min_life=want.min_life)

    def is_usable(self, want: Want, held: Held, *, refused: Held | None = None) -> bool:
        """Say whether a permit may be sent, and is another than the one that was refused."""
        return self.state(want, held) is not PermitState.EXPIRED and (refused is None or differ(held, refused))

    def left(self, held: Held) -> float | None:
        """Return how many seconds a permit holds; None where its end is not known."""
        return None if held.grant.expires is None else held.grant.expires - self._now(held)

    def is_about_rights(self, held: Held, *, dead: bool = False) -> bool:
        """Say whether a refusal of this permit says something about the account, not about the permit.

        A permit that the archive called dead is replaced although it is young, yet no more often than others.
        """
        young = not dead and self._now(held) - held.grant.issued < _YOUNG
        return young or 0 <= self._clock.wall() - held.refusal_renewed < _ONCE_IN

    def lives_too_short(self, want: Want, held: Held) -> bool:
        """Say whether a new login would only bring another permit that is too short for ``min_life``."""
        life = held.grant.life
        return life is not None and life < want.min_life and self._now(held) - held.grant.issued < _YOUNG

    def alive(self, want: Want, held: Held) -> Held:
        """Return a permit that a login has just given, its archive's time learned.

        Raises
        ------
        PermitExpiredError
            When it has ended all the same.
        """
        self.learn(held)
        left = self.left(held)
        if left is not None and left <= 0:
            page = f" at {want.archive.pages.token}" if want.archive.pages.token else ""
            raise PermitExpiredError(
                f"The permit for {want.archive.title} from {held.origin} has ended: get a new one{page}"
            )
        return held

    def long_enough(self, want: Want, held: Held) -> Held:
        """Return a permit that holds for ``min_life``.

        Raises
        ------
        PermitLifeError
            When it does not.
        """
        left = self.left(held)
        if want.min_life > 0 and left is not None and left < want.min_life:
            raise PermitLifeError(
                f"{want.archive.title} gives permits for {held.grant.life:.0f} s, of which {left:.0f} s are left; "
                f"min_life asks for {want.min_life:.0f} s: ask for less, or log in again nearer to the work"
            )
        return held

    def _now(self, held: Held) -> float:
        return held.now(self._clock, self._skew.get(held.key.archive, 0.0))


def differ(one: Held, other: Held) -> bool:
    """Say whether two grants are not the same permit."""
    return one.grant.permit != other.grant.permit


def is_better(new: Held, old: Held) -> bool:
    """Say whether a renewal brought anything: a pasted token is the same one again."""
    if new.grant.expires is None or new.grant.refresh not in (None, old.grant.refresh):
        return True
    return old.grant.expires is not None and new.grant.expires > old.grant.expires
