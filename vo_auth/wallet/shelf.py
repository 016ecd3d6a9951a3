"""What the wallet holds, in memory and in the vault."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..clock import Clock
from ..errors import WalletError, WalletWarning
from .held import Held, Key
from .vault import Vault

__all__ = ["Shelf"]


class Shelf:
    """Permits by key.

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

    def lock_folder(self) -> Path | None:
        """Return where locks between processes are; None without a vault, or with one that cannot be used."""
        if self.vault is None:
            return None
        try:
            return self.vault.prepare()
        except WalletError as error:
            warnings.warn(f"{error}; permits are kept in memory", WalletWarning, stacklevel=4)
            self.vault = None
            return None

    def in_memory(self, key: Key) -> Held | None:
        """Return what memory holds."""
        return self._memory.get(key)

    def current(self, key: Key) -> Held | None:
        """Return what memory or the vault holds; the later of the two."""
        mine = self._memory.get(key)
        theirs = next((held for held in self._stored() if held.key == key), None)
        if theirs is None:
            return mine
        if mine is not None and (mine.grant == theirs.grant or mine.grant.issued > theirs.grant.issued):
            return mine
        self.put(theirs)
        return theirs

    def put(self, held: Held, *, alias: Key | None = None) -> None:
        """Put a permit into memory, also under the key of an account whose name was not known before."""
        self._memory[held.key] = held
        if alias is not None:
            self._memory[alias] = held

    def drop(self, key: Key) -> None:
        """Take a permit out of memory."""
        self._memory.pop(key, None)

    def store(self, held: Held, *, is_default: bool) -> Held:
        """Write a permit to disk before anybody uses it, and return it with a note whether that was possible."""
        if self.vault is None or not held.stored:
            return replace(held, stored=False)
        try:
            self.vault.update(lambda content: _store(content, held, is_default=is_default))
        except WalletError as error:
            warnings.warn(f"{error}; the permit is kept in memory", WalletWarning, stacklevel=5)
            return replace(held, stored=False)
        return held

    def everything(self) -> list[Held]:
        """Return what is held, each once, in the order of the keys."""
        found = {held.key: held for held in self._stored()} | {held.key: held for held in self._memory.values()}
        return [found[key] for key in sorted(found)]

    def forget(self, archive: str, account: str | None) -> list[Held]:
        """Remove an archive's permits (of one account, or all) everywhere and return them."""
        gone = [held for held in self.everything() if _concerns(held.key, archive, account)]
        self._memory = {key: held for key, held in self._memory.items() if not _concerns(held.key, archive, account)}
        if self.vault is not None and self.vault.path.exists():
            self.vault.update(lambda content: _forget(content, archive, account))
        return gone

    def last_login(self, archive: str) -> str:
        """Return the account of an archive's last login without a label, or an empty string."""
        return str(self.vault.read()["defaults"].get(archive, "")) if self.vault is not None else ""

    def _stored(self) -> list[Held]:
        entries: list[Held] = []
        for record in self.vault.read()["entries"] if self.vault is not None else ():
            try:
                entries.append(Held.from_record(record, self._clock))
            except ValueError:
                warnings.warn("An entry of the wallet cannot be read; it is left alone", WalletWarning, stacklevel=4)
        return entries


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
