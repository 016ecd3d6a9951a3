"""What goes wrong on the way to a file: what another attempt may mend, and what nothing will."""

from __future__ import annotations

import http.client
import ssl
from collections.abc import Iterator
from urllib.parse import urlsplit

import requests
from requests import Response
from urllib3.exceptions import HTTPError

from ..errors import LoginUnreachableError, TransferError, VoAuthError
from ..registry import default_registry
from ..sent import sent_with
from .reply import retry_after

__all__ = ["StatusError", "TransientError", "as_trouble", "refusal", "who_answered"]


_TRANSIENT = frozenset({408, 425, 429, 502, 503, 504})
_OF_THE_HOST = frozenset({429, 502, 503, 504})
_DEEP = 12
_BROKEN = (requests.ConnectionError, requests.exceptions.ChunkedEncodingError, http.client.HTTPException, HTTPError)


class TransientError(Exception):
    """An attempt failed in a way that another one may mend.

    Parameters
    ----------
    reason
        For a person; without secrets.
    wait
        Seconds that the server asked to wait; None where it did not.
    is_the_hosts
        Whether other files of the same host would fare alike.
    status
        The HTTP status, where there was one.

    Attributes
    ----------
    has_progressed
        Whether the attempt came further than all before it.
    """

    def __init__(
        self,
        reason: str,
        *,
        wait: float | None = None,
        is_the_hosts: bool = False,
        status: int | None = None,
    ) -> None:
        super().__init__(reason)
        self.wait = wait
        self.is_the_hosts = is_the_hosts
        self.has_progressed = False
        self.status = status


class StatusError(TransferError):
    """The archive's HTTP status is why.

    Parameters
    ----------
    message
        Why, and what to do.
    status
        Which one.
    """

    def __init__(self, message: str, *, status: int) -> None:
        super().__init__(message)
        self.status = status


def as_trouble(error: Exception) -> Exception:
    """Return what an exception of a request or of reading means: transient, or the end for this file.

    Parameters
    ----------
    error
        Any; its own text may hold a whole URL.

    Returns
    -------
    Exception
        A ``TransientError``, or a ``VoAuthError``.
    """
    if isinstance(error, LoginUnreachableError):
        return TransientError(_line(error), wait=error.retry_after, is_the_hosts=True)
    if isinstance(error, VoAuthError | TransientError):
        return error
    return _of_the_connection(error, _innermost(error))


def _of_the_connection(error: Exception, inner: BaseException) -> Exception:
    if isinstance(inner, ssl.SSLCertVerificationError):
        return TransferError(f"The server's certificate is not trusted: {inner.verify_message}")
    if isinstance(error, requests.Timeout | TimeoutError) or isinstance(inner, TimeoutError):
        return TransientError("The server does not answer in time", is_the_hosts=True)
    if isinstance(error, requests.TooManyRedirects):
        return TransferError("It leads from one redirect to the next without end")
    if isinstance(error, _BROKEN) or (isinstance(error, OSError) and not isinstance(error, requests.RequestException)):
        return TransientError(f"The connection broke: {_words(inner)}", is_the_hosts=True)
    if isinstance(error, requests.RequestException | ValueError):
        return TransferError(f"It cannot be asked for: {type(error).__name__}")
    return error


def _words(error: BaseException) -> str:
    """Say what is wrong without quoting anything that may hold a URL."""
    if isinstance(error, http.client.IncompleteRead | http.client.RemoteDisconnected):
        return "it was closed early"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return type(error).__name__


def _innermost(error: BaseException) -> BaseException:
    """Return the last of what an exception came from: requests wraps urllib3, which wraps the system's."""
    found = error
    for _ in range(_DEEP):
        deeper = next(_within(found), None)
        if deeper is None:
            break
        found = deeper
    return found


def _within(error: BaseException) -> Iterator[BaseException]:
    for item in (getattr(error, "reason", None), *error.args, error.__cause__, error.__context__):
        if isinstance(item, BaseException) and item is not error:
            yield item


def _line(error: Exception) -> str:
    return str(error).partition("\n")[0]


def who_answered(response: Response) -> str:
    """Return whose answer it is, for messages: the archive's title, or the host.

    Parameters
    ----------
    response
        From any session.
    """
    sent = sent_with(response)
    if sent is not None and sent.archive:
        try:
            return default_registry().get(sent.archive).title
        except KeyError:
            return sent.archive
    return urlsplit(response.url).hostname or "The server"


def refusal(response: Response) -> Exception:
    """Return what a status that is no success means.

    Parameters
    ----------
    response
        The answer.

    Returns
    -------
    Exception
        A ``TransientError`` or a ``TransferError``.
    """
    status, who = response.status_code, who_answered(response)
    wait = retry_after(response.headers)
    named = f"{status} {http.client.responses.get(status, '')}".strip()
    if status in _TRANSIENT or (status == 202 and wait is not None):
        return TransientError(f"{who} answers {named}", wait=wait, is_the_hosts=status in _OF_THE_HOST, status=status)
    if status in (401, 403):
        return StatusError(f"{who} answers {named}: {_rights(response)}", status=status)
    if status in (202, 204):
        return StatusError(f"{who} answers {named}: there is nothing to fetch, or not yet", status=status)
    return StatusError(f"{who} answers {named}", status=status)


def _rights(response: Response) -> str:
    sent = sent_with(response)
    if sent is not None and sent.permit:
        return f"account {sent.account or '(no name)'} has no right to it"
    if sent is not None and sent.archive:
        return f"it is not for everybody; log in with `vo-auth login {sent.archive}`"
    return "it is not for everybody, and no permit is known for that host"
