"""What an answer means for the session: data, a warning about rights, or an error."""

from __future__ import annotations

from requests import Response

from .archive import Answer, Archive, Verdict, judge_status
from .edge import Dressing, Edge
from .errors import LicenceRequiredError, LoginPageError, RefusedWarning
from .wire import drop, peek_into, redirect_target

__all__ = ["judge", "settled", "unless_login_page"]


def judge(response: Response, archive: Archive) -> Verdict:
    """Ask the archive what an answer says."""
    if archive.judge is judge_status and response.status_code < 400:
        return Verdict.OK
    return archive.judge(
        Answer(
            status=response.status_code,
            headers=response.headers,
            url=response.url,
            location=redirect_target(response),
            peek=peek_into(response),
        )
    )


def unless_login_page(response: Response, archive: Archive) -> Response:
    """Return an answer that came without a permit, unless it is a login page: that is never data.

    Raises
    ------
    LoginPageError
        When it is one.
    """
    if judge(response, archive) is Verdict.LOGIN_PAGE:
        drop(response)
        raise LoginPageError(
            f"{archive.title} answers the anonymous with a login page where data was due: "
            f"log in with `vo-auth login {archive.name}`, and ask with a permit",
            request=response.request,
        )
    return response


def settled(response: Response, verdict: Verdict, dressing: Dressing, edge: Edge) -> Response:
    """Return an answer after which no other permit can help, with a warning where it is about rights.

    Raises
    ------
    LoginPageError, LicenceRequiredError
        When such a page stands where data was due.
    """
    archive, account = dressing.archive, dressing.held.key.account
    if verdict is Verdict.LOGIN_PAGE:
        drop(response)
        raise LoginPageError(
            f"{archive.title} answers with a login page where data was due (account {account!r}): "
            f"run `vo-auth login {archive.name}`, then check the account's rights",
            request=response.request,
        )
    if verdict is Verdict.LICENCE:
        drop(response)
        raise LicenceRequiredError(
            f"{archive.title} wants its licence accepted before it gives data: "
            f"do so at {archive.pages.licence or 'its page'}",
            request=response.request,
        )
    rights = f" (see {archive.pages.rights})" if archive.pages.rights else ""
    if verdict is Verdict.REFUSED:
        edge.say_once(
            RefusedWarning,
            (archive.name, account),
            f"{archive.title} refused a valid permit of account {account!r} with status {response.status_code}: "
            f"the account has no right to this URL{rights}.",
        )
    elif verdict is Verdict.ANONYMOUS:
        edge.say_once(
            RefusedWarning,
            (archive.name, account, verdict),
            f"{archive.title} answered a valid permit of account {account!r} as if there were none: "
            f"this is what everybody sees{rights}.",
        )
    return response
