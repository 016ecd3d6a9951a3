"""Credentials given as arguments."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping

from ..archive import Archive, KnownFile
from ..errors import UnusableCredentialsError
from ..secret import Secret
from .base import FIELDS, Found, Wanted
from .files import read_protected, understood

__all__ = ["ExplicitSource", "as_secrets"]


class ExplicitSource:
    """Arguments of ``session_for`` or ``login``.

    Parameters
    ----------
    values
        By name; ``file`` names a file with a token or cookie (one line), user name and password (two lines), a PEM
        certificate with its key, or what another program of the archive's users wrote.
    archive
        Whose users' files are understood, too; None: nobody's.

    Raises
    ------
    TypeError
        When a name is none of the known ones, or a value is no text.
    UnusableCredentialsError
        When the file cannot be used.
    """

    name = "arguments"
    rank = 10

    def __init__(self, values: Mapping[str, str | Secret], archive: Archive | None = None) -> None:
        self._values = as_secrets(values, archive.known.files if archive else ())

    def find(self, wanted: Wanted) -> Found | None:
        """Return the arguments that the flow can use."""
        values = {name: self._values[name] for name in wanted.names if name in self._values}
        if "username" in self._values:  # also a token may come with the name of its owner
            values["username"] = self._values["username"]
        return Found(values=values, origin="arguments") if values else None


def as_secrets(values: Mapping[str, str | Secret], formats: Iterable[KnownFile] = ()) -> dict[str, Secret]:
    """Return arguments as secrets by name, the file read; it may be in one of the formats, too.

    Raises
    ------
    TypeError
        When a name is none of the known ones, or a value is no text.
    UnusableCredentialsError
        When the file cannot be used.
    """
    secrets: dict[str, Secret] = {}
    for name, value in values.items():
        if name not in (*FIELDS, "file"):
            raise TypeError(f"{name!r} is not a credential; known are {', '.join((*FIELDS, 'file'))}")
        if value is None:
            continue
        if not isinstance(value, str | Secret | os.PathLike):  # bytes, say, would be sent as "b'…'"
            raise TypeError(f"{name} is text, not {type(value).__name__}")
        try:
            secrets[name] = value if isinstance(value, Secret) else Secret(os.fspath(value))
        except ValueError as error:
            raise UnusableCredentialsError(f"{name} cannot be used: {error}") from None
    path = secrets.pop("file", None)
    return {**_from_file(path.reveal(), formats), **secrets} if path else secrets


def _from_file(path: str, formats: Iterable[KnownFile]) -> dict[str, Secret]:
    values, fault = _parsed(path, read_protected(path, what="the credentials file"), formats)
    if values is None:  # raised out here: no frame of the traceback holds the text
        raise UnusableCredentialsError(f"The credentials file {path}: {fault}")
    return dict(values)


def _parsed(path: str, text: str, formats: Iterable[KnownFile]) -> tuple[Mapping[str, Secret] | None, str]:
    """Return what a file holds, or what is wrong with it."""
    values, fault = understood(text, formats)
    if values is not None or fault:
        return values, fault
    if "-----BEGIN" in text:
        return {"certificate": Secret(path)}, ""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    match lines:
        case [single]:
            return {"token": Secret(single), "cookie": Secret(single)}, ""
        case [username, password]:
            return {"username": Secret(username), "password": Secret(password)}, ""
        case _:
            return None, f"it holds {len(lines)} lines, not one (a token) or two (user name, password)"
