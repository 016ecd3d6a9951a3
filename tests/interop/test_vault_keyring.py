"""gnome-keyring, a real Secret Service: the wallet's key goes in and out, and one that is locked holds nobody up."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from vo_auth.wallet.os_keyring import OsKeyring

pytestmark = pytest.mark.interop
pytest.importorskip("secretstorage")

# Before a session bus of its own: an unlocked keyring, the program, and the end of both.
SESSION = """
printf obviously-fake | "$DAEMON" --foreground --unlock --components=secrets >/dev/null 2>&1 &
keyring=$!
"$@"
status=$?
kill $keyring
wait $keyring
exit $status
"""
WALLET = """
import json, os, sys, time, warnings
from pathlib import Path
from vo_auth.archive import Archive, Grant
from vo_auth.clock import Clock
from vo_auth.errors import WalletError
from vo_auth.permit import BearerPermit
from vo_auth.secret import Secret
from vo_auth.wallet import Held, Key, Vault
from vo_auth.wallet.os_keyring import KeyringUnavailableError, OsKeyring
home = Path(os.environ["VO_AUTH_HOME"])
def wait_for_the_service():
    from jeepney.bus_messages import message_bus
    from jeepney.io.blocking import Proxy, open_dbus_connection
    with open_dbus_connection() as connection:
        end = time.monotonic() + 30
        while not Proxy(message_bus, connection).NameHasOwner("org.freedesktop.secrets")[0]:
            assert time.monotonic() < end, "the keyring did not start"
            time.sleep(0.01)
def entry(name):
    return {"archive": name, "account": "", "realm": "", "resource": ""}
def names():
    return [one["archive"] for one in Vault(home).read()["entries"]]
def backend():
    import keyring
    return type(keyring.get_keyring()).__module__
def collection(what):
    import secretstorage
    connection = secretstorage.dbus_init()
    found = secretstorage.get_default_collection(connection)
    getattr(found, what)()
    connection.close()
"""


@pytest.fixture
def on_a_bus(program: Callable[[str], str], tmp_path: Path) -> Callable[[str], Any]:
    """Run code before a session bus and an unlocked keyring of its own; return what it prints as JSON."""
    bus, daemon = program("dbus-run-session"), program("gnome-keyring-daemon")
    runtime = tmp_path / "runtime"
    runtime.mkdir(mode=0o700)
    environ = {name: value for name, value in os.environ.items() if name != "PYTHON_KEYRING_BACKEND"}
    environ |= {"XDG_RUNTIME_DIR": str(runtime), "VO_AUTH_HOME": str(tmp_path / "wallet"), "DAEMON": daemon}

    def run(code: str) -> Any:
        source = WALLET + "wait_for_the_service()\n" + textwrap.dedent(code)
        done = subprocess.run(
            [bus, "--", "sh", "-c", SESSION, "sh", sys.executable, "-c", source],
            env=environ, capture_output=True, text=True, timeout=100, check=False, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1])

    return run


def test_the_key_goes_into_a_real_keyring_and_comes_back_in_another_process(
    on_a_bus: Callable[[str], Any], tmp_path: Path
) -> None:
    kept, module = on_a_bus("""
        vault = Vault(home)
        vault.update(lambda content: content["entries"].append(entry("one")))
        print(json.dumps([vault.kept, backend()]))
    """)
    assert kept == "encrypted file"
    assert module in ("keyring.backends.SecretService", "keyring.backends.chainer")
    assert [path.name for path in (tmp_path / "wallet").glob("permits.*")] == ["permits.vault"]
    names = on_a_bus("""
        Vault(home).update(lambda content: content["entries"].append(entry("two")))
        print(json.dumps(names()))
    """)
    assert names == ["one", "two"]


def test_a_password_is_kept_in_a_real_keyring_and_forgotten(on_a_bus: Callable[[str], Any]) -> None:
    seen = on_a_bus("""
        from vo_auth.wallet.kept import KeptPasswords
        vault = Vault(home)
        passwords = KeptPasswords(vault)
        values = {"username": Secret("pi"), "password": Secret("obviously-fake")}
        place = passwords.place()
        passwords.keep("eso", "pi", values, in_file=False)
        kept = OsKeyring().get("vo_auth:eso", "pi")
        listed = OsKeyring().names("vo_auth:eso")
        passwords.forget("eso", None)
        print(json.dumps([place[0], kept, listed, OsKeyring().get("vo_auth:eso", "pi")]))
    """)
    assert seen == [None, "obviously-fake", ["pi"], None]


def test_a_locked_keyring_holds_nobody_up_and_leaves_the_vault_as_it_is(
    on_a_bus: Callable[[str], Any], tmp_path: Path
) -> None:
    on_a_bus("""
        Vault(home).update(lambda content: content["entries"].append(entry("one")))
        print("null")
    """)
    before = (tmp_path / "wallet" / "permits.vault").read_bytes()
    reason, seconds = on_a_bus("""
        collection("lock")
        start = time.monotonic()
        try:
            reason = repr(names())
        except WalletError as error:
            reason = str(error)
        print(json.dumps([reason, time.monotonic() - start]))
        sys.stdout.flush()
        os._exit(0)  # a prompt that nobody answers may be waiting
    """)
    assert "cannot be opened: the keyring" in reason
    assert seconds < OsKeyring.LIMIT + 5
    assert (tmp_path / "wallet" / "permits.vault").read_bytes() == before
    assert on_a_bus("print(json.dumps(names()))") == ["one"]


def test_without_a_bus_the_file_is_plain(program: Callable[[str], str], tmp_path: Path) -> None:
    program("gnome-keyring-daemon")
    environ = {
        name: value
        for name, value in os.environ.items()
        if name not in ("PYTHON_KEYRING_BACKEND", "DBUS_SESSION_BUS_ADDRESS")
    }
    environ["VO_AUTH_HOME"] = str(tmp_path / "wallet")
    code = WALLET + "\nvault = Vault(home)\nvault.update(lambda _: None)\nprint(vault.kept)"
    done = subprocess.run(
        [sys.executable, "-c", code], env=environ, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.stdout.strip(), done.stderr) == ("plain file", "")
