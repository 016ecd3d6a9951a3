"""Where permits go, and what answers mean."""

from __future__ import annotations

import pytest
from requests.structures import CaseInsensitiveDict

import vo_auth
from vo_auth import errors
from vo_auth.archive import Answer, Grant, Verdict
from vo_auth.permit import BearerPermit, CertificatePermit
from vo_auth.secret import Secret
from vo_auth_cadc.archive import judge, narrow
from vo_auth_cadc.standin import make_certificate, make_token
from vo_auth_cadc.token import domains_of, end_of, owner_of

from .conftest import (
    ACCESS,
    CONTENT,
    FILES,
    MAIN,
    OWN,
    OWN_FILE,
    PI,
    PUBLIC,
    TAP_URL,
    VISITOR,
    seen,
    shown_at,
    third_party,
)

ELSEWHERE = "https://storage.example.org/files"
with_third_party = pytest.mark.vo_auth_sandbox(only=["cadc"], extra=[third_party()])
FLOWS = ["delegated certificate", "bearer token", "cookie"]


@pytest.mark.parametrize("flow", FLOWS)
def test_a_redirect_between_hosts_of_the_archive_keeps_the_permit(vo_auth_sandbox, session_for, flow):
    vo_auth.login("cadc", flow=flow)
    answer = session_for().get(FILES[OWN_FILE])
    assert answer.content == CONTENT[OWN_FILE]
    assert [entry.host for entry in vo_auth_sandbox.received.all()][-2:] == [
        "cadc-west-01.canfar.net",
        "ws-uv.canfar.net",
    ]
    kinds = shown_at(vo_auth_sandbox)
    assert len(set(kinds)) == 1
    assert "nothing" not in kinds


@with_third_party
@pytest.mark.parametrize("flow", FLOWS)
def test_a_redirect_elsewhere_drops_it(vo_auth_sandbox, bench, session_for, flow):
    vo_auth.login("cadc", flow=flow)
    bench.knobs["files_elsewhere"] = ELSEWHERE
    session = session_for()
    assert session.get(FILES[OWN_FILE]).content == b"elsewhere"
    assert session.get(f"{ELSEWHERE}/presigned?signature=x").content == b"elsewhere"
    assert shown_at(vo_auth_sandbox, "storage.example.org") == ["nothing", "nothing"]
    assert session.get(FILES["700001o"], allow_redirects=False).status_code == 303
    assert "nothing" not in shown_at(vo_auth_sandbox, "cadc-west-01.canfar.net")


def test_a_key_in_the_path_needs_nothing_else_and_is_not_in_the_way(bench, session):
    bench.knobs["preauthorized"] = True
    assert session.get(FILES[OWN_FILE]).content == CONTENT[OWN_FILE]


def test_the_registry_and_the_login_of_programs_get_nothing(vo_auth_sandbox, session):
    assert seen(session) == OWN
    for url in (
        "http://www.cadc-ccda.hia-iha.nrc-cnrc.gc.ca/reg/resource-caps",
        f"{MAIN}/reg/resource-caps",
        "https://cadc-west-01.canfar.net/reg/resource-caps",
    ):
        assert "argus" in session.get(url).text
    assert session.post(f"{ACCESS}/login", data=VISITOR).status_code == 200
    shown = [
        (entry.client_certificate, entry.authorization, entry.cookie)
        for entry in vo_auth_sandbox.received.all()
        if entry.path.startswith("/reg") or entry.path == "/ac/login"
    ]
    assert set(shown) == {(None, "", "")}


def test_plain_http_is_asked_by_https(vo_auth_sandbox, bench, session):
    assert session.get(FILES[OWN_FILE].replace("https:", "http:")).content == CONTENT[OWN_FILE]
    assert bench.counters["permits_on_http"] == 0
    assert {entry.scheme for entry in vo_auth_sandbox.received.all()} == {"https"}


def test_two_identities_never_share_a_connection(vo_auth_sandbox, session_for):
    """Each turns to the same server in turn: a TLS session that was kept would answer as the other one."""
    pi, visitor = session_for(**PI), session_for(**VISITOR)
    for _ in range(3):
        assert seen(pi) == OWN
        assert seen(visitor) == PUBLIC
    with vo_auth.anonymous():
        assert seen(pi) == PUBLIC
    assert seen(pi) == OWN


# ---------------------------------------------------------------- the token's own domains


@pytest.mark.parametrize(
    ("domains", "hosts"),
    [
        ((), None),
        (("canfar.net",), {"ws-cadc.canfar.net", "cadc-west-01.canfar.net", "ws-uv.canfar.net", "ws-sf.canfar.net"}),
        ((".canfar.net",), {"ws-cadc.canfar.net", "cadc-west-01.canfar.net", "ws-uv.canfar.net", "ws-sf.canfar.net"}),
        (("ws-cadc.canfar.net",), {"ws-cadc.canfar.net"}),
        (("WS-UV.canfar.net", "example.org"), {"ws-uv.canfar.net"}),
        (("far.net", "example.org"), set()),
    ],
)
def test_a_token_goes_to_hosts_of_the_archive_that_it_lists(domains, hosts):
    grant = Grant(permit=BearerPermit(Secret(make_token(domains=domains))))
    found = narrow(grant)
    assert (None if found is None else {item.origin.host for item in found}) == hosts


