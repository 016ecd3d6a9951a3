"""The ways to log in, in their order: local account, service, browser, pasted token; and what stays configurable."""

from __future__ import annotations

import pytest

import vo_auth
from vo_auth import errors
from vo_auth.flows import read_claims
from vo_auth.testing import assert_no_secret
from vo_auth_ia2 import IA2
from vo_auth_ia2.standin import STANDIN

from .conftest import ARCHIVES, RAP, file, later, secure

pytestmark = [
    pytest.mark.vo_auth_sandbox(only=("ia2",)),
    # that tokens of minutes end before long work is told once per session; here it is known
    pytest.mark.filterwarnings("ignore::vo_auth.errors.PermitEndWarning"),
]

PRIVATE, FOREIGN = file("X99TAC_1"), file("X99TAC_2")
TOKEN_PAGE = "https://sso.ia2.inaf.it/rap-ia2/"
LOGIN = "import sys; from vo_auth.cli import main; sys.argv[0] = 'vo-auth'; sys.exit(main())"


def subjects(sandbox):
    tokens = [entry.authorization.partition(" ")[2] for entry in sandbox.received.at(ARCHIVES)]
    return [read_claims(token).get("sub") for token in tokens]


def test_the_flows_have_an_order_and_names_of_their_own():
    assert [flow.name for flow in IA2.flows] == ["local account", "client credentials", "browser login", "pasted token"]
    assert {str(origin) for origin in IA2.credential_origins()} == {f"https://{RAP}"}


# ---------------------------------------------------------------- without a browser


def test_a_local_account_comes_first(session, vo_auth_sandbox, monkeypatch):
    for name, value in STANDIN.credentials["service"].items():
        monkeypatch.setenv(f"VO_AUTH_IA2_{name.upper()}", value)
    assert session.get(secure(PRIVATE)).ok
    assert subjects(vo_auth_sandbox) == ["5101"]
    assert [item.account for item in vo_auth.status()] == ["observer"]


def test_a_service_has_credentials_of_its_own(without_credentials, session, vo_auth_sandbox, monkeypatch):
    for name, value in STANDIN.credentials["service"].items():
        monkeypatch.setenv(f"VO_AUTH_IA2_{name.upper()}", value)
    assert session.get(secure(PRIVATE)).ok
    assert subjects(vo_auth_sandbox) == ["vo-auth-demo-service"]


def test_a_password_beyond_ascii_arrives_as_it_is(session_for, bench):
    assert session_for(**STANDIN.credentials["colleague"]).get(secure(FOREIGN)).ok
    assert bench.counters["rejected_logins"] == 0


def test_without_any_credentials_the_error_names_every_way(without_credentials, session):
    with pytest.raises(errors.CredentialsNotFoundError) as caught:
        session.get(secure(PRIVATE))
    for words in ("VO_AUTH_IA2_USERNAME", "VO_AUTH_IA2_PASSWORD", "vo-auth login ia2", TOKEN_PAGE, "pasted token"):
        assert words in str(caught.value)


# ---------------------------------------------------------------- the pasted token


def test_a_pasted_token_is_used_as_long_as_it_holds(without_credentials, session, token, bench, monkeypatch):
    monkeypatch.setenv("VO_AUTH_IA2_TOKEN", token())
    assert session.get(PRIVATE.url).ok
    later(bench, 3700)
    with pytest.raises(errors.PermitExpiredError) as caught:
        session.get(PRIVATE.url)
    assert TOKEN_PAGE in str(caught.value)
    assert bench.counters["logins"] == 1  # the one of this test's own


def test_a_pasted_token_that_has_ended_is_an_error_that_names_the_page(
    without_credentials, session, token, bench, monkeypatch, vo_auth_sandbox
):
    bench.knobs["clock_skew"] = -7200
    old = token()
    del bench.knobs["clock_skew"]
    monkeypatch.setenv("VO_AUTH_IA2_TOKEN", old)
    with pytest.raises(errors.PermitExpiredError, match="get a new one at " + TOKEN_PAGE) as caught:
        session.get(PRIVATE.url)
    assert_no_secret([old], caught.value)
    assert vo_auth_sandbox.received.at(ARCHIVES) == []


