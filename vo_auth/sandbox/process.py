"""A command inside a sandbox: its start, its signals, its exit status."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING

from .error import SandboxError

if TYPE_CHECKING:
    from .host import Sandbox

__all__ = ["NOT_EXECUTABLE", "NOT_FOUND", "execute", "exit_status", "forwarded_signals", "handled_signals"]

NOT_FOUND = 127  # as shells say it
NOT_EXECUTABLE = 126


def execute(command: Sequence[str], sandbox: Sandbox) -> int:
    """Run a command in a started sandbox and wait for its end.

    Parameters
    ----------
    command
        Program and arguments.
    sandbox
        Whose environment the command gets.

    Returns
    -------
    int
        The exit status as a shell has it: 128 and the signal's number where a signal ended it, 127 where there is no
        such program, 126 where it cannot be run.

    Raises
    ------
    SandboxError
        The command is empty.
    """
    if not command:
        raise SandboxError("there is no command to run: write it behind `--`")
    with forwarded_signals() as forward:  # before the start: a signal may come at once
        try:
            process = subprocess.Popen(list(command), env=sandbox.child_environ())  # noqa: S603 (the user's own command)
        except FileNotFoundError:
            sys.stderr.write(f"vo-auth sandbox: there is no program {command[0]!r}\n")
            return NOT_FOUND
        except PermissionError:
            sys.stderr.write(f"vo-auth sandbox: {command[0]!r} cannot be executed\n")
            return NOT_EXECUTABLE
        forward.to(process.send_signal)
        status = exit_status(process.wait())
    _report_refusals(sandbox)
    return status


def exit_status(returncode: int) -> int:
    """Return the exit status as a shell has it.

    Parameters
    ----------
    returncode
        As ``subprocess`` has it: negative for a signal.

    Returns
    -------
    int

    Examples
    --------
    >>> exit_status(3), exit_status(-15)
    (3, 143)
    """
    return 128 - returncode if returncode < 0 else returncode


class _Forward:
    """Hand signals on to a child; those that come before there is one wait for it."""

    def __init__(self) -> None:
        self._send: Callable[[int], None] | None = None
        self._waiting: list[int] = []

    def to(self, send: Callable[[int], None]) -> None:
        """Name the child by what sends a signal to it."""
        self._send = send
        while self._waiting:
            send(self._waiting.pop(0))

    def hand_on(self, number: int, _frame: FrameType | None) -> None:
        """Be a signal's handler."""
        if number == signal.SIGINT and _terminal_told_the_child():
            return
        if self._send is None:
            self._waiting.append(number)
        else:
            self._send(number)


@contextmanager
def forwarded_signals() -> Iterator[_Forward]:
    """Hand SIGINT and SIGTERM on to a child, in place of ending this process.

    A terminal sends Ctrl-C to the child by itself; then it is not sent a second time.

    Yields
    ------
    _Forward
        Its method ``to`` takes what sends a signal to the child, as soon as there is one.
    """
    forward = _Forward()
    with handled_signals(forward.hand_on):
        yield forward


@contextmanager
def handled_signals(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """Handle SIGINT and SIGTERM for the length of a ``with`` block.

    Parameters
    ----------
    handler
        As ``signal.signal`` takes it.

    Yields
    ------
    None
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may set handlers; its own ones stay in force
        return
    before = {number: signal.signal(number, handler) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)


def _terminal_told_the_child() -> bool:
    """Say whether this process and its child are in the foreground of a terminal."""
    if sys.platform == "win32":
        return True  # a console tells every process that is attached to it
    try:
        with open("/dev/tty", "rb") as terminal:
            return os.tcgetpgrp(terminal.fileno()) == os.getpgrp()
    except OSError:
        return False


def _report_refusals(sandbox: Sandbox) -> None:
    """Say what was refused: some programs, curl among them, do not show the proxy's text."""
    for refusal in dict.fromkeys(entry.refusal for entry in sandbox.proxy_log if entry.refusal):
        sys.stderr.write(f"vo-auth sandbox: {refusal}. It knows: {', '.join(sandbox.hosts)}\n")
