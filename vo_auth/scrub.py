"""Keep what an exception remembers free of secrets."""

from __future__ import annotations

from typing import TypeVar

from .errors import VoAuthError

__all__ = ["scrubbed"]

E = TypeVar("E", bound=BaseException)


def scrubbed(error: E) -> E:
    """Return the exception without the tracebacks of the frames that held the secret.

    The frames of urllib3, http.client and of the code that dressed the request keep the headers in their locals; a
    traceback printed with locals, or a debugger's post mortem, would show them. Raise the result from a frame that
    holds no secret. What an error of ours came from is dropped: it says all there is to say, and a parser's error, say,
    holds the text that could not be parsed.

    Parameters
    ----------
    error
        Any exception; its causes, contexts and the exceptions among its arguments are cut as well.
    """
    if isinstance(error, VoAuthError):
        error.__cause__ = error.__context__ = None
    seen: set[int] = set()
    queue: list[object] = [error]
    while queue:
        item = queue.pop()
        if not isinstance(item, BaseException) or id(item) in seen:
            continue
        seen.add(id(item))
        item.__traceback__ = None
        queue += [item.__cause__, item.__context__, getattr(item, "reason", None), *item.args]
        queue += getattr(item, "exceptions", ())  # of a group
    return error
