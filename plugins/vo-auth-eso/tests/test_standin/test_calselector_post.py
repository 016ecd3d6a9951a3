"""calSelector by POST: one association tree, or several in one document."""

from __future__ import annotations

import email
import email.policy
from xml.etree import ElementTree

import pytest

from vo_auth_eso.standin import COMMISSIONING_RUN, CONFIDENTIAL_RUN
from vo_auth_eso.standin.holdings import raw_frames

URL = "https://archive.eso.org/calselector/v1/associations"
SEED = "SPHER.2016-09-26T04:15:07.252"
FORS2 = raw_frames("110.A-1101(A)")[0].dp_id
SECRET = raw_frames(CONFIDENTIAL_RUN)[0].dp_id
TEAM = raw_frames(COMMISSIONING_RUN)[0].dp_id
UNKNOWN = "UVES.2001-01-01T00:00:00.000"


def ask(session, *dp_ids, mode="Raw2Raw", url=URL):
    return session.post(url, data={"dp_id": list(dp_ids), "mode": mode}, timeout=20)


def parts(answer):
    """Read the document with Python's own mail parser: names and trees of its parts."""
    head = f"Content-Type: {answer.headers['Content-Type']}\r\n\r\n".encode()
    message = email.message_from_bytes(head + answer.content, policy=email.policy.default)
    assert message.is_multipart()
    assert message.defects == []
    return {part.get_filename(): part.get_payload(decode=True) for part in message.iter_parts()}


def names(tree):
    return {element.attrib["name"] for element in ElementTree.fromstring(tree).iter("file")}


def test_one_frame_gets_its_association_tree(session):
    answer = ask(session(), SEED)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/xml; content=calselector")
    assert f'filename="{SEED}_raw2raw.xml"' in answer.headers["Content-Disposition"]
    root = ElementTree.fromstring(answer.content)
    assert (root.tag, root.get("mode"), root.get("complete")) == ("association", "Raw2Raw", "true")
    assert root.find("mainFiles/file").get("name") == SEED


def test_the_tree_is_the_one_that_get_answers(session):
    reader = session()
    for mode in ("Raw2Raw", "Raw2Master"):
        asked = reader.get(URL, params={"dp_id": SEED, "mode": mode}, timeout=20)
        assert ask(reader, SEED, mode=mode).content == asked.content


def test_several_frames_get_one_part_each_in_their_order(session):
    answer = ask(session(), SEED, FORS2)
    assert answer.headers["Content-Type"].startswith("multipart/form-data; boundary=")
    found = parts(answer)
    assert list(found) == [f"{SEED}_raw2raw.xml", f"{FORS2}_raw2raw.xml"]
    assert [names(tree) for tree in found.values()] == [names(ask(session(), one).content) for one in (SEED, FORS2)]


def test_every_part_says_what_it_is_and_how_long(session):
    answer = ask(session(), SEED, FORS2)
    head = f"Content-Type: {answer.headers['Content-Type']}\r\n\r\n".encode()
    for part in email.message_from_bytes(head + answer.content).get_payload():
        assert part.get_content_type() == "application/xml"
        assert part.get_content_disposition() == "attachment"
        assert int(part["Content-Length"]) == len(part.get_payload(decode=True))


def test_processed_calibrations_fall_back_to_raw_ones_in_silence_for_each_frame(session):
    found = parts(ask(session(), SEED, FORS2, mode="Raw2Master"))
    modes = {name: ElementTree.fromstring(tree).get("mode") for name, tree in found.items()}
    assert modes == {f"{SEED}_raw2master.xml": "Raw2Master", f"{FORS2}_raw2raw.xml": "Raw2Raw"}


def test_a_frame_that_is_named_twice_is_one_frame(session):
    assert ask(session(), SEED, SEED).headers["Content-Type"] == "application/xml; content=calselector"


@pytest.mark.parametrize(("dp_id", "role"), [(SECRET, "pi"), (TEAM, "team")])
def test_a_protected_frame_is_answered_like_one_that_does_not_exist(session, dp_id, role):
    for other in {None, "norights", "pi", "team"} - {role}:
        alone, nothing = ask(session(other), dp_id), ask(session(other), UNKNOWN)
        assert (alone.status_code, alone.text) == (nothing.status_code, nothing.text) == (404, alone.text)
        assert list(parts(ask(session(other), SEED, dp_id))) == [f"{SEED}_raw2raw.xml"]
        assert ask(session(other), dp_id, UNKNOWN).status_code == 404
    assert dp_id in names(ask(session(role), dp_id).content)
    assert list(parts(ask(session(role), SEED, dp_id))) == [f"{SEED}_raw2raw.xml", f"{dp_id}_raw2raw.xml"]


def test_unknown_frames_are_left_out_of_the_parts(session):
    assert list(parts(ask(session(), UNKNOWN, SEED))) == [f"{SEED}_raw2raw.xml"]


def test_a_permit_on_plain_http_does_not_help(bench, session):
    assert ask(session("pi"), SECRET, url=URL.replace("https", "http")).status_code == 404
    assert bench.counters["permits_on_http"] == 1


@pytest.mark.parametrize("form", [{}, {"dp_id": ""}, {"dp_id": SEED, "mode": "Raw2Moon"}])
def test_a_request_that_makes_no_sense_is_refused(session, form):
    assert session().post(URL, data=form, timeout=20).status_code == 400


def test_raw_calibrations_are_the_default(session):
    assert session().post(URL, data={"dp_id": SEED}, timeout=20).content == ask(session(), SEED).content
