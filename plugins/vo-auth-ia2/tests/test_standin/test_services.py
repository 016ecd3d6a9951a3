"""Files, GMS and DataLink: rights by the programme's group, relayed tokens, plain http; by requests and curl."""

from __future__ import annotations

import gzip
import io
import subprocess
from email.utils import parsedate_to_datetime

import pytest
import pyvo
import requests
from astropy.io import fits

from vo_auth.sandbox import Sandbox
from vo_auth_ia2.standin import STANDIN
from vo_auth_ia2.standin.holdings import PROGRAMMES, File

from .conftest import GMS_URL, TAP_URL

BY_NAME = {programme.name: programme for programme in PROGRAMMES}
SECURE = "https://archives.ia2.inaf.it"


def first(programme):
    return File(programme=BY_NAME[programme], number=0)


def secure(file):
    return file.url.replace("http://", "https://")


PUBLIC, PRIVATE, FOREIGN = first("X99DDT_0"), first("X99TAC_1"), first("X99TAC_2")


# ---------------------------------------------------------------- files


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_public_files_are_for_everybody_by_http_too_as_the_tables_say(http, scheme, bench):
    answer = http.get(PUBLIC.url.replace("http://", f"{scheme}://"), timeout=20)
    assert answer.status_code == 200
    assert PUBLIC.name in answer.headers["Content-Disposition"]
    with fits.open(io.BytesIO(gzip.decompress(answer.content))) as hdus:
        assert (hdus[0].header["PROGRAM"], hdus[0].data.shape) == ("X99DDT_0", (2880,))
    assert bench.counters["relays"] == 0


@pytest.mark.parametrize(
    ("file", "entitled"),
    [
        (PRIVATE, {"observer", "service"}),
        (FOREIGN, {"colleague"}),
        (first("X99_A"), {"observer"}),
    ],
)
def test_private_files_are_for_the_group_of_their_programme(http, bearer, file, entitled):
    answers = {role: http.get(secure(file), headers=bearer(role), timeout=20) for role in list(STANDIN.credentials)[:4]}
    assert {role for role, answer in answers.items() if answer.status_code == 200} == entitled
    assert {answer.status_code for role, answer in answers.items() if role not in entitled} == {403}


def test_the_anonymous_and_dead_tokens_get_401_with_a_challenge(http, bench, bearer):
    answer = http.get(secure(PRIVATE), timeout=20)
    assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, 'Bearer realm="ia2"')
    old = bearer()
    bench.knobs["clock_skew"] = 4000
    answer = http.get(secure(PRIVATE), headers=old, timeout=20)
    assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (
        401,
        'Bearer realm="ia2", error="invalid_token"',
    )
    assert bench.counters["refused_downloads"] == 2


def test_the_challenge_can_be_set_because_it_is_not_known(http, bench):
    bench.knobs["www_authenticate"] = 'Bearer realm="RAP", scope="read:files"'
    assert http.get(secure(PRIVATE), timeout=20).headers["WWW-Authenticate"] == 'Bearer realm="RAP", scope="read:files"'
    bench.knobs["www_authenticate"] = ""
    assert "WWW-Authenticate" not in http.get(secure(PRIVATE), timeout=20).headers


def test_the_file_service_relays_the_callers_token_to_the_group_service(http, bench, bearer):
    assert http.get(secure(PRIVATE), headers=bearer(), timeout=20).status_code == 200
    assert (bench.counters["relays"], bench.counters["refused_relays"]) == (1, 0)
    bench.knobs["audiences"] = [f"{SECURE}/files"]  # not for GMS: the relay fails
    assert http.get(secure(PRIVATE), headers=bearer(), timeout=20).status_code == 403
    assert bench.counters["refused_relays"] == 1
    bench.knobs["audiences"] = ["https://gms.ia2.inaf.it/gms"]  # not for the files: refused at the door
    assert http.get(secure(PRIVATE), headers=bearer(), timeout=20).status_code == 401
    assert bench.counters["relays"] == 2


def test_a_token_without_the_scope_of_the_group_service_is_not_enough(http, bearer):
    assert http.get(secure(PRIVATE), headers=bearer(scope="openid"), timeout=20).status_code == 403


