"""What a source is asked, and what it answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from ..archive import Archive, Flow
from ..secret import Secret

__all__ = ["Attempt", "CredentialSource", "FIELDS", "Found", "Passed", "Wanted"]

# Everything that can be given as an argument or a variable of that name.
FIELDS = ("username", "password", "token", "cookie", "certificate", "client_id", "client_secret")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What one flow of one archive needs, for one account.

    Parameters
    ----------
    archive, flow
        For whom and for what.
    account
        The account's label; empty for the default one.
    is_default
        Whether this is the archive's default account, which the plain variables serve.
    username
        The user name, where an earlier source or the account has named it.
    interactive
        Whether a person may be asked: True, False, or None to look for a terminal or notebook.
    ask_username
        Whether a person may also name another user than ``username``.
    """

    archive: Archive
    flow: Flow
    account: str = ""
    is_default: bool = True
    username: str = ""
    interactive: bool | None = None
    ask_username: bool = True

    @property
    def names(self) -> tuple[str, ...]:
        """All names that the flow can use."""
        return (*self.flow.asks, *self.flow.optional)

    def serves(self, username: str) -> bool:
        """Say whether credentials of this user may serve the account: never those of another user."""
        return self.is_default or not username or username in (self.account, self.username)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a source has.

    Parameters
    ----------
    values
        Credentials by name; possibly only some of what was asked for.
    origin
        Where they were found, for people.
    """

    values: Mapping[str, Secret] = field(default_factory=dict)
    origin: str


@dataclass(frozen=True, slots=True)
class Passed:
    """Something is there, but not for this archive or account: the search goes on.

    Parameters
    ----------
    reason
        Why it is passed over, for people; without any secret.
    """

    reason: str


@dataclass(frozen=True, slots=True)
class Attempt:
    """One source that was asked, and what came of it."""

    source: str
    outcome: str


class CredentialSource(Protocol):
    """A place where credentials may be found.

    Attributes
    ----------
    name
        For messages and settings.
    rank
        Lower ones are asked first.
    mode
        What to do with it where the user says nothing: ``try`` or ``never``; absent: ``try``.
    """

    @property
    def name(self) -> str: ...
    @property
    def rank(self) -> int: ...

    def find(self, wanted: Wanted) -> Found | Passed | None:
        """Return what is there, or None; or why what is there is passed over.

        Raises
        ------
        UnusableCredentialsError
            When something is there for this archive and account but cannot be used: the search ends.
        PromptCancelledError
            When the person who was asked declined.
        """
        ...
