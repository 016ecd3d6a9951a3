"""Tokens: what RAP issues, and what a service makes of one."""

from __future__ import annotations

import math
import secrets
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from vo_auth.sandbox import Bench
from vo_auth.sandbox.tokens import TokenError, TokenSigner

from .people import person_of
from .places import AUDIENCES, ISSUER

__all__ = ["Family", "Issuer", "bearer_of"]

TOKEN_LIFE = 3600
REFRESH_LIFE = 86_400


def bearer_of(request: web.BaseRequest) -> str:
    """Return the bearer token of a request (RFC 6750, section 2.1), or an empty text."""
    scheme, _, value = request.headers.get("Authorization", "").partition(" ")
    return value.strip() if scheme.lower() == "bearer" else ""


@dataclass(slots=True, kw_only=True)
class Family:
    """All refresh tokens that come from one login.

    Parameters
    ----------
    subject, client_id
        Who logged in, through what.
    scopes
        What was granted at the login.
    resources
        What was asked for at the login (RFC 8707).
    valid
        The refresh tokens that count, with their ends.
    used
        Those that were replaced.
    is_revoked
        Whether none of them counts any more.
    """

    subject: str
    client_id: str
    scopes: tuple[str, ...]
    resources: tuple[str, ...] = ()
    valid: dict[str, float] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)
    is_revoked: bool = False


