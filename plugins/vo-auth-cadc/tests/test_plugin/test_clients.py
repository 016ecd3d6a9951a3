"""pyvo, astroquery and curl on our sessions and certificates."""

from __future__ import annotations

import subprocess
import warnings

import pytest
import pyvo
import requests

import vo_auth
from vo_auth.errors import CallerHeaderWarning

with warnings.catch_warnings(action="ignore"):
    from astroquery.cadc import CadcClass
    from bs4 import XMLParsedAsHTMLWarning

from .conftest import CONTENT, FILES, MAIN, OWN, OWN_FILE, PI, PUBLIC, TAP_URL, VISITOR, shown_at

pytestmark = [
    pytest.mark.filterwarnings(f"ignore::{XMLParsedAsHTMLWarning.__module__}.{XMLParsedAsHTMLWarning.__qualname__}"),
    pytest.mark.filterwarnings("ignore:Coordinate string is being interpreted"),
]
QUERY = "SELECT observationID FROM caom2.Observation ORDER BY observationID"


def seen(cadc):
    return list(cadc.exec_sync(QUERY)["observationID"])


# ---------------------------------------------------------------- pyvo


def test_pyvo_walks_from_the_search_over_datalink_to_the_file(vo_auth_sandbox, bench, session):
    service = pyvo.dal.TAPService(TAP_URL, session=session)
    found = service.search("SELECT publisherID FROM caom2.Plane WHERE productID = 'scuba2_demo_2'")
    assert len(found) == 1
    url = f"{MAIN}/caom2ops/datalink"
    (link,) = pyvo.dal.adhoc.DatalinkResults.from_result_url(
        requests.Request("GET", url, params={"ID": found["publisherID"][0]}).prepare().url, session=session
    )
    assert session.get(link.access_url).content == CONTENT["scuba2_demo_2"]
    assert set(shown_at(vo_auth_sandbox)) == {"certificate"}
    assert bench.counters["logins"] == 1


def test_pyvo_runs_a_job(session):
    job = pyvo.dal.TAPService(TAP_URL, session=session).submit_job(QUERY)
    job.run().wait()
    assert list(job.fetch_result()["observationID"]) == OWN
    job.delete()


def test_an_attached_service_of_pyvos_own_session_needs_no_negotiation(vo_auth_sandbox):
    service = vo_auth.attach(pyvo.dal.TAPService(TAP_URL))
    assert len(service.search(QUERY)) == len(OWN)
    assert set(shown_at(vo_auth_sandbox)) == {"certificate"}


# ---------------------------------------------------------------- astroquery


def test_astroquery_takes_our_session(vo_auth_sandbox, bench, session):
    cadc = CadcClass(auth_session=session)
    assert seen(cadc) == OWN
    found = cadc.query_region("00h42m43s +41d16m", radius="30 arcmin", collection="JCMT")
    assert len(cadc.get_data_urls(found)) == 2
    job = cadc.create_async(QUERY)
    job.run().wait()
    assert list(job.fetch_result()["observationID"]) == OWN
    job.delete()
    assert bench.counters["logins"] == 1
    plain = {
        entry.path
        for entry in vo_auth_sandbox.received.at("ws.cadc-ccda.hia-iha.nrc-cnrc.gc.ca")
        if not entry.client_certificate
    }
    assert plain <= {"/argus/capabilities", "/caom2ops/capabilities", "/cred/generate"}  # asked past the session


def test_logout_on_our_session_is_astroquerys_own(session):
    cadc = CadcClass(auth_session=session)
    assert seen(cadc) == OWN
    cadc.logout()
    assert seen(cadc) == PUBLIC


