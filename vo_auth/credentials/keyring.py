"""Credentials in the operating system's keyring."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, ClassVar

from ..archive import Archive, KeyringEntry
from ..errors import UnusableCredentialsError
from ..secret import Secret
from .base import Found, Wanted

__all__ = ["KeyringSource"]


class KeyringSource:
    """Entries that this archive's users already have, and ``vo-auth:<archive>``.

    A keyring that is missing, locked or silent is not an error: the reason is kept for the message that lists every
    source. One that does not answer in time is not asked again before it has.
    """

    name = "keyring"
    rank = 50
    PATIENCE: ClassVar[float] = 15.0  # seconds; a person may be asked to unlock it

    def __init__(self) -> None:
        self._pid = os.getpid()
        self._reason = threading.local()
        self._silent: threading.Event | None = None

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
        if self._silent is not None and not self._silent.is_set():
            self._reason.text = self._reason.text or "the keyring still does not answer"
            return None
        answer = _Answer()
        if not answer.wait(lambda: _credential(keyring, service, username), self.PATIENCE):
            self._silent = answer.done
            self._reason.text = f"the keyring does not answer within {self.PATIENCE:.0f} s"
            return None
        self._silent, self._reason.text = None, answer.reason or self._reason.text
        return answer.credential


class _Answer:
    """What a keyring says in a thread of its own, so that one that hangs holds nobody up."""

    def __init__(self) -> None:
        self.done = threading.Event()
        self.credential: Any = None
        self.reason = ""

    def wait(self, ask: Callable[[], tuple[Any, str]], patience: float) -> bool:
        """Ask, and say whether there was an answer in time."""

        def work() -> None:
            try:
                self.credential, self.reason = ask()
            finally:
                self.done.set()

        # a daemon: it must not keep the process from ending either
        with suppress(RuntimeError):  # the process is ending
            threading.Thread(target=work, name="vo_auth keyring", daemon=True).start()
            return self.done.wait(patience)
        return False


def _credential(keyring: Any, service: str, username: str) -> tuple[Any, str]:
    """Return an entry or None, and why there is none."""
    try:
        credential = keyring.get_credential(service, username or None)
        # one with such a priority stands for none
        absent = credential is None and keyring.get_keyring().priority <= 0
    except keyring.errors.NoKeyringError:
        return None, "this machine has no keyring"
    except Exception as error:
        return None, f"the keyring cannot be read ({type(error).__name__})"
    return credential, "this machine has no keyring" if absent else ""
