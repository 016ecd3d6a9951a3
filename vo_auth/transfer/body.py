"""The content of an answer, read in large blocks into one buffer, as it was sent: nothing is unpacked on the way."""

from __future__ import annotations

import http.client
import time
from contextlib import suppress
from typing import Any

from requests import Response

from .part import Part

__all__ = ["BLOCK", "Body", "CutError", "Tally", "pump"]

BLOCK = 1 << 18
_SMALLEST = 1 << 14  # what one TLS record holds
_FAST, _SLOW = 0.05, 1.0
# Seconds for a block from which on naps are taken, and how long: what gathers meanwhile (0.4 of a block, 100 KiB) fits
# into the window of a connection.
_WAITED, _NAP, _LONGEST_NAP = 0.005, 0.4, 0.006


class CutError(OSError):
    """The transfer was cut from outside: it stalled, or everything stops."""


class Tally:
    """How far one file is; read by the thread that watches, which may cut it.

    Parameters
    ----------
    number
        Which file of the list.
    url
        Masked.
    """

    def __init__(self, number: int, url: str) -> None:
        self.number = number
        self.url = url
        self.path = ""
        self.received = 0
        self.size: int | None = None
        self.moved: float | None = None  # when data came last; None while none is due
        self.cut_because = ""
        self._body: Body | None = None

    @property
    def remaining(self) -> int:
        """Bytes that are still to come, as far as that is known."""
        return max((self.size or 0) - self.received, 0)

    def begin(self, body: Body) -> None:
        """Note that content is due."""
        self._body = body
        self.cut_because = ""
        self.moved = time.monotonic()

    def end(self) -> None:
        """Note that none is due any more."""
        self.moved = None
        self._body = None

    def cut(self, why: str) -> None:
        """End the transfer from another thread; whoever reads gets a ``CutError``."""
        body = self._body
        if body is not None and not self.cut_because:
            self.cut_because = why  # first: what is read after the end of the connection is not to be trusted
            body.shut_down()


class Body:
    """The content of one answer.

    Parameters
    ----------
    response
        Not read yet (``stream=True``).
    """

    def __init__(self, response: Response) -> None:
        self._response = response
        self._raw: Any = response.raw
        self._is_released = False
        # Beneath urllib3, whose read() makes a new object of each block. Only where it is what we know.
        inner = getattr(self._raw, "_fp", None)
        self._direct = inner if isinstance(inner, http.client.HTTPResponse) else None

    def into(self, view: memoryview) -> int:
        """Fill a buffer as far as content comes.

        Parameters
        ----------
        view
            Where to.

        Returns
        -------
        int
            Bytes that were read; 0 at the end.

        Raises
        ------
        OSError, http.client.HTTPException, urllib3.exceptions.HTTPError
            When the connection breaks.
        """
        if self._direct is not None:
            return self._direct.readinto(view) if not self._direct.isclosed() else 0
        data = self._raw.read(len(view), decode_content=False) or b""
        view[: len(data)] = data
        return len(data)

    def release(self) -> None:
        """Give the connection back for the next request, if the content was read to its end; else close it."""
        if self._is_released:
            return
        self._is_released = True
        if self._direct is not None and self._direct.isclosed():
            self._raw.release_conn()
        self._response.close()

    def shut_down(self) -> None:
        """Wake up the thread that reads."""
        with suppress(Exception):
            self._raw.shutdown()  # urllib3 2.3 and later
            return
        with suppress(Exception):
            self._raw._connection.sock.close()


def pump(body: Body, part: Part, tally: Tally, buffer: memoryview, *, end: int | None) -> None:
    """Read content into a part until its end.

    Small blocks at first and from slow servers, so that little is lost when they break off.

    Parameters
    ----------
    body, part, tally
        From where, to where, and how far.
    buffer
        To read into.
    end
        The size that the part will have; None where that is not known.

    Raises
    ------
    CutError
        When the transfer was cut.
    OSError, http.client.HTTPException, urllib3.exceptions.HTTPError
        When the connection breaks.
    DiskError
        When the disk does not take it.
    """
    block, elapsed = _SMALLEST, 0.0
    while end is None or part.size < end:
        began = time.monotonic()
        if elapsed > _WAITED:  # it is slower than we are: woken up for each packet, we would only be in its way
            time.sleep(min(elapsed * _NAP, _LONGEST_NAP))
        wanted = block if end is None else min(block, end - part.size)
        count = body.into(buffer[:wanted])
        if tally.cut_because:
            raise CutError(tally.cut_because)
        if not count:
            return
        part.write(buffer[:count])
        tally.received = part.size
        tally.moved = now = time.monotonic()
        elapsed = now - began
        if elapsed < _FAST:
            block = min(block * 2, len(buffer))
        elif elapsed > _SLOW:
            block = max(block // 2, _SMALLEST)
