"""pyvo's services and results, and its own ``AuthSession``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from typing import Any

import pyvo.auth
import requests
from pyvo.auth import securitymethods

from ..attachment import Attachment, attach_session, check_session, detach_session
from ..domain import Target
from ..errors import AttachError
from ..session import AuthSession

__all__ = ["AttachedAuthSession", "attach", "check", "detach"]

_MARK = "_vo_auth_attachment"


def attach(target: Any, how: Attachment) -> None:
    """Attach the session that a pyvo object uses.

    Parameters
    ----------
    target
        A service, query, job, result or record of pyvo's, or its ``AuthSession``.
    how
        What it is for; without a URL the service's own is named.

    Raises
    ------
    AttachError
        When it has no session that could be attached, or one that is attached for something else.
    """
    session = _session_of(target)
    how = replace(how, url=how.url or _url_of(target))
    check(session, how)
    if isinstance(session, pyvo.auth.AuthSession):
        _attach_auth_session(session, how)
    else:
        attach_session(session, how)


def check(session: Any, how: Attachment) -> None:
    """Require that a session can be attached, without touching it.

    Parameters
    ----------
    session
        A ``requests.Session`` or pyvo's ``AuthSession``.
    how
        What it is for.

    Raises
    ------
    AttachError
        When it carries permits already, for something else.
    """
    if isinstance(session, pyvo.auth.AuthSession):
        for member in _members(session):
            check_session(member, how)
    else:
        check_session(session, how)


def detach(target: Any) -> None:
    """Undo :func:`attach`.

    Parameters
    ----------
    target
        What was attached.

    Raises
    ------
    AttachError
        When it has no session.
    """
    session = _session_of(target)
    if not isinstance(session, pyvo.auth.AuthSession):
        detach_session(session)
        return
    for member in _members(session):
        detach_session(member)
    if _MARK in vars(session):
        delattr(session, _MARK)
        session.__class__ = next(kind for kind in type(session).__mro__ if not issubclass(kind, _Negotiation))


def _session_of(target: Any) -> Any:
    session = target if isinstance(target, pyvo.auth.AuthSession) else getattr(target, "_session", None)
    if isinstance(session, requests.Session | pyvo.auth.AuthSession):
        return session
    what = f"The class {target.__qualname__}" if isinstance(target, type) else f"This {type(target).__qualname__}"
    raise AttachError(f"{what} of pyvo has no session of requests: nothing to attach")


def _url_of(target: Any) -> str | None:
    for name in ("baseurl", "queryurl", "url"):
        url = getattr(target, name, None)
        if isinstance(url, str) and "://" in url:
            return url
    results = getattr(target, "_results", None)  # of a record
    return None if results is None else _url_of(results)


def _members(auth: pyvo.auth.AuthSession) -> Iterator[requests.Session]:
    """Yield the sessions that negotiation chooses from; one of ours among them needs nothing."""
    for session in list(auth.credentials.credentials.values()):
        if isinstance(session, requests.Session) and not isinstance(session, AuthSession):
            yield session


def _attach_auth_session(auth: pyvo.auth.AuthSession, how: Attachment) -> None:
    """Answer for the archives that vo_auth knows; leave the rest to pyvo's negotiation.

    Its sessions are attached as well: a redirect, or a URL that negotiation handled, may lead into a known domain.
    """
    for member in _members(auth):
        attach_session(member, how)
    if _MARK not in vars(auth):
        setattr(auth, _MARK, how)
        kind: Any = type(auth)
        auth.__class__ = _subclass(kind)


class _Negotiation:
    """What an attached ``AuthSession`` does before it negotiates."""

    credentials: Any

    def _request(self, http_method: str, url: str, **kwargs: Any) -> requests.Response:
        auth: Any = self
        for member in _members(auth):
            attach_session(member, getattr(auth, _MARK))  # one that was set since, too
        anonymous = self.credentials.credentials.get(securitymethods.ANONYMOUS)
        edge = getattr(getattr(anonymous, "adapters", None), "edge", None)
        if edge is not None and edge.claim(Target.from_url(url)) is not None:
            known: requests.Response = anonymous.request(http_method, url, **kwargs)
            return known
        response: requests.Response = super()._request(http_method, url, **kwargs)  # type: ignore[misc]
        return response


class AttachedAuthSession(_Negotiation, pyvo.auth.AuthSession):  # type: ignore[misc]
    """pyvo's ``AuthSession`` while it is attached."""


@lru_cache(maxsize=64)
def _subclass(base: Any) -> Any:
    if base is pyvo.auth.AuthSession:
        return AttachedAuthSession  # by this name it can be pickled
    return type(base)(base.__name__, (_Negotiation, base), {"__module__": base.__module__, "__doc__": base.__doc__})
