"""Passwords that an archive rejected: not sent again, because accounts get locked.

In this process for good, between processes of one wallet for ten minutes. What is kept is a salted, slow digest.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from ..clock import Clock
from ..errors import WalletError
from ..secret import Secret
from .vault import Vault

__all__ = ["Rejections", "renew_after_fork"]

_HELD_FOR = 600.0
_PROCESS_KEY = secrets.token_bytes(32)
_PROCESS: set[bytes] = set()  # shared by all wallets of this process: an account is locked per account, not per wallet
_GUARD = threading.Lock()
_SENDING: dict[bytes, threading.Lock] = {}


class Rejections:
    """What was rejected.

    Parameters
    ----------
    vault
        Where other processes see it; None: only this process.
    clock
        For the ten minutes.
    """

    def __init__(self, vault: Vault | None, clock: Clock) -> None:
        self._vault = vault
        self._clock = clock

    @contextmanager
    def sending(self, archive: str, values: Mapping[str, Secret]) -> Iterator[None]:
        """Let one thread of this process at a time send these credentials, whatever wallet it works for.

        So two sessions that were made with the same wrong password find out with one refused login.
        """
        with _GUARD:
            lock = _SENDING.setdefault(_quick(_canonical(archive, values)), threading.Lock())
        with lock:
            yield

    def holds(self, archive: str, values: Mapping[str, Secret]) -> bool:
        """Say whether these credentials were rejected before."""
        text = _canonical(archive, values)
        with _GUARD:
            if _quick(text) in _PROCESS:
                return True
        return self._in_vault(text)

    def add(self, archive: str, values: Mapping[str, Secret]) -> None:
        """Remember that these credentials were rejected just now."""
        text = _canonical(archive, values)
        with _GUARD:
            _PROCESS.add(_quick(text))
        if self._vault is not None:
            with suppress(WalletError):  # then this process alone remembers
                self._vault.update(lambda content: self._note(content, text))

    def forget(self, archive: str, values: Mapping[str, Secret]) -> None:
        """Forget them: a person logged in, or the archive took them after all."""
        text = _canonical(archive, values)
        with _GUARD:
            _PROCESS.discard(_quick(text))
        if self._vault is not None and self._in_vault(text):
            with suppress(WalletError):
                self._vault.update(lambda content: content["rejected"].pop(_slow(text, content["salt"]), None))

    def _in_vault(self, text: bytes) -> bool:
        if self._vault is None:
            return False
        try:
            content = self._vault.read()
        except WalletError:  # the wallet works in memory and has said so
            return False
        live = self._live(content)
        return bool(live) and _slow(text, content["salt"]) in live

    def _note(self, content: dict[str, Any], text: bytes) -> None:
        content["rejected"] = self._live(content) | {_slow(text, content["salt"]): self._clock.wall()}

    def _live(self, content: Mapping[str, Any]) -> dict[str, float]:
        """Return what was rejected in the last ten minutes, on either side of now: the wall clock may be set."""
        now = self._clock.wall()
        return {
            digest: since
            for digest, since in content["rejected"].items()
            if isinstance(since, int | float) and abs(now - since) < _HELD_FOR
        }


def renew_after_fork() -> None:
    """Forget locks that threads of the parent process may have held."""
    global _GUARD  # noqa: PLW0603 - shared by all wallets of the process, on purpose
    _GUARD = threading.Lock()
    _SENDING.clear()


def _canonical(archive: str, values: Mapping[str, Secret]) -> bytes:
    return json.dumps([archive, sorted((name, value.reveal()) for name, value in values.items())]).encode()


def _quick(text: bytes) -> bytes:
    return hmac.digest(_PROCESS_KEY, text, "sha256")


def _slow(text: bytes, salt: str) -> str:
    """Return a digest that is slow to guess from: a rejected password is often nearly the right one."""
    return hashlib.scrypt(text, salt=salt.encode(), n=2**14, r=8, p=1, maxmem=2**26).hex()
