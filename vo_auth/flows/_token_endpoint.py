"""Talk to a token endpoint; parameters, client authentication and error answers are authlib's work."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import quote_plus

from ..archive import LoginContext
from ..errors import (
    CredentialsRejectedError,
    LoginAnswerError,
    LoginUnreachableError,
    MissingDependencyError,
    UnusableCredentialsError,
)
from ..login_client import LoginAnswer

if TYPE_CHECKING:
    from authlib.oauth2.client import OAuth2Client

__all__ = ["Client", "ClientAuth", "Refusal", "exchange", "expires_at", "revoke"]

# Of RFC 6749, 5.2 and 4.1.2.1, and RFC 8707, 2: the only words of a server that are repeated; another one might hold
# the password.
KNOWN = frozenset(
    [
        "access_denied",
        "invalid_client",
        "invalid_grant",
        "invalid_request",
        "invalid_scope",
        "invalid_target",
        "server_error",
        "temporarily_unavailable",
        "unauthorized_client",
        "unsupported_grant_type",
        "unsupported_response_type",
    ]
)

ClientAuth = Literal["basic", "plain basic", "post", "query"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """Who asks, and how this is shown (RFC 6749, section 2.3.1).

    Parameters
    ----------
    id, secret
        An empty secret is a public client's.
    auth
        ``basic``: HTTP Basic of the form-encoded pair, as the RFC says; ``plain basic``: of the pair as it is, which
        many servers expect; ``post``: in the form; ``query``: in the URL.
    """

    id: str
    secret: str = field(default="", repr=False)
    auth: ClientAuth = "basic"


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Which answers mean that the credentials are wrong.

    Parameters
    ----------
    what
        The credentials, for people.
    codes
        Error codes.
    """

    what: str = "user name or password"
    codes: frozenset[str] = frozenset({"invalid_grant", "access_denied", "unauthorized_client", "invalid_request"})


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


def exchange(
    ctx: LoginContext,
    url: str,
    client: Client,
    *,
    refusal: Refusal | None,
    grant_type: str,
    method: str = "POST",
    **values: str,
) -> Mapping[str, Any]:
    """Send one token request (RFC 6749, section 3.2).

    Parameters
    ----------
    ctx
        The login.
    url
        The token endpoint.
    client
        Who asks.
    refusal
        Which answers mean wrong credentials; None: none does.
    grant_type, **values
        The request's parameters.
    method
        ``POST``, or ``GET`` where the archive wants that.

    Returns
    -------
    Mapping
        The answer's members, of any type.

    Raises
    ------
    CredentialsRejectedError
        When the credentials are wrong.
    LoginUnreachableError
        When the server is in trouble.
    LoginAnswerError
        When it answers something else than OAuth.
    UnusableCredentialsError
        When they cannot be written into a request.
    """
    session = _Session(ctx)
    oauth = _oauth(ctx, session, client)
    try:
        token = oauth.fetch_token(url, method=method, grant_type=grant_type, **values)
    except Exception as error:
        failure = _failure(ctx, session.answer, error, refusal, client)
        if failure is None:
            raise
    else:
        assert session.answer is not None
        return {**token, "expires_in": session.answer.json().get("expires_in")}
    raise failure  # out here: authlib's frames hold the password


def revoke(ctx: LoginContext, url: str, client: Client, *, token: str, hint: str) -> LoginAnswer:
    """Ask that a token be revoked (RFC 7009, section 2.1).

    Parameters
    ----------
    ctx, url, client
        As for :func:`exchange`.
    token, hint
        The token, and which kind it is.

    Returns
    -------
    LoginAnswer
        Status 200 where it is revoked.

    Raises
    ------
    LoginError
        When no answer could be had.
    """
    session = _Session(ctx)
    _oauth(ctx, session, client).revoke_token(url, token=token, token_type_hint=hint)
    assert session.answer is not None
    return session.answer


