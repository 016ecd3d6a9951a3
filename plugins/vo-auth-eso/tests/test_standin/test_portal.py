"""The data portal: files by rights, and pages that are no login pages."""

from __future__ import annotations

import base64
import io

import pytest
import requests
from astropy.io import fits

from vo_auth_eso.standin import (
    COMMISSIONING_RUN,
    CONFIDENTIAL_RUN,
    FOREIGN_RUN,
    PROPRIETARY_RUN,
    STANDIN,
    lzw,
)
from vo_auth_eso.standin.holdings import raw_frames

FILE_URL = "https://dataportal.eso.org/dataPortal/file/"
SEED = "SPHER.2016-09-26T04:15:07.252"
MASTER = "M.SPHERE.2016-09-27T08:14:42.823"
MARKER = 'name="execution"'


def fetch(session, dp_id, **options):
    return session.get(f"{FILE_URL}{dp_id}", timeout=20, **options)


def first(run):
    return raw_frames(run)[0].dp_id


@pytest.mark.parametrize("role", [None, "norights", "pi"])
def test_public_raw_frames_are_free_and_packed(session, role):
    answer = fetch(session(role), SEED)
    assert answer.status_code == 200
    assert answer.headers["Content-Disposition"].startswith("attachment; filename=")
    assert f"{SEED}.fits.Z" in answer.headers["Content-Disposition"]
    with fits.open(io.BytesIO(lzw.decompress(answer.content))) as hdus:
        assert hdus[0].header["ARCFILE"] == f"{SEED}.fits"


def test_processed_calibrations_are_free_and_plain(session):
    answer = fetch(session(), MASTER)
    assert f'"{MASTER}.fits"' in answer.headers["Content-Disposition"]
    with fits.open(io.BytesIO(answer.content)) as hdus:
        assert hdus[0].header["ESO PRO CATG"] == "IFS_MASTER_DARK"


def test_raw_frames_can_be_delivered_plain(bench, session):
    bench.knobs["packed"] = False
    answer = fetch(session(), SEED)
    assert f'"{SEED}.fits"' in answer.headers["Content-Disposition"]
    assert answer.content.startswith(b"SIMPLE")


@pytest.mark.parametrize(
    ("run", "entitled"),
    [(PROPRIETARY_RUN, {"pi"}), (FOREIGN_RUN, set()), (CONFIDENTIAL_RUN, {"pi"}), (COMMISSIONING_RUN, {"team"})],
)
def test_protected_files_are_for_the_entitled_and_401_is_for_all_others_alike(bench, session, run, entitled):
    answers = {role: fetch(session(role), first(run)) for role in (None, "norights", "team", "pi")}
    assert {role for role, answer in answers.items() if answer.status_code == 200} == entitled
    refused = [answer for role, answer in answers.items() if role not in entitled]
    assert {(answer.status_code, answer.text) for answer in refused} == {(401, "Access denied.\n")}
    assert all("WWW-Authenticate" not in answer.headers for answer in refused)
    assert bench.counters["refused_downloads"] == len(refused)


def test_calibrations_of_the_commissioned_instrument_are_not_free(session):
    flat = raw_frames(COMMISSIONING_RUN, role="FLAT")[0].dp_id
    assert [fetch(session(role), flat).status_code for role in (None, "pi", "team")] == [401, 401, 200]


def test_basic_authentication_is_taken_too(session):
    plain = session()
    plain.auth = tuple(STANDIN.credentials["pi"].values())
    assert fetch(plain, first(PROPRIETARY_RUN)).status_code == 200
    plain.auth = (STANDIN.credentials["pi"]["username"], "wrong")
    assert fetch(plain, first(PROPRIETARY_RUN)).status_code == 401
    assert fetch(plain, SEED).status_code == 200


@pytest.mark.parametrize("value", ["Basic !!!", "Basic " + base64.b64encode(b"\xff:\xff").decode(), "Bearer", "Odd x"])
def test_a_malformed_permit_is_refused_as_none_is(session, value):
    odd = session()
    odd.headers["Authorization"] = value
    assert fetch(odd, first(PROPRIETARY_RUN)).status_code == 401


