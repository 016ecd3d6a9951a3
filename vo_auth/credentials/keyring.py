"""Credentials in the operating system's keyring."""

from __future__ import annotations

import os
import threading
from typing import Any

from ..archive import Archive, KeyringEntry
from ..errors import UnusableCredentialsError
from ..secret import Secret
from .base import Found, Wanted

__all__ = ["KeyringSource"]


class KeyringSource:
    """Entries that this archive's users already have, and ``vo-auth:<archive>``.

    A keyring that is missing or locked is not an error: the reason is kept for the message that lists every source.
    """

    name = "keyring"
    rank = 50

    def __init__(self) -> None:
        self._pid = os.getpid()
        self._reason = threading.local()

    def find(self, wanted: Wanted) -> Found | None:
        """Return the entry of the account, or of the only user the keyring knows for the service."""
        entries = (*wanted.archive.known.keyring, KeyringEntry(service=f"vo-auth:{wanted.archive.name}"))
        entries = tuple(entry for entry in entries if entry.field in wanted.flow.asks)
        if not entries:
            return None  # what was found out for another flow of this archive stays
        self._reason.archive, self._reason.text = wanted.archive.name, ""
        if os.getpid() != self._pid:  # connections to a keyring's service do not survive a fork
            self._reason.text = "not asked in a forked process"
            return None
        return next(filter(None, (self._entry(entry, wanted) for entry in entries)), None)

    def looked_at(self, archive: Archive) -> str:
        """Say why there was nothing for this archive just now."""
        mine = getattr(self._reason, "archive", "") == archive.name
        return (mine and self._reason.text) or "no entry"

    def _entry(self, entry: KeyringEntry, wanted: Wanted) -> Found | None:
        username = entry.username or wanted.username or ("" if wanted.is_default else wanted.account)
        credential = self._ask(entry.service, username)
        if credential is None or not credential.password:
            return None
        user = credential.username or username
        if entry.field != "password" and entry.username:
            user = ""  # a fixed name stands for the entry, not for a person
            if not wanted.is_default:
                return None
        if not wanted.serves(user) or (wanted.username and user and user != wanted.username):
            return None  # some keyrings answer with another user's entry
        try:
            values = {entry.field: Secret(credential.password)}
        except ValueError as error:
            raise UnusableCredentialsError(f"The keyring entry {entry.service!r} cannot be used: {error}") from None
        if entry.field == "password":
            values["username"] = Secret(user)
        return Found(values=values, origin=f"keyring entry {entry.service!r}")

    def _ask(self, service: str, username: str) -> Any:
        try:
            import keyring
            import keyring.errors
        except ImportError:
            self._reason.text = "keyring is not installed: pip install keyring"
            return None
        try:
            credential = keyring.get_credential(service, username or None)
            if credential is None and keyring.get_keyring().priority <= 0:  # one that stands for none
                self._reason.text = "this machine has no keyring"
            return credential
        except keyring.errors.NoKeyringError:
            self._reason.text = "this machine has no keyring"
        except Exception as error:
            self._reason.text = f"the keyring cannot be read ({type(error).__name__})"
        return None
