"""nginx that asks for client certificates: the one that CADC's stand-in issued is taken, others are not."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import requests

from vo_auth.sandbox import Authority, Sandbox

pytestmark = pytest.mark.interop
pytest.importorskip("vo_auth_cadc")

MAIN = "https://ws.cadc-ccda.hia-iha.nrc-cnrc.gc.ca"
CONFIGURATION = """
daemon off;
master_process off;
error_log stderr;
pid {folder}/nginx.pid;
events {{ }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{port} ssl;
        server_name localhost;
        ssl_certificate {folder}/server.pem;
        ssl_certificate_key {folder}/server.pem;
        ssl_client_certificate {folder}/ca.pem;
        ssl_verify_client on;
        location / {{ return 200 "$ssl_client_verify $ssl_client_s_dn"; }}
    }}
}}
"""


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def listens(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(only=["cadc"], credentials=False) as one:
        yield one


@pytest.fixture
def nginx(sandbox: Sandbox, program: Callable[[str], str], tmp_path: Path) -> Iterator[str]:
    """Run nginx on loopback, as one process that ends with the test; return its URL."""
    # Debian keeps it where only root's path looks.
    found = shutil.which("nginx", path=os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin"])) or program("nginx")
    port = free_port()
    server = sandbox.authority.ca.issue_cert("localhost")
    server.private_key_and_cert_chain_pem.write_to_path(tmp_path / "server.pem")
    (tmp_path / "ca.pem").write_bytes(sandbox.authority.pem)
    configuration = tmp_path / "nginx.conf"
    configuration.write_text(CONFIGURATION.format(folder=tmp_path, port=port))
    log = tmp_path / "log"
    with log.open("w") as file:
        process = subprocess.Popen([found, "-c", configuration, "-p", tmp_path], stderr=file, stdout=file)
    try:
        end = time.monotonic() + 20
        while not listens(port):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < end, log.read_text()
            time.sleep(0.02)
        yield f"https://localhost:{port}/"
    finally:
        process.terminate()
        process.wait(timeout=20)


@pytest.fixture
def ask(nginx: str, sandbox: Sandbox) -> Callable[..., requests.Response]:
    def get(certificate: Path | None = None) -> requests.Response:
        options = {"cert": str(certificate)} if certificate else {}
        with requests.Session() as session:
            session.trust_env = False
            return session.get(nginx, verify=str(sandbox.ca_pem), timeout=20, **options)

    return get


def issued(sandbox: Sandbox, folder: Path) -> Path:
    """Get a certificate as users do: log in, show the token where certificates are issued."""
    from vo_auth_cadc.standin import STANDIN

    with sandbox.activated():
        login = requests.post("https://ws-cadc.canfar.net/ac/login", data=STANDIN.credentials["pi"], timeout=20)
        answer = requests.get(f"{MAIN}/cred/generate", headers={"Authorization": f"Bearer {login.text}"}, timeout=20)
    path = folder / "cadcproxy.pem"
    path.write_text(answer.text)
    return path


def test_it_takes_a_certificate_that_the_stand_in_issued(
    sandbox: Sandbox, ask: Callable[..., requests.Response], tmp_path: Path
) -> None:
    answer = ask(issued(sandbox, tmp_path))
    assert answer.status_code == 200
    verified, subject = answer.text.split(maxsplit=1)
    assert verified == "SUCCESS"
    assert set(subject.lower().split(",")) == {"cn=demopi_1a2", "ou=cadc", "o=hia", "c=ca"}


def test_it_refuses_everybody_else(sandbox: Sandbox, ask: Callable[..., requests.Response], tmp_path: Path) -> None:
    from vo_auth_cadc.standin import make_certificate

    certificates = {
        "of another authority": make_certificate(Authority()),
        "ended": make_certificate(sandbox.authority, life=-3600),
    }
    for name, pem in certificates.items():
        path = tmp_path / "other.pem"
        path.write_text(pem)
        answer = ask(path)
        assert (answer.status_code, "SSL certificate error" in answer.text) == (400, True), name
    assert "No required SSL certificate" in ask().text