@pytest.mark.filterwarnings("ignore::vo_auth.errors.CallerHeaderWarning")
@pytest.mark.parametrize("by", ["password", "certificate"])
def test_its_own_login_on_our_session_names_nobody_else(vo_auth_sandbox, session, certificate, by):
    cadc = CadcClass(auth_session=session)
    assert seen(cadc) == OWN
    if by == "password":
        cadc.login(user=VISITOR["username"], password=VISITOR["password"])
    else:
        cadc.login(certificate_file=str(certificate("visitor", name="visitor.pem")))
    assert seen(cadc) == PUBLIC
    assert shown_at(vo_auth_sandbox)[-1] == {"password": "cookie", "certificate": "certificate"}[by]


ATTACHED = {
    "as it comes": CadcClass,
    "with a session of requests": lambda: CadcClass(auth_session=requests.Session()),
    "with another URL": lambda: CadcClass(url=TAP_URL),
}


@pytest.fixture(params=ATTACHED)
def attached(request, vo_auth_sandbox):
    return vo_auth.attach(ATTACHED[request.param]())


def test_an_attached_object_searches_with_the_permit(vo_auth_sandbox, attached):
    assert seen(attached) == OWN
    assert vo_auth_sandbox.received.all()[-1].client_certificate


@pytest.mark.parametrize("by", ["password", "certificate"])
def test_its_own_login_and_logout_keep_working_and_no_request_names_two_people(
    vo_auth_sandbox, attached, certificate, by
):
    assert seen(attached) == OWN
    own = {"user": VISITOR["username"], "password": VISITOR["password"]}
    if by == "certificate":
        own = {"certificate_file": str(certificate("visitor", name="visitor.pem"))}
    with pytest.warns(CallerHeaderWarning, match="login.. of CadcClass is astroquery's own"):
        attached.login(**own)
    assert seen(attached) == PUBLIC
    assert shown_at(vo_auth_sandbox)[-1] == {"password": "cookie", "certificate": "certificate"}[by]
    attached.logout()
    assert seen(attached) == PUBLIC
    assert shown_at(vo_auth_sandbox)[-1] == "nothing"
    assert seen(vo_auth.attach(attached)) == OWN
    with pytest.warns(CallerHeaderWarning, match="logout"):  # as it was at first
        attached.logout()
    assert seen(attached) == PUBLIC


def test_a_logout_alone_makes_it_anonymous(vo_auth_sandbox, attached):
    assert seen(attached) == OWN
    with pytest.warns(CallerHeaderWarning, match="logout"):
        attached.logout()
    assert seen(attached) == PUBLIC


def test_a_login_before_the_first_search_is_its_own_too(vo_auth_sandbox, attached):
    with pytest.warns(CallerHeaderWarning, match="login"):
        attached.login(user=PI["username"], password=PI["password"])
    assert seen(attached) == OWN
    assert shown_at(vo_auth_sandbox)[-1] == "cookie"


def test_a_detached_object_is_as_it_was(vo_auth_sandbox, attached):
    assert seen(attached) == OWN
    vo_auth.detach(attached)
    assert seen(attached) == PUBLIC
    attached.login(user=PI["username"], password=PI["password"])
    assert seen(attached) == OWN


def test_an_attached_class_makes_attached_objects(vo_auth_sandbox):
    vo_auth.attach(CadcClass)
    try:
        assert seen(CadcClass()) == OWN
    finally:
        vo_auth.detach(CadcClass)
    assert seen(CadcClass()) == PUBLIC


# ---------------------------------------------------------------- curl


@pytest.mark.interop
def test_curl_uses_the_certificate_that_a_login_left(vo_auth_sandbox, bench, program, tmp_path):
    vo_auth.login("cadc", to_file="default")
    own, file = vo_auth_sandbox.home / ".ssl" / "cadcproxy.pem", tmp_path / "file.fits"
    done = subprocess.run(
        [program("curl"), "-sS", "--fail", "-L", "--cert", str(own), "-o", str(file), FILES[OWN_FILE]],
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    assert file.read_bytes() == CONTENT[OWN_FILE]
    assert bench.counters["certificates"] == 1
