"""Importing does no work, and a package that is missing is missed only where it is needed, by name."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = [
    *("aiohttp", "astropy", "astroquery", "authlib", "cryptography", "filelock", "joserfc", "keyring", "platformdirs"),
    *("pluggy", "pyvo", "rich", "trustme", "typer"),
]
# What a session with a token can do without; requests and pluggy are all it needs.
NOT_FOR_TOKENS = [name for name in HEAVY if name != "pluggy"]

HIDE = """
import sys
class Hide:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {hidden!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Hide())
"""
SERVER = """
import http.server, threading
received = []
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        received.append(self.headers.get("Authorization"))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()
    def log_message(self, *args): pass
server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
url = f"http://127.0.0.1:{server.server_port}/tap"
"""


def run(
    code: str, *, hidden: list[str] | None = None, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", HIDE.format(hidden=hidden or []) + code],
        capture_output=True, text=True, timeout=60, check=False, env=env,
    )  # fmt: skip


def says(code: str, **options: object) -> object:
    done = run(code, **options)  # type: ignore[arg-type]
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)


def test_importing_loads_nothing_but_itself_and_prints_nothing() -> None:
    loaded = says("import json, vo_auth; print(json.dumps([name for name in sys.modules]))")
    assert isinstance(loaded, list)
    assert [name for name in [*HEAVY, "requests", "importlib.metadata"] if name in loaded] == []
    assert [name for name in loaded if name.startswith("vo_auth.")] == []


WATCHED = """
import json, os
home, events, watching = os.path.realpath(os.path.expanduser("~")), [], True
private = [home, *(os.environ[name] for name in os.environ if name.startswith(("XDG_", "VO_AUTH_HOME")))]
def watch(event, arguments):
    if not watching:
        return
    # urllib3 makes a socket when it is imported, to see whether there is IPv6; it goes nowhere
    if event in ("socket.connect", "socket.sendto", "socket.getaddrinfo", "socket.gethostbyname", "os.mkdir") or (
        event.startswith(("subprocess.", "os.exec", "os.fork", "os.posix_spawn", "os.system"))
    ):
        events.append(event)
    if event in ("open", "os.listdir", "os.scandir") and isinstance(arguments[0], str | bytes):
        path = os.fsdecode(arguments[0])
        if any(path.startswith(folder) for folder in private) or "netrc" in path:
            events.append(f"{event} {path}")
sys.addaudithook(watch)
CODE
watching = False
print(json.dumps(events))
"""


@pytest.mark.parametrize(
    "code",
    [
        "import vo_auth",
        "import vo_auth; vo_auth.AuthSession; vo_auth.login; vo_auth.hookimpl; vo_auth.Archive",
        "import vo_auth; vo_auth.session_for('https://archive.example.org/tap', token='obviously-fake')",
        "import vo_auth; vo_auth.session_for('https://archive.eso.org/tap_obs')",
    ],
    ids=["import", "names", "session with a token", "session"],
)
def test_nothing_is_asked_of_home_network_or_other_programs_before_the_first_request(code: str) -> None:
    assert says(WATCHED.replace("CODE", code)) == []


def test_the_watch_sees_what_it_should() -> None:
    code = """
import socket
with open(home + "/x", "w"), socket.socket() as end:
    end.connect_ex(("127.0.0.1", 9))
"""
    events = says(WATCHED.replace("CODE", code))
    assert isinstance(events, list)
    assert [event.partition(" ")[0] for event in events] == ["open", "socket.connect"]


TOKEN_SESSION = """
import json, vo_auth
with vo_auth.session_for(url, token="obviously-fake") as session:
    status = session.get(url).status_code
heavy = [name for name in {heavy!r} if name in sys.modules]
print(json.dumps([status, received, heavy]))
"""


def test_a_session_with_a_token_loads_pluggy_alone() -> None:
    assert says(SERVER + TOKEN_SESSION.format(heavy=HEAVY)) == [200, ["Bearer obviously-fake"], ["pluggy"]]


def test_a_session_with_a_token_works_without_everything_else() -> None:
    result = says(SERVER + TOKEN_SESSION.format(heavy=HEAVY), hidden=NOT_FOR_TOKENS)
    assert result == [200, ["Bearer obviously-fake"], ["pluggy"]]


FAILING = """
import json, vo_auth
from vo_auth.errors import MissingDependencyError
try:
    {call}
except MissingDependencyError as error:
    print(json.dumps(str(error)))
"""
ESO = "'https://archive.eso.org/tap_obs'"


@pytest.mark.parametrize(
    ("package", "call", "pip_line"),
    [
        ("pluggy", f"vo_auth.session_for({ESO})", "Plugins need pluggy: pip install pluggy"),
        (
            "authlib",
            f"vo_auth.session_for({ESO}, username='pi', password='obviously-fake').get({ESO})",
            "Logging in to ESO Science Archive needs authlib: pip install authlib",
        ),
        ("filelock", "vo_auth.login('eso', token='obviously-fake')", "pip install filelock"),
        ("platformdirs", "vo_auth.status()", "pip install platformdirs"),
    ],
)
def test_a_missing_package_is_named_with_its_pip_line_where_it_is_needed(
    package: str, call: str, pip_line: str
) -> None:
    env = {name: value for name, value in os.environ.items() if name != "VO_AUTH_HOME"}
    assert pip_line in str(says(FAILING.format(call=call), hidden=[package], env=env))


def test_a_folder_for_state_that_is_named_needs_no_platformdirs() -> None:
    assert says("import json, vo_auth; print(json.dumps(vo_auth.status()))", hidden=["platformdirs"]) == []


def test_without_cryptography_a_certificate_is_not_read_and_the_pip_line_said(tmp_path: Path) -> None:
    import trustme

    leaf = trustme.CA(key_type=trustme.KeyType.ECDSA).issue_cert("pi@example.org", key_type=trustme.KeyType.ECDSA)
    path = tmp_path / "proxy.pem"
    path.touch(mode=0o600)
    path.write_bytes(leaf.private_key_and_cert_chain_pem.bytes())
    url = "'https://archive.example.org/'"
    call = f"vo_auth.session_for({url}, certificate={str(path)!r}).get({url})"
    said = says(FAILING.format(call=call), hidden=["cryptography"])
    assert said == "Reading a client certificate needs cryptography: pip install cryptography"


def test_without_keyring_the_other_sources_are_asked_and_its_pip_line_is_in_the_list() -> None:
    code = (
        "import json, vo_auth\n"
        "from vo_auth.errors import CredentialsNotFoundError\n"
        f"try: vo_auth.session_for({ESO}, interactive=False).get({ESO})\n"
        "except CredentialsNotFoundError as error: print(json.dumps(str(error)))\n"
    )
    said = str(says(code, hidden=["keyring"]))
    assert "keyring is not installed: pip install keyring" in said
    assert "prompt: not asked" in said


@pytest.mark.parametrize("package", ["typer", "rich"])
def test_the_command_line_names_what_it_needs(package: str) -> None:
    done = run("from vo_auth.cli import main; main()", hidden=[package])
    assert done.returncode == 1
    assert done.stderr == f"vo-auth: the command line needs {package}: pip install {package}\n"
