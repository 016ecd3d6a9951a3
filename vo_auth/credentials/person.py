"""Somebody before a terminal or notebook, who is brought to a page of the archive's and comes back."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Any
from urllib.parse import parse_qs, urlsplit

from ..archive import Archive, Person
from ..domain import Origin
from ..errors import LoginAnswerError, PromptCancelledError

__all__ = ["find_kernel", "is_interactive", "may_ask", "person_for", "say"]

# Those that would take the terminal, where the person is to read and to paste.
_TERMINAL_BROWSERS = frozenset({"elinks", "links", "links2", "lynx", "w3m", "www-browser"})
# In a process of its own: it gets none of the secrets in our environment, and a browser's chatter goes nowhere.
_OPEN = "import sys, webbrowser; webbrowser.open(sys.stdin.read())"


def is_interactive() -> bool:
    """Say whether somebody can answer: a terminal on both ends, or a notebook whose front end takes input.

    Returns
    -------
    bool
        False in pipes, batch jobs, CI, and notebooks run by nbconvert or papermill.
    """
    kernel = find_kernel()
    if kernel is not None:
        return bool(getattr(kernel, "_allow_stdin", False))
    try:
        return sys.stdin.isatty() and sys.stderr.isatty()
    except (AttributeError, ValueError):  # no streams at all, or closed ones
        return False


def person_for(archive: Archive, interactive: bool | None) -> Person | None:
    """Return who can be brought to a page of the archive's.

    Parameters
    ----------
    archive
        Its login origins are the only ones where a page is shown.
    interactive
        Whether a person may be asked: True, False, or None to look for a terminal or notebook.

    Returns
    -------
    Person or None
        None where nobody may be asked.
    """
    return _Somebody(archive) if may_ask(interactive) else None


def may_ask(interactive: bool | None) -> bool:
    """Say whether a person may be asked, by a wish that may be None: then it is looked up."""
    return interactive is not False and (interactive or is_interactive())


def find_kernel() -> Any:
    """Return the notebook kernel that this process is, or None."""
    shell = sys.modules.get("IPython")
    instance = shell.get_ipython() if shell is not None and hasattr(shell, "get_ipython") else None
    return getattr(instance, "kernel", None)


def say(text: str) -> None:
    """Show a line: on a terminal's standard error, because `vo-auth token` is piped."""
    print(text, file=sys.stdout if find_kernel() is not None else sys.stderr)


