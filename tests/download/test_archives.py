"""The jobs of astronomers, on the stand-ins: ESO's frames with their calibrations, IA2's long list, ICOS's licence."""

from __future__ import annotations

import hashlib
import time
from pathlib import Path
from typing import Any

import pytest
import pyvo

import vo_auth
from vo_auth.errors import CredentialsNotFoundError, DownloadError, RefusedWarning
from vo_auth.sandbox import Fault, Sandbox
from vo_auth.testing import assert_no_secret
from vo_auth.transfer import Event
from vo_auth.transfer.journal import JOURNAL

TAP = "https://archive.eso.org/tap_obs"
ESO_TERMS = "http://archive.eso.org/rdf/datalink/eso#"
PORTAL = "https://dataportal.eso.org/dataPortal/file/"


def raw_frames(where: str) -> Any:
    with vo_auth.session_for(TAP) as session:
        tap = pyvo.dal.TAPService(TAP, session=session)
        return tap.search(f"SELECT dp_id, access_url, datalink_url FROM dbo.raw WHERE {where}")


@pytest.mark.vo_auth_sandbox(only=["eso"])
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")  # pyvo's
def test_esos_private_frames_and_their_calibrations_come_with_one_login(
    vo_auth_sandbox: Sandbox, tmp_path: Path
) -> None:
    frames = raw_frames("prog_id = '118.C-2001(A)' AND dp_cat = 'SCIENCE'")
    there = vo_auth.download(frames, tmp_path)
    assert [one.path.name.removesuffix(".fits.Z") for one in there] == list(frames["dp_id"])
    assert {one.identity for one in there} == {"eso:DEMOPI"}
    cascade = [f"{ESO_TERMS}calSelector_raw2raw", "#calibration"]
    calibrations = vo_auth.download(frames, tmp_path, column="datalink_url", semantics=cascade)
    assert len(calibrations) > 0
    assert len({one.path for one in [*there, *calibrations]}) == len({one.url for one in [*there, *calibrations]})
    bench = vo_auth_sandbox.bench("eso")
    assert bench.counters["logins"] == 1
    before = bench.counters["downloads"]
    assert [one.is_new for one in vo_auth.download(frames, tmp_path)] == [False] * len(there)
    assert bench.counters["downloads"] == before


@pytest.mark.vo_auth_sandbox(only=["eso"])
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_frames_of_others_are_refused_with_no_more_than_one_login_more(
    vo_auth_sandbox: Sandbox, tmp_path: Path
) -> None:
    frames = raw_frames("prog_id IN ('118.C-2001(A)', '118.A-3002(B)') AND dp_cat = 'SCIENCE'")
    with pytest.warns(RefusedWarning), pytest.raises(DownloadError) as caught:
        vo_auth.download(frames, tmp_path)
    assert caught.value.downloaded
    assert {one.reason for one in caught.value.failed} == {
        "ESO Science Archive answers 401 Unauthorized: account DEMOPI has no right to it"
    }
    assert vo_auth_sandbox.bench("eso").counters["logins"] <= 2


@pytest.mark.vo_auth_sandbox(only=["eso"])
@pytest.mark.parametrize("manner", ["page", "redirect"])
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_esos_login_page_is_never_a_file(manner: str, vo_auth_sandbox: Sandbox, tmp_path: Path) -> None:
    frames = raw_frames("prog_id = '118.A-3002(B)' AND dp_cat = 'SCIENCE'")
    vo_auth_sandbox.bench("eso").knobs["login_page"] = manner
    with pytest.raises(DownloadError, match="ESO Science Archive answers with a login page where data was due"):
        vo_auth.download(frames[0], tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [JOURNAL]


@pytest.mark.vo_auth_sandbox(only=["eso"], credentials=False)
def test_without_credentials_the_error_says_what_to_do_and_nothing_is_sent(
    vo_auth_sandbox: Sandbox, tmp_path: Path
) -> None:
    with pytest.raises(DownloadError, match="2 of 2 files could not be had: No credentials for ESO") as caught:
        vo_auth.download([f"{PORTAL}A", f"{PORTAL}B"], tmp_path, interactive=False)
    assert all(isinstance(one.error, CredentialsNotFoundError) for one in caught.value.failed)
    assert len(vo_auth_sandbox.received) == 0
    with vo_auth.anonymous(), pytest.raises(DownloadError, match="404"):
        vo_auth.download(f"{PORTAL}A", tmp_path)


@pytest.mark.vo_auth_sandbox(only=["icos"])
def test_icoss_objects_come_with_a_permit_and_its_licence_page_is_never_a_file(
    vo_auth_sandbox: Sandbox, tmp_path: Path
) -> None:
    from vo_auth_icos.standin.repository import ICOS

    url = f"https://data.icos-cp.eu/objects/{ICOS.series[0].id}"
    with vo_auth.anonymous(), pytest.raises(DownloadError, match=r"ICOS Carbon Portal .*licence"):
        vo_auth.download(url, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [JOURNAL]
    (there,) = vo_auth.download(url, tmp_path)
    assert there.path.read_bytes() == ICOS.series[0].content
    assert there.identity.startswith("icos:")


@pytest.mark.vo_auth_sandbox(only=["ia2"])
def test_a_list_of_two_hundred_files_outlives_its_tokens_with_the_fewest_logins(
    vo_auth_sandbox: Sandbox, tmp_path: Path
) -> None:
    from vo_auth_ia2.standin.holdings import files_of

    bench = vo_auth_sandbox.bench("ia2")
    bench.knobs["token_life"] = 5.0
    bench.knobs["fail_on"] = [Fault(path_regex="/files/", status=0, delay=0.15, times=None)]
    files = [file for file in files_of("tng") if file.programme.group == "TNG.X99TAC_1"][:200]
    assert len(files) == 200
    events: list[Event] = []
    started = time.monotonic()
    there = vo_auth.download(
        [file.url for file in files],
        tmp_path,
        digests={file.url: f"sha256:{hashlib.sha256(file.content()).hexdigest()}" for file in files},
        progress=events.append,
    )
    took = time.monotonic() - started
    assert [one.is_new for one in there] == [True] * 200
    assert took > 5  # longer than a token lives
    logins = bench.counters["logins"]
    assert 2 <= logins <= took / 4 + 2  # one for each fifth before a token's end
    assert len([event for event in events if event.kind == "renewed"]) >= 1
    secrets = {one.authorization.partition(" ")[2] for one in vo_auth_sandbox.received} - {""}
    assert secrets
    assert_no_secret(secrets, (tmp_path / JOURNAL).read_text(), events, there)
    assert bench.counters["refused_downloads"] == 0
