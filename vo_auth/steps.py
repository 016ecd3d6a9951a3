"""What an integration of an HTTP library does, step by step, for :mod:`vo_auth.exchange`."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ._version import USER_AGENT
from .claims import Dressing
from .domain import Target
from .permit import CertificatePermit
from .scrub import scrubbed
from .wire import KeptCookies, add_cookies, bare_request

__all__ = ["Answered", "Call", "Drop", "Hop", "Peek", "Send", "Step", "Steps", "failed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Hop:
    """One request as a library is about to send it.

    Parameters
    ----------
    url, target
        As it was asked, and what will really be dialled.
    authorization
        The Authorization header that the caller set; empty for none, and for one that only userinfo in a URL or a
        netrc file produced.
    cookie
        The Cookie header that it has.
    distrust
        Why no permit may go on its connection; empty where one may.
    has_certificate
        Whether the caller's own client certificate is presented.
    can_resend
        Whether its body can be sent twice.
    no_connection
        The library's exceptions for a connection that was not made.
    """

    url: str
    target: Target
    authorization: str = ""
    cookie: str = ""
    distrust: str = ""
    has_certificate: bool = False
    can_resend: bool = True
    no_connection: tuple[type[BaseException], ...] = ()


@dataclass(slots=True)
class Answered:
    """An answer as the steps look at it; its body is not read.

    Parameters
    ----------
    native
        The library's own response.
    status, headers
        Of it; the headers are case-insensitive.
    url, location
        Where it came from, and where a redirect leads, absolute; empty if it is none.
    set_cookie
        Its Set-Cookie lines.
    start, looked
        First bytes of the body, decoded, and how many were looked for.
    """

    native: Any
    status: int
    headers: Mapping[str, str]
    url: str
    location: str = ""
    set_cookie: Sequence[str] = ()
    start: bytes = field(default=b"", repr=False)
    looked: int = 0


@dataclass(frozen=True, slots=True)
class Call:
    """Do something that may take long: read a wallet, log in. Its value is what it returns."""

    work: Callable[[], Any]


@dataclass(frozen=True, slots=True)
class Send:
    """Send the request; its value is an :class:`Answered`, without the cookies that a dressed one sets.

    Parameters
    ----------
    url
        Where to.
    dressing
        What it gets; None: it goes as it is.
    kept
        Cookies that go back to where they came from.
    question
        Whether it is not the caller's request, but a GET of ours with these headers alone.
    """

    url: str
    dressing: Dressing | None = None
    kept: KeptCookies = field(default_factory=KeptCookies)
    question: bool = False

    def headers(self, cookie: str) -> dict[str, str]:
        """Return the headers to put in the place of those of the same names; all of this is secret.

        Parameters
        ----------
        cookie
            The Cookie header that the request has.
        """
        own = {"User-Agent": USER_AGENT} if self.question else {}
        if self.dressing is None:
            return own
        presentation = self.dressing.held.grant.permit.present(self.url)
        request = bare_request(self.url)
        kept = self.kept.header(self.dressing.jar, request)
        if kept or presentation.cookies:
            if cookie:
                request.headers["Cookie"] = cookie
            add_cookies(request, presentation.cookies, kept)
        return {**own, **request.headers, **presentation.headers}

    @property
    def certificate(self) -> CertificatePermit | None:
        """The client certificate to present."""
        permit = self.dressing.held.grant.permit if self.dressing else None
        return permit if isinstance(permit, CertificatePermit) else None


@dataclass(frozen=True, slots=True)
class Peek:
    """Look at the first bytes of a body without taking them: set ``start`` and ``looked``."""

    answer: Answered
    count: int


@dataclass(frozen=True, slots=True)
class Drop:
    """Read the rest of a small answer and close it, so that its connection is free."""

    answer: Answered


Step = Call | Send | Peek | Drop
Steps = Generator[Step, Any, Answered]


def failed(step: Step, error: BaseException) -> BaseException:
    """Return the exception of a step without the frames that held the permit, to be thrown into the steps.

    Parameters
    ----------
    step
        What was to be done.
    error
        What it raised.
    """
    is_dressed = isinstance(step, Send) and step.dressing is not None
    return scrubbed(error) if is_dressed else error
