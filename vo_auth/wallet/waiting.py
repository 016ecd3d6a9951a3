"""A job whose permit has ended, and that can ask nobody, waits until somebody logs in elsewhere."""

from __future__ import annotations

import logging
import os
import shlex
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from ..clock import Clock
from ..errors import ConfigurationError, VoAuthError
from .held import Held, Key, Want
from .shelf import Shelf
from .standing import Standing

__all__ = ["Waiting", "wait_in_environment"]

_LOG = logging.getLogger("vo_auth.wallet")
_EVERY = 2.0  # seconds between two looks into the wallet's file
_VARIABLES = ("VO_AUTH_HOME", "VO_AUTH_WALLET")  # where a login has to go so that it is seen here


def wait_in_environment() -> float:
    """Return how many seconds a job waits for a login elsewhere where its program says nothing.

    Raises
    ------
    ConfigurationError
        When ``VO_AUTH_WAIT_FOR_LOGIN`` is no length of time.
    """
    from ..duration import seconds_in

    text = os.environ.get("VO_AUTH_WAIT_FOR_LOGIN", "")
    if not text:
        return 0.0
    try:
        return seconds_in(text)
    except ValueError as error:
        raise ConfigurationError(f"VO_AUTH_WAIT_FOR_LOGIN: {error}") from None


class Waiting:
    """Watch the wallet for a permit that another process, or another thread, has obtained.

    Parameters
    ----------
    shelf, standing, clock
        Of the wallet; none of its locks is held meanwhile, because the login needs them.
    """

    def __init__(self, shelf: Shelf, standing: Standing, clock: Clock) -> None:
        self._shelf = shelf
        self._standing = standing
        self._clock = clock
        self._waiters: Counter[Key] = Counter()
        self.renew_after_fork()

    def renew_after_fork(self) -> None:
        """Forget threads that only the parent process has."""
        self._guard = threading.Lock()
        self._waiters.clear()

    def can_help(self, want: Want) -> bool:
        """Say whether a session wants to wait, and whether it would see a login."""
        return want.wait > 0 and not want.resource and self._shelf.vault is not None

    def wait(self, want: Want, error: VoAuthError, *, refused: Held | None = None) -> Held:
        """Return a permit as soon as there is one.

        Parameters
        ----------
        want
            For which archive and account, and how long to wait.
        error
            Why there is none now.
        refused
            A permit that is not to be returned.

        Raises
        ------
        VoAuthError
            The error, when nobody has logged in for as long as was to be waited.
        """
        end = self._clock.elapsed() + want.wait
        with self._waiter(want):
            while (left := end - self._clock.elapsed()) > 0:
                self._clock.sleep(min(_EVERY, left))
                held = self._obtained(want, refused)
                if held is not None:
                    return held
        raise error

    @contextmanager
    def _waiter(self, want: Want) -> Iterator[None]:
        with self._guard:
            self._waiters[want.key] += 1
            is_first = self._waiters[want.key] == 1
        if is_first:
            _announce(want)
        try:
            yield
        finally:
            with self._guard:
                self._waiters[want.key] -= 1

    def _obtained(self, want: Want, refused: Held | None) -> Held | None:
        key = self._key_of_today(want)
        held = self._shelf.current(key)
        if held is None:
            return None
        self._standing.suppose(held)
        if not self._standing.is_usable(want, held, refused=refused):
            return None
        _LOG.info("%s: somebody has logged in; the work goes on", want.archive.title)
        self._shelf.put(held, alias=want.key)
        return held

    def _key_of_today(self, want: Want) -> Key:
        """Return the key to look under: an account without a name is the one of the last login, if of the same user."""
        if not want.account.is_unnamed:
            return want.key
        before = self._shelf.in_memory(want.key)
        account = self._shelf.last_login(want.archive.name)
        is_same = before is None or not before.grant.identity or before.grant.identity in (account.label, account.user)
        return want.key._replace(account=account.label) if is_same and account.label else want.key


def _announce(want: Want) -> None:
    until = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(time.time() + want.wait))
    text = (
        f"vo_auth: no permit for {want.archive.title}, and nobody to ask here. Waiting until {until} for a login in "
        f"another terminal:\n  {_command(want)}\n"
    )
    _LOG.info("%s", text.rstrip())
    with suppress(AttributeError, OSError, ValueError):  # no standard error, or a closed one
        sys.stderr.write(text)
        sys.stderr.flush()


def _command(want: Want) -> str:
    words = [f"{name}={shlex.quote(os.environ[name])}" for name in _VARIABLES if os.environ.get(name)]
    words += ["vo-auth login", shlex.quote(want.archive.name)]
    if want.account.is_label:
        words += ["--account", shlex.quote(want.account.label)]
    elif want.account.username:
        words += ["--username", shlex.quote(want.account.username)]
    return " ".join(words)
