"""What happened in a sandbox, written down as it happens."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Generic, TypeVar

from .standin import Received

__all__ = ["Journal", "ReceivedJournal"]

Entry = TypeVar("Entry")


class Journal(Generic[Entry]):
    """Keep entries in the order of their arrival; safe to read and to write from any thread."""

    def __init__(self) -> None:
        self._entries: list[Entry] = []
        self._lock = threading.Lock()

    def add(self, entry: Entry) -> None:
        """Write one entry at the end.

        Parameters
        ----------
        entry
            A frozen record.
        """
        with self._lock:
            self._entries.append(entry)

    def all(self) -> list[Entry]:
        """Return what is there now, oldest first.

        Returns
        -------
        list
            A copy: it does not grow.
        """
        with self._lock:
            return list(self._entries)

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._entries.clear()

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[Entry]:
        return iter(self.all())


class ReceivedJournal(Journal[Received]):
    """Keep the requests that the servers of a sandbox received."""

    def at(self, host: str, path_prefix: str = "") -> list[Received]:
        """Return the requests that one host name received, oldest first.

        Parameters
        ----------
        host
            A host name in lower case.
        path_prefix
            Only requests whose raw path begins like this.

        Returns
        -------
        list of Received
        """
        return [entry for entry in self.all() if entry.host == host and entry.path.startswith(path_prefix)]
