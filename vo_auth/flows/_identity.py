"""Whom an identity token names; joserfc verifies it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..archive import LoginContext
from ..errors import LoginAnswerError, MissingDependencyError
from .text import plain_text

__all__ = ["ALGORITHMS", "identity_of"]

# Fixed, all of them of public keys: the token cannot choose `none`, nor make a public key serve as a shared secret.
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "Ed25519", "EdDSA")
_LEEWAY = 120  # seconds; the server's own clock is known from its answer
_CLAIMS = ("preferred_username", "email", "sub")


def identity_of(ctx: LoginContext, token: str, *, jwks_url: str, issuer: str, client_id: str, nonce: str) -> str:
    """Return the name in an identity token (OpenID Connect Core 1.0, section 3.1.3.7).

    Parameters
    ----------
    ctx
        The login.
    token
        The token, from the token endpoint.
    jwks_url
        Where the issuer's keys are.
    issuer, client_id, nonce
        What it must say.

    Returns
    -------
    str
        The user's name, address or number there, whichever comes first.

    Raises
    ------
    LoginAnswerError
        When it is not this login's token: the login must not be used.
    LoginUnreachableError
        When the keys cannot be had.
    MissingDependencyError
        Without joserfc.
    """
    answer = ctx.client.request("GET", jwks_url, headers={"Accept": "application/json"})
    try:
        claims = _verified(token, answer.json(), issuer=issuer, client_id=client_id, nonce=nonce, now=ctx.client.now())
    except (ValueError, KeyError, TypeError) as error:
        why = str(error) if isinstance(error, _UnfitError) else "its keys cannot be read"
    else:
        return next((name for claim in _CLAIMS if (name := _name(claims.get(claim)))), "")
    raise LoginAnswerError(
        f"{ctx.archive.title}: the identity token of this login does not hold ({why}): the login is not used"
    )


class _UnfitError(ValueError):
    """What is wrong, in our own words."""


def _verified(token: str, keys: Any, *, issuer: str, client_id: str, nonce: str, now: float) -> Mapping[str, Any]:
    try:
        from joserfc import jwt
        from joserfc.errors import BadSignatureError, ClaimError, JoseError
        from joserfc.jwk import KeySet
    except ImportError:
        raise MissingDependencyError("Reading whom a login names needs joserfc: pip install joserfc") from None
    try:
        claims = jwt.decode(token, KeySet.import_key_set(keys), algorithms=list(ALGORITHMS)).claims
        jwt.JWTClaimsRegistry(
            now=int(now),
            leeway=_LEEWAY,
            iss={"essential": True, "value": issuer},
            aud={"essential": True, "value": client_id},
            exp={"essential": True},
            iat={"essential": True},
            sub={"essential": True},
            nonce={"essential": True, "value": nonce},
        ).validate(claims)
    except BadSignatureError:
        raise _UnfitError("its signature is wrong") from None
    except ClaimError as error:
        raise _UnfitError(f"its claim {error.claim!r} is wrong or missing") from None
    except JoseError:
        raise _UnfitError("it is signed with no key of the issuer, or in a way that is not taken") from None
    several = isinstance(claims.get("aud"), list) and len(claims["aud"]) > 1
    if claims.get("azp", client_id if not several else None) != client_id:
        raise _UnfitError("its claim 'azp' is wrong or missing")
    return claims


def _name(value: object) -> str:
    return plain_text(value, limit=200) if isinstance(value, str) else ""
