"""What a server says to one request with the permit."""

from __future__ import annotations

from dataclasses import dataclass

from requests import RequestException, Response

from .answers import judge
from .archive import Archive
from .domain import Target
from .errors import VoAuthError
from .flows.text import plain_text
from .sent import sent_with
from .session import session_for
from .wire import drop, redirect_target

__all__ = ["ServerWord", "ask_server"]

_TIMEOUT = (10.0, 30.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerWord:
    """What a server answered to one GET with the permit.

    Parameters
    ----------
    status
        The HTTP status; 0 where no answer came, or it was an error.
    permit, account
        What the request was sent with.
    authenticated
        Its ``X-VO-Authenticated``; empty where there is none.
    challenges
        Its ``WWW-Authenticate`` headers.
    leads_to
        The origin that a redirect leads to.
    verdict
        What the archive's judge makes of it.
    error
        What went wrong, in one line; empty where nothing did.
    """

    status: int = 0
    permit: str = ""
    account: str = ""
    authenticated: str = ""
    challenges: tuple[str, ...] = ()
    leads_to: str = ""
    verdict: str = ""
    error: str = ""

    def __str__(self) -> str:
        if self.error:
            return f"the server was asked: {self.error}"
        sent = f"{self.permit} permit of account {self.account}" if self.permit else "no permit"
        lines = [
            f"the server was asked with {sent}",
            f"  {'status':<20}{self.status}{f', leads to {self.leads_to}' if self.leads_to else ''}",
            f"  {'X-VO-Authenticated':<20}{self.authenticated or 'not there'}",
            *(f"  {'WWW-Authenticate':<20}{challenge}" for challenge in self.challenges),
            f"  {'judged':<20}{self.verdict}",
        ]
        return "\n".join(lines)


def ask_server(url: str, archive: Archive, *, account: str | None) -> ServerWord:
    """Send one GET with the permit, follow no redirect, and leave the body unread.

    Parameters
    ----------
    url
        A URL of the archive.
    archive
        The archive.
    account
        The account's label; None for the default one.

    Returns
    -------
    ServerWord
        What came back; an error of ours, or of the network, is what it says, too.
    """
    try:
        with session_for(url, account=account, interactive=False) as session:
            response = session.get(url, stream=True, allow_redirects=False, timeout=_TIMEOUT)
            try:
                return _read(response, archive)
            finally:
                drop(response)
    except VoAuthError as error:
        return ServerWord(error=f"{type(error).__name__}: {str(error).partition(chr(10))[0]}")
    except RequestException as error:  # its own text may hold the whole URL
        return ServerWord(error=f"no answer ({type(error).__name__})")


def _read(response: Response, archive: Archive) -> ServerWord:
    sent = sent_with(response)
    location = redirect_target(response)
    return ServerWord(
        status=response.status_code,
        permit=sent.permit if sent else "",
        account=sent.account if sent else "",
        authenticated=plain_text(response.headers.get("X-VO-Authenticated", "")),
        challenges=tuple(plain_text(value) for value in _challenges(response)),
        leads_to=_origin(location) if location else "",
        verdict=judge(response, archive).value,
    )


def _challenges(response: Response) -> list[str]:
    """Return the headers one by one: requests joins them with commas, which they also have inside."""
    getlist = getattr(response.raw.headers, "getlist", None)
    return list(getlist("WWW-Authenticate")) if getlist else []


def _origin(url: str) -> str:
    try:
        return str(Target.from_url(url).origin)
    except RequestException:
        return "something that is no URL"
