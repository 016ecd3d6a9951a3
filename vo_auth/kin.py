"""Errors of ours that are errors of another library as well."""

from __future__ import annotations

from functools import cache
from typing import Any

from .errors import VoAuthError

__all__ = ["akin"]


def akin(error: VoAuthError, kind: type[Exception]) -> VoAuthError:
    """Let an error of ours also be one of a library's own, so that its users treat it as any failed request.

    Parameters
    ----------
    error
        The error; it stays what it was.
    kind
        The library's class.

    Returns
    -------
    VoAuthError
        The same object.
    """
    if not isinstance(error, kind):
        error.__class__ = _both(type(error), kind)  # type: ignore[arg-type]  # classes are hashable
    return error


@cache
def _both(ours: type[VoAuthError], theirs: type[Exception]) -> type[VoAuthError]:
    def plain(self: VoAuthError) -> tuple[Any, ...]:
        return ours, self.args, {name: value for name, value in vars(self).items() if name != "_request"}

    return type(ours.__name__, (ours, theirs), {"__module__": ours.__module__, "__reduce__": plain})
