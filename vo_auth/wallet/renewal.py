"""Renewal in the background: a stale permit still holds, so nobody waits for its successor."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import ClassVar

from ..clock import Clock
from ..errors import LoginError, LoginUnreachableError, VoAuthError
from .held import Held, Key, Want

__all__ = ["Renewals"]

_LOG = logging.getLogger("vo_auth.wallet")
_FIRST_WAIT, _LONGEST_WAIT = 1.0, 30.0


class Renewals:
    """At most one renewal per key at a time; after a failure the next one waits longer.

    Parameters
    ----------
    renew
        Renews one permit without asking anybody; True when there is a better one now.
    clock
        For the waits.
    """

    DEADLINE: ClassVar[float] = 10.0

    def __init__(self, renew: Callable[[Want, Held], bool], clock: Clock) -> None:
        self._renew = renew
        self._clock = clock
        self.renew_after_fork()

    def renew_after_fork(self) -> None:
        """Forget threads that only the parent process has."""
        self._guard = threading.Lock()
        self._running: set[Key] = set()
        self._next: dict[Key, tuple[float, float]] = {}

    def start(self, want: Want, held: Held) -> None:
        """Start a renewal unless one is running or failed a moment ago; returns at once."""
        key = want.key
        with self._guard:
            if key in self._running or self._next.get(key, (0.0, 0.0))[0] > self._clock.elapsed():
                return
            self._running.add(key)
        # not a daemon: a rotated refresh token must reach the disk before the process ends
        _LOG.debug("%s: the permit is stale, a renewal begins", want.archive.name)
        thread = threading.Thread(target=self._run, args=(want, held), name="vo_auth renewal", daemon=False)
        try:
            thread.start()
        except RuntimeError:  # the interpreter is shutting down
            self._running.discard(key)

    def _run(self, want: Want, held: Held) -> None:
        renewed, at_least = False, 0.0
        try:
            renewed = self._renew(want, held)
        except VoAuthError as error:
            if isinstance(error, LoginUnreachableError):
                at_least = error.retry_after or 0.0
            level = logging.WARNING if isinstance(error, LoginError) else logging.INFO
            _LOG.log(level, "%s: the renewal failed, the permit still holds: %s", want.archive.title, error)
        finally:
            with self._guard:
                self._running.discard(want.key)
                self._note(want.key, renewed=renewed, at_least=at_least)

    def _note(self, key: Key, *, renewed: bool, at_least: float) -> None:
        if renewed:
            self._next.pop(key, None)
            return
        wait = min(self._next.get(key, (0.0, _FIRST_WAIT / 2))[1] * 2, _LONGEST_WAIT)
        self._next[key] = (self._clock.elapsed() + max(wait, at_least), wait)
