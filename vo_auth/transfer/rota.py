"""Whose turn it is: files by host, so many at once from each, and pauses where a host asks for them."""

from __future__ import annotations

import heapq
import random
import threading
import time
from collections import deque
from collections.abc import Iterable
from typing import Generic, TypeVar

__all__ = ["Host", "Rota", "backoff"]

Task = TypeVar("Task")


def backoff(failures: int, *, pause: float, longest: float) -> float:
    """Return how long to wait after so many failures in a row: doubling, and never the same for two at once.

    Parameters
    ----------
    failures
        At least 1.
    pause
        After the first one, in seconds.
    longest
        At most.

    Returns
    -------
    float
        Between half of it and all of it.
    """
    full = min(pause * 2.0 ** min(failures - 1, 30), longest)
    return full * random.uniform(0.5, 1.0)  # noqa: S311 - spreads load, keeps no secret


class Host(Generic[Task]):
    """What waits for one host, and how it fares."""

    __slots__ = ("failures", "resume_at", "running", "waiting")

    def __init__(self) -> None:
        self.waiting: deque[Task] = deque()
        self.running = 0
        self.resume_at = 0.0
        self.failures = 0


class Rota(Generic[Task]):
    """Hand out tasks to workers.

    Parameters
    ----------
    tasks
        Each with its host, in order.
    at_once
        How many at once.
    per_host
        How many at once for one host.
    """

    def __init__(self, tasks: Iterable[tuple[str, Task]], *, at_once: int, per_host: int) -> None:
        self._changed = threading.Condition()
        self._at_once = at_once
        self._running = 0
        self._per_host = per_host
        self._hosts: dict[str, Host[Task]] = {}
        self._later: list[tuple[float, int, str, Task]] = []
        self._count = 0
        self._open = 0
        self._is_stopped = False
        for host, task in tasks:
            self._hosts.setdefault(host, Host()).waiting.append(task)
            self._open += 1

    def take(self) -> tuple[str, Task] | None:
        """Return the next task as soon as there is one; None when all are done, or everything stops."""
        with self._changed:
            while True:
                if self._is_stopped or not self._open:
                    return None
                now = time.monotonic()
                found, wait = self._due(now)
                if found is not None:
                    if self._later:
                        self._changed.notify()  # somebody else looks after the time
                    return found
                self._changed.wait(wait)

    def _due(self, now: float) -> tuple[tuple[str, Task] | None, float | None]:
        """Return a task that may run now, or how long to wait for one."""
        while self._later and self._later[0][0] <= now:
            _, _, host, task = heapq.heappop(self._later)
            self._hosts[host].waiting.appendleft(task)  # what has begun comes first
        if self._running >= self._at_once:
            return None, None  # until one of them is settled
        soonest = [self._later[0][0]] if self._later else []
        for name, state in self._hosts.items():
            if not state.waiting or state.running >= self._per_host:
                continue
            if state.resume_at > now:
                soonest.append(state.resume_at)
                continue
            state.running += 1
            self._running += 1
            self._hosts[name] = self._hosts.pop(name)  # the others first, next time
            return (name, state.waiting.popleft()), None
        return None, (max(min(soonest) - now, 0.0) if soonest else None)

    def free(self, host: str) -> None:
        """Note that a task asks its host for nothing more: another may begin while it is brought to its end."""
        with self._changed:
            self._hosts[host].running -= 1
            self._running -= 1
            self._changed.notify()

    def settle(self, host: str, *, is_well: bool = True) -> None:
        """Note that a task is done, for good or ill.

        Parameters
        ----------
        host
            Its host.
        is_well
            Whether the host answered as it should.
        """
        with self._changed:
            self._open -= 1
            if is_well:
                self._hosts[host].failures = 0
            if not self._open:
                self._changed.notify_all()

    def put_back(self, host: str, task: Task, wait: float) -> None:
        """Give a task back, to be done later."""
        with self._changed:
            self._count += 1
            heapq.heappush(self._later, (time.monotonic() + wait, self._count, host, task))
            self._changed.notify_all()

    def well(self, host: str) -> None:
        """Note that a host brings data."""
        self._hosts[host].failures = 0

    def ail(self, host: str, *, wait: float | None, pause: float, longest: float) -> int:
        """Note that a host fails, and let it rest; failures during a rest are those of the same trouble.

        Parameters
        ----------
        host
            Which one.
        wait
            Seconds that it asked for; None where it did not.
        pause, longest
            As for :func:`backoff`.

        Returns
        -------
        int
            How many times in a row it has failed.
        """
        with self._changed:
            state, now = self._hosts[host], time.monotonic()
            if state.resume_at <= now:
                state.failures += 1
            rest = backoff(state.failures or 1, pause=pause, longest=longest) if wait is None else wait
            state.resume_at = max(state.resume_at, now + min(rest, longest))
            return state.failures

    def stop(self) -> None:
        """Hand out nothing more."""
        with self._changed:
            self._is_stopped = True
            self._changed.notify_all()

    @property
    def is_stopped(self) -> bool:
        """Whether nothing more is handed out."""
        return self._is_stopped

    @property
    def is_done(self) -> bool:
        """Whether every task is settled."""
        return not self._open
