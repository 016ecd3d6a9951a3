"""One token for TAP, files and groups; how it is had, renewed and guarded."""

from __future__ import annotations

import logging
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
import pyvo
import requests

import vo_auth
from vo_auth import errors
from vo_auth.flows import read_claims
from vo_auth.sandbox import Fault
from vo_auth.testing import assert_no_secret
from vo_auth_ia2.standin import STANDIN

from .conftest import ARCHIVES, GMS, GMS_URL, RAP, TAP_URL, file, files_of, later, secure

pytestmark = pytest.mark.vo_auth_sandbox(only=("ia2",))

OBSERVER = STANDIN.credentials["observer"]
PUBLIC, PRIVATE, FOREIGN = file("X99DDT_0"), file("X99TAC_1"), file("X99TAC_2")
LIST = "SELECT file_url FROM tng.TNG_TAP WHERE PROGRAM = 'X99TAC_1' ORDER BY id"


def bearers(sandbox, host, prefix=""):
    return {entry.authorization.partition(" ")[2] for entry in sandbox.received.at(host, prefix)} - {""}


# ---------------------------------------------------------------- one token for all


def test_one_token_serves_tap_files_and_groups(vo_auth_sandbox, session, bench):
    tap = pyvo.dal.TAPService(TAP_URL, session=session)
    urls = [row["file_url"] for row in tap.search(LIST)]
    assert session.get(urls[0]).content == PRIVATE.content()
    assert vo_auth.groups("ia2") == ["TNG.X99TAC_1", "LBT.X99_A"]
    sent = [bearers(vo_auth_sandbox, ARCHIVES, "/vo"), bearers(vo_auth_sandbox, ARCHIVES, "/files")]
    (token,) = set.union(*sent, bearers(vo_auth_sandbox, GMS))
    assert all(one == {token} for one in sent)
    assert len(read_claims(token)["aud"]) == 3
    assert (bench.counters["token_requests"], bench.counters["relays"]) == (1, 1)


def test_the_login_is_the_request_that_the_archive_shows(vo_auth_sandbox, session, caplog):
    caplog.set_level(logging.DEBUG)
    answer = session.get(secure(PRIVATE))
    (login,) = vo_auth_sandbox.received.at(RAP, "/rap-ia2/auth/oauth2/token")
    assert (login.method, login.scheme, login.query) == ("POST", "https", "")
    assert login.authorization.startswith("Basic ")
    (token,) = bearers(vo_auth_sandbox, ARCHIVES)
    ours = [record for record in caplog.records if not record.name.startswith("aiohttp")]
    assert_no_secret([token, OBSERVER["password"]], answer, answer.request, dict(session.cookies), session, *ours)


def test_a_list_of_private_files_needs_one_token_request_per_token_life(vo_auth_sandbox, session, bench):
    """The archive's job: ``wget -i files-list.txt`` with a token that ends again and again on the way."""
    bench.knobs["token_life"] = 1
    urls = [row["file_url"] for row in pyvo.dal.TAPService(TAP_URL, session=session).search(LIST)]
    files = files_of("X99TAC_1")
    assert urls == [one.url for one in files]
    assert len(urls) >= 200
    start = time.monotonic()
    while time.monotonic() < start + 3:  # so that some lives pass, however fast this machine is
        for one in files:
            assert session.get(one.url).content == one.content()
    lives = (time.monotonic() - start) / 0.75  # renewed when four fifths of one have passed
    assert 3 <= bench.counters["token_requests"] <= lives + 2
    used = len(bearers(vo_auth_sandbox, ARCHIVES))
    assert used <= bench.counters["token_requests"] <= used + 1  # none for nothing, but maybe the last
    assert bench.counters["bearer_on_http"] == 0


def test_many_threads_share_each_token(session, bench):
    bench.knobs["token_life"] = 300
    files = files_of("X99TAC_1")[:120]

    def whole(one):
        return session.get(one.url).content == one.content()

    with ThreadPoolExecutor(6) as pool:
        assert all(pool.map(whole, files[:60]))
        later(bench, 300)
        assert all(pool.map(whole, files[60:]))
    assert bench.counters["token_requests"] == 2


def test_another_process_uses_the_same_token(run, session, bench):
    assert session.get(secure(PRIVATE)).ok
    source = "import sys, vo_auth; print(vo_auth.session_for(sys.argv[1]).get(sys.argv[1]).status_code)"
    assert run(source, secure(PRIVATE)).strip() == "200"
    assert bench.counters["token_requests"] == 1


