"""The fixtures that other projects' tests get, used as they would use them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import requests
from aiohttp import web

from vo_auth.sandbox import Bench, Sandbox, StandIn


def app(bench: Bench) -> web.Application:
    async def count(_request: web.Request) -> web.Response:
        return web.json_response({"visits": bench.count("visits"), "knob": bench.knob("colour")})

    application = web.Application()
    application.router.add_get("/", count)
    return application


TOY = StandIn(archive="toy", hosts=("archive.toy.example",), credentials={"pi": {"token": "obviously-fake"}}, app=app)


@pytest.mark.vo_auth_sandbox([TOY])
@pytest.mark.parametrize("turn", [1, 2])
def test_each_test_has_a_new_sandbox_and_is_inside_of_it(vo_auth_sandbox: Sandbox, turn: int) -> None:
    answer = requests.get("https://archive.toy.example/")
    assert answer.json() == {"visits": 1, "knob": None}
    vo_auth_sandbox.bench("toy").knobs["colour"] = f"blue {turn}"
    assert len(vo_auth_sandbox.received) == 1
    assert os.environ["VO_AUTH_TOY_TOKEN"] == "obviously-fake"
    assert os.environ["VO_AUTH_HOME"] == vo_auth_sandbox.environ["VO_AUTH_HOME"]


@pytest.mark.vo_auth_sandbox([TOY], credentials=False)
def test_the_marker_takes_what_a_sandbox_takes(vo_auth_sandbox: Sandbox) -> None:
    assert "VO_AUTH_TOY_TOKEN" not in os.environ


def test_the_environment_is_as_before_after_the_test() -> None:
    assert "VO_AUTH_SANDBOX" not in os.environ
    assert "HTTPS_PROXY" not in os.environ


def test_a_home_of_its_own_has_nothing_of_the_user(vo_auth_home: Path) -> None:
    assert os.environ["VO_AUTH_HOME"] == str(vo_auth_home)
    assert not vo_auth_home.exists()
    assert Path.home() == vo_auth_home.parent
    assert not Path(os.environ["NETRC"]).exists()
    import keyring

    assert keyring.get_password("astroquery:www.eso.org", "anybody") is None


def test_loading_the_plugin_imports_nothing_heavy() -> None:
    heavy = {"aiohttp", "astropy", "trustme", "cryptography", "keyring", "pyvo", "authlib"}
    program = f"import sys, vo_auth.testing.pytest_plugin; print({heavy} & sys.modules.keys())"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_naming_a_stand_in_imports_no_web_server() -> None:
    heavy = {"aiohttp", "astropy", "trustme", "cryptography", "requests"}
    program = f"import sys; from vo_auth.sandbox import Bench, Fault, StandIn; print({heavy} & sys.modules.keys())"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() in {"set()", "{'requests'}"}


def test_a_missing_web_server_is_named_with_its_pip_line() -> None:
    program = (
        "import sys; sys.modules['aiohttp'] = None\n"
        "from vo_auth.errors import MissingDependencyError\n"
        "try:\n    from vo_auth.sandbox import Sandbox\n"
        "except MissingDependencyError as error:\n    print(error)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "aiohttp" in done.stdout
    assert 'pip install "vo-auth[sandbox]"' in done.stdout
