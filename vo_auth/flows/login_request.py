"""The flow for odd logins: one request, described as data; or a function."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from ..archive import Grant, LoginContext
from ..errors import CredentialsRejectedError, LoginAnswerError, UnusableCredentialsError, VoAuthError
from ..login_client import LoginAnswer, LoginClient
from ..permit import BearerPermit, CookiePermit, HeaderPermit, Permit
from ..secret import Secret
from ._base import NoRenewal
from .jwt import expiry_of

__all__ = ["LoginFunction", "LoginRequest"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginRequest(NoRenewal):
    """Send credentials in one request and find the permit in the answer.

    Parameters
    ----------
    url
        Where to; https.
    method
        The HTTP method.
    fields
        Field of the request → name of the credential that fills it; the keys are the archive's words.
    constants
        Further fields with fixed values.
    body
        How the fields travel: ``form``, ``json``, ``query``, or ``basic`` for HTTP Basic of username and password.
    answer
        Where the permit is: ``text``, ``json:FIELD`` (dots go deeper; ``json`` alone: the answer is a JSON string),
        ``header:NAME`` or ``cookie:NAME``.
    present
        How it is presented: ``bearer``, ``header:NAME`` (with ``prefix`` before it) or ``cookie:NAME``.
    prefix
        What stands before the permit in its header.
    rejected
        Statuses that mean: wrong credentials.
    accepted
        Statuses that mean: logged in.
    life
        Seconds that the permit holds, where the archive documents a number.
    expires
        Reads the permit's end (seconds since the epoch) from its text, where it is in there.

    Raises
    ------
    ValueError
        When ``answer`` or ``present`` is none of the forms.

    Examples
    --------
    >>> flow = LoginRequest(url="https://login.example.org/login", fields={"mail": "username", "password": "password"},
    ...                     answer="cookie:session", present="cookie:session", rejected=(403,))
    >>> flow.asks
    ('username', 'password')
    """

    name = "login request"
    unattended = True
    url: str
    method: str = "POST"
    fields: Mapping[str, str] = field(default_factory=lambda: {"username": "username", "password": "password"})
    constants: Mapping[str, str] = field(default_factory=dict)
    body: Literal["form", "json", "query", "basic"] = "form"
    answer: str = "text"
    present: str = "bearer"
    prefix: str = ""
    rejected: tuple[int, ...] = (401, 403)
    accepted: tuple[int, ...] = (200,)
    life: float | None = None
    expires: Callable[[str], float | None] = expiry_of

    def __post_init__(self) -> None:
        if self.answer.partition(":")[0] not in {"text", "json", "header", "cookie"}:
            raise ValueError(f"answer={self.answer!r} is none of text, json, json:FIELD, header:NAME, cookie:NAME")
        if self.present.partition(":")[0] not in {"bearer", "header", "cookie"}:
            raise ValueError(f"present={self.present!r} is none of bearer, header:NAME, cookie:NAME")

    @property
    def asks(self) -> tuple[str, ...]:
        """The credentials that fill its fields."""
        return tuple(dict.fromkeys(self.fields.values()))

    @property
    def login_urls(self) -> tuple[str, ...]:
        """The one URL."""
        return (self.url,)

    def login(self, ctx: LoginContext) -> Grant:
        """Send the request and read the permit.

        Raises
        ------
        CredentialsRejectedError
            When the status is one of ``rejected``.
        LoginUnreachableError
            When no answer could be had.
        LoginAnswerError
            When the answer holds no permit.
        UnusableCredentialsError
            When they cannot be sent in this way.
        """
        answer = ctx.client.request(self.method, self.url, **self._arguments(ctx))
        if answer.status in self.rejected:
            raise CredentialsRejectedError(
                f"{ctx.archive.title} did not accept the credentials (status {answer.status}); "
                f"check them, then run: vo-auth login {ctx.archive.name}"
                + (f". {ctx.archive.without_password}" if ctx.archive.without_password else "")
            )
        text = self._permit_text(answer) if answer.status in self.accepted else None
        if not text:
            raise LoginAnswerError(
                f"{ctx.archive.title}: the login answered status {answer.status} without a permit in {self.answer}"
            )
        try:
            permit = self._permit(text)
        except ValueError as error:
            raise LoginAnswerError(f"{ctx.archive.title}: what the login gave cannot be used: {error}") from None
        issued = ctx.client.now()
        ends = [end for end in (self.expires(text), issued + self.life if self.life else None) if end]
        return Grant(
            permit=permit,
            identity=ctx.value("username"),
            issuer=self.url,
            issued=issued,
            expires=min(ends) if ends else None,
        )

    def _arguments(self, ctx: LoginContext) -> dict[str, Any]:
        if self.body == "basic":
            if ":" in ctx.value("username"):  # the server would take what follows for the password
                raise UnusableCredentialsError(
                    f"{ctx.archive.title}: a user name with a colon cannot be sent by HTTP Basic (RFC 7617, section 2)"
                )
            return {"auth": (ctx.value("username"), ctx.value("password"))}
        values = {name: ctx.value(credential) for name, credential in self.fields.items()} | dict(self.constants)
        return {{"form": "data", "json": "json", "query": "params"}[self.body]: values}

    def _permit_text(self, answer: LoginAnswer) -> str | None:
        where, _, name = self.answer.partition(":")
        if where == "cookie":
            return answer.cookies.get(name)
        if where == "header":
            return answer.headers.get(name)
        if where == "text":
            return answer.text.strip()
        try:
            value = answer.json()
        except ValueError:
            return None
        for key in filter(None, name.split(".")):
            value = value.get(key) if isinstance(value, dict) else None
        return value if isinstance(value, str) else None

    def _permit(self, text: str) -> Permit:
        how, _, name = self.present.partition(":")
        if how == "bearer":
            return BearerPermit(Secret(text))
        return CookiePermit(name, Secret(text)) if how == "cookie" else HeaderPermit(name, Secret(text), self.prefix)


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginFunction(NoRenewal):
    """A login that no description fits, as a function.

    Parameters
    ----------
    name
        For messages.
    function
        ``(credentials, http) -> Permit``; it raises CredentialsRejectedError when the archive refuses.
    login_urls
        Every URL that it sends credentials to; ``http`` reaches no other origin.
    asks
        The credentials it needs.
    life
        Seconds that the permit holds, where known.
    """

    name: str
    function: Callable[[Mapping[str, Secret], LoginClient], Permit]
    login_urls: tuple[str, ...]
    asks: tuple[str, ...] = ("username", "password")
    unattended: bool = True
    life: float | None = None

    def login(self, ctx: LoginContext) -> Grant:
        """Call the function.

        Raises
        ------
        UnusableCredentialsError
            When the function says by a ValueError that they cannot be sent.
        LoginAnswerError
            When the function fails in another way.
        """
        failure: VoAuthError
        try:
            permit = self.function(ctx.credentials, ctx.client)
        except VoAuthError:
            raise
        except Exception as error:
            failure = _failure(ctx, error)
        else:
            return self._grant(ctx, permit)
        raise failure  # out here: the frames of the function hold the credentials

    def _grant(self, ctx: LoginContext, permit: Permit) -> Grant:
        issued = ctx.client.now()
        return Grant(
            permit=permit,
            identity=ctx.value("username"),
            issued=issued,
            expires=issued + self.life if self.life else None,
        )


def _failure(ctx: LoginContext, error: Exception) -> VoAuthError:
    """Return our error for one of a plugin's function: its text only where it repeats no credential."""
    values = [secret.reveal() for secret in ctx.credentials.values()]
    if isinstance(error, ValueError) and not isinstance(error, OSError):  # requests' errors are both
        text = str(error)
        told = "they cannot be sent" if any(value and value in text for value in values) else text
        return UnusableCredentialsError(f"{ctx.archive.title}: {told}")
    where = traceback.extract_tb(error.__traceback__)[-1]
    return LoginAnswerError(
        f"{ctx.archive.title}: the plugin's login function failed with {type(error).__name__} "
        f"in {where.name}, line {where.lineno}: report it to the plugin's authors"
    )
