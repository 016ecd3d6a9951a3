"""What one request was really sent with: noted on its response, without the secret."""

from __future__ import annotations

from typing import NamedTuple

from requests import Response

__all__ = ["Sent", "noted", "sent_with"]

_NAME = "_vo_auth_sent"
_ATTRS = [*Response.__attrs__, "__attrs__", _NAME]


class Sent(NamedTuple):
    """What a request was sent with.

    Parameters
    ----------
    archive, account
        Whose permit it was; the archive alone where the request was inside its domain and got none.
    permit
        The kind of the permit; empty for none.
    why
        Why there was none.
    """

    archive: str = ""
    account: str = ""
    permit: str = ""
    why: str = ""


def noted(response: Response, sent: Sent) -> Response:
    """Note on a response what its request was sent with; the note is pickled and copied with the response.

    Parameters
    ----------
    response
        A response of ``requests``, or of a subclass.
    sent
        What to note.

    Returns
    -------
    requests.Response
        The same.
    """
    attributes = _ATTRS
    if response.__attrs__ is not Response.__attrs__:  # a subclass keeps more, or another edge noted before
        attributes = list(dict.fromkeys([*response.__attrs__, "__attrs__", _NAME]))
    response.__attrs__ = attributes
    setattr(response, _NAME, tuple(sent))  # plain: a pickle of it loads where vo_auth is not installed
    return response


def sent_with(response: Response) -> Sent | None:
    """Return the note; None for a response that no session of vo_auth has brought."""
    sent = getattr(response, _NAME, None)
    return Sent(*sent) if isinstance(sent, tuple) and len(sent) == len(Sent._fields) else None
