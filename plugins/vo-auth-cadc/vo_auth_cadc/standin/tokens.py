"""The archive's signed token: made and checked as its servers do.

Source: ``SignedToken.java`` and ``SSOCookieManager.java`` of opencadc/core. Base64 of pairs joined by ``&``, the last
of which is an RSA signature (SHA1withRSA) over all that stands before it.
"""

from __future__ import annotations

import base64
from binascii import Error as Base64Error
from collections.abc import Sequence
from functools import cache
from typing import Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA1

from .people import PEOPLE, Person

__all__ = ["BadTokenError", "DOMAINS", "SCOPE", "TokenSigner", "is_signed_token"]

SCOPE = "sso:cadc+canfar"
DOMAINS = ("canfar.net", "cadc-ccda.hia-iha.nrc-cnrc.gc.ca", "cadc.dao.nrc.ca")

_END = "&signature="
_PEOPLE = {person.username: person for person in PEOPLE.values()}


class BadTokenError(Exception):
    """A token that is not accepted; the text is the server's."""


def is_signed_token(text: str) -> bool:
    """Say whether a text is such a token at all, whatever it is worth."""
    try:
        return b"expirytime" in base64.b64decode(text, validate=True)
    except (Base64Error, ValueError):
        return False


class TokenSigner:
    """One key of the archive.

    Parameters
    ----------
    key
        The private key.
    """

    def __init__(self, key: rsa.RSAPrivateKey) -> None:
        self._key = key

    @classmethod
    def named(cls, name: object = None) -> Self:
        """Return a signer in this process; another name is another key."""
        return cls(_key(name))

    def issue(self, person: Person, *, end: float, scope: str = SCOPE, domains: Sequence[str] = DOMAINS) -> str:
        """Make a token.

        Parameters
        ----------
        person
            Whose.
        end
            Seconds since the epoch.
        scope
            What it is for.
        domains
            Where it may go.

        Returns
        -------
        str
            Base64.
        """
        pairs = [
            ("expirytime", str(int(end * 1000))),
            ("userID", person.username),
            ("X500", person.distinguished_name),
            ("numericID", person.number),
            ("scope", scope),
            *(("domain", domain) for domain in domains),
        ]
        text = "&".join(f"{name}={value}" for name, value in pairs)
        signature = self._key.sign(text.encode(), padding.PKCS1v15(), SHA1())  # noqa: S303 (theirs)
        return base64.b64encode(f"{text}{_END}{base64.b64encode(signature).decode()}".encode()).decode()

    def check(self, token: str, *, now: float) -> Person:
        """Return whose token it is, if it is genuine and has not ended.

        Parameters
        ----------
        token
            As it was issued.
        now
            Seconds since the epoch.

        Returns
        -------
        Person
            Its owner.

        Raises
        ------
        BadTokenError
            When it is not accepted.
        """
        try:
            text, separator, signature = base64.b64decode(token, validate=True).decode().partition(_END)
            pairs = [pair.partition("=")[::2] for pair in text.split("&")]
            end = next((int(value) for name, value in pairs if name.lower() == "expirytime"), None)
            raw = base64.b64decode(signature, validate=True)
        except (Base64Error, ValueError):
            raise BadTokenError("invalid numeric field") from None
        if not separator:
            raise BadTokenError("missing signature")
        if end is None:
            raise BadTokenError("missing expirytime")
        if now * 1000 > end:
            raise BadTokenError("expired")
        try:
            self._key.public_key().verify(raw, text.encode(), padding.PKCS1v15(), SHA1())  # noqa: S303 (theirs)
        except InvalidSignature:
            raise BadTokenError("invalid signature") from None
        owner = _PEOPLE.get(next((value for name, value in pairs if name.lower() == "userid"), ""))
        if owner is None:
            raise BadTokenError("no such user")
        return owner


@cache
def _key(_name: object) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)