def test_a_file_of_another_programme_is_refused_without_another_login(session, bench):
    with pytest.warns(errors.NotEntitledWarning, match="another login would not help"):
        assert session.get(FOREIGN.url).status_code == 403
    assert session.get(FOREIGN.url).status_code == 403
    assert bench.counters["logins"] == 1


def test_tokens_that_the_issuer_ends_early_are_replaced_once(session, bench):
    assert session.get(PRIVATE.url).ok
    bench.knobs["signing_key"] = "second"
    assert session.get(PRIVATE.url).ok
    assert bench.counters["logins"] == 2


def test_a_token_endpoint_in_trouble_is_an_error_and_no_anonymous_request(session, bench, vo_auth_sandbox):
    bench.knobs["fail_on"] = [Fault(path_regex="oauth2/token", status=503, times=None)]
    with pytest.raises(errors.LoginUnreachableError):
        session.get(PRIVATE.url)
    assert vo_auth_sandbox.received.at(ARCHIVES) == []


# ---------------------------------------------------------------- where it goes


@pytest.mark.parametrize("one", [PUBLIC, PRIVATE])
def test_what_the_tables_publish_by_http_is_asked_by_https(vo_auth_sandbox, session, bench, one):
    answer = session.get(one.url)
    assert (answer.content, answer.url) == (one.content(), secure(one))
    assert {entry.scheme for entry in vo_auth_sandbox.received.at(ARCHIVES)} == {"https"}
    assert bench.counters["bearer_on_http"] == 0


def test_tap_by_plain_http_is_asked_by_https_too(vo_auth_sandbox, session_for):
    url = TAP_URL.replace("https", "http")
    assert len(pyvo.dal.TAPService(url, session=session_for(url)).search(LIST)) == len(files_of("X99TAC_1"))
    assert {entry.scheme for entry in vo_auth_sandbox.received.at(ARCHIVES)} == {"https"}


def test_where_a_service_has_no_https_the_permit_stays_here(vo_auth_sandbox, session, bench):
    bench.knobs["no_https"] = ("/files/",)
    with pytest.raises(errors.InsecureUrlError, match="does not answer by https") as caught:
        session.get(PUBLIC.url)
    assert caught.value.https_url == secure(PUBLIC)
    assert isinstance(caught.value, requests.RequestException)
    with vo_auth.anonymous():
        assert session.get(PUBLIC.url).content == PUBLIC.content()
        assert session.get(PRIVATE.url).status_code == 401
    assert [entry.authorization for entry in vo_auth_sandbox.received.at(ARCHIVES) if entry.scheme == "http"] == [
        "",
        "",
    ]
    assert bench.counters["bearer_on_http"] == 0


def test_only_the_users_own_configuration_lets_a_permit_go_by_http(vo_auth_sandbox, run, bench):
    """The origin is named on purpose; each program that does it says so."""
    names = {"files": "files", "gms": "gms", "tap": "tap"}
    bench.knobs.update(no_https=("/files/",), http_permits=True, audience_names=names)
    state = vo_auth_sandbox.folder / "state"
    state.mkdir(mode=0o700, exist_ok=True)
    config = state / "config.toml"
    config.write_text('[archive.ia2]\ninsecure_origins = ["http://archives.ia2.inaf.it/files"]\n')
    config.chmod(0o600)
    source = """
import sys, warnings, vo_auth
from vo_auth.errors import InsecureOriginWarning
with warnings.catch_warnings(record=True) as said, vo_auth.session_for(sys.argv[1]) as session:
    warnings.simplefilter("always")
    print(session.get(sys.argv[1]).status_code, {item.category for item in said} == {InsecureOriginWarning})
"""
    assert run(source, PRIVATE.url).strip().splitlines()[0] == "200 True"
    assert bench.counters["bearer_on_http"] == 1


def test_neither_rap_nor_others_get_the_token(vo_auth_sandbox, session):
    session.get(secure(PRIVATE))
    session.get(f"https://{RAP}/rap-ia2/")
    assert bearers(vo_auth_sandbox, RAP, "/rap-ia2/auth") != bearers(vo_auth_sandbox, ARCHIVES)
    assert [entry.authorization for entry in vo_auth_sandbox.received.at(RAP) if entry.path == "/rap-ia2/"] == [""]