class _Somebody:
    """A person before a terminal or notebook, with a browser here or elsewhere."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive

    def visit(self, url: str, *, arrived: Callable[[float], str | None], patience: float) -> str:
        """Show the page, and wait for the browser or for the address that the person pastes.

        Raises
        ------
        PromptCancelledError
            When nobody came back in time, or the person declined.
        LoginAnswerError
            When the page is not one of the archive's own.
        """
        self._check(url)
        back: str | None = None
        with suppress(KeyboardInterrupt, EOFError):
            wait = _wait_in_notebook if find_kernel() is not None else _wait_in_terminal
            back = wait(self._archive, url, arrived, time.monotonic() + patience)
            if back is None:
                raise self._cancelled("was given up: nobody came back in time")
        if back is None:
            raise self._cancelled("was cancelled")
        return back

    def _check(self, url: str) -> None:
        origin = Origin.from_url(url)
        printable = url.isascii() and url.isprintable() and " " not in url  # it is shown in terminals
        if origin not in self._archive.credential_origins() or not origin.may_carry_permits or not printable:
            raise LoginAnswerError(
                f"{self._archive.title}: nobody is sent to {origin}, which is not a login origin of this archive"
            )

    def _cancelled(self, what: str) -> PromptCancelledError:
        return PromptCancelledError(
            f"The login to {self._archive.title} {what}; log in with: vo-auth login {self._archive.name}"
        )


def _wait_in_terminal(archive: Archive, url: str, arrived: Callable[[float], str | None], until: float) -> str | None:
    opened = _open_browser(archive, url)
    say(f"Log in to {archive.title} at {Origin.from_url(url)}")
    say(
        "Your browser opens this page; if it does not, open it yourself, here or on another computer:"
        if opened
        else "Open this page in a browser, on this computer or another:"
    )
    say(f"\n  {url}\n")
    with _Keyboard() as keyboard:
        if keyboard.works:
            say(_PASTE + " (what you paste is not shown):")
        while time.monotonic() < until:
            if back := arrived(min(0.1, max(until - time.monotonic(), 0.0))):
                return back
            for line in keyboard.lines():
                back = _pasted(line, url)
                if back:
                    return back
                say(_NOT_IT)
    return None


_PASTE = "If the browser ends at a page that it cannot load, copy the address of that page and paste it here"
_NOT_IT = "That is not the address at which this login ends: copy the whole address, from http://127.0.0.1 on"


def _pasted(line: str, url: str) -> str:
    """Return the address that was pasted, if it answers the login that began with this URL; else an empty text."""
    line = line.strip().strip("<>\"'")
    line = line if "://" in line else f"http://{line}"
    asked = parse_qs(urlsplit(url).query)
    try:
        given = parse_qs(urlsplit(line).query)
    except ValueError:
        return ""
    fits = [line.partition("?")[0]] == asked.get("redirect_uri") and given.get("state") == asked.get("state")
    return line if fits and ("code" in given or "error" in given) else ""


def _wait_in_notebook(archive: Archive, url: str, arrived: Callable[[float], str | None], until: float) -> str | None:
    """Ask in the notebook's box while somebody else watches for the browser, who then interrupts the question.

    What is typed is hidden: notebooks save what is not, and the link is taken away at the end.
    """
    import getpass

    link = _Link(archive, url)
    watch = _Watch(arrived, until)
    try:
        while threading.current_thread() is threading.main_thread():  # questions of other threads are not asked
            with watch:
                line = getpass.getpass(f"{_PASTE}: ")
            if watch.has_ended:
                break
            if back := _pasted(line, url):
                return back
            say(_NOT_IT)
        return watch.wait()
    finally:
        link.remove()


class _Watch:
    """Wait for the browser in a thread, and interrupt what the main thread does when it came or time is over."""

    def __init__(self, arrived: Callable[[float], str | None], until: float) -> None:
        self._arrived = arrived
        self._until = until
        self._back: str | None = None
        self._guard = threading.Lock()
        self._asking = False
        self.has_ended = False
        self._thread: threading.Thread | None = None

    def __enter__(self) -> None:
        self._asking = True
        self._thread = threading.Thread(target=self._look, name="vo_auth browser", daemon=True)
        self._thread.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> bool:
        assert self._thread is not None
        try:
            with self._guard:  # an interrupt of ours comes before this lock is had
                self._asking = False
            self._thread.join()
        except KeyboardInterrupt:
            if not self.has_ended:
                raise
        return self.has_ended and kind in (None, KeyboardInterrupt)

    def _look(self) -> None:
        while self._asking and time.monotonic() < self._until and self._back is None:
            self._back = self._arrived(0.1)
        with self._guard:
            if self._asking:
                self.has_ended = True
                import _thread

                _thread.interrupt_main()

    def wait(self) -> str | None:
        """Return where the browser came to, or None when time is over."""
        return self._back or self._arrived(max(self._until - time.monotonic(), 0.0))


class _Link:
    """A link in a notebook's output, which goes when it has served."""

    def __init__(self, archive: Archive, url: str) -> None:
        import html  # with a page alone, as below: loading it costs a session's start

        self._title = archive.title
        self._escape = html.escape
        title, where, target = (html.escape(text) for text in (archive.title, str(Origin.from_url(url)), url))
        text = f"Log in to {archive.title} at {Origin.from_url(url)}:\n{url}"
        self._handle = _display(
            text,
            f"<p>Log in to <b>{title}</b> at {where}: "
            f'<a href="{target}" target="_blank" rel="noopener noreferrer">open the login page</a></p>',
        )

    def remove(self) -> None:
        """Take it away: it belongs to one login alone, and the notebook is saved."""
        if self._handle is not None:
            done = f"Login to {self._title}: the page was shown."
            self._handle.update({"text/plain": done, "text/html": f"<p>{self._escape(done)}</p>"}, raw=True)


