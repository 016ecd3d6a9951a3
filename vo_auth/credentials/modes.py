"""Which sources are asked: try, require or never, by the user's configuration and by argument."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ..archive import Archive
from .base import CredentialSource

__all__ = ["BUILT_IN", "checked_modes", "checked_names", "mode_of"]

# The sources that vo_auth brings, in the order in which they are asked; plugins bring more.
BUILT_IN = (
    "environment",
    "this process",
    "kept password",
    "keyring",
    "files",
    "wlcg",
    "oidc-agent",
    "platform",
    "netrc",
    "prompt",
)
_MODES = ("try", "require", "never")


def checked_modes(sources: object) -> dict[str, str]:
    """Return what a user says of sources, as far as the values make sense.

    Parameters
    ----------
    sources
        Names of sources, each with ``try``, ``require`` or ``never``.

    Raises
    ------
    ValueError
        When a value is none of these.
    """
    if not isinstance(sources, Mapping):
        raise ValueError("'sources' has names of sources, each with 'try', 'require' or 'never'")  # noqa: TRY004 - said with the file's name by the caller
    for name, mode in sources.items():
        if mode not in _MODES:
            raise ValueError(f"the source {name!r} is 'try', 'require' or 'never', not {mode!r}")
    return dict(sources)


def checked_names(names: Iterable[str], known: Iterable[str]) -> None:
    """Refuse names of sources that do not exist.

    Parameters
    ----------
    names
        As the user writes them.
    known
        Those that exist beside the built-in ones.

    Raises
    ------
    ValueError
        When one is not known; it lists those that are.
    """
    there = tuple(dict.fromkeys((*BUILT_IN, *known)))
    for name in names:
        if name not in there:
            raise ValueError(f"there is no source {name!r}; there are {', '.join(map(repr, there))}")


def mode_of(source: CredentialSource, archive: Archive) -> str:
    """Return what to do with a source for an archive: what the user says, else what the source itself says."""
    return archive.sources.get(source.name) or str(getattr(source, "mode", "try"))
