"""Credentials that were typed, or given to ``login``: kept in this process until it ends; renewal asks nobody."""

from __future__ import annotations

import threading
from collections.abc import Mapping

from ..credentials import Found, Wanted
from ..secret import Secret

__all__ = ["MemorySource"]


class MemorySource:
    """What this process was told."""

    name = "this process"
    rank = 30

    def __init__(self) -> None:
        self._values: dict[tuple[str, str], Mapping[str, Secret]] = {}
        self.renew_after_fork()

    def renew_after_fork(self) -> None:
        """Forget a lock that a thread of the parent process may have held."""
        self._guard = threading.Lock()

    def remember(self, archive: str, account: str, values: Mapping[str, Secret]) -> None:
        """Keep credentials that the archive has accepted."""
        with self._guard:
            self._values[archive, account] = dict(values)

    def forget(self, archive: str, account: str | None) -> None:
        """Drop those of one account, or of all."""
        with self._guard:
            self._values = {
                key: values
                for key, values in self._values.items()
                if key[0] != archive or account not in (None, key[1])
            }

    def find(self, wanted: Wanted) -> Found | None:
        """Return what was told for this account, and for no other."""
        with self._guard:
            values = self._values.get((wanted.archive.name, wanted.account))
        if values is None:
            return None
        known = {name: values[name] for name in wanted.names if name in values}
        return Found(values=known, origin="typed in this process") if known else None
