"""Fixtures for tests of plugins and of programs that use vo_auth.

pytest imports this module in every run wherever vo_auth is installed: nothing heavy is imported before a fixture is
used.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from ..sandbox import Sandbox

__all__ = ["pytest_configure", "vo_auth_home", "vo_auth_sandbox"]

_MARKER = (
    "vo_auth_sandbox(standins=None, *, only=(), credentials=True, extra=()): "
    "what the fixture vo_auth_sandbox starts; the arguments are those of vo_auth.sandbox.Sandbox"
)
_XDG = ("XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME")


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known to ``--strict-markers``.

    Parameters
    ----------
    config
        pytest's own.
    """
    config.addinivalue_line("markers", _MARKER)
    pytest.register_assert_rewrite("vo_auth.testing.contract")  # so that its failures tell what was compared


@pytest.fixture
def vo_auth_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give one test a home of its own: no wallet, keyring, netrc or settings of the person who runs it.

    Returns
    -------
    Path
        The folder that ``VO_AUTH_HOME`` names; it does not exist yet.
    """
    home = tmp_path_factory.mktemp("vo-auth-home")
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(home))
    for name in _XDG:
        monkeypatch.setenv(name, str(home / name.lower()))
    monkeypatch.setenv("NETRC", str(home / "netrc"))
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.null.Keyring")
    state = home / "vo-auth"
    monkeypatch.setenv("VO_AUTH_HOME", str(state))
    return state


@pytest.fixture
def vo_auth_sandbox(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    """Give one test a new sandbox, with this process and its children inside of it.

    The stand-ins are those of the installed plugins; the marker ``vo_auth_sandbox`` chooses others. A sandbox starts
    in some hundredths of a second, so each test gets its own: knobs, counters, recordings and ``VO_AUTH_HOME`` are
    new.

    Yields
    ------
    Sandbox
        Started.
    """
    from ..sandbox import Sandbox

    marker = request.node.get_closest_marker("vo_auth_sandbox")
    arguments, options = (marker.args, marker.kwargs) if marker is not None else ((), {})
    with Sandbox(*arguments, **options) as sandbox:
        from ..sandbox.environment import forget_openers

        for name, value in sandbox.environ.items():
            if value is None:
                monkeypatch.delenv(name, raising=False)
            else:
                monkeypatch.setenv(name, value)
        forget_openers()
        yield sandbox
        forget_openers()
