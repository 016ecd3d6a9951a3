"""Permits that the user already holds: nothing is sent to get them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from ..archive import Grant, LoginContext
from ..errors import UnusableCredentialsError
from ..permit import BasicPermit, BearerPermit, CertificatePermit, CookiePermit, HeaderPermit, Permit
from ..secret import Secret
from ._base import NoRenewal
from .jwt import expiry_of, issued_of, read_claims

__all__ = ["CertificateFile", "HttpBasic", "PastedCookie", "PastedToken"]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Held(NoRenewal):
    unattended = False
    login_urls = ()


def _usable(ctx: LoginContext, what: str, error: ValueError) -> UnusableCredentialsError:
    return UnusableCredentialsError(f"{ctx.archive.title}: the {what} cannot be used: {error}")


@dataclass(frozen=True, slots=True, kw_only=True)
class PastedToken(_Held):
    """A token that the user took from the archive's own page.

    Parameters
    ----------
    header
        The header that carries it; ``Authorization`` with the scheme ``Bearer`` by default (RFC 6750).
    prefix
        What stands before the token in another header.

    Examples
    --------
    >>> PastedToken().asks
    ('token',)
    """

    name = "pasted token"
    asks = ("token",)
    header: str = "Authorization"
    prefix: str = "Bearer "

    def login(self, ctx: LoginContext) -> Grant:
        """Return a grant around the token; its end is read from it where it is a JWT."""
        text = ctx.value("token").strip().removeprefix("Bearer ").strip()
        if self.header.lower() == "authorization" and text.startswith("Authorization:"):
            raise _usable(ctx, "token", ValueError("paste the token alone, without the header's name"))
        permit: Permit
        try:
            if (self.header, self.prefix) == ("Authorization", "Bearer "):
                permit = BearerPermit(Secret(text))
            else:
                permit = HeaderPermit(self.header, Secret(text), self.prefix)
        except ValueError as error:
            raise _usable(ctx, "token", error) from None
        subject = read_claims(text).get("sub")
        return Grant(
            permit=permit,
            identity=ctx.value("username") or (subject if isinstance(subject, str) else ""),
            issued=issued_of(text) or ctx.client.now(),
            expires=expiry_of(text),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PastedCookie(_Held):
    """A cookie that the user copied from a browser, as ``name=value``.

    Parameters
    ----------
    cookie
        The cookie's name, so that the value alone may be pasted as well; empty: the name must be there.
    expires
        Reads the cookie's end (seconds since the epoch) from its value, where it is in there.
    owner
        Reads the user's name from its value, where it is in there.
    """

    name = "pasted cookie"
    asks = ("cookie",)
    cookie: str = ""
    expires: Callable[[str], float | None] = expiry_of
    owner: Callable[[str], str] = field(default=lambda _: "")

    def login(self, ctx: LoginContext) -> Grant:
        """Return a grant around the cookie."""
        text = ctx.value("cookie").strip().removesuffix(";").strip()
        if self.cookie and not text.startswith(f"{self.cookie}="):
            text = f"{self.cookie}={text}"
        name, _, value = text.partition("=")
        try:
            permit = CookiePermit(name.strip(), Secret(value.strip()))
        except ValueError as error:
            raise _usable(ctx, "cookie", error) from None
        return Grant(
            permit=permit,
            identity=ctx.value("username") or self.owner(permit.value.reveal()),
            issued=ctx.client.now(),
            expires=self.expires(permit.value.reveal()),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpBasic(_Held):
    """User name and password with every request (RFC 7617), for archives that have no login of another kind."""

    name = "HTTP Basic"
    asks = ("username", "password")

    def login(self, ctx: LoginContext) -> Grant:
        """Return a grant around user name and password; it has no end."""
        try:
            permit = BasicPermit(ctx.value("username"), ctx.credentials["password"])
        except ValueError as error:
            raise _usable(ctx, "user name or password", error) from None
        return Grant(permit=permit, identity=ctx.value("username"), issued=ctx.client.now())


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateFile(_Held):
    """A client certificate with its key and chain, in one PEM file."""

    name = "certificate"
    asks = ("certificate",)
    prompted = False  # nobody types one

    def login(self, ctx: LoginContext) -> Grant:
        """Return a grant around the certificate, read now; its end is the certificate's, also where that has passed.

        Raises
        ------
        UnusableCredentialsError
            When there is no certificate with its key, or its file is open to others.
        """
        from ..credentials.files import read_protected

        path = ctx.value("certificate")
        pem = path if "-----BEGIN" in path else read_protected(path, what=f"{ctx.archive.title}: the certificate")
        try:
            permit = CertificatePermit(Secret(pem))
            issued, expires, subject = _validity(pem)
        except ValueError as error:
            raise _usable(ctx, "certificate", error) from None
        return Grant(permit=permit, identity=subject, issued=issued, expires=expires)


def _validity(pem: str) -> tuple[float, float, str]:
    try:
        from cryptography import x509
    except ImportError:
        from ..errors import MissingDependencyError

        raise MissingDependencyError(
            "Reading a client certificate needs cryptography: pip install cryptography"
        ) from None
    certificate = x509.load_pem_x509_certificate(pem.encode())
    return (
        certificate.not_valid_before_utc.timestamp(),
        certificate.not_valid_after_utc.timestamp(),
        certificate.subject.rfc4514_string(),
    )
