"""Signed tokens: what an archive's login endpoint issues and its services check.

The key is made in memory and never leaves it. All checks are joserfc's.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from joserfc import jwt
from joserfc.errors import BadSignatureError, ExpiredTokenError, InvalidClaimError, JoseError, MissingClaimError
from joserfc.jwk import RSAKey

__all__ = ["TokenError", "TokenSigner"]

_ALGORITHM = "RS256"


class TokenError(Exception):
    """A token that a service must not accept.

    Parameters
    ----------
    reason
        One of ``signature``, ``expired``, ``early``, ``audience``, ``issuer``, ``malformed``.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(f"the token is not accepted: {reason}")
        self.reason = reason


@cache
def _process_key() -> RSAKey:
    """Make the key of this process: a tenth of a second, once."""
    return RSAKey.generate_key(2048, {"use": "sig", "alg": _ALGORITHM}, private=True, auto_kid=True)


class TokenSigner:
    """Sign and check JSON Web Tokens with RS256 (RFC 7515, RFC 7519).

    Parameters
    ----------
    own_key
        Make a key for this signer alone, so that its tokens are foreign to every other signer's services. Otherwise
        all signers of the process share one.
    """

    def __init__(self, *, own_key: bool = False) -> None:
        self._key = _process_key.__wrapped__() if own_key else _process_key()

    def sign(self, claims: Mapping[str, Any]) -> str:
        """Sign claims as they are.

        Parameters
        ----------
        claims
            The payload; nothing is added to it.

        Returns
        -------
        str
            The token in compact form.
        """
        return jwt.encode(
            {"alg": _ALGORITHM, "typ": "JWT", "kid": self._key.kid}, dict(claims), self._key, [_ALGORITHM]
        )

    def verify(
        self, token: str, *, issuer: str | None = None, audience: str | None = None, now: float
    ) -> dict[str, Any]:
        """Check a token as a service does: signature, time, audience, issuer.

        Parameters
        ----------
        token
            In compact form.
        issuer
            The only ``iss`` that is accepted, or None for any.
        audience
            A value that ``aud`` must have among its own, or None for any.
        now
            The time to check against, in seconds since the epoch.

        Returns
        -------
        dict
            The claims.

        Raises
        ------
        TokenError
            If the token is not acceptable, with the first reason that was met.
        """
        claims = self._decode(token)
        wanted = {"iss": issuer, "aud": audience}
        options: dict[str, Any] = {name: {"essential": True, "value": value} for name, value in wanted.items() if value}
        try:
            jwt.JWTClaimsRegistry(now=int(now), exp={"essential": True}, **options).validate(claims)
        except ExpiredTokenError:
            raise TokenError("expired") from None
        except (InvalidClaimError, MissingClaimError) as error:
            raise TokenError(_REASONS.get(str(error.claim), "malformed")) from None
        if now >= claims["exp"]:  # RFC 7519, section 4.1.4: the current time must be before it
            raise TokenError("expired")
        return claims

    def _decode(self, token: str) -> dict[str, Any]:
        try:
            claims = jwt.decode(token, self._key, algorithms=[_ALGORITHM]).claims
        except BadSignatureError:
            raise TokenError("signature") from None
        except (JoseError, ValueError, TypeError):
            raise TokenError("malformed") from None
        if not isinstance(claims, dict):
            raise TokenError("malformed")
        return claims

    def jwks(self) -> dict[str, Any]:
        """Return the public key as a JSON Web Key Set (RFC 7517, section 5)."""
        return {"keys": [dict(self._key.as_dict(private=False))]}


_REASONS = {"iss": "issuer", "aud": "audience", "nbf": "early", "iat": "early"}
