"""What an answer says about the permit that it was an answer to."""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

__all__ = ["Answer", "Verdict", "judge_named", "judge_offered", "judge_status"]


class Verdict(enum.Enum):
    """What an archive's answer says about the permit."""

    OK = "ok"
    REFUSED = "refused"  # no permit, a dead one, or (at many archives) one without the right
    DEAD = "dead permit"  # ended, revoked or not understood; never about rights
    NOT_ENTITLED = "not entitled"
    LICENCE = "licence page"
    LOGIN_PAGE = "login page"
    ANONYMOUS = "answered as anonymous"
    BLOCKED = "address blocked"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a judge may look at.

    Parameters
    ----------
    status
        The HTTP status.
    headers
        Case-insensitive.
    url
        The URL that answered.
    location
        Where a redirect leads, absolute; empty if it is none.
    peek
        ``peek(n)`` returns up to n first bytes of the body, decoded, without consuming them; possibly fewer.
    """

    status: int
    headers: Mapping[str, str]
    url: str
    location: str = ""
    peek: Callable[[int], bytes] = field(default=lambda _: b"", repr=False)


def judge_status(answer: Answer) -> Verdict:
    """Judge by the status: 401, or 403 with a challenge, refuses the permit (RFC 9110, 11.6.1).

    ``invalid_token`` in a challenge is about the token, never about rights (RFC 6750, section 3.1).

    Parameters
    ----------
    answer
        The archive's answer.

    Returns
    -------
    Verdict
        DEAD, REFUSED, NOT_ENTITLED (403 without a challenge) or OK.
    """
    if answer.status == 401 and 'error="invalid_token"' in answer.headers.get("WWW-Authenticate", ""):
        return Verdict.DEAD
    if answer.status == 401 or (answer.status == 403 and "WWW-Authenticate" in answer.headers):
        return Verdict.REFUSED
    return Verdict.NOT_ENTITLED if answer.status == 403 else Verdict.OK


def judge_offered(answer: Answer) -> Verdict:
    """Judge by the status, and take a challenge in a good answer for "you are nobody to me".

    For archives where login is optional and which offer one to the anonymous alone: IVOA's AuthVO draft has challenges
    in good answers, and ``X-VO-Authenticated`` in those to somebody.

    Parameters
    ----------
    answer
        The archive's answer to a request with a permit.

    Returns
    -------
    Verdict
        ANONYMOUS for a good answer with a challenge and without ``X-VO-Authenticated``; else as :func:`judge_status`.
    """
    verdict = judge_status(answer)
    if verdict is Verdict.OK and 200 <= answer.status < 300 and "WWW-Authenticate" in answer.headers:
        return Verdict.OK if answer.headers.get("X-VO-Authenticated", "").strip() else Verdict.ANONYMOUS
    return verdict


def judge_named(answer: Answer) -> Verdict:
    """Judge by the status, and take a good answer that names nobody for one to the anonymous.

    For archives where login is optional and every authenticated answer has ``X-VO-Authenticated``: the AuthVO draft
    only recommends the header, so that its absence proves nothing elsewhere.

    Parameters
    ----------
    answer
        The archive's answer to a request with a permit.

    Returns
    -------
    Verdict
        ANONYMOUS for a good answer without the header; else as :func:`judge_status`.
    """
    verdict = judge_status(answer)
    if verdict is Verdict.OK and 200 <= answer.status < 300:
        return Verdict.OK if answer.headers.get("X-VO-Authenticated", "").strip() else Verdict.ANONYMOUS
    return verdict
