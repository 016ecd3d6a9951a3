"""What a request would get, or what one was really sent with; never the permit itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from requests import Response

from .domain import Target
from .edge import is_anonymous
from .errors import VoAuthError
from .registry import default_registry
from .sent import sent_with
from .wire import secure_url

if TYPE_CHECKING:
    from .registry import Match

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
    """

    hops: tuple[Hop, ...]

    def __str__(self) -> str:
        return "\n".join(str(hop).strip() for hop in self.hops)


def explain(url_or_response: str | Response, *, account: str | None = None) -> Explanation:
    """Say what a request to a URL would get, or what the requests of a response were really sent with.

    For a URL nothing is sent, and nobody is asked. ``response.request`` never shows the permit, because it ends in
    caches, logs and tracebacks; this does, by its kind.

    Parameters
    ----------
    url_or_response
        A URL, or a response of a session of ours, an attached one included, also after pickling.
    account
        For a URL: the account's label; None for the archive's default account.

    Returns
    -------
    Explanation
        One hop for a URL; for a response one per redirect and one for the answer.

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
    return Explanation(hops=(_decision(url_or_response, account),))


def _sent(response: Response) -> Hop:
    sent = sent_with(response)
    if sent is None:
        raise ValueError("this response was brought by a session that vo_auth knows nothing of")
    return Hop(
        method=response.request.method or "",
        url=_bare(response.url),
        status=response.status_code,
        archive=sent.archive,
        account=sent.account,
        permit=sent.permit,
        why=sent.why,
    )


def _decision(url: str, account: str | None) -> Hop:
    registry = default_registry()
    target = Target.from_url(url)
    match, plain, secure = registry.find(target), False, target.secured()
    if match is None and secure is not None:
        match, plain = registry.find(secure), True
    if match is None:
        missing = registry.missing((secure or target).origin)
        why = f"its plugin is not installed: pip install {missing.distribution}" if missing else "no archive claims it"
        return Hop(url=_bare(url), archive=missing.name if missing else "", why=why)
    if is_anonymous():
        return Hop(url=_bare(url), archive=match.archive.name, why="vo_auth.anonymous() is in force")
    if plain and not match.domain.upgrade_http:
        return Hop(url=_bare(url), archive=match.archive.name, why="it is plain http, which anyone on the way reads")
    return _foreseen(_bare(secure_url(url) if plain else url), match, account)


def _foreseen(url: str, match: Match, label: str | None) -> Hop:
    from .wallet import Want, default_wallet

    wallet = default_wallet()
    claim = f"{match.domain} of {match.distribution}"
    try:
        account = wallet.account(match.archive, label)
        want = Want(archive=match.archive, account=account, realm=match.domain.realm, interactive=False)
        name, kind, how = wallet.foresee(want)
    except VoAuthError as error:
        first = str(error).partition("\n")[0]
        return Hop(url=url, archive=match.archive.name, why=f"{claim}; {first}")
    return Hop(url=url, archive=match.archive.name, account=name, permit=kind, why=f"{claim}; {how}")


def _bare(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
