"""Python programs that ignore proxies."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from vo_auth.sandbox import Sandbox, StandIn

PROGRAM = """
import json, socket, sys

def attempt(function, *args):
    try:
        return function(*args)
    except OSError as error:
        return f"{type(error).__name__}: {error}"

def connect(family, address):
    with socket.socket(family) as sock:
        sock.connect(address)
        return sock.getpeername()[:2]

def connect_ex(family, address):
    with socket.socket(family) as sock:
        return sock.connect_ex(address)

found = {"next": getattr(sys.modules["sitecustomize"], "NEXT", None), "unimported": "certifi" not in sys.modules}
import certifi, requests
session = requests.Session()
session.trust_env = False
V4, V6 = socket.AF_INET, socket.AF_INET6
found |= {
    "https": session.get("https://archive.toy.example/a").json()["path"],
    "http": session.get("http://data.toy.example/b").json()["path"],
    "unknown": attempt(socket.getaddrinfo, "nope.example", 443),
    "unknown bytes": attempt(socket.getaddrinfo, b"nope.example", 443),
    "unknown in connect": attempt(connect, V4, ("nope.example", 443)),
    "another port": attempt(socket.getaddrinfo, "archive.toy.example", 8443),
    "address": attempt(connect, V4, ("192.0.2.1", 443)),
    "connect_ex": attempt(connect_ex, V4, ("192.0.2.1", 443)),
    "case": attempt(socket.getaddrinfo, "Archive.TOY.example.", "https")[0][4],
    "no port": attempt(socket.getaddrinfo, "archive.toy.example", None)[0][4],
    "v6": [entry[4][:2] for entry in attempt(socket.getaddrinfo, "archive.toy.example", 443, V6)],
    "byname": attempt(socket.gethostbyname, "archive.toy.example"),
    "byname_ex": attempt(socket.gethostbyname_ex, "nope.example"),
    "direct": attempt(connect, V4, ("archive.toy.example", 443)),
    "loopback": [entry[4][0] for entry in socket.getaddrinfo("127.0.0.1", 80)][:1],
    "localhost": bool(socket.getaddrinfo("localhost", 80)),
    "passive": bool(socket.getaddrinfo(None, 0, flags=socket.AI_PASSIVE)),
    "where": [certifi.where(), certifi.core.where(), requests.certs.where()],
    "contents": certifi.contents(),
}
print(json.dumps(found))
"""


def run_python(program: str, environ: dict[str, str]) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program], env=environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


def test_a_program_that_ignores_proxies_is_in_the_sandbox(toy: StandIn, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("NEXT = 'also run'\n", "utf-8")
    # The sandbox puts its own folder in front of the PYTHONPATH of the process that starts it.
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]))
        with Sandbox([toy]) as sandbox:
            found: dict[str, Any] = json.loads(run_python(PROGRAM, sandbox.child_environ()))
            https, authority = sandbox.ports[443], sandbox.authority.pem.decode()
            ca_pem = str(sandbox.ca_pem)
            assert [entry.host for entry in sandbox.received] == ["archive.toy.example", "data.toy.example"]
            assert sandbox.proxy_log.all() == []
    knows = "(it knows archive.toy.example, data.toy.example, www.ivoa.net)"
    for name in ("unknown", "unknown bytes", "unknown in connect"):
        assert found.pop(name).endswith(f"the sandbox does not know the host nope.example {knows}")
    assert found.pop("byname_ex").startswith("gaierror: ")
    assert found.pop("address").endswith(f"the sandbox does not know the host 192.0.2.1 {knows}")
    assert found.pop("connect_ex").startswith("gaierror: ")
    assert found.pop("another port").endswith(f"does not serve archive.toy.example on port 8443 {knows}")
    assert found == {
        "next": "also run",
        "unimported": True,
        "https": "/a",
        "http": "/b",
        "case": ["127.0.0.1", https],
        "no port": ["127.0.0.1", 0],
        "v6": [["::ffff:127.0.0.1", https]] * len(found["v6"]),
        "byname": "127.0.0.1",
        "direct": ["127.0.0.1", https],
        "loopback": ["127.0.0.1"],
        "localhost": True,
        "passive": True,
        "where": [ca_pem] * 3,
        "contents": authority,
    }
    assert found["v6"]


def test_in_the_environment_of_a_sandbox_that_has_ended_nothing_is_reached(toy: StandIn) -> None:
    with Sandbox([toy]) as sandbox:
        environ = sandbox.child_environ()
    program = """
import socket
try:
    socket.create_connection(("archive.toy.example", 443))
except socket.gaierror as error:
    print(error)
"""
    assert "it knows nothing any more: it has ended" in run_python(program, environ)


def test_without_a_sandbox_the_module_changes_nothing() -> None:
    site = Path(__file__).parents[3] / "vo_auth" / "sandbox" / "_site"
    program = "import socket, sys; print(socket.getaddrinfo.__module__, 'sitecustomize' in sys.modules)"
    environ = {**os.environ, "PYTHONPATH": str(site)}
    assert run_python(program, environ).split() == ["socket", "True"]
