"""OAuth 2.0 flows that need no browser, and what those share that do."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from ..archive import Grant, LoginContext
from ..errors import CredentialsRejectedError, LoginAnswerError, UnusableCredentialsError
from ..permit import BearerPermit
from ..secret import Secret
from ._options import SERVER_OPTIONS, with_options
from ._token_endpoint import Client, ClientAuth, Refusal, exchange, expires_at, revoke
from .jwt import expiry_of
from .server import OAuthServer

__all__ = ["ClientCredentials", "OAuthFlow", "PasswordGrant"]


class OAuthFlow(ABC):
    """What the OAuth flows share: a permit from a token answer, its renewal and its revocation."""

    __slots__ = ()
    name: str
    token_field: str
    method: str = "POST"
    resource_parameter: str = ""
    options: tuple[str, ...] = ()

    @abstractmethod
    def _server(self) -> OAuthServer:
        """Return the authorization server."""

    @abstractmethod
    def _client(self, ctx: LoginContext, client_id: str = "") -> Client:
        """Return who asks; with a client id, who it was that got a grant."""

    @property
    def login_urls(self) -> tuple[str, ...]:
        """Every address that receives credentials, codes or tokens."""
        return self._server().urls

    def configured(self, options: Mapping[str, object]) -> Self:
        """Return the flow with settings of the user's own.

        Parameters
        ----------
        options
            Values by the names in :attr:`options`.

        Raises
        ------
        ValueError
            When a value is of a wrong type, or makes no sense.
        """
        return with_options(self, options)

    def renew(self, ctx: LoginContext, grant: Grant) -> Grant | None:
        """Redeem the refresh token (RFC 6749, section 6); None where there is none or it is refused.

        It is sent to the server that gave it alone, in the name of the client that got it.
        """
        if grant.refresh is None or grant.issuer not in ("", self._server().name):
            return None
        client = self._client(ctx, grant.client_id)
        try:
            token = exchange(
                ctx,
                self._server().get_endpoint(ctx.client, "token_url"),
                client,
                refusal=Refusal(what="refresh token"),
                method=self.method,
                grant_type="refresh_token",
                refresh_token=grant.refresh.reveal(),
                **self._resource(ctx),
            )
        except CredentialsRejectedError:
            return None
        return self._grant(
            ctx,
            token,
            identity=grant.identity,
            refresh=grant.refresh,
            client_id=client.id,
            scopes=grant.scopes,
        )

    def revoke(self, ctx: LoginContext, grant: Grant) -> bool:
        """Revoke the refresh token, else the permit itself (RFC 7009); False where the server cannot."""
        if grant.issuer not in ("", self._server().name):
            return False
        url = self._server().find_endpoint(ctx.client, "revocation_url")
        if not url:
            return False
        client = self._client(ctx, grant.client_id)
        tokens = [("refresh_token", grant.refresh)] if grant.refresh else []
        if isinstance(grant.permit, BearerPermit):
            tokens.append(("access_token", grant.permit.token))
        # a server may revoke tokens of one kind alone (unsupported_token_type): then the next one is tried
        return any(revoke(ctx, url, client, token=token.reveal(), hint=hint).status == 200 for hint, token in tokens)

    def _resource(self, ctx: LoginContext) -> dict[str, str]:
        """Name the service that the permit is for (RFC 8707), where that is known and the server has a word for it."""
        return {self.resource_parameter: ctx.resource} if self.resource_parameter and ctx.resource else {}

    def _grant(
        self,
        ctx: LoginContext,
        token: Mapping[str, Any],
        *,
        identity: str,
        client_id: str,
        refresh: Secret | None = None,
        scopes: tuple[str, ...] = (),
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
        scope = token.get("scope")
        return Grant(
            permit=permit,
            refresh=refresh,
            identity=identity,
            issuer=self._server().name,
            client_id=client_id,
            # left out, it is what was asked for (RFC 6749, section 5.1)
            scopes=tuple(scope.split()) if isinstance(scope, str) and scope else scopes,
            issued=issued,
            expires=expires_at(token.get("expires_in"), issued, expiry_of(text)),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PasswordGrant(OAuthFlow):
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
    revocation_url
        Where a token is revoked (RFC 7009); empty: nowhere.

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
    client_secret: str = field(default="", repr=False)
    method: str = "POST"
    parameters: Mapping[str, str] = field(default_factory=dict)
    token_field: str = "access_token"  # noqa: S105 - a member's name
    revocation_url: str = ""

    @property
    def optional(self) -> tuple[str, ...]:
        """A registered client of the user's own."""
        return ("client_id", "client_secret")

    def _server(self) -> OAuthServer:
        return OAuthServer(token_url=self.token_url, revocation_url=self.revocation_url)

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
        client = self._client(ctx)
        token = exchange(
            ctx,
            self.token_url,
            client,
            refusal=Refusal(),
            method=self.method,
            grant_type="password",
            username=ctx.value("username"),
            password=ctx.value("password"),
            **self.parameters,
        )
        return self._grant(ctx, token, identity=ctx.value("username"), client_id=client.id)

    def _client(self, ctx: LoginContext, client_id: str = "") -> Client:
        client_id = client_id or ctx.value("client_id") or self.client_id
        secret = ctx.value("client_secret") if client_id in (ctx.value("client_id"), self.client_id) else ""
        if client_id == self.client_id:
            secret = secret or self.client_secret  # the secret of this client, of no other
        return Client(id=client_id, secret=secret, auth="query" if self.method == "GET" else "basic")


