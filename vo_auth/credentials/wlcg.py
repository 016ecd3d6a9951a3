"""WLCG Bearer Token Discovery: the token that a batch system or ``htgettoken`` left for this user.

In exactly the order of the specification (WLCG AuthZ Working Group, "WLCG Bearer Token Discovery", steps 1 to 4).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

from ..archive import Archive
from ..errors import UnusableCredentialsError
from ..secret import Secret
from .base import Found, Passed, Wanted
from .discovered import judged, stripped, takes_tokens, takes_unplaced
from .files import read_protected

__all__ = ["WlcgSource"]

_VALUE, _FILE = "BEARER_TOKEN", "BEARER_TOKEN_FILE"
_LAST_FOLDER = "/tmp"  # noqa: S108 - the specification's; a file there must be the user's own


class WlcgSource:
    """``BEARER_TOKEN``, ``BEARER_TOKEN_FILE``, ``$XDG_RUNTIME_DIR/bt_u$ID``, ``/tmp/bt_u$ID``.

    White space around a token does not count; an empty one leads to the next step; the first that is not empty is the
    token, and no other is tried. It is used for archives alone that name its issuer, or say that they take such
    tokens. On systems without user ids the two variables are looked at.
    """

    name = "wlcg"
    rank = 70

    def find(self, wanted: Wanted) -> Found | Passed | None:
        """Return the token, if it is one for this archive and account.

        Raises
        ------
        UnusableCredentialsError
            When the first that is not empty is no token, or its file cannot be read or is open to others.
        """
        if not takes_tokens(wanted):
            return None
        if not takes_unplaced(wanted.archive):
            return (
                Passed(f"not used: {wanted.archive.title} names no issuer of tokens") if _is_anything_there() else None
            )
        for origin, read in _steps():
            if token := read():
                return judged(wanted, token, origin)
        return None

    def looked_at(self, archive: Archive) -> str:
        """Say where this source looked, for the error that lists every source."""
        if not takes_unplaced(archive) or not any("token" in flow.asks for flow in archive.flows):
            return ""
        return "; ".join([f"not set: {_VALUE}, {_FILE}", *(f"no token in {path}" for path in _paths())])


def _steps() -> Iterator[tuple[str, Callable[[], Secret | None]]]:
    if os.environ.get(_VALUE):
        yield _VALUE, _value
    if path := os.environ.get(_FILE):
        yield f"{_FILE} ({path})", lambda: _content(path, shared=True)
    for place in filter(os.path.lexists, _paths()):
        yield place, lambda place=place: _content(place, shared=False)  # type: ignore[misc]  # the value of now


def _paths() -> list[str]:
    """Return the files of steps 3 and 4; none where there are no user ids."""
    if not hasattr(os, "geteuid"):
        return []
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    folders = [*([runtime] if runtime else []), _LAST_FOLDER]
    return [os.path.join(folder, f"bt_u{os.geteuid()}") for folder in folders]


def _is_anything_there() -> bool:
    return any(os.environ.get(name) for name in (_VALUE, _FILE)) or any(map(os.path.lexists, _paths()))


def _value() -> Secret | None:
    try:
        return stripped(os.environ[_VALUE])
    except ValueError:
        raise UnusableCredentialsError(f"{_VALUE} cannot be used: it is no text in UTF-8") from None


def _content(path: str, *, shared: bool) -> Secret | None:
    return stripped(read_protected(path, what="The bearer token", shared=shared))
