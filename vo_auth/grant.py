"""What a login gives, and what a flow is and works with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from .permit import Permit, permit_from_record
from .secret import Secret

if TYPE_CHECKING:
    from .archive import Archive
    from .login_client import LoginClient

__all__ = ["Flow", "Grant", "LoginContext", "Person"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """What a login gave.

    Parameters
    ----------
    permit
        What is presented.
    refresh
        A refresh token (RFC 6749, section 6).
    identity
        Whom the archive or the user named.
    issuer, client_id, scopes
        Of an OAuth grant.
    issued, expires
        Seconds since the epoch in the archive's own time; ``expires`` is None where the end is not known.
    """

    permit: Permit
    refresh: Secret | None = None
    identity: str = ""
    issuer: str = ""
    client_id: str = ""
    scopes: tuple[str, ...] = ()
    issued: float = 0.0
    expires: float | None = None

    @property
    def life(self) -> float | None:
        """Seconds from issue to end; None where the end is not known."""
        return None if self.expires is None else max(self.expires - self.issued, 0.0)

    def to_record(self) -> dict[str, Any]:
        """Return JSON values, secrets revealed: for the wallet's file alone."""
        return {
            "permit": self.permit.to_record(),
            "refresh": self.refresh.reveal() if self.refresh else None,
            "identity": self.identity,
            "issuer": self.issuer,
            "client_id": self.client_id,
            "scopes": list(self.scopes),
            "issued": self.issued,
            "expires": self.expires,
        }

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Grant:
        """Return the grant that :meth:`to_record` wrote down.

        Raises
        ------
        ValueError
            When the record is not one of ours.
        """
        try:
            return cls(
                permit=permit_from_record(record["permit"]),
                refresh=Secret(record["refresh"]) if record["refresh"] else None,
                identity=str(record["identity"]),
                issuer=str(record["issuer"]),
                client_id=str(record["client_id"]),
                scopes=tuple(map(str, record["scopes"])),
                issued=float(record["issued"]),
                expires=None if record["expires"] is None else float(record["expires"]),
            )
        except (KeyError, TypeError):
            raise ValueError("not a grant's record") from None


class Person(Protocol):
    """Somebody who can be brought to a page of the archive's, and brings back where it led."""

    def visit(self, url: str, *, arrived: Callable[[float], str | None], patience: float) -> str:
        """Show a page and return the URL that it led back to.

        Parameters
        ----------
        url
            The page; https, of the archive's own login origins.
        arrived
            Waits so many seconds for the URL that a browser brought to this machine; None if none came.
        patience
            Seconds until the attempt is given up.

        Returns
        -------
        str
            That URL, or the one that the person pasted, whichever comes first.

        Raises
        ------
        PromptCancelledError
            When nobody came back in time, or the person declined.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginContext:
    """What a flow works with during one login.

    Parameters
    ----------
    archive
        The archive.
    account
        The account's label; empty for the default one.
    realm
        The realm of the domain that needs the permit.
    credentials
        The values the flow asked for, by name.
    client
        The login client: it reaches the archive's login origins alone.
    resource
        The service that the permit is for, as the archive's domain names it (RFC 8707); empty for any.
    person
        Who can be brought to a page; None: nobody may be asked.
    """

    archive: Archive
    client: LoginClient
    credentials: Mapping[str, Secret] = field(default_factory=dict)
    account: str = ""
    realm: str = ""
    resource: str = ""
    person: Person | None = None

    def value(self, name: str) -> str:
        """Return one of the credentials, revealed; an empty string when it was optional and is not there."""
        secret = self.credentials.get(name)
        return secret.reveal() if secret else ""


class Flow(Protocol):
    """One way from credentials to a permit.

    Attributes
    ----------
    name
        For messages and configuration.
    asks
        Names of the credentials it needs (``username``, ``password``, ``token``, ``cookie``, ``certificate``).
    optional
        Names of credentials that it uses where they are there (``client_id``, ``client_secret``).
    unattended
        Whether it can run again with the same credentials when the permit ends, without a person.
    login_urls
        Every URL that the flow sends credentials to.
    attended
        Whether the login itself needs a person; absent: no. Such a flow is reached through a prompt alone.
    prompted
        Whether a person may be asked for its credentials; absent: yes. A service's own credentials are not typed.
    resource_parameter
        The parameter in which it asks for a permit for one service (RFC 8707); empty or absent: it cannot.
    options
        Names of its fields that the user's configuration may set; absent: none.
    """

    @property
    def name(self) -> str: ...
    @property
    def asks(self) -> tuple[str, ...]: ...
    @property
    def optional(self) -> tuple[str, ...]: ...
    @property
    def unattended(self) -> bool: ...
    @property
    def login_urls(self) -> tuple[str, ...]: ...

    def login(self, ctx: LoginContext) -> Grant:
        """Turn credentials into a grant.

        Raises
        ------
        CredentialsRejectedError
            When the archive did not accept them.
        UnusableCredentialsError
            When they cannot even be sent.
        LoginError
            When no answer could be had, or none that makes sense.
        """
        ...

    def renew(self, ctx: LoginContext, grant: Grant) -> Grant | None:
        """Return a new grant made from an old one, or None when only a login can do it."""
        ...

    def revoke(self, ctx: LoginContext, grant: Grant) -> bool:
        """Revoke a grant at the archive; False where the archive cannot."""
        ...
