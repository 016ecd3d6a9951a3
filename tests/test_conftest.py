"""The guard itself: see conftest.py at the top."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

CONFTEST = Path(__file__).parents[1] / "conftest.py"


def run_pytest(folder: Path, source: str, **environment: str) -> subprocess.CompletedProcess[str]:
    (folder / "conftest.py").write_text(CONFTEST.read_text("utf-8"), "utf-8")
    (folder / "pytest.ini").write_text("[pytest]\nmarkers =\n  interop: needs other programs\n", "utf-8")
    (folder / "test_it.py").write_text(textwrap.dedent(source), "utf-8")
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:vo_auth", "-p", "no:cacheprovider", str(folder)],
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", **environment},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_personal_places_are_moved_and_settings_are_cleared(tmp_path: Path) -> None:
    source = """
        import os
        from pathlib import Path

        def test_it():
            for name in ("HOME", "USERPROFILE", "XDG_CONFIG_HOME", "NETRC", "VO_AUTH_HOME"):
                assert "elsewhere" not in os.environ[name]
            for name in ("https_proxy", "HTTPS_PROXY", "REQUESTS_CA_BUNDLE", "VO_AUTH_ESO_PASSWORD"):
                assert name not in os.environ
            assert list(Path.home().iterdir()) == []
            import keyring
            assert keyring.get_password("any", "body") is None
    """
    names = ("HOME", "XDG_CONFIG_HOME", "NETRC", "VO_AUTH_HOME", "https_proxy", "HTTPS_PROXY", "REQUESTS_CA_BUNDLE")
    environment = dict.fromkeys((*names, "VO_AUTH_ESO_PASSWORD"), "elsewhere")
    done = run_pytest(tmp_path, source, **environment)
    assert "1 passed" in done.stdout, done.stdout


def test_a_connection_that_leaves_loopback_fails_the_test_even_when_it_is_caught(tmp_path: Path) -> None:
    source = """
        import socket

        def test_it():
            try:
                socket.create_connection(("192.0.2.1", 443), timeout=0.1)
            except BaseException:
                pass
    """
    done = run_pytest(tmp_path, source)
    assert "connections that left loopback: 192.0.2.1:443" in done.stdout, done.stdout
    assert done.returncode == 1


def test_loopback_is_reached_and_names_are_not_looked_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(server.getsockname(), timeout=5).close()
        socket.create_connection(("localhost", server.getsockname()[1]), timeout=5).close()
    with pytest.raises(socket.gaierror, match="look up no names"):
        socket.getaddrinfo("archive.example.org", 443)


INTEROP = """
    import pytest

    @pytest.mark.interop
    def test_it(program):
        program("no-such-program")
"""


def test_an_interop_test_without_its_program_skips_where_it_is_not_required(tmp_path: Path) -> None:
    assert "1 skipped" in run_pytest(tmp_path, INTEROP).stdout


def test_an_interop_test_without_its_program_fails_where_it_is_required(tmp_path: Path) -> None:
    done = run_pytest(tmp_path, INTEROP, VO_AUTH_INTEROP_REQUIRED="1")
    assert "1 failed" in done.stdout, done.stdout
    assert "no-such-program" in done.stdout
