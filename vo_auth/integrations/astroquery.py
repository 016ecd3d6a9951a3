"""astroquery's classes and instances.

An attached instance becomes one of a subclass of its class, made here: whatever session it gets later is attached, too,
and it keeps its answers in a folder per archive and account, because astroquery's cache does not know who asked.
"""

from __future__ import annotations

import contextvars
import functools
import hashlib
import inspect
import sys
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pyvo.auth
import requests
from astroquery.query import BaseQuery, BaseVOQuery
from astroquery.utils.tap.core import Tap
from requests.structures import CaseInsensitiveDict

from ..attachment import Attachment, attach_session, detach_session
from ..domain import Target
from ..edge import is_anonymous
from ..errors import AnonymousWarning, AttachError, CallerHeaderWarning, VoAuthError
from ..published import PUBLISHED
from ..sent import sent_with
from ..session import AuthSession
from . import pyvo as pyvo_integration

__all__ = ["attach", "detach"]

_MARK = "_vo_auth_attachment"
_SAID = "_vo_auth_said"
_ALONE = "_vo_auth_alone"
# Whether the code that runs now is inside tap(authenticated=True) of an attached instance.
_AUTHENTICATED: contextvars.ContextVar[bool] = contextvars.ContextVar("vo_auth_astroquery", default=False)


def attach(target: Any, how: Attachment) -> None:
    """Attach an instance, or a class and the instances that it and its subclasses make from now on.

    Parameters
    ----------
    target
        As ``Eso``, ``Eso()`` or ``EsoClass``.
    how
        What it is for; without a URL the archive of the same name as astroquery's module is named.

    Raises
    ------
    AttachError
        When requests of it do not pass through ``requests``, or it is attached for something else: then nothing is
        attached.
    PluginNotInstalledError
        When the plugin of its archive is not installed.
    """
    kind = target if isinstance(target, type) else type(target)
    _refuse_own_transport(kind)
    if not issubclass(kind, BaseQuery | BaseVOQuery):
        raise AttachError(f"{kind.__qualname__} is no query class of astroquery: nothing to attach")
    how = replace(how, url=how.url or _url_of(kind, how))
    how.make_edge()  # raises when the plugin is missing
    if isinstance(target, type):
        _attach_class(target, how)
    else:
        _attach_instance(target, how)


def detach(target: Any) -> None:
    """Undo :func:`attach`; instances that an attached class has made stay attached.

    Parameters
    ----------
    target
        What was attached.
    """
    if isinstance(target, type):
        _detach_class(target)
        return
    if _is_ours(type(target)):
        target.__class__ = type(target).__mro__[1]
        for name in (_SAID, _ALONE):
            vars(target).pop(name, None)
    _detach_sessions(target)


def _detach_sessions(target: Any) -> None:
    for session in _sessions(target):
        pyvo_integration.detach(session) if _negotiates(session) else detach_session(session)


def _url_of(kind: type, how: Attachment) -> str | None:
    """Return a URL of the archive whose name astroquery's module has; None where no plugin is published."""
    names = {base.__module__.split(".")[1] for base in kind.__mro__ if base.__module__.startswith("astroquery.")}
    for archive, _ in how.registry.archives():
        if archive.name in names:
            return archive.domains[0].base
    return next((item.origins[0] for item in PUBLISHED if item.name in names), None)


def _attach_class(target: Any, how: Attachment) -> None:
    if _MARK in vars(target):
        if not _same(vars(target)[_MARK][0], how):
            raise AttachError(f"{target.__qualname__} is attached already, for another account: detach it first")
        return
    own_init = vars(target).get("__init__")
    original = target.__init__

    @functools.wraps(original)
    def init(self: Any, *args: Any, **kwargs: Any) -> None:
        if not _is_ours(type(self)):
            kind: Any = type(self)
            self.__class__ = _subclass(kind, how)
        original(self, *args, **kwargs)
        _attach_instance(self, getattr(type(self), _MARK))  # what was there before

    setattr(target, _MARK, (how, own_init))
    target.__init__ = init


def _detach_class(target: Any) -> None:
    if _MARK not in vars(target):
        return
    _, own_init = vars(target)[_MARK]
    if own_init is None:
        del target.__init__
    else:
        target.__init__ = own_init
    delattr(target, _MARK)


