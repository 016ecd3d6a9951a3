"""RAP for programs: the token endpoint, the keys, and what a knob may add."""

from __future__ import annotations

import re
from base64 import b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from dataclasses import dataclass
from hashlib import sha256
from hmac import compare_digest
from typing import Any
from urllib.parse import unquote_plus

from aiohttp import web
from multidict import MultiMapping

from vo_auth.sandbox import Bench

from .authorize import Code, Front, repeated, wanted_resources
from .issuer import Family, Issuer
from .people import CLIENTS, find_person
from .places import (
    AUTHORIZE_PATH,
    DISCOVERY_PATHS,
    JWKS_PATH,
    RAP_ORIGIN,
    REVOKE_PATH,
    SCOPES,
    TOKEN_PATH,
)

__all__ = ["TokenEndpoint"]

_FRESH = {"Cache-Control": "no-store", "Pragma": "no-cache"}
_ONCE = frozenset(
    "grant_type code redirect_uri client_id client_secret code_verifier refresh_token scope".split()  # noqa: SIM905
)
_VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}")  # RFC 7636, section 4.1
_GRANTS = ("authorization_code", "refresh_token", "client_credentials")


class _OAuthError(Exception):
    """An error of RFC 6749, section 5.2."""

    def __init__(self, code: str, status: int = 400) -> None:
        super().__init__(code)
        self.code = code
        self.status = status


@dataclass(frozen=True, slots=True, kw_only=True)
class _Caller:
    """Who calls the endpoint.

    Parameters
    ----------
    client_id
        Of a registered client, or the user name of a local account.
    subject
        Whose tokens client credentials give.
    grants
        What it may ask for.
    """

    client_id: str
    subject: str
    grants: tuple[str, ...]


