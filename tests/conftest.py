"""What tests of several folders stand on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib import metadata
from typing import Any

import pytest

from vo_auth import Archive, hookimpl
from vo_auth.registry import default_registry


class _Entry:
    """An entry point of a plugin that is installed nowhere."""

    name = "of-a-test"
    dist = None

    def __init__(self, archives: tuple[Archive, ...]) -> None:
        self._archives = archives

    def load(self) -> Any:
        return self

    @hookimpl
    def vo_auth_archives(self) -> list[Archive]:
        return list(self._archives)


@pytest.fixture
def install() -> Iterator[Callable[..., None]]:
    """Put a test's own archives in the place of those that are installed, for this process."""
    real = metadata.entry_points

    with pytest.MonkeyPatch.context() as patch:

        def put(*archives: Archive) -> None:
            def entry_points(**chosen: Any) -> Any:
                return [_Entry(archives)] if chosen.get("group") == "vo_auth" else real(**chosen)

            patch.setattr(metadata, "entry_points", entry_points)
            default_registry.cache_clear()

        yield put
    default_registry.cache_clear()