def _attach_instance(target: Any, how: Attachment) -> None:
    for value in vars(target).values():
        _refuse_own_transport(type(value))
    sessions = list(_sessions(target))
    if not sessions:
        raise AttachError(f"This {type(target).__qualname__} has no session of requests: nothing to attach")
    if _is_ours(type(target)) and not _same(getattr(type(target), _MARK), how):
        raise AttachError(f"This {type(target).__qualname__} is attached already, for another account: detach it first")
    for session in sessions:
        pyvo_integration.check(session, how)
    vars(target).pop(_ALONE, None)
    for session in sessions:
        _attach_one(session, how)
    if not _is_ours(type(target)):
        kind: Any = type(target)
        target.__class__ = _subclass(kind, how)


def _same(one: Attachment, other: Attachment) -> bool:
    return one == replace(other, registry=one.registry)


def _is_ours(kind: type) -> bool:
    return isinstance(vars(kind).get(_MARK), Attachment)  # an attached class has more than that


def _refuse_own_transport(kind: type) -> None:
    """Refuse TAP+ modules: an instance may make such a service long after it was attached, so modules are asked."""
    for base in kind.__mro__:
        theirs = vars(sys.modules.get(base.__module__, object)).values() if "astroquery." in base.__module__ else ()
        if issubclass(base, Tap) or any(isinstance(value, type) and issubclass(value, Tap) for value in theirs):
            raise AttachError(
                f"{kind.__qualname__} makes its connections by itself (astroquery's TAP+), past requests: it cannot be "
                "attached. Use pyvo's TAPService with vo_auth.session_for for the same service"
            )


def _sessions(target: Any, seen: set[int] | None = None) -> Iterator[Any]:
    """Yield every session that an object and the services that it holds make requests with; ours need nothing."""
    seen = set() if seen is None else seen
    for value in list(vars(target).values()):
        if id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, requests.Session | pyvo.auth.AuthSession):
            if not isinstance(value, AuthSession):
                yield value
        elif type(value).__module__.partition(".")[0] in ("astroquery", "pyvo") and hasattr(value, "__dict__"):
            yield from _sessions(value, seen)


def _attach_one(session: Any, how: Attachment) -> None:
    pyvo_integration.attach(session, how) if _negotiates(session) else attach_session(session, how)


def _negotiates(session: Any) -> bool:
    return isinstance(session, pyvo.auth.AuthSession)


# -------------------------------------------------------------------- what an attached instance does otherwise


@functools.lru_cache(maxsize=256)
def _subclass(base: Any, how: Attachment) -> Any:
    """Return a class like the base whose instances attach their sessions and keep their answers apart."""
    space: dict[str, Any] = {
        "__module__": base.__module__,
        "__qualname__": base.__qualname__,
        "__doc__": base.__doc__,
        _MARK: how,
        "__setattr__": _setattr(base, how),
        "__reduce_ex__": lambda self, protocol: (_instance, (base, how), vars(self)),
    }
    if issubclass(base, BaseQuery):
        space["cache_location"] = property(_cache_location(base, how), base.cache_location.fset)
        space["_request"] = _request(base, how)
        space["_download_file"] = _download_file(base)
    tap = getattr(base, "tap", None)
    if inspect.isfunction(tap) and "authenticated" in inspect.signature(tap).parameters:
        space["authenticated"] = lambda self: _AUTHENTICATED.get() or base.authenticated(self)
        space["tap"] = _tap(base)
    if "auth_session" in inspect.signature(base.__init__).parameters:  # as Cadc: it logs that session in and out
        space |= {
            name: _alone(base, name) for name in ("login", "logout") if inspect.isfunction(getattr(base, name, None))
        }
    return type(base)(base.__name__, (base,), space)


def _instance(base: Any, how: Attachment) -> Any:
    kind = _subclass(base, how)
    return kind.__new__(kind)


def _setattr(base: Any, how: Attachment) -> Callable[..., None]:
    def setattr_(self: Any, name: str, value: Any) -> None:
        """Attach a session that comes later, or one in a service that does."""
        if name != "__class__" and _ALONE not in vars(self):
            _refuse_own_transport(type(value))
            for session in _sessions(_Held(value)):
                _attach_one(session, how)
        base.__setattr__(self, name, value)

    return setattr_


class _Held:
    def __init__(self, value: Any) -> None:
        self.value = value


