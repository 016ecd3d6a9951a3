"""Whose token it is, by the signature of the archive's own issuer."""

from __future__ import annotations

from typing import Any, Protocol

from .archive import Archive
from .errors import LoginError
from .flows import read_claims
from .flows._identity import ALGORITHMS
from .flows.text import plain_text
from .login_client import LoginClient
from .secret import Secret

__all__ = ["owner_of"]

_CLAIMS = ("preferred_username", "email", "sub")  # as a login names its user


class _Server(Protocol):
    """What a flow's ``server`` is asked for."""

    @property
    def issuer(self) -> str: ...

    def find_endpoint(self, client: LoginClient, name: str) -> str: ...


def owner_of(token: Secret, archive: Archive) -> str:
    """Return whom a token names, when the archive's issuer has signed it.

    Parameters
    ----------
    token
        A bearer token of the archive.
    archive
        The archive; one of its flows has a ``server`` that is this issuer.

    Returns
    -------
    str
        The user's name, address or number there, whichever comes first (OpenID Connect Core 1.0, section 5.1).

    Raises
    ------
    ValueError
        When it is opaque or of another issuer, or does not hold; the text says why and quotes nothing of it.
    """
    issuer = read_claims(token.reveal()).get("iss")
    if not isinstance(issuer, str):
        raise ValueError("the permit is a token that names no issuer")  # noqa: TRY004 - as for one that is no JWT
    servers: list[_Server] = [server for flow in archive.flows if (server := getattr(flow, "server", None))]
    for server in servers:
        if server.issuer == issuer:
            keys, now = _keys(server, archive)
            return _owner(_verified(token, issuer, keys, now=now))
    raise ValueError("the token's issuer is none that the archive's flows name")


def _keys(server: _Server, archive: Archive) -> tuple[Any, float]:
    """Return the issuer's keys, and its time."""
    with LoginClient(archive.title, archive.credential_origins()) as client:
        try:
            url = server.find_endpoint(client, "jwks_url")
            answer = client.request("GET", url) if url else None
        except LoginError as error:
            raise ValueError(f"the issuer's keys cannot be had: {str(error).partition(chr(10))[0]}") from None
    if answer is None or answer.status != 200:
        raise ValueError("the issuer's keys are not where they should be")
    return answer.json(), client.now()


def _verified(token: Secret, issuer: str, keys: Any, *, now: float) -> dict[str, Any]:
    try:
        from joserfc import jwt
        from joserfc.errors import JoseError
        from joserfc.jwk import KeySet
    except ImportError:
        raise ValueError("the token's signature cannot be checked without joserfc: pip install joserfc") from None
    required: dict[str, Any] = {"exp": {"essential": True}, "iss": {"essential": True, "value": issuer}}
    try:
        claims = jwt.decode(token.reveal(), KeySet.import_key_set(keys), algorithms=list(ALGORITHMS)).claims
        jwt.JWTClaimsRegistry(now=int(now), **required).validate(claims)
        return dict(claims)
    except (JoseError, ValueError, TypeError, KeyError, AttributeError):
        pass
    raise ValueError("the token does not bear a signature of its issuer's that holds now")  # out here: without frames


def _owner(claims: dict[str, Any]) -> str:
    for name in _CLAIMS:
        if isinstance(claims.get(name), str) and (shown := plain_text(claims[name])):
            return shown
    raise ValueError("the token names nobody")
