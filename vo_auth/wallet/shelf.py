"""What the wallet holds, in memory and in the vault."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..clock import Clock
from ..errors import WalletError, WalletWarning
from .accounts import Account
from .held import Held, Key
from .vault import Vault

__all__ = ["Shelf"]


class Shelf:
    """Permits by key.

    A vault that cannot be used is said once and not touched; permits then stay in memory.

    Parameters
    ----------
    vault
        The file; None: memory only.
    clock
        This machine's clocks.
    """

    def __init__(self, vault: Vault | None, clock: Clock) -> None:
        self.vault = vault
        self._clock = clock
        self._memory: dict[Key, Held] = {}
        self._defaults: dict[str, str] = {}
        self._said: set[str] = set()
        self.renew_after_fork()

    def renew_after_fork(self) -> None:
        """Forget a lock that a thread of the parent process may have held."""
        self._guard = threading.Lock()

    def lock_folder(self) -> Path | None:
        """Return where locks between processes are; None without a vault, or with one that cannot be used."""
        if self.vault is None:
            return None
        try:
            return self.vault.prepare()
        except WalletError as error:
            self._say(error)
            return None

    def in_memory(self, key: Key) -> Held | None:
        """Return what memory holds."""
        return self._memory.get(key)

    def current(self, key: Key) -> Held | None:
        """Return what memory or the vault holds; the later of the two."""
        mine = self._memory.get(key)
        theirs = next((held for held in self._permits(self._content()) if held.key == key), None)
        if theirs is None:
            return mine
        if mine is not None and (mine.grant == theirs.grant or mine.grant.issued > theirs.grant.issued):
            return mine
        return theirs

    def put(self, held: Held, *, alias: Key | None = None) -> None:
        """Put a permit into memory, also under the key of an account whose name was not known before."""
        with self._guard:
            self._memory[held.key] = held
            if alias is not None:
                self._memory[alias] = held

    def store(self, held: Held, *, is_default: bool) -> Held:
        """Write a permit to disk before anybody uses it, and return it with a note whether that was possible."""
        if not held.stored:
            return held
        if is_default or held.key.archive not in self._defaults:
            self._defaults[held.key.archive] = held.key.account
        if self.vault is None:
            return replace(held, stored=False)
        try:
            self.vault.update(lambda content: _store(content, held, is_default=is_default))
        except WalletError as error:
            self._say(error)
            return replace(held, stored=False)
        return held

    @property
    def kept(self) -> str:
        """How permits that are stored are kept, for people."""
        return "memory" if self.vault is None else self.vault.kept

    def everything(self) -> list[Held]:
        """Return what is held, each once, in the order of the keys.

        Raises
        ------
        WalletError
            When the vault cannot be used.
        """
        content = self.vault.read() if self.vault is not None else None
        found = {held.key: held for held in self._permits(content)} | {held.key: held for held in self._remembered()}
        return [found[key] for key in sorted(found)]

    def keys(self, archive: str, account: str | None) -> list[Key]:
        """Return the keys under which an archive's permits (of one account, or all) are held, in order."""
        with self._guard:
            mine = {key for key, held in self._memory.items() if _concerns(held.key, archive, account)}
        theirs = {held.key for held in self._permits(self._content()) if _concerns(held.key, archive, account)}
        return sorted(mine | theirs)

    def forget(self, archive: str, account: str | None) -> list[Held]:
        """Remove an archive's permits (of one account, or all) everywhere and return them.

        Raises
        ------
        WalletError
            When the vault cannot be used; memory is empty then.
        """
        try:
            gone = self._everywhere(archive, account)
        finally:
            with self._guard:
                for key, held in list(self._memory.items()):
                    if _concerns(held.key, archive, account):
                        del self._memory[key]
            if account in (None, self._defaults.get(archive)):
                self._defaults.pop(archive, None)
            if self.vault is not None and self.vault.exists():
                self.vault.update_all(lambda content: _forget(content, archive, account))
        return gone

    def last_login(self, archive: str) -> Account:
        """Return the account of an archive's last login without a label, or one without a name."""
        content = self._content()
        label = str((content or {}).get("defaults", {}).get(archive) or self._defaults.get(archive, ""))
        if not label:
            return Account()
        user = self._user_of(content, archive, label) or label
        return Account(label) if user == label else Account(label, is_label=True, user=user, is_guess=True)

    def user_of(self, archive: str, label: str) -> str:
        """Return the user name that a login told for an account; empty where none did."""
        return self._user_of(self._content(), archive, label)

    def _user_of(self, content: Mapping[str, Any] | None, archive: str, label: str) -> str:
        held = [held for held in (*self._remembered(), *self._permits(content)) if held.key[:2] == (archive, label)]
        # a flow that has an issuer took the user name; other identities are what a token says of itself
        return next((one.grant.identity for one in held if one.grant.issuer and one.grant.identity), "")

    def _everywhere(self, archive: str, account: str | None) -> list[Held]:
        """Return an archive's permits, also those in a file that is not in use; each once, in the order of the keys."""
        contents = self.vault.read_all() if self.vault is not None else []
        held = [*self._remembered(), *(one for content in contents for one in self._permits(content))]
        found = {(one.key, one.grant.permit): one for one in held if _concerns(one.key, archive, account)}
        return sorted(found.values(), key=lambda one: one.key)

    def _remembered(self) -> list[Held]:
        with self._guard:
            return list(self._memory.values())

    def _content(self) -> dict[str, Any] | None:
        try:
            return self.vault.read() if self.vault is not None else None
        except WalletError as error:
            self._say(error)
            return None

    def _permits(self, content: Mapping[str, Any] | None) -> list[Held]:
        held: list[Held] = []
        for record in content["entries"] if content else ():
            try:
                held.append(Held.from_record(record, self._clock))
            except ValueError:
                warnings.warn("An entry of the wallet cannot be read; it is left alone", WalletWarning, stacklevel=4)
        return held

    def _say(self, error: WalletError) -> None:
        text = f"{error}; permits are kept in memory"
        if text not in self._said:
            self._said.add(text)
            warnings.warn(text, WalletWarning, stacklevel=5)


def _concerns(key: Key, archive: str, account: str | None) -> bool:
    return key.archive == archive and account in (None, key.account)


def _store(content: dict[str, Any], held: Held, *, is_default: bool) -> None:
    others = [record for record in content["entries"] if _key_of(record) != held.key]
    content["entries"] = [*others, held.to_record()]
    if is_default or held.key.archive not in content["defaults"]:
        content["defaults"][held.key.archive] = held.key.account


def _forget(content: dict[str, Any], archive: str, account: str | None) -> None:
    content["entries"] = [record for record in content["entries"] if not _concerns(_key_of(record), archive, account)]
    if account in (None, content["defaults"].get(archive)):
        content["defaults"].pop(archive, None)


def _key_of(record: Mapping[str, Any]) -> Key:
    if not isinstance(record, dict):
        return Key("", "")
    return Key(*(str(record.get(name, "")) for name in Key._fields))
