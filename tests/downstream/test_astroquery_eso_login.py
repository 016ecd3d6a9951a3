"""ESO's stand-in serves unmodified astroquery: its own login, downloads, calibrations and, where it has them, queries.

No part of vo_auth takes part but the sandbox. The released version asks the archive's web forms for its queries, which
the stand-in has not; versions that search by TAP run those tests too.
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import keyring
import pytest

pytest.importorskip("astroquery", reason="astroquery is not installed")

with warnings.catch_warnings(action="ignore"):
    # astropy and astroquery, first imported here, warn that the isolated XDG folders do not exist.
    import astroquery
    from astropy.io import fits
    from astropy.table import Table
    from astroquery.eso import Eso
    from astroquery.exceptions import RemoteServiceError

    from vo_auth_eso.standin import (
        COMMISSIONING_RUN,
        CONFIDENTIAL_RUN,
        FOREIGN_RUN,
        PROPRIETARY_RUN,
        SEED_RUN,
        STANDIN,
    )
    from vo_auth_eso.standin.holdings import frames, raw_frames

from vo_auth.sandbox import Received, Sandbox

SEARCHES_BY_TAP = hasattr(Eso, "query_tap")
by_tap = pytest.mark.skipif(not SEARCHES_BY_TAP, reason=f"astroquery {astroquery.__version__} searches by web forms")

SEED = "SPHER.2016-09-26T04:15:07.252"
SECRET, MINE, FOREIGN = (raw_frames(run)[0].dp_id for run in (CONFIDENTIAL_RUN, PROPRIETARY_RUN, FOREIGN_RUN))


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox([STANDIN], credentials=False) as one, one.activated():
        yield one


@pytest.fixture
def eso(sandbox: Sandbox, tmp_path: Path) -> Any:
    instance = Eso()
    instance.cache_location = tmp_path / "cache"
    return instance


@pytest.fixture
def log_in(eso: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], bool]:
    """Log in as astroquery does it, with the demo password in the keyring."""

    def call(role: str = "pi", *, username: str = "", password: str = "") -> bool:
        demo = STANDIN.credentials[role]
        monkeypatch.setattr(keyring, "get_password", lambda service, user: password or demo["password"])
        eso.login(username=username or demo["username"])
        return eso.authenticated()

    return call


def sent(sandbox: Sandbox, path: str) -> list[Received]:
    return [one for one in sandbox.received if one.path.startswith(path)]


def test_its_login_takes_the_password_from_the_keyring(sandbox, eso, log_in, monkeypatch):
    asked = []
    monkeypatch.setattr("getpass.getpass", asked.append)
    assert log_in("pi")
    (request,) = sent(sandbox, "/sso/oidc/token")
    assert (request.method, request.scheme, request.host) == ("GET", "https", "www.eso.org")
    assert "grant_type=password" in request.query
    assert asked == []
    assert not list(eso.cache_location.glob("*.pickle"))


def test_its_login_asks_for_a_password_that_the_keyring_has_not(eso, monkeypatch):
    monkeypatch.setattr("getpass.getpass", lambda _prompt: STANDIN.credentials["pi"]["password"])
    eso.login(username=STANDIN.credentials["pi"]["username"])
    assert eso.authenticated()


def test_a_wrong_password_leaves_it_anonymous(eso, log_in, sandbox):
    assert not log_in("pi", password="wrong")
    assert eso.retrieve_data([MINE]) == []
    assert [one.authorization for one in sent(sandbox, "/dataPortal/file/")] == [""]


def test_it_reads_when_the_token_ends(eso, log_in, sandbox):
    sandbox.bench("eso").knobs["token_life"] = 3600
    log_in("pi")
    now = sandbox.bench("eso").now()
    assert now + 3500 < eso._auth_info.expiration_time < now + 3700


def test_a_public_raw_frame_is_unpacked_without_login(eso, tmp_path):
    (name,) = eso.retrieve_data([SEED], destination=str(tmp_path))
    assert Path(name) == tmp_path / f"{SEED}.fits"
    with fits.open(name) as hdus:
        assert hdus[0].header["ESO OBS PROG ID"] == SEED_RUN


def test_a_login_opens_the_files_of_its_user_and_no_others(eso, log_in, sandbox, tmp_path):
    assert eso.retrieve_data([MINE, FOREIGN], destination=str(tmp_path)) == []
    log_in("pi")
    got = eso.retrieve_data([MINE, FOREIGN, SECRET], destination=str(tmp_path))
    assert [Path(name).name for name in got] == [f"{MINE}.fits", f"{SECRET}.fits"]
    kinds = [one.authorization.partition(" ")[0] for one in sent(sandbox, "/dataPortal/file/")]
    assert kinds == ["", "", "Bearer", "Bearer", "Bearer"]


def test_a_login_page_in_place_of_a_file_never_becomes_one(eso, sandbox, tmp_path):
    sandbox.bench("eso").knobs["login_page"] = "page"
    # Versions differ in whether they log it or raise; the page has no name to be saved under.
    with contextlib.suppress(RemoteServiceError):
        assert eso.retrieve_data([MINE], destination=str(tmp_path)) == []
    assert list(tmp_path.glob("*.*")) == []
    assert sandbox.bench("eso").counters["refused_downloads"] == 1


def test_a_file_that_is_here_is_not_downloaded_again(eso, sandbox, tmp_path):
    first = eso.retrieve_data(SEED, destination=str(tmp_path))
    before = Path(first).stat().st_mtime_ns
    assert eso.retrieve_data(SEED, destination=str(tmp_path)) == first
    assert Path(first).stat().st_mtime_ns == before


def test_processed_files_need_no_unpacking(eso, tmp_path):
    dp_id = frames(level="product")[0].dp_id
    assert eso.retrieve_data(dp_id, destination=str(tmp_path)) == str(tmp_path / f"{dp_id}.fits")


@pytest.mark.parametrize(("mode", "word"), [("raw", "Raw2Raw"), ("processed", "Raw2Master")])
def test_calibrations_of_one_frame_come_as_a_tree(eso, tmp_path, mode, word):
    found = eso.get_associated_files([SEED], mode=mode, savexml=True, destination=str(tmp_path))
    assert found
    assert all(name.startswith("M.SPHERE.") for name in found) == (mode == "processed")
    (tree,) = tmp_path.iterdir()
    assert tree.name == f"{SEED}_{word.lower()}.xml"
    assert f'mode="{word}"' in tree.read_text()


def test_calibrations_of_several_frames_come_in_parts(eso, tmp_path):
    fors2 = raw_frames("110.A-1101(A)")[0].dp_id
    found = eso.get_associated_files([SEED, fors2], mode="processed", savexml=True, destination=str(tmp_path))
    # FORS2 has no processed calibrations here: its part falls back to raw ones, as the archive does it.
    assert {path.name for path in tmp_path.iterdir()} == {f"{SEED}_raw2master.xml", f"{fors2}_raw2raw.xml"}
    apart = [eso.get_associated_files([one], mode="processed") for one in (SEED, fors2)]
    assert set(found) == set(apart[0]) | set(apart[1])


def test_its_own_login_does_not_reach_the_calibrations_of_protected_frames(eso, log_in, sandbox):
    log_in("pi")
    with pytest.raises(Exception, match="404"):
        eso.get_associated_files([SECRET])
    assert [one.authorization for one in sent(sandbox, "/calselector/")] == [""]


def test_a_session_that_carries_the_permit_reaches_them(eso, log_in):
    log_in("pi")
    eso._session.headers["Authorization"] = f"Bearer {eso._auth_info.token}"
    assert eso.get_associated_files([SECRET])
    assert len(eso.get_associated_files([SECRET, SEED])) > len(eso.get_associated_files([SEED]))


def test_frames_and_their_calibrations_come_in_one_call(eso, tmp_path):
    got = eso.retrieve_data([SEED], with_calib="processed", destination=str(tmp_path))
    names = {Path(name).name for name in got}
    assert f"{SEED}.fits" in names
    assert len(names) == 5
    assert all((tmp_path / name).read_bytes().startswith(b"SIMPLE") for name in names)


def test_headers_are_read_as_a_table(eso):
    table = eso.get_headers([SEED, MINE])
    assert list(table["DP.ID"]) == [SEED, MINE]
    assert list(table["HIERARCH ESO OBS PROG ID"]) == [SEED_RUN, PROPRIETARY_RUN]
    assert table["EXPTIME"][0] == 64.0
    assert table["SIMPLE"][0]


def test_a_protected_header_is_not_found_by_its_own_login(eso, log_in):
    log_in("pi")
    with pytest.raises(IndexError):  # it looks for <pre> in any page
        eso.get_headers([SECRET])


@by_tap
def test_lists_of_instruments_surveys_and_catalogues(eso):
    assert eso.list_instruments() == ["fors2", "harps", "moons", "muse", "sphere", "uves", "xshooter"]
    assert set(eso.list_surveys()) == {"SPHERE", "FORS2", "MUSE", "HARPS"}
    assert eso.list_catalogs() == ["DEMO_CLUSTER_V2", "DEMO_QUIET_V1"]
    assert eso.list_catalogs(all_versions=True) == ["DEMO_CLUSTER_V1", "DEMO_CLUSTER_V2", "DEMO_QUIET_V1"]


@by_tap
@pytest.mark.parametrize(
    ("role", "instrument", "run"), [("pi", "uves", CONFIDENTIAL_RUN), ("team", "moons", COMMISSIONING_RUN)]
)
def test_an_authenticated_search_of_an_instrument_finds_its_users_own_rows(eso, log_in, sandbox, role, instrument, run):
    own = len(raw_frames(run))
    public = eso.query_instrument(instrument, count_only=True)
    log_in(role)
    assert eso.query_instrument(instrument, count_only=True) == public  # without being told so it stays anonymous
    assert eso.query_instrument(instrument, count_only=True, authenticated=True) == public + own
    table = eso.query_instrument(instrument, column_filters={"prog_id": run}, authenticated=True)
    assert len(table) == own
    assert table.colnames[:6] == ["object", "ra", "dec", "dp_id", "date_obs", "prog_id"]
    kinds = [one.authorization.partition(" ")[0] for one in sent(sandbox, "/tap_obs/")]
    assert kinds == ["", "", "Bearer", "Bearer"]


@by_tap
def test_an_authenticated_search_of_all_raw_data_finds_its_users_own_rows(eso, log_in):
    public = eso.query_main(count_only=True)
    log_in("pi")
    assert eso.query_main(count_only=True, authenticated=True) == public + len(raw_frames(CONFIDENTIAL_RUN))
    assert len(eso.query_main("MUSE,SPHERE", top=7)) == 7


@by_tap
def test_searches_around_a_position(eso):
    raw = eso.query_main("MUSE", cone_ra=40.1, cone_dec=-8.43, cone_radius=0.1)
    assert set(raw["object"]) == {"DEMO-GALAXY"}
    products = eso.query_surveys("MUSE", cone_ra=40.1, cone_dec=-8.43, cone_radius=0.1)
    assert set(products["target_name"]) == {"DEMO-GALAXY"}
    assert products.colnames[0] == "target_name"


@by_tap
def test_products_of_a_survey_are_downloaded_by_their_rows(eso, tmp_path):
    table = eso.query_surveys("HARPS", columns="dp_id", top=2)
    assert isinstance(table, Table)
    assert len(eso.retrieve_data(table["dp_id"], destination=str(tmp_path))) == 2


@by_tap
def test_quick_looks_of_apex_are_found_and_downloaded(eso, tmp_path):
    table = eso.query_apex_quicklooks("E-110.F-9601A-2022")
    assert len(table) == 2
    name = eso.retrieve_data(str(table["quicklook_id"][0]), destination=str(tmp_path))
    assert Path(name).stat().st_size > 0


@by_tap
def test_catalogues_are_searched_and_described(eso, log_in, sandbox):
    table = eso.query_catalog("DEMO_CLUSTER_V2", column_filters={"mag": "< 16"})
    assert 0 < len(table) < 60
    eso.query_catalog("DEMO_CLUSTER_V2", help=True)
    log_in("pi")
    assert eso.query_catalog("DEMO_CLUSTER_V1", count_only=True, authenticated=True) == 40
    assert {one.path for one in sent(sandbox, "/tap_")} == {"/tap_cat/sync"}


@by_tap
def test_its_help_lists_columns(eso, sandbox):
    assert eso.query_instrument("uves", help=True) is None
    assert len(sent(sandbox, "/tap_obs/")) == 2


@by_tap
def test_more_rows_than_its_limit_are_cut_with_its_own_warning(eso):
    from astroquery.exceptions import MaxResultsWarning

    eso.ROW_LIMIT = 5
    with pytest.warns(MaxResultsWarning):
        assert len(eso.query_main()) == 5
