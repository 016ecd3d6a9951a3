"""The workers of a download, and who watches them: one thread for each, while the caller's own shows what happens."""

from __future__ import annotations

import contextvars
import threading
import time
from collections import deque
from collections.abc import Sequence

from ..errors import (
    CredentialsError,
    CredentialsRejectedError,
    DownloadError,
    LoginAnswerError,
    LoginInProgressError,
    LoginUnreachableError,
    MissingDependencyError,
    PermitError,
    PluginError,
    TransferError,
    VoAuthError,
)
from ..scrub import scrubbed
from .body import BLOCK
from .courier import Courier
from .folder import Folder
from .part import DiskError
from .record import Downloaded, Event, Item, Options, Progress, host_of
from .rota import Rota, backoff
from .sessions import Sessions
from .trouble import StatusError, TransientError

__all__ = ["Crew"]

_TICK = 0.1
_JOIN = 10.0
_FINISHING = 2  # workers that bring files to their end while others already ask for the next
# What every other file of the same archive would meet, too.
_OF_THE_ARCHIVE = (
    CredentialsError,
    LoginAnswerError,
    LoginInProgressError,
    MissingDependencyError,
    PermitError,
    PluginError,
)


class _Turn:
    """A task's turn with its host; it ends once, as soon as nothing more is asked."""

    def __init__(self, rota: Rota[Courier], host: str) -> None:
        self._rota = rota
        self._host = host
        self._is_over = False

    def end(self) -> None:
        if not self._is_over:
            self._is_over = True
            self._rota.free(self._host)


