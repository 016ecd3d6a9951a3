"""The file in which icoscp_core keeps a user's credentials: read where it is, read elsewhere, written when asked."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest

import vo_auth
from vo_auth import errors
from vo_auth.testing import assert_no_secret
from vo_auth_icos.standin import ICOS_STANDIN, PEOPLE, make_cookie
from vo_auth_icos.standin.repository import ICOS

SERIES = ICOS.named("ICOS_ATC_HTM_30")
OBJECT = f"https://data.icos-cp.eu/objects/{SERIES.id}"
MEMBER, NEWCOMER = (ICOS_STANDIN.credentials[role] for role in ("member", "newcomer"))
WRITES = """
import sys
from icoscp_core.auth import PasswordAuth, TokenAuth
from icoscp_core.envri import ICOS_CONFIG
name, password, path, cookie = sys.argv[1:]
token = TokenAuth(cookie).get_token() if cookie else None
PasswordAuth(name, password, ICOS_CONFIG, token).save_to_file(path)
"""
DOWNLOADS = """
import sys
from icoscp_core.icos import data
name, stream = data.get_file_stream(sys.argv[1])
print(name, len(stream.read()))
"""

pytestmark = pytest.mark.usefixtures("without_credentials")
posix = pytest.mark.skipif(os.name != "posix", reason="access rights are modes on POSIX alone")


@pytest.fixture
def default_file(vo_auth_sandbox) -> Path:
    folder = vo_auth_sandbox.home / ".icoscp"
    folder.mkdir()
    return folder / "cpauthToken_auth_conf.json"


def write(path: Path, username: str, password: str = "", cookie: str = "", *, mode: int = 0o600) -> Path:
    content = {"user_id": username, "password": bytes(~byte & 0xFF for byte in password.encode()).hex()}
    path.write_text(json.dumps(content | ({"cookie_value": cookie} if cookie else {})))
    path.chmod(mode)
    return path


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


# ---------------------------------------------------------------- read


def test_the_file_that_icoscp_core_wrote_is_enough(bench, default_file, run, session):
    run(WRITES, MEMBER["username"], MEMBER["password"], str(default_file), "")
    default_file.chmod(0o600)
    assert session.get(OBJECT).content == SERIES.content
    (held,) = vo_auth.status()
    assert (held.account, held.origin) == (MEMBER["username"], str(default_file))
    assert bench.counters["logins"] == 1


@posix
def test_a_file_that_others_may_read_is_not_used_and_the_error_says_how_to_close_it(
    vo_auth_sandbox, default_file, session
):
    write(default_file, **MEMBER, mode=0o644)
    with pytest.raises(errors.UnusableCredentialsError, match=f"chmod 600 {default_file}"):
        session.get(OBJECT)
    assert vo_auth_sandbox.received.all() == []


@pytest.mark.parametrize(
    "content",
    [
        '{"user_id": "member@example.org", "password": "obviously-fake-not-hex"}',
        '{"user_id": "member@example.org", "password": "00ff"}',
        '{"user_id": "member@example.org", "password": 42, "cookie_value": "obviously-fake-cookie"}',
        '{"user_id": ["obviously-fake"]}',
        "obviously-fake",
        '["obviously-fake"]',
        "",
    ],
)
def test_a_damaged_file_is_an_error_that_quotes_nothing_of_it(vo_auth_sandbox, default_file, session, content):
    default_file.write_text(content)
    default_file.chmod(0o600)
    with pytest.raises(errors.UnusableCredentialsError) as caught:
        session.get(OBJECT)
    assert str(default_file) in str(caught.value)
    assert_no_secret(["obviously-fake"], caught.value)
    assert vo_auth_sandbox.received.all() == []


@pytest.mark.parametrize("end", ["", ";"])
def test_a_file_without_a_password_serves_by_its_cookie(bench, default_file, session, end):
    write(default_file, PEOPLE["scholar"].email, cookie=f"cpauthToken={make_cookie()}{end}")
    assert session.get(OBJECT).content == SERIES.content
    assert bench.counters["logins"] == 0


def test_the_keyring_comes_before_the_file_and_the_file_before_the_prompt():
    from vo_auth.credentials import KeyringSource, KnownFileSource, PromptSource

    assert KeyringSource.rank < KnownFileSource.rank < PromptSource.rank


def test_arguments_and_environment_come_before_the_file(bench, default_file, session_for, monkeypatch):
    write(default_file, "stranger@example.org", "obviously-wrong")
    assert session_for(**MEMBER).get(OBJECT).ok
    monkeypatch.setenv("VO_AUTH_ICOS_USERNAME", MEMBER["username"])
    monkeypatch.setenv("VO_AUTH_ICOS_PASSWORD", MEMBER["password"])
    assert session_for().get(OBJECT).ok
    assert bench.counters["rejected_logins"] == 0


def test_another_users_file_serves_no_named_account(vo_auth_sandbox, default_file, session_for):
    write(default_file, **MEMBER)
    with pytest.raises(errors.CredentialsNotFoundError):
        session_for(account=NEWCOMER["username"]).get(OBJECT)
    assert session_for(account=MEMBER["username"]).get(OBJECT).ok


def test_a_file_of_the_users_own_serves_a_session(tmp_path, session_for):
    own = write(tmp_path / "mine.json", **MEMBER)
    assert session_for(file=str(own)).get(OBJECT).content == SERIES.content


@pytest.mark.filterwarnings("ignore::vo_auth.errors.PermitEndWarning")
def test_plain_files_of_credentials_work_as_they_do_for_every_archive(tmp_path, session_for):
    for name, text in {
        "two-lines": f"{MEMBER['username']}\n{MEMBER['password']}\n",
        "cookie": f"cpauthToken={make_cookie()};\n",
    }.items():
        path = tmp_path / name
        path.write_text(text)
        path.chmod(0o600)
        assert session_for(file=str(path)).get(OBJECT).ok


# ---------------------------------------------------------------- vo-auth login icos --from-file … --to-file …


def vo_auth_command(run, *arguments: str, check: bool = True) -> str:
    return run("import sys; from vo_auth.cli import main; sys.exit(main())", *arguments, check=check)


@pytest.mark.filterwarnings("ignore::vo_auth.errors.PermitEndWarning")
def test_login_from_a_file_of_ones_own_logs_in_and_touches_no_file(vo_auth_sandbox, tmp_path, run, session):
    own = write(tmp_path / "mine.json", **MEMBER)
    before = own.read_bytes()
    assert MEMBER["username"] in vo_auth_command(run, "login", "icos", "--from-file", str(own))
    assert session.get(OBJECT).ok  # from the wallet
    assert own.read_bytes() == before
    assert not (vo_auth_sandbox.home / ".icoscp").exists()


@pytest.mark.parametrize("umask", [0o000, 0o022])
def test_login_to_the_default_file_lets_the_unmodified_client_work(vo_auth_sandbox, bench, tmp_path, run, umask):
    own = write(tmp_path / "mine.json", **MEMBER)
    before = os.umask(umask)
    try:
        vo_auth_command(run, "login", "icos", "--from-file", str(own), "--to-file", "default")
    finally:
        os.umask(before)
    written = vo_auth_sandbox.home / ".icoscp" / "cpauthToken_auth_conf.json"
    if os.name == "posix":
        assert (mode_of(written), mode_of(written.parent)) == (0o600, 0o700)
    assert [path.name for path in written.parent.iterdir()] == [written.name]
    assert run(DOWNLOADS, OBJECT) == f"{SERIES.file_name} {len(SERIES.content)}\n"
    assert bench.counters["logins"] == 1  # the cookie came along


def test_what_was_written_serves_the_client_also_after_its_cookie_ended(vo_auth_sandbox, bench, tmp_path, run):
    bench.knobs["cookie_life"] = 600  # less than the hour that icoscp_core wants
    own = write(tmp_path / "mine.json", **MEMBER)
    vo_auth_command(run, "login", "icos", "--from-file", str(own), "--to-file", "default")
    assert run(DOWNLOADS, OBJECT) == f"{SERIES.file_name} {len(SERIES.content)}\n"
    assert bench.counters["logins"] == 2  # the password came along


def test_login_writes_a_file_for_an_account_without_password(vo_auth_sandbox, bench, tmp_path, run):
    own = tmp_path / "cookie"
    own.write_text(make_cookie())
    own.chmod(0o600)
    vo_auth_command(run, "login", "icos", "--from-file", str(own), "--to-file", "default")
    assert run(DOWNLOADS, OBJECT) == f"{SERIES.file_name} {len(SERIES.content)}\n"
    assert bench.counters["logins"] == 0


def test_what_is_written_is_to_the_letter_what_icoscp_core_writes(vo_auth_sandbox, tmp_path, run):
    ours, theirs = tmp_path / "ours.json", tmp_path / "theirs.json"
    vo_auth.login("icos", to_file=str(ours), **MEMBER)
    told = json.loads(ours.read_text())
    assert told["cookie_value"].startswith("cpauthToken=")
    assert told["cookie_value"].endswith(";")
    run(WRITES, MEMBER["username"], MEMBER["password"], str(theirs), told["cookie_value"])
    assert ours.read_text() == theirs.read_text()


def test_an_existing_file_is_replaced_as_a_whole(tmp_path):
    path = write(tmp_path / "mine.json", "stranger@example.org", "obviously-wrong", mode=0o644)
    vo_auth.login("icos", to_file=str(path), **MEMBER)
    assert mode_of(path) == 0o600 or os.name != "posix"
    assert json.loads(path.read_text())["user_id"] == MEMBER["username"]


def test_an_archive_without_such_a_file_says_so_before_it_asks_anybody(vo_auth_sandbox):
    with pytest.raises(errors.UnusableCredentialsError, match="ESO"):
        vo_auth.login("eso", to_file="default", username="DEMOPI", password="obviously-fake")
    assert vo_auth_sandbox.received.all() == []
