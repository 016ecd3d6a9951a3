"""The resources of UWS 1.1 below ``/async``: the list, the jobs and their parts."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime

from aiohttp import web

from ..votable import error_votable
from .jobs import ACTIVE, Job, JobList, Phase
from .model import QueryError, TapSettings
from .output import ERROR_TYPE
from .parameters import ParameterList, read_parameters
from .runner import Runner
from .uws import job_document, job_list, parameters_document, results_document, timestamp

__all__ = ["Handler", "JobResources", "text"]

#: Answers a request of a user; None is the anonymous.
Handler = Callable[[web.Request, str | None], Awaitable[web.StreamResponse]]

_Part = Callable[[web.Request, Job], Awaitable[web.StreamResponse]]


def text(message: str, *, status: int = 200) -> web.Response:
    """Answer in plain words, as UWS does for single values and for errors."""
    return web.Response(text=f"{message}\n" if status >= 400 else message, status=status, content_type="text/plain")


class JobResources:
    """Everything below ``/async``.

    Parameters
    ----------
    jobs
        All jobs.
    runner
        Runs them.
    settings
        The limits.
    clock
        The service's time.
    """

    def __init__(self, *, jobs: JobList, runner: Runner, settings: TapSettings, clock: Callable[[], float]) -> None:
        self._jobs = jobs
        self._runner = runner
        self._settings = settings
        self._clock = clock

    def close(self) -> None:
        """Abort all jobs, which ends all blocking polls."""
        for job in self._jobs.newest_first():
            self._runner.abort(job)

    def handlers(self) -> Iterator[tuple[str, str, Handler]]:
        """Give method, path below ``/async`` and handler of every resource."""
        yield "GET", "", self._list
        yield "POST", "", self._create
        parts: tuple[tuple[str, str, _Part], ...] = (
            ("GET", "", self._job),
            ("POST", "", self._post_job),
            ("DELETE", "", self._delete),
            ("GET", "/phase", self._phase),
            ("POST", "/phase", self._post_phase),
            ("GET", "/executionduration", self._duration),
            ("POST", "/executionduration", self._post_duration),
            ("GET", "/destruction", self._destruction),
            ("POST", "/destruction", self._post_destruction),
            ("GET", "/quote", self._quote),
            ("GET", "/owner", self._owner),
            ("GET", "/parameters", self._parameters),
            ("POST", "/parameters", self._post_parameters),
            ("GET", "/results", self._results),
            ("GET", "/results/result", self._result),
            ("GET", "/error", self._error),
        )
        for method, path, part in parts:
            yield method, f"/{{job}}{path}", self._of_job(part)

    def _of_job(self, part: _Part) -> Handler:
        """Find the job; keep it from everyone but its owner."""

        async def handle(request: web.Request, user: str | None) -> web.StreamResponse:
            job = self._jobs.find(request.match_info["job"])
            if job is None:
                return text("there is no such job", status=404)
            if job.owner is not None and job.owner != user:
                return text("this job belongs to somebody else, or you are not logged in", status=403)
            return await part(request, job)

        return handle

    def _list_url(self, request: web.Request) -> str:
        return f"{request.url.origin()}{self._settings.base_path}/async"

    def _url(self, request: web.Request, job: Job) -> str:
        return f"{self._list_url(request)}/{job.identifier}"

    async def _list(self, request: web.Request, user: str | None) -> web.StreamResponse:
        asked = await read_parameters(request)
        jobs = [job for job in self._jobs.newest_first() if job.owner == user]
        if user is None and not self._settings.list_anonymous_jobs:
            jobs = []
        if phases := {value.upper() for value in asked.all("PHASE")}:
            jobs = [job for job in jobs if job.phase in phases]
        if after := asked.last("AFTER"):
            jobs = [job for job in jobs if job.created > _moment(after)]
        if last := asked.last("LAST"):
            jobs = jobs[: _whole(last, "LAST")]
        return _xml(job_list(jobs, self._list_url(request)))

    async def _create(self, request: web.Request, user: str | None) -> web.StreamResponse:
        if user is None and not self._settings.anonymous_jobs:
            return text("only users who are logged in may make jobs here", status=403)
        given = await read_parameters(request)
        job = self._jobs.create(
            owner=user,
            parameters=_kept(given),
            lifetime=self._settings.job_lifetime,
            duration=self._settings.default_duration,
        )
        if (given.last("PHASE") or "").upper() == "RUN":
            self._runner.start(job)
        return _see(self._url(request, job))

    async def _job(self, request: web.Request, job: Job) -> web.StreamResponse:
        asked = await read_parameters(request)
        if wait := asked.last("WAIT"):
            phase = (asked.last("PHASE") or job.phase).upper()
            if job.phase in ACTIVE and job.phase == phase:
                await job.changed(Phase(phase), seconds=self._seconds(wait))
        return _xml(job_document(job, self._url(request, job)))

    def _seconds(self, wait: str) -> float:
        try:
            seconds = float(wait)
        except ValueError:
            raise QueryError(f"WAIT={wait[:40]} is not a number of seconds") from None
        return min(seconds, self._settings.max_wait) if seconds >= 0 else self._settings.max_wait

    async def _post_job(self, request: web.Request, job: Job) -> web.StreamResponse:
        if ((await read_parameters(request)).last("ACTION") or "").upper() != "DELETE":
            return text("the only ACTION on a job is DELETE", status=400)
        return await self._delete(request, job)

    async def _delete(self, request: web.Request, job: Job) -> web.StreamResponse:
        self._runner.abort(job)
        self._jobs.remove(job)
        return _see(self._list_url(request))

    async def _phase(self, _request: web.Request, job: Job) -> web.StreamResponse:
        return text(job.phase)

    async def _post_phase(self, request: web.Request, job: Job) -> web.StreamResponse:
        match ((await read_parameters(request)).last("PHASE") or "").upper():
            case "RUN":
                self._runner.start(job)
            case "ABORT":
                self._runner.abort(job)
            case other:
                return text(f"PHASE={other[:40]} is not offered, only RUN and ABORT", status=400)
        return _see(self._url(request, job))

    async def _duration(self, _request: web.Request, job: Job) -> web.StreamResponse:
        return text(str(job.duration))

    async def _post_duration(self, request: web.Request, job: Job) -> web.StreamResponse:
        asked = _whole((await read_parameters(request)).last("EXECUTIONDURATION") or "", "EXECUTIONDURATION")
        most = self._settings.max_duration
        if job.phase is Phase.PENDING:
            job.duration = min(asked or most, most)  # zero asks for no limit (UWS 1.1, section 2.1.7)
        return _see(self._url(request, job))

    async def _destruction(self, _request: web.Request, job: Job) -> web.StreamResponse:
        return text(timestamp(job.destruction))

    async def _post_destruction(self, request: web.Request, job: Job) -> web.StreamResponse:
        asked = _moment((await read_parameters(request)).last("DESTRUCTION") or "")
        job.destruction = min(asked, self._clock() + self._settings.max_lifetime)
        return _see(self._url(request, job))

    async def _quote(self, _request: web.Request, job: Job) -> web.StreamResponse:
        return text("" if job.quote is None else timestamp(job.quote))

    async def _owner(self, _request: web.Request, job: Job) -> web.StreamResponse:
        return text(job.owner or "")

    async def _parameters(self, _request: web.Request, job: Job) -> web.StreamResponse:
        return _xml(parameters_document(job))

    async def _post_parameters(self, request: web.Request, job: Job) -> web.StreamResponse:
        if job.phase is not Phase.PENDING:
            return text("the parameters of a job that was started do not change", status=403)
        job.parameters = job.parameters.updated(_kept(await read_parameters(request)))
        return _see(self._url(request, job))

    async def _results(self, request: web.Request, job: Job) -> web.StreamResponse:
        return _xml(results_document(job, self._url(request, job)))

    async def _result(self, _request: web.Request, job: Job) -> web.StreamResponse:
        if job.result is None:
            return text(f"this job has no result: it is {job.phase}", status=404)
        return web.Response(body=job.result, headers={"Content-Type": job.result_type})

    async def _error(self, _request: web.Request, job: Job) -> web.StreamResponse:
        if not job.message:
            return text(f"this job has no error: it is {job.phase}", status=404)
        return web.Response(body=error_votable(job.message), headers={"Content-Type": ERROR_TYPE})


def _kept(given: ParameterList) -> ParameterList:
    """Leave out what is said to the job rather than to the query."""
    return ParameterList(tuple(pair for pair in given.pairs if pair[0] != "PHASE"), given.files)


def _see(url: str) -> web.Response:
    return web.Response(status=303, headers={"Location": url})


def _xml(document: bytes) -> web.Response:
    return web.Response(body=document, content_type="text/xml", charset="utf-8")


def _whole(value: str, name: str) -> int:
    try:
        number = int(float(value))
    except (ValueError, OverflowError):
        raise QueryError(f"{name}={value[:40]} is not a whole number") from None
    if number < 0:
        raise QueryError(f"{name}={value[:40]} is less than nothing")
    return number


def _moment(value: str) -> float:
    """Read a time as DALI writes it: UTC, with or without a ``Z``."""
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        raise QueryError(f"{value[:40]!r} is not a time") from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
