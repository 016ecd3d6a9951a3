"""What a request would get, or what one was really sent with; never the permit itself."""

from __future__ import annotations

from dataclasses import dataclass

from requests import Response

from .decision import Decision, decide
from .inquiry import ServerWord, ask_server
from .registry import default_registry
from .sent import sent_with
from .wire import bare_url

__all__ = ["Explanation", "Hop", "explain"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Hop:
    """One request and what it was, or would be, sent with.

    Parameters
    ----------
    method
        The HTTP method; empty for a request that was not made.
    url
        Without userinfo, query and fragment: they may hold secrets.
    status
        The status of the answer; 0 for a request that was not made.
    archive, account
        Whose permit; empty where no archive claims the URL.
    permit
        The kind of the permit; empty for none.
    why
        Where the permit comes from, or why there is none.
    """

    method: str = ""
    url: str
    status: int = 0
    archive: str = ""
    account: str = ""
    permit: str = ""
    why: str = ""

    def __str__(self) -> str:
        asked = f"{self.method} {self.url}" + (f" → {self.status}" if self.status else "")
        if not self.permit:
            return f"{asked}\n  no permit: {self.why}"
        account = f", account {self.account}" if self.account else ""
        return f"{asked}\n  {self.permit} permit of {self.archive}{account}" + (f" ({self.why})" if self.why else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """A decision, or the decisions along a chain of redirects.

    Parameters
    ----------
    hops
        In the order of the requests.
    decision
        For a URL: everything that was looked at.
    said
        What the server said, where it was asked.
    """

    hops: tuple[Hop, ...]
    decision: Decision | None = None
    said: ServerWord | None = None

    def __str__(self) -> str:
        if self.decision is None:
            return "\n".join(str(hop).strip() for hop in self.hops)
        return f"{self.decision}\n{self.said}" if self.said else str(self.decision)


def explain(url_or_response: str | Response, *, account: str | None = None, ask: bool = False) -> Explanation:
    """Say what a request to a URL would get, or what the requests of a response were really sent with.

    For a URL nothing is sent, unless ``ask`` says so, and nobody is asked. ``response.request`` never shows the permit,
    because it ends in caches, logs and tracebacks; this does, by its kind.

    Parameters
    ----------
    url_or_response
        A URL, or a response of a session of ours, an attached one included, also after pickling.
    account
        For a URL: the account's label; None for the archive's default account.
    ask
        For a URL of an archive: also send one GET with the permit, and tell what the server says.

    Returns
    -------
    Explanation
        One hop for a URL, with the whole decision; for a response one per redirect and one for the answer. Its text is
        the same on every run, as long as nothing changes.

    Raises
    ------
    ValueError
        When the response was brought by another session.
    PluginClashError
        When two plugins claim the URL.
    requests.exceptions.InvalidURL, requests.exceptions.MissingSchema
        When it is no URL.
    """
    if isinstance(url_or_response, Response):
        return Explanation(hops=tuple(_sent(response) for response in (*url_or_response.history, url_or_response)))
    registry = default_registry()
    decision = decide(url_or_response, account=account, registry=registry)
    hop = Hop(
        url=decision.url,
        archive=decision.archive,
        account=decision.account if decision.permit else "",
        permit=decision.permit,
        why=decision.why,
    )
    said = None
    if ask and decision.domain:
        said = ask_server(url_or_response, registry.get(decision.archive), account=account)
    return Explanation(hops=(hop,), decision=decision, said=said)


def _sent(response: Response) -> Hop:
    sent = sent_with(response)
    if sent is None:
        raise ValueError("this response was brought by a session that vo_auth knows nothing of")
    return Hop(
        method=response.request.method or "",
        url=bare_url(response.url),
        status=response.status_code,
        archive=sent.archive,
        account=sent.account,
        permit=sent.permit,
        why=sent.why,
    )
