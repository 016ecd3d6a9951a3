"""OAuth 2.0 flows; parameters, client authentication and error answers are authlib's work."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from ..archive import Grant, LoginContext
from ..errors import (
    CredentialsRejectedError,
    LoginAnswerError,
    LoginUnreachableError,
    MissingDependencyError,
    UnusableCredentialsError,
)
from ..login_client import LoginAnswer
from ..permit import BearerPermit
from ..secret import Secret
from ._base import NoRenewal
from .jwt import expiry_of

if TYPE_CHECKING:
    from authlib.oauth2.client import OAuth2Client

__all__ = ["PasswordGrant"]

_REJECTED = frozenset({"invalid_grant", "access_denied", "unauthorized_client", "invalid_request"})
# Of RFC 6749, 5.2 and 4.1.2.1: the only words of a server that are repeated; another one might hold the password.
_KNOWN = _REJECTED | {"invalid_client", "unsupported_grant_type", "invalid_scope", "server_error"}


class _Session:
    """The transport that authlib's client is given: our login client, and nothing around it."""

    def __init__(self, ctx: LoginContext) -> None:
        self._client = ctx.client
        self.answer: LoginAnswer | None = None

    def post(self, url: str, *, data: Mapping[str, str], headers: Mapping[str, str], auth: Any) -> _Answer:
        from authlib.common.urls import add_params_to_qs

        url, sent, body = auth.prepare("POST", url, dict(headers), add_params_to_qs("", list(data.items())))
        return self._send("POST", url, sent, body)

    def request(self, method: str, url: str, *, headers: Mapping[str, str], auth: Any) -> _Answer:
        url, sent, body = auth.prepare(method, url, dict(headers), "")
        sent.pop("Content-Type", None)  # there is no body
        return self._send(method, url, sent, body or None)

    def _send(self, method: str, url: str, headers: dict[str, str], body: str | None) -> _Answer:
        self.answer = self._client.request(method, url, headers=headers, data=body)
        return _Answer(self.answer)


class _Answer:
    """What authlib reads of an answer."""

    def __init__(self, answer: LoginAnswer) -> None:
        self._answer = answer
        self.status_code = answer.status

    def json(self) -> Any:
        token = self._answer.json()
        if not isinstance(token, dict):
            raise ValueError("not a JSON object")  # noqa: TRY004 - as for what is not JSON
        # authlib counts with these, and stops at nonsense; the flow looks at expires_in itself
        return {key: value for key, value in token.items() if key not in ("expires_in", "expires_at")}

    def raise_for_status(self) -> None:
        """Do nothing: the login client has raised for what authlib would, the rest is judged by the flow."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PasswordGrant(NoRenewal):
    """The resource owner password grant (RFC 6749, section 4.3), with a refresh token where one is given.

    Parameters
    ----------
    token_url
        The token endpoint.
    client_id, client_secret
        The archive's public client; a client of the user's own replaces it.
    method
        ``POST`` as the RFC says, or ``GET`` with everything in the query where the archive wants that.
    parameters
        Further parameters of the request.
    token_field
        Which member of the answer is the permit.

    Examples
    --------
    >>> flow = PasswordGrant(token_url="https://login.example.org/token", client_id="public")
    >>> flow.asks
    ('username', 'password')
    """

    name = "password grant"
    asks = ("username", "password")
    unattended = True
    token_url: str
    client_id: str = ""
    client_secret: str = ""
    method: str = "POST"
    parameters: Mapping[str, str] = field(default_factory=dict)
    token_field: str = "access_token"  # noqa: S105 - a member's name

    @property
    def optional(self) -> tuple[str, ...]:
        """A registered client of the user's own."""
        return ("client_id", "client_secret")

    @property
    def login_urls(self) -> tuple[str, ...]:
        """The token endpoint alone."""
        return (self.token_url,)

    def login(self, ctx: LoginContext) -> Grant:
        """Exchange user name and password for a permit.

        Raises
        ------
        CredentialsRejectedError
            When the token endpoint refuses them.
        LoginUnreachableError
            When it cannot be reached, or is in trouble.
        LoginAnswerError
            When it answers something else than OAuth.
        """
        if not ctx.value("username") or not ctx.value("password"):
            raise UnusableCredentialsError(f"{ctx.archive.title}: user name and password must not be empty")
        token = self._exchange(
            ctx,
            grant_type="password",
            username=ctx.value("username"),
            password=ctx.value("password"),
            **self.parameters,
        )
        return self._grant(ctx, token, identity=ctx.value("username"))

    def renew(self, ctx: LoginContext, grant: Grant) -> Grant | None:
        """Redeem the refresh token (RFC 6749, section 6); None where there is none or it is refused."""
        if grant.refresh is None:
            return None
        if grant.client_id not in ("", self.client_id, ctx.value("client_id")):  # a refresh token is its client's own
            ctx = replace(ctx, credentials={"client_id": Secret(grant.client_id)})
        try:
            token = self._exchange(ctx, grant_type="refresh_token", refresh_token=grant.refresh.reveal())
        except CredentialsRejectedError:
            return None
        return self._grant(ctx, token, identity=grant.identity, refresh=grant.refresh)

    def _exchange(self, ctx: LoginContext, *, grant_type: str, **values: str) -> Mapping[str, Any]:
        session = _Session(ctx)
        client = self._client(ctx, session)
        try:
            token = client.fetch_token(self.token_url, method=self.method, grant_type=grant_type, **values)
        except Exception as error:
            failure = _failure(ctx, session.answer, error)
            if failure is None:
                raise
        else:
            assert session.answer is not None
            return {**token, "expires_in": session.answer.json().get("expires_in")}
        raise failure  # out here: authlib's frames hold the password

    def _client(self, ctx: LoginContext, session: _Session) -> OAuth2Client:
        try:
            from authlib.oauth2.client import OAuth2Client
        except ImportError:
            raise MissingDependencyError(
                f"Logging in to {ctx.archive.title} needs authlib: pip install authlib"
            ) from None
        client_id, secret = ctx.value("client_id"), ctx.value("client_secret")
        if not client_id or client_id == self.client_id:
            client_id, secret = self.client_id, secret or self.client_secret  # the secret of this client, of no other
        if self.method == "GET":  # all of it in the query, where authlib puts the client's secret for no method
            return _query_client(OAuth2Client, session, client_id, secret)
        return OAuth2Client(
            session,
            client_id=client_id,
            client_secret=secret or None,
            token_endpoint_auth_method="client_secret_basic" if secret else "none",
        )

    def _grant(
        self, ctx: LoginContext, token: Mapping[str, Any], *, identity: str, refresh: Secret | None = None
    ) -> Grant:
        text = token.get(self.token_field)
        if not isinstance(text, str):
            raise LoginAnswerError(
                f"{ctx.archive.title}: the token endpoint accepted the login but gave no {self.token_field}"
            )
        rotated = token.get("refresh_token")
        try:
            permit = BearerPermit(Secret(text))
            refresh = Secret(rotated) if isinstance(rotated, str) and rotated else refresh
        except ValueError as error:
            raise LoginAnswerError(f"{ctx.archive.title}: the token endpoint's {self.token_field}: {error}") from None
        issued = ctx.client.now()
        return Grant(
            permit=permit,
            refresh=refresh,
            identity=identity,
            issuer=self.token_url,
            client_id=ctx.value("client_id") or self.client_id,
            scopes=tuple(str(token.get("scope") or "").split()),
            issued=issued,
            expires=_expires(token.get("expires_in"), issued, expiry_of(text)),
        )


