"""Ask a person: the one place that does, beside person.py, which brings them to a page."""

from __future__ import annotations

import sys

from ..archive import Archive
from ..domain import Origin
from ..errors import PromptCancelledError
from ..secret import Secret
from .base import Found, Wanted
from .environment import variable_value
from .person import find_kernel, is_interactive, may_ask, person_for, say

__all__ = ["PromptSource", "confirm", "is_interactive", "person_for"]

_SHOWN = frozenset({"username"})


class PromptSource:
    """A question in the terminal or notebook; never anywhere else."""

    name = "prompt"
    rank = 90
    attends = True  # logins that need a person are reached through this source alone

    def find(self, wanted: Wanted) -> Found | None:
        """Ask for what the flow needs, what must not be seen without echo.

        A login that needs a person asks by itself, later; nobody is asked for the name of a client.

        Raises
        ------
        PromptCancelledError
            When nothing is typed, or the question is interrupted.
        """
        if not may_ask(wanted.interactive):
            return None
        if getattr(wanted.flow, "attended", False):
            return _client_of(wanted)
        if not getattr(wanted.flow, "prompted", True):
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

    def looked_at(self, archive: Archive) -> str:
        """Say why nobody was asked."""
        reason = "not asked: no interactive terminal or notebook"
        attended = [flow for flow in archive.flows if getattr(flow, "attended", False)]
        if any("client_id" in flow.asks for flow in attended) and variable_value(archive, "client_id") is None:
            reason += f"; the {attended[0].name} needs {archive.variable_prefix}CLIENT_ID, too"
        return reason

    def _introduce(self, wanted: Wanted) -> None:
        archive, flow = wanted.archive, wanted.flow
        where = ", ".join(sorted({str(Origin.from_url(url)) for url in flow.login_urls}))
        whom = f" as {wanted.username}" if wanted.username and not wanted.ask_username else ""
        say(f"Log in to {archive.title}{whom}" + (f" at {where}" if where else ""))
        held = next((name for name in ("token", "cookie") if name in flow.asks), "")
        if held and archive.pages.token:
            say(f"Get your {held} at {archive.pages.token}")
            return
        if archive.pages.register:
            say(f"No account? {archive.pages.register}")
        if archive.without_password:
            say(archive.without_password)

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


def confirm(question: str) -> bool:
    """Ask a person for yes or no; anything but a clear yes is a no.

    Parameters
    ----------
    question
        What to say yes to.
    """
    try:
        return _read_line(f"{question} [y/N] ").strip().lower() in ("y", "yes")
    except (KeyboardInterrupt, EOFError, OSError, ValueError):  # no answer, or nowhere to read one
        return False


def _client_of(wanted: Wanted) -> Found | None:
    """Return the client that is registered for a login, as the environment has it; None where one is missing."""
    values: dict[str, Secret] = {}
    mine = variable_value(wanted.archive, "client_id")
    if "client_id" in wanted.flow.asks:
        if mine is None:
            return None
        values["client_id"] = mine[1]
    known = getattr(wanted.flow, "client_id", "")
    is_its = mine is None or not known or mine[1].reveal() == known  # the secret of this client, of no other
    if "client_secret" in wanted.names and is_its and (secret := variable_value(wanted.archive, "client_secret")):
        values["client_secret"] = secret[1]
    return Found(values=values, origin="prompt")


def _read_line(text: str) -> str:
    if find_kernel() is not None:
        return input(text)
    sys.stderr.write(text)  # not to stdout: `vo-auth token` is piped
    sys.stderr.flush()
    line = sys.stdin.readline()
    if not line:
        raise EOFError
    return line
