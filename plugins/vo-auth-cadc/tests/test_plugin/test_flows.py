"""How each permit is obtained, kept alive and written down."""

from __future__ import annotations

import base64
import logging
import time

import pytest
from cryptography import x509

import vo_auth
from vo_auth import errors
from vo_auth.sandbox import Fault
from vo_auth.testing import assert_no_secret
from vo_auth_cadc import CADC
from vo_auth_cadc.standin import STANDIN, make_token

from .conftest import (
    ACCESS,
    CONTENT,
    DELEGATED,
    FILES,
    OWN,
    OWN_FILE,
    PI,
    PUBLIC,
    TAP_URL,
    VISITOR,
    seen,
    shown_at,
)


def held():
    (one,) = vo_auth.status()
    return one


# ---------------------------------------------------------------- the delegated certificate


def test_user_name_and_password_get_a_certificate_by_way_of_the_token(vo_auth_sandbox, bench, session):
    assert seen(session) == OWN
    login, generate, search = vo_auth_sandbox.received.all()
    assert (login.method, login.host, login.path) == ("POST", "ws-cadc.canfar.net", "/ac/login")
    assert (generate.method, generate.path, generate.query) == ("GET", "/cred/generate", "daysValid=10")
    assert generate.authorization.startswith("Bearer ")
    assert generate.client_certificate is None
    assert (search.client_certificate is not None, search.authorization, search.cookie) == (True, "", "")
    assert (bench.counters["logins"], bench.counters["certificates"]) == (1, 1)
    assert (held().kind, held().flow, held().account) == ("certificate", DELEGATED, PI["username"])
    assert 9.9 * 86400 < held().seconds_left <= 10 * 86400


def test_one_certificate_serves_all_sessions_hosts_and_processes_of_the_wallet(bench, session_for):
    for _ in range(2):
        session = session_for()
        assert seen(session) == OWN
        assert session.get(FILES[OWN_FILE]).content == CONTENT[OWN_FILE]
    assert bench.counters["logins"] == 1


def test_nothing_of_the_key_comes_back(vo_auth_sandbox, session, caplog):
    caplog.set_level(logging.DEBUG)
    answer = session.get(f"{TAP_URL}/availability")
    stored = vo_auth.wallet.default.default_wallet().everything()[0].grant.permit.pem.reveal()
    token = next(entry for entry in vo_auth_sandbox.received.all() if entry.path == "/cred/generate").authorization
    ours = [record for record in caplog.records if not record.name.startswith("aiohttp")]
    secrets = [stored, stored.splitlines()[-5], token.partition(" ")[2], PI["password"]]
    assert_no_secret(secrets, answer, answer.request, dict(session.cookies), session, *ours)


def test_a_colon_in_the_password_does_no_harm(session_for):
    assert ":" in VISITOR["password"]
    assert seen(session_for(**VISITOR)) == PUBLIC


def test_a_smaller_maximum_of_the_archive_is_taken(vo_auth_sandbox, bench, session):
    bench.knobs["certificate_max_days"] = 7
    assert seen(session) == OWN
    asked = [entry.query for entry in vo_auth_sandbox.received.all() if entry.path == "/cred/generate"]
    assert asked == ["daysValid=10", ""]
    assert held().seconds_left <= 7 * 86400


def later(seconds):
    """Let the wallet think that it is later, as the archive's Date header would; a login puts it right."""
    vo_auth.wallet.default.default_wallet().observe(CADC, time.time() + seconds)


def test_it_is_renewed_before_its_end_by_a_login_and_never_by_itself(vo_auth_sandbox, bench, session):
    bench.knobs["certificate_life"] = 3600
    assert seen(session) == OWN
    first, end = vo_auth_sandbox.received.all()[-1].client_certificate, held().expires
    bench.knobs["certificate_life"] = 7200
    later(3300)  # it still holds, and is replaced in the background
    assert seen(session) == OWN
    deadline = time.monotonic() + 60
    while held().expires == end:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert seen(session) == OWN
    assert vo_auth_sandbox.received.all()[-1].client_certificate != first
    assert (bench.counters["logins"], bench.counters["refused_renewals"]) == (2, 0)


def test_one_that_has_ended_is_replaced_before_the_next_request(vo_auth_sandbox, bench, session):
    bench.knobs["certificate_life"] = 3600
    assert seen(session) == OWN
    first = vo_auth_sandbox.received.all()[-1].client_certificate
    later(3700)
    assert seen(session) == OWN
    assert vo_auth_sandbox.received.all()[-1].client_certificate not in {first, None}
    assert bench.counters["certificates"] == 2


@pytest.mark.parametrize(
    "credentials",
    [{**PI, "password": "obviously-wrong"}, STANDIN.credentials["inactive"]],
    ids=["wrong password", "inactive"],
)
def test_a_refused_login_is_sent_once(bench, session_for, credentials):
    session = session_for(**credentials)
    for _ in range(2):
        with pytest.raises(errors.CredentialsRejectedError, match="vo-auth login cadc"):
            seen(session)
    assert bench.counters["rejected_logins"] == 1


