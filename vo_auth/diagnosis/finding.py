"""What a check found, and how its text becomes safe to paste."""

from __future__ import annotations

import netrc
import os
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import unquote, urlsplit

from ..flows.text import plain_text

__all__ = ["Finding", "Redactor", "netrc_place"]

Level = Literal["ok", "note", "problem"]

_SHORTEST = 4  # shorter texts are part of ordinary words
_LONGEST = 600
_SECRET_NAME = re.compile(r"PASS|TOKEN|SECRET|COOKIE|CREDENTIAL|KEY|_PROXY|_AUTH", re.IGNORECASE)
_NOT_SECRET = re.compile(
    r"_FILE$|^VO_AUTH_(HOME|WALLET|PATIENCE|DEBUG|SANDBOX)$|KEYRING_BACKEND$|NO_PROXY$", re.IGNORECASE
)
_USERINFO = re.compile(r"(?<=://)[^\s/@]+@")


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One line of a report.

    Parameters
    ----------
    check
        What was looked at.
    level
        ``ok``, ``note`` for what a user may want to know, ``problem`` for what will not work.
    text
        What was found.
    fix
        What to do; empty where nothing is to be done.
    """

    check: str
    level: Level
    text: str
    fix: str = ""

    def __str__(self) -> str:
        return f"{self.level:<8}{self.check}: {self.text}{f' -> {self.fix}' if self.fix else ''}"


class Redactor:
    """Mask what must not be pasted: credentials of this machine's user, and the name of the home folder."""

    def __init__(self) -> None:
        found = {secret for secret in _secrets() if len(secret) >= _SHORTEST}
        self._secrets = sorted(found, key=len, reverse=True)  # a long one may have a short one inside
        self._home = ""
        with suppress(RuntimeError):
            self._home = str(Path.home())

    def __call__(self, text: str) -> str:
        """Return a text in one line, without secrets.

        Parameters
        ----------
        text
            Any text, also of another program.
        """
        for secret in self._secrets:
            text = text.replace(secret, "***")
        if len(self._home) > 1:
            text = text.replace(self._home, "~")
        return plain_text(_USERINFO.sub("***@", text), limit=_LONGEST)

    def finding(self, finding: Finding) -> Finding:
        """Return a finding with texts that are safe to paste."""
        return Finding(check=finding.check, level=finding.level, text=self(finding.text), fix=self(finding.fix))


def netrc_place() -> Path | None:
    """Return the netrc file that requests, curl and others read, or None where there is none."""
    named = os.environ.get("NETRC")
    with suppress(RuntimeError):
        places = [Path(named)] if named else [Path.home() / ".netrc", Path.home() / "_netrc"]
        return next((place for place in places if place.exists()), None)
    return None


def _secrets() -> Iterator[str]:
    for name, value in os.environ.items():
        if "@" in value and "://" in value:
            yield from _userinfo(value)
        if _SECRET_NAME.search(name) and not _NOT_SECRET.search(name) and "://" not in value:
            yield value
    place = netrc_place()
    if place is None:
        return
    with suppress(OSError, ValueError, netrc.NetrcParseError):
        for login, account, password in netrc.netrc(place).hosts.values():
            yield from filter(None, (password, account, login))


def _userinfo(url: str) -> Iterator[str]:
    with suppress(ValueError):
        parts = urlsplit(url)
        for text in filter(None, (parts.password, parts.username)):
            yield text
            yield unquote(text)
