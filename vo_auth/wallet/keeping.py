"""Whether a password that an archive has just accepted is kept: the user says."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ..credentials import Chosen
from ..errors import WalletError, WalletWarning
from ..secret import Secret
from .held import Held, Key, Want
from .kept import KeptPasswords, is_for_passwords

__all__ = ["Keeping"]


@dataclass(frozen=True, slots=True)
class _Accepted:
    values: Mapping[str, Secret]
    was_typed: bool


class Keeping:
    """Remember what was accepted until the login is over, then ask, or do as was said.

    Nothing is asked while a login holds its lock: others wait for that.

    Parameters
    ----------
    passwords
        Where they are kept; None: nowhere, in a wallet that keeps nothing.
    """

    def __init__(self, passwords: KeptPasswords | None) -> None:
        self._passwords = passwords
        self._accepted: dict[Key, _Accepted] = {}

    def require_place(self, wish: bool | str, *, interactive: bool | None) -> None:
        """Require that a password could be kept as wished, before anybody is asked for it.

        Raises
        ------
        WalletError
            When it could not, or when nobody can say yes to a plain file.
        """
        if not wish:
            return
        if self._passwords is None:
            raise WalletError("No password is kept while the wallet is in memory: unset VO_AUTH_WALLET")
        path, reason = self._passwords.place()
        if path is not None and wish != "file" and not _may_ask(interactive):
            raise WalletError(
                f"A password could only be kept in the plain file {path} ({reason}): to keep it there, say "
                "--keep-password-in-file, or keep_password='file'"
            )

    def accepted(self, chosen: Chosen, held: Held) -> None:
        """Note that the archive has accepted credentials."""
        if self._passwords is not None and is_for_passwords(chosen.flow):
            self._accepted[held.key] = _Accepted(chosen.values, chosen.source == "prompt")

    def rejected(self, want: Want, chosen: Chosen) -> None:
        """Forget a kept password that the archive has rejected."""
        if self._passwords is None or chosen.source != self._passwords.name:
            return
        account = want.account.label or chosen.username
        try:
            self._passwords.forget(want.archive.name, account)
            text = f"{want.archive.title} rejected the kept password of {account}: it is not kept any more"
        except WalletError as error:
            text = f"{want.archive.title} rejected the kept password of {account}; it could not be removed: {error}"
        warnings.warn(text, WalletWarning, stacklevel=6)

    def settle(self, want: Want, held: Held, *, wish: bool | str | None = None) -> None:
        """Keep a password or not, now that the login is over.

        Parameters
        ----------
        want, held
            What was wanted, and what the login gave.
        wish
            True: keep it; ``"file"``: also in a plain file; None: ask who typed it; False: do not.

        Raises
        ------
        WalletError
            When it was wished and cannot be kept.
        """
        accepted = self._accepted.pop(held.key, None)
        if wish:
            self._keep_as_wished(want, held, accepted, wish)
        elif wish is None and accepted is not None and accepted.was_typed:
            self._offer(want, held, accepted)

    def _keep_as_wished(self, want: Want, held: Held, accepted: _Accepted | None, wish: bool | str) -> None:
        if accepted is None or self._passwords is None:
            text = f"There is no password to keep: {want.archive.title} was logged in to with something else"
            warnings.warn(text, WalletWarning, stacklevel=4)
            return
        path, reason = self._passwords.place()
        if path is None or wish == "file" or _confirmed_file(path, reason):
            self._keep(held, accepted, path)

    def _offer(self, want: Want, held: Held, accepted: _Accepted) -> None:
        passwords = self._passwords
        assert passwords is not None  # else nothing is accepted
        if not _may_ask(want.interactive) or passwords.knows(want.archive.name, held.key.account):
            return
        try:
            path, reason = passwords.place()
            if _confirmed(path) and (path is None or _confirmed_file(path, reason)):
                self._keep(held, accepted, path)
            else:
                passwords.decline(want.archive.name, held.key.account)
        except WalletError as error:  # it was an offer: the login is good all the same
            warnings.warn(str(error), WalletWarning, stacklevel=5)

    def _keep(self, held: Held, accepted: _Accepted, path: Path | None) -> None:
        assert self._passwords is not None
        self._passwords.keep(held.key.archive, held.key.account, accepted.values, in_file=path is not None)


def _may_ask(interactive: bool | None) -> bool:
    from ..credentials.person import may_ask

    return may_ask(interactive)


def _confirmed(path: Path | None) -> bool:
    from ..credentials.prompt import confirm

    where = " in the keyring" if path is None else ""
    return confirm(f"Keep this password{where}, so that later logins ask nobody?")


def _confirmed_file(path: Path, reason: str) -> bool:
    from ..credentials.prompt import confirm

    return confirm(f"Not in a keyring ({reason}): readable, for you alone, in {path}. Keep it there?")
