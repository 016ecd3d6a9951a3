"""One sandbox with ESO's stand-in for the tests of a worker; unmodified peers talk to it under ESO's real names."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator

import pytest
import requests

from vo_auth.sandbox import Bench, Sandbox

with warnings.catch_warnings(action="ignore"):
    # astropy, first imported here, warns that the isolated XDG folders do not exist.
    import pyvo  # noqa: F401

    from vo_auth_eso.standin import STANDIN

TOKEN_URL = "https://www.eso.org/sso/oidc/token"
TAP_URL = "https://archive.eso.org/tap_obs"
FILE_URL = "https://dataportal.eso.org/dataPortal/file/"


@pytest.fixture(scope="session")
def _standing() -> Iterator[Sandbox]:
    with Sandbox([STANDIN], credentials=False) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(_standing: Sandbox) -> Iterator[Sandbox]:
    """The sandbox, as new, with this process inside."""
    bench = _standing.bench("eso")
    bench.knobs.clear()
    bench.counters.clear()
    _standing.received.clear()
    with _standing.activated():
        yield _standing


@pytest.fixture
def bench(sandbox: Sandbox) -> Bench:
    return sandbox.bench("eso")


def parameters(role: str = "pi", **changes: str) -> dict[str, str]:
    """The documented query of the token endpoint."""
    return {
        "response_type": "id_token token",
        "grant_type": "password",
        "client_id": "clientid",
        "client_secret": "clientSecret",
        **STANDIN.credentials[role],
        **changes,
    }


@pytest.fixture
def login(sandbox: Sandbox) -> Callable[..., dict[str, object]]:
    """Log in by hand; returns the endpoint's whole answer."""

    def ask(role: str = "pi") -> dict[str, object]:
        answer = requests.get(TOKEN_URL, params=parameters(role), timeout=20)
        assert answer.status_code == 200, answer.text
        return answer.json()

    return ask


@pytest.fixture
def session(sandbox: Sandbox, login: Callable[..., dict[str, object]]) -> Iterator[Callable[..., requests.Session]]:
    """Make sessions with a Bearer header set by hand: a role's own, a token's, or none."""
    opened: list[requests.Session | requests.Response] = []

    def keep(response: requests.Response, **_options: object) -> None:
        opened.append(response)  # pyvo leaves some answers unread; without this their sockets stay open

    def make(role: str | None = None, *, token: object = None) -> requests.Session:
        one = requests.Session()
        opened.append(one)
        one.hooks["response"].append(keep)
        if role is not None:
            token = login(role)["id_token"]
        if token is not None:
            one.headers["Authorization"] = f"Bearer {token}"
        return one

    yield make
    for one in reversed(opened):
        one.close()