def _query_client(kind: type[OAuth2Client], session: _Session, client_id: str, secret: str) -> OAuth2Client:
    from authlib.common.urls import add_params_to_uri

    def in_query(client: Any, method: str, uri: str, headers: Any, body: Any) -> tuple[str, Any, Any]:
        pairs = [("client_id", client_id)] + ([("client_secret", secret)] if secret else [])
        return add_params_to_uri(uri, pairs), headers, body

    client = kind(session, client_id=client_id, token_endpoint_auth_method="in_query")  # noqa: S106 - a method's name
    client.register_client_auth_method(("in_query", in_query))
    return client


def _expires(expires_in: object, issued: float, exp: float | None) -> float | None:
    """Return the earlier of what the answer and the token itself say; nonsense in either is ignored."""
    ends = [] if exp is None else [exp]
    if isinstance(expires_in, str) and expires_in.isascii() and expires_in.isdecimal():
        expires_in = float(expires_in)
    if isinstance(expires_in, int | float) and not isinstance(expires_in, bool) and 0 < expires_in < 10 * 365 * 86400:
        ends.append(issued + float(expires_in))
    return min(ends) if ends else None


def _failure(ctx: LoginContext, answer: LoginAnswer | None, error: Exception) -> Exception | None:
    """Return our error for what came back, without a word of the server's; None for errors that are ours already."""
    from authlib.oauth2 import OAuth2Error

    if answer is None:  # raised by the login client, or a bug: not about the answer
        return None
    code = error.error if isinstance(error, OAuth2Error) and isinstance(error.error, str) else ""
    if code == "temporarily_unavailable":
        return LoginUnreachableError(
            f"{ctx.archive.title}: the token endpoint is temporarily unavailable; try again later",
            retry_after=answer.retry_after,
        )
    rejected = answer.status in (400, 401, 403) and (not isinstance(error, OAuth2Error) or code in _REJECTED)
    if rejected:
        return CredentialsRejectedError(
            f"{ctx.archive.title} did not accept the user name or password (status {answer.status}); "
            "check them, then run: vo-auth login " + ctx.archive.name
        )
    what = f"the OAuth error {code!r}" if code in _KNOWN else "something that is not OAuth"
    return LoginAnswerError(
        f"{ctx.archive.title}: the token endpoint answered {what} (status {answer.status}); "
        "is a proxy or captive portal in between?"
    )
