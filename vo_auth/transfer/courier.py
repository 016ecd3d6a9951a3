"""One file, from the first request until it is whole: as many attempts as it takes, each going on where one ended."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import requests
from requests import Response

from ..errors import TransferError
from .body import Body, Tally, pump
from .digests import announced
from .filenames import name_from
from .folder import Folder
from .journal import Entry
from .pages import FIRST, require_data
from .part import DiskError, Part
from .record import Downloaded, Event, Item, Options, key_of, shown
from .reply import Reply, Step, next_step
from .trouble import TransientError, as_trouble, refusal, who_answered
from .unpack import must_unpack
from .whole import DigestError, complete, digest_there, require_end

__all__ = ["Courier"]

_ASKED_ANEW = 3
_SMALL = 1 << 16  # bytes for which nobody looks whether there is room


class _Answer(NamedTuple):
    response: Response
    reply: Reply
    body: Body
    name: str


class Courier:
    """What fetches one file.

    Parameters
    ----------
    item
        The file.
    number
        Which of the list it is.
    folder
        Where to.
    options
        How.
    emit
        Takes events.
    """

    def __init__(
        self, item: Item, number: int, folder: Folder, options: Options, emit: Callable[[Event], None]
    ) -> None:
        self.item = item
        self.key = key_of(item.url)
        self.number = number
        self.shown = shown(item.url)
        self.tally = Tally(number, self.shown)
        self.tally.size = item.size
        self.failures = 0
        self._folder = folder
        self._options = options
        self._emit = emit
        self._began: float | None = None
        self._furthest = 0
        self._is_stopped: Callable[[], bool] = bool
        self._has_read: Callable[[], None] = _do_nothing
        self._is_joined = False
        self._is_doubted = False

    # ---------------------------------------------------------------- an attempt

    def fetch(
        self,
        session: requests.Session,
        buffer: memoryview,
        *,
        is_stopped: Callable[[], bool],
        has_read: Callable[[], None],
    ) -> Downloaded:
        """Try once to bring the file, from where the last attempt ended.

        Parameters
        ----------
        session
            Presents permits where they are due, and renews them.
        buffer
            To read into; nobody else uses it meanwhile.
        is_stopped
            Whether everything is to end.
        has_read
            Is called when nothing more is asked of the host.

        Returns
        -------
        Downloaded
            The file, whole.

        Raises
        ------
        TransientError
            When another attempt may succeed.
        VoAuthError
            When none will.
        """
        self._is_stopped, self._has_read = is_stopped, has_read
        if self._began is None:
            self._began = time.monotonic()
        kept = self._folder.finished(self.key)
        if kept is not None:
            same = self._ask_whether_same(session, kept)
            if same is not None:
                return same
        resumed = None if kept is not None else self._folder.resume(self.key)
        entry, part = resumed or (None, None)
        try:
            if entry is not None and part is not None and 0 < part.size == entry.size:
                return self._complete(entry, part, "")  # killed just before its name was given
            return self._transfer(session, entry, part, buffer)
        except TransientError as error:
            error.has_progressed = self.tally.received > self._furthest
            self._furthest = max(self._furthest, self.tally.received)
            raise
        finally:
            self.tally.end()
            self._folder.leave(self.key)
            if part is not None:
                part.close()

    def present(self, kept: Entry) -> Downloaded:
        """Return a file that is there.

        Raises
        ------
        TransferError
            When it has not the digest that was asked for.
        """
        digest = digest_there(self._folder, kept, wanted=self.item.digest, kind=self._options.digest)
        return replace(self._downloaded(replace(kept, digest=digest)), seconds=0.0, is_new=False)

    def _ask_whether_same(self, session: requests.Session, kept: Entry) -> Downloaded | None:
        """Ask whether the archive still has the version that is there; None when it has another that may replace it."""
        headers = {}
        if kept.etag:
            headers["If-None-Match"] = kept.etag
        elif kept.modified:
            headers["If-Modified-Since"] = kept.modified
        response = self._ask(session, headers)
        reply = Reply.of(response)
        response.close()
        step = next_step(reply, kept, 0)
        if step is None:
            raise refusal(response)
        if step is Step.SAME or _is_unchanged(reply, kept):
            return self.present(kept)
        if not self._options.overwrite:
            raise TransferError(
                f"{who_answered(response)} has another version of {kept.name} by now: "
                "overwrite=True (--overwrite) replaces the one that is there"
            )
        return None

    def _transfer(
        self, session: requests.Session, entry: Entry | None, part: Part | None, buffer: memoryview
    ) -> Downloaded:
        can_resume = entry is not None and part is not None and bool(entry.validator)
        for _ in range(_ASKED_ANEW):
            offset = part.size if part is not None and can_resume else 0
            response = self._ask(session, _range_headers(entry, offset))
            body = Body(response)
            try:
                reply = Reply.of(response)
                step = next_step(reply, entry, offset)
                if step is None:
                    raise refusal(response)
                if step is Step.AGAIN or step is Step.SAME:
                    can_resume = False
                    continue
                if self._is_stopped():
                    raise TransientError("Everything stops")
                name = entry.name if entry else self._name(response)
                answer = _Answer(response, reply, body, name)
                return self._receive(answer, entry, part, buffer, append=step is Step.APPEND)
            finally:
                body.release()
        raise TransientError("The server's answers about parts of the file do not fit together")

    def _ask(self, session: requests.Session, headers: dict[str, str]) -> Response:
        headers["Accept-Encoding"] = "identity"  # parts of a packed form would be parts of something else
        trouble: Exception
        try:
            return session.get(self.item.url, headers=headers, stream=True, timeout=self._options.timeout)
        except Exception as error:
            trouble = as_trouble(error)
        trouble.__context__ = None  # its text, or its request, may hold what is in the URL
        raise trouble

    # ---------------------------------------------------------------- an answer

    def _receive(
        self, answer: _Answer, entry: Entry | None, part: Part | None, buffer: memoryview, *, append: bool
    ) -> Downloaded:
        """Take an answer's content into the part, and make a file of it when it is whole."""
        self.tally.begin(answer.body)
        response, reply, start = answer.response, answer.reply, 0
        if append and entry is not None and part is not None:
            self._is_joined = True
            entry = replace(entry, size=reply.total if entry.size is None else entry.size)
        else:
            start = self._read_start(answer, buffer, entry)
            entry, part = self._begin(answer, entry, part)
        with part:
            self._started(entry, part)
            part.write(buffer[:start])
            self.tally.received = part.size
            self._pump(answer.body, part, buffer, entry.size)
            entry = require_end(response.headers, reply, entry, part)
            self.tally.end()
            answer.body.release()
            self._has_read()
            return self._complete(entry, part, announced(response.headers, is_whole=reply.status == 200))

    def _read_start(self, answer: _Answer, buffer: memoryview, entry: Entry | None) -> int:
        """Read the first bytes, and require that they are data: before a file is made or an old part is dropped."""
        response, reply = answer.response, answer.reply
        start, limit = 0, FIRST if reply.length is None else min(FIRST, reply.length)
        try:
            while start < limit and (count := answer.body.into(buffer[start:limit])):
                start += count
        except Exception as error:
            raise as_trouble(error) from None
        if self.tally.cut_because:
            raise TransientError(self.tally.cut_because, is_the_hosts=True)
        packed = must_unpack(reply.coding, answer.name)
        is_free = self._options.pages or self.item.is_page
        if not is_free:
            require_data(
                response.headers,
                b"" if packed else bytes(buffer[:start]),
                who=who_answered(response),
                name=answer.name,
                from_table=self.item.from_table,
            )
        return start

    def _name(self, response: Response) -> str:
        headers = response.headers
        return name_from(self.item.url, headers.get("Content-Disposition", ""), headers.get("Content-Type", ""))

    def _begin(self, answer: _Answer, entry: Entry | None, part: Part | None) -> tuple[Entry, Part]:
        """Begin the file: anew in the part that is there, or in a new one."""
        reply = answer.reply
        known = Entry(
            url=self.key,
            shown=self.shown,
            state="part",
            size=reply.size,
            etag=reply.etag,
            modified="" if reply.etag else reply.strong_date,
            coding=reply.coding,
            identity=reply.identity,
        )
        self.tally.received, self.tally.size = 0, reply.size
        if (reply.size or 0) > _SMALL:
            self._folder.take_room(self.key, lambda: self.tally.remaining)
        try:
            if entry is None or part is None:
                return self._folder.begin(known, answer.name)
            part.clear()
            known = replace(known, name=entry.name, part=entry.part)
            self._folder.note(known)
            return known, part
        except OSError as error:
            if isinstance(error, TransferError):  # an OSError, too, as all our errors are
                raise
            raise DiskError(f"The file cannot be made: {error.strerror or error}") from None

    def _started(self, entry: Entry, part: Part) -> None:
        self.tally.path, self.tally.size, self.tally.received = entry.name, entry.size, part.size
        self._emit(
            Event(
                kind="started",
                number=self.number,
                url=self.shown,
                path=entry.name,
                received=part.size,
                size=entry.size,
                identity=entry.identity,
            )
        )

    def _pump(self, body: Body, part: Part, buffer: memoryview, end: int | None) -> None:
        try:
            pump(body, part, self.tally, buffer, end=end)
        except DiskError:
            raise
        except Exception as error:
            trouble = as_trouble(error)
            if isinstance(trouble, TransientError):
                trouble = TransientError(self.tally.cut_because or str(trouble), is_the_hosts=True)
            raise trouble from None

    # ---------------------------------------------------------------- a whole file

    def _complete(self, entry: Entry, part: Part, given: str) -> Downloaded:
        """Check what has come, and give it its name."""
        try:
            done = complete(self._folder, entry, part, given=given, wanted=self.item.digest, kind=self._options.digest)
        except DigestError as error:
            if self._is_joined and not self._is_doubted:  # perhaps the parts did not belong together
                self._is_doubted, self._is_joined = True, False
                raise TransientError(str(error)) from None
            raise
        return self._downloaded(done)

    def _downloaded(self, done: Entry) -> Downloaded:
        return Downloaded(
            path=self._folder.path / done.name,
            url=self.item.url,
            size=done.size or 0,
            digest=done.digest,
            seconds=time.monotonic() - (self._began or time.monotonic()),
            identity=done.identity,
            is_proved=done.proved,
        )


def _range_headers(entry: Entry | None, offset: int) -> dict[str, str]:
    if entry is None or not offset:
        return {}
    return {"Range": f"bytes={offset}-", "If-Range": entry.validator}


def _is_unchanged(reply: Reply, kept: Entry) -> bool:
    """Compare with a file that is there, for servers that know no conditions: by validators, else by length."""
    if kept.etag and reply.etag:
        return kept.etag == reply.etag
    if kept.modified and reply.modified and kept.modified != reply.modified:
        return False
    return reply.size is not None and reply.size == kept.size and not reply.coding


def _do_nothing() -> None: ...