def test_a_certificate_lists_none(vo_auth_sandbox):
    pem = make_certificate(vo_auth_sandbox.authority)
    assert narrow(Grant(permit=CertificatePermit(Secret(pem)))) is None


def test_a_token_that_does_not_list_a_host_is_not_sent_there(vo_auth_sandbox, bench, session_for):
    bench.knobs["token_domains"] = ("cadc-ccda.hia-iha.nrc-cnrc.gc.ca",)
    vo_auth.login("cadc", flow="bearer token")
    session = session_for()
    assert seen(session) == OWN
    with pytest.raises(errors.PermitDomainError, match=r"cadc-west-01\.canfar\.net"):
        session.get(FILES[OWN_FILE])
    assert shown_at(vo_auth_sandbox, "cadc-west-01.canfar.net") == []


@pytest.mark.parametrize("token", ["", "x", "ZXhwaXJ5dGltZT0=", "bm90aGluZw==", "é", "eyJhbGciOiJub25lIn0.e30."])
def test_what_a_strange_token_says_is_nothing(token):
    assert (end_of(token), owner_of(token), domains_of(token)) == (None, "", [])


# ---------------------------------------------------------------- what answers mean

CHALLENGES = 'ivoa_x509, ivoa_bearer standard_id="x", access_url="y", HACK=temporary, Bearer'


def judged(status, headers, body=b""):
    return judge(
        Answer(status=status, headers=CaseInsensitiveDict(headers), url=TAP_URL, peek=lambda size: body[:size])
    )


@pytest.mark.parametrize(
    ("status", "headers", "body", "verdict"),
    [
        (200, {"x-vo-authenticated": "demopi"}, b"", Verdict.OK),
        (200, {}, b"", Verdict.OK),  # of a service without such headers
        (200, {"www-authenticate": CHALLENGES}, b"", Verdict.ANONYMOUS),
        (303, {"www-authenticate": CHALLENGES}, b"", Verdict.ANONYMOUS),
        (401, {"www-authenticate": CHALLENGES}, b"", Verdict.REFUSED),
        (401, {"www-authenticate": f'{CHALLENGES} error="invalid_token"'}, b"expired", Verdict.DEAD),
        (401, {"www-authenticate": CHALLENGES}, b"invalid cookie: Bad token.", Verdict.DEAD),
        (403, {"x-vo-authenticated": "demopi"}, b"permission denied", Verdict.NOT_ENTITLED),
        (403, {"www-authenticate": CHALLENGES}, b"permission denied", Verdict.REFUSED),
        (403, {}, b"permission denied -- reason: invalid proxy certficate", Verdict.DEAD),
        (404, {"www-authenticate": CHALLENGES}, b"", Verdict.OK),
        (423, {"x-vo-authenticated": "demopi"}, b"locked", Verdict.OK),
        (503, {"retry-after": "7"}, b"", Verdict.OK),
    ],
)
def test_an_answer_means(status, headers, body, verdict):
    assert judged(status, headers, body) is verdict


@pytest.mark.parametrize("flow", ["bearer token", "cookie"])
def test_a_token_that_the_archive_no_longer_takes_is_renewed_once(vo_auth_sandbox, bench, session_for, flow):
    vo_auth.login("cadc", flow=flow)
    session = session_for()
    assert seen(session) == OWN
    bench.knobs["signing_key"] = "rotated"
    assert seen(session) == OWN
    assert seen(session) == OWN
    assert bench.counters["logins"] == 2


def test_a_file_without_rights_is_the_archives_own_answer_and_no_reason_to_log_in(bench, session_for):
    session = session_for(**VISITOR)
    with pytest.warns(errors.NotEntitledWarning, match=VISITOR["username"]):
        answer = session.get(FILES[OWN_FILE])
    assert (answer.status_code, answer.text) == (403, "permission denied")
    assert bench.counters["logins"] == 1


def test_an_answer_to_the_anonymous_is_said_although_its_status_is_200(bench, session):
    assert seen(session) == OWN
    bench.knobs["x_vo_authenticated"] = False  # a service that says nothing is believed
    assert seen(session) == OWN
    from vo_auth.sandbox import Fault

    headers = {"WWW-Authenticate": "ivoa_x509"}
    bench.knobs["fail_on"] = [Fault(path_regex="^/argus", status=200, headers=headers, body="observationID\n", times=2)]
    with pytest.warns(errors.RefusedWarning, match="what everybody sees"):
        assert seen(session) == []


def test_the_search_without_any_credentials_is_an_error_and_not_an_anonymous_answer(
    vo_auth_sandbox, without_credentials, session
):
    with pytest.raises(errors.CredentialsNotFoundError, match=r"~/\.ssl/cadcproxy\.pem"):
        seen(session)
    assert vo_auth_sandbox.received.all() == []