def _display(text: str, markup: str) -> Any:
    try:
        from IPython.display import display  # type: ignore[import-not-found, unused-ignore]
    except ImportError:  # a kernel without it: plain text
        say(text)
        return None
    show: Any = display  # untyped, where it is there
    return show({"text/plain": text, "text/html": markup}, raw=True, display_id=True)


def _open_browser(archive: Archive, url: str) -> bool:
    """Open a page in a browser of this machine, where the person is likely to see it."""
    if not _has_browser() or not sys.executable or getattr(sys, "frozen", False):
        return False
    import subprocess

    hidden = {name for names in archive.known.environment.values() for name in names} | {"BEARER_TOKEN"}
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("VO_AUTH_") and name not in hidden
    }
    try:
        opener = subprocess.Popen(  # noqa: S603 - Python itself, with a text of ours
            [sys.executable, "-I", "-c", _OPEN],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=environment,
            start_new_session=True,  # Ctrl-C here does not close a browser that it started
        )
        assert opener.stdin is not None
        with opener.stdin:  # not as an argument, which other users can read
            opener.stdin.write(url.encode())
    except OSError:
        return False
    threading.Thread(target=opener.wait, name="vo_auth opener", daemon=True).start()
    return True


def _has_browser() -> bool:
    named = os.environ.get("BROWSER", "").split(os.pathsep)[0].split()
    if named:
        return os.path.basename(named[0]) not in _TERMINAL_BROWSERS
    if any(os.environ.get(name) for name in ("SSH_CONNECTION", "SSH_CLIENT", "SSH_TTY")):
        return False  # it would open on the wrong machine
    return sys.platform in ("darwin", "win32") or any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))


class _Keyboard:
    """Lines that are typed or pasted, without waiting for them and without showing them.

    The terminal's own line editing is off meanwhile: it cuts lines after 1024 characters on some systems.
    """

    def __init__(self) -> None:
        self._typed = ""
        self._settings: Any = None
        try:
            self._descriptor = sys.stdin.fileno()
        except (AttributeError, OSError, ValueError):  # no real stream
            self._descriptor = -1
        self.works = self._descriptor >= 0 and (sys.platform != "win32" or sys.stdin.isatty())

    def __enter__(self) -> _Keyboard:
        if self.works and sys.platform != "win32" and os.isatty(self._descriptor):
            import termios

            self._settings = termios.tcgetattr(self._descriptor)
            quiet = termios.tcgetattr(self._descriptor)
            quiet[3] &= ~(termios.ICANON | termios.ECHO)
            termios.tcsetattr(self._descriptor, termios.TCSADRAIN, quiet)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if self._settings is not None and sys.platform != "win32":
            import termios

            termios.tcsetattr(self._descriptor, termios.TCSADRAIN, self._settings)

    def lines(self) -> list[str]:
        """Return the lines that were finished since the last call.

        Raises
        ------
        EOFError
            When the person typed Ctrl-D.
        """
        for char in self._read() if self.works else "":
            if char in "\x08\x7f":
                self._typed = self._typed[:-1]
            elif char == "\x15":
                self._typed = ""
            elif char == "\x04" and self._settings is not None:
                raise EOFError
            elif char == "\x03":
                raise KeyboardInterrupt
            else:
                self._typed += "\n" if char == "\r" else char
        *whole, self._typed = self._typed[-_LONGEST:].split("\n")
        return [line for line in whole if line.strip()]

    def _read(self) -> str:
        if sys.platform == "win32":
            import msvcrt

            return "".join(iter(lambda: msvcrt.getwch() if msvcrt.kbhit() else "", ""))
        import select

        if not select.select([self._descriptor], [], [], 0)[0]:
            return ""
        data = os.read(self._descriptor, 65536)
        if not data:
            self.works = False  # a pipe that ended: the browser may still come
        return data.decode("utf-8", "replace")


_LONGEST = 64 * 1024
