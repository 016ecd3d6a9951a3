"""vo_auth and its ESO plugin against the stand-in, each test in a sandbox of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import pyvo
import requests

import vo_auth
from vo_auth.sandbox import Bench, Sandbox

TAP_URL = "https://archive.eso.org/tap_obs"


@pytest.fixture
def bench(vo_auth_sandbox: Sandbox) -> Bench:
    return vo_auth_sandbox.bench("eso")


@pytest.fixture
def session_for(vo_auth_sandbox: Sandbox) -> Iterator[Callable[..., vo_auth.AuthSession]]:
    """Make sessions that are closed at the end, with the answers that pyvo leaves unread."""
    opened: list[Any] = []

    def keep(response: requests.Response, **_: object) -> None:
        opened.append(response)

    def make(url: str = TAP_URL, **options: Any) -> vo_auth.AuthSession:
        session = vo_auth.session_for(url, **options)
        session.hooks["response"].append(keep)
        opened.append(session)
        return session

    yield make
    for item in reversed(opened):
        item.close()


@pytest.fixture
def tap(session_for: Callable[..., vo_auth.AuthSession]) -> pyvo.dal.TAPService:
    return pyvo.dal.TAPService(TAP_URL, session=session_for())
