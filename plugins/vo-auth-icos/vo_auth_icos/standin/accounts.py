"""Accounts, their cookies and what they have accepted."""

from __future__ import annotations

from aiohttp import web

from vo_auth.sandbox import Bench

from .people import PEOPLE, Person
from .repository import Repository
from .signing import BadCookieError, Signer, Token

__all__ = ["Accounts", "cookie_in"]


def cookie_in(request: web.Request, name: str) -> str | None:
    """Return a cookie's value as it arrived, or None; a semicolon at the end does no harm."""
    for pair in request.headers.get("Cookie", "").split(";"):
        key, separator, value = pair.strip().partition("=")
        if separator and key == name:
            return value
    return None


class Accounts:
    """What the hosts of one login share.

    Parameters
    ----------
    bench
        Knobs: ``cookie_life`` (seconds; 100,000), ``signing_key`` (another value is another key, and older cookies
        are worth nothing), ``cookie_layout`` (``java``: new cookies in the layout of earlier years). Counter:
        ``logins``.
    portal
        Names the cookie.
    """

    def __init__(self, bench: Bench, portal: Repository) -> None:
        self._bench = bench
        self.portal = portal
        self.accepted = {person.email: person.has_accepted for person in PEOPLE.values()}

    def find(self, email: str, password: str) -> Person | None:
        """Return whose name and password these are; an account without a password has none to match."""
        known = {person.email: person for person in PEOPLE.values() if person.password}
        person = known.get(email)
        return person if person is not None and person.password == password else None

    def set_cookie(self, person: Person) -> str:
        """Return the header by which a login gives the permit: a session cookie, without Max-Age or Expires."""
        self._bench.count("logins")
        end = self._bench.now() + float(self._bench.knob("cookie_life", 100_000))
        java = self._bench.knob("cookie_layout") == "java"
        value = self._signer().issue(person.email, "Password", end=end, java=java)
        return f"{self.portal.cookie}={value}; Domain={self.portal.cookie_domain}; Path=/; Secure; HttpOnly"

    def token(self, request: web.Request) -> Token | None:
        """Return what the request's cookie says; None without one.

        Raises
        ------
        BadCookieError
            When there is one that is not accepted.
        """
        value = cookie_in(request, self.portal.cookie)
        return None if value is None else self._signer().check(value, now=self._bench.now())

    def sender(self, request: web.Request) -> str | None:
        """Return who sends a request; None for the anonymous and for every cookie that is not accepted."""
        try:
            token = self.token(request)
        except BadCookieError:
            return None
        return token.email if token else None

    def has_accepted(self, email: str | None) -> bool:
        """Say whether a user has accepted the data licence in the profile."""
        return email is not None and self.accepted.get(email, False)

    def _signer(self) -> Signer:
        return Signer.of(self.portal.archive, self._bench.knob("signing_key"))
