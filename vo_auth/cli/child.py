"""A program that is handed a permit: its files, its environment, its signals, its exit status."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import FrameType

from ..handoff import clean_environ
from ..registry import default_registry

__all__ = ["Child", "environ_for_children"]

_NOT_FOUND, _NOT_EXECUTABLE = 127, 126  # as shells say it
_ENDING = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))


class Child:
    """A program to come, or that runs: what is secret is removed at its end, also when a signal ends it.

    Only SIGKILL leaves the files behind: in a folder of their owner's alone, in memory where the system has such one.
    """

    def __init__(self) -> None:
        self._signals = _Signals()
        self._folder: Path | None = None

    def __enter__(self) -> Child:
        self._signals.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
        self._signals.end()

    def write(self, name: str, text: str) -> str:
        """Write a file that only its owner reads, and return its path.

        Parameters
        ----------
        name, text
            Of the file.
        """
        if self._folder is None:
            in_memory = os.environ.get("XDG_RUNTIME_DIR", "")
            place = in_memory if os.path.isdir(in_memory) and os.access(in_memory, os.W_OK) else None
            self._folder = Path(tempfile.mkdtemp(prefix="vo-auth-", dir=place))  # made 0700
        path = self._folder / name
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
        return str(path)

    def run(self, command: Sequence[str], *, stdin: str | None = None, environ: Mapping[str, str] | None = None) -> int:
        """Run the program without the variables that hold secrets, and wait for its end.

        Parameters
        ----------
        command
            Program and arguments.
        stdin
            What it reads; None: what this process would.
        environ
            Variables to add.

        Returns
        -------
        int
            The exit status as a shell has it: 128 and the signal's number where a signal ended it, 127 where there is
            no such program, 126 where it cannot be run.
        """
        try:
            process = subprocess.Popen(  # noqa: S603 (the user's own command)
                list(command),
                env={**environ_for_children(), **(environ or {})},
                stdin=subprocess.PIPE if stdin is not None else None,
            )
        except FileNotFoundError:
            sys.stderr.write(f"vo-auth: there is no program {command[0]!r}\n")
            return _NOT_FOUND
        except PermissionError:
            sys.stderr.write(f"vo-auth: {command[0]!r} cannot be executed\n")
            return _NOT_EXECUTABLE
        self._signals.hand_to(process)
        if stdin is not None:
            _feed(process, stdin)
        status = process.wait()
        return 128 - status if status < 0 else status


def environ_for_children() -> dict[str, str]:
    """Return this process's environment without the variables that hold secrets."""
    return clean_environ(os.environ, [archive for archive, _ in default_registry().archives()])


def _feed(process: subprocess.Popen[bytes], text: str) -> None:
    assert process.stdin is not None
    with suppress(BrokenPipeError):
        process.stdin.write(text.encode())
        process.stdin.flush()
    with suppress(BrokenPipeError):
        process.stdin.close()


class _Signals:
    """Hand on what would end this process to its child; its files are removed after the child's end.

    A terminal sends its signals to the child by itself: then they are not sent a second time.
    """

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._waiting: list[int] = []
        self._before: dict[int, object] = {}

    def start(self) -> None:
        if threading.current_thread() is not threading.main_thread():
            return  # no other one may set handlers
        for number in _ENDING:
            if signal.getsignal(number) is not signal.SIG_IGN:  # as nohup says
                self._before[number] = signal.signal(number, self._come)

    def end(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]  # as it was given to us
        for number in self._waiting if self._process is None else ():
            signal.raise_signal(number)

    def hand_to(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        for number in self._waiting:
            process.send_signal(number)

    def _come(self, number: int, _frame: FrameType | None) -> None:
        if self._process is None:
            self._waiting.append(number)
        elif number != signal.SIGINT or not _told_by_terminal():
            self._process.send_signal(number)


def _told_by_terminal() -> bool:
    """Say whether this process and its child are in the foreground of a terminal."""
    if sys.platform == "win32":
        return True
    try:
        with open("/dev/tty", "rb") as terminal:
            return os.tcgetpgrp(terminal.fileno()) == os.getpgrp()
    except OSError:
        return False
