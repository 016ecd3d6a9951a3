"""astroquery's classes and instances.

An attached instance becomes one of a subclass of its class, made here: it keeps its answers in a folder per archive and
account, because astroquery's cache does not know who asked.
"""

from __future__ import annotations

import functools
import inspect
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyvo.auth
import requests
from astroquery.query import BaseQuery, BaseVOQuery
from astroquery.utils.tap.core import Tap
from requests.structures import CaseInsensitiveDict

from ..attachment import Attachment, attach_session, detach_session
from ..edge import is_anonymous
from ..errors import AnonymousWarning, AttachError, VoAuthError
from ..published import PUBLISHED
from . import pyvo as pyvo_integration

__all__ = ["attach", "detach"]

_MARK = "_vo_auth_attachment"


def attach(target: Any, how: Attachment) -> None:
    """Attach an instance, or a class and the instances that it makes from now on.

    Parameters
    ----------
    target
        As ``Eso``, ``Eso()`` or ``EsoClass``.
    how
        What it is for; without a URL the archive of the same name as astroquery's module is named.

    Raises
    ------
    AttachError
        When requests of it do not pass through ``requests``: then nothing is attached.
    """
    how = replace(how, url=how.url or _url_of(target, how))
    if isinstance(target, type):
        _attach_class(target, how)
    else:
        _attach_instance(target, how)


def detach(target: Any) -> None:
    """Undo :func:`attach`.

    Parameters
    ----------
    target
        What was attached.
    """
    if isinstance(target, type):
        if _MARK in vars(target):
            setattr(target, "__init__", vars(target)[_MARK])  # noqa: B010 - as it was
            delattr(target, _MARK)
        return
    for session in _sessions(target):
        _detach_any(session)
    if _MARK in vars(type(target)):
        target.__class__ = type(target).__mro__[1]


def _url_of(target: Any, how: Attachment) -> str | None:
    """Return a URL of the archive whose name astroquery's module has; None where no plugin is published."""
    kind = target if isinstance(target, type) else type(target)
    name = kind.__module__.split(".")[1:2]
    for archive, _ in how.registry.archives():
        if [archive.name] == name:
            return archive.domains[0].base
    return next((item.origins[0] for item in PUBLISHED if [item.name] == name), None)


def _attach_class(target: type, how: Attachment) -> None:
    _refuse_own_transport(target)
    if not issubclass(target, BaseQuery | BaseVOQuery):
        raise AttachError(f"{target.__qualname__} is no query class of astroquery: nothing to attach")
    if _MARK in vars(target):
        return
    original = vars(target).get("__init__", target.__init__)

    @functools.wraps(original)
    def init(self: Any, *args: Any, **kwargs: Any) -> None:
        original(self, *args, **kwargs)
        if type(self) is target:  # a subclass is not finished here
            _attach_instance(self, how)

    setattr(target, _MARK, original)
    setattr(target, "__init__", init)  # noqa: B010 - the class's own, wrapped


def _attach_instance(target: Any, how: Attachment) -> None:
    for value in (target, *vars(target).values()):
        _refuse_own_transport(value)
    sessions = list(_sessions(target))
    if not sessions:
        raise AttachError(f"This {type(target).__qualname__} has no session of requests: nothing to attach")
    for session in sessions:
        _attach_any(session, how)
    if isinstance(target, BaseQuery) and _MARK not in vars(type(target)):
        target.__class__ = _subclass(type(target), how)


def _refuse_own_transport(value: Any) -> None:
    kind = value if isinstance(value, type) else type(value)
    if issubclass(kind, Tap):
        raise AttachError(
            f"{kind.__qualname__} makes its connections by itself, past requests: it cannot be attached. "
            "Use pyvo's TAPService with vo_auth.session_for for the same service"
        )


def _sessions(target: Any, seen: set[int] | None = None) -> Iterator[Any]:
    """Yield every session that an object and the services that it holds make requests with."""
    seen = set() if seen is None else seen
    for value in list(vars(target).values()):
        if id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, requests.Session | pyvo.auth.AuthSession):
            yield value
        elif type(value).__module__.partition(".")[0] in ("astroquery", "pyvo") and hasattr(value, "__dict__"):
            yield from _sessions(value, seen)


def _attach_any(session: Any, how: Attachment) -> None:
    if isinstance(session, requests.Session):
        attach_session(session, how)
    else:
        pyvo_integration.attach(session, how)


def _detach_any(session: Any) -> None:
    if isinstance(session, requests.Session):
        detach_session(session)
    else:
        pyvo_integration.detach(session)


def _subclass(base: type, how: Attachment) -> type:
    """Return a class like the base whose instances keep their answers apart."""
    space: dict[str, Any] = {
        "__module__": base.__module__,
        "__qualname__": base.__qualname__,
        "__doc__": base.__doc__,
        _MARK: how,
        "cache_location": property(_cache_location, base.cache_location.fset),  # type: ignore[attr-defined]
        "_download_file": _download_file,
    }
    tap = getattr(base, "tap", None)
    if inspect.isfunction(tap) and "authenticated" in inspect.signature(tap).parameters:
        space["tap"] = functools.wraps(tap)(_tap)
    return type(base)(base.__name__, (base,), space)


def _base_of(instance: Any) -> Any:
    return next(kind for kind in type(instance).__mro__ if _MARK in vars(kind)).__mro__[1]


def _cache_location(self: Any) -> Path:
    """Return a folder for this archive and account: astroquery's own keys do not say who asked."""
    folder: Path = _base_of(self).cache_location.fget(self) / "vo_auth" / _whose(getattr(type(self), _MARK))
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def _whose(how: Attachment) -> str:
    if is_anonymous():
        return "anonymous"
    from ..domain import Target
    from ..wallet import default_wallet

    match = how.registry.find(Target.from_url(how.url)) if how.url else None
    if match is None:
        return "no archive"
    label = default_wallet().account(match.archive, how.account).label
    safe = "".join(char if char.isalnum() or char in "-_.@" else "_" for char in label)
    return f"{match.archive.name} {safe}" if safe else f"{match.archive.name}, nobody yet"


def _download_file(self: Any, *args: Any, **kwargs: Any) -> Any:
    """Download, and leave no Range header behind on the session when our error ends it."""
    try:
        return _base_of(self)._download_file(self, *args, **kwargs)
    except VoAuthError:
        self._session.headers.pop("Range", None)
        raise


def _tap(self: Any, authenticated: bool = False, **kwargs: Any) -> Any:
    """Return the TAP service: with the permit where ``authenticated`` is true, without astroquery's own login."""
    base = _base_of(self)
    if not authenticated:
        warnings.warn(
            f"{self.name}: authenticated=False searches anonymously, attached or not; "
            "say authenticated=True to search with the permit",
            AnonymousWarning,
            stacklevel=3,
        )
        return base.tap(self, False, **kwargs)
    before, self._authenticated = self._authenticated, True
    try:
        service = base.tap(self, True, **kwargs)
    finally:
        self._authenticated = before
    if not isinstance(self._session.headers, CaseInsensitiveDict):
        self._session.headers = CaseInsensitiveDict(self._session.headers)
    return service
