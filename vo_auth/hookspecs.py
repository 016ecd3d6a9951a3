"""The contract for plugin authors: every hook, with an example that runs.

A plugin is a distribution with an entry point in the group ``vo_auth`` that names a module. The module declares what
it offers through these hooks. Each hook is asked alone, so that one plugin that fails does not silence another.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from .archive import Archive
    from .credentials import CredentialSource
    from .sandbox import StandIn

__all__ = ["hookimpl", "hookspec"]

hookspec = pluggy.HookspecMarker("vo_auth")
hookimpl = pluggy.HookimplMarker("vo_auth")


@hookspec
def vo_auth_archives() -> Iterable[Archive]:
    """Return the archives that this plugin knows.

    Returns
    -------
    Iterable[Archive]
        Frozen records; no network, no files, no prompt.

    Examples
    --------
    >>> from vo_auth import Archive, Domain, hookimpl
    >>> from vo_auth.flows import PastedToken
    >>> EXAMPLE = Archive(
    ...     name="example", title="An Example Archive",
    ...     domains=(Domain("https://archive.example.org/tap"),),
    ...     flows=(PastedToken(),),
    ... )
    >>> @hookimpl
    ... def vo_auth_archives():
    ...     return [EXAMPLE]
    >>> vo_auth_archives()[0].name
    'example'
    """
    raise NotImplementedError


@hookspec
def vo_auth_credential_sources() -> Iterable[CredentialSource]:
    """Return further places where credentials may be found.

    Returns
    -------
    Iterable[CredentialSource]
        Asked in the order of their ``rank``, together with the sources of vo_auth itself.

    Examples
    --------
    >>> from vo_auth import hookimpl
    >>> from vo_auth.credentials import Found
    >>> class Vault:
    ...     name = "the observatory's vault"
    ...     rank = 45
    ...     def find(self, wanted):
    ...         return None  # nothing here for this archive: the next source is asked
    >>> @hookimpl
    ... def vo_auth_credential_sources():
    ...     return [Vault()]
    >>> vo_auth_credential_sources()[0].rank
    45
    """
    raise NotImplementedError


@hookspec
def vo_auth_standins() -> Iterable[StandIn]:
    """Return the stand-ins that this plugin brings for the sandbox.

    Import them inside the hook: a user who only wants to log in has no web server installed.

    Returns
    -------
    Iterable[StandIn]
        One per archive.

    Examples
    --------
    >>> from vo_auth import hookimpl
    >>> @hookimpl
    ... def vo_auth_standins():
    ...     from aiohttp import web
    ...     from vo_auth.sandbox import StandIn
    ...     return [StandIn(archive="example", hosts=("archive.example.org",),
    ...                     credentials={"pi": {"token": "obviously-fake"}},
    ...                     app=lambda bench: web.Application())]
    >>> vo_auth_standins()[0].hosts
    ('archive.example.org',)
    """
    raise NotImplementedError
