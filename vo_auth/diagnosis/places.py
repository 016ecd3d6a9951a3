"""Where things are kept: the keyring, the wallet, files with secrets, netrc."""

from __future__ import annotations

import netrc
import os
import stat
import warnings
from collections.abc import Iterator
from pathlib import Path

from ..errors import VoAuthError
from ..registry import default_registry
from ..wallet import default_wallet
from ..wallet.vault import state_home
from .finding import Finding, netrc_place

__all__ = ["difference", "files", "keyring", "netrc_entries", "wallet"]

_SKEW = 60.0  # seconds by which a clock may be wrong


def keyring() -> Iterator[Finding]:
    """Say whether there is a keyring that keeps secrets; none is written or read."""
    if os.environ.get("VO_AUTH_WALLET") in ("memory", "plain"):
        yield Finding(check="keyring", level="note", text="not used, because VO_AUTH_WALLET says so")
        return
    try:
        import keyring as backend

        found = backend.get_keyring()
        name, priority = type(found).__module__, float(found.priority)
    except ImportError:
        yield Finding(check="keyring", level="note", text="keyring is not installed", fix="pip install keyring")
        return
    except Exception as error:
        text = f"it cannot be asked ({type(error).__name__})"
        yield Finding(check="keyring", level="note", text=text, fix="start or unlock it; until then files are used")
        return
    if priority >= 1:
        yield Finding(check="keyring", level="ok", text=name)
    else:
        text = f"this machine has none ({name}): permits are kept in a file that you alone can read"
        yield Finding(check="keyring", level="note", text=text, fix="VO_AUTH_WALLET=memory keeps nothing on disk")


def wallet() -> Iterator[Finding]:
    """Say whether the wallet can be read, and what logins told of this machine's clock."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            wallet = default_wallet()
            held = wallet.everything()
        except VoAuthError as error:
            text = str(error).partition("\n")[0]
            yield Finding(check="wallet", level="problem", text=text, fix="as it says; then log in again")
            return
    for warning in caught:
        yield Finding(check="wallet", level="problem", text=str(warning.message), fix="log in again where needed")
    kept = sorted({wallet.kept(one) for one in held})
    text = f"{len(held)} permits, kept in {' and '.join(kept)}" if held else "empty"
    yield Finding(check="wallet", level="ok", text=text)
    skews = {one.key.archive: one.server_time - one.obtained.wall for one in held}
    for archive, skew in sorted(skews.items()):
        if abs(skew) > _SKEW:
            text = f"at the last login this machine was {difference(skew)} the clock of {archive}"
            yield Finding(check="clock", level="problem", text=text, fix="set this machine's clock (NTP)")


def files() -> Iterator[Finding]:
    """Say which files with secrets are open to others, or missing where a variable names them."""
    looked_at = 0
    for path, what in _secret_places():
        if not os.path.lexists(path):
            continue
        looked_at += 1
        fault, fix = _fault(path)
        if fault:
            yield Finding(check="files", level="problem", text=f"{what} {path} {fault}", fix=fix)
    for name, path in _named_files():
        if not path.exists():
            yield Finding(check="files", level="problem", text=f"{name}: {path} is not there", fix=f"correct {name}")
    yield Finding(check="files", level="ok", text=f"looked at {looked_at} that hold secrets")


def netrc_entries() -> Iterator[Finding]:
    """Say which entries of netrc other programs would send to an archive in place of a permit."""
    place = netrc_place()
    if place is None:
        yield Finding(check="netrc", level="ok", text="there is none")
        return
    try:
        hosts = netrc.netrc(place).hosts
    except netrc.NetrcParseError as error:  # its text may quote a password
        text = (
            f"{place} cannot be read: something is wrong near line {error.lineno}, and other programs stop there, too"
        )
        yield Finding(check="netrc", level="problem", text=text, fix="correct it there")
        return
    except (OSError, ValueError):
        yield Finding(check="netrc", level="problem", text=f"{place} cannot be read", fix="chmod 600 it, and own it")
        return
    if "default" in hosts:
        text = f"{place} has an entry `default`, which other programs send to every host"
        yield Finding(check="netrc", level="problem", text=text, fix="name the hosts instead")
    ours = {domain.origin.host: archive for archive, _ in default_registry().archives() for domain in archive.domains}
    for host in sorted(set(hosts) & set(ours)):
        text = f"{place} has an entry for {host}: programs without vo_auth send it in place of a permit"
        fix = f"remove it, or let vo_auth use it: sources = {{netrc = 'try'}} for {ours[host].name}"
        yield Finding(check="netrc", level="note", text=text, fix=fix)
    yield Finding(check="netrc", level="ok", text=f"{place} has {len(hosts)} entries")


def _secret_places() -> Iterator[tuple[Path, str]]:
    try:
        home = state_home()
        yield home, "the folder"
        yield from ((path, "the wallet") for path in sorted(home.glob("permits.*")))
        yield home / "written.json", "the list"
    except VoAuthError:
        pass
    for archive, _ in default_registry().archives():
        for known in archive.known.files:
            yield Path(os.path.expanduser(known.path)), f"the file of {archive.name}'s own client"
    for name, path in _named_files():
        yield path, f"{name}:"
    place = netrc_place()
    if place is not None:
        yield place, "netrc"


def _named_files() -> Iterator[tuple[str, Path]]:
    for archive, _ in default_registry().archives():
        for name, value in sorted(os.environ.items()):
            is_path = name.startswith(archive.variable_prefix) and name.endswith(("_FILE", "_CERTIFICATE"))
            if is_path and value and "-----BEGIN" not in value:
                yield name, Path(os.path.expanduser(value))


def _fault(path: Path) -> tuple[str, str]:
    """Return what is wrong with a file's rights, and what to do."""
    try:
        status = path.stat()
    except OSError as error:
        return f"cannot be looked at: {error.strerror}", "correct its folder's rights"
    if os.name != "posix":
        return "", ""
    if stat.S_ISDIR(status.st_mode):
        return ("may be changed by others", f"chmod 700 {path}") if status.st_mode & 0o022 else ("", "")
    if status.st_uid != os.geteuid():
        loose = status.st_mode & 0o022
        return ("belongs to another user, and may be changed", "own it, or copy it") if loose else ("", "")
    return ("is open to other users", f"chmod 600 {path}") if status.st_mode & 0o077 else ("", "")


def difference(skew: float) -> str:
    """Return by how much this machine's clock is wrong, in words.

    Parameters
    ----------
    skew
        Seconds by which the other clock is ahead.

    Examples
    --------
    >>> difference(90000.0), difference(-90.0)
    ('1.0 days behind', '90 s ahead of')
    """
    size = abs(skew)
    text = f"{size / 86400:.1f} days" if size > 86400 else f"{size / 3600:.1f} h" if size > 3600 else f"{size:.0f} s"
    return f"{text} {'behind' if skew > 0 else 'ahead of'}"
