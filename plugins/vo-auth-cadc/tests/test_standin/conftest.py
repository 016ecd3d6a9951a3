"""One sandbox with CADC's stand-in for the tests of a worker; unmodified peers talk to it under CADC's real names."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from requests.adapters import HTTPAdapter

from vo_auth.sandbox import Bench, Sandbox

with warnings.catch_warnings(action="ignore"):
    # astropy, first imported here, warns that the isolated XDG folders do not exist.
    import pyvo  # noqa: F401

    from vo_auth_cadc.standin import STANDIN, make_certificate

MAIN = "https://ws.cadc-ccda.hia-iha.nrc-cnrc.gc.ca"
ACCESS = "https://ws-cadc.canfar.net/ac"
LOGIN_URL = f"{ACCESS}/login"
TAP_URL = f"{MAIN}/argus"
GENERATE_URL = f"{MAIN}/cred/generate"


@pytest.fixture(scope="session")
def _standing() -> Iterator[Sandbox]:
    with Sandbox([STANDIN], credentials=False) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(_standing: Sandbox) -> Iterator[Sandbox]:
    """The sandbox, as new, with this process inside."""
    bench = _standing.bench("cadc")
    bench.knobs.clear()
    bench.counters.clear()
    _standing.received.clear()
    with _standing.activated():
        yield _standing


@pytest.fixture
def bench(sandbox: Sandbox) -> Bench:
    return sandbox.bench("cadc")


@pytest.fixture
def login(sandbox: Sandbox) -> Callable[..., requests.Response]:
    """Post the login's form by hand."""

    def post(role: str = "pi", **changes: str) -> requests.Response:
        return requests.post(LOGIN_URL, data={**STANDIN.credentials[role], **changes}, timeout=20)

    return post


@pytest.fixture
def pem(sandbox: Sandbox, tmp_path: Path) -> Callable[..., Path]:
    """Make a certificate file as a role of the stand-in would have it."""

    def make(role: str = "pi", **options: float) -> Path:
        path = tmp_path / f"{role}.pem"
        path.touch(mode=0o600)
        path.write_text(make_certificate(sandbox.authority, role, **options))
        return path

    return make


@pytest.fixture(autouse=True)
def _closed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Close what pyvo and astroquery leave open: unread answers, and the connections of sessions of their own."""
    opened: list[Any] = []
    send = HTTPAdapter.send

    def kept(self: HTTPAdapter, *args: Any, **kwargs: Any) -> requests.Response:
        opened.append(self)
        opened.append(send(self, *args, **kwargs))
        return opened[-1]

    monkeypatch.setattr(HTTPAdapter, "send", kept)
    yield
    for item in reversed(opened):
        item.close()


@pytest.fixture
def session() -> Iterator[requests.Session]:
    with requests.Session() as one:
        yield one


def observations(answer: requests.Response) -> list[str]:
    """Return the first column of an answer in CSV."""
    assert answer.status_code == 200, answer.text
    return answer.text.split()[1:]


@pytest.fixture
def search(sandbox: Sandbox) -> Callable[..., requests.Response]:
    """Ask argus for all observations, by sync."""

    def ask(**options: object) -> requests.Response:
        query = {
            "REQUEST": "doQuery",
            "LANG": "ADQL",
            "FORMAT": "csv",
            "QUERY": "SELECT observationID FROM caom2.Observation ORDER BY observationID",
        }
        return requests.get(f"{TAP_URL}/sync", params=query, timeout=20, **options)

    return ask