def test_an_unknown_file_is_not_found(session):
    assert fetch(session("pi"), "UVES.2001-01-01T00:00:00.000").status_code == 404


def test_the_challenge_can_be_set_because_it_is_not_known(bench, session):
    bench.knobs["www_authenticate"] = 'Bearer realm="eso"'
    assert fetch(session(), first(PROPRIETARY_RUN)).headers["WWW-Authenticate"] == 'Bearer realm="eso"'


def test_a_refused_download_can_be_led_to_the_login_page(bench, session):
    bench.knobs["login_page"] = "redirect"
    wanted = first(PROPRIETARY_RUN)
    answer = fetch(session("norights"), wanted)
    assert answer.url.startswith("https://www.eso.org/sso/login?service=https%3A%2F%2Fdataportal.eso.org%2F")
    assert (answer.status_code, MARKER in answer.text) == (200, True)
    assert fetch(session("pi"), wanted).url == f"{FILE_URL}{wanted}"


def test_a_refused_download_can_be_the_login_page_itself(bench, session):
    bench.knobs["login_page"] = "page"
    answer = fetch(session(), first(PROPRIETARY_RUN))
    assert (answer.status_code, answer.url) == (200, f"{FILE_URL}{first(PROPRIETARY_RUN)}")
    assert answer.headers["Content-Type"].startswith("text/html")
    assert MARKER in answer.text[:1024]
    assert fetch(session("pi"), first(PROPRIETARY_RUN)).content.startswith(b"\x1f\x9d")


def test_head_says_what_get_would_send(session):
    reader = session()
    head = reader.head(f"{FILE_URL}{SEED}", timeout=20)
    full = fetch(reader, SEED)
    assert (head.status_code, head.content) == (200, b"")
    for name in ("Content-Length", "Content-Disposition", "Content-Type", "ETag", "Accept-Ranges"):
        assert head.headers[name] == full.headers[name]
    assert reader.head(f"{FILE_URL}{first(PROPRIETARY_RUN)}", timeout=20).status_code == 401


def test_a_part_of_a_protected_file_is_sent_to_the_entitled_only(session):
    holder, wanted = session("pi"), first(PROPRIETARY_RUN)
    whole = fetch(holder, wanted).content
    part = fetch(holder, wanted, headers={"Range": "bytes=100-199"})
    assert (part.status_code, part.content) == (206, whole[100:200])
    assert part.headers["Content-Range"] == f"bytes 100-199/{len(whole)}"
    assert fetch(session(), wanted, headers={"Range": "bytes=100-199"}).status_code == 401


def test_the_portals_own_page_is_public_html_and_no_login_page(sandbox):
    answer = requests.get("https://dataportal.eso.org/rh", timeout=20)
    assert (answer.status_code, answer.headers["Content-Type"].split(";")[0]) == (200, "text/html")
    assert MARKER not in answer.text
    assert "sso/login" in answer.text  # it links to the login, which does not make it one


def test_night_logs_are_html_for_all_who_may_see_the_frame(session):
    public = session().get(f"{FILE_URL}{first(FOREIGN_RUN)}.NL", timeout=20)
    assert (public.status_code, public.headers["Content-Type"].split(";")[0]) == (200, "text/html")
    assert first(FOREIGN_RUN) in public.text
    assert MARKER not in public.text
    secret = f"{FILE_URL}{first(CONFIDENTIAL_RUN)}.NL"
    assert [session(role).get(secret, timeout=20).status_code for role in (None, "pi")] == [401, 200]
    assert session().get(f"{FILE_URL}{MASTER}.NL", timeout=20).status_code == 404


def test_plain_http_leads_to_https_and_a_permit_on_the_way_is_counted(bench, session):
    answer = session("pi").get(f"{FILE_URL.replace('https', 'http')}{SEED}", timeout=20)
    assert answer.status_code == 200
    assert [(hop.status_code, hop.headers["Location"]) for hop in answer.history] == [(301, f"{FILE_URL}{SEED}")]
    assert bench.counters["permits_on_http"] == 1


def test_downloads_are_counted(bench, session):
    fetch(session(), SEED)
    fetch(session(), MASTER)
    assert bench.counters["downloads"] == 2
