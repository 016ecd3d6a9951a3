"""DataLink and calSelector, read by pyvo and astropy."""

from __future__ import annotations

import io
import re
from xml.etree import ElementTree

import pytest
from astropy.io.votable import parse_single_table
from pyvo.dal.adhoc import DatalinkResults

from vo_auth_eso.standin import COMMISSIONING_RUN, CONFIDENTIAL_RUN, PROPRIETARY_RUN
from vo_auth_eso.standin.holdings import raw_frames

LINKS = "http://archive.eso.org/datalink/links?ID=ivo://eso.org/ID?"
CALSELECTOR = "https://archive.eso.org/calselector/v1/associations"
RDF = "http://archive.eso.org/rdf/datalink/eso#"
SEED = "SPHER.2016-09-26T04:15:07.252"
MASTER = "M.SPHERE.2016-09-27T08:14:42.823"
FORS2 = raw_frames("110.A-1101(A)")[0].dp_id
SECRET = raw_frames(CONFIDENTIAL_RUN)[0].dp_id
TEAM = raw_frames(COMMISSIONING_RUN)[0].dp_id
HTTPS_LINKS = LINKS.replace("http:", "https:")


def links(session, dp_id, *, base=HTTPS_LINKS):
    return DatalinkResults.from_result_url(f"{base}{dp_id}", session=session)


def calibrations(session, dp_id, mode="Raw2Master"):
    return DatalinkResults.from_result_url(
        f"{CALSELECTOR}?dp_id={dp_id}&mode={mode}&responseformat=votable", session=session
    )


def described(results):
    return dict(re.findall(r'(\w+)="([^"]*)"', next(results.bysemantics("#this")).description))


@pytest.mark.parametrize("base", [LINKS, HTTPS_LINKS])
def test_a_science_frame_has_the_four_rows_of_the_notebook(session, base):
    table = links(session(), SEED, base=base).to_table()
    assert list(table["semantics"]) == [
        "#this",
        f"{RDF}calSelector_raw2raw",
        f"{RDF}calSelector_raw2master",
        f"{RDF}night_log",
    ]
    this = table[0]
    assert this["ID"] == f"ivo://eso.org/ID?{SEED}"
    assert this["access_url"] == f"https://dataportal.eso.org/dataPortal/file/{SEED}"
    assert (this["description"], this["content_type"]) == ("Requested file", "application/fits")
    assert this["eso_origfile"] == f"2016-09-25/{SEED}.fits.Z"
    assert this["eso_datalink"] == f"https://archive.eso.org/datalink/links?ID=ivo://eso.org/ID?{SEED}"
    assert table["access_url"][1] == f"{CALSELECTOR}?dp_id={SEED}&mode=Raw2Raw&responseformat=votable"
    assert table["access_url"][2] == f"{CALSELECTOR}?dp_id={SEED}&mode=Raw2Master&responseformat=votable"


def test_every_link_of_a_frame_leads_somewhere(session):
    anonymous = session()
    for row in links(anonymous, SEED):
        answer = anonymous.get(row["access_url"], timeout=20)
        assert answer.status_code == 200
        assert answer.headers["Content-Type"].split(";")[0] == row["content_type"].split(";")[0]
    assert anonymous.get(links(anonymous, SEED)[3]["access_url"], timeout=20).text.startswith("<!DOCTYPE html>")


def test_the_length_that_is_announced_is_the_length_of_the_file(session):
    anonymous = session()
    for dp_id in (SEED, MASTER):
        row = links(anonymous, dp_id)[0]
        assert len(anonymous.get(row["access_url"], timeout=20).content) == row["content_length"]


def test_calibrations_and_products_have_no_links_to_calibrations(session):
    flat = raw_frames("60.A-9255(A)")[0].dp_id
    assert list(links(session(), flat)["semantics"]) == ["#this", f"{RDF}night_log"]
    assert list(links(session(), MASTER)["semantics"]) == ["#this"]


@pytest.mark.parametrize(("dp_id", "role"), [(SECRET, "pi"), (TEAM, "team")])
def test_a_protected_frame_is_answered_like_one_that_does_not_exist(session, dp_id, role):
    unknown = "UVES.2001-01-01T00:00:00.000"
    for other in {None, "norights", "pi", "team"} - {role}:
        rows, nothing = links(session(other), dp_id), links(session(other), unknown)
        assert len(rows) == len(nothing) == 1
        assert rows[0]["error_message"].startswith("NotFoundFault")
        assert rows[0]["error_message"].replace(dp_id, unknown) == nothing[0]["error_message"]
        assert not rows[0]["access_url"]
    assert len(links(session(role), dp_id)) >= 3


def test_a_frame_under_proprietary_period_is_described_to_everybody(session):
    assert len(links(session(), raw_frames(PROPRIETARY_RUN)[0].dp_id)) == 4


def test_a_permit_on_plain_http_does_not_help(bench, session):
    assert links(session("pi"), SECRET, base=LINKS)[0]["error_message"].startswith("NotFoundFault")
    assert bench.counters["permits_on_http"] == 1


def test_several_identifiers_are_answered_in_one_document(session):
    answer = session().get(f"{HTTPS_LINKS}{SEED}&id=ivo://eso.org/ID?{MASTER}&ID=odd", timeout=20)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/x-votable+xml;content=datalink"
    table = parse_single_table(io.BytesIO(answer.content)).to_table()
    assert list(table["ID"]) == [f"ivo://eso.org/ID?{SEED}"] * 4 + [f"ivo://eso.org/ID?{MASTER}", "odd"]


