"""Ask a person: the one place that does."""

from __future__ import annotations

import sys
from typing import Any

from ..domain import Origin
from ..errors import PromptCancelledError
from ..secret import Secret
from .base import Found, Wanted

__all__ = ["PromptSource", "is_interactive"]

_SHOWN = frozenset({"username"})


def is_interactive() -> bool:
    """Say whether somebody can answer: a terminal on both ends, or a notebook whose front end takes input.

    Returns
    -------
    bool
        False in pipes, batch jobs, CI, and notebooks run by nbconvert or papermill.
    """
    kernel = _kernel()
    if kernel is not None:
        return bool(getattr(kernel, "_allow_stdin", False))
    try:
        return sys.stdin.isatty() and sys.stderr.isatty()
    except (AttributeError, ValueError):  # no streams at all, or closed ones
        return False


def _kernel() -> Any:
    shell = sys.modules.get("IPython")
    instance = shell.get_ipython() if shell is not None and hasattr(shell, "get_ipython") else None
    return getattr(instance, "kernel", None)


class PromptSource:
    """A question in the terminal or notebook; never anywhere else."""

    name = "prompt"
    rank = 90

    def find(self, wanted: Wanted) -> Found | None:
        """Ask for what the flow needs, what must not be seen without echo.

        Raises
        ------
        PromptCancelledError
            When nothing is typed, or the question is interrupted.
        """
        if wanted.interactive is False or not (wanted.interactive or is_interactive()):
            return None
        try:
            self._introduce(wanted)
            values = {name: self._ask(name, wanted) for name in wanted.flow.asks}
        except (KeyboardInterrupt, EOFError):
            values = {}
        if not values or not all(values.values()):
            raise PromptCancelledError(
                f"The login to {wanted.archive.title} was cancelled; log in with: vo-auth login {wanted.archive.name}"
            )
        return Found(values=values, origin="prompt")

    def looked_at(self, archive: object) -> str:
        """Say why nobody was asked."""
        return "not asked: no interactive terminal or notebook"

    def _introduce(self, wanted: Wanted) -> None:
        archive, flow = wanted.archive, wanted.flow
        where = ", ".join(sorted({str(Origin.from_url(url)) for url in flow.login_urls}))
        whom = f" as {wanted.username}" if wanted.username and not wanted.ask_username else ""
        _say(f"Log in to {archive.title}{whom}" + (f" at {where}" if where else ""))
        held = next((name for name in ("token", "cookie") if name in flow.asks), "")
        if held and archive.pages.token:
            _say(f"Get your {held} at {archive.pages.token}")
            return
        if archive.pages.register:
            _say(f"No account? {archive.pages.register}")
        if archive.without_password:
            _say(archive.without_password)

    def _ask(self, name: str, wanted: Wanted) -> Secret:
        label = name.replace("_", " ").replace("username", "user name")
        known = wanted.username if name == "username" else ""
        if known and not wanted.ask_username:
            return Secret(known)  # the account is settled; `vo-auth login` changes it
        text = f"{label}{f' [{known}]' if known else ''}: "
        if name in _SHOWN:
            return Secret(_read_line(text).strip() or known)
        import getpass

        return Secret(getpass.getpass(text))


def _say(text: str) -> None:
    print(text, file=sys.stdout if _kernel() is not None else sys.stderr)


def _read_line(text: str) -> str:
    if _kernel() is not None:
        return input(text)
    sys.stderr.write(text)  # not to stdout: `vo-auth token` is piped
    sys.stderr.flush()
    line = sys.stdin.readline()
    if not line:
        raise EOFError
    return line
