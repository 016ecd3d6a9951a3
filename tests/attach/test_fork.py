"""Attached sessions in a forked child: connections of its own, and no lock that nobody will release."""

from __future__ import annotations

import os
from typing import Any

import pytest
import requests

import vo_auth
from vo_auth.mounts import Adapters

PAGE = "https://archive.eso.org/tap_obs/availability"

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here"),
    pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning"),
    pytest.mark.usefixtures("sandbox"),
]


def connections(session: Any) -> int:
    inner = [adapter.inner for adapter in session.adapters.values()]
    managers = [manager for one in inner for manager in (one.poolmanager, *one.proxy_manager.values())]
    return sum(len(manager.pools) for manager in managers)


def test_a_forked_child_has_no_connection_and_no_held_lock_of_its_parent() -> None:
    session = vo_auth.attach(requests.Session(), url=PAGE)
    assert session.get(PAGE).ok
    assert connections(session)
    assert isinstance(session.adapters, Adapters)
    guard = session.adapters.edge._guard
    guard.acquire()  # another thread was about to warn
    child = os.fork()
    if not child:
        try:
            clean, free = not connections(session), session.adapters.edge._guard.acquire(timeout=1)
            if free:
                session.adapters.edge._guard.release()
            os._exit(0 if clean and free and session.get(PAGE, timeout=20).ok else 3)
        finally:
            os._exit(4)
    guard.release()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert session.get(PAGE).ok