_SERVICE_CODES = frozenset({"invalid_client", "invalid_grant", "access_denied", "unauthorized_client"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientCredentials(OAuthFlow):
    """The client credentials grant (RFC 6749, section 4.4): for services, and accounts made for scripts.

    Its credentials are a service's own: they come from the environment or the keyring, and nobody is asked to type
    them. There is no refresh token (section 4.4.3): the same credentials are sent again.

    Parameters
    ----------
    server
        The authorization server.
    asks
        Names of the two credentials that are sent as the client's name and secret.
    scope
        Scopes to ask for, parted by spaces.
    parameters
        Further parameters of the request.
    client_auth
        How they are sent: ``basic`` or ``post`` as RFC 6749 (section 2.3.1) has them, or ``plain basic`` for HTTP
        Basic without form encoding.
    resource_parameter
        How the request names the service that the permit is for: ``resource`` (RFC 8707), ``audience``, or empty.
    token_field
        Which member of the answer is the permit.

    Raises
    ------
    ValueError
        When a value is none of those named.

    Examples
    --------
    >>> flow = ClientCredentials(server=OAuthServer(token_url="https://login.example.org/token"))
    >>> flow.asks, flow.prompted
    (('client_id', 'client_secret'), False)
    """

    name = "client credentials"
    unattended = True
    prompted = False
    optional = ()
    options = (*SERVER_OPTIONS, "scope", "parameters", "client_auth", "resource_parameter", "token_field")
    server: OAuthServer
    asks: tuple[str, str] = ("client_id", "client_secret")
    scope: str = ""
    parameters: Mapping[str, str] = field(default_factory=dict)
    client_auth: ClientAuth = "basic"
    resource_parameter: str = "resource"
    token_field: str = "access_token"  # noqa: S105 - a member's name

    def __post_init__(self) -> None:
        check_choices(self.client_auth, self.resource_parameter)

    def login(self, ctx: LoginContext) -> Grant:
        """Exchange the client's credentials for a permit.

        Raises
        ------
        CredentialsRejectedError
            When the token endpoint refuses them.
        LoginUnreachableError
            When it cannot be reached, or is in trouble.
        LoginAnswerError
            When it answers something else than OAuth.
        UnusableCredentialsError
            When one of them is empty, or cannot be sent.
        """
        client = self._client(ctx)
        words = " and ".join(name.replace("_", " ").replace("username", "user name") for name in self.asks)
        if not client.id or not client.secret:
            raise UnusableCredentialsError(f"{ctx.archive.title}: {words} must not be empty")
        scope = {"scope": self.scope} if self.scope else {}
        token = exchange(
            ctx,
            self.server.get_endpoint(ctx.client, "token_url"),
            client,
            refusal=Refusal(what=words, codes=_SERVICE_CODES),
            grant_type="client_credentials",
            **self.parameters,
            **scope,
            **self._resource(ctx),
        )
        token = {**token, "refresh_token": None}
        return self._grant(ctx, token, identity=client.id, client_id=client.id, scopes=tuple(self.scope.split()))

    def renew(self, ctx: LoginContext, grant: Grant) -> Grant | None:
        """Return None: the credentials renew it."""
        return None

    def revoke(self, ctx: LoginContext, grant: Grant) -> bool:
        """Revoke the permit (RFC 7009); False where the server cannot, or the credentials are not at hand."""
        return bool(self._client(ctx, grant.client_id).secret) and super(ClientCredentials, self).revoke(ctx, grant)

    def _server(self) -> OAuthServer:
        return self.server

    def _client(self, ctx: LoginContext, client_id: str = "") -> Client:
        name, secret = self.asks
        if not client_id:
            return Client(id=ctx.value(name), secret=ctx.value(secret), auth=self.client_auth)
        given = ctx.value(name) or registered(ctx, name)
        mine = (ctx.value(secret) or registered(ctx, secret)) if client_id == given else ""
        return Client(id=client_id, secret=mine, auth=self.client_auth)


def check_choices(client_auth: str, resource_parameter: str) -> None:
    """Refuse what is none of the ways to show a client or to name a resource.

    Raises
    ------
    ValueError
        When it is none of them.
    """
    if client_auth not in ("basic", "plain basic", "post"):
        raise ValueError("'client_auth' is 'basic', 'plain basic' or 'post'")
    if resource_parameter not in ("resource", "audience", ""):
        raise ValueError("'resource_parameter' is 'resource', 'audience' or empty")


def registered(ctx: LoginContext, name: str) -> str:
    """Return a client's credential from the environment: a renewal is not given those of the login."""
    from ..credentials.environment import variable_value

    found = variable_value(ctx.archive, name)
    return found[1].reveal() if found else ""
