"""The operating system's keyring: asked in bounded time, and never in a forked child."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from typing import Any, ClassVar, Generic, TypeVar

__all__ = ["KeyringUnavailableError", "OsKeyring"]

T = TypeVar("T")

# Files that stand for a keyring: they ask for a password of their own at the terminal, or keep everything readable.
_NO_KEYRINGS = ("keyrings.alt.", "keyrings.cryptfile.")
_forked = False


class KeyringUnavailableError(Exception):
    """The keyring cannot be used now; the text says why, in a few words."""


class OsKeyring:
    """Entries of the keyring, by service and name.

    A keyring may ask a person to unlock it, or hang: no call takes longer than :attr:`LIMIT`, and after a failure none
    is made for :attr:`PAUSE`, nor while the last one has not come to an end.
    """

    LIMIT: ClassVar[float] = 15.0  # seconds; a person may be asked to unlock it
    PAUSE: ClassVar[float] = 60.0

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._blocked = 0.0
        self._reason = ""
        self._under_way: threading.Event | None = None

    def require(self) -> None:
        """Require that there is a keyring; whether it is locked shows when it is used.

        Raises
        ------
        KeyringUnavailableError
            When there is none.
        """
        self._call(lambda backend: None)

    def get(self, service: str, name: str) -> str | None:
        """Return an entry, or None.

        Raises
        ------
        KeyringUnavailableError
            When the keyring cannot be asked.
        """
        return self._call(lambda backend: _text(backend.get_password(service, name)))

    def put(self, service: str, name: str, value: str) -> None:
        """Write an entry and read it back.

        Raises
        ------
        KeyringUnavailableError
            When the keyring cannot be asked, or does not keep it.
        """

        def work(backend: Any) -> bool:
            backend.set_password(service, name, value)
            return bool(backend.get_password(service, name) == value)

        if not self._call(work):
            raise KeyringUnavailableError("the keyring does not keep what is put in")

    def remove(self, service: str, name: str) -> None:
        """Remove an entry, if there is one.

        Raises
        ------
        KeyringUnavailableError
            When the keyring cannot be asked.
        """

        def work(backend: Any) -> None:
            if backend.get_password(service, name) is not None:
                backend.delete_password(service, name)

        self._call(work)

    def names(self, service: str) -> list[str]:
        """Return the names of a service's entries, as far as the keyring tells: some tell one at most.

        Raises
        ------
        KeyringUnavailableError
            When the keyring cannot be asked.
        """

        def work(backend: Any) -> list[str]:
            credential = backend.get_credential(service, None)
            return [credential.username] if credential is not None and credential.username else []

        return self._call(work)

    def _call(self, work: Callable[[Any], T]) -> T:
        if _forked:  # connections to a keyring's service do not survive a fork
            raise KeyringUnavailableError("the keyring is not asked in a forked process")
        with self._guard:
            self._require_rest()
            done, outcome = threading.Event(), _Outcome[T]()
            thread = threading.Thread(
                target=_run, args=(work, outcome, done), name="vo_auth keyring", daemon=True
            )  # a daemon: a keyring that hangs must not keep the process from ending
            try:
                thread.start()
            except RuntimeError:
                raise KeyringUnavailableError("the process is ending") from None
            if not done.wait(self.LIMIT):
                self._under_way = done
                raise self._failed(f"the keyring does not answer within {self.LIMIT:.0f} s")
            if outcome.reason:
                raise self._failed(outcome.reason)
            return outcome.value

    def _require_rest(self) -> None:
        if self._under_way is not None:
            if not self._under_way.is_set():
                raise KeyringUnavailableError(self._reason)
            self._under_way, self._blocked = None, 0.0  # somebody unlocked it at last
        if time.monotonic() < self._blocked:
            raise KeyringUnavailableError(self._reason)

    def _failed(self, reason: str) -> KeyringUnavailableError:
        self._blocked, self._reason = time.monotonic() + self.PAUSE, reason
        return KeyringUnavailableError(reason)


class _Outcome(Generic[T]):
    value: T
    reason = ""


def _run(work: Callable[[Any], T], outcome: _Outcome[T], done: threading.Event) -> None:
    try:
        outcome.value = work(_backend())
    except KeyringUnavailableError as error:
        outcome.reason = str(error)
    except Exception as error:
        outcome.reason = f"the keyring cannot be used ({type(error).__name__})"  # its text may repeat a secret
    finally:
        done.set()


def _backend() -> Any:
    """Return the keyring of this machine that keeps secrets secret."""
    try:
        import keyring
    except ImportError:
        raise KeyringUnavailableError("keyring is not installed: pip install keyring") from None
    backend = keyring.get_keyring()
    for candidate in getattr(backend, "backends", None) or [backend]:  # of a chain, or it alone
        if candidate.priority >= 1 and not type(candidate).__module__.startswith(_NO_KEYRINGS):
            return candidate
    raise KeyringUnavailableError("this machine has no keyring")


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


def _note_fork() -> None:
    global _forked  # noqa: PLW0603 - it is the process that was forked
    _forked = True


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_note_fork)