def test_the_token_file_of_the_page_serves_as_it_is(without_credentials, session, token, tmp_path, monkeypatch):
    path = tmp_path / "token.txt"
    path.write_text(f"{token()}\n")
    path.chmod(0o600)
    monkeypatch.setenv("VO_AUTH_IA2_TOKEN_FILE", str(path))
    assert session.get(PRIVATE.url).ok


@pytest.mark.parametrize("way", ["--token-stdin", "--token-file", "--from-file"])
def test_the_command_line_takes_a_token(without_credentials, run, session, token, tmp_path, way):
    text = token()
    path = tmp_path / "token.txt"
    path.write_text(f"{text}\n")
    path.chmod(0o600)
    options = [way] if way == "--token-stdin" else [way, str(path)]
    said = run(LOGIN, "login", "ia2", *options, stdin=f"{text}\n")
    assert "Logged in to ia2 as 5101" in said
    assert_no_secret([text], said)
    assert session.get(PRIVATE.url).ok


def test_with_no_other_way_a_person_is_asked_for_the_token_and_shown_the_page(
    without_credentials, session_for, token, monkeypatch, capsys
):
    asked = []

    def typed(question):
        asked.append(question)
        return token()

    monkeypatch.setattr("getpass.getpass", typed)
    monkeypatch.setattr("builtins.input", lambda *_: pytest.fail("nobody is asked for a user name"))
    assert session_for(interactive=True).get(PRIVATE.url).ok
    assert asked == ["token: "]
    assert f"Get your token at {TOKEN_PAGE}" in capsys.readouterr().err


# ---------------------------------------------------------------- the browser


@pytest.fixture
def logged_in(browser, bench):
    """Log in by the browser; tokens live for five minutes."""
    bench.knobs["token_life"] = 300
    return vo_auth.login("ia2", interactive=True)


def test_a_person_logs_in_by_the_browser_with_the_client_of_the_environment(logged_in, session, bench, vo_auth_sandbox):
    assert (logged_in.archive, logged_in.user) == ("ia2", "5101")
    assert session.get(PRIVATE.url).ok
    assert subjects(vo_auth_sandbox) == ["5101"]
    assert (bench.counters["page_logins"], bench.counters["codes"], bench.counters["logins"]) == (1, 1, 1)
    (asked,) = vo_auth_sandbox.received.at(RAP, "/rap-ia2/auth/oauth2/authorize")
    for words in ("code_challenge_method=S256", "redirect_uri=http%3A%2F%2F127.0.0.1%3A", "%2Fcallback", "state="):
        assert words in asked.query


@pytest.mark.parametrize("rotates", [False, True])
def test_refresh_tokens_keep_the_login_alive(logged_in, session, bench, run, rotates):
    bench.knobs["refresh_rotation"] = rotates
    for _ in range(3):
        assert session.get(PRIVATE.url).ok
        later(bench, 300)
    assert session.get(PRIVATE.url).ok
    source = "import sys, vo_auth; print(vo_auth.session_for(sys.argv[1]).get(sys.argv[1]).status_code)"
    assert run(source, PRIVATE.url).strip() == "200"
    assert (bench.counters["refreshes"], bench.counters["page_logins"]) == (3, 1)
    assert bench.counters["reuse_detected"] == 0


def test_without_a_refresh_token_the_end_is_an_error_that_says_what_to_do(browser, session, bench):
    bench.knobs.update(issue_refresh=False, token_life=300)
    vo_auth.login("ia2", interactive=True)
    assert session.get(PRIVATE.url).ok
    later(bench, 301)
    with pytest.raises(errors.CredentialsNotFoundError, match="vo-auth login ia2"):
        session.get(PRIVATE.url)
    assert bench.counters["page_logins"] == 1


def test_who_declines_at_the_page_is_not_asked_again(browser, monkeypatch, bench):
    monkeypatch.setenv("DEMO_DECISION", "deny")
    with pytest.raises(errors.PromptCancelledError, match="declined"):
        vo_auth.login("ia2", interactive=True)
    assert bench.counters["denied"] == 1


