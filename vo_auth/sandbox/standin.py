"""What a plugin says about its stand-in, and what the sandbox hands to it.

A stand-in is a small local server that behaves like an archive. It is an aiohttp application, made by
:attr:`StandIn.app` when a sandbox starts, and it answers under the archive's real host names.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from aiohttp import web

    from ..demo import Demo
    from .tls import Authority

__all__ = ["Bench", "Received", "StandIn"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """One request as it arrived at a server of the sandbox: what tests assert on.

    Parameters
    ----------
    scheme, host, port, method, path, query
        As they arrived; ``query`` is the raw query string and holds secrets where the archive's protocol puts
        them there.
    headers
        Names in lower case; of a header that came several times, the values joined by ``", "``.
    client_certificate
        DER bytes of the verified client certificate, or None.
    """

    scheme: str
    host: str
    port: int
    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    client_certificate: bytes | None = None

    @property
    def authorization(self) -> str:
        """The Authorization header as it arrived, or an empty string."""
        return self.headers.get("authorization", "")

    @property
    def cookie(self) -> str:
        """The Cookie header as it arrived, or an empty string."""
        return self.headers.get("cookie", "")


@dataclass(slots=True)
class Bench:
    """The working place of one stand-in inside one sandbox: its counters, its clock, its misbehaviour.

    Tests and the demo hold the same object as the application and may turn its knobs at any time, from any thread.

    Parameters
    ----------
    archive
        The archive's name.
    knobs
        Values that change the behaviour (``token_life``, ``clock_skew``, ``fail_on``, …); each stand-in documents
        the names that it looks at. An unset knob means: behave like the archive.
    counters
        What happened, by name (``logins``, ``rejected_logins``, …).
    authority
        The sandbox's own certificate authority, for a stand-in that hands out client certificates; None outside a
        running sandbox.
    """

    archive: str
    knobs: dict[str, Any] = field(default_factory=dict)
    counters: Counter[str] = field(default_factory=Counter)
    authority: Authority | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def knob(self, name: str, default: Any = None) -> Any:
        """Return a knob's value, or the default when nobody turned it."""
        return self.knobs.get(name, default)

    def count(self, name: str) -> int:
        """Add one to a counter and return the new value."""
        with self._lock:
            self.counters[name] += 1
            return self.counters[name]

    def guard(self) -> threading.Lock:
        """Return the lock under which counters and lists in knobs change; hold it for a moment only."""
        return self._lock

    def now(self) -> float:
        """Return the archive's own time: seconds since the epoch, wrong by the knob ``clock_skew``."""
        return time.time() + float(self.knob("clock_skew", 0.0))


@dataclass(frozen=True, slots=True, kw_only=True)
class StandIn:
    """One archive's stand-in, as a plugin hands it to the sandbox.

    Parameters
    ----------
    archive
        The archive's name.
    hosts
        The real host names it answers for, on https (443) and http (80) alike; the application looks at
        ``request.scheme`` and ``request.host`` where that matters.
    credentials
        Obviously fake demo credentials, by role; the first role is the demo's user. The sandbox puts the first
        role's values into the environment (``username`` → ``VO_AUTH_<ARCHIVE>_USERNAME``).
    app
        Makes the aiohttp application for one sandbox.
    demo
        The main job at this archive, step by step, for ``vo-auth demo``; None: it has nothing to show.
    """

    archive: str
    hosts: tuple[str, ...]
    credentials: Mapping[str, Mapping[str, str]]
    app: Callable[[Bench], web.Application]
    demo: Callable[[Demo], None] | None = None
