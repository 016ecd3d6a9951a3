"""Content under AES-GCM, and the key to it in the operating system's keyring."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import secrets
from contextlib import suppress
from dataclasses import dataclass

from ..secret import Secret
from .os_keyring import KeyringUnavailableError, OsKeyring

__all__ = ["FORMAT", "Keys", "Sealed", "VERSION"]

FORMAT = "vo_auth encrypted permits"
VERSION = 1
_SERVICE = "vo_auth wallet key"
_KEY_BYTES = 32
_NONCE_BYTES = 12  # of 96 bits, as NIST SP 800-38D, 8.2 recommends


class Keys:
    """Keys of vaults: each is one short entry of the keyring, named by its id.

    The id is a digest of the key, so that another key in its place is noticed and not taken for a damaged file.

    Parameters
    ----------
    keyring
        Where they are kept.
    """

    def __init__(self, keyring: OsKeyring) -> None:
        self._keyring = keyring
        self._known: dict[str, Secret] = {}

    def get(self, name: str) -> Secret:
        """Return a key by its id; the keyring is asked once.

        Raises
        ------
        KeyringUnavailableError
            When it cannot be had now.
        """
        known = self._known.get(name)
        if known is not None:
            return known
        _require_cipher()
        text = self._keyring.get(_SERVICE, name)
        if text is None:
            raise KeyringUnavailableError("this machine's keyring does not have the key to it")
        key = Secret(text)
        if _id_of(key) != name:
            raise KeyringUnavailableError("this machine's keyring has another key in place of its own")
        return self._known.setdefault(name, key)

    def make(self) -> str:
        """Make a key, put it into the keyring, read it back, and return its id.

        Raises
        ------
        KeyringUnavailableError
            When there is no keyring that keeps it.
        """
        _require_cipher()
        key = Secret(base64.b64encode(secrets.token_bytes(_KEY_BYTES)).decode())
        name = _id_of(key)
        self._keyring.put(_SERVICE, name, key.reveal())
        self._known[name] = key
        return name

    def remove(self, name: str) -> None:
        """Remove a key from the keyring: what it sealed is lost.

        Raises
        ------
        KeyringUnavailableError
            When the keyring cannot be asked.
        """
        self._known.pop(name, None)
        self._keyring.remove(_SERVICE, name)


@dataclass(frozen=True, slots=True)
class Sealed:
    """An encrypted file's parts: what is in clear, and what is not.

    Parameters
    ----------
    key
        The id of the key.
    nonce, data
        As AES-GCM has them. What is in clear goes in as associated data: none of it can be changed unnoticed.
    """

    key: str
    nonce: bytes
    data: bytes

    @classmethod
    def of(cls, content: bytes, name: str, key: Secret) -> Sealed:
        """Seal content under a fresh nonce."""
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        nonce = os.urandom(_NONCE_BYTES)
        return cls(name, nonce, AESGCM(_bytes_of(key)).encrypt(nonce, content, _header(name)))

    @classmethod
    def from_bytes(cls, file: bytes) -> Sealed | None:
        """Return the parts of a file, or None when it is damaged or not one of ours.

        Raises
        ------
        LookupError
            When a later version wrote it.
        """
        with suppress(ValueError, RecursionError, TypeError, KeyError):
            record = json.loads(file)
            if not isinstance(record, dict) or record.get("format") != FORMAT:
                return None
            version = record["version"]
            if isinstance(version, int) and version > VERSION:
                raise _LaterError
            nonce, data = (base64.b64decode(record[name], validate=True) for name in ("nonce", "data"))
            if version == VERSION and isinstance(record["key"], str) and len(nonce) == _NONCE_BYTES:
                return cls(record["key"], nonce, data)
        return None

    def to_bytes(self) -> bytes:
        """Return the file."""
        record = {"format": FORMAT, "version": VERSION, "key": self.key}
        record |= {"nonce": base64.b64encode(self.nonce).decode(), "data": base64.b64encode(self.data).decode()}
        return json.dumps(record).encode()

    def opened(self, key: Secret) -> bytes | None:
        """Return the content, or None when a bit of it, or of what is in clear, is not as it was written."""
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        try:
            return AESGCM(_bytes_of(key)).decrypt(self.nonce, self.data, _header(self.key))
        except InvalidTag:
            return None


class _LaterError(LookupError):
    """The file is of a later version; not a KeyError, which means damage."""


def _header(name: str) -> bytes:
    return json.dumps([FORMAT, VERSION, name]).encode()


def _bytes_of(key: Secret) -> bytes:
    return base64.b64decode(key.reveal())


def _id_of(key: Secret) -> str:
    """Return the id of a key, or an empty one of what is no key."""
    with suppress(ValueError):
        content = base64.b64decode(key.reveal(), validate=True)
        if len(content) == _KEY_BYTES:
            return hashlib.sha256(b"id of a vo_auth wallet key" + content).hexdigest()[:32]
    return ""


def _require_cipher() -> None:
    try:
        import cryptography.hazmat.primitives.ciphers.aead  # noqa: F401 - before the keyring is asked for nothing
    except ImportError:
        raise KeyringUnavailableError("cryptography is not installed: pip install cryptography") from None