def test_without_a_client_id_the_browser_is_passed_over(without_credentials, session, vo_auth_sandbox):
    with pytest.raises(errors.CredentialsNotFoundError):
        session.get(PRIVATE.url)
    assert vo_auth_sandbox.received.at(RAP) == []


# ---------------------------------------------------------------- what is configured


@pytest.fixture
def configure(vo_auth_sandbox):
    """Write the user's configuration file of the sandbox; a new process reads it."""

    def write(text):
        state = vo_auth_sandbox.folder / "state"
        state.mkdir(mode=0o700, exist_ok=True)
        path = state / "config.toml"
        path.write_text(f"[archive.ia2]\n{text}\n")
        path.chmod(0o600)

    return write


GET = "import sys, vo_auth; print(vo_auth.session_for(sys.argv[1]).get(sys.argv[1]).status_code)"


def test_endpoints_come_from_the_discovery_document_where_there_is_one(session, bench, vo_auth_sandbox):
    bench.knobs["discovery"] = True
    assert session.get(PRIVATE.url).ok
    looked = [entry.path for entry in vo_auth_sandbox.received.at(RAP) if ".well-known" in entry.path]
    assert looked in ([], ["/rap-ia2/.well-known/openid-configuration"])  # once in a process


def test_the_discovery_document_is_believed_over_the_plugins_data(run, bench, vo_auth_sandbox):
    bench.knobs["discovery"] = True
    assert run(GET, PRIVATE.url).strip() == "200"
    looked = [entry.path for entry in vo_auth_sandbox.received.at(RAP)]
    assert looked == ["/rap-ia2/.well-known/openid-configuration", "/rap-ia2/auth/oauth2/token"]


def test_an_issuer_of_another_name_and_client_authentication_can_be_configured(run, bench, configure):
    bench.knobs.update(discovery=True, issuer="https://sso.ia2.inaf.it/", client_auth="basic", basic_encoding="form")
    assert "not that of" in run(GET, PRIVATE.url, check=False)
    configure(
        'discovery = false\ntoken_url = "https://sso.ia2.inaf.it/rap-ia2/auth/oauth2/token"\nclient_auth = "basic"'
    )
    assert run(GET, PRIVATE.url).strip() == "200"


@pytest.mark.parametrize(("listens", "said"), [("", "is not for https://archives.ia2"), ("resource", "200")])
def test_audiences_by_name_can_be_configured(run, bench, configure, listens, said):
    """A token that is not for the files is not sent there; an issuer that listens makes one that is."""
    bench.knobs["audience_names"] = {"tap": "ia2-tap", "files": "ia2-files", "gms": "ia2-files"}
    bench.knobs.update(audiences=["ia2-tap"], resource_parameter=listens)
    configure(
        'domains = [{base = "https://archives.ia2.inaf.it/files", upgrade_http = true, audience = ["ia2-files"]}]'
    )
    assert said in run(GET, PRIVATE.url, check=False)
    assert (bench.counters["downloads"], bench.counters["refused_downloads"]) == (int(said == "200"), 0)


def test_the_group_service_can_be_configured(run, configure):
    configure('groups = "https://gms.ia2.inaf.it/gms/elsewhere/search"')
    said = run("import vo_auth; vo_auth.groups('ia2')", check=False)
    assert "404" in said


def test_a_registered_client_of_the_configuration_is_used(browser, run, configure, monkeypatch, bench):
    monkeypatch.delenv("VO_AUTH_IA2_CLIENT_ID")
    configure('client_id = "vo-auth-demo-native"\nredirect_path = "/"')
    said = run("import vo_auth; print(vo_auth.login('ia2', interactive=True).user)")
    assert said.splitlines()[0] == "5101" or "5101" in said
    assert bench.counters["page_logins"] == 1


def test_the_command_lists_the_archive(run):
    said = run(LOGIN, "archives")
    (line,) = [line for line in said.splitlines() if line.startswith("ia2\t")]
    for words in ("vo-auth-ia2", "https://archives.ia2.inaf.it/files", "local account", "browser login"):
        assert words in line
