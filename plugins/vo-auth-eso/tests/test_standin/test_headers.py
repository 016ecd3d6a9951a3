"""The header service: the FITS header of a file as a page."""

from __future__ import annotations

import io
import re
from html import unescape

import pytest
from astropy.io import fits

from vo_auth_eso.standin import COMMISSIONING_RUN, CONFIDENTIAL_RUN, FOREIGN_RUN
from vo_auth_eso.standin.content import make_fits
from vo_auth_eso.standin.holdings import frames, get_frame, raw_frames

URL = "https://archive.eso.org/hdr"
SEED = "SPHER.2016-09-26T04:15:07.252"
SECRET = raw_frames(CONFIDENTIAL_RUN)[0].dp_id
TEAM = raw_frames(COMMISSIONING_RUN)[0].dp_id
UNKNOWN = "UVES.2001-01-01T00:00:00.000"


def ask(session, dp_id, url=URL):
    return session.get(url, params={"DpId": dp_id}, timeout=20)


def shown(answer):
    (text,) = re.findall(r"<pre>\n(.*)\n</pre>", answer.text, re.DOTALL)
    return fits.Header.fromstring(unescape(text), sep="\n")


@pytest.mark.parametrize("dp_id", [SEED, frames(level="master")[0].dp_id, frames(level="product")[0].dp_id])
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_the_page_has_the_header_of_the_file(session, dp_id, scheme):
    answer = ask(session(), dp_id, URL.replace("https", scheme))
    assert (answer.status_code, answer.headers["Content-Type"].split(";")[0]) == (200, "text/html")
    with fits.open(io.BytesIO(make_fits(get_frame(dp_id)))) as hdus:
        assert dict(shown(answer)) == dict(hdus[0].header)


def test_the_header_of_a_file_under_proprietary_period_is_public(session):
    frame = raw_frames(FOREIGN_RUN)[0]
    assert shown(ask(session(), frame.dp_id))["OBJECT"] == frame.target


@pytest.mark.parametrize(("dp_id", "role"), [(SECRET, "pi"), (TEAM, "team")])
def test_a_protected_header_is_answered_like_one_that_does_not_exist(session, dp_id, role):
    for other in {None, "norights", "pi", "team"} - {role}:
        answer, nothing = ask(session(other), dp_id), ask(session(other), UNKNOWN)
        assert answer.status_code == nothing.status_code == 404
        assert answer.text.replace(dp_id, UNKNOWN) == nothing.text
        assert "<pre>" not in answer.text
    assert shown(ask(session(role), dp_id))["ARCFILE"] == f"{dp_id}.fits"


def test_a_permit_on_plain_http_does_not_help(bench, session):
    assert ask(session("pi"), SECRET, URL.replace("https", "http")).status_code == 404
    assert bench.counters["permits_on_http"] == 1


def test_what_is_asked_for_is_not_taken_for_html(session):
    assert "<script>" not in ask(session(), "<script>").text
