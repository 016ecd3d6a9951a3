"""Bodies of answers that came by httpx: one can look into them before the caller reads them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx

from ..scrub import scrubbed
from ..wire import decoded_start

__all__ = ["AsyncBody", "Body", "DRAIN"]

DRAIN = 64 * 1024


class Body(httpx.SyncByteStream):
    """The body of a dressed answer: its first bytes can be looked at, and its errors do not remember the permit."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._parts: Iterator[bytes] | None = None
        self._taken: list[bytes] = []

    def look(self, count: int, encoding: str) -> bytes:
        while True:
            raw = b"".join(self._taken)
            start = decoded_start(raw, encoding, count) if encoding else raw
            part = None if len(start) >= count or len(raw) >= DRAIN else self._next()
            if part is None:
                return start[:count]
            self._taken.append(part)

    def __iter__(self) -> Iterator[bytes]:
        taken, self._taken = self._taken, []
        yield from taken
        while (part := self._next()) is not None:
            yield part

    def _next(self) -> bytes | None:
        outcome = self._outcome()
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    def _outcome(self) -> bytes | BaseException | None:
        try:
            if self._parts is None:
                self._parts = iter(self._stream)
            return next(self._parts, None)
        except BaseException as error:
            return scrubbed(error)

    def close(self) -> None:
        self._stream.close()


class AsyncBody(httpx.AsyncByteStream):
    """The same, in an event loop."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._parts: AsyncIterator[bytes] | None = None
        self._taken: list[bytes] = []

    async def look(self, count: int, encoding: str) -> bytes:
        while True:
            raw = b"".join(self._taken)
            start = decoded_start(raw, encoding, count) if encoding else raw
            part = None if len(start) >= count or len(raw) >= DRAIN else await self._next()
            if part is None:
                return start[:count]
            self._taken.append(part)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        taken, self._taken = self._taken, []
        for part in taken:
            yield part
        while (more := await self._next()) is not None:
            yield more

    async def _next(self) -> bytes | None:
        outcome = await self._outcome()
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    async def _outcome(self) -> bytes | BaseException | None:
        try:
            if self._parts is None:
                self._parts = aiter(self._stream)
            return await anext(self._parts, None)
        except BaseException as error:
            return scrubbed(error)

    async def aclose(self) -> None:
        await self._stream.aclose()
