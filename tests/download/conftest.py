"""A server that misbehaves, and downloads that wait for nothing longer than they must."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from vo_auth.transfer import Downloaded, Event, Failed, Options, Sessions, fetch_all, items_in

sys.path.insert(0, str(Path(__file__).parent))  # worker processes of pytest-xdist have no rootdir there
from faulty_server import Server

Fetch = Callable[..., tuple[list[Downloaded], list[Failed]]]


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        yield running


@pytest.fixture
def events() -> list[Event]:
    return []


@pytest.fixture
def fetch(tmp_path: Path, events: list[Event]) -> Iterator[Fetch]:
    """Fetch into the folder ``to``, with back-offs of hundredths of a second."""
    session = requests.Session()

    def call(
        *urls: str, to: Path | None = None, digests: dict[str, str] | None = None, **options: Any
    ) -> tuple[list[Downloaded], list[Failed]]:
        given = options.pop("session", session)
        how = Options(**{"pause": 0.01, "longest": 2.0, "timeout": (5.0, 5.0), "retries": 3, **options})
        items = list(items_in(list(urls), digests=digests))
        sessions = Sessions(given, workers=how.workers)
        return fetch_all(items, to or tmp_path / "to", options=how, sessions=sessions, progress=events.append)

    yield call
    session.close()
