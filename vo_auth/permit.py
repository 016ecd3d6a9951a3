"""What is presented with a request: bearer token, header, cookie, client certificate, Basic.

A permit presents itself; where it may go is decided elsewhere.
"""

from __future__ import annotations

import base64
import enum
import os
import re
import ssl
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from .secret import Secret

__all__ = [
    "BasicPermit",
    "BearerPermit",
    "CertificatePermit",
    "CookiePermit",
    "HeaderPermit",
    "Permit",
    "PermitState",
    "Presentation",
    "permit_from_record",
]

# RFC 9110, 5.5: no CR, LF or NUL, no space at either end
_FIELD_VALUE = re.compile(r"[\x21-\x7e\x80-\xff]([\x20-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?")
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")  # RFC 9110, 5.6.2
_B64TOKEN = re.compile(r"[A-Za-z0-9\-._~+/]+=*")  # RFC 6750, 2.1
_COOKIE_VALUE = re.compile(r'"?[\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]*"?')  # RFC 6265, 4.1.1


class PermitState(enum.Enum):
    """How a permit stands at a moment."""

    FRESH = "fresh"
    STALE = "stale"  # valid, near its end: renewed in the background
    EXPIRED = "expired"  # ended, or so near that it might end on the way
    UNKNOWN = "unknown"  # its end is not known


@dataclass(frozen=True, slots=True, kw_only=True)
class Presentation:
    """What one request gets.

    Parameters
    ----------
    headers
        Header fields; those of the same name are replaced.
    cookies
        Cookies; those of the same name are replaced.
    ssl_context
        The TLS context that holds the client certificate.
    """

    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    cookies: Mapping[str, str] = field(default_factory=dict, repr=False)
    ssl_context: ssl.SSLContext | None = None


@dataclass(frozen=True, slots=True)
class Permit:
    """Base of all permits."""

    kind: ClassVar[str] = ""

    def present(self, url: str) -> Presentation:
        """Return what a request to this URL gets.

        Parameters
        ----------
        url
            The URL of the request; its domain has been checked before.

        Returns
        -------
        Presentation
            Headers, cookies or a TLS context.
        """
        raise NotImplementedError

    def to_record(self) -> dict[str, Any]:
        """Return the permit as JSON values, secrets revealed: for the wallet's file alone."""
        raise NotImplementedError


def _require(pattern: re.Pattern[str], secret: Secret, what: str) -> None:
    if not pattern.fullmatch(secret.reveal()):
        raise ValueError(f"{what} is empty or has characters that cannot be sent (was it copied whole?)")


@dataclass(frozen=True, slots=True)
class BearerPermit(Permit):
    """A bearer token (RFC 6750, section 2.1).

    Parameters
    ----------
    token
        The token, without the word ``Bearer``.

    Raises
    ------
    ValueError
        When it is not of the form that RFC 6750 allows.
    """

    kind: ClassVar[str] = "bearer"
    token: Secret

    def __post_init__(self) -> None:
        _require(_B64TOKEN, self.token, "the token")

    def present(self, url: str) -> Presentation:
        return Presentation(headers={"Authorization": f"Bearer {self.token.reveal()}"})

    def to_record(self) -> dict[str, Any]:
        return {"kind": self.kind, "token": self.token.reveal()}


@dataclass(frozen=True, slots=True)
class HeaderPermit(Permit):
    """A token in a header of the archive's own choice.

    Parameters
    ----------
    name
        The header's name.
    value
        The token.
    prefix
        What stands before it, the space included.

    Raises
    ------
    ValueError
        When name or value cannot be sent.
    """

    kind: ClassVar[str] = "header"
    name: str
    value: Secret
    prefix: str = ""

    def __post_init__(self) -> None:
        _require(_FIELD_VALUE, self.value, "the header's value")
        _require(_FIELD_VALUE, Secret(self.prefix + self.value.reveal()), "the header's prefix")
        if not _TOKEN.fullmatch(self.name):
            raise ValueError(f"{self.name!r} is not a header name")

    def present(self, url: str) -> Presentation:
        return Presentation(headers={self.name: self.prefix + self.value.reveal()})

    def to_record(self) -> dict[str, Any]:
        return {"kind": self.kind, "name": self.name, "value": self.value.reveal(), "prefix": self.prefix}


