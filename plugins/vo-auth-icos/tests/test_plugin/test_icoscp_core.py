"""The released icoscp_core, unmodified, in processes of its own: it changes urllib for the whole process."""

from __future__ import annotations

import json
from dataclasses import dataclass

import pytest

import vo_auth
from vo_auth_icos.standin import ICOS_STANDIN, PEOPLE, SITES_STANDIN, make_cookie
from vo_auth_icos.standin.repository import CITIES, ICOS, SITES

pytest.importorskip("icoscp_core")

MEMBER, NEWCOMER = (ICOS_STANDIN.credentials[role] for role in ("member", "newcomer"))
# Does everything that needs a permit, and says what came, by way of the client that the first lines make.
WORK = """
import json, sys
{bootstrap}
def sums(columns):
    return {{name: str(values[0]) for name, values in sorted(columns.items())}}
uri = sys.argv[1]
dobj = data.meta.get_dobj_meta(uri)
name, stream = data.get_file_stream(uri)
listed = [item for item in data.meta.list_data_objects() if item.uri == uri]
batch = [(item.uri, sums(columns)) for item, columns in data.batch_get_columns_as_arrays(listed, ["co2"])]
print(json.dumps([
    name,
    len(stream.read()),
    sums(data.get_columns_as_arrays(dobj, ["TIMESTAMP", "co2"])),
    sums(data.get_columns_as_arrays(dobj, ["NbPoints"], offset=1, length=2)),
    data.get_csv_byte_stream(uri).read().decode().splitlines()[0],
    batch,
]))
"""
OURS = """
from icoscp_core.{module} import bootstrap
from vo_auth.integrations.icoscp import WalletAuth
data = bootstrap.fromAuthProvider(WalletAuth("{archive}"))
"""
BY_COOKIE = """
import sys
from icoscp_core.{module} import bootstrap
_, data = bootstrap.fromCookieToken(sys.argv[2])
"""
BY_PASSWORD = """
import sys
from icoscp_core.{module} import bootstrap
_, data = bootstrap.fromCredentials(sys.argv[2], sys.argv[3])
"""
BY_FILE = """
import sys
from icoscp_core.auth import PasswordAuth
from icoscp_core.envri import ENVRIES
from icoscp_core.{module} import bootstrap
PasswordAuth(sys.argv[2], sys.argv[3], bootstrap._conf).save_to_file("own.json")
_, _, data = bootstrap.fromPasswordFile("own.json")
"""


@dataclass(frozen=True, slots=True)
class Portal:
    module: str
    repository: object


PORTALS = [Portal("icos", ICOS), Portal("cities", CITIES), Portal("sites", SITES)]
portals = pytest.mark.parametrize("portal", PORTALS, ids=lambda portal: portal.module)


def work(run, portal: Portal, bootstrap: str, *arguments: str) -> None:
    repository = portal.repository
    item = repository.series[0]
    program = WORK.format(bootstrap=bootstrap.format(module=portal.module, archive=repository.archive))
    told = json.loads(run(program, repository.landing_page(item), *arguments))
    assert told == [
        item.file_name,
        len(item.content),
        {"Flag": "O", "TIMESTAMP": "2024-06-01T00:00:00.000", "co2": "420.0"},
        {"NbPoints": "59"},
        "Flag,NbPoints,Stdev,TIMESTAMP,co2",
        [[repository.landing_page(item), {"Flag": "O", "co2": "420.0"}]],
    ]


@portals
def test_a_cookie_token_works(vo_auth_sandbox, run, portal):
    repository = portal.repository
    cookie = f"{repository.cookie}={make_cookie(repository.archive)}"
    work(run, portal, BY_COOKIE, cookie)
    assert vo_auth_sandbox.bench(repository.archive).counters["logins"] == 0


@portals
def test_credentials_work(vo_auth_sandbox, run, portal):
    work(run, portal, BY_PASSWORD, *MEMBER.values())
    assert vo_auth_sandbox.bench(portal.repository.archive).counters["logins"] == 1