class Crew:
    """Fetch files, several at once.

    Parameters
    ----------
    items
        The files, each URL once.
    folder
        Where to.
    sessions
        Whom to ask through.
    options
        How.
    progress
        Is told what happens, in the thread that calls :meth:`run`.
    """

    def __init__(
        self, items: Sequence[Item], folder: Folder, sessions: Sessions, options: Options, progress: Progress
    ) -> None:
        self._folder = folder
        self._sessions = sessions
        self._options = options
        self._progress = progress
        self._events: deque[Event] = deque()  # looked at now and then: waking somebody up for each would cost more
        self._over = threading.Event()
        self._working = 0
        self._couriers = [
            Courier(item, number, folder, options, self._events.append) for number, item in enumerate(items)
        ]
        self._groups: dict[int, str] = {}
        self._barred: dict[str, VoAuthError] = {}
        self._given_up: dict[str, str] = {}
        self._active: set[Courier] = set()
        self._guard = threading.Lock()
        self._crash: BaseException | None = None
        self._last: VoAuthError | None = None
        self._told: dict[int, int] = {}
        self.results: dict[int, Downloaded | VoAuthError] = {}

    def run(self) -> None:
        """Fetch all; what becomes of each is in ``results`` by its number.

        Raises
        ------
        DownloadError
            When there is no room for what is to come, as far as that is known.
        KeyboardInterrupt
            As soon as every part is left in order.
        """
        waiting = [courier for courier in self._couriers if not self._is_there(courier)]
        self._require_room(waiting)
        self._prepare(waiting)
        waiting = [courier for courier in waiting if courier.number not in self.results]
        tasks = [(host_of(courier.item.url), courier) for courier in waiting]
        options = self._options
        self._rota: Rota[Courier] = Rota(tasks, at_once=options.workers, per_host=options.per_host)
        threads = [
            threading.Thread(target=contextvars.copy_context().run, args=(self._work,), daemon=True)
            for _ in range(min(options.workers + _FINISHING, len(waiting)))
        ]
        self._working = len(threads)
        try:
            for thread in threads:
                thread.start()
            while threads and not self._over.wait(_TICK):
                self._watch()
        except BaseException:
            self._stop()
            raise
        finally:
            self._rota.stop()
            deadline = time.monotonic() + _JOIN
            for thread in threads:
                if thread.ident is not None:
                    thread.join(max(deadline - time.monotonic(), 0.0))
        self._drain()
        if self._crash is not None:
            raise self._crash
        for courier in waiting:
            if courier.number not in self.results:
                self._fail(courier, self._last or TransferError("It was not tried"))
        self._drain()

    # ---------------------------------------------------------------- before

    def _is_there(self, courier: Courier) -> bool:
        """Settle a file that needs no request."""
        if courier.item.problem:
            self._fail(courier, TransferError(courier.item.problem))
            return True
        kept = self._folder.finished(courier.key)
        if kept is None or self._options.check:
            return False
        foreseen = self._sessions.foresee(courier.item.url) if kept.identity else ""
        if foreseen and foreseen not in kept.identity.split():
            return False  # it was fetched by somebody else: asked again, for this account
        try:
            there = courier.present(kept)
        except TransferError as error:
            self._fail(courier, error)
        else:
            self.results[courier.number] = there
            self._events.append(self._event(courier, "present", there))
        self._drain()
        return True

    def _require_room(self, waiting: list[Courier]) -> None:
        known = sum(courier.item.size or 0 for courier in waiting)
        for courier in waiting if known else ():
            entry = self._folder.journal.find(courier.key)
            if entry is not None and entry.state == "part":
                part = self._folder.path / entry.part
                known -= min(part.stat().st_size, courier.item.size or 0) if part.exists() else 0
        free = self._folder.free() if known else 0
        if known > free:
            raise DownloadError(
                f"There is no room for these files: {known:,} bytes are to come, and {free:,} are free in "
                f"{self._folder.path}; nothing was fetched"
            )

    def _prepare(self, waiting: list[Courier]) -> None:
        """Obtain the permits while there is one thread alone: a person may be asked, and a rejection ends it all."""
        for courier in waiting:
            url = courier.item.url
            group = self._groups[courier.number] = self._sessions.group(url)
            if group in self._barred:
                self._fail(courier, self._barred[group])
                continue
            try:
                self._sessions.prepare(url)
            except ValueError:
                self._fail(courier, TransferError("It is no URL that can be asked for"))
            except LoginUnreachableError:
                continue  # the attempts will try again
            except VoAuthError as error:
                self._fail(courier, error)
                if isinstance(error, CredentialsRejectedError):
                    self._last = error
                    for other in waiting:
                        if other.number not in self.results:
                            self._fail(other, error)
                    break
                if isinstance(error, _OF_THE_ARCHIVE):
                    self._barred[group] = error
        self._drain()

    # ---------------------------------------------------------------- in a worker

    def _work(self) -> None:
        try:
            self._work_on()
        finally:
            with self._guard:
                self._working -= 1
                if not self._working:
                    self._over.set()

    def _work_on(self) -> None:
        buffer = memoryview(bytearray(BLOCK))
        while (taken := self._rota.take()) is not None:
            host, courier = taken
            with self._guard:
                self._active.add(courier)
            try:
                self._attempt(host, courier, buffer)
            except BaseException as error:
                self._crash = error
                self._stop()
            finally:
                with self._guard:
                    self._active.discard(courier)

    def _attempt(self, host: str, courier: Courier, buffer: memoryview) -> None:
        url, group = courier.item.url, self._groups[courier.number]
        barred = self._barred.get(group)
        turn = _Turn(self._rota, host)
        try:
            if barred is not None:
                raise barred
            if host in self._given_up:
                raise TransferError(self._given_up[host])
            session = self._sessions.get(url, group=group)
            done = courier.fetch(session, buffer, is_stopped=lambda: self._rota.is_stopped, has_read=turn.end)
        except TransientError as error:
            turn.end()
            self._later(host, courier, error)
        except VoAuthError as error:
            turn.end()
            self._settle_failed(host, courier, group, error)
        else:
            turn.end()
            self.results[courier.number] = done
            self._rota.settle(host)
            self._events.append(self._event(courier, "finished" if done.is_new else "present", done))
            if done.identity and self._sessions.is_renewed(url):
                self._events.append(Event(kind="renewed", text=f"the permit of {done.identity} was renewed"))

    def _settle_failed(self, host: str, courier: Courier, group: str, error: VoAuthError) -> None:
        if isinstance(error, CredentialsRejectedError | DiskError):
            self._last = error  # before the stop: what is left is reported with it
            self._stop()
        elif isinstance(error, _OF_THE_ARCHIVE):
            self._barred.setdefault(group, error)
        self._fail(courier, error)
        self._rota.settle(host, is_well=isinstance(error, StatusError))

    def _later(self, host: str, courier: Courier, error: TransientError) -> None:
        """Try again, unless there was enough of that."""
        options, reason = self._options, str(error)
        if self._rota.is_stopped:
            self._rota.put_back(host, courier, 0.0)
            return
        courier.failures = 1 if error.has_progressed else courier.failures + 1
        failures = 0
        if error.has_progressed:
            self._rota.well(host)
        elif error.is_the_hosts:
            failures = self._rota.ail(host, wait=error.wait, pause=options.pause, longest=options.longest)
        if error.wait is not None and error.wait > options.longest:
            self._given_up[host] = f"{reason}: it asks to come back in {error.wait:,.0f} s"
        elif failures > options.retries:
            self._given_up[host] = f"{reason}; given up after {failures} attempts"
        if host in self._given_up or courier.failures > options.retries:
            text = self._given_up.get(host) or f"{reason}; given up after {courier.failures} attempts"
            self._fail(courier, StatusError(text, status=error.status) if error.status else TransferError(text))
            self._rota.settle(host, is_well=False)
            return
        wait = error.wait
        if wait is None:
            wait = backoff(courier.failures, pause=options.pause, longest=options.longest)
        self._events.append(
            Event(
                kind="waiting",
                number=courier.number,
                url=courier.shown,
                path=courier.tally.path,
                received=courier.tally.received,
                size=courier.tally.size,
                seconds=wait,
                text=reason,
            )
        )
        self._rota.put_back(host, courier, wait)

    def _fail(self, courier: Courier, error: VoAuthError) -> None:
        self.results[courier.number] = scrubbed(error)  # its frames hold the URL, and a buffer
        text = str(error).partition("\n")[0]
        self._events.append(
            Event(kind="failed", number=courier.number, url=courier.shown, path=courier.tally.path, text=text)
        )

    @staticmethod
    def _event(courier: Courier, kind: str, done: Downloaded) -> Event:
        return Event(
            kind="finished" if kind == "finished" else "present",
            number=courier.number,
            url=courier.shown,
            path=done.path.name,
            received=done.size,
            size=done.size,
            seconds=done.seconds,
            digest=done.digest,
            identity=done.identity,
            text="" if done.is_proved else "its length was not announced: whether it is whole cannot be told",
        )

    # ---------------------------------------------------------------- in the caller's thread

    def _stop(self) -> None:
        self._rota.stop()
        with self._guard:
            active = list(self._active)
        for courier in active:
            courier.tally.cut("Everything stops")

    def _watch(self) -> None:
        """Show what happened, and cut what stalls."""
        self._drain()
        now = time.monotonic()
        with self._guard:
            active = list(self._active)
        for courier in active:
            tally = courier.tally
            if tally.moved is not None and now - tally.moved > self._options.stall:
                tally.cut(f"No data came for {self._options.stall:.0f} s")
            if tally.path and self._told.get(tally.number) != tally.received:
                self._told[tally.number] = tally.received
                self._progress(
                    Event(
                        kind="progress",
                        number=tally.number,
                        url=tally.url,
                        path=tally.path,
                        received=tally.received,
                        size=tally.size,
                    )
                )

    def _drain(self) -> None:
        while self._events:
            self._progress(self._events.popleft())
