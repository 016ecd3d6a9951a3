"""The keyring entry that astroquery's users of ESO have, in a real gnome-keyring on a D-Bus of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

pytestmark = pytest.mark.interop

VO_AUTH = Path(sys.executable).with_name("vo-auth")
SERVICE = "astroquery:www.eso.org"
LOCKED = 'exec "$@"'  # nobody has unlocked it, nor can be asked
UNLOCKED = 'printf obviously-fake | "$DAEMON" --unlock --components=secrets >&2; ' + LOCKED
PUT = f"import keyring, os; keyring.set_password('{SERVICE}', os.environ['WHO'], os.environ['WORD'])"
LOGIN = """
import json, warnings
warnings.simplefilter("error")
import vo_auth
who = vo_auth.login("eso", interactive=False)
(held,) = vo_auth.status()
print(json.dumps([who.user, held.origin]))
"""
REASON = """
import vo_auth
try:
    vo_auth.login("eso", interactive=False)
except vo_auth.errors.CredentialsNotFoundError as error:
    print(dict(error.attempts)["keyring"])
"""


@pytest.fixture
def desk(program: Callable[[str], str]) -> Iterator[Callable[..., str]]:
    """Run Python programs one after the other in one session with a keyring, and return what the last one prints."""
    with tempfile.TemporaryDirectory(prefix="va") as folder:  # a socket's path must be short
        home, runtime = Path(folder, "home"), Path(folder, "run")
        for place in (home, runtime):
            place.mkdir(mode=0o700)
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "XDG_RUNTIME_DIR": str(runtime),
            "DAEMON": program("gnome-keyring-daemon"),
            "VO_AUTH": str(VO_AUTH),
        }

        def run(*codes: str, start: str = UNLOCKED, variables: Mapping[str, str] = {}) -> str:
            steps = "unset PYTHON_KEYRING_BACKEND; " + " && ".join(
                f'"{sys.executable}" -c "$CODE_{number}"' for number in range(len(codes))
            )
            inner = {f"CODE_{number}": code for number, code in enumerate(codes)}
            command = [program("dbus-run-session"), "--", program("sh"), "-c", start, "sh"]
            command += [str(VO_AUTH), "sandbox", "run", "--only", "eso", "--no-credentials", "--"]
            done = subprocess.run(
                [*command, program("sh"), "-c", steps],
                env=environment | inner | variables,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                check=False,
                timeout=100,
            )
            assert done.returncode == 0, done.stderr
            return done.stdout

        yield run


@pytest.fixture
def pi() -> dict[str, str]:
    from vo_auth_eso.standin import STANDIN

    credentials = dict(STANDIN.credentials["pi"])
    return {"WHO": credentials["username"], "WORD": credentials["password"]}


def test_the_entry_of_astroquery_logs_in_at_eso(desk: Callable[..., str], pi: dict[str, str]) -> None:
    user, origin = json.loads(desk(PUT, LOGIN, variables=pi))
    assert (user, origin) == (pi["WHO"], f"keyring entry '{SERVICE}'")


def test_an_unlocked_keyring_without_an_entry_is_said(desk: Callable[..., str]) -> None:
    assert desk(REASON) == "no entry\n"


def test_a_keyring_that_nobody_can_unlock_holds_nobody_up_and_is_said(desk: Callable[..., str]) -> None:
    assert desk(REASON, start=LOCKED) in (
        "no entry\n",  # a new one has no collection to unlock
        "this machine has no keyring\n",
        "the keyring cannot be read (KeyringLocked)\n",
        "the keyring cannot be read (InitError)\n",
    )
