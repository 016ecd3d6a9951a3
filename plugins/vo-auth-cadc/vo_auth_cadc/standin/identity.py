"""Who sends a request, and what the archive says of it in its headers.

Source: ``AuthenticationUtil.java``, ``TokenValidator.java`` and ``RestServlet.java`` of opencadc/core,
``BasicAuthIdentityManager.java`` of opencadc/cdp.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Literal

from aiohttp import web

from vo_auth.sandbox import Bench
from vo_auth.sandbox.tls import peer_certificate

from .certificates import subject_of
from .people import PEOPLE, Person
from .places import CREDENTIALS_URL, LOGIN_URL
from .tokens import DOMAINS, BadTokenError, TokenSigner, is_signed_token

__all__ = ["CALLER", "COOKIE", "Caller", "Identities", "RefusedError", "challenges"]

COOKIE = "CADC_SSO"
_X509 = "ivoa_x509"
_PASSWORD = "ivo://ivoa.net/sso#tls-with-password"
_TOKEN_LIFE = 48 * 3600

_PEOPLE = {person.username: person for person in PEOPLE.values()}
_NAMED = {person.distinguished_name: person for person in PEOPLE.values()}


class RefusedError(Exception):
    """A request that the archive refuses, in the words of its server.

    Parameters
    ----------
    status
        The HTTP status.
    text
        The body.
    error
        The OAuth error code for the Bearer challenge (RFC 6750, 3.1), where there is one.
    headers
        Further headers of the answer.
    """

    def __init__(
        self, status: int, text: str = "", *, error: str = "", headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(text)
        self.status = status
        self.text = text
        self.error = error
        self.headers = dict(headers or {})


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who sends a request.

    Parameters
    ----------
    name
        As the archive says it in ``x-vo-authenticated``.
    person
        The account; None for a genuine certificate of somebody without one.
    method
        What proved it; a certificate before all others.
    """

    name: str
    person: Person | None
    method: Literal["certificate", "token", "cookie", "password"]


def challenges(request: web.BaseRequest, *, basic: bool, refused: RefusedError | None = None) -> Iterator[str]:
    """Yield the challenges, each for a header line of its own, in the order of the archive's sorted set of methods.

    Parameters
    ----------
    request
        Which is answered.
    basic
        Whether the service takes HTTP Basic, too.
    refused
        Why it is refused, if it is.
    """
    if basic:
        yield f'Basic realm="{request.path}"'
    yield "ivoa_cookie"
    for method in ("cookie", "BasicAA", "token"):
        yield f'{_X509} standard_id="ivo://ivoa.net/sso#{method}", access_url="{CREDENTIALS_URL}"'
    yield _X509
    yield f'ivoa_bearer standard_id="{_PASSWORD}", access_url="{LOGIN_URL}", HACK=temporary'
    told = f' error="{refused.error}", error_description="{refused.text}"' if refused and refused.error else ""
    yield f"Bearer{told}"


#: Who sends the request that is answered now; the gate sets it.
CALLER: ContextVar[Caller | None] = ContextVar("vo_auth_cadc_caller", default=None)