def test_eso_download_leads_to_the_file_at_the_portal(session):
    answer = session().get(f"{HTTPS_LINKS}{MASTER}&eso_download=file", timeout=20)
    assert answer.url == f"https://dataportal.eso.org/dataPortal/file/{MASTER}"
    assert answer.content.startswith(b"SIMPLE")
    refused = session().get(f"{HTTPS_LINKS}{SECRET}&eso_download=file", timeout=20)
    assert refused.status_code == 401


def test_eso_download_takes_nothing_else(session):
    assert session().get(f"{HTTPS_LINKS}{SEED}&eso_download=moon", timeout=20).status_code == 400


def test_processed_calibrations_are_selected(session):
    results = calibrations(session(), SEED)
    table = results.to_table()
    assert described(results) == {
        "category": "IFS_SCI_SKY",
        "certified": "true",
        "complete": "true",
        "mode": "Raw2Master",
        "type": "main",
        "messages": "",
    }
    found = table[table["semantics"] == "#calibration"]
    assert found["access_url"][0] == (
        f"https://archive.eso.org/datalink/links?ID=ivo://eso.org/ID?{MASTER}&eso_download=file"
    )
    assert set(table["ID"]) == {f"ivo://eso.org/ID?{SEED}"}
    assert all(category.startswith("IFS_") for category in found["eso_category"])
    assert "#sibling_raw" in set(table["semantics"])
    assert len(found) == 4


def test_raw_calibrations_are_selected_each_once(session):
    results = calibrations(session(), SEED, "Raw2Raw")
    table = results.to_table()
    found = table[table["semantics"] == "#calibration"]
    assert described(results)["mode"] == "Raw2Raw"
    assert len(found) == len(set(found["access_url"])) == 9
    assert not any("M.SPHERE" in url for url in found["access_url"])


def test_raw_calibrations_come_silently_where_no_processed_ones_exist(session):
    asked, raw = calibrations(session(), FORS2, "Raw2Master"), calibrations(session(), FORS2, "Raw2Raw")
    assert described(asked)["mode"] == "Raw2Raw"
    assert described(asked)["complete"] == "true"
    assert [row["access_url"] for row in asked if row["semantics"] == "#calibration"] == [
        row["access_url"] for row in raw if row["semantics"] == "#calibration"
    ]
    tree = asked.to_table()[-1]
    assert (tree["semantics"], tree["eso_category"]) == (f"{RDF}calSelector_raw2master", "ASSOCIATION_TREE")


def test_a_frame_without_a_rule_gets_an_incomplete_cascade(session):
    results = calibrations(session(), raw_frames("112.C-1404(C)")[0].dp_id)
    assert (described(results)["complete"], described(results)["certified"]) == ("false", "false")
    assert described(results)["messages"]
    assert "#calibration" not in set(results["semantics"])


@pytest.mark.parametrize(("dp_id", "role"), [(SECRET, "pi"), (TEAM, "team")])
def test_calibrations_of_a_protected_frame_are_for_those_who_may_see_it(session, dp_id, role):
    for other in {None, "norights", "pi", "team"} - {role}:
        rows = calibrations(session(other), dp_id)
        assert len(rows) == 1
        assert rows[0]["error_message"].startswith("NotFoundFault")
    assert "#calibration" in set(calibrations(session(role), dp_id)["semantics"])


def test_calibrations_of_a_proprietary_frame_are_public(session):
    rows = calibrations(session(), raw_frames(PROPRIETARY_RUN)[0].dp_id)
    assert [row["access_url"] for row in rows if row["semantics"] == "#calibration"]


@pytest.mark.parametrize(("mode", "name"), [("Raw2Raw", "raw2raw"), ("Raw2Master", "raw2master")])
def test_the_association_tree_is_a_file_in_esos_own_xml(session, mode, name):
    reader = session()
    table = calibrations(reader, SEED, mode).to_table()
    row = table[table["eso_category"] == "ASSOCIATION_TREE"][0]
    answer = reader.get(row["access_url"], timeout=20)
    assert answer.headers["Content-Type"] == "application/xml; content=calselector"
    assert f"{SEED}_{name}.xml" in answer.headers["Content-Disposition"]
    tree = ElementTree.fromstring(answer.content)
    assert (tree.tag, tree.get("mode"), tree.get("type")) == ("association", mode, "main")
    named = {element.get("name") for element in tree.iter("file")}
    listed = {url.split("?")[2].split("&")[0] for url in table[table["semantics"] == "#calibration"]["access_url"]}
    assert named == listed | {SEED}


def test_the_tree_of_a_protected_frame_is_not_found_without_rights(session):
    query = {"dp_id": SECRET, "mode": "Raw2Raw"}
    anonymous, holder = session(), session("pi")
    assert anonymous.get(CALSELECTOR, params=query, timeout=20).status_code == 404
    assert anonymous.get(CALSELECTOR, params={**query, "dp_id": "X.1"}, timeout=20).status_code == 404
    assert holder.get(CALSELECTOR, params=query, timeout=20).status_code == 200


@pytest.mark.parametrize(
    "query", [{}, {"dp_id": SEED, "mode": "odd"}, {"dp_id": SEED, "mode": "Raw2Raw", "responseformat": "json"}]
)
def test_calselector_says_what_it_needs(session, query):
    assert session().get(CALSELECTOR, params=query, timeout=20).status_code == 400