def test_a_login_that_is_answered_with_nothing_is_an_error(bench, session):
    bench.knobs["empty_login"] = True
    with pytest.raises(errors.LoginAnswerError, match="without a permit"):
        seen(session)


def test_a_transient_fault_of_the_login_is_no_verdict_on_the_password(bench, session):
    bench.knobs["transient"] = 3
    with pytest.raises(errors.LoginUnreachableError) as caught:
        seen(session)
    assert caught.value.retry_after == 3
    del bench.knobs["transient"]
    assert bench.counters["rejected_logins"] == 0


@pytest.mark.parametrize(
    "fault",
    [
        Fault(path_regex="^/cred/generate", status=200, body="<html>maintenance</html>"),
        Fault(
            path_regex="^/cred/generate", status=200, body="-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----"
        ),
        Fault(path_regex="^/cred/generate", status=403, body="permission denied"),
        Fault(path_regex="^/cred/generate", status=400, body="no", times=2),
    ],
    ids=["a page", "no key", "refused", "refused twice"],
)
def test_an_answer_that_is_no_certificate_with_its_key_is_an_error(vo_auth_sandbox, bench, session, fault):
    bench.knobs["fail_on"] = [fault]
    with pytest.raises(errors.LoginAnswerError, match="without a certificate and its key"):
        seen(session)
    assert shown_at(vo_auth_sandbox) == []


def test_an_answer_that_names_a_file_here_is_not_followed(vo_auth_sandbox, bench, session_for, certificate):
    path = certificate(name="mine.pem")
    bench.knobs["fail_on"] = [Fault(path_regex="^/cred/generate", status=200, body=str(path))]
    with pytest.raises(errors.LoginAnswerError, match="without a certificate and its key"):
        seen(session_for(**VISITOR))


# ---------------------------------------------------------------- the certificate that is there


@pytest.mark.usefixtures("without_credentials")
def test_the_certificate_of_other_programs_is_used_as_it_is(vo_auth_sandbox, bench, certificate, session):
    certificate()
    assert seen(session) == OWN
    assert bench.counters["logins"] == 0
    assert shown_at(vo_auth_sandbox) == ["certificate"]
    assert held().kept == "memory"


@pytest.mark.usefixtures("without_credentials")
@pytest.mark.parametrize(
    "variable", ["VO_AUTH_CADC_CERTIFICATE", "VO_AUTH_CADC_CERTIFICATE_FILE", "CANFAR_CERTIFICATE"]
)
def test_a_variable_may_say_where_it_is(certificate, session_for, monkeypatch, variable):
    monkeypatch.setenv(variable, str(certificate(name="mine.pem")))
    assert seen(session_for()) == OWN


@pytest.mark.usefixtures("without_credentials")
def test_an_argument_may_say_so_too(certificate, session_for):
    assert seen(session_for(certificate=str(certificate(name="mine.pem")))) == OWN
    assert seen(session_for(file=str(certificate("visitor", name="other.pem")))) == PUBLIC


def test_of_one_source_the_certificate_comes_first(certificate, session_for, monkeypatch, bench):
    monkeypatch.setenv("VO_AUTH_CADC_CERTIFICATE", str(certificate(name="mine.pem")))
    assert seen(session_for()) == OWN
    assert bench.counters["logins"] == 0


def test_one_that_has_ended_falls_through_to_delegation(certificate, session_for, monkeypatch, bench):
    monkeypatch.setenv("VO_AUTH_CADC_CERTIFICATE", str(certificate(name="mine.pem", life=-60)))
    certificate(life=-3600)
    assert seen(session_for()) == OWN
    assert (bench.counters["certificates"], held().flow) == (1, DELEGATED)


@pytest.mark.usefixtures("without_credentials")
def test_one_that_has_ended_alone_is_an_error_that_says_when(certificate, session, vo_auth_sandbox):
    certificate(life=-3600)
    with pytest.raises(errors.PermitExpiredError, match=r"cadcproxy\.pem"):
        seen(session)
    assert vo_auth_sandbox.received.all() == []


@pytest.mark.usefixtures("without_credentials")
def test_one_with_the_key_of_another_is_an_error_before_use(certificate, session, vo_auth_sandbox):
    path = certificate()
    start, _, rest = path.read_text().partition("-----BEGIN RSA")
    _, _, other = certificate("visitor", name="other.pem").read_text().partition("-----BEGIN RSA")
    assert rest != other
    path.write_text(f"{start}-----BEGIN RSA{other}")
    with pytest.raises(errors.UnusableCredentialsError, match="certificate cannot be used"):
        seen(session)
    assert vo_auth_sandbox.received.all() == []


@pytest.mark.usefixtures("without_credentials")
@pytest.mark.parametrize(("mode", "text", "told"), [(0o644, None, "chmod 600"), (0o600, "hello", "of another kind")])
def test_a_file_that_is_open_to_others_or_holds_something_else_is_an_error(certificate, session, mode, text, told):
    path = certificate(mode=mode)
    if text:
        path.write_text(text)
    with pytest.raises(errors.UnusableCredentialsError, match=told):
        seen(session)


