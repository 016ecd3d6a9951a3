"""Put the edge under sessions that others made."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, Protocol, TypeVar, cast

import requests

from .adapter import Adapters
from .edge import Policy
from .errors import AttachError
from .naming import edge_for
from .registry import Registry, default_registry
from .session import AuthSession

__all__ = ["Attachment", "attach", "attach_session", "detach", "detach_session"]

Target = TypeVar("Target")

# The package of a target's class → the integration that knows it; its module is imported when such a target comes.
_INTEGRATIONS = {"astroquery": "astroquery", "pyvo": "pyvo"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """What an attached target's sessions are for.

    Parameters
    ----------
    url
        A URL of the archive that is named; None: none is.
    account, required, interactive
        As for :func:`vo_auth.session_for`.
    registry
        Which archive a URL belongs to.
    """

    url: str | None = None
    account: str | None = None
    required: bool = True
    interactive: bool | None = None
    registry: Registry = field(default_factory=default_registry)


class Integration(Protocol):
    """What a module of ``vo_auth.integrations`` offers."""

    def attach(self, target: Any, how: Attachment) -> None: ...
    def detach(self, target: Any) -> None: ...


def attach(
    target: Target,
    *,
    url: str | None = None,
    account: str | None = None,
    required: bool = True,
    interactive: bool | None = None,
) -> Target:
    """Let an object that makes its own sessions carry permits, as :func:`session_for` does for new ones.

    Adapters, hooks and headers of its sessions stay as they are.

    Parameters
    ----------
    target
        A ``requests.Session``, a pyvo service, pyvo's own ``AuthSession``, an astroquery class or instance.
    url
        A URL of the archive that the object is for; None: the one of the pyvo service or astroquery module.
    account, required, interactive
        As for :func:`session_for`.

    Returns
    -------
    Target
        The same object.

    Raises
    ------
    AttachError
        When the object's requests do not all pass through a ``requests`` session, or it is attached already for
        something else.
    PluginNotInstalledError, PluginClashError
        As for :func:`session_for`.

    Examples
    --------
    >>> import requests, vo_auth
    >>> session = vo_auth.attach(requests.Session())
    >>> vo_auth.detach(session) is session
    True
    """
    how = Attachment(url=url, account=account, required=required, interactive=interactive)
    if isinstance(target, requests.Session):
        attach_session(target, how)
    else:
        _integration_for(target).attach(target, how)
    return target


def detach(target: Target) -> Target:
    """Undo :func:`attach`; what was not attached stays as it is.

    Parameters
    ----------
    target
        What was attached.

    Returns
    -------
    Target
        The same object.

    Raises
    ------
    AttachError
        When it is nothing that could have been attached.
    """
    if isinstance(target, requests.Session):
        detach_session(target)
    else:
        _integration_for(target).detach(target)
    return target


def attach_session(session: requests.Session, how: Attachment) -> None:
    """Put the edge under one session; doing the same twice changes nothing.

    Parameters
    ----------
    session
        Any ``requests.Session``.
    how
        What it is for.

    Raises
    ------
    AttachError
        When it carries permits already, for something else.
    """
    if isinstance(session, AuthSession):
        raise AttachError("This session carries permits by itself: it needs no attach")
    policy = Policy(account=how.account, required=how.required, interactive=how.interactive)
    edge = edge_for(policy, how.url, how.registry, None, {})
    if isinstance(session.adapters, Adapters):
        if session.adapters.edge.policy == edge.policy:
            return
        raise AttachError("This session is attached already, for another archive or account: detach it first")
    session.adapters = cast("Any", Adapters(edge, session.adapters))


def detach_session(session: requests.Session) -> None:
    """Take the edge away from a session, adapters that were mounted since included.

    Parameters
    ----------
    session
        A session; one that is not attached stays as it is.
    """
    if isinstance(session, AuthSession) or not isinstance(session.adapters, Adapters):
        return
    session.adapters = cast("Any", OrderedDict((prefix, adapter.inner) for prefix, adapter in session.adapters.items()))


def _integration_for(target: object) -> Integration:
    kinds = target.__mro__ if isinstance(target, type) else type(target).__mro__
    for kind in kinds:
        name = _INTEGRATIONS.get(kind.__module__.partition(".")[0])
        if name is not None:
            return cast("Integration", import_module(f".integrations.{name}", __package__))
    raise AttachError(
        f"A {kinds[0].__qualname__} cannot be attached: give a requests.Session, a pyvo service or AuthSession, or an "
        "astroquery class or instance"
    )