class Issuer:
    """Issue tokens and check them.

    Parameters
    ----------
    bench
        Of the stand-in. Knobs: ``token_life`` (seconds; 3600, UNVERIFIED), ``refresh_life`` (86400, UNVERIFIED),
        ``issue_refresh`` (True for people; False: never; ``"always"``: for client credentials too),
        ``refresh_rotation`` (False: the answer repeats the refresh token; True: a new one each time, the use of an
        old one revokes all of that login), ``issuer`` (the ``iss``), ``audiences`` (the ``aud`` of new tokens: a list
        or one text), ``audience_names`` (service → what it wants to find there), ``signing_key`` (any value; another
        value is another key), ``revoked_before`` (tokens issued before that time are refused).
    """

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._signers: dict[Hashable, TokenSigner] = {None: TokenSigner()}
        self._families: dict[str, Family] = {}
        self._denied: set[str] = set()
        self._issued: dict[str, float] = {}

    # ---------------------------------------------------------------- what is configured

    @property
    def name(self) -> str:
        """The ``iss`` of all tokens."""
        return str(self._bench.knob("issuer", ISSUER))

    def audience(self, service: str) -> str:
        """Return what a service wants to find in ``aud``."""
        names: dict[str, str] = self._bench.knob("audience_names", {})
        return names.get(service, AUDIENCES[service])

    def audiences(self) -> tuple[str, ...]:
        """Return the names of all services."""
        return tuple(self.audience(service) for service in AUDIENCES)

    def jwks(self) -> dict[str, Any]:
        """Return the public key set (RFC 7517)."""
        return self._signer().jwks()

    # ---------------------------------------------------------------- issue

    def answer(
        self,
        *,
        subject: str,
        client_id: str,
        scopes: Sequence[str],
        resources: Sequence[str] = (),
        family: Family | None = None,
        nonce: str | None = None,
    ) -> dict[str, Any]:
        """Make the token endpoint's answer (RFC 6749, section 5.1; OpenID Connect Core 1.0, section 3.1.3.3).

        Parameters
        ----------
        subject, client_id, scopes
            For whom, through what, for what.
        resources
            The only audiences, where the client asked for some and this server listens (RFC 8707).
        family
            Of the refresh tokens; None: none is given.
        nonce
            Of the authorization request, maybe empty; None: no person has logged in on the page, so there is no ID
            token.

        Returns
        -------
        dict
            JSON.
        """
        life = float(self._bench.knob("token_life", TOKEN_LIFE))
        answer: dict[str, Any] = {
            "access_token": self._access_token(subject, client_id, scopes, resources, life),
            "token_type": "Bearer",
            "expires_in": int(life) if life == int(life) else life,
            "scope": " ".join(scopes),
        }
        person = person_of(subject)
        if nonce is not None and "openid" in scopes and person is not None:
            claims = {"name": person.name, "aud": client_id} | ({"nonce": nonce} if nonce else {})
            answer["id_token"] = self._sign(subject, life, claims)
        if family is not None:
            answer["refresh_token"] = self._next_refresh(family)
        return answer

    def _access_token(
        self, subject: str, client_id: str, scopes: Sequence[str], resources: Sequence[str], life: float
    ) -> str:
        audiences = list(resources) or self._bench.knob("audiences", list(self.audiences()))
        audiences = list(audiences) if not isinstance(audiences, str) else audiences
        return self._sign(subject, life, {"aud": audiences, "scope": " ".join(scopes), "client_id": client_id})

    def _sign(self, subject: str, life: float, claims: dict[str, Any]) -> str:
        now = self._bench.now()
        jti = secrets.token_hex(8)
        self._issued[jti] = now  # iat has whole seconds only, too coarse for revoked_before
        times = {"iat": int(now), "exp": math.ceil(now + life)}  # never before the end that expires_in promises
        return self._signer().sign({"iss": self.name, "sub": subject, "jti": jti, **times, **claims})

    def _signer(self) -> TokenSigner:
        name = self._bench.knob("signing_key")
        if name not in self._signers:
            self._signers[name] = TokenSigner(own_key=True)
        return self._signers[name]

    # ---------------------------------------------------------------- refresh tokens

    def new_family(
        self, *, subject: str, client_id: str, scopes: Sequence[str], resources: Iterable[str] = ()
    ) -> Family:
        """Begin the refresh tokens of one login.

        Parameters
        ----------
        subject, client_id, scopes, resources
            As for :meth:`answer`.

        Returns
        -------
        Family
        """
        return Family(subject=subject, client_id=client_id, scopes=tuple(scopes), resources=tuple(resources))

    def _next_refresh(self, family: Family) -> str:
        now = self._bench.now()
        rotates = bool(self._bench.knob("refresh_rotation", False))
        if family.valid and not rotates:
            return next(iter(family.valid))
        family.used.update(family.valid)
        token = f"rt-{secrets.token_urlsafe(24)}"
        family.valid = {token: now + float(self._bench.knob("refresh_life", REFRESH_LIFE))}
        self._families[token] = family
        return token

    def family_of(self, token: str, client_id: str) -> Family | None:
        """Return the login that a refresh token belongs to, if it still counts.

        Parameters
        ----------
        token
            The refresh token.
        client_id
            Who presents it.

        Returns
        -------
        Family | None
            None also where one that was replaced already is used again: all of that login is revoked then
            (RFC 9700, section 4.14.2).
        """
        family = self._families.get(token)
        if family is None or family.client_id != client_id:
            return None
        if token in family.used:
            self._bench.count("reuse_detected")
            family.is_revoked = True
        if family.is_revoked or family.valid.get(token, 0.0) <= self._bench.now():
            return None
        return family

    def revoke(self, token: str, client_id: str) -> None:
        """Revoke a refresh token with all of its login, or an access token alone (RFC 7009, section 2.1)."""
        family = self._families.get(token)
        if family is not None and family.client_id == client_id:
            family.is_revoked = True
        elif family is None:
            try:
                claims = self._signer().verify(token, now=self._bench.now())
            except TokenError:
                return
            if claims.get("client_id") == client_id:
                self._denied.add(str(claims.get("jti")))

    # ---------------------------------------------------------------- check

    def claims(self, token: str, service: str) -> dict[str, Any]:
        """Check a token as a service does.

        Parameters
        ----------
        token
            As it arrived.
        service
            Of :data:`~vo_auth_ia2.standin.places.AUDIENCES`.

        Returns
        -------
        dict
            Its claims.

        Raises
        ------
        TokenError
            When the service must not accept it.
        """
        claims = self._signer().verify(token, issuer=self.name, audience=self.audience(service), now=self._bench.now())
        jti = str(claims.get("jti"))
        issued = self._issued.get(jti, float(claims.get("iat", 0)))
        if jti in self._denied or issued < float(self._bench.knob("revoked_before", 0.0)):
            raise TokenError("expired")
        return claims
