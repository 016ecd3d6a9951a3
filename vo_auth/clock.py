"""Time that can be trusted with an expiry."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["Clock", "Instant", "skew_of"]


def _elapsed() -> float:
    """Return seconds that never go back and, where the system can, count the time it was suspended."""
    if hasattr(time, "CLOCK_BOOTTIME"):
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    if sys.platform == "darwin":
        return time.clock_gettime(time.CLOCK_MONOTONIC)  # goes on during sleep, unlike time.monotonic() there
    return time.monotonic()  # goes on during sleep on Windows


@dataclass(frozen=True, slots=True)
class Instant:
    """One moment on both clocks of this machine.

    Parameters
    ----------
    wall
        Seconds since the epoch, as the machine believes.
    elapsed
        Seconds on the clock that never goes back.
    """

    wall: float
    elapsed: float


@dataclass(frozen=True, slots=True)
class Clock:
    """The machine's two clocks and a way to wait; tests put their own in place.

    Parameters
    ----------
    wall
        Returns seconds since the epoch.
    elapsed
        Returns seconds that never go back and count suspended time.
    sleep
        Waits for that many seconds.
    """

    wall: Callable[[], float] = time.time
    elapsed: Callable[[], float] = _elapsed
    sleep: Callable[[float], None] = time.sleep

    def instant(self) -> Instant:
        """Return this moment on both clocks."""
        return Instant(self.wall(), self.elapsed())

    def since(self, start: Instant) -> float:
        """Return the seconds since ``start``: the larger of what the two clocks say.

        A wall clock that was set back, or a machine that slept, must not make a permit look younger than it is.
        """
        return max(self.wall() - start.wall, self.elapsed() - start.elapsed)


def skew_of(date: float, wall: float, *, took: float = 0.0) -> float:
    """Return by how many seconds a server's clock is ahead, from its Date header.

    A Date names a whole second that has begun, and the answer took a while: a difference that these explain is none,
    and any other is taken at its later end, so that a permit looks rather older than it is.

    Parameters
    ----------
    date
        The Date header (RFC 9110, 6.6.1), seconds since the epoch.
    wall
        This machine's time when it came.
    took
        Seconds from the request to the answer: so old the Date may be.
    """
    difference = date - wall
    if -1.5 - took <= difference <= 0.25:
        return 0.0
    return difference + 1.0 + (took if difference < 0 else 0.0)
