"""The portal's cookie: made and checked as cpauth does.

Source: ``CookieToToken.scala``, ``Authentication.scala`` and ``Crypto.scala`` of ICOS-Carbon-Portal/cpauth. The value
is base64 of ``[end in ms,"e-mail","source"]``, the byte 0x1e and a signature (SHA256withECDSA, secp384r1) over the text
that Scala makes of the token. The layout of earlier years, an ``ObjectOutputStream`` of Java, is still taken.
"""

from __future__ import annotations

import base64
import json
import struct
from binascii import Error as Base64Error
from dataclasses import dataclass
from functools import cache
from typing import Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

__all__ = ["BadCookieError", "Signer", "Token"]

_SOURCES = frozenset({"Password", "PasswordReset", "Saml", "Orcid", "Facebook", "AtmoAccess"})
_SEPARATOR = 0x1E
_JAVA_START = bytes.fromhex("aced00057708")  # stream magic and version, a block of eight bytes: the end
_JAVA_BYTES = bytes.fromhex("757200025b42acf317f8060854e00200007870")  # an array of bytes, and its class


class BadCookieError(Exception):
    """A cookie that is not accepted; the text is the server's."""


@dataclass(frozen=True, slots=True)
class Token:
    """What a cookie says.

    Parameters
    ----------
    email, source
        Who logged in, and how.
    end_ms
        Milliseconds since the epoch.
    """

    email: str
    end_ms: int
    source: str

    def __str__(self) -> str:
        return f"AuthToken(UserId({self.email}),{self.end_ms},{self.source})"  # as Scala writes a case class


class Signer:
    """One portal's key pair.

    Parameters
    ----------
    key
        The private key.
    """

    def __init__(self, key: ec.EllipticCurvePrivateKey) -> None:
        self._key = key

    @classmethod
    def of(cls, archive: str, name: object = None) -> Self:
        """Return the signer of an archive in this process; another name is another key."""
        return cls(_key(archive, name))

    def issue(self, email: str, source: str, *, end: float, java: bool = False) -> str:
        """Make a cookie's value.

        Parameters
        ----------
        email, source
            Who logged in, and how.
        end
            Seconds since the epoch.
        java
            In the layout of earlier years.

        Returns
        -------
        str
            Base64.
        """
        token = Token(email, int(end * 1000), source)
        signature = self._key.sign(str(token).encode(), ec.ECDSA(SHA256()))
        write = _write_java if java else _write_json
        return base64.b64encode(write(token, signature)).decode()

    def check(self, value: str, *, now: float) -> Token:
        """Return what a cookie says, if it is genuine and has not ended.

        Parameters
        ----------
        value
            Without the cookie's name.
        now
            Seconds since the epoch.

        Returns
        -------
        Token
            What it says.

        Raises
        ------
        BadCookieError
            When it is not accepted.
        """
        token, signature = read(value)
        try:
            self._key.public_key().verify(signature, str(token).encode(), ec.ECDSA(SHA256()))
        except InvalidSignature:
            raise BadCookieError("Authentication token's signature is invalid") from None
        if now * 1000 >= token.end_ms:
            raise BadCookieError("Authentication token has expired")
        return token


@cache
def _key(_archive: str, _name: object) -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP384R1())


def read(value: str) -> tuple[Token, bytes]:
    """Return what a cookie says, and its signature, which nobody has checked.

    Parameters
    ----------
    value
        Without the cookie's name.

    Returns
    -------
    tuple
        Token and signature.

    Raises
    ------
    BadCookieError
        When it is in none of the layouts.
    """
    try:
        content = base64.b64decode("".join(value.split()), validate=True)
        return _read_json(content) if content[:1] == b"[" else _read_java(content)
    except (Base64Error, ValueError, TypeError, struct.error, IndexError) as error:
        raise BadCookieError(f"Failed to parse authentication token: {error}") from None


def _write_json(token: Token, signature: bytes) -> bytes:
    told = json.dumps([token.end_ms, token.email, token.source], separators=(",", ":"), ensure_ascii=False)
    return told.encode() + bytes([_SEPARATOR]) + signature


def _read_json(content: bytes) -> tuple[Token, bytes]:
    end = content.find(bytes([ord("]"), _SEPARATOR])) + 1
    if not end:
        raise ValueError("Bad token, cannot read JSON array")
    end_ms, email, source = json.loads(content[:end])
    if not isinstance(end_ms, int) or not isinstance(email, str) or source not in _SOURCES:
        raise ValueError("Bad token, invalid JSON array")
    return Token(email, end_ms, source), content[end + 1 :]


def _write_java(token: Token, signature: bytes) -> bytes:
    texts = (token.email.encode(), token.source.encode())
    strings = b"".join(b"t" + struct.pack(">H", len(text)) + text for text in texts)
    end = struct.pack(">q", token.end_ms)
    return _JAVA_START + end + strings + _JAVA_BYTES + struct.pack(">i", len(signature)) + signature


def _read_java(content: bytes) -> tuple[Token, bytes]:
    if not content.startswith(_JAVA_START):
        raise ValueError("invalid stream header")
    (end_ms,) = struct.unpack_from(">q", content, len(_JAVA_START))
    place, texts = len(_JAVA_START) + 8, []
    for _ in range(2):
        (length,) = struct.unpack_from(">xH", content, place)
        texts.append(content[place + 3 : place + 3 + length].decode())
        place += 3 + length
    if content[place : place + len(_JAVA_BYTES)] != _JAVA_BYTES or texts[1] not in _SOURCES:
        raise ValueError("invalid type code")
    return Token(texts[0], end_ms, texts[1]), content[place + len(_JAVA_BYTES) + 4 :]
