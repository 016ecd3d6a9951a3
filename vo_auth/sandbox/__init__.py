"""The sandbox: every stand-in under its archive's real host names, on this machine alone.

The records that a plugin's stand-in needs are here at once; the rest is imported when it is first asked for, because
it needs a web server that a user who only wants to log in has not installed.

>>> from vo_auth.sandbox import StandIn
>>> import sys
>>> StandIn.__module__
'vo_auth.sandbox.standin'
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .faults import Fault
from .standin import Bench, Received, StandIn

if TYPE_CHECKING:
    from .error import SandboxError
    from .host import Sandbox
    from .proxy import ProxyEntry
    from .tls import Authority

__all__ = ["Authority", "Bench", "Fault", "ProxyEntry", "Received", "Sandbox", "SandboxError", "StandIn"]

_LAZY = {"Authority": "tls", "ProxyEntry": "proxy", "Sandbox": "host", "SandboxError": "error"}
_EXTRA = frozenset({"aiohttp", "trustme", "cryptography"})


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        module = import_module(f".{_LAZY[name]}", __name__)
    except ModuleNotFoundError as error:
        if error.name not in _EXTRA:
            raise
        from ..errors import MissingDependencyError

        raise MissingDependencyError(
            f'the sandbox needs the package {error.name}: pip install "vo-auth[sandbox]"'
        ) from error
    return getattr(module, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
