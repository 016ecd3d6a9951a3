"""Which archive a person means, by its name or by any URL of it."""

from __future__ import annotations

from .archive import Archive
from .domain import Target
from .errors import PluginNotInstalledError
from .registry import default_registry

__all__ = ["find_archive", "find_with_realm"]


def find_archive(archive_or_url: str) -> Archive:
    """Return an archive by its name or by any URL of it.

    Parameters
    ----------
    archive_or_url
        As a person writes it.

    Returns
    -------
    Archive
        The archive.

    Raises
    ------
    PluginNotInstalledError
        When no installed plugin knows it.
    PluginClashError
        When two plugins claim it.
    """
    return find_with_realm(archive_or_url)[0]


def find_with_realm(archive_or_url: str) -> tuple[Archive, str]:
    """Return an archive, and the realm of the domain that is meant.

    Parameters
    ----------
    archive_or_url
        As a person writes it.

    Returns
    -------
    tuple
        The archive and the realm; of a name the realm of its first domain.

    Raises
    ------
    PluginNotInstalledError
        When no installed plugin knows it.
    PluginClashError
        When two plugins claim it.
    """
    registry = default_registry()
    if "://" not in archive_or_url:
        try:
            archive = registry.get(archive_or_url)
        except KeyError:
            raise _unknown(archive_or_url) from None
        return archive, archive.domains[0].realm
    target = Target.from_url(archive_or_url)
    match, secure = registry.find(target), target.secured()
    if match is None and secure is not None:
        match = registry.find(secure)
    if match is None:
        missing = registry.missing(target.origin)
        raise _unknown(missing.name if missing else str(target.origin))
    return match.archive, match.domain.realm


def _unknown(name: str) -> PluginNotInstalledError:
    from .published import PUBLISHED

    for item in PUBLISHED:
        if item.name == name:
            return PluginNotInstalledError(
                f"The plugin for the {item.title} is not installed: pip install {item.distribution}"
            )
    known = ", ".join(archive.name for archive, _ in default_registry().archives()) or "none"
    return PluginNotInstalledError(f"No installed plugin knows {name}; installed archives: {known}")
