"""One sandbox with IA2's stand-in for the tests of a worker; unmodified clients talk to it under IA2's real names."""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
import warnings
from collections.abc import Callable, Iterator
from html import unescape
from urllib.parse import parse_qs, urljoin, urlsplit

import pytest
import requests

from vo_auth.sandbox import Bench, Sandbox

with warnings.catch_warnings(action="ignore"):
    # astropy, first imported here, warns that the isolated XDG folders do not exist.
    import pyvo  # noqa: F401

    from vo_auth_ia2.standin import STANDIN

RAP = "https://sso.ia2.inaf.it/rap-ia2"
AUTHORIZE_URL = f"{RAP}/auth/oauth2/authorize"
TOKEN_URL = f"{RAP}/auth/oauth2/token"
JWKS_URL = f"{RAP}/auth/oidc/jwks"
REVOKE_URL = f"{RAP}/auth/oauth2/revoke"
TOKEN_PAGE = f"{RAP}/token-issuer"
TAP_URL = "https://archives.ia2.inaf.it/vo/tap/tng"
GMS_URL = "https://gms.ia2.inaf.it/gms/search"
CALLBACK = "http://127.0.0.1:49152/callback"
NATIVE = STANDIN.credentials["native"]["client_id"]

PRIVATE = "SELECT file_url FROM tng.TNG_TAP WHERE PROGRAM = 'X99TAC_1'"


@pytest.fixture(scope="session")
def _standing() -> Iterator[Sandbox]:
    with Sandbox([STANDIN], credentials=False) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(_standing: Sandbox) -> Iterator[Sandbox]:
    """The sandbox, as new, with this process inside."""
    bench = _standing.bench("ia2")
    bench.knobs.clear()
    bench.counters.clear()
    _standing.received.clear()
    with _standing.activated():
        yield _standing


@pytest.fixture
def bench(sandbox: Sandbox) -> Bench:
    return sandbox.bench("ia2")


@pytest.fixture
def http(sandbox: Sandbox) -> Iterator[requests.Session]:
    """A plain client that keeps cookies, as a browser does."""
    answers: list[requests.Response] = []
    with requests.Session() as session:
        # pyvo leaves some answers unread; without this their sockets stay open
        session.hooks["response"].append(lambda answer, **_options: answers.append(answer))
        yield session
        for answer in answers:
            answer.close()


def basic(role: str) -> tuple[bytes, bytes]:
    """Name and secret of a role, in UTF-8 (requests would write text in Latin-1)."""
    name, secret = STANDIN.credentials[role].values()
    return name.encode(), secret.encode()


def ask(http: requests.Session, role: str | None, **form: str) -> requests.Response:
    """Ask the token endpoint."""
    return http.post(TOKEN_URL, data=form, auth=basic(role) if role else None, timeout=20)


@pytest.fixture
def token(http: requests.Session) -> Callable[..., str]:
    """Get an access token as the seed shows: client credentials of a local account."""

    def get(role: str = "observer", **form: str) -> str:
        answer = ask(http, role, grant_type="client_credentials", **form)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["access_token"])

    return get


@pytest.fixture
def bearer(token: Callable[..., str]) -> Callable[..., dict[str, str]]:
    """Make the header of a role's token."""
    return lambda role="observer", **form: {"Authorization": f"Bearer {token(role, **form)}"}


class Person:
    """What somebody does in a browser: follow redirects of RAP, fill in its forms, press a button."""

    def __init__(self, http: requests.Session, *, role: str = "observer") -> None:
        self.http = http
        self.role = role
        self.pages: list[requests.Response] = []

    def open(self, url: str) -> requests.Response:
        return self._follow(self.http.get(url, allow_redirects=False, timeout=20))

    def press(self, page: requests.Response, button: str, **fields: str) -> requests.Response:
        """Send the page's form by one of its buttons."""
        found = re.search(r'<form method="post" action="([^"]+)">', page.text)
        pressed = re.search(rf'<button id="{button}" name="([^"]+)" value="([^"]+)">', page.text)
        assert found, page.text
        assert pressed, page.text
        hidden = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', page.text))
        form = {name: unescape(value) for name, value in hidden.items()}
        form |= {pressed[1]: pressed[2], **fields}
        return self._follow(
            self.http.post(urljoin(page.url, unescape(found[1])), data=form, allow_redirects=False, timeout=20)
        )

    def _follow(self, answer: requests.Response) -> requests.Response:
        """Follow redirects inside RAP; stop at one that leads away."""
        self.pages.append(answer)
        while answer.is_redirect and urljoin(answer.url, answer.headers["Location"]).startswith(RAP):
            url = urljoin(answer.url, answer.headers["Location"])
            answer = self.http.get(url, allow_redirects=False, timeout=20)
            self.pages.append(answer)
        return answer

    def log_in(self, url: str) -> requests.Response:
        page = self.open(url)
        return self.press(page, "login", **STANDIN.credentials[self.role])

    def authorize(self, url: str, *, button: str = "allow") -> str:
        """Log in, press a button of the consent page, and return where that led."""
        return self.press(self.log_in(url), button).headers["Location"]


@pytest.fixture
def person(http: requests.Session) -> Person:
    return Person(http)


def request_of(**changes: str) -> str:
    """The URL of an authorization request."""
    values = {
        "response_type": "code",
        "client_id": NATIVE,
        "redirect_uri": CALLBACK,
        "scope": "openid read:gms read:rap",
        "state": "obviously-fake-state",
        **changes,
    }
    prepared = requests.Request("GET", AUTHORIZE_URL, params=values).prepare()
    return str(prepared.url)


def came_back(url: str) -> dict[str, str]:
    """The parameters that the browser brought back."""
    return {name: value for name, (value,) in parse_qs(urlsplit(url).query).items()}


def pkce() -> tuple[str, str]:
    """A verifier and its challenge, by hand (RFC 7636)."""
    verifier = secrets.token_urlsafe(32)
    digest = hashlib.sha256(verifier.encode()).digest()
    return verifier, base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