class TokenEndpoint:
    """Answer programs at sso.ia2.inaf.it.

    Parameters
    ----------
    bench
        Knobs: ``client_auth`` (``any``: Basic, form, or both when they agree, as a public client sends them; or
        ``basic``, ``form``), ``basic_encoding`` (``plain``, as RFC 7617 has it; ``form``: names and secrets are
        form-encoded first, as RFC 6749, section 2.3.1, asks; UNVERIFIED), ``rejected_login`` (status and error for a
        wrong password or secret: 401 ``invalid_client``; UNVERIFIED), ``discovery``, ``revocation`` (False: not
        there; both UNVERIFIED). Counters: ``token_requests``, ``logins``, ``refreshes``, ``rejected_logins``,
        ``reuse_detected``, ``code_reuse_detected``, ``revocations``, ``logins_on_http``.
    issuer
        Issues the tokens.
    front
        Has the authorization codes.
    """

    def __init__(self, bench: Bench, issuer: Issuer, front: Front) -> None:
        self._bench = bench
        self._issuer = issuer
        self._codes = front.codes
        self._redeemed: dict[str, Family] = {}

    def routes(self) -> list[web.RouteDef]:
        """Return the routes of this part."""
        return [
            web.post(TOKEN_PATH, self.answer_token),
            web.get(JWKS_PATH, self.answer_keys),
            web.post(REVOKE_PATH, self.revoke),
            *(web.get(path, self.answer_discovery) for path in DISCOVERY_PATHS),
        ]

    async def answer_keys(self, _request: web.Request) -> web.Response:
        """Answer with the public keys."""
        return web.json_response(self._issuer.jwks())

    async def answer_discovery(self, _request: web.Request) -> web.Response:
        """Answer with the metadata of the server (RFC 8414), if it has any."""
        if not self._bench.knob("discovery", False):
            return web.Response(status=404, text="Not Found\n")
        document: dict[str, Any] = {
            "issuer": self._issuer.name,
            "authorization_endpoint": f"{RAP_ORIGIN}{AUTHORIZE_PATH}",
            "token_endpoint": f"{RAP_ORIGIN}{TOKEN_PATH}",
            "jwks_uri": f"{RAP_ORIGIN}{JWKS_PATH}",
            "scopes_supported": list(SCOPES),
            "response_types_supported": ["code"],
            "grant_types_supported": list(_GRANTS),
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "none"],
            "code_challenge_methods_supported": ["S256"],
            "authorization_response_iss_parameter_supported": bool(self._bench.knob("response_iss", True)),
        }
        if self._bench.knob("revocation", False):
            document["revocation_endpoint"] = f"{RAP_ORIGIN}{REVOKE_PATH}"
        return web.json_response(document)

    # ---------------------------------------------------------------- the token endpoint

    async def answer_token(self, request: web.Request) -> web.Response:
        """Answer a request for a token (RFC 6749, section 3.2)."""
        self._bench.count("token_requests")
        return await self._guarded(request, self._granted)

    async def revoke(self, request: web.Request) -> web.Response:
        """Revoke a token (RFC 7009), if this server can."""
        if not self._bench.knob("revocation", False):
            return web.Response(status=404, text="Not Found\n")
        return await self._guarded(request, self._revoked)

    async def _guarded(self, request: web.Request, handle: Any) -> web.Response:
        if request.scheme != "https":
            self._bench.count("logins_on_http")
            return web.Response(status=403, text="Use https.\n")
        try:
            form = await _form(request)
            answer = handle(form, self._caller(request, form))
        except _OAuthError as error:
            headers = dict(_FRESH)
            if error.status == 401:  # RFC 6749, section 5.2
                headers["WWW-Authenticate"] = 'Basic realm="RAP"'
            return web.json_response({"error": error.code}, status=error.status, headers=headers)
        return web.json_response(answer, headers=_FRESH)

    def _granted(self, form: MultiMapping[Any], caller: _Caller) -> dict[str, Any]:
        grant = str(form.get("grant_type", ""))
        if not grant:
            raise _OAuthError("invalid_request")
        if grant not in _GRANTS:
            raise _OAuthError("unsupported_grant_type")
        if grant not in caller.grants:
            raise _OAuthError("unauthorized_client")
        resources = wanted_resources(self._bench, self._issuer, form)
        if resources is None:
            raise _OAuthError("invalid_target")
        if grant == "client_credentials":
            return self._by_credentials(form, caller, resources)
        if grant == "refresh_token":
            return self._by_refresh(form, caller, resources)
        return self._by_code(form, caller, resources)

    def _by_credentials(self, form: MultiMapping[Any], caller: _Caller, resources: tuple[str, ...]) -> dict[str, Any]:
        scopes = _scopes(form, SCOPES)
        family = None
        if self._bench.knob("issue_refresh", True) == "always":
            family = self._issuer.new_family(
                subject=caller.subject, client_id=caller.client_id, scopes=scopes, resources=resources
            )
        self._bench.count("logins")
        return self._issuer.answer(
            subject=caller.subject, client_id=caller.client_id, scopes=scopes, resources=resources, family=family
        )

    def _by_code(self, form: MultiMapping[Any], caller: _Caller, resources: tuple[str, ...]) -> dict[str, Any]:
        text = str(form.get("code", ""))
        if text in self._redeemed:  # RFC 6749, section 4.1.2: deny, and revoke what it gave
            self._bench.count("code_reuse_detected")
            self._redeemed[text].is_revoked = True
            raise _OAuthError("invalid_grant")
        code = self._codes.pop(text, None)
        if code is None or code.end <= self._bench.now() or code.client_id != caller.client_id:
            raise _OAuthError("invalid_grant")
        if form.get("redirect_uri") != code.redirect_uri or not _is_proved(code, form.get("code_verifier")):
            raise _OAuthError("invalid_grant")
        if not set(resources) <= set(code.resources or resources):
            raise _OAuthError("invalid_target")
        family = self._issuer.new_family(
            subject=code.subject, client_id=code.client_id, scopes=code.scopes, resources=code.resources
        )
        self._redeemed[text] = family
        self._bench.count("logins")
        return self._issuer.answer(
            subject=code.subject,
            client_id=code.client_id,
            scopes=code.scopes,
            resources=resources or code.resources,
            family=family if self._bench.knob("issue_refresh", True) else None,
            nonce=code.nonce,
        )

    def _by_refresh(self, form: MultiMapping[Any], caller: _Caller, resources: tuple[str, ...]) -> dict[str, Any]:
        family = self._issuer.family_of(str(form.get("refresh_token", "")), caller.client_id)
        if family is None:
            raise _OAuthError("invalid_grant")
        if not set(resources) <= set(family.resources or resources):
            raise _OAuthError("invalid_target")
        scopes = _scopes(form, family.scopes)
        self._bench.count("refreshes")
        return self._issuer.answer(
            subject=family.subject,
            client_id=family.client_id,
            scopes=scopes,
            resources=resources or family.resources,
            family=family,
            nonce="",
        )

    def _revoked(self, form: MultiMapping[Any], caller: _Caller) -> dict[str, Any]:
        if not form.get("token"):
            raise _OAuthError("invalid_request")
        self._bench.count("revocations")
        self._issuer.revoke(str(form["token"]), caller.client_id)
        return {}

    # ---------------------------------------------------------------- who calls

    def _caller(self, request: web.Request, form: MultiMapping[Any]) -> _Caller:
        """Authenticate who calls (RFC 6749, section 2.3): a registered client, or a local account as IA2 offers it."""
        way = self._bench.knob("client_auth", "any")
        basic = self._basic(request)
        client_id, secret = str(form.get("client_id", "")), str(form.get("client_secret", ""))
        if basic is not None and secret and basic != (client_id, secret):
            raise _OAuthError("invalid_request")
        if basic is not None and client_id not in ("", basic[0]):
            raise _OAuthError("invalid_request")
        if (way == "basic" and basic is None and secret) or (way == "form" and basic is not None):
            raise _OAuthError("invalid_client", 401)
        if basic is not None:
            client_id, secret = basic
        return self._known(client_id, secret) or self._account(basic) or self._reject()

    def _known(self, client_id: str, secret: str) -> _Caller | None:
        client = CLIENTS.get(client_id)
        if client is None or (client.secret and not client.has_secret(secret)) or (secret and not client.secret):
            return None
        return _Caller(client_id=client_id, subject=client_id, grants=client.grants)

    def _account(self, basic: tuple[str, str] | None) -> _Caller | None:
        """Return a local account: its user name and password come by Basic alone."""
        person = find_person(*basic) if basic is not None else None
        if person is None:
            return None
        return _Caller(
            client_id=person.username, subject=person.subject, grants=("client_credentials", "refresh_token")
        )

    def _reject(self) -> _Caller:
        self._bench.count("rejected_logins")
        status, error = self._bench.knob("rejected_login", (401, "invalid_client"))
        raise _OAuthError(error, status)

    def _basic(self, request: web.Request) -> tuple[str, str] | None:
        scheme, _, value = request.headers.get("Authorization", "").partition(" ")
        if not scheme:
            return None
        if scheme.lower() != "basic":
            raise _OAuthError("invalid_client", 401)
        try:
            name, _, secret = b64decode(value.strip(), validate=True).decode().partition(":")
        except (Base64Error, UnicodeDecodeError):
            raise _OAuthError("invalid_client", 401) from None
        if self._bench.knob("basic_encoding", "plain") == "form":
            return unquote_plus(name), unquote_plus(secret)
        return name, secret


async def _form(request: web.Request) -> MultiMapping[Any]:
    if request.content_type != "application/x-www-form-urlencoded" or request.query:
        raise _OAuthError("invalid_request")
    form = await request.post()
    if repeated(form, _ONCE):
        raise _OAuthError("invalid_request")
    return form


def _scopes(form: MultiMapping[Any], granted: tuple[str, ...]) -> tuple[str, ...]:
    wanted = tuple(str(form.get("scope", "")).split()) or granted
    if not set(wanted) <= set(granted):
        raise _OAuthError("invalid_scope")
    return wanted


def _is_proved(code: Code, verifier: object) -> bool:
    """Check PKCE (RFC 7636, section 4.6); a verifier without a challenge is refused too (RFC 9700, section 2.1.1)."""
    if not code.challenge or not isinstance(verifier, str):
        return not code.challenge and verifier is None
    if not _VERIFIER.fullmatch(verifier):
        return False
    digest = urlsafe_b64encode(sha256(verifier.encode("ascii")).digest()).rstrip(b"=").decode()
    return compare_digest(digest, code.challenge)
