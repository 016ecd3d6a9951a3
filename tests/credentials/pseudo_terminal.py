"""A program before a real terminal."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress


class Pty:
    """Its standard output is a pipe, as in ``TOKEN=$(vo-auth token …)``."""

    def __init__(self, program: str, *arguments: str, environment: Mapping[str, str] | None = None) -> None:
        import pty

        self.ours, theirs = pty.openpty()

        def take_terminal() -> None:
            import fcntl
            import termios

            signal.signal(signal.SIGINT, signal.SIG_DFL)  # ignored where a shell started us in its background
            os.setsid()
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)

        self.process = subprocess.Popen(
            [sys.executable, "-c", program, *arguments],
            stdin=theirs,
            stderr=theirs,
            stdout=subprocess.PIPE,
            env={**os.environ, **(environment or {})},
            preexec_fn=take_terminal,  # noqa: PLW1509 - a short one, in a child that becomes another program
        )
        os.close(theirs)
        self.seen = b""

    def expect(self, text: bytes) -> None:
        end = time.monotonic() + 30
        while text not in self.seen:
            assert time.monotonic() < end, self.seen
            self.seen += os.read(self.ours, 1024)

    def type(self, text: bytes) -> None:
        os.write(self.ours, text)

    def end(self) -> str:
        output, _ = self.process.communicate(timeout=60)
        with suppress(OSError):  # how its end is told
            while piece := os.read(self.ours, 65536):
                self.seen += piece
        os.close(self.ours)
        return output.decode().strip()
