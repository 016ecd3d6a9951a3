"""Who has an account at the stand-in, and which programs are registered there; obviously fake."""

from __future__ import annotations

from dataclasses import dataclass, field
from hmac import compare_digest
from urllib.parse import urlsplit

__all__ = ["CLIENTS", "Client", "NATIVE_CLIENT", "PEOPLE", "Person", "SERVICE_CLIENT", "find_person", "person_of"]

_LOOPBACK = ("127.0.0.1", "::1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody with an identity at RAP.

    Parameters
    ----------
    subject
        The ``sub`` of that person's tokens.
    username, password
        Of the local account; empty for those who log in through their university only.
    name
        In words.
    groups
        In the group membership service; None: it does not know this identity.
    """

    subject: str
    username: str = ""
    password: str = ""
    name: str = ""
    groups: tuple[str, ...] | None = ()


PEOPLE = {
    "observer": Person(
        subject="5101",
        username="observer",
        password="obviously=fake:ia2+observer%41;",
        name="Demo Observer",
        groups=("TNG.X99TAC_1", "LBT.X99_A"),
    ),
    "colleague": Person(
        subject="5102",
        username="colleague",
        password="obviously-fake-ia2-colleague-ü",
        name="Demo Colleague",
        groups=("TNG.X99TAC_2",),
    ),
    "stranger": Person(
        subject="5103",
        username="stranger",
        password="obviously-fake-ia2-stranger",
        name="Demo Stranger",
        groups=None,
    ),
    "scholar": Person(subject="5104", name="Demo Scholar", groups=("TNG.X99TAC_1",)),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """A program that is registered at RAP.

    Parameters
    ----------
    client_id
        Its name.
    title
        For the page that asks the user.
    secret
        Empty: a public client (RFC 6749, section 2.1).
    redirects
        The URIs that a code may be sent to, exact; of a loopback URI any port is right (RFC 8252, section 7.3).
    grants
        The grant types that it may use.
    groups
        Of a service that acts for itself.
    """

    client_id: str
    title: str
    secret: str = ""
    redirects: tuple[str, ...] = ()
    grants: tuple[str, ...] = ("authorization_code", "refresh_token")
    groups: tuple[str, ...] | None = field(default=None)

    def has_secret(self, secret: str) -> bool:
        """Say whether this is the client's secret; a public client has none to show."""
        return bool(self.secret) and compare_digest(self.secret.encode(), secret.encode())

    def allows(self, redirect: str) -> bool:
        """Say whether a code may be sent to this URI.

        Parameters
        ----------
        redirect
            As the client sent it.

        Returns
        -------
        bool
        """
        return redirect in self.redirects or _without_port(redirect) in self.redirects


def _without_port(uri: str) -> str | None:
    """Return a loopback URI as it is registered, with no port; None for any other URI."""
    try:
        parts = urlsplit(uri)
        port = parts.port
    except ValueError:
        return None
    if parts.scheme != "http" or parts.hostname not in _LOOPBACK or not port:
        return None
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    plain = f"http://{host}{parts.path}"
    return plain if uri == f"http://{host}:{port}{parts.path}" else None


NATIVE_CLIENT = Client(
    client_id="vo-auth-demo-native",
    title="vo_auth (demo)",
    redirects=tuple(f"http://{host}{path}" for host in ("127.0.0.1", "[::1]") for path in ("/", "/callback")),
)
SERVICE_CLIENT = Client(
    client_id="vo-auth-demo-service",
    title="A pipeline (demo)",
    secret="obviously-fake-ia2-service",
    grants=("client_credentials",),
    groups=("TNG.X99TAC_1",),
)
_VIEWER = Client(
    client_id="vo-auth-demo-viewer",
    title="A viewer with a scheme of its own (demo)",
    secret="obviously-fake-ia2-viewer",
    redirects=("demoviewer://callback", "https://viewer.example.org/callback"),
)
CLIENTS = {client.client_id: client for client in (NATIVE_CLIENT, SERVICE_CLIENT, _VIEWER)}


def find_person(username: str, password: str) -> Person | None:
    """Return the person with this local account, both to the letter, or None."""
    for person in PEOPLE.values():
        if person.username and person.username == username:
            return person if compare_digest(person.password.encode(), password.encode()) else None
    return None


def person_of(subject: str) -> Person | None:
    """Return the person with this ``sub``, or None."""
    return next((person for person in PEOPLE.values() if person.subject == subject), None)
