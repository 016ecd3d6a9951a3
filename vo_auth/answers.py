"""What an answer means for the session: data, a warning about rights, or an error."""

from __future__ import annotations

from collections.abc import Callable

from requests import PreparedRequest, Request, RequestException, Response

from ._version import USER_AGENT
from .archive import Answer, Archive, Verdict, judge_status
from .claims import Dressing
from .domain import Target
from .edge import Edge
from .errors import (
    LicenceRequiredError,
    LoginPageError,
    NotEntitledWarning,
    PermitExpiredError,
    RefusedWarning,
    VoAuthError,
)
from .remedies import blocked
from .telling import PEEK, Trouble, find_trouble
from .wire import drop, peek_into, redirect_target

__all__ = [
    "ABOUT_THE_SENDER",
    "anonymous_error",
    "final_error",
    "judge",
    "parted",
    "settled",
    "unless_login_page",
    "warn_about_rights",
    "weigh",
]

# No other permit, and no login, changes what such an answer says.
ABOUT_THE_SENDER = frozenset({Verdict.NOT_ENTITLED, Verdict.BLOCKED})

_VERDICTS = {
    Trouble.PASSWORD: Verdict.DEAD,
    Trouble.NOT_ENTITLED: Verdict.NOT_ENTITLED,
    Trouble.LICENCE: Verdict.LICENCE,
    Trouble.BLOCKED: Verdict.BLOCKED,
}


def judge(response: Response, archive: Archive) -> Verdict:
    """Ask the archive what an answer says, by its signs and then by its judge."""
    if response.status_code < 400 and archive.judge is judge_status and not archive.told:
        return Verdict.OK
    return weigh(_as_answer(response), archive)


def weigh(answer: Answer, archive: Archive) -> Verdict:
    """Ask the archive what an answer says, whatever library brought it."""
    if archive.told:
        trouble = find_trouble(archive.told, "data", answer.status, answer.peek(PEEK))
        if trouble in _VERDICTS:
            return _VERDICTS[trouble]
    return archive.judge(answer)


def _as_answer(response: Response) -> Answer:
    return Answer(
        status=response.status_code,
        headers=response.headers,
        url=response.url,
        location=redirect_target(response),
        peek=peek_into(response),
    )


def unless_login_page(response: Response, archive: Archive) -> Response:
    """Return an answer that came without a permit, unless it is a login or licence page: that is never data.

    Raises
    ------
    LoginPageError, LicenceRequiredError
        When it is one.
    AddressBlockedError
        When the archive refuses this machine's address.
    """
    error = anonymous_error(judge(response, archive), response.status_code, archive)
    if error is None:
        return response
    drop(response)
    error.request = response.request
    raise error


def anonymous_error(verdict: Verdict, status: int, archive: Archive) -> VoAuthError | None:
    """Return the error for an answer that came without a permit, where it is no data; None for any other."""
    if verdict is Verdict.BLOCKED:
        return blocked(archive, status)
    if verdict is Verdict.LICENCE:
        return LicenceRequiredError(
            f"{archive.title} answers the anonymous with its licence where data was due: "
            f"log in with `vo-auth login {archive.name}`, and ask with a permit",
            licence_url=archive.pages.licence,
        )
    if verdict is Verdict.LOGIN_PAGE:
        return LoginPageError(
            f"{archive.title} answers the anonymous with a login page where data was due: "
            f"log in with `vo-auth login {archive.name}`, and ask with a permit"
        )
    return None


def parted(
    response: Response, verdict: Verdict, dressing: Dressing, send: Callable[[PreparedRequest], Response]
) -> tuple[bool, Verdict]:
    """Part a dead permit from a good one that is not enough, where a page stands in place of data.

    Parameters
    ----------
    response, verdict
        The answer, and what it says by itself.
    dressing
        What it was an answer to.
    send
        Sends a request with the same permit.

    Returns
    -------
    tuple
        Whether the archive knows the permit's owner, and the verdict: DEAD if it takes the sender for nobody. Where
        it does not tell, False and the verdict as it was.
    """
    claim, whoami = dressing.claim, dressing.archive.whoami
    if whoami is None or not claim.match.domain.covers(Target(claim.target.origin, whoami.path)):
        return False, verdict
    drop(response)  # it is no data in any case, and a blocking pool needs its connection
    question = Request("GET", f"{claim.target.origin}{whoami.path}", headers={"User-Agent": USER_AGENT}).prepare()
    try:
        answer = send(question)
    except RequestException:
        return False, verdict
    try:
        name = whoami.read(_as_answer(answer))
    except ValueError:
        return False, verdict
    finally:
        drop(answer)
    return bool(name), (verdict if name else Verdict.DEAD)


def settled(response: Response, verdict: Verdict, dressing: Dressing, edge: Edge) -> Response:
    """Return an answer after which no other permit can help, with a warning where it is about rights.

    Raises
    ------
    LoginPageError, LicenceRequiredError
        When such a page stands where data was due.
    PermitExpiredError
        When the permit is dead, and nothing at hand makes another one.
    AddressBlockedError
        When the archive refuses this machine's address.
    """
    error = final_error(verdict, response.status_code, dressing)
    if error is not None:
        drop(response)
        error.request = response.request
        raise error
    warn_about_rights(verdict, response.status_code, dressing, edge)
    return response


def final_error(verdict: Verdict, status: int, dressing: Dressing) -> VoAuthError | None:
    """Return the error for an answer after which no other permit can help; None where the answer goes back."""
    archive, account = dressing.archive, dressing.held.key.account
    if verdict is Verdict.BLOCKED:
        return blocked(archive, status)
    if verdict is Verdict.DEAD:
        page = f" at {archive.pages.token}" if archive.pages.token else ""
        return PermitExpiredError(
            f"{archive.title} does not accept the permit of account {account!r} from {dressing.held.origin} any more: "
            f"get a new one{page}, or run: vo-auth login {archive.name}"
        )
    if verdict is Verdict.LOGIN_PAGE:
        return LoginPageError(
            f"{archive.title} answers with a login page where data was due (account {account!r}): "
            f"run `vo-auth login {archive.name}`, then check the account's rights"
        )
    if verdict is Verdict.LICENCE:
        licence = f" ({archive.pages.licence})" if archive.pages.licence else ""
        return LicenceRequiredError(
            f"{archive.title} wants its licence{licence} accepted by account {account!r} before it gives data: "
            f"only you can do so, at {archive.pages.profile or archive.pages.licence or 'its page'}",
            licence_url=archive.pages.licence,
        )
    return None


def warn_about_rights(verdict: Verdict, status: int, dressing: Dressing, edge: Edge) -> None:
    """Warn, once per session, of an answer that says that a good permit is not enough."""
    archive, account = dressing.archive, dressing.held.key.account
    rights = f" (see {archive.pages.rights})" if archive.pages.rights else ""
    if verdict is Verdict.REFUSED:
        edge.say_once(
            RefusedWarning,
            (archive.name, account),
            f"{archive.title} refused a valid permit of account {account!r} with status {status}: "
            f"the account has no right to this URL{rights}.",
        )
    elif verdict is Verdict.NOT_ENTITLED:
        edge.say_once(
            NotEntitledWarning,
            (archive.name, account),
            f"{archive.title} does not let account {account!r} have this (status {status}): "
            f"the account is not entitled, and another login would not help{rights}.",
        )
    elif verdict is Verdict.ANONYMOUS:
        edge.say_once(
            RefusedWarning,
            (archive.name, account, verdict),
            f"{archive.title} answered a valid permit of account {account!r} as if there were none: "
            f"this is what everybody sees{rights}.",
        )
