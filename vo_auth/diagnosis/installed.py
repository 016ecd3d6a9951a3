"""What is installed and configured: versions, plugins, the configuration file, variables."""

from __future__ import annotations

import difflib
import os
import platform
from collections.abc import Iterator
from importlib import metadata

from .._version import __version__
from ..archive import Archive
from ..configuration import read_configuration
from ..credentials.base import FIELDS
from ..errors import VoAuthError
from ..holdings import insecure_origins
from ..registry import default_registry
from .finding import Finding

__all__ = ["configuration", "plugins", "variables", "versions"]

_PACKAGES = (
    *("requests", "urllib3", "pluggy", "authlib", "cryptography", "keyring", "filelock", "platformdirs"),
    *("certifi", "typer", "rich", "joserfc", "pyvo", "astroquery", "astropy"),
)
_NEEDED = {"requests", "urllib3", "pluggy", "authlib", "cryptography", "filelock", "platformdirs"}
_OWN = ("HOME", "WALLET", "PATIENCE", "DEBUG", "SANDBOX", "INTEROP_REQUIRED")


def versions() -> Iterator[Finding]:
    """Say which versions are here."""
    here = f"vo_auth {__version__}, Python {platform.python_version()}, {platform.system()} {platform.release()}"
    yield Finding(check="versions", level="ok", text=here)
    found, absent = [], []
    for name in _PACKAGES:
        try:
            found.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            absent.append(name)
    yield Finding(check="versions", level="ok", text=", ".join(found))
    for name in absent:
        if name in _NEEDED:
            yield Finding(check="versions", level="problem", text=f"{name} is not here", fix=f"pip install {name}")


def plugins() -> Iterator[Finding]:
    """Say which plugins are here, and which failed to load."""
    registry = default_registry()
    loaded = registry.plugins()
    for plugin in loaded:
        text = f"{plugin.name} of {plugin.distribution} {plugin.version}"
        if plugin.problem:
            fix = f"pip install --upgrade {plugin.distribution}, or report it to its authors"
            yield Finding(check="plugins", level="problem", text=f"{text} is left out: {plugin.problem}", fix=fix)
        else:
            yield Finding(check="plugins", level="ok", text=text)
    if not registry.archives():
        yield Finding(
            check="plugins", level="problem", text="no archive is known", fix="install one: pip install vo-auth-eso"
        )


def configuration() -> Iterator[Finding]:
    """Say what is wrong with the user's configuration file, and which origins it names as insecure."""
    try:
        found = read_configuration()
        archives = [archive.name for archive, _ in default_registry().archives()]
    except VoAuthError as error:
        yield Finding(check="configuration", level="problem", text=_first_line(error), fix="correct the file")
        return
    if found.path is None:
        yield Finding(check="configuration", level="ok", text="no file, nothing to be wrong")
        return
    yield Finding(check="configuration", level="ok", text=f"{found.path}")
    for name in sorted(set(found.archives) - set(archives)):
        fix = _closest(name, archives) or "install its plugin, or remove the table"
        yield Finding(check="configuration", level="problem", text=f"[archive.{name}] is of no archive here", fix=fix)
    for name, origins in insecure_origins(default_registry()).items():
        text = f"permits of {name} also go to {', '.join(origins)} over plain http, readable on the way"
        yield Finding(check="configuration", level="note", text=text, fix="remove it from insecure_origins")


def variables() -> Iterator[Finding]:
    """Say which variables nobody reads, and which hide each other; only their names."""
    archives = [archive for archive, _ in default_registry().archives()]
    known = {f"VO_AUTH_{name}" for name in _OWN} | {name for archive in archives for name in _names_of(archive)}
    there = sorted(name for name in os.environ if name.upper().startswith("VO_AUTH_"))
    for name in there:
        if name not in known:
            fix = _closest(name, known) or "install the archive's plugin, or unset it"
            yield Finding(check="variables", level="problem", text=f"nothing reads {name}", fix=fix)
        elif f"{name}_FILE" in there:
            text = f"{name} and {name}_FILE are both set: the first counts"
            yield Finding(check="variables", level="note", text=text, fix=f"unset {name}_FILE")
    used = [name for name in there if name in known]
    yield Finding(check="variables", level="ok", text=f"set: {', '.join(used)}" if used else "none of VO_AUTH_… is set")


def _names_of(archive: Archive) -> Iterator[str]:
    yield f"{archive.variable_prefix}ACCOUNT"
    for name in FIELDS:
        yield f"{archive.variable_prefix}{name.upper()}"
        yield f"{archive.variable_prefix}{name.upper()}_FILE"


def _closest(name: str, known: object) -> str:
    match = difflib.get_close_matches(name, sorted(known), n=1, cutoff=0.8)  # type: ignore[call-overload]
    return f"is {match[0]} meant?" if match else ""


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
