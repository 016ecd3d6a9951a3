"""Where an authorization server has its endpoints: as declared, else as its own document says."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from requests.exceptions import RequestException

from ..domain import Origin
from ..errors import LoginAnswerError
from ..login_client import LoginAnswer, LoginClient

__all__ = ["Endpoints", "OAuthServer"]

_LOG = logging.getLogger("vo_auth.flows")

# The fields of the records → the members of the document (RFC 8414, section 2; OpenID Connect Discovery 1.0, 3).
_MEMBERS = {
    "token_url": "token_endpoint",
    "authorization_url": "authorization_endpoint",
    "revocation_url": "revocation_endpoint",
    "jwks_url": "jwks_uri",
}
_WORDS = {name: member.replace("_", " ").replace("jwks uri", "key set (JWKS)") for name, member in _MEMBERS.items()}
_SHOWN = ("authorization_url", "authorization_endpoint")


def _checked(name: str, url: object) -> str:
    """Return a URL that may receive secrets, or an empty text.

    Raises
    ------
    ValueError
        When it is another thing; the text does not quote it.
    """
    if url == "":
        return ""
    if not isinstance(url, str) or not url.isprintable() or " " in url:
        raise ValueError(f"{name} must be an https address")
    if name in _SHOWN and not url.isascii():  # it is shown to people: no letter that looks like another
        raise ValueError(f"{name} must be an https address in plain ASCII (use the punycode form)")
    try:
        parts, origin = urlsplit(url), Origin.from_url(url)
    except (ValueError, RequestException):
        raise ValueError(f"{name} must be an https address") from None
    if not origin.may_carry_permits or parts.username is not None or parts.fragment:
        raise ValueError(f"{name} must be an https address (http only on loopback), without user or fragment")
    return url


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoints:
    """Addresses of an authorization server.

    Parameters
    ----------
    token_url
        The token endpoint (RFC 6749, section 3.2).
    authorization_url
        The page where a person logs in (RFC 6749, section 3.1).
    revocation_url
        Where a token is revoked (RFC 7009).
    jwks_url
        The keys that verify its identity tokens (RFC 7517).

    Raises
    ------
    ValueError
        When one of them is not private: https, or http on loopback.
    """

    token_url: str = ""
    authorization_url: str = ""
    revocation_url: str = ""
    jwks_url: str = ""

    def __post_init__(self) -> None:
        for name in _MEMBERS:
            _checked(name, getattr(self, name))

    @property
    def urls(self) -> tuple[str, ...]:
        """Those that are there."""
        return self._own()

    def _own(self) -> tuple[str, ...]:
        return tuple(url for name in _MEMBERS if (url := getattr(self, name)))


@dataclass(frozen=True, slots=True, kw_only=True)
class OAuthServer(Endpoints):
    """An authorization server.

    An endpoint that is set here is used as it is. Others are read from the server's own document (RFC 8414, or OpenID
    Connect Discovery 1.0), once in the life of the record; where there is no document, ``fallback`` has them. A
    document is believed only when it names exactly this issuer, and nothing is sent to an origin that is not among the
    archive's login origins, whatever it says.

    Parameters
    ----------
    token_url, authorization_url, revocation_url, jwks_url
        As in :class:`Endpoints`.
    issuer
        The server's name, which is an address; a trailing slash is part of it.
    discovery
        Whether to look for the document; or its address, where it is at an unusual one.
    fallback
        Endpoints for a server that has no document.

    Raises
    ------
    ValueError
        When an address is not private.

    Examples
    --------
    >>> server = OAuthServer(issuer="https://login.example.org/")
    >>> server.documents
    ('https://login.example.org/.well-known/openid-configuration', \
'https://login.example.org/.well-known/oauth-authorization-server')
    """

    issuer: str = ""
    discovery: bool | str = True
    fallback: Endpoints = Endpoints()
    _read: dict[str, Mapping[str, Any] | None] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        Endpoints.__post_init__(self)  # super() is lost where a class gets its slots
        _checked("issuer", self.issuer)
        if not isinstance(self.discovery, bool):
            _checked("discovery", self.discovery)

    @property
    def urls(self) -> tuple[str, ...]:
        """Every address that may receive something secret; also that of the document, so that its origin is known."""
        where = (self.discovery,) if isinstance(self.discovery, str) else ()
        every = (*self._own(), *((self.issuer,) if self.issuer else ()), *where, *self.fallback.urls)
        return tuple(dict.fromkeys(every))

    @property
    def name(self) -> str:
        """What distinguishes this server from others: its issuer, else its token endpoint."""
        return self.issuer or self.token_url or self.fallback.token_url

    @property
    def documents(self) -> tuple[str, ...]:
        """Where its document may be, the likelier place first."""
        if isinstance(self.discovery, str) and self.discovery:
            return (self.discovery,)
        if not self.issuer or not self.discovery:
            return ()
        parts = urlsplit(self.issuer)
        path = parts.path.rstrip("/")
        base = f"{parts.scheme}://{parts.netloc}"
        return (
            f"{base}{path}/.well-known/openid-configuration",
            f"{base}/.well-known/oauth-authorization-server{path}",
        )

    def find_endpoint(self, client: LoginClient, name: str) -> str:
        """Return the address of an endpoint, or an empty text where the server has none.

        Parameters
        ----------
        client
            The login client; its origins are those that may be named.
        name
            A field of :class:`Endpoints`.

        Raises
        ------
        LoginAnswerError
            When the document is not this server's, or names an address that is not the archive's.
        LoginUnreachableError
            When the document cannot be had just now.
        """
        if url := getattr(self, name):
            return str(url)
        document = self._document(client)
        if document is None:
            return str(getattr(self.fallback, name))
        try:
            url = _checked(_MEMBERS[name], document.get(_MEMBERS[name]) or "")
        except ValueError as error:
            raise LoginAnswerError(f"{client.title}: the document of {self.issuer}: {error}") from None
        if url and Origin.from_url(url) not in client.origins:
            raise LoginAnswerError(
                f"{client.title}: the document of {self.issuer} has its {_WORDS[name]} at {Origin.from_url(url)}, "
                "which is not a login origin of this archive: nothing is sent there"
            )
        return url

    def get_endpoint(self, client: LoginClient, name: str) -> str:
        """Return the address of an endpoint.

        Parameters
        ----------
        client, name
            As for :meth:`find_endpoint`.

        Raises
        ------
        LoginAnswerError
            When there is none, and as :meth:`find_endpoint` does.
        LoginUnreachableError
            When the document cannot be had just now.
        """
        url = self.find_endpoint(client, name)
        if not url:
            looked = f" ({' and '.join(self.documents)} have none)" if self.documents else ""
            raise LoginAnswerError(
                f"{client.title}: no {_WORDS[name]} of the login is known{looked}: "
                f"set {name} for this archive in the configuration file"
            )
        return url

    @property
    def names_itself(self) -> bool:
        """Whether its document, as far as it was read, promises ``iss`` in its answers (RFC 9207, section 3)."""
        document = self._read.get("document")
        return document is not None and document.get("authorization_response_iss_parameter_supported") is True

    def _document(self, client: LoginClient) -> Mapping[str, Any] | None:
        if "document" not in self._read:
            self._read["document"] = self._discover(client)
        return self._read["document"]

    def _discover(self, client: LoginClient) -> Mapping[str, Any] | None:
        for url in self.documents:
            try:
                answer = client.request("GET", url, headers={"Accept": "application/json"})
            except LoginAnswerError as error:  # a redirect, most often
                self._require_fallback(client, url, str(error))
                continue
            if 400 <= answer.status < 500:
                continue
            document = _document_in(answer)
            if document is not None:
                return self._believed(client, url, document)
            self._require_fallback(client, url, f"{client.title}: {url} is no description of a login server")
        return None

    def _require_fallback(self, client: LoginClient, url: str, why: str) -> None:
        """Go on where there are endpoints without the document: some servers answer every address with a page."""
        if self.fallback.urls:
            _LOG.info("%s: there is no document at %s; the endpoints that are known are used", client.title, url)
            return
        raise LoginAnswerError(
            f"{why}; if the server has no such document, set the endpoints and `discovery = false` for this archive "
            "in the configuration file"
        )

    def _believed(self, client: LoginClient, url: str, document: Mapping[str, Any]) -> Mapping[str, Any]:
        if not self.issuer or document.get("issuer") != self.issuer:  # RFC 8414, section 3.3: identical
            raise LoginAnswerError(
                f"{client.title}: the document at {url} is not that of {self.issuer or 'the issuer that is configured'}"
                ": it is not believed; check `issuer` in the configuration file, its last slash included"
            )
        return document


def _document_in(answer: LoginAnswer) -> Mapping[str, Any] | None:
    try:
        document = answer.json()
    except ValueError:
        return None
    return document if answer.status == 200 and isinstance(document, dict) else None
