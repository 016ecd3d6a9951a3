"""Tokens and identities: what the login issues and what each service makes of a request."""

from __future__ import annotations

import math
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Hashable
from itertools import count
from typing import Any

from aiohttp import web

from vo_auth.sandbox import Bench
from vo_auth.sandbox.tokens import TokenError, TokenSigner

from .model import User
from .observatory import USERS

__all__ = ["CLIENT_ID", "CLIENT_SECRET", "find_user", "Identities", "ISSUER", "TOKEN_LIFE"]

ISSUER = "https://www.eso.org/sso/oidc"
CLIENT_ID, CLIENT_SECRET = "clientid", "clientSecret"  # the public placeholders that ESO documents
TOKEN_LIFE = 28_800  # seconds: eight hours

_PEOPLE = {user.username: user for user in USERS.values()}


def find_user(username: str, password: str) -> User | None:
    """Return the user with this name and password, both to the letter, or None."""
    user = _PEOPLE.get(username)
    return user if user is not None and user.password == password else None


class Identities:
    """Issue tokens, and tell from a request who sends it.

    Only an ``id_token`` counts. The access token that is issued with it is signed by the same key and is not accepted.
    Whatever is wrong with a token, its sender is anonymous: ESO's services do not say why.

    Parameters
    ----------
    bench
        Of the stand-in. Knobs: ``token_life`` (seconds; 28800), ``revoked_before`` (tokens issued before that time,
        in seconds since the epoch, are refused), ``signing_key`` (any value; another value means another key, so that
        the tokens issued until then are foreign), and the sandbox's ``clock_skew``.
    """

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._signers: dict[Hashable, TokenSigner] = {None: TokenSigner()}
        self._issued: dict[str, float] = {}
        self._numbers = count(1)

    def issue(self, user: User) -> dict[str, Any]:
        """Make the token endpoint's answer.

        Parameters
        ----------
        user
            Who has logged in.

        Returns
        -------
        dict
            As ESO answers it, in JSON.
        """
        life = float(self._bench.knob("token_life", TOKEN_LIFE))
        now = self._bench.now()
        number = next(self._numbers)
        jti = f"TGT-{number}-sandbox"
        claims = {
            "iss": ISSUER,
            "aud": CLIENT_ID,
            "sub": user.username,
            "jti": jti,
            "iat": int(now),
            "exp": math.ceil(now + life),  # never before the end that expires_in promises
        }
        self._issued[jti] = now  # iat has whole seconds only, too coarse for revoked_before
        access = {**claims, "aud": f"{ISSUER}/profile", "jti": f"AT-{number}-sandbox", "client_id": CLIENT_ID}
        signer = self._signer()
        return {
            "access_token": signer.sign(access),
            "id_token": signer.sign(claims),
            "token_type": "bearer",
            "expires_in": int(life) if life == int(life) else life,
            "scope": "",
        }

    def find_sender(self, request: web.BaseRequest, *, basic: bool = False) -> User | None:
        """Return who sends a request.

        Parameters
        ----------
        request
            A permit that arrives by plain http is ignored.
        basic
            Whether the service takes username and password (HTTP Basic) too.

        Returns
        -------
        User | None
            None for the anonymous user: without a permit, or with one that is not accepted.
        """
        if request.scheme != "https":
            return None
        scheme, _, value = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            return self._owner(value.strip())
        if basic and scheme.lower() == "basic":
            return _holder(value.strip())
        return None

    def _owner(self, token: str) -> User | None:
        try:
            # ESO's own scripts appended "==" for years, so padding at the end does no harm.
            claims = self._signer().verify(token.rstrip("="), issuer=ISSUER, audience=CLIENT_ID, now=self._bench.now())
        except TokenError:
            return None
        issued = self._issued.get(str(claims.get("jti")), float(claims.get("iat", 0)))
        if issued < float(self._bench.knob("revoked_before", 0.0)):
            return None
        return _PEOPLE.get(str(claims.get("sub")))

    def _signer(self) -> TokenSigner:
        name = self._bench.knob("signing_key")
        if name not in self._signers:
            self._signers[name] = TokenSigner(own_key=True)
        return self._signers[name]


def _holder(encoded: str) -> User | None:
    try:
        username, _, password = b64decode(encoded, validate=True).decode().partition(":")
    except (Base64Error, UnicodeDecodeError):
        return None
    return find_user(username, password)
