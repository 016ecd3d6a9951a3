"""The user's own configuration file: what is not known of an archive, or differs at the user's place.

``config.toml`` in ``VO_AUTH_HOME``, else in the system's folder for configuration. It holds no secrets. It alone can
name an origin as insecure on purpose, so it is refused when others may write to it.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from .archive import Archive, Flow, Pages
from .domain import Domain
from .errors import ConfigurationError

__all__ = ["Configuration", "read_configuration"]

_LIMIT = 256 * 1024
_SECRETS = ("username", "password", "token", "cookie", "certificate", "client_secret")
_ARCHIVE_KEYS = ("accounts", "domains", "flows", "groups", "insecure_origins", "issuers", "pages", "sources")


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """What the configuration file says.

    Parameters
    ----------
    path
        The file, for messages.
    archives
        The tables ``[archive.NAME]``, by name.
    sources
        The table ``[sources]``: what to do with each source of credentials, for every archive.
    """

    path: Path | None = None
    archives: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    sources: Mapping[str, str] = field(default_factory=dict)

    def applied(self, archive: Archive) -> Archive:
        """Return an archive as the user has configured it.

        Parameters
        ----------
        archive
            As its plugin declares it.

        Returns
        -------
        Archive
            The same one where nothing is configured for it.

        Raises
        ------
        ConfigurationError
            When its table has an unknown key, or a value that makes no sense.
        """
        if self.sources:
            archive = replace(archive, sources={**archive.sources, **self.sources})
        table = self.archives.get(archive.name)
        if not table:
            return archive
        where = f"[archive.{archive.name}] in {self.path}"
        try:
            return _applied(archive, table)
        except (ValueError, TypeError) as error:
            raise ConfigurationError(f"{where}: {error}") from None


def read_configuration() -> Configuration:
    """Read the user's configuration file.

    Returns
    -------
    Configuration
        An empty one where there is no file.

    Raises
    ------
    ConfigurationError
        When the file cannot be read, is not TOML, or other users may write to it.
    """
    path = _place()
    if path is None or not os.path.lexists(path):
        return Configuration()
    import tomllib

    try:
        content = tomllib.loads(_text(path))
    except (ValueError, RecursionError) as error:  # of tomllib, and what is no UTF-8; it names line and column
        raise ConfigurationError(f"The configuration file {path} is not TOML: {error}") from None
    unknown = sorted(set(content) - {"archive", "sources"})
    archives = content.get("archive", {})
    if unknown or not isinstance(archives, dict) or not all(isinstance(table, dict) for table in archives.values()):
        what = f"it has {', '.join(map(repr, unknown))}" if unknown else "[archive] is no table of tables"
        raise ConfigurationError(f"The configuration file {path} has tables [archive.NAME] and [sources] alone: {what}")
    try:
        sources = _modes(content.get("sources", {}))
    except ValueError as error:
        raise ConfigurationError(f"The configuration file {path}: {error}") from None
    return Configuration(path=path, archives=archives, sources=sources)


def _place() -> Path | None:
    if home := os.environ.get("VO_AUTH_HOME"):
        return Path(home).expanduser() / "config.toml"
    try:
        import platformdirs
    except ImportError:  # the wallet says so, where it matters
        return None
    return Path(platformdirs.user_config_path("vo_auth", appauthor=False)) / "config.toml"


def _text(path: Path) -> str:
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
        with os.fdopen(descriptor, "rb") as file:
            _check(os.fstat(file.fileno()), path)
            content = file.read(_LIMIT + 1)
    except ConfigurationError:  # an OSError, too, as all our errors are
        raise
    except OSError as error:
        raise ConfigurationError(f"The configuration file {path} cannot be read: {error.strerror}") from None
    if len(content) > _LIMIT:
        raise ConfigurationError(f"The configuration file {path} is larger than {_LIMIT} bytes: is it the right file?")
    return content.decode("utf-8")


def _check(status: os.stat_result, path: Path) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise ConfigurationError(f"The configuration file {path} is not a plain file")
    if os.name == "posix" and (status.st_mode & 0o022 or status.st_uid not in (os.geteuid(), 0)):
        raise ConfigurationError(
            f"The configuration file {path} can be changed by others, and it decides where permits go: "
            f"chmod go-w {path}"
        )


def _applied(archive: Archive, table: Mapping[str, Any]) -> Archive:
    options = {name: value for name, value in table.items() if name not in _ARCHIVE_KEYS}
    accounts = _table(table, "accounts")
    orders = {label: _order(_table(accounts, label).get("flows"), archive) for label in accounts}
    orders[""] = _order(table.get("flows"), archive)
    return replace(
        archive,
        flows=_configured(archive.flows, options),
        domains=_domains(archive.domains, _list(table, "domains"), _list(table, "insecure_origins")),
        groups=_url(table, "groups") or archive.groups,
        pages=_pages(archive.pages, _table(table, "pages")),
        issuers=_texts(table, "issuers") or archive.issuers,
        account_flows={**archive.account_flows, **{label: names for label, names in orders.items() if names}},
        sources={**archive.sources, **_modes(table.get("sources", {}))},
    )


def _configured(flows: tuple[Flow, ...], options: Mapping[str, Any]) -> tuple[Flow, ...]:
    known = {name for flow in flows for name in getattr(flow, "options", ())}
    for name in options:
        if name in _SECRETS:
            raise ValueError(f"{name!r} does not belong into this file: use `vo-auth login`, a variable or the keyring")
        if name not in known:
            names = ", ".join(sorted({*known, *_ARCHIVE_KEYS}))
            raise ValueError(f"there is no setting {name!r}; there are {names}")
    return tuple(_with_options(flow, options) for flow in flows)


def _with_options(flow: Flow, options: Mapping[str, Any]) -> Flow:
    mine = {name: value for name, value in options.items() if name in getattr(flow, "options", ())}
    configured: Flow = flow.configured(mine) if mine else flow  # type: ignore[attr-defined]  # of flows with options
    return configured


def _order(names: Any, archive: Archive) -> tuple[str, ...]:
    """Return the names of flows in the order in which they are to be tried; empty where nothing is said of it."""
    if names is None:
        return ()
    known = [flow.name for flow in archive.flows]
    if not isinstance(names, list) or not names or any(name not in known for name in names):
        raise ValueError(f"'flows' is a list of flows of {archive.title}; there are {', '.join(map(repr, known))}")
    return tuple(dict.fromkeys(names))


def _domains(declared: tuple[Domain, ...], added: list[Any], insecure: list[Any]) -> tuple[Domain, ...]:
    """Return the declared domains with those of the user, of which one with the same base replaces the declared."""
    domains = {str(domain): domain for domain in declared}
    for item in added:
        domain = _domain(item)
        domains[str(domain)] = domain
    for base in insecure:
        if not isinstance(base, str) or not base.startswith("http://"):
            raise ValueError("'insecure_origins' is a list of origins that begin with http://")
        domain = Domain(base, insecure=True)
        domains[str(domain)] = domain
    return tuple(domains.values())


def _domain(item: Any) -> Domain:
    if isinstance(item, str):
        return Domain(item)
    known = {"base": str, "realm": str, "upgrade_http": bool, "anonymous": list, "audience": list}
    if not isinstance(item, dict) or "base" not in item:
        raise ValueError("'domains' is a list of URLs, or of tables with a 'base'")
    for name, value in item.items():
        if name not in known or not isinstance(value, known[name]):
            raise ValueError(f"a domain has {', '.join(known)}; {name!r} is none of them, or of another type")
    lists = {name: tuple(item[name]) for name in ("anonymous", "audience") if name in item}
    return Domain(**{**item, **lists})


def _pages(declared: Pages, table: Mapping[str, Any]) -> Pages:
    known = [item.name for item in fields(Pages)]
    for name in table:
        if name not in known:
            raise ValueError(f"'pages' has {', '.join(known)}; there is no {name!r}")
    return replace(declared, **{name: _url(table, name) for name in table})


def _table(table: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = table.get(name, {})
    if not isinstance(value, dict):
        raise ValueError(f"{name!r} is a table")  # noqa: TRY004 - said with the file's name by the caller
    return value


def _list(table: Mapping[str, Any], name: str) -> list[Any]:
    value = table.get(name, [])
    if not isinstance(value, list):
        raise ValueError(f"{name!r} is a list")  # noqa: TRY004 - as above
    return value


def _modes(value: object) -> dict[str, str]:
    if value == {}:
        return {}
    from .credentials.modes import checked_modes

    return checked_modes(value)


def _texts(table: Mapping[str, Any], name: str) -> tuple[str, ...]:
    value = _list(table, name)
    if not all(isinstance(item, str) for item in value):
        raise ValueError(f"{name!r} is a list of texts")
    return tuple(value)


def _url(table: Mapping[str, Any], name: str) -> str:
    value = table.get(name, "")
    if not isinstance(value, str) or (value and not value.startswith("https://")):
        raise ValueError(f"{name!r} is an https address")
    return value