def _cache_location(base: Any, how: Attachment) -> Callable[[Any], Path]:
    def cache_location(self: Any) -> Path:
        """Return a folder for this archive and account: astroquery's own keys do not say who asked."""
        folder: Path = base.cache_location.fget(self) / "vo_auth" / _folder(how, _whose(self, how))
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if folder.stat().st_mode & 0o077:  # made by somebody else before
            folder.chmod(0o700)
        return folder

    return cache_location


def _whose(instance: Any, how: Attachment) -> tuple[str, str]:
    """Return archive and account whose permit a request would get now; empty texts where it would get none."""
    session = vars(instance).get("_session")
    edge = getattr(getattr(session, "adapters", None), "edge", None)
    if how.url is None or edge is None:
        return "", ""
    whose: tuple[str, str] = edge.foresee(Target.from_url(how.url))
    return whose


def _folder(how: Attachment, whose: tuple[str, str]) -> str:
    archive, account = whose
    if account:  # quoted names are cut, and some file systems fold upper and lower case
        return f"{archive}-{quote(account, safe='@')[:60]}-{hashlib.sha256(account.encode()).hexdigest()[:8]}"
    # Without a permit a request that requires one fails: it must not find what the anonymous were answered.
    return f"{archive}-nobody" if archive and how.required and not is_anonymous() else "anonymous"


def _request(base: Any, how: Attachment) -> Callable[..., Any]:
    @functools.wraps(base._request)
    def request(self: Any, *args: Any, **kwargs: Any) -> Any:
        """Ask, and keep no answer in the cache that was given to somebody else than its folder is for."""
        answer = base._request(self, *args, **kwargs)
        whose = _whose(self, how)
        if isinstance(answer, requests.Response) and not _belongs(answer, whose):
            self._last_query.request_file(self.cache_location).unlink(missing_ok=True)
        return answer

    return request


def _belongs(answer: requests.Response, whose: tuple[str, str]) -> bool:
    for hop in (*answer.history, answer):
        sent = sent_with(hop)
        if sent is None or "Authorization" in hop.request.headers:  # the caller's own: nobody knows whose
            return False
        if sent.permit and (not sent.account or (sent.archive, sent.account) != whose):
            return False
        if sent.archive and not sent.permit and whose[1]:
            return False
    return True


def _download_file(base: Any) -> Callable[..., Any]:
    @functools.wraps(base._download_file)
    def download_file(self: Any, *args: Any, **kwargs: Any) -> Any:
        """Download, and leave no Range header behind on the session when our error ends it."""
        try:
            return base._download_file(self, *args, **kwargs)
        except VoAuthError:
            self._session.headers.pop("Range", None)
            raise

    return download_file


def _tap(base: Any) -> Callable[..., Any]:
    @functools.wraps(base.tap)
    def tap(self: Any, authenticated: bool = False, **kwargs: Any) -> Any:
        """Return the TAP service: with the permit where ``authenticated`` is true, without astroquery's own login."""
        if not authenticated:
            if _SAID not in vars(self):
                vars(self)[_SAID] = True
                warnings.warn(
                    f"{self.name}: authenticated=False, the default, searches anonymously, attached or not; "
                    "say authenticated=True to search with the permit",
                    AnonymousWarning,
                    stacklevel=3,
                )
            return base.tap(self, False, **kwargs)
        token = _AUTHENTICATED.set(True)
        try:
            service = base.tap(self, True, **kwargs)
        finally:
            _AUTHENTICATED.reset(token)
        if not isinstance(self._session.headers, CaseInsensitiveDict):
            self._session.headers = CaseInsensitiveDict(self._session.headers)
        return service

    return tap


def _alone(base: Any, name: str) -> Callable[..., Any]:
    original = getattr(base, name)

    @functools.wraps(original)
    def alone(self: Any, *args: Any, **kwargs: Any) -> Any:
        """Log in or out as astroquery does; from then on nothing is added, or one request would name two people."""
        if _ALONE not in vars(self):
            vars(self)[_ALONE] = True
            _detach_sessions(self)
            warnings.warn(
                f"{name}() of {type(self).__qualname__} is astroquery's own: from now on its requests get no permit of "
                "vo_auth's; attach it again for that",
                CallerHeaderWarning,
                stacklevel=2,
            )
        return original(self, *args, **kwargs)

    return alone