@dataclass(frozen=True, slots=True)
class CookiePermit(Permit):
    """A cookie (RFC 6265).

    Parameters
    ----------
    name
        The cookie's name.
    value
        Its value, quotes included where the archive wants them.

    Raises
    ------
    ValueError
        When name or value cannot be sent.
    """

    kind: ClassVar[str] = "cookie"
    name: str
    value: Secret

    def __post_init__(self) -> None:
        _require(_COOKIE_VALUE, self.value, "the cookie")
        if not self.value or not _TOKEN.fullmatch(self.name):
            raise ValueError("a cookie is NAME=VALUE, both of them non-empty")

    def present(self, url: str) -> Presentation:
        return Presentation(cookies={self.name: self.value.reveal()})

    def to_record(self) -> dict[str, Any]:
        return {"kind": self.kind, "name": self.name, "value": self.value.reveal()}


@dataclass(frozen=True, slots=True)
class BasicPermit(Permit):
    """User name and password with every request (RFC 7617, UTF-8).

    Parameters
    ----------
    username
        Without a colon, which ends it on the wire.
    password
        The password.

    Raises
    ------
    ValueError
        When the user name has a colon or either has control characters.
    """

    kind: ClassVar[str] = "basic"
    username: str
    password: Secret

    def __post_init__(self) -> None:
        if ":" in self.username:
            raise ValueError("a user name with a colon cannot be sent by HTTP Basic (RFC 7617, section 2)")
        if any(ord(char) < 32 or ord(char) == 127 for char in self.username + self.password.reveal()):
            raise ValueError("user name or password has control characters (a line end that was copied along?)")

    def present(self, url: str) -> Presentation:
        pair = base64.b64encode(f"{self.username}:{self.password.reveal()}".encode()).decode()
        return Presentation(headers={"Authorization": f"Basic {pair}"})

    def to_record(self) -> dict[str, Any]:
        return {"kind": self.kind, "username": self.username, "password": self.password.reveal()}


@dataclass(frozen=True, slots=True)
class CertificatePermit(Permit):
    """A client certificate with its key (RFC 8446, 4.4.2).

    Parameters
    ----------
    pem
        Certificate, unencrypted private key and chain, in one PEM text.

    Raises
    ------
    ValueError
        When OpenSSL does not take it: not PEM, or a key that does not fit.
    """

    kind: ClassVar[str] = "certificate"
    pem: Secret
    _context: ssl.SSLContext = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_context", _context_with(self.pem))

    def present(self, url: str) -> Presentation:
        return Presentation(ssl_context=self._context)

    def to_record(self) -> dict[str, Any]:
        return {"kind": self.kind, "pem": self.pem.reveal()}


def _context_with(pem: Secret) -> ssl.SSLContext:
    """Return a TLS context that holds the certificate; the key is in a 0600 file only while it is loaded."""
    from urllib3.util.ssl_ import create_urllib3_context

    if not pem.reveal().isascii():
        raise ValueError("not a certificate with its unencrypted key in PEM form (it is not plain ASCII)")
    context = create_urllib3_context()
    descriptor, path = tempfile.mkstemp(suffix=".pem")  # made 0600
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(pem.reveal())
        context.load_cert_chain(path, password="")
    except (ssl.SSLError, ValueError) as error:
        reason = getattr(error, "reason", None) or type(error).__name__
        raise ValueError(f"not a certificate with its unencrypted key in PEM form ({reason})") from None
    finally:
        os.unlink(path)
    return context


def permit_from_record(record: Mapping[str, Any]) -> Permit:
    """Return the permit that :meth:`Permit.to_record` wrote down.

    Parameters
    ----------
    record
        JSON values from the wallet's file.

    Returns
    -------
    Permit
        An equal permit.

    Raises
    ------
    ValueError
        When the record is not one of ours.
    """
    try:
        match record["kind"]:
            case "bearer":
                return BearerPermit(Secret(record["token"]))
            case "header":
                return HeaderPermit(str(record["name"]), Secret(record["value"]), str(record["prefix"]))
            case "cookie":
                return CookiePermit(str(record["name"]), Secret(record["value"]))
            case "basic":
                return BasicPermit(str(record["username"]), Secret(record["password"]))
            case "certificate":
                return CertificatePermit(Secret(record["pem"]))
            case _:
                raise ValueError("unknown kind of permit")
    except (KeyError, TypeError):
        raise ValueError("not a permit's record") from None
