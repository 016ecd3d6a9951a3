"""Passwords that the user wants kept: in the keyring, or, where there is none, in the wallet's plain file."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from contextlib import suppress
from pathlib import Path
from typing import Any

from ..archive import Flow
from ..credentials import Found, Passed, Wanted
from ..errors import WalletError, WalletWarning
from ..secret import Secret
from .content import Content
from .os_keyring import KeyringUnavailableError
from .vault import Vault

__all__ = ["KeptPasswords", "is_for_passwords"]

_MOST = 64  # entries of one archive that a logout looks for beside those that it knows


class KeptPasswords:
    """A source of credentials: passwords that an archive has accepted and the user wanted kept.

    The wallet's file knows whose passwords are kept and where; a password itself is in it only where there is no
    keyring, and only at the user's word.

    Parameters
    ----------
    vault
        The wallet's file.
    """

    name = "kept password"
    rank = 40

    def __init__(self, vault: Vault) -> None:
        self._vault = vault

    def find(self, wanted: Wanted) -> Found | Passed | None:
        """Return the password of the account that is wanted, and of no other."""
        if not is_for_passwords(wanted.flow):
            return None
        try:
            content = self._vault.read()
        except WalletError as error:
            return Passed(str(error).partition(";")[0])
        record = _wanted(content, wanted)
        return None if record is None else self._found(wanted, record)

    def _found(self, wanted: Wanted, record: Mapping[str, Any]) -> Found | Passed:
        if wanted.username and record["username"] != wanted.username:
            return Passed(f"has that of {record['username']}, another user")
        try:
            password = self._password(wanted.archive.name, record)
        except KeyringUnavailableError as error:
            return Passed(f"that of {record['account']} cannot be had: {error}")
        if not password:
            return Passed(f"that of {record['account']} is not in the keyring any more")
        values = {"username": Secret(record["username"]), "password": Secret(password)}
        return Found(values=values, origin=f"kept password in the {record['where']}")

    def looked_at(self, archive: object) -> str:
        """Say why there was nothing."""
        return "none is kept"

    def knows(self, archive: str, account: str) -> bool:
        """Say whether the user has been asked about this password: it is kept, or was not to be.

        Also where the wallet's file cannot be used now: then there is no use in asking.
        """
        try:
            content = self._vault.read()
        except WalletError:
            return True
        is_kept = any(record["account"] == account for record in _records(content, archive))
        return is_kept or [archive, account] in content.get("unkept", [])

    def decline(self, archive: str, account: str) -> None:
        """Note that a password is not to be kept, so that nobody is asked again."""
        with suppress(WalletError):
            self._vault.update(lambda content: content.setdefault("unkept", []).append([archive, account]))

    def place(self) -> tuple[Path | None, str]:
        """Return the plain file in which a password would be kept, and why; None for the keyring.

        Raises
        ------
        WalletError
            When the wallet is encrypted and the keyring cannot be asked now.
        """
        if self._vault.by_choice:
            return self._vault.path, "VO_AUTH_WALLET is 'plain'"
        try:
            self._vault.keyring.get(_service(""), "")  # one that is locked says so when it is asked
        except KeyringUnavailableError as error:
            if self._vault.is_encrypted:
                raise WalletError(f"No password can be kept now: {error}") from None
            return self._vault.path, str(error)
        return None, ""

    def keep(self, archive: str, account: str, values: Mapping[str, Secret], *, in_file: bool) -> None:
        """Keep a password that the archive has accepted.

        Parameters
        ----------
        archive, account
            Whose it is.
        values
            ``username`` and ``password``.
        in_file
            In the plain file; the user has been told its name.

        Raises
        ------
        WalletError
            When it cannot be kept.
        """
        record: dict[str, Any] = {"archive": archive, "account": account, "username": values["username"].reveal()}
        if in_file:
            record |= {"where": "file", "password": values["password"].reveal()}
        else:
            record |= {"where": "keyring"}
            try:
                self._vault.keyring.put(_service(archive), account, values["password"].reveal())
            except KeyringUnavailableError as error:
                raise WalletError(f"The password was not kept: {error}") from None
        self._vault.update(lambda content: _put(content, record))

    def forget(self, archive: str, account: str | None) -> None:
        """Forget the passwords of one account, or of all; and that they were not to be kept.

        Raises
        ------
        WalletError
            When the wallet's file cannot be used.
        """
        if not self._vault.exists():
            return
        contents = self._vault.read_all()
        mine = [one for content in contents for one in _records(content, archive) if account in (None, one["account"])]
        names = {one["account"] for one in mine if one["where"] == "keyring"}
        stuck = self._removed(archive, names, sweep=account is None and (bool(names) or self._vault.is_encrypted))
        if mine or any(content.get("unkept") for content in contents):
            self._vault.update_all(lambda content: _drop(content, archive, account, unless=stuck))

    def sweep(self, archive: str) -> None:
        """Remove an archive's passwords from the keyring, whether or not it is still known whose they are."""
        self._removed(archive, set(), sweep=True)

    def _removed(self, archive: str, names: set[str], *, sweep: bool) -> set[str]:
        """Remove entries from the keyring; return the names of those that stay."""
        keyring, left = self._vault.keyring, set(names)
        try:
            for name in names:
                keyring.remove(_service(archive), name)
                left.discard(name)
            for _ in range(_MOST if sweep else 0):  # of a wallet's file that was lost
                more = keyring.names(_service(archive))
                if not more:
                    break
                for name in more:
                    keyring.remove(_service(archive), name)
        except KeyringUnavailableError as error:
            if left:
                text = f"Passwords stay in the keyring ({error}): unlock it, then log out of {archive} again"
                warnings.warn(text, WalletWarning, stacklevel=5)
        return left

    def _password(self, archive: str, record: Mapping[str, Any]) -> str | None:
        if record["where"] == "file":
            return str(record["password"])
        return self._vault.keyring.get(_service(archive), record["account"])


