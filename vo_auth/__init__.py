"""One session that carries the right permit to the right archive, and nowhere else."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ._version import __version__
    from .api import HeldPermit, Identity, LoggedOut, login, logout, status, token
    from .archive import Archive, Known, Pages
    from .asking import whoami
    from .attachment import attach, detach
    from .domain import Domain
    from .edge import anonymous
    from .errors import VoAuthError, VoAuthWarning
    from .explanation import Explanation, Hop, explain
    from .gms import groups
    from .hookspecs import hookimpl
    from .secret import Secret
    from .session import AuthSession, session_for
    from .transfer import Downloaded, download

__all__ = [
    "Archive",
    "AuthSession",
    "Domain",
    "Downloaded",
    "Explanation",
    "HeldPermit",
    "Hop",
    "Identity",
    "Known",
    "LoggedOut",
    "Pages",
    "Secret",
    "VoAuthError",
    "VoAuthWarning",
    "__version__",
    "anonymous",
    "attach",
    "detach",
    "download",
    "explain",
    "groups",
    "hookimpl",
    "login",
    "logout",
    "session_for",
    "status",
    "token",
    "whoami",
]

_HOMES = {
    "Archive": "archive",
    "AuthSession": "session",
    "Domain": "domain",
    "Downloaded": "transfer",
    "Explanation": "explanation",
    "HeldPermit": "api",
    "Hop": "explanation",
    "Identity": "api",
    "Known": "archive",
    "LoggedOut": "api",
    "Pages": "archive",
    "Secret": "secret",
    "VoAuthError": "errors",
    "VoAuthWarning": "errors",
    "__version__": "_version",
    "anonymous": "edge",
    "attach": "attachment",
    "detach": "attachment",
    "download": "transfer",
    "explain": "explanation",
    "groups": "gms",
    "hookimpl": "hookspecs",
    "login": "api",
    "logout": "api",
    "session_for": "session",
    "status": "api",
    "token": "api",
    "whoami": "asking",
}


def __getattr__(name: str) -> object:
    """Import a public name when it is first used: importing vo_auth does no work."""
    if name not in _HOMES:
        raise AttributeError(f"module 'vo_auth' has no attribute {name!r}")
    value = getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
