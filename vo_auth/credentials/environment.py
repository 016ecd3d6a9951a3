"""Credentials in environment variables."""

from __future__ import annotations

import os

from ..archive import Archive
from ..errors import UnusableCredentialsError
from ..secret import Secret
from .base import FIELDS, Found, Passed, Wanted
from .files import read_protected

__all__ = ["EnvironmentSource", "variable_names", "variable_value"]


def variable_names(archive: Archive, name: str) -> tuple[str, ...]:
    """Return the variables that may hold a credential, ours first; each also exists with ``_FILE`` behind it.

    Parameters
    ----------
    archive, name
        The archive and the credential's name.
    """
    return (f"{archive.variable_prefix}{name.upper()}", *archive.known.environment.get(name, ()))


def variable_value(archive: Archive, name: str) -> tuple[str, Secret] | None:
    """Return the variable that is set and its value (or its file's content, read now), or None.

    Raises
    ------
    UnusableCredentialsError
        When a file that is named, or a value, cannot be used.
    """
    for variable in variable_names(archive, name):
        if value := os.environ.get(variable):
            try:
                return variable, Secret(value)
            except ValueError as error:
                raise UnusableCredentialsError(f"{variable} cannot be used: {error}") from None
        if path := os.environ.get(f"{variable}_FILE"):
            if name == "certificate":
                return f"{variable}_FILE", Secret(path)
            text = read_protected(path, what=f"{variable}_FILE:")
            return f"{variable}_FILE", Secret(text.strip("\r\n"))
    return None


class EnvironmentSource:
    """``VO_AUTH_<ARCHIVE>_USERNAME``, ``_PASSWORD``, ``_TOKEN``, …, each also as ``…_FILE``."""

    name = "environment"
    rank = 20

    def find(self, wanted: Wanted) -> Found | Passed | None:
        """Return what the variables hold for the default account, or for the one whose name they carry."""
        user = variable_value(wanted.archive, "username")
        if not wanted.is_default and user is None:
            return None
        if user is not None and not wanted.serves(user[1].reveal()):
            return Passed(f"{user[0]} names another user")
        values: dict[str, Secret] = {}
        used: list[str] = []
        for name in dict.fromkeys((*wanted.names, "username")):
            if entry := (user if name == "username" else variable_value(wanted.archive, name)):
                used.append(entry[0])
                values[name] = entry[1]
        return Found(values=values, origin=", ".join(used)) if values else None

    def looked_at(self, archive: Archive) -> str:
        """Say which variables this source looks at, for the error that lists every source."""
        prefix = archive.variable_prefix
        asked = dict.fromkeys(name for flow in archive.flows for name in flow.asks if name in FIELDS)
        return "not set: " + ", ".join(f"{prefix}{name.upper()}" for name in asked)
