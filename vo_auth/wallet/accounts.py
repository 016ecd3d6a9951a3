"""Which account is meant."""

from __future__ import annotations

import hashlib
import os
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ..archive import Archive
from ..credentials.environment import variable_value
from ..errors import UnusableCredentialsError, WalletWarning

if TYPE_CHECKING:
    from .held import Held

__all__ = ["Account", "require_same_user", "resolve"]

_SELF_SUFFICIENT = ("token", "cookie", "certificate")


@dataclass(frozen=True, slots=True)
class Account:
    """An account of an archive.

    Parameters
    ----------
    label
        Its label, else the user name; empty while neither is known.
    is_default
        Whether it is the archive's default account, which the plain variables serve.
    is_label
        Whether the user gave it as a label, so that the user name may be another.
    user
        The user name, where it is known and the label does not tell it.
    is_guess
        Whether nobody named it: it is the account of the last login.
    """

    label: str = ""
    is_default: bool = True
    is_label: bool = False
    user: str = ""
    is_guess: bool = False

    @property
    def username(self) -> str:
        """The user name, where it is known."""
        return self.user or ("" if self.is_label or self.is_unnamed else self.label)

    def label_for(self, username: str) -> str:
        """Return the label under which a login of this user is kept; empty where the login has yet to tell it."""
        is_other = self.is_guess and bool(username) and username != self.username
        return self.label if self.is_label and not is_other else username or self.label

    @property
    def is_unnamed(self) -> bool:
        """Whether nobody has said yet whose account it is: a login will tell."""
        return not self.label or "#" in self.label


def resolve(
    archive: Archive,
    label: str | None,
    last_login: Callable[[str], Account],
    user_of: Callable[[str, str], str] = lambda archive, label: "",
) -> Account:
    """Return the account that a session means.

    Parameters
    ----------
    archive
        The archive.
    label
        The label the session was made with, or None.
    last_login
        Returns the account of an archive's last login without a label, or one without a name.
    user_of
        Returns the user name that a login told for an archive and label; empty where none did.

    Returns
    -------
    Account
        In this order: the label; ``VO_AUTH_<ARCHIVE>_ACCOUNT``; the user name in the environment; a token, cookie or
        certificate there without a name (each its own account); the account of the last login.

    Raises
    ------
    UnusableCredentialsError
        When a file that a variable names cannot be used.
    """
    default = _default(archive, last_login)
    if label is not None and label != default.label:
        default = Account(label, is_default=False, is_label=True)
    if label is not None and default.is_guess:
        default = replace(default, is_guess=False)
    if default.is_label and not default.user:
        user = user_of(archive.name, default.label)
        return replace(default, user="" if user == default.label else user)
    return default


def require_same_user(archive: Archive, before: Held | None, now: Held) -> None:
    """Refuse to put one user's permit in place of another's; warn where nobody can know whether there are two.

    Parameters
    ----------
    archive
        The archive.
    before, now
        What an account holds, and what it is to hold.

    Raises
    ------
    UnusableCredentialsError
        When these are two users', in the words of the same flow, or of logins that took a user name.
    """
    if before is None or before.key != now.key:
        return
    owner, user, label = before.grant.identity, now.grant.identity, now.key.account
    if not owner or not user or owner == user:
        return
    if before.flow == now.flow or (before.grant.issuer and now.grant.issuer):
        raise UnusableCredentialsError(
            f"The account {label!r} of {archive.title} is that of {owner}, and these credentials are those of {user}: "
            f"give another label, or log out first: vo-auth logout {archive.name} --account {label}"
        )
    warnings.warn(
        f"The account {label!r} of {archive.title} was that of {owner} ({before.flow}) and is that of {user} now "
        f"({now.flow})",
        WalletWarning,
        stacklevel=5,
    )


def _default(archive: Archive, last_login: Callable[[str], Account]) -> Account:
    if label := os.environ.get(f"{archive.variable_prefix}ACCOUNT"):
        return Account(label, is_label=True)
    if user := variable_value(archive, "username"):
        return Account(user[1].reveal().strip())
    for name in _SELF_SUFFICIENT:
        if entry := variable_value(archive, name):
            digest = hashlib.sha256(entry[1].reveal().encode()).hexdigest()[:8]
            return Account(f"{name}#{digest}")  # another token is another account: never the permit of the last one
    return last_login(archive.name)
