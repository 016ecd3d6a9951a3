"""ESO's own helper module and notebook against the stand-in, as they are and with a session of ours.

They are published under the GPL and no part of this project: get them yourself, and say where they are::

    INTEROP_ESO_HELPER=…/eso_programmatic.py INTEROP_ESO_NOTEBOOK=…/….ipynb make interop

Without the variables there is nothing to run here.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from vo_auth.sandbox import Sandbox
from vo_auth_eso.standin import PROPRIETARY_RUN, STANDIN
from vo_auth_eso.standin.holdings import raw_frames

pytestmark = pytest.mark.interop

HELPER, NOTEBOOK = (os.environ.get(f"INTEROP_ESO_{name}", "") for name in ("HELPER", "NOTEBOOK"))
if not HELPER:  # not a skip of each test: those are errors where interop tests are required
    pytest.skip("INTEROP_ESO_HELPER does not say where ESO's eso_programmatic.py is", allow_module_level=True)

PI = STANDIN.credentials["pi"]
MINE = f"https://dataportal.eso.org/dataPortal/file/{raw_frames(PROPRIETARY_RUN)[0].dp_id}"
PREAMBLE = """
import sys
from importlib.util import module_from_spec, spec_from_file_location
spec = spec_from_file_location("eso_programmatic", sys.argv[1])
eso = sys.modules["eso_programmatic"] = module_from_spec(spec)
spec.loader.exec_module(eso)
"""
# The notebook compares versions with a part of setuptools that newer environments have not.
VERSIONS = """
try:
    import pkg_resources
except ImportError:
    from packaging.version import parse
    from types import SimpleNamespace
    sys.modules["pkg_resources"] = SimpleNamespace(parse_version=parse)
"""


@pytest.fixture
def run(vo_auth_sandbox: Sandbox, tmp_path: Path) -> Callable[..., str]:
    def call(script: str, *arguments: str, stdin: str = "") -> str:
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", PREAMBLE + script, HELPER, *arguments],
            env=vo_auth_sandbox.child_environ(),
            cwd=tmp_path,
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            timeout=100,
            start_new_session=True,  # no terminal: the password comes from stdin
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return call


def test_its_token_opens_its_session_and_its_download(run, tmp_path) -> None:
    out = run(
        "token = eso.getToken(*sys.argv[2:4]); session = eso.createSession(token)\n"
        "print(eso.downloadURL(sys.argv[4], session=session)[0], eso.downloadURL(sys.argv[4])[0])",
        *PI.values(),
        MINE,
    )
    assert out.split() == ["200", "401"]
    (file,) = tmp_path.glob("*.fits.Z")
    assert file.stat().st_size > 0


def test_a_wrong_password_gives_it_no_token(run) -> None:
    out = run("print(eso.getToken(sys.argv[2], 'obviously-fake'))", PI["username"])
    assert "AUTHENTICATION ERROR" in out
    assert out.rstrip().endswith("None")


@pytest.mark.parametrize(
    "session",
    ["vo_auth.session_for(url)", "vo_auth.attach(eso.createSession(), url=url)"],
    ids=["session_for", "its own session, attached"],
)
def test_its_download_takes_our_session(session, run, vo_auth_sandbox) -> None:
    out = run(
        f"import vo_auth; url = sys.argv[2]; session = {session}\n"
        "print(*(eso.downloadURL(url, session=session)[0] for _ in range(2)))",
        MINE,
    )
    assert out.split() == ["200", "200"]
    assert vo_auth_sandbox.bench("eso").counters["logins"] == 1


@pytest.mark.skipif(not NOTEBOOK, reason="INTEROP_ESO_NOTEBOOK does not say where ESO's notebook is")
@pytest.mark.parametrize("ours", [False, True], ids=["as it is", "with our session"])
def test_its_notebook_runs_to_its_end(ours, run, vo_auth_sandbox, tmp_path) -> None:
    cells = [
        "".join(cell["source"])
        for cell in json.loads(Path(NOTEBOOK).read_text(encoding="utf-8"))["cells"]
        if cell["cell_type"] == "code"
    ]
    script, stdin = "\n".join(cells), "\n".join([*PI.values(), "y", ""])
    if ours:
        (login,) = (cell for cell in cells if "eso.getToken(" in cell)
        (session,) = (line for line in script.splitlines() if line.startswith("session = requests.Session()"))
        (header,) = (line for line in script.splitlines() if line.startswith("session.headers['Authorization']"))
        script = script.replace(login, "").replace(session, "import vo_auth; session = vo_auth.session_for(TAP_URL)")
        script, stdin = script.replace(header, ""), "y\n"
    out = run(VERSIONS + script.replace('"/tmp"', repr(str(tmp_path))), stdin=stdin)
    assert out.count("RAW: ") == 2
    assert "Association tree:" in out
    assert "NOT DOWNLOADED" not in out
    archive = [one for one in vo_auth_sandbox.received if one.path.startswith("/tap_obs")]
    assert archive
    assert all(one.authorization.startswith("Bearer ") for one in archive)
    assert vo_auth_sandbox.bench("eso").counters["logins"] == 1
