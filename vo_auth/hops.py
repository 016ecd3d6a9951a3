"""Requests that stay inside one archive: each redirect is looked at before it is followed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from requests.exceptions import InvalidURL, MissingSchema, RequestException

from .domain import Target
from .wire import drop, redirect_target

if TYPE_CHECKING:
    from requests import Response, Session

    from .archive import Archive
    from .registry import Registry
    from .session import AuthSession
    from .wallet import Held

__all__ = ["get_inside", "get_once", "held_for", "is_inside", "session_for_one_question"]

_MOST = 5  # redirects
_TIMEOUT = (10.0, 30.0)


def session_for_one_question(url: str, *, account: str | None, interactive: bool | None) -> AuthSession:
    """Return a session that is not for work: nobody is told when its permit will end.

    Parameters
    ----------
    url, account, interactive
        As for :func:`vo_auth.session_for`, which says what is raised, too.
    """
    from .session import session_for

    session = session_for(url, account=account, interactive=interactive)
    session._edge.policy = replace(session._edge.policy, is_session=False)
    return session


def is_inside(archive: Archive, registry: Registry, url: str) -> bool:
    """Say whether a URL, or its https form, lies in a domain of the archive.

    Parameters
    ----------
    archive, registry
        The archive, and what knows whose URL it is.
    url
        As it was written.

    Returns
    -------
    bool
        False also for what cannot be requested at all.

    Raises
    ------
    PluginClashError
        When two distributions claim it.
    """
    try:
        target = Target.from_url(url)
    except (InvalidURL, MissingSchema):
        return False
    match = registry.find(target)
    secure = target.secured() if match is None else None
    if secure is not None:
        match = registry.find(secure)
    return match is not None and match.archive.name == archive.name


def get_inside(
    session: Session,
    url: str,
    *,
    archive: Archive,
    registry: Registry,
    accept: str,
    params: Iterable[tuple[str, str]] = (),
) -> Response:
    """Ask by GET, and follow redirects as long as they stay inside the archive.

    Nothing is sent elsewhere, not even without a permit: a query says what the caller wants to know.

    Parameters
    ----------
    session
        A session for the archive.
    url
        Where to begin.
    archive, registry
        As for :func:`is_inside`.
    accept
        The kind of answer that is wanted.
    params
        Of the first request's query.

    Returns
    -------
    requests.Response
        Unread. A redirect, drained, where the next one would leave the archive, or was one too many.

    Raises
    ------
    VoAuthError
        When a permit is due and cannot be had, or cannot go.
    requests.RequestException
        When no answer could be had.
    """
    query: list[tuple[str, str]] | None = list(params)
    for _ in range(_MOST + 1):
        response = get_once(session, url, params=query, headers={"Accept": accept})
        location = redirect_target(response)
        if not location:
            return response
        drop(response)
        if not is_inside(archive, registry, location):
            break
        url, query = location, None
    return response


def get_once(session: Session, url: str, **options: Any) -> Response:
    """Ask by GET, and follow no redirect.

    Parameters
    ----------
    session, url, **options
        As for ``requests.Session.get``.

    Returns
    -------
    requests.Response
        Unread.

    Raises
    ------
    VoAuthError
        When a permit is due and cannot be had, or cannot go.
    requests.RequestException
        When no answer could be had, or it leads to what is no URL.
    """
    try:
        return session.get(url, stream=True, allow_redirects=False, timeout=_TIMEOUT, **options)
    except RequestException:
        raise
    except ValueError:  # requests looks ahead, and lets the error of the parser through
        raise InvalidURL("the answer leads to what is no URL that can be requested") from None


def held_for(session: AuthSession, url: str) -> Held:
    """Return the permit that a request would carry now.

    Parameters
    ----------
    session
        A session for the archive, which wants one.
    url
        A URL inside the archive.

    Returns
    -------
    Held
        It is another after a renewal, a login or a logout.

    Raises
    ------
    VoAuthError
        When none can be had, or it may not go there.
    """
    edge = session._edge
    claim = edge.claim(Target.from_url(url))
    assert claim is not None  # the URL is inside
    edge.why_undressed(claim)  # raises for plain http
    dressing = edge.dress(claim)
    assert dressing is not None  # the session's archive, and a permit is required
    return dressing.held
