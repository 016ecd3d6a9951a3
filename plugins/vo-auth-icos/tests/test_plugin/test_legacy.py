"""The older icoscp 0.2, unmodified, on our wallet: it brings so much along that it has an environment of its own."""

from __future__ import annotations

import importlib.util
import os
import sys

import pytest

from vo_auth_icos.standin import ICOS_STANDIN, make_cookie
from vo_auth_icos.standin.repository import ICOS

pytestmark = pytest.mark.interop

MEMBER = ICOS_STANDIN.credentials["member"]
# The Python that has it, with vo_auth and the plugin; else it must be in this one.
VARIABLE = "ICOSCP_PYTHON"
NEW = """
from icoscp.dobj import Dobj
table = Dobj(sys.argv[1]).get(["TIMESTAMP", "co2"])
"""
OLD = """
import warnings
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from icoscp.cpb.dobj import Dobj
table = Dobj(sys.argv[1]).get(["TIMESTAMP", "co2"])
"""
SHOW = "print(len(table), table['co2'].iloc[0], table['TIMESTAMP'].iloc[0])\n"
OURS = """
import sys
from icoscp import cpauth
from vo_auth.integrations.icoscp import WalletAuth
cpauth.init_by(WalletAuth())
"""
COOKIE = """
import sys
from icoscp import cpauth
from icoscp_core.icos import bootstrap
_, data = bootstrap.fromCookieToken(sys.argv[2])
cpauth.init_by(data.auth)
"""


@pytest.fixture
def legacy(run):
    python = os.environ.get(VARIABLE) or (sys.executable if importlib.util.find_spec("icoscp") else "")
    if not python:
        pytest.skip(f"icoscp is not installed, and {VARIABLE} names no Python that has it")
    return lambda source, *arguments: run(source, *arguments, python=python)


@pytest.mark.parametrize("module", [NEW, OLD], ids=["icoscp.dobj", "icoscp.cpb.dobj"])
def test_the_older_library_reads_columns_with_our_provider(vo_auth_sandbox, bench, legacy, module):
    for _ in range(2):
        said = legacy(OURS + module + SHOW, ICOS.landing_page(ICOS.series[0]))
        assert said == "48 420.0 2024-06-01 00:00:00\n"
    assert bench.counters["logins"] == 1
    assert not any(entry.cookie for entry in vo_auth_sandbox.received.at(ICOS.meta))


@pytest.mark.parametrize("module", [NEW, OLD], ids=["icoscp.dobj", "icoscp.cpb.dobj"])
def test_the_older_library_reads_columns_without_us(bench, legacy, module):
    cookie = f"cpauthToken={make_cookie()}"
    said = legacy(COOKIE + module + SHOW, ICOS.landing_page(ICOS.series[0]), cookie)
    assert said == "48 420.0 2024-06-01 00:00:00\n"
    assert bench.counters["tables"] == 1