def test_a_token_whose_audiences_exclude_the_files_is_not_sent_there(vo_auth_sandbox, session, bench):
    bench.knobs["audiences"] = ["https://archives.ia2.inaf.it/vo", "https://gms.ia2.inaf.it/gms"]
    assert session.get(f"{TAP_URL}/tables").ok
    with pytest.raises(errors.PermitDomainError, match=r"not for https://archives\.ia2"):
        session.get(secure(PRIVATE))
    assert vo_auth_sandbox.received.at(ARCHIVES, "/files") == []


def test_the_issuer_is_asked_for_a_fitting_token_where_it_can(vo_auth_sandbox, session, bench):
    bench.knobs.update(audiences="https://archives.ia2.inaf.it/vo", resource_parameter="resource", gms_scope="")
    bench.knobs["audience_names"] = {"gms": "https://archives.ia2.inaf.it/files"}  # so that the relay may pass
    for _ in range(2):
        assert session.get(f"{TAP_URL}/tables").ok
        assert session.get(secure(PRIVATE)).ok
    by_service = {prefix: bearers(vo_auth_sandbox, ARCHIVES, prefix) for prefix in ("/vo", "/files")}
    assert {prefix: [read_claims(token)["aud"] for token in tokens] for prefix, tokens in by_service.items()} == {
        "/vo": ["https://archives.ia2.inaf.it/vo"],
        "/files": [["https://archives.ia2.inaf.it/files"]],
    }
    assert bench.counters["token_requests"] <= 3


def test_private_rows_are_seen_with_the_permit_and_never_lost_to_an_ended_one(session, bench):
    bench.knobs.update(private_rows=True, tap_bad_token="anonymous", token_life=300)
    tap = pyvo.dal.TAPService(TAP_URL, session=session)
    with vo_auth.anonymous():
        assert len(tap.search(LIST)) == 0
    assert len(tap.search(LIST)) == 240
    later(bench, 301)
    assert len(tap.search(LIST)) == 240


def test_rows_that_were_asked_for_with_a_token_that_ended_on_the_way_are_asked_for_again(session, bench):
    """TAP may answer an ended token as it answers none, with status 200 and fewer rows."""
    bench.knobs.update(private_rows=True, tap_bad_token="anonymous", token_life=1)
    bench.knobs["fail_on"] = [Fault(path_regex="/vo/tap/tng/sync", status=0, delay=1.3)]
    assert len(pyvo.dal.TAPService(TAP_URL, session=session).search(LIST)) == 240
    assert bench.knobs["fail_on"] == []
    assert bench.counters["logins"] >= 2


def _linked(bench):
    bench.knobs["datalink"] = True
    return STANDIN.app(bench)


@pytest.mark.vo_auth_sandbox([replace(STANDIN, app=_linked)])
def test_one_session_walks_from_tap_over_datalink_to_the_file(session, bench, vo_auth_sandbox):
    row = pyvo.dal.TAPService(TAP_URL, session=session).search(LIST)[0]
    links = pyvo.dal.adhoc.DatalinkResults.from_result_url(row["file_url"], session=session)
    (this,) = links.bysemantics("#this")
    assert session.get(this.access_url).content == PRIVATE.content()
    assert {entry.scheme for entry in vo_auth_sandbox.received.at(ARCHIVES)} == {"https"}
    assert bench.counters["token_requests"] == 1


@pytest.mark.filterwarnings("ignore::vo_auth.errors.NotEntitledWarning")  # the error says it
def test_the_group_service_is_asked_by_its_standard(session, bench, session_for):
    assert vo_auth.groups("ia2", "LBT.X99_A", "TNG.X99TAC_2") == ["LBT.X99_A"]
    assert vo_auth.groups(GMS_URL, refresh=True) == ["TNG.X99TAC_1", "LBT.X99_A"]
    bench.knobs["groups"] = {"5101": ()}
    assert vo_auth.groups("ia2", refresh=True) == []
    bench.knobs["groups"] = {"5101": None}
    with pytest.raises(errors.GroupsUserUnknownError):
        vo_auth.groups("ia2", refresh=True)
    bench.knobs["gms"] = "missing"
    with pytest.raises(errors.GroupsError):
        vo_auth.groups("ia2", refresh=True)


def test_the_token_says_whose_it_is_by_the_issuers_signature(session):
    told = vo_auth.whoami(TAP_URL)
    assert told is not None
    assert told.user == "5101"
