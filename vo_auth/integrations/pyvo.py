"""pyvo's services and results, and its own ``AuthSession``."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pyvo.auth
import requests
from pyvo.auth import securitymethods

from ..attachment import Attachment, attach_session, detach_session
from ..domain import Origin, Target
from ..errors import AttachError

__all__ = ["attach", "detach"]

_ORIGINAL = "_vo_auth_original_request"


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
        When it has no session that could be attached.
    """
    if isinstance(target, pyvo.auth.AuthSession):
        _attach_auth_session(target, how)
        return
    session = _session_of(target)
    how = replace(how, url=how.url or _url_of(target))
    if isinstance(session, pyvo.auth.AuthSession):
        _attach_auth_session(session, how)
    else:
        attach_session(session, how)


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
    session = target if isinstance(target, pyvo.auth.AuthSession) else _session_of(target)
    if isinstance(session, pyvo.auth.AuthSession):
        _detach_auth_session(session)
    else:
        detach_session(session)


def _session_of(target: Any) -> Any:
    session = getattr(target, "_session", None)
    if isinstance(session, requests.Session | pyvo.auth.AuthSession):
        return session
    raise AttachError(f"This {type(target).__qualname__} of pyvo has no session of requests: nothing to attach")


def _url_of(target: Any) -> str | None:
    for name in ("baseurl", "_baseurl", "queryurl", "url"):
        url = getattr(target, name, None)
        if isinstance(url, str) and "://" in url:
            return url
    return None


def _attach_auth_session(auth: pyvo.auth.AuthSession, how: Attachment) -> None:
    """Answer for the archives that vo_auth knows; leave the rest to pyvo's negotiation.

    Its sessions are attached as well: a redirect, or a URL that negotiation handled, may lead into a known domain.
    """
    _detach_auth_session(auth)
    for session in list(auth.credentials.credentials.values()):
        attach_session(session, how)
    original = auth._request

    def request(http_method: str, url: str, **kwargs: Any) -> requests.Response:
        for session in list(auth.credentials.credentials.values()):
            if isinstance(session, requests.Session):  # also one that was set since
                attach_session(session, how)
        if _is_known(url, how):
            session: requests.Session = auth.credentials.get(securitymethods.ANONYMOUS)
            return session.request(http_method, url, **kwargs)
        response: requests.Response = original(http_method, url, **kwargs)
        return response

    setattr(auth, _ORIGINAL, original)
    auth._request = request


def _detach_auth_session(auth: pyvo.auth.AuthSession) -> None:
    if hasattr(auth, _ORIGINAL):
        del auth._request  # the class's own method shows again
        delattr(auth, _ORIGINAL)
    for session in auth.credentials.credentials.values():
        if isinstance(session, requests.Session):
            detach_session(session)


def _is_known(url: str, how: Attachment) -> bool:
    target = Target.from_url(url)
    secure = Target(Origin("https", target.origin.host, 443), target.path)
    return any(how.registry.find(place) is not None for place in (target, secure))
