"""The records and protocols of the contract: what a plugin says about an archive.

Everything here is data. What is odd about an archive is a small function on its record, never a condition elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from .domain import Domain, Origin
from .grant import Flow, Grant, LoginContext, Person
from .secret import Secret
from .telling import Tell, Trouble
from .verdict import Answer, Verdict, judge_named, judge_offered, judge_status

__all__ = [
    "Ambient",
    "Answer",
    "Archive",
    "Flow",
    "Grant",
    "KeyringEntry",
    "Known",
    "KnownFile",
    "LoginContext",
    "Pages",
    "Person",
    "Tell",
    "TokenPlace",
    "Trouble",
    "Verdict",
    "WhoAmI",
    "judge_named",
    "judge_offered",
    "judge_status",
]

_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyringEntry:
    """An entry of the OS keyring that other programs of this archive's users already made.

    Parameters
    ----------
    service
        The keyring's service name.
    username
        The entry's user name; empty: the account's.
    field
        Which credential the entry holds.
    """

    service: str
    username: str = ""
    field: str = "password"


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownFile:
    """A file in which another program of this archive's users keeps credentials.

    Parameters
    ----------
    path
        Where that program looks; ``~`` is expanded.
    read
        Returns the credentials in a text by their names, or None when the text is of another format. A ValueError
        says what is wrong with it, without quoting it.
    write
        Returns the text for credentials and a grant; None: such files are only read.
    """

    path: str
    read: Callable[[str], Mapping[str, Secret] | None]
    write: Callable[[Mapping[str, Secret], Grant], str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenPlace:
    """Where a science platform puts a token for the programs that run on it: a variable or a file.

    Parameters
    ----------
    variable
        An environment variable that holds the token.
    path
        A file that holds it; ``~`` and ``$NAME`` are expanded. Where such a variable is not set, there is no file.

    Raises
    ------
    ValueError
        When it is not one of the two.
    """

    variable: str = ""
    path: str = ""

    def __post_init__(self) -> None:
        if bool(self.variable) == bool(self.path):
            raise ValueError("a token's place is a variable or a path")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ambient:
    """Tokens that are simply there where a program runs, as far as this archive takes them.

    A JWT is taken when the archive names its issuer (:meth:`Archive.token_issuers`) and its audience allows. Other
    tokens are taken from the places that are named here, or when they have the shape that is given here.

    Parameters
    ----------
    places
        Of a science platform, in the order to look; the first that holds a token of this archive's is used.
    pattern
        A regular expression that all of a token matches that is no JWT; empty: their shape is not known, and such a
        token is taken from the named places alone. It parts archives that use one variable for different tokens.
    instance
        The environment variable in which a platform names its own address: on the platform of another archive the
        places are not looked at.
    """

    places: tuple[TokenPlace, ...] = ()
    pattern: str = ""
    instance: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """Where users of this archive already keep credentials.

    Parameters
    ----------
    environment
        Credential name → names of environment variables, in the order to look.
    keyring
        Keyring entries.
    files
        Files of other programs, the usual one first.
    ambient
        Tokens that a science platform or a batch system provides.
    """

    environment: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    keyring: tuple[KeyringEntry, ...] = ()
    files: tuple[KnownFile, ...] = ()
    ambient: Ambient = Ambient()


@dataclass(frozen=True, slots=True, kw_only=True)
class WhoAmI:
    """Where the archive says for whom it takes the sender of a permit.

    It is asked when a page stands where data was due: whether the permit is dead, or good but not enough.

    Parameters
    ----------
    path
        At the origin that answered so; it is asked by GET, with the permit.
    read
        Returns the user's name from the answer, or an empty text for nobody. A ValueError means that the answer does
        not tell.
    """

    path: str
    read: Callable[[Answer], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pages:
    """The archive's own pages, for a person.

    Parameters
    ----------
    register, token, rights, licence, profile, account
        https addresses; empty where there is none. ``profile`` is where a licence is accepted, ``account`` where a
        password is changed and an account unlocked.
    """

    register: str = ""
    token: str = ""
    rights: str = ""
    licence: str = ""
    profile: str = ""
    account: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Archive:
    """A data centre whose services share one login.

    Parameters
    ----------
    name
        Lower case letters, digits and hyphens; part of the names of environment variables.
    title
        For people.
    domains
        Where its permits may go.
    flows
        Ways to log in, the preferred one first.
    login_origins
        Origins that may receive credentials; empty: those of the flows' own URLs and nothing else.
    margin
        Seconds before a permit's end from which it is renewed in the background; a fifth of its life if that is
        less.
    cookies
        Names of cookies that log in: where the caller set one, it stays, and no permit is added to it.
    silent
        Whether the archive answers an ended permit as if there were none, instead of refusing it.
    judge
        What an answer says about the permit.
    told
        Signs by which its answers tell failures apart, beside their status.
    narrow
        Domains that a grant's own content restricts it to; None for no restriction. It can never widen.
    by_audience
        Whether its tokens name the services they are for (``aud``, RFC 7519, section 4.1.3): one that excludes a
        domain is not sent there.
    whoami
        Where it says whose permit it was sent; None: nowhere.
    groups
        The access URL of its group membership service (IVOA GMS 1.0); empty: none is known.
    known
        Where users already keep credentials.
    issuers
        Issuers (``iss``, RFC 7519, section 4.1.1) whose tokens it takes, exactly as they write themselves; empty:
        those of its own flows.
    account_flows
        Names of the flows to try, in their order, by account; under an empty label for all others. From the user's
        configuration.
    sources
        Name of a credential source → ``try``, ``require`` or ``never``; from the user's configuration.
    pages
        The archive's pages for a person.

    Raises
    ------
    ValueError
        When the name is not usable or there are no domains, or a login origin is not private.
    """

    name: str
    title: str
    domains: tuple[Domain, ...]
    flows: tuple[Flow, ...]
    login_origins: tuple[str, ...] = ()
    margin: float = 600.0
    cookies: tuple[str, ...] = ()
    silent: bool = False
    judge: Callable[[Answer], Verdict] = judge_status
    told: tuple[Tell, ...] = ()
    narrow: Callable[[Grant], tuple[Domain, ...] | None] | None = None
    by_audience: bool = False
    whoami: WhoAmI | None = None
    groups: str = ""
    known: Known = Known()
    issuers: tuple[str, ...] = ()
    account_flows: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    sources: Mapping[str, str] = field(default_factory=dict)
    pages: Pages = Pages()

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ValueError(f"an archive's name is lower case letters, digits and hyphens, not {self.name!r}")
        if not self.domains:
            raise ValueError(f"archive {self.name!r} names no domain: its permits could go nowhere")
        for origin in self.credential_origins():
            if not origin.may_carry_permits:
                raise ValueError(f"archive {self.name!r}: login origin {origin} must be https (http only on loopback)")

    def flows_of(self, account: str) -> tuple[Flow, ...]:
        """Return the flows to try for an account, in their order.

        Parameters
        ----------
        account
            Its label.
        """
        by_name = {flow.name: flow for flow in self.flows}
        names = self.account_flows.get(account) or self.account_flows.get("", ())
        wanted = (by_name.get(name) for name in names)
        return tuple(flow for flow in wanted if flow is not None) or self.flows

    def credential_origins(self) -> frozenset[Origin]:
        """Return the origins that may receive credentials of this archive."""
        urls = self.login_origins or tuple(url for flow in self.flows for url in flow.login_urls)
        return frozenset(Origin.from_url(url) for url in urls)

    def token_issuers(self) -> frozenset[str]:
        """Return the issuers whose tokens this archive takes, wherever they are found."""
        servers = (getattr(flow, "server", None) for flow in self.flows)
        return frozenset(filter(None, self.issuers or (getattr(server, "issuer", "") for server in servers)))

    @property
    def without_password(self) -> str:
        """What a person without a password can do, for messages; empty where there is no such way."""
        for flow in self.flows:
            for name in ("token", "cookie"):
                if name in flow.asks and "password" not in flow.asks and self.pages.token:
                    command = f'vo-auth login {self.name} --flow "{flow.name}"'
                    return f"No password there? Copy the {name} from {self.pages.token} and run: {command}"
        return ""

    @property
    def variable_prefix(self) -> str:
        """The start of its environment variables, e.g. ``VO_AUTH_ESO_``."""
        return f"VO_AUTH_{self.name.upper().replace('-', '_')}_"