def test_rights_follow_the_group_at_once(http, bench, bearer):
    header = bearer("colleague")
    bench.knobs["groups"] = {"5102": ("TNG.X99TAC_1",)}
    statuses = [http.get(secure(file), headers=header, timeout=20).status_code for file in (PRIVATE, FOREIGN)]
    assert statuses == [200, 403]


def test_without_the_group_service_no_private_file_is_given(http, bench, bearer):
    header = bearer()
    for mood in ("busy", "missing"):
        bench.knobs["gms"] = mood
        assert http.get(secure(PRIVATE), headers=header, timeout=20).status_code == 503
        assert http.get(secure(PUBLIC), headers=header, timeout=20).status_code == 200


def test_an_unknown_file_is_not_found(http, bearer):
    assert http.get(f"{SECURE}/files/tng/unknown.fits.gz", headers=bearer(), timeout=20).status_code == 404
    assert http.get(f"{SECURE}/files/lbt/{PUBLIC.name}", timeout=20).status_code == 404


def test_a_part_of_a_private_file_and_head(http, bearer):
    header = bearer()
    whole = http.get(secure(PRIVATE), headers=header, timeout=20).content
    part = http.get(secure(PRIVATE), headers={**header, "Range": "bytes=10-19"}, timeout=20)
    assert (part.status_code, part.content) == (206, whole[10:20])
    assert http.get(secure(PRIVATE), headers={"Range": "bytes=10-19"}, timeout=20).status_code == 401
    head = http.head(secure(PRIVATE), headers=header, timeout=20)
    assert (head.status_code, head.headers["Content-Length"], head.content) == (200, str(len(whole)), b"")


def test_a_bearer_on_plain_http_is_a_leak_and_opens_nothing(http, bench, bearer):
    assert http.get(PRIVATE.url, headers=bearer(), timeout=20).status_code == 401
    assert bench.counters["bearer_on_http"] == 1
    http.get(TAP_URL.replace("https", "http") + "/tables", headers=bearer(), timeout=20)
    assert bench.counters["bearer_on_http"] == 2


def test_a_service_can_be_without_https(http, bench):
    bench.knobs["no_https"] = ("/files/",)
    with pytest.raises(requests.ConnectionError):
        http.get(secure(PUBLIC), timeout=20)
    assert http.get(PUBLIC.url, timeout=20).status_code == 200
    assert http.get(f"{TAP_URL}/availability", timeout=20).status_code == 200
    bench.knobs["no_https_answer"] = "404"
    assert http.get(secure(PUBLIC), timeout=20).status_code == 404


def test_rap_and_gms_lead_plain_http_to_https(http):
    for url in (GMS_URL, "https://sso.ia2.inaf.it/rap-ia2/auth/oidc/jwks"):
        answer = http.get(url.replace("https", "http"), allow_redirects=False, timeout=20)
        assert (answer.status_code, answer.headers["Location"]) == (301, url)


def test_wget_style_lists_work_with_one_token(sandbox, program, token, tmp_path):
    config = tmp_path / "curl.txt"
    files = [File(programme=BY_NAME["X99TAC_1"], number=number) for number in range(5)]
    config.write_text("".join(f'url = "{secure(file)}"\noutput = "{tmp_path / file.name}"\n' for file in files))
    command = [program("curl"), "-sSf", "-H", f"Authorization: Bearer {token()}", "-K", str(config)]
    subprocess.run(command, env=sandbox.child_environ(), check=True, timeout=60)
    assert [(tmp_path / file.name).read_bytes() for file in files] == [file.content() for file in files]


@pytest.mark.parametrize(
    "url",
    [
        "https://sso.ia2.inaf.it/files/tng/x",
        "https://archives.ia2.inaf.it/gms/search",
        "https://gms.ia2.inaf.it/rap-ia2/auth/oauth2/token",
        "https://archives.ia2.inaf.it/",
    ],
)
def test_each_service_answers_under_its_own_host_name_only(http, url):
    assert http.get(url, timeout=20).status_code == 404


# ---------------------------------------------------------------- GMS 1.0


