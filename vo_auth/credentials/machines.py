"""User name and password from a netrc file; only where the user wants it."""

from __future__ import annotations

import os
from pathlib import Path

from ..archive import Archive
from ..domain import Origin
from ..errors import UnusableCredentialsError
from ..secret import Secret
from .base import Found, Passed, Wanted
from .files import read_protected

__all__ = ["NetrcSource"]


class NetrcSource:
    """Entries for the hosts of an archive's login and of its data, in the file of ``NETRC`` or in ``~/.netrc``.

    It is asked only where the user says so (``sources``). Only hosts that are reached by https count; the ``default``
    entry is for no host in particular, and never used. Of several entries for one host the last one counts.
    """

    name = "netrc"
    rank = 80
    mode = "never"

    def find(self, wanted: Wanted) -> Found | Passed | None:
        """Return the entry of the first of the archive's hosts that has one for the account.

        Raises
        ------
        UnusableCredentialsError
            When the file is malformed, cannot be read, or is open to others.
        """
        path = _path()
        if path is None or not {"username", "password"} <= set(wanted.flow.asks):
            return None
        if not _is_private(wanted):
            return Passed(f"not used: {wanted.archive.title} is not reached by https alone")
        passed: Passed | None = None
        for host, (user, password) in _entries(path, _hosts(wanted)).items():
            mine = wanted.username or ("" if wanted.is_default else wanted.account)
            if not wanted.serves(user) or (mine and user != mine):
                passed = passed or Passed(f"{path}: the entry of {host} is of another user")
            elif user and password:
                return Found(values={"username": Secret(user), "password": password}, origin=f"{path} ({host})")
            else:
                passed = passed or Passed(f"{path}: the entry of {host} has no login or no password")
        return passed

    def looked_at(self, archive: Archive) -> str:
        """Say which hosts were looked for."""
        hosts = dict.fromkeys(host for flow in archive.flows for host in _hosts(Wanted(archive=archive, flow=flow)))
        if not any({"username", "password"} <= set(flow.asks) for flow in archive.flows):
            return ""
        path = _path()
        if path is None:
            return "there is no netrc file"
        return f"{path} has no entry of {', '.join(hosts)}" if hosts else "no host of this archive is reached by https"


def _path() -> Path | None:
    """Return the file, as requests and curl look for it."""
    named = os.environ.get("NETRC")
    names = [named] if named else ["~/.netrc", *(["~/_netrc"] if os.name == "nt" else [])]
    paths = [Path(os.path.expanduser(name)) for name in names]
    return next((path for path in paths if os.path.lexists(path)), None)


def _is_private(wanted: Wanted) -> bool:
    """Say whether the password would travel by https alone: to the login, or with every request where there is none."""
    logins = [Origin.from_url(url) for url in wanted.flow.login_urls]
    origins = logins or [domain.origin for domain in wanted.archive.domains]
    return all(origin.scheme == "https" for origin in origins)


def _hosts(wanted: Wanted) -> tuple[str, ...]:
    """Return the hosts that an entry may be for: where the flow logs in, then where the data are; https alone."""
    archive = wanted.archive
    logins = [Origin.from_url(url) for url in wanted.flow.login_urls]
    origins = (*logins, *sorted(archive.credential_origins()), *(domain.origin for domain in archive.domains))
    return tuple(dict.fromkeys(origin.host for origin in origins if origin.scheme == "https"))


def _entries(path: Path, hosts: tuple[str, ...]) -> dict[str, tuple[str, Secret]]:
    """Return user names and passwords by host, in the order of the hosts.

    Raises
    ------
    UnusableCredentialsError
        When the file cannot be used; the text names the line and quotes nothing.
    """
    read_protected(path, what="The netrc file")
    entries, line = _parsed(path, hosts)
    if entries is None:  # raised out here: no frame of the traceback holds what is in the file
        where = f"line {line} of the netrc file {path}" if line else f"The netrc file {path}"
        raise UnusableCredentialsError(f"{where[0].upper()}{where[1:]} cannot be understood: correct it")
    return entries


def _parsed(path: Path, hosts: tuple[str, ...]) -> tuple[dict[str, tuple[str, Secret]] | None, int]:
    """Return the entries of the hosts; or None and the number of the line that is wrong, 0 where it is not known."""
    import netrc

    try:
        known = {host.lower(): entry for host, entry in netrc.netrc(str(path)).hosts.items() if host != "default"}
        found = {host: known[host] for host in hosts if host in known}
        return {host: (login or "", Secret(password or "")) for host, (login, _, password) in found.items()}, 0
    except netrc.NetrcParseError as error:
        return None, error.lineno or 0
    except (OSError, ValueError):
        return None, 0
