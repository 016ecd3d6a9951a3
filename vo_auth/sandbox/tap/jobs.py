"""Jobs: a query that is run when its owner says so, and kept until it is fetched (UWS 1.1)."""

from __future__ import annotations

import asyncio
import enum
import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from .parameters import ParameterList

__all__ = ["ACTIVE", "Job", "JobList", "Phase"]


class Phase(enum.StrEnum):
    """The phases of UWS 1.1, section 2.1.3, that a job has here."""

    PENDING = "PENDING"
    QUEUED = "QUEUED"
    EXECUTING = "EXECUTING"
    COMPLETED = "COMPLETED"
    ERROR = "ERROR"
    ABORTED = "ABORTED"


#: The phases in which a blocking poll blocks (UWS 1.1, section 2.2.1.1).
ACTIVE = frozenset({Phase.PENDING, Phase.QUEUED, Phase.EXECUTING})


@dataclass(eq=False, slots=True, kw_only=True)
class Job:
    """One job. Its phase changes in a worker thread while the server reads it.

    Parameters
    ----------
    identifier
        The last part of its URL; not to be guessed.
    owner
        Who made it; None for the anonymous.
    parameters
        What it is to do.
    created, destruction
        Seconds since the epoch.
    duration
        Seconds that it may run.
    """

    identifier: str
    owner: str | None
    parameters: ParameterList
    created: float
    destruction: float
    duration: int
    phase: Phase = Phase.PENDING
    quote: float | None = None
    started: float | None = None
    ended: float | None = None
    result: bytes | None = None
    result_type: str = ""
    message: str = ""
    stopped: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _listeners: list[Callable[[], None]] = field(default_factory=list)

    def move(
        self, phase: Phase, *, only_from: frozenset[Phase] = ACTIVE, apply: Callable[[], None] | None = None
    ) -> bool:
        """Change the phase, once.

        Parameters
        ----------
        phase
            The new one.
        only_from
            Nothing happens in any other phase: what is aborted stays aborted.
        apply
            Called before anyone can see the new phase.

        Returns
        -------
        bool
            Whether it changed.
        """
        with self._lock:
            if self.phase not in only_from:
                return False
            if apply is not None:
                apply()
            self.phase = phase
            listeners = list(self._listeners)
        for listener in listeners:
            listener()
        return True

    @contextmanager
    def _listening(self, listener: Callable[[], None]) -> Iterator[None]:
        with self._lock:
            self._listeners.append(listener)
        try:
            yield
        finally:
            with self._lock:
                self._listeners.remove(listener)

    async def changed(self, phase: Phase, *, seconds: float) -> None:
        """Wait until the job is in another phase.

        Parameters
        ----------
        phase
            The one to leave.
        seconds
            To wait at most.
        """
        loop = asyncio.get_running_loop()
        event = asyncio.Event()

        def listener() -> None:
            with suppress(RuntimeError):  # the server was closed while it waited
                loop.call_soon_threadsafe(event.set)

        with self._listening(listener):
            if self.phase is phase:
                with suppress(TimeoutError):
                    await asyncio.wait_for(event.wait(), seconds)


class JobList:
    """All jobs of a service.

    Parameters
    ----------
    clock
        The service's time: jobs whose destruction time has passed are gone.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._jobs: dict[str, Job] = {}

    def create(self, *, owner: str | None, parameters: ParameterList, lifetime: float, duration: int) -> Job:
        """Make a job that waits to be run.

        Parameters
        ----------
        owner
            Who makes it; None for the anonymous.
        parameters
            What it is to do.
        lifetime
            Seconds until its destruction.
        duration
            Seconds that it may run.

        Returns
        -------
        Job
            In the phase PENDING.
        """
        now = self._clock()
        job = Job(
            identifier=secrets.token_hex(8),
            owner=owner,
            parameters=parameters,
            created=now,
            destruction=now + lifetime,
            duration=duration,
        )
        self._jobs[job.identifier] = job
        return job

    def find(self, identifier: str) -> Job | None:
        """Return a job, or None if there is none or its time is over."""
        self._sweep()
        return self._jobs.get(identifier)

    def remove(self, job: Job) -> None:
        """Stop a job and forget it."""
        job.stopped.set()
        self._jobs.pop(job.identifier, None)

    def newest_first(self) -> list[Job]:
        """Return all jobs, the latest in front."""
        self._sweep()
        return sorted(self._jobs.values(), key=lambda job: job.created, reverse=True)

    def _sweep(self) -> None:
        now = self._clock()
        for job in [job for job in self._jobs.values() if job.destruction <= now]:
            self.remove(job)
