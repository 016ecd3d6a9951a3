"""Unmodified astroquery, with its own logins."""

from __future__ import annotations

import warnings

import pytest

with warnings.catch_warnings(action="ignore"):
    from astroquery.cadc import CadcClass
    from bs4 import XMLParsedAsHTMLWarning

from vo_auth_cadc.standin import STANDIN

pytestmark = [
    pytest.mark.filterwarnings(f"ignore::{XMLParsedAsHTMLWarning.__module__}.{XMLParsedAsHTMLWarning.__qualname__}"),
    pytest.mark.filterwarnings("ignore:Radius should be of type str"),
    pytest.mark.filterwarnings("ignore:Coordinate string is being interpreted"),
]
QUERY = "SELECT observationID FROM caom2.Observation ORDER BY observationID"
PUBLIC = ["700001o", "700002p", "scuba2_demo_1"]
OWN = [*PUBLIC, "scuba2_demo_2"]
PI = STANDIN.credentials["pi"]


@pytest.fixture
def cadc(sandbox, session):
    return CadcClass(auth_session=session)


def seen(cadc):
    return list(cadc.exec_sync(QUERY)["observationID"])


def test_the_anonymous_search_regions_and_names_and_get_urls(cadc):
    assert seen(cadc) == PUBLIC
    found = cadc.query_region("00h42m43s +41d16m", radius=0.5, collection="JCMT")
    assert list(found["observationID"]) == ["scuba2_demo_1"]
    assert [url.rsplit("/")[-1] for url in cadc.get_data_urls(found)] == ["scuba2_demo_1.fits"]
    assert len(cadc.query_name("m31-a")) == 1
    assert set(cadc.get_collections()) == {"CFHT", "JCMT"}
    assert "caom2.Plane" in cadc.get_tables(only_names=True)


def test_its_login_by_password_sends_the_cookie_and_logout_ends_it(cadc, bench):
    cadc.login(user=PI["username"], password=PI["password"])
    assert bench.counters["logins"] == 1
    assert seen(cadc) == OWN
    cadc.logout()
    assert seen(cadc) == PUBLIC


def test_its_login_by_certificate_works(cadc, pem):
    cadc.login(certificate_file=str(pem()))
    assert seen(cadc) == OWN


def test_a_job_of_its_own_runs(cadc, pem):
    cadc.login(certificate_file=str(pem()))
    job = cadc.create_async(QUERY)
    job.run().wait()
    job.raise_if_error()
    assert list(job.fetch_result()["observationID"]) == OWN
    job.delete()
