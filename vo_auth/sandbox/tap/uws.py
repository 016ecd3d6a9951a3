"""The documents of UWS 1.1: one job, a list of jobs, a job's parameters and results."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from pydantic_xml import BaseXmlModel, element
from vo_models.uws import ErrorSummary, Jobs, JobSummary, Parameter, ResultReference, Results, ShortJobDescription
from vo_models.uws.models import NSMAP
from vo_models.uws.types import ErrorType, ExecutionPhase

from ..votable import clean
from .jobs import Job, Phase

__all__ = ["job_document", "job_list", "parameters_document", "results_document", "timestamp"]


class _Parameters(BaseXmlModel, tag="parameters", ns="uws", nsmap=NSMAP):
    """All parameters of a job, whatever their names: a client may send its own."""

    parameter: list[Parameter] = element(tag="parameter", default_factory=list)


def timestamp(seconds: float) -> str:
    """Return a time as UWS writes it (UTC, milliseconds, ``Z``)."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _time(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


def job_document(job: Job, url: str) -> bytes:
    """Describe one job.

    Parameters
    ----------
    job
        As it is now.
    url
        Where it is.

    Returns
    -------
    bytes
        The ``uws:job`` document.
    """
    summary = JobSummary[_Parameters](
        job_id=job.identifier,
        run_id=job.parameters.last("RUNID"),
        owner_id=job.owner,
        phase=ExecutionPhase(job.phase.value),
        quote=_time(job.quote),
        creation_time=_time(job.created),
        start_time=_time(job.started),
        end_time=_time(job.ended),
        execution_duration=job.duration,
        destruction=_time(job.destruction),
        parameters=_parameters(job),
        results=_results(job, url),
        error_summary=_error(job),
        job_info=None,
    )
    return _xml(summary)


def job_list(jobs: Iterable[Job], url: str) -> bytes:
    """List jobs.

    Parameters
    ----------
    jobs
        Those that the client may see.
    url
        Where the list is.

    Returns
    -------
    bytes
        The ``uws:jobs`` document.
    """
    references = [
        ShortJobDescription(
            job_id=job.identifier,
            phase=ExecutionPhase(job.phase.value),
            run_id=job.parameters.last("RUNID"),
            owner_id=job.owner,
            creation_time=_time(job.created),
            href=f"{url}/{job.identifier}",
        )
        for job in jobs
    ]
    return _xml(Jobs(jobref=references))


def parameters_document(job: Job) -> bytes:
    """List the parameters of a job."""
    return _xml(_parameters(job))


def results_document(job: Job, url: str) -> bytes:
    """List the results of a job that is at this URL."""
    return _xml(_results(job, url))


def _parameters(job: Job) -> _Parameters:
    return _Parameters(parameter=[Parameter(id=name, value=clean(value)) for name, value in job.parameters.pairs])


def _results(job: Job, url: str) -> Results:
    if job.result is None:
        return Results()
    reference = ResultReference(
        id="result",
        href=f"{url}/results/result",
        size=len(job.result),
        mime_type=job.result_type,
    )
    return Results(results=[reference])


def _error(job: Job) -> ErrorSummary | None:
    if not job.message:
        return None
    return ErrorSummary(message=job.message, type=ErrorType.FATAL, has_detail=job.phase is Phase.ERROR)


def _xml(model: BaseXmlModel) -> bytes:
    document = model.to_xml(skip_empty=True, xml_declaration=True, encoding="UTF-8")
    return document.encode() if isinstance(document, str) else document