def _oauth(ctx: LoginContext, session: _Session, client: Client) -> OAuth2Client:
    try:
        from authlib.oauth2.client import OAuth2Client
    except ImportError:
        raise MissingDependencyError(f"Logging in to {ctx.archive.title} needs authlib: pip install authlib") from None
    if client.auth == "plain basic" and ":" in client.id:  # RFC 7617, section 2
        raise UnusableCredentialsError(f"{ctx.archive.title}: a user name with a colon cannot be sent by HTTP Basic")
    method = "none" if not client.secret and client.auth != "query" else client.auth
    oauth = OAuth2Client(
        session,
        client_id=client.id,
        client_secret=client.secret or None,
        token_endpoint_auth_method=_METHODS.get(method, method),
        revocation_endpoint_auth_method=_METHODS.get(method, method),
    )
    for name, function in (("basic", _form_basic), ("plain basic", _plain_basic), ("query", _in_query)):
        oauth.register_client_auth_method((name, function))
    return oauth


_METHODS = {"post": "client_secret_post"}


def _form_basic(client: Any, method: str, uri: str, headers: Any, body: Any) -> tuple[str, Any, Any]:
    pair = f"{quote_plus(client.client_id)}:{quote_plus(client.client_secret)}"
    return uri, headers | {"Authorization": _basic(pair)}, body


def _plain_basic(client: Any, method: str, uri: str, headers: Any, body: Any) -> tuple[str, Any, Any]:
    return uri, headers | {"Authorization": _basic(f"{client.client_id}:{client.client_secret}")}, body


def _basic(pair: str) -> str:
    import base64

    return f"Basic {base64.b64encode(pair.encode()).decode()}"  # in UTF-8 (RFC 7617), which authlib's is not


def _in_query(client: Any, method: str, uri: str, headers: Any, body: Any) -> tuple[str, Any, Any]:
    """Put all of it in the query, where authlib puts the client's secret for no method."""
    from authlib.common.urls import add_params_to_uri

    secret = [("client_secret", client.client_secret)] if client.client_secret else []
    return add_params_to_uri(uri, [("client_id", client.client_id), *secret]), headers, body


def expires_at(expires_in: object, issued: float, exp: float | None) -> float | None:
    """Return the earlier of what the answer and the token itself say; nonsense in either is ignored."""
    ends = [] if exp is None else [exp]
    if isinstance(expires_in, str) and expires_in.isascii() and expires_in.isdecimal():
        expires_in = float(expires_in)
    if isinstance(expires_in, int | float) and not isinstance(expires_in, bool) and 0 < expires_in < 10 * 365 * 86400:
        ends.append(issued + float(expires_in))
    return min(ends) if ends else None


def _failure(
    ctx: LoginContext, answer: LoginAnswer | None, error: Exception, refusal: Refusal | None, client: Client
) -> Exception | None:
    """Return our error for what came back, without a word of the server's; None for errors that are ours already."""
    from authlib.oauth2 import OAuth2Error

    if answer is None:  # raised by the login client, or a bug: not about the answer
        return None
    title = ctx.archive.title
    code = error.error if isinstance(error, OAuth2Error) and isinstance(error.error, str) else ""
    if code == "temporarily_unavailable":
        return LoginUnreachableError(
            f"{title}: the token endpoint is temporarily unavailable; try again later", retry_after=answer.retry_after
        )
    if refusal and answer.status in (400, 401, 403) and (code in refusal.codes or not isinstance(error, OAuth2Error)):
        return CredentialsRejectedError(
            f"{title} did not accept the {refusal.what} (status {answer.status}); "
            f"check them, then run: vo-auth login {ctx.archive.name}"
        )
    if code == "invalid_client":
        return LoginAnswerError(
            f"{title}: the token endpoint does not take the client {client.id!r} (status {answer.status}, {code}): "
            "check client_id and client_secret"
        )
    if code in KNOWN:
        return LoginAnswerError(f"{title}: the token endpoint answered {code} (status {answer.status})")
    return LoginAnswerError(
        f"{title}: the token endpoint answered something that is not OAuth (status {answer.status}); "
        "is a proxy or captive portal in between?"
    )