# ---------------------------------------------------------------- written for cadcutils


def test_a_login_leaves_a_certificate_where_cadcutils_looks(vo_auth_sandbox):
    vo_auth.login("cadc", to_file="default")
    path = vo_auth_sandbox.home / ".ssl" / "cadcproxy.pem"
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    text = path.read_text()
    own, signer = x509.load_pem_x509_certificates(text.encode())
    own.verify_directly_issued_by(signer)
    assert text.index("BEGIN CERTIFICATE") < text.index("BEGIN RSA PRIVATE KEY") < text.rindex("BEGIN CERTIFICATE")


def test_an_old_file_there_is_replaced_whole(vo_auth_sandbox, certificate):
    path = certificate(life=-60, mode=0o644)
    before = path.read_text()
    vo_auth.login("cadc", to_file="default")
    assert path.read_text() != before
    assert path.stat().st_mode & 0o777 == 0o600
    assert [item.name for item in path.parent.iterdir()] == [path.name]


def test_a_token_is_not_written_there_and_the_error_says_what_to_do(vo_auth_sandbox):
    with pytest.raises(errors.UnusableCredentialsError, match='--force --flow "delegated certificate"'):
        vo_auth.login("cadc", flow="bearer token", to_file="default")
    assert not (vo_auth_sandbox.home / ".ssl").exists()


# ---------------------------------------------------------------- token and cookie


@pytest.mark.parametrize(("flow", "kind"), [("bearer token", "bearer"), ("cookie", "cookie")])
def test_the_token_serves_as_bearer_or_cookie_where_the_user_says_so(vo_auth_sandbox, bench, session_for, flow, kind):
    vo_auth.login("cadc", flow=flow)
    session = session_for()
    assert seen(session) == OWN
    assert session.get(FILES[OWN_FILE]).content == CONTENT[OWN_FILE]
    assert set(shown_at(vo_auth_sandbox)) == {kind}
    assert (bench.counters["logins"], bench.counters["certificates"]) == (1, 0)
    assert abs(held().seconds_left - 48 * 3600) < 60


def test_the_cookie_goes_in_double_quotes(vo_auth_sandbox, session_for):
    vo_auth.login("cadc", flow="cookie")
    seen(session_for())
    sent = vo_auth_sandbox.received.all()[-1].cookie
    name, _, value = sent.partition("=")
    assert name == "CADC_SSO"
    assert value.startswith('"')
    assert value.endswith('"')
    assert b"signature=" in base64.b64decode(value.strip('"'))


def test_the_token_carries_its_own_end(bench, session_for):
    bench.knobs["token_life"] = 700
    vo_auth.login("cadc", flow="bearer token")
    assert 600 < held().seconds_left <= 700


@pytest.mark.filterwarnings("ignore::vo_auth.errors.PermitEndWarning")
@pytest.mark.usefixtures("without_credentials")
@pytest.mark.parametrize("form", ["{}", 'CADC_SSO="{}";', '"{}"', "Bearer {}", " {}\n"])
def test_a_copied_token_is_taken_in_every_form(bench, session_for, form):
    session = session_for(token=form.format(make_token()))
    assert seen(session) == OWN
    assert bench.counters["logins"] == 0


@pytest.mark.usefixtures("without_credentials")
def test_a_copied_token_names_its_owner_and_its_end(vo_auth_sandbox):
    identity = vo_auth.login("cadc", token=make_token(life=3600))
    assert identity.user == PI["username"]
    assert abs(identity.expires.timestamp() - time.time() - 3600) < 60


@pytest.mark.usefixtures("without_credentials")
def test_a_copied_token_that_has_ended_is_not_sent(vo_auth_sandbox, monkeypatch, session):
    monkeypatch.setenv("VO_AUTH_CADC_TOKEN", make_token(life=-1))
    with pytest.raises(errors.PermitExpiredError, match="VO_AUTH_CADC_TOKEN"):
        seen(session)
    assert vo_auth_sandbox.received.all() == []


@pytest.mark.usefixtures("without_credentials")
@pytest.mark.parametrize("token", ["", "not a token", "Authorization: Bearer x"])
def test_what_is_no_token_is_an_error(session_for, token):
    with pytest.raises((errors.UnusableCredentialsError, errors.CredentialsNotFoundError)):
        seen(session_for(token=token))


def test_whoami_and_groups_are_the_archives_own_words(vo_auth_sandbox, session):
    assert vo_auth.whoami(TAP_URL).user == PI["username"]
    assert vo_auth.whoami("cadc").user == PI["username"]
    assert vo_auth.groups("cadc") == ["JCMT-M26A-Demo", "Demo-Readers"]
    asked = [entry for entry in vo_auth_sandbox.received.all() if entry.path == "/ac/search"]
    assert [f"https://{entry.host}{entry.path}" for entry in asked] == [f"{ACCESS}/search"]
