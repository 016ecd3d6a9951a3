"""The wallet's file: permits that survive the process; encrypted where there is a keyring for its key."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import MissingDependencyError, WalletError
from ..scrub import scrubbed
from .content import Content, LaterVersionError, empty, joined, parsed
from .os_keyring import KeyringUnavailableError, OsKeyring
from .private import PrivateFile, PrivateFolder
from .sealed import Keys, Sealed

__all__ = ["Vault", "state_home"]

_LOG = logging.getLogger("vo_auth.wallet")


def state_home() -> Path:
    """Return the folder of all state: ``VO_AUTH_HOME``, else the place for state on this system.

    Raises
    ------
    MissingDependencyError
        When the system's place cannot be found without platformdirs.
    """
    if home := os.environ.get("VO_AUTH_HOME"):
        return Path(home).expanduser()
    try:
        import platformdirs
    except ImportError:
        raise MissingDependencyError(
            "Finding the place for permits needs platformdirs: pip install platformdirs (or set VO_AUTH_HOME)"
        ) from None
    return Path(platformdirs.user_state_path("vo_auth", appauthor=False))


class Vault:
    """One file for all archives, 0600 in a 0700 folder, written whole under a lock.

    It is ``permits.vault``, encrypted with a key in the keyring; or ``permits.json``, plain, where there is no keyring,
    or by choice. The encrypted file takes precedence: one whose key cannot be had now is neither replaced nor passed
    over. A plain file that is nobody's choice is joined to the encrypted one as soon as the keyring can be used.

    Parameters
    ----------
    home
        The folder; made when something is first written.
    plain
        Keep the plain file by choice, and leave an encrypted one alone.
    keyring
        Where the key is kept; None: the system's.
    """

    def __init__(self, home: Path, *, plain: bool = False, keyring: OsKeyring | None = None) -> None:
        self.home = home
        self.by_choice = plain
        self.keyring = keyring or OsKeyring()
        self._keys = Keys(self.keyring)
        self._folder = PrivateFolder(home)
        self._plain = PrivateFile(self._folder, "permits.json")
        self._sealed = PrivateFile(self._folder, "permits.vault")

    @property
    def is_encrypted(self) -> bool:
        """Whether the file in use is the encrypted one."""
        return not self.by_choice and self._sealed.exists()

    @property
    def path(self) -> Path:
        """The file in use."""
        return self._sealed.path if self.is_encrypted else self._plain.path

    @property
    def kept(self) -> str:
        """How permits are kept, for people."""
        return "encrypted file" if self.is_encrypted else "plain file"

    def exists(self) -> bool:
        """Say whether there is a file of either kind, or one that was set aside."""
        return any(self.home.glob("permits.*"))

    def read(self) -> Content:
        """Return the content; an empty one when there is no file or it was damaged (and set aside).

        Raises
        ------
        WalletError
            When the file is a link, no plain file, another user's, of a later format, or its key cannot be had; or
            others may write to its folder.
        """
        try:
            return self._content()
        except WalletError as error:
            raise scrubbed(error) from None  # the frames below hold what was read

    def update(self, change: Callable[[Content], None]) -> None:
        """Read, change and write the content under the file's lock.

        Parameters
        ----------
        change
            Changes the content in place.

        Raises
        ------
        WalletError
            When the folder or file cannot be used.
        """
        try:
            with self._locked():
                self._update(change)
        except WalletError as error:
            raise scrubbed(error) from None

    def read_all(self) -> list[Content]:
        """Return the content of every file, also of one that is not in use.

        Raises
        ------
        WalletError
            As for :meth:`read`.
        """
        try:
            found = [self._content(), *(self._one(file) for file in self._unused())]
        except WalletError as error:
            raise scrubbed(error) from None
        return [content for content in found if content is not None]

    def update_all(self, change: Callable[[Content], None]) -> None:
        """Change every file, also one that is not in use, and remove those that were set aside.

        Raises
        ------
        WalletError
            When a file cannot be used; the others are changed all the same.
        """
        failures: list[WalletError] = []

        def attempt(work: Callable[[], None]) -> None:
            try:
                work()
            except WalletError as error:
                failures.append(scrubbed(error))

        with self._locked():
            for file in (self._plain, self._sealed):
                attempt(file.remove_set_aside)
            for file in self._unused():
                attempt(lambda file=file: self._change(file, change))  # type: ignore[misc]
            if self._plain.exists() or self._sealed.exists():
                attempt(lambda: self._update(change))
        if failures:
            raise failures[0]

    def destroy(self) -> None:
        """Remove every file, and the key from the keyring where it can be asked.

        Raises
        ------
        WalletError
            When a file, or the key, cannot be removed.
        """
        if not self.exists():
            return
        with self._locked():
            sealed = self._parts(self._sealed.read() or b"")
            for file in (self._plain, self._sealed):
                file.remove_set_aside()
                file.remove()
            if sealed is None:
                return
            try:
                self._keys.remove(sealed.key)
            except KeyringUnavailableError as error:
                raise WalletError(
                    f"The key of {self._sealed.path} stays in the keyring, where it opens nothing any more: {error}"
                ) from None

    def prepare(self) -> Path:
        """Make the folder and return the one for locks.

        Raises
        ------
        WalletError
            When it cannot be made, or others may write to it.
        """
        return self._folder.prepare()

    # ---------------------------------------------------------------- which file

    def _content(self, *, locked: bool = False) -> Content:
        """Return the content of the file in use, with a plain one joined that waits to be moved."""
        if self.by_choice:
            return self._one(self._plain, locked=locked) or empty()
        for _ in range(3):
            sealed = self._one(self._sealed, locked=locked)
            plain = self._one(self._plain, locked=locked)
            if sealed is not None:
                return sealed if plain is None or _is_chosen(plain) else joined(sealed, plain)
            if plain is not None:
                return plain
            if not self._sealed.exists():  # else it was moved there between the two looks
                break
        return empty()

    def _unused(self) -> list[PrivateFile]:
        """Return the files beside the one in use that no update of it would take in."""
        if self.by_choice:
            return [self._sealed] if self._sealed.exists() else []
        is_left_alone = self._sealed.exists() and self._plain.exists() and _is_chosen(self._one(self._plain))
        return [self._plain] if is_left_alone else []

    def _update(self, change: Callable[[Content], None]) -> None:
        content = self._content(locked=True)
        is_chosen = _is_chosen(content)  # before the change, which may empty it
        change(content)
        if self.by_choice:
            self._write_plain({**content, "chosen": True})
        elif self._sealed.exists():
            self._write_sealed(content, self._key_in_use())
        elif is_chosen or not (key := self._new_key()):
            self._write_plain(content)
        else:
            self._write_sealed(content, key)

    def _change(self, file: PrivateFile, change: Callable[[Content], None]) -> None:
        """Change a file that is not in use."""
        content = self._one(file, locked=True)
        if content is None:
            return
        change(content)
        if file is self._plain:
            self._write_plain(content)
        else:
            self._write_sealed(content, self._key_in_use())

    def _write_plain(self, content: Content) -> None:
        self._plain.write(json.dumps(content).encode())

    def _write_sealed(self, content: Content, key: str) -> None:
        """Write the encrypted file, and only then remove a plain one that has been taken in."""
        content.pop("chosen", None)
        self._sealed.write(Sealed.of(json.dumps(content).encode(), key, self._keys.get(key)).to_bytes())
        if self._plain.exists() and not self.by_choice and not _is_chosen(self._one(self._plain, locked=True)):
            self._plain.remove()

    # ---------------------------------------------------------------- keys

    def _new_key(self) -> str:
        """Return the id of a new key that the keyring has; empty where there is none that keeps it."""
        try:
            return self._keys.make()
        except KeyringUnavailableError as error:
            _LOG.info("permits are kept in the plain file %s: %s", self._plain.path, error)
            return ""

    def _key_in_use(self) -> str:
        sealed = self._parts(self._sealed.read() or b"")
        assert sealed is not None  # it was read a moment ago, under the same lock
        return sealed.key

    # ---------------------------------------------------------------- one file

    def _one(self, file: PrivateFile, *, locked: bool = False) -> Content | None:
        """Return what a file holds: None without one, an empty content for one that had to be set aside."""
        text = file.read()
        if text is None:
            return None
        content = self._opened(text) if file is self._sealed else self._parsed(file, text)
        if content is not None:
            return content
        if not locked:
            with self._locked():  # a whole one may be there by now: only who holds the lock sets a file aside
                return self._one(file, locked=True)
        file.set_aside()
        return None

    def _opened(self, text: bytes) -> Content | None:
        sealed = self._parts(text)
        if sealed is None:
            return None
        try:
            key = self._keys.get(sealed.key)
        except KeyringUnavailableError as error:
            raise WalletError(
                f"The wallet {self._sealed.path} cannot be opened: {error} (its key is {sealed.key[:8]}…); unlock "
                "the keyring, or set VO_AUTH_WALLET=plain for a plain file; "
                "if the key is lost: vo-auth logout --all --purge"
            ) from None
        content = sealed.opened(key)
        return None if content is None else self._parsed(self._sealed, content)

    def _parts(self, text: bytes) -> Sealed | None:
        try:
            return Sealed.from_bytes(text)
        except LookupError:
            raise self._later(self._sealed) from None

    def _parsed(self, file: PrivateFile, text: bytes) -> Content | None:
        try:
            return parsed(text)
        except LaterVersionError:
            raise self._later(file) from None

    @staticmethod
    def _later(file: PrivateFile) -> WalletError:
        return WalletError(f"The wallet {file.path} was written by a later vo_auth; update, or set VO_AUTH_HOME")

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with self._folder.locked(self.path):
            yield


def _is_chosen(content: Content | None) -> bool:
    """Say whether a plain file is somebody's choice; one that holds nothing any more is not."""
    return bool(content and content.get("chosen") and (content["entries"] or content.get("passwords")))