def is_for_passwords(flow: Flow) -> bool:
    """Say whether a user name and a password are all that a flow asks: then it can log in with what was kept."""
    return set(flow.asks) == {"username", "password"} and not getattr(flow, "attended", False)


def _service(archive: str) -> str:
    return f"vo_auth:{archive}"


def _records(content: Content, archive: str) -> list[Mapping[str, Any]]:
    """Return what is said of an archive's passwords; what is damaged is left alone."""
    records = content.get("passwords", [])
    return [one for one in records if _is_whole(one) and one["archive"] == archive] if isinstance(records, list) else []


def _is_whole(record: Any) -> bool:
    if not isinstance(record, Mapping):
        return False
    names = ("archive", "account", "username", "where", *(("password",) if record.get("where") == "file" else ()))
    return all(isinstance(record.get(name), str) for name in names)


def _wanted(content: Content, wanted: Wanted) -> Mapping[str, Any] | None:
    records = _records(content, wanted.archive.name)
    account = wanted.account or (content["defaults"].get(wanted.archive.name, "") if wanted.is_default else "")
    if not account and wanted.is_default and len(records) == 1:
        return records[0]
    return next((record for record in records if record["account"] == account), None)


def _put(content: Content, record: dict[str, Any]) -> None:
    _drop(content, record["archive"], record["account"])
    content.setdefault("passwords", []).append(record)


def _drop(content: Content, archive: str, account: str | None, *, unless: AbstractSet[str] = frozenset()) -> None:
    def stays(owner: str, name: str) -> bool:
        return owner != archive or (account is not None and name != account) or name in unless

    for name in ("passwords", "unkept"):
        if not isinstance(content.get(name, []), list):
            del content[name]
    records = content.get("passwords", [])
    content["passwords"] = [one for one in records if not _is_whole(one) or stays(one["archive"], one["account"])]
    pairs = [one for one in content.get("unkept", []) if isinstance(one, list) and len(one) == 2]
    content["unkept"] = [one for one in pairs if one[0] != archive or (account is not None and one[1] != account)]
    for name in ("passwords", "unkept"):
        if not content[name]:
            del content[name]
