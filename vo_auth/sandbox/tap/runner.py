"""Queries run in worker threads, with a clock that stops them."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Event

from .engine import Database, QueryStoppedError
from .jobs import Job, Phase
from .model import QueryError, TapSettings
from .parameters import ParameterList, read_uploads, tap_request

__all__ = ["Answer", "Runner"]

_WORKERS = 16

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A finished query.

    Parameters
    ----------
    body
        The document.
    content_type
        What it is.
    """

    body: bytes
    content_type: str


class Runner:
    """Run queries, each in a thread of its own.

    Parameters
    ----------
    database
        Where the rows are.
    settings
        The limits.
    clock
        The service's time, for the times of jobs.
    """

    def __init__(self, database: Database, settings: TapSettings, clock: Callable[[], float]) -> None:
        self._database = database
        self._settings = settings
        self._clock = clock
        self._closed = Event()
        self.executor = ThreadPoolExecutor(_WORKERS, thread_name_prefix="tap")

    @property
    def closed(self) -> bool:
        """Whether nothing is answered any more."""
        return self._closed.is_set()

    def close(self) -> None:
        """Stop everything that runs."""
        self._closed.set()
        self.executor.shutdown(wait=True, cancel_futures=True)
        self._database.close()

    def answer(self, parameters: ParameterList, *, user: str | None, seconds: float, stopped: Event) -> Answer:
        """Run one query in the calling thread.

        Parameters
        ----------
        parameters
            What the client asks for.
        user
            Whose rights hold.
        seconds
            That it may take.
        stopped
            Set from outside to end it early.

        Returns
        -------
        Answer
            The result.

        Raises
        ------
        QueryError
            If it cannot be answered.
        QueryStoppedError
            If it took too long, or was ended.
        """
        end = time.monotonic() + seconds
        request = tap_request(parameters)
        uploads = read_uploads(parameters)
        statement = self._database.compile(request.query, uploads=uploads)

        def over() -> bool:
            return stopped.is_set() or self._closed.is_set() or time.monotonic() >= end

        self._dawdle(end, stopped)
        if over():
            raise QueryStoppedError
        limit = self._settings.default_maxrec if request.maxrec is None else request.maxrec
        rows = self._database.run(
            statement, user=user, maxrec=min(limit, self._settings.max_rows), uploads=uploads, stopped=over
        )
        return Answer(body=request.output.write(rows), content_type=request.output.content_type)

    def _dawdle(self, end: float, stopped: Event) -> None:
        """Take as long as a test asks for, in pieces, so that both kinds of end are noticed."""
        if self._settings.minimum_seconds is None:
            return
        until = min(time.monotonic() + self._settings.minimum_seconds(), end)
        while (left := until - time.monotonic()) > 0 and not self._closed.is_set():
            if stopped.wait(min(left, 0.05)):
                return

    def start(self, job: Job) -> None:
        """Queue a job.

        Parameters
        ----------
        job
            In the phase PENDING; nothing happens otherwise.
        """
        if job.move(Phase.QUEUED, only_from=frozenset({Phase.PENDING})):
            self.executor.submit(self._work, job)

    def _work(self, job: Job) -> None:
        if not job.move(Phase.EXECUTING, only_from=frozenset({Phase.QUEUED}), apply=lambda: self._begin(job)):
            return
        seconds = job.duration or self._settings.max_duration
        try:
            answer = self.answer(job.parameters, user=job.owner, seconds=seconds, stopped=job.stopped)
        except QueryError as error:
            self._finish(job, Phase.ERROR, message=str(error))
        except QueryStoppedError:
            self._finish(job, Phase.ABORTED, message=f"the query was stopped: it may take {seconds} s")
        except Exception:
            _log.exception("a job failed")
            self._finish(job, Phase.ERROR, message="the service failed; it is not the query's fault")
        else:
            self._finish(job, Phase.COMPLETED, answer=answer)

    def abort(self, job: Job) -> None:
        """Stop a job for good; nothing happens when it is over."""
        self._finish(job, Phase.ABORTED, message="the job was aborted")
        job.stopped.set()

    def _begin(self, job: Job) -> None:
        job.started = self._clock()

    def _finish(self, job: Job, phase: Phase, *, message: str = "", answer: Answer | None = None) -> None:
        def apply() -> None:
            job.ended = self._clock()
            job.message = message
            if answer is not None:
                job.result, job.result_type = answer.body, answer.content_type

        job.move(phase, apply=apply)
