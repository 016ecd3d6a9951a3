"""What a person sees of a download: bars in a terminal, plain lines elsewhere, events for programs."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from ..transfer import Downloaded, Event, Failed

__all__ = ["Display", "display_for"]

_OFTEN = 1.0  # seconds


def display_for(*, as_json: bool, quiet: bool) -> Display:
    """Return the display that fits the terminal and what was asked for."""
    if as_json:
        return _Events()
    if quiet:
        return Display()
    return _Bars() if sys.stderr.isatty() else _Lines()


class Display:
    """Show nothing but what failed."""

    def begin(self, count: int) -> None:
        """Say how many files there are."""

    def show(self, event: Event) -> None:
        """Show what happened."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        return None

    def close(self, there: Sequence[Downloaded], failed: Sequence[Failed]) -> None:
        """Say how it ended."""
        from ..transfer import shown

        for one in failed:
            sys.stderr.write(f"vo-auth: {shown(one.url)}: {one.reason}\n")


class _Events(Display):
    """Print events as JSON; how far a file is, once a second."""

    def __init__(self) -> None:
        self._told: dict[int, float] = {}

    def show(self, event: Event) -> None:
        if event.kind == "progress":
            now = time.monotonic()
            if now - self._told.get(event.number, -_OFTEN) < _OFTEN:
                return
            self._told[event.number] = now
        sys.stdout.write(json.dumps(event.to_record()) + "\n")
        sys.stdout.flush()

    def close(self, there: Sequence[Downloaded], failed: Sequence[Failed]) -> None:
        total = {
            "kind": "total",
            "files": len(there) + len(failed),
            "there": len(there),
            "fetched": sum(one.is_new for one in there),
            "failed": len(failed),
            "bytes": sum(one.size for one in there if one.is_new),
        }
        sys.stdout.write(json.dumps(total) + "\n")


class _Lines(Display):
    """Print one line for each file that is there, for programs; the rest goes to standard error."""

    def show(self, event: Event) -> None:
        if event.kind in ("finished", "present"):
            cells = (event.path, str(event.size), f"{event.seconds:.1f}", event.kind, event.digest)
            sys.stdout.write("\t".join(cells).rstrip() + "\n")
            sys.stdout.flush()
        if event.kind == "waiting" or (event.kind == "renewed" and event.text):
            _say(event)
        elif event.kind == "finished" and event.text:
            sys.stderr.write(f"vo-auth: {event.path}: {event.text}\n")

    def close(self, there: Sequence[Downloaded], failed: Sequence[Failed]) -> None:
        super().close(there, failed)
        sys.stderr.write(f"vo-auth: {_summary(there, failed)}\n")


def _say(event: Event) -> None:
    again = f"; again in {event.seconds:.0f} s" if event.kind == "waiting" else ""
    about = f"{event.path or event.url}: " if event.number >= 0 else ""
    sys.stderr.write(f"vo-auth: {about}{event.text}{again}\n")


def _summary(there: Sequence[Downloaded], failed: Sequence[Failed]) -> str:
    new = [one for one in there if one.is_new]
    parts = [f"{len(new)} fetched ({_bytes(sum(one.size for one in new))})"]
    if len(there) > len(new):
        parts.append(f"{len(there) - len(new)} there before")
    if failed:
        parts.append(f"{len(failed)} failed")
    return ", ".join(parts)


def _bytes(count: float) -> str:
    for unit in ("bytes", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "bytes" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


class _Bars(Display):
    """Show a bar for each file under way and one for all, on standard error."""

    def __init__(self) -> None:
        from rich.console import Console

        self._console = Console(stderr=True)
        self._progress: Progress | None = None
        self._tasks: dict[int, TaskID] = {}
        self._seen: dict[int, tuple[int, int | None]] = {}
        self._all: TaskID | None = None
        self._count = self._done = self._unseen = self._renewed = 0  # unseen: ended without a byte of now

    def begin(self, count: int) -> None:
        self._count = count

    def _started(self) -> Progress:
        """Begin with the bars when there is something to show: a person may be asked for a password before."""
        if self._progress is None:
            from rich.progress import (
                BarColumn,
                DownloadColumn,
                Progress,
                TextColumn,
                TimeRemainingColumn,
                TransferSpeedColumn,
            )

            self._progress = Progress(
                TextColumn("{task.description}", markup=False),  # names are a server's words
                BarColumn(bar_width=None),
                DownloadColumn(),
                TransferSpeedColumn(),
                TimeRemainingColumn(compact=True),
                console=self._console,
                transient=True,
            )
            self._all = self._progress.add_task(self._title(), total=None)
            self._progress.start()
        return self._progress

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._progress is not None:
            self._progress.stop()

    def show(self, event: Event) -> None:
        if event.number >= 0 and event.kind in ("started", "progress", "finished"):
            self._seen[event.number] = (event.received, event.size)
        if event.kind in ("started", "progress"):
            self._advance(event)
        elif event.kind in ("finished", "present", "failed"):
            self._end(event)
        elif event.kind == "renewed":
            self._renewed += 1
        elif event.kind == "waiting":
            self._print(f"{event.path or event.url}: {event.text}; again in {event.seconds:.0f} s")
        if self._progress is not None and self._all is not None:
            received = sum(bytes_there for bytes_there, _ in self._seen.values())
            sizes = [size for _, size in self._seen.values()]
            known = len(sizes) + self._unseen == self._count and None not in sizes
            total = sum(size or 0 for size in sizes) if known else None
            self._progress.update(self._all, completed=received, total=total, description=self._title())

    def _advance(self, event: Event) -> None:
        progress = self._started()
        if event.number not in self._tasks:
            self._tasks[event.number] = progress.add_task(_short(event.path), total=event.size)
        progress.update(self._tasks[event.number], completed=event.received, total=event.size)

    def _end(self, event: Event) -> None:
        self._done += 1
        self._unseen += event.number not in self._seen
        task = self._tasks.pop(event.number, None)
        if task is not None and self._progress is not None:
            self._progress.remove_task(task)
        if event.kind == "failed":
            self._print(f"{event.path or event.url}: {event.text}")
        elif event.kind == "finished":
            note = f" ({event.text})" if event.text else ""
            self._print(f"{event.path}  {_bytes(event.size or 0)}{note}")

    def _print(self, text: str) -> None:
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)

    def _title(self) -> str:
        renewed = f", {self._renewed} renewals" if self._renewed else ""
        return f"{self._done}/{self._count} files{renewed}"

    def close(self, there: Sequence[Downloaded], failed: Sequence[Failed]) -> None:
        from rich.table import Table
        from rich.text import Text

        from ..transfer import shown

        if failed:
            table: Any = Table("not there", "why", box=None, pad_edge=False)
            for one in failed:
                table.add_row(Text(shown(one.url), overflow="fold"), Text(one.reason))
            self._console.print(table)
        self._console.print(_summary(there, failed), highlight=False)


def _short(name: str) -> str:
    return name if len(name) <= 30 else f"{name[:14]}…{name[-15:]}"
