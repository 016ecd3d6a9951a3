"""Who may see and who may fetch what: the one place where the stand-in decides it.

ESO knows two protections (its page on authentication and authorisation, sections 1.1 and 1.2): files under a
proprietary period, whose metadata everybody sees, and runs whose metadata are protected too. Rights are given on runs
(to the principal investigator and delegates) and on instruments (to instrument teams).
"""

from __future__ import annotations

from datetime import UTC, datetime

from .model import Frame, Run, User
from .observatory import RUNS

__all__ = ["may_fetch", "may_see", "visible_rows"]


def is_entitled(user: User | None, run: Run) -> bool:
    """Say whether a user has rights on a run, by the run or by its instrument."""
    return user is not None and (run.prog_id in user.runs or run.instrument.name in user.instruments)


def may_see(user: User | None, run: Run) -> bool:
    """Say whether a user may know the frames of a run.

    Parameters
    ----------
    user
        None is the anonymous user.
    run
        The run.

    Returns
    -------
    bool
    """
    return not run.confidential or is_entitled(user, run)


def may_fetch(user: User | None, frame: Frame, *, now: float) -> bool:
    """Say whether a user may have a file.

    Parameters
    ----------
    user
        None is the anonymous user.
    frame
        The frame.
    now
        The archive's time, in seconds since the epoch.

    Returns
    -------
    bool
    """
    if is_entitled(user, frame.run):
        return True
    return may_see(user, frame.run) and frame.release <= datetime.fromtimestamp(now, UTC)


def visible_rows(user: User | None) -> tuple[str, tuple[str, ...]]:
    """Return the SQL predicate that keeps the rows a user may see in ``dbo.raw``.

    Parameters
    ----------
    user
        None is the anonymous user.

    Returns
    -------
    tuple
        The predicate and its parameters.
    """
    hidden = tuple(run.prog_id for run in RUNS.values() if not may_see(user, run))
    return (f"prog_id NOT IN ({', '.join('?' * len(hidden))})", hidden) if hidden else ("1 = 1", ())
