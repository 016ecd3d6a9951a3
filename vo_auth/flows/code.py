"""The login in a browser: authorization code with PKCE, back to this machine (RFC 6749, 4.1; RFC 7636; RFC 8252)."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field

from ..archive import Grant, LoginContext
from ..errors import CredentialsNotFoundError, LoginAnswerError, MissingDependencyError, PromptCancelledError
from ._identity import identity_of
from ._options import SERVER_OPTIONS
from ._redirect import is_plain_path, path_of, read_answer
from ._token_endpoint import KNOWN, Client, ClientAuth, exchange
from .oauth import OAuthFlow, check_choices, registered
from .server import OAuthServer

__all__ = ["AuthorizationCode"]


@dataclass(frozen=True, slots=True)
class _Attempt:
    """What one login gives along and asks back: fresh each time."""

    state: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)
    verifier: str = field(default_factory=lambda: secrets.token_urlsafe(48), repr=False)
    nonce: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorizationCode(OAuthFlow):
    """The authorization code grant for native applications (RFC 6749, section 4.1; RFC 8252).

    A person logs in at the archive's own page, by whatever means it offers; the browser then brings a code to a port
    of this machine, or the person pastes the address that it was sent to. PKCE with S256 (RFC 7636) and a state go
    with each login, and where the server names itself in its answer (RFC 9207), this is compared.

    Parameters
    ----------
    server
        The authorization server.
    client_id
        The client that is registered there for native applications; empty: it is asked for, of the environment alone.
    client_secret
        What such a client calls a secret although everybody has it.
    scope
        Scopes to ask for, parted by spaces. With ``openid`` the identity token tells who logged in, once it is
        verified against the server's keys; without its keys nobody is named.
    parameters
        Further parameters of the page's address.
    redirect_port
        0 for a free one; a server that compares ports needs the registered one.
    redirect_path
        Empty for one that nobody can guess; a server that compares paths needs the registered one.
    client_auth, resource_parameter, token_field
        As in :class:`ClientCredentials`.
    patience
        Seconds until the attempt is given up.

    Raises
    ------
    ValueError
        When a value makes no sense.

    Examples
    --------
    >>> server = OAuthServer(issuer="https://login.example.org")
    >>> AuthorizationCode(server=server).asks, AuthorizationCode(server=server, client_id="vo-auth").asks
    (('client_id',), ())
    """

    name = "browser login"
    unattended = False
    attended = True
    optional = ("client_secret",)
    options = (
        *SERVER_OPTIONS,
        *("client_id", "scope", "parameters", "redirect_port", "redirect_path"),
        *("client_auth", "resource_parameter", "token_field", "patience"),
    )
    server: OAuthServer
    client_id: str = ""
    client_secret: str = field(default="", repr=False)
    scope: str = ""
    parameters: Mapping[str, str] = field(default_factory=dict)
    redirect_port: int = 0
    redirect_path: str = ""
    client_auth: ClientAuth = "basic"
    resource_parameter: str = "resource"
    token_field: str = "access_token"  # noqa: S105 - a member's name
    patience: float = 300.0

    def __post_init__(self) -> None:
        check_choices(self.client_auth, self.resource_parameter)
        if not 0 <= self.redirect_port < 65536:
            raise ValueError("'redirect_port' is a port's number, or 0 for a free one")
        if self.redirect_path and not is_plain_path(self.redirect_path):
            raise ValueError("'redirect_path' is a plain path that begins with a slash")
        if not 10 <= self.patience <= 3600:
            raise ValueError("'patience' is a number of seconds from 10 to 3600")

    @property
    def asks(self) -> tuple[str, ...]:
        """The client's name, where the flow has none of its own."""
        return () if self.client_id else ("client_id",)

    def login(self, ctx: LoginContext) -> Grant:
        """Bring the person to the page, and exchange the code for a permit.

        Raises
        ------
        PromptCancelledError
            When the person did not log in, or the archive was told no.
        CredentialsNotFoundError
            When there is nobody to ask.
        LoginUnreachableError
            When the server cannot be reached, or is in trouble.
        LoginAnswerError
            When it answers something else than OAuth, or not this login.
        LoginError
            When the port for the browser is taken.
        """
        if ctx.person is None:
            raise CredentialsNotFoundError(
                f"{ctx.archive.title}: the login in a browser needs a person: run "
                f"`vo-auth login {ctx.archive.name}` in a terminal or notebook"
            )
        from .loopback import Loopback  # a server: not for who logs in otherwise

        client, attempt = self._client(ctx), _Attempt()
        page = self.server.get_endpoint(ctx.client, "authorization_url")
        self.server.get_endpoint(ctx.client, "token_url")  # before a person is bothered
        path = path_of(self.redirect_path, ctx.archive.name)
        title = ctx.archive.title
        with Loopback(title=title, state=attempt.state, path=path, port=self.redirect_port) as loopback:
            redirect_uri = loopback.redirect_uri
            url = self._page(ctx, page, client, attempt, redirect_uri)
            back = ctx.person.visit(url, arrived=loopback.arrived, patience=self.patience)
            code = self._code(ctx, back, attempt.state, redirect_uri)
            grant = self._redeem(ctx, client, attempt, code, redirect_uri)
            loopback.end(f"You are logged in to {title}", "You can close this window and go back to your program.")
        return grant

    def _page(self, ctx: LoginContext, page: str, client: Client, attempt: _Attempt, redirect_uri: str) -> str:
        try:
            from authlib.oauth2.client import OAuth2Client
        except ImportError:
            raise MissingDependencyError(
                f"Logging in to {ctx.archive.title} needs authlib: pip install authlib"
            ) from None
        oauth = OAuth2Client(
            None,
            client_id=client.id,
            redirect_uri=redirect_uri,
            scope=self.scope or None,
            code_challenge_method="S256",
        )
        nonce = {"nonce": attempt.nonce} if self._names_users else {}
        more = {**self.parameters, **nonce, **self._resource(ctx)}
        url, _ = oauth.create_authorization_url(page, state=attempt.state, code_verifier=attempt.verifier, **more)
        return str(url)

    def _code(self, ctx: LoginContext, back: str, state: str, redirect_uri: str) -> str:
        title = ctx.archive.title
        try:
            answer = read_answer(back, redirect_uri=redirect_uri, state=state)
        except ValueError as error:
            raise LoginAnswerError(f"{title}: the browser came back from another login: {error}; try again") from None
        issuer = answer.get("iss", "" if self.server.names_itself else self.server.issuer)
        if self.server.issuer and issuer != self.server.issuer:  # RFC 9207, section 2.4
            raise LoginAnswerError(f"{title}: another server than {self.server.issuer} answered this login: not used")
        code = answer.get("error", "")
        if code == "access_denied":
            raise PromptCancelledError(
                f"The login to {title} was declined at its page; try again with: vo-auth login {ctx.archive.name}"
            )
        if code:
            what = code if code in KNOWN else "an error"
            raise LoginAnswerError(
                f"{title}: its login page answered {what}; check client_id, scope and the redirect address "
                "that is registered for it"
            )
        return answer["code"]

    def _redeem(self, ctx: LoginContext, client: Client, attempt: _Attempt, code: str, redirect_uri: str) -> Grant:
        token = exchange(
            ctx,
            self.server.get_endpoint(ctx.client, "token_url"),
            client,
            refusal=None,
            grant_type="authorization_code",
            code=code,
            redirect_uri=redirect_uri,
            code_verifier=attempt.verifier,
            **self._resource(ctx),
        )
        identity = self._identity(ctx, token.get("id_token"), client, attempt.nonce)
        return self._grant(ctx, token, identity=identity, client_id=client.id, scopes=tuple(self.scope.split()))

    @property
    def _names_users(self) -> bool:
        return "openid" in self.scope.split()

    def _identity(self, ctx: LoginContext, token: object, client: Client, nonce: str) -> str:
        if not self._names_users or not isinstance(token, str) or not self.server.issuer:
            return ""
        jwks_url = self.server.find_endpoint(ctx.client, "jwks_url")
        if not jwks_url:
            return ""
        return identity_of(ctx, token, jwks_url=jwks_url, issuer=self.server.issuer, client_id=client.id, nonce=nonce)

    def _server(self) -> OAuthServer:
        return self.server

    def _client(self, ctx: LoginContext, client_id: str = "") -> Client:
        mine = self.client_id or ctx.value("client_id")
        secret = ctx.value("client_secret")
        if client_id and not mine:  # a renewal is not given what the login had
            mine = registered(ctx, "client_id")
        if client_id and not secret and registered(ctx, "client_id") in ("", client_id):
            secret = registered(ctx, "client_secret")
        own = (client_id or mine) == mine
        return Client(id=client_id or mine, secret=(secret or self.client_secret) if own else "", auth=self.client_auth)