def test_the_group_service_lists_the_callers_groups_each_line_ended(http, bearer, bench):
    answer = http.get(GMS_URL, headers=bearer(), timeout=20)
    assert (answer.status_code, answer.content) == (200, b"TNG.X99TAC_1\r\nLBT.X99_A\r\n")
    assert answer.headers["Content-Type"].startswith("text/plain")
    ends, now = (parsedate_to_datetime(answer.headers[name]) for name in ("Expires", "Date"))
    assert 55 <= (ends - now).total_seconds() <= 61
    assert bench.counters["gms_queries"] == 1


def test_named_groups_are_a_question_about_these_alone(http, bearer):
    wanted = [("group", "LBT.X99_A"), ("group", "TNG.X99TAC_2"), ("group", "lbt.x99_a"), ("group", "no such group")]
    assert http.get(GMS_URL, params=wanted, headers=bearer(), timeout=20).text == "LBT.X99_A\r\n"
    assert http.get(GMS_URL, params=wanted[1:], headers=bearer(), timeout=20).content == b""


def test_the_anonymous_are_401_and_the_unknown_403_with_a_message(http, bearer):
    anonymous = http.get(GMS_URL, timeout=20)
    assert (anonymous.status_code, anonymous.headers["WWW-Authenticate"]) == (401, 'Bearer realm="gms"')
    assert "not authenticated" in anonymous.text
    unknown = http.get(GMS_URL, headers=bearer("stranger"), timeout=20)
    assert (unknown.status_code, "not known" in unknown.text) == (403, True)


def test_a_token_for_other_services_is_not_accepted(http, bearer, bench):
    bench.knobs["audiences"] = [f"{SECURE}/files"]
    answer = http.get(GMS_URL, headers=bearer(), timeout=20)
    assert (answer.status_code, 'error="invalid_token"' in answer.headers["WWW-Authenticate"]) == (401, True)


def test_the_names_of_audiences_can_be_set_because_they_are_not_known(http, bearer, bench):
    bench.knobs["audience_names"] = {"gms": "gms"}
    assert http.get(GMS_URL, headers=bearer(), timeout=20).status_code == 200
    bench.knobs["audiences"] = ["https://gms.ia2.inaf.it/gms"]
    assert http.get(GMS_URL, headers=bearer(), timeout=20).status_code == 401


def test_the_group_service_can_be_odd_absent_or_busy(http, bearer, bench):
    header = bearer()
    bench.knobs.update(gms_line_end="\n", gms_cache=None)
    answer = http.get(GMS_URL, headers=header, timeout=20)
    assert (answer.content, "Expires" in answer.headers) == (b"TNG.X99TAC_1\nLBT.X99_A\n", False)
    bench.knobs["gms"] = "missing"
    assert http.get(GMS_URL, headers=header, timeout=20).status_code == 404
    bench.knobs.update(gms="busy", gms_retry_after=3)
    answer = http.get(GMS_URL, headers=header, timeout=20)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "3")


# ---------------------------------------------------------------- DataLink


def test_tables_can_publish_datalink_instead_of_files():
    sandbox = Sandbox([STANDIN], credentials=False)
    sandbox.bench("ia2").knobs["datalink"] = True
    with sandbox, sandbox.activated(), requests.Session() as session:
        tap = pyvo.dal.TAPService(TAP_URL, session=session)
        row = tap.search("SELECT TOP 1 file_url FROM tng.TNG_TAP WHERE PROGRAM = 'X99TAC_1'")[0]
        assert row["file_url"].startswith(
            "http://archives.ia2.inaf.it/vo/datalink/links?ID=ivo://ia2.inaf.it/tng?HARPN."
        )
        links = pyvo.dal.adhoc.DatalinkResults.from_result_url(row["file_url"], session=session)
        (this,) = links.bysemantics("#this")
        assert this.access_url == PRIVATE.url
        assert this.content_length == len(PRIVATE.content())
        missing = pyvo.dal.adhoc.DatalinkResults.from_result_url(
            row["file_url"].replace("HARPN.", "NOTHING."), session=session
        )
        assert "NotFoundFault" in missing[0].error_message
