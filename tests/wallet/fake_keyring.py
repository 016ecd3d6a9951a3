"""A keyring in a file, for tests: processes share it, and it can be locked, broken, slow or forgetful."""

from __future__ import annotations

import fcntl
import json
import os
import time
from pathlib import Path
from typing import Any

import keyring.backend
import keyring.credentials
import keyring.errors

FOLDER = "FAKE_KEYRING_FOLDER"


class FakeKeyring(keyring.backend.KeyringBackend):
    """Entries in ``entries.json``; a file ``locked``, ``broken``, ``slow`` or ``forgetful`` beside it changes it."""

    priority = 5

    def __init__(self, folder: Path | None = None) -> None:
        super().__init__()
        self.folder = folder or Path(os.environ[FOLDER])
        self.folder.mkdir(exist_ok=True)
        self.calls: list[tuple[str, ...]] = []

    def be(self, *ways: str) -> None:
        for way in ("locked", "broken", "slow", "forgetful"):
            (self.folder / way).unlink(missing_ok=True)
        for way in ways:
            (self.folder / way).touch()

    @property
    def entries(self) -> dict[str, str]:
        path = self.folder / "entries.json"
        return json.loads(path.read_text()) if path.exists() else {}

    def get_password(self, service: str, username: str) -> str | None:
        self._answer("get", service, username)
        return self.entries.get(f"{service}|{username}")

    def set_password(self, service: str, username: str, password: str) -> None:
        self._answer("set", service, username)
        if not (self.folder / "forgetful").exists():
            self._change({f"{service}|{username}": password})

    def delete_password(self, service: str, username: str) -> None:
        self._answer("delete", service, username)
        if f"{service}|{username}" not in self.entries:
            raise keyring.errors.PasswordDeleteError("no such entry")
        self._change({f"{service}|{username}": None})

    def get_credential(self, service: str, username: str | None) -> Any:
        self._answer("find", service, username or "")
        for key, password in self.entries.items():
            where, _, name = key.partition("|")
            if where == service and username in (None, name):
                return keyring.credentials.SimpleCredential(name, password)
        return None

    def _answer(self, *call: str) -> None:
        self.calls.append(call)
        if (self.folder / "broken").exists():
            raise RuntimeError("obviously fake secret in the text of an error")
        while (self.folder / "slow").exists():
            time.sleep(0.01)
        if (self.folder / "locked").exists():
            raise keyring.errors.KeyringLocked("locked")

    def _change(self, changes: dict[str, str | None]) -> None:
        with (self.folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            entries = {**self.entries, **changes}
            new = self.folder / f"new-{os.getpid()}"
            new.write_text(json.dumps({key: value for key, value in entries.items() if value is not None}))
            new.replace(self.folder / "entries.json")
