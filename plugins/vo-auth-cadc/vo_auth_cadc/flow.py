"""The ways to log in; sources: ``LoginServlet.java`` of opencadc/ac and ``GetCertAction.java`` of opencadc/cdp."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace

from vo_auth import Secret
from vo_auth.archive import Grant, LoginContext
from vo_auth.errors import LoginAnswerError, UnusableCredentialsError
from vo_auth.flows import CertificateFile, LoginRequest, PastedToken
from vo_auth.permit import CookiePermit

from .token import end_of, owner_of, plain

__all__ = ["BearerToken", "CopiedToken", "DelegatedCertificate", "SsoCookie", "token_in"]


@dataclass(frozen=True, slots=True, kw_only=True)
class BearerToken(LoginRequest):
    """The signed token as a bearer token, to its own end."""

    name = "bearer token"
    rejected: tuple[int, ...] = (401,)
    expires: Callable[[str], float | None] = end_of


@dataclass(frozen=True, slots=True, kw_only=True)
class SsoCookie(BearerToken):
    """The same token as the cookie of the archive's web pages, in quotes because of its padding."""

    name = "cookie"

    def login(self, ctx: LoginContext) -> Grant:
        """Log in; raises as :class:`LoginRequest` does."""
        grant = BearerToken.login(self, ctx)
        return replace(grant, permit=CookiePermit("CADC_SSO", Secret(f'"{token_in(grant)}"')))


@dataclass(frozen=True, slots=True, kw_only=True)
class DelegatedCertificate(BearerToken):
    """A certificate issued for the token, which takes every password; a certificate cannot renew itself there.

    Parameters
    ----------
    generate_url
        Where certificates are issued.
    days_valid
        How long to ask for; the archive's own maximum is taken where it is less.
    """

    name = "delegated certificate"
    generate_url: str
    days_valid: float = 10.0

    @property
    def login_urls(self) -> tuple[str, ...]:
        """Where the password goes, and where the token goes."""
        return (self.url, self.generate_url)

    def login(self, ctx: LoginContext) -> Grant:
        """Log in and get a certificate; raises as :class:`LoginRequest` does."""
        grant = BearerToken.login(self, ctx)
        headers = {"Authorization": f"Bearer {token_in(grant)}"}
        params = {"daysValid": f"{self.days_valid:g}"}
        answer = ctx.client.request("GET", self.generate_url, params=params, headers=headers)
        if answer.status == 400:  # more than the archive's maximum, which is what it gives without a number
            answer = ctx.client.request("GET", self.generate_url, headers=headers)
        if answer.status == 200 and "-----BEGIN" in answer.text:
            with suppress(UnusableCredentialsError):
                given = {"certificate": Secret(answer.text)}
                held = CertificateFile().login(replace(ctx, credentials=given))
                return replace(grant, permit=held.permit, issuer=self.generate_url, expires=held.expires)
        what = f"{self.generate_url} answered status {answer.status}, without a certificate and its key"
        raise LoginAnswerError(f"{ctx.archive.title}: {what}")


@dataclass(frozen=True, slots=True, kw_only=True)
class CopiedToken(PastedToken):
    """A token that the user has from elsewhere, also as the value of the cookie."""

    def login(self, ctx: LoginContext) -> Grant:
        """Return a grant around the token; raises as :class:`PastedToken` does."""
        text = plain(ctx.value("token"))
        grant = PastedToken.login(self, replace(ctx, credentials={**ctx.credentials, "token": Secret(text or "?")}))
        return replace(grant, identity=grant.identity or owner_of(text), expires=end_of(text) or grant.expires)


def token_in(grant: Grant) -> str:
    """Return the token in a grant; empty for a certificate."""
    shown = grant.permit.present("")
    return plain(shown.headers.get("Authorization", "").removeprefix("Bearer ") or "".join(shown.cookies.values()))
