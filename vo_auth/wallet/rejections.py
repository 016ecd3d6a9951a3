"""Passwords that an archive rejected: not sent again, because accounts get locked.

In this process for good, between processes of one wallet for ten minutes. What is kept is a salted, slow digest.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
import threading
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from ..clock import Clock
from ..errors import WalletError
from ..secret import Secret
from .vault import Vault

__all__ = ["Rejections"]

_HELD_FOR = 600.0
_PROCESS_KEY = secrets.token_bytes(32)
_PROCESS: set[bytes] = set()  # shared by all wallets of this process: an account is locked per account, not per wallet
_GUARD = threading.Lock()


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
        content = self._vault.read()
        now = self._clock.wall()
        live = {digest for digest, since in content["rejected"].items() if 0 <= now - since < _HELD_FOR}
        return bool(live) and _slow(text, content["salt"]) in live

    def _note(self, content: dict[str, Any], text: bytes) -> None:
        now = self._clock.wall()
        live = {digest: since for digest, since in content["rejected"].items() if 0 <= now - since < _HELD_FOR}
        content["rejected"] = live | {_slow(text, content["salt"]): now}


def _canonical(archive: str, values: Mapping[str, Secret]) -> bytes:
    return json.dumps([archive, sorted((name, value.reveal()) for name, value in values.items())]).encode()


def _quick(text: bytes) -> bytes:
    return hmac.digest(_PROCESS_KEY, text, "sha256")


def _slow(text: bytes, salt: str) -> str:
    """Return a digest that is slow to guess from: a rejected password is often nearly the right one."""
    return hashlib.scrypt(text, salt=salt.encode(), n=2**14, r=8, p=1, maxmem=2**26).hex()