class Identities:
    """Log in, and know senders.

    Parameters
    ----------
    bench
        Knobs: ``token_life`` (seconds; 48 hours), ``token_domains`` (what new tokens list), ``signing_key`` (another
        value is another key, and older tokens are worth nothing), ``impersonators`` (user names that may act as
        others). Counters: ``logins``, ``rejected_logins``.
    """

    def __init__(self, bench: Bench) -> None:
        self._bench = bench

    def log_in(self, username: str, password: str, *, scope: str = "") -> tuple[str, str]:
        """Exchange user name and password for a token.

        Parameters
        ----------
        username
            Possibly as ``proxy as user``: the password is then the proxy's.
        password
            Spaces around it do not count.
        scope
            What the token is for; empty for everything.

        Returns
        -------
        tuple
            The user's name and the token.

        Raises
        ------
        RefusedError
            401, with what is wrong.
        """
        named = [part.strip() for part in _split_proxy(username.strip())]
        proxy, user = (named[0], named[1]) if len(named) == 2 else ("", named[0])
        fault = self._fault(user, proxy, password.strip())
        if fault:
            self._bench.count("rejected_logins")
            raise RefusedError(401, fault)
        self._bench.count("logins")
        return user, self._issue(_PEOPLE[user], scope)

    def find(self, request: web.BaseRequest, *, basic: bool = False) -> Caller | None:
        """Return who sends a request; None for the anonymous.

        Parameters
        ----------
        request
            As it came.
        basic
            Whether the service takes HTTP Basic.

        Raises
        ------
        RefusedError
            When something was shown that is not accepted.
        """
        der = peer_certificate(request)
        shown = self._by_header(request, basic=basic) or self._by_cookie(request)
        if der is None:
            return shown
        name = subject_of(der)
        person = shown.person if shown else _NAMED.get(name)
        return Caller(name=person.username if person else name, person=person, method="certificate")

    def _issue(self, person: Person, scope: str) -> str:
        end = self._bench.now() + float(self._bench.knob("token_life", _TOKEN_LIFE))
        domains = self._bench.knob("token_domains", DOMAINS)
        options = {"scope": scope} if scope else {}
        return self._signer().issue(person, end=end, domains=domains, **options)

    def _fault(self, user: str, proxy: str, password: str) -> str:
        """Return what is wrong with a login in the server's words; empty for nothing."""
        if proxy and proxy not in self._bench.knob("impersonators", ()):
            return f"Proxy user access: {proxy} as {user} failed - not allowed to impersonate"
        person = _PEOPLE.get(proxy or user)
        if person is None or user not in _PEOPLE:
            return "Invalid username"
        if person.password != password:
            return "Invalid password"
        return "" if person.is_active else "Account inactivated"

    def _by_header(self, request: web.BaseRequest, *, basic: bool) -> Caller | None:
        header = request.headers.get("Authorization")
        if header is None:
            return None
        scheme, separator, value = header.partition(" ")
        if not separator:
            raise RefusedError(401, "missing authorization challenge")
        if scheme.lower() == "bearer":
            return self._by_token(value.strip())
        if scheme.lower() == "basic" and basic:
            return self._by_password(value)
        raise RefusedError(401, "unsupported authorization scheme")

    def _by_token(self, token: str) -> Caller:
        if not is_signed_token(token):
            raise RefusedError(401, "unknown kind of token", error="invalid_token")
        try:
            person = self._signer().check(token, now=self._bench.now())
        except BadTokenError as error:
            raise RefusedError(401, str(error), error="invalid_token") from None
        return Caller(name=person.username, person=person, method="token")

    def _by_password(self, value: str) -> Caller:
        """Know a sender by HTTP Basic as the archive does: what follows a second colon is lost."""
        try:
            pair = base64.b64decode(value).decode(errors="replace").rstrip(":").split(":")
            username, password = pair[0], pair[1]
        except IndexError:
            raise RefusedError(500, "unexpected exception: java.lang.ArrayIndexOutOfBoundsException") from None
        except ValueError:
            raise RefusedError(401, "incomplete authorization header") from None
        user, _ = self.log_in(username, password)
        return Caller(name=user, person=_PEOPLE[user], method="password")

    def _by_cookie(self, request: web.BaseRequest) -> Caller | None:
        value = _cookie_in(request)
        if value is None:
            return None
        try:
            person = self._signer().check(value.strip('"'), now=self._bench.now())
        except BadTokenError:
            raise RefusedError(401, "invalid cookie: Bad token.") from None
        return Caller(name=person.username, person=person, method="cookie")

    def _signer(self) -> TokenSigner:
        return TokenSigner.named(self._bench.knob("signing_key"))


def _split_proxy(username: str) -> list[str]:
    words = username.split()
    joints = [place for place, word in enumerate(words) if word.lower() == "as"]
    if len(joints) != 1:
        return [username]
    return [" ".join(words[: joints[0]]), " ".join(words[joints[0] + 1 :])]


def _cookie_in(request: web.BaseRequest) -> str | None:
    for pair in ";".join(request.headers.getall("Cookie", [])).split(";"):
        name, separator, value = pair.strip().partition("=")
        if separator and name == COOKIE:
            return value
    return None
