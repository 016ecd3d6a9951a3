"""Put the edge under sessions that others made."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field, replace
from importlib import import_module
from typing import Any, Protocol, TypeVar, cast

import requests

from .claims import Policy
from .edge import Edge
from .errors import AttachError
from .mounts import Adapters
from .naming import edge_for
from .registry import Registry, default_registry
from .session import AuthSession

__all__ = ["Attachment", "attach", "attach_session", "check_session", "detach", "detach_session"]

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

    def __deepcopy__(self, memo: dict[int, Any]) -> Attachment:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return _attachment, (self.url, self.account, self.required, self.interactive)  # a registry has no pickle

    def make_edge(self) -> Edge:
        """Return the edge of one more session.

        Raises
        ------
        PluginNotInstalledError
            When the URL belongs to a known archive whose plugin is not installed.
        """
        policy = Policy(account=self.account, required=self.required, interactive=self.interactive, is_session=True)
        return edge_for(policy, self.url, self.registry, None, {})


def _attachment(url: str | None, account: str | None, required: bool, interactive: bool | None) -> Attachment:
    return Attachment(url=url, account=account, required=required, interactive=interactive)


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

    Adapters, hooks and headers of its sessions stay as they are. A copy or pickle of what is attached is attached, too.

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
    check_session(session, how)
    if not isinstance(session.adapters, Adapters):
        session.adapters = cast("Any", Adapters(how.make_edge(), session.adapters))


def check_session(session: requests.Session, how: Attachment) -> None:
    """Require that a session can be attached, without touching it.

    Parameters
    ----------
    session, how
        As for :func:`attach_session`.

    Raises
    ------
    AttachError
        When it carries permits already, for something else.
    PluginNotInstalledError
        When the URL belongs to a known archive whose plugin is not installed.
    """
    if isinstance(session, AuthSession):
        raise AttachError("This session carries permits by itself: it needs no attach")
    wanted = how.make_edge().policy
    if isinstance(session.adapters, Adapters) and _purpose(session.adapters.edge.policy) != _purpose(wanted):
        raise AttachError("This session is attached already, for another archive or account: detach it first")


def _purpose(policy: Policy) -> Policy:
    """Return a policy without what makes no difference: by which of its URLs an archive was named."""
    return replace(policy, origin=None) if policy.archive else policy


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
    what = f"The class {kinds[0].__qualname__}" if isinstance(target, type) else f"A {kinds[0].__qualname__}"
    for kind in kinds:
        name = _INTEGRATIONS.get(kind.__module__.partition(".")[0])
        if name is not None:
            return cast("Integration", import_module(f".integrations.{name}", __package__))
    raise AttachError(
        f"{what} cannot be attached: give a requests.Session, a pyvo service or AuthSession, or an "
        "astroquery class or instance"
    )