@portals
def test_a_password_file_works(vo_auth_sandbox, run, portal, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    work(run, portal, BY_FILE, *MEMBER.values())
    assert vo_auth_sandbox.bench(portal.repository.archive).counters["logins"] == 1


@portals
def test_our_provider_works_and_logs_in_once_for_two_processes(vo_auth_sandbox, run, portal):
    for _ in range(2):
        work(run, portal, OURS)
    assert vo_auth_sandbox.bench(portal.repository.archive).counters["logins"] == 1
    assert not any(entry.cookie for entry in vo_auth_sandbox.received.at(portal.repository.meta))


def test_our_provider_and_a_session_share_the_wallet(vo_auth_sandbox, bench, run, session):
    assert session.get(f"https://data.icos-cp.eu/objects/{ICOS.series[0].id}").ok
    work(run, PORTALS[0], OURS)
    assert bench.counters["logins"] == 1


@pytest.mark.usefixtures("without_credentials")
def test_our_provider_serves_an_account_without_password(bench, run, monkeypatch):
    monkeypatch.setenv("VO_AUTH_ICOS_COOKIE", f"cpauthToken={make_cookie()};")
    work(run, PORTALS[0], OURS)
    assert bench.counters["logins"] == 0


def test_our_provider_takes_a_cookie_whose_end_it_cannot_read(bench, run):
    bench.knobs["cookie_layout"] = "java"
    work(run, PORTALS[0], OURS)


def test_our_provider_renews_a_cookie_that_comes_near_its_end(bench, run):
    bench.knobs["cookie_life"] = 2
    program = OURS.format(module="icos", archive="icos") + (
        "import sys, time\n"
        "end = time.monotonic() + 4\n"
        "while time.monotonic() < end:\n"
        "    data.get_file_stream(sys.argv[1])[1].read()\n"
    )
    run(program, ICOS.landing_page(ICOS.series[0]))
    assert 2 <= bench.counters["logins"] <= 6


def test_our_provider_looks_nothing_up_before_it_is_asked(vo_auth_sandbox, run, monkeypatch):
    monkeypatch.setenv("VO_AUTH_ICOS_PASSWORD_FILE", "nowhere")
    program = OURS.format(module="icos", archive="icos") + (
        "import sys\nprint(repr(data.auth), 'vo_auth.wallet' in sys.modules, data.meta.list_stations()[0].name)"
    )
    assert run(program) == "<WalletAuth for icos> False Hyltemossa\n"


@pytest.mark.usefixtures("without_credentials")
@portals
def test_where_data_is_read_from_files_nothing_asks_for_credentials(
    vo_auth_sandbox, run, portal, tmp_path, monkeypatch
):
    repository = portal.repository
    item = repository.series[0]
    folder = tmp_path / "asciiAtcProductTimeSer"
    folder.mkdir()
    content = b"".join(column.pack(item.rows[column.label]) for column in item.columns)
    (folder / f"{item.id}.cpb").write_bytes(content)
    monkeypatch.setenv(f"PORTAL_DATA_PATH_{repository.envri.upper()}", str(tmp_path))
    program = (
        "from vo_auth.credentials import prompt\n"
        "def fail(*_): raise SystemExit('a person was asked')\n"
        "prompt.is_interactive = lambda: True\n"
        "prompt.PromptSource._ask = fail\n"
        + OURS.format(module=portal.module, archive=repository.archive)
        + "import sys, threading\n"
        "columns = data.get_columns_as_arrays(data.meta.get_dobj_meta(sys.argv[1]), ['co2'])\n"
        "for thread in threading.enumerate():\n"
        "    thread is threading.main_thread() or thread.join()\n"
        "print(columns['co2'][0])\n"
    )
    assert run(program, repository.landing_page(item)) == "420.0\n"
    counters = vo_auth_sandbox.bench(repository.archive).counters
    assert (counters["logins"], counters["tables"], counters["anonymous_usage_reports"]) == (0, 0, 1)


@pytest.mark.usefixtures("without_credentials")
def test_without_credentials_the_program_ends_with_what_to_do(run):
    program = OURS.format(module="icos", archive="icos") + "import sys\ndata.get_file_stream(sys.argv[1])"
    said = run(program, ICOS.landing_page(ICOS.series[0]), check=False)
    assert "vo-auth login icos" in said
    assert "https://cpauth.icos-cp.eu/" in said


def test_the_provider_shows_no_cookie(vo_auth_sandbox):
    from icoscp_core.auth import AuthToken

    from vo_auth.integrations.icoscp import WalletAuth

    token = WalletAuth().get_token()
    assert isinstance(token, AuthToken)
    assert (token.user_id, token.auth_source, token.is_fresh()) == (MEMBER["username"], "Password", True)
    assert token.cookie_value.partition("=")[2] not in repr(token)
    with pytest.raises(vo_auth.errors.PluginNotInstalledError, match="vo-auth-icos"):
        WalletAuth("elsewhere").get_token()
    with pytest.raises(vo_auth.errors.PermitError, match="cookie"):
        WalletAuth("eso").get_token()


def test_the_stand_ins_people_are_the_same_at_both_portals():
    assert ICOS_STANDIN.credentials == SITES_STANDIN.credentials
    assert not PEOPLE["scholar"].password
