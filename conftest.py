"""What every test of this repository stands on, the plugins' included.

A test sees no home directory, keyring, netrc, proxy or credentials of the person who runs it, and reaches nothing but
loopback. Child processes inherit the environment, not the guard on sockets: start them inside the sandbox.
"""

from __future__ import annotations

import ipaddress
import os
import shutil
import socket
import tempfile
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

# Timings depend on the machine, so Hypothesis has no deadline; in CI it tries the same examples each time.
settings.register_profile("vo_auth", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("vo_auth")

# Set by .ci/run, which installs the programs that interop tests need: one that is missing there is an error.
INTEROP_REQUIRED = "VO_AUTH_INTEROP_REQUIRED"

HOME_VARIABLES = ("HOME", "USERPROFILE")
FOLDER_VARIABLES = (
    "APPDATA",
    "LOCALAPPDATA",
    "VO_AUTH_HOME",
    "XDG_CACHE_HOME",
    "XDG_CONFIG_HOME",
    "XDG_DATA_HOME",
    "XDG_RUNTIME_DIR",
    "XDG_STATE_HOME",
)
CLEARED_VARIABLES = (
    *(name for proxy in ("all", "ftp", "http", "https", "no") for name in (f"{proxy}_proxy", f"{proxy}_PROXY".upper())),
    "ACCESS_TOKEN",
    "BEARER_TOKEN",
    "BEARER_TOKEN_FILE",
    "CURL_CA_BUNDLE",
    "NUBLADO_TOKEN",
    "OIDC_SOCK",
    "REQUESTS_CA_BUNDLE",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
)


def _isolate(environment: pytest.MonkeyPatch, folder: Path) -> None:
    """Point everything personal into a folder that nobody else uses."""
    for name in [name for name in os.environ if name.upper().startswith("VO_AUTH_") and name != INTEROP_REQUIRED]:
        environment.delenv(name)
    for name in CLEARED_VARIABLES:
        environment.delenv(name, raising=False)
    home = folder / "home"
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name in HOME_VARIABLES:
        environment.setenv(name, str(home))
    for name in FOLDER_VARIABLES:
        place = folder / name.lower()
        if name != "VO_AUTH_HOME":  # ours is made when it is needed; astropy warns of others that do not exist
            place.mkdir(mode=0o700, exist_ok=True)
        environment.setenv(name, str(place))
    environment.setenv("NETRC", str(folder / "netrc"))
    environment.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.null.Keyring")


def pytest_configure(config: pytest.Config) -> None:
    """Isolate what happens outside of tests: imports while they are collected, fixtures that live longer than one."""
    environment = pytest.MonkeyPatch()
    folder = tempfile.TemporaryDirectory(prefix="vo_auth-tests-", ignore_cleanup_errors=True)
    config.add_cleanup(folder.cleanup)
    config.add_cleanup(environment.undo)
    _isolate(environment, Path(folder.name))


@pytest.fixture(autouse=True)
def _isolated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Isolate each test from the others, too; not by the test's own monkeypatch, which it may undo."""
    with pytest.MonkeyPatch.context() as environment:
        _isolate(environment, tmp_path_factory.mktemp("isolated"))
        yield


def _is_loopback(host: object) -> bool:
    if isinstance(host, bytes):
        host = host.decode("ascii", "replace")
    if not isinstance(host, str):
        return False
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback


def _is_address(host: str | bytes) -> bool:
    text = host.decode("ascii", "replace") if isinstance(host, bytes) else host
    try:
        ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return False
    return True


@pytest.fixture(autouse=True)
def _loopback_only() -> Iterator[None]:
    """Fail a test that opens a connection to anything but loopback; look up no names, as a machine without network."""
    refused: list[str] = []
    real_lookup = socket.getaddrinfo

    def guarded(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(self: socket.socket, address: Any, /) -> Any:
            if self.family in (socket.AF_INET, socket.AF_INET6) and not _is_loopback(address[0]):
                refused.append(f"{address[0]}:{address[1]}")
                raise AssertionError(f"tests stay on loopback, this one wanted {refused[-1]}")
            return real(self, address)

        return call

    def lookup(host: Any, *args: Any, **kwargs: Any) -> Any:
        if host and not _is_loopback(host) and not _is_address(host):
            raise socket.gaierror(socket.EAI_NONAME, f"tests look up no names: {host!r}")
        return real_lookup(host, *args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", guarded(socket.socket.connect))
        patch.setattr(socket.socket, "connect_ex", guarded(socket.socket.connect_ex))
        patch.setattr(socket, "getaddrinfo", lookup)
        yield
    # Somebody may have caught the AssertionError.
    assert not refused, f"connections that left loopback: {', '.join(refused)}"


@pytest.fixture
def program() -> Callable[[str], str]:
    """Find a third-party program by name; an interop test without it skips, and fails where it is required."""

    def find(name: str) -> str:
        return shutil.which(name) or pytest.skip(f"the program {name!r} is not installed")

    return find


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    required = os.environ.get(INTEROP_REQUIRED, "0") != "0" and item.get_closest_marker("interop") is not None
    if required and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped, but {INTEROP_REQUIRED} is set: {report.longrepr}"
    return report
