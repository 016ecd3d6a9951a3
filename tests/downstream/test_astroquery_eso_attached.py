"""Unmodified astroquery with an attached Eso, and no login of its own.

Versions differ in what they ask by TAP and in whether they raise or log; a test runs in each version that can do it.
"""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("astroquery", reason="astroquery is not installed")

with warnings.catch_warnings(action="ignore"):
    # astropy and astroquery, first imported here, warn that the isolated XDG folders do not exist.
    import astroquery
    from astropy.io import fits
    from astroquery import log
    from astroquery.eso import Eso, EsoClass
    from requests.structures import CaseInsensitiveDict

    from vo_auth_eso.standin import CONFIDENTIAL_RUN, FOREIGN_RUN, PROPRIETARY_RUN, SEED_RUN, STANDIN
    from vo_auth_eso.standin.holdings import raw_frames

import vo_auth
from vo_auth.errors import AnonymousWarning, RefusedWarning
from vo_auth.sandbox import Received, Sandbox
from vo_auth.testing import assert_no_secret

by_tap = pytest.mark.skipif(
    not hasattr(Eso, "query_tap"),
    reason=f"astroquery {astroquery.__version__} searches by web forms, which take no token",
)
without_credentials = pytest.mark.vo_auth_sandbox(credentials=False)

SEED = "SPHER.2016-09-26T04:15:07.252"
SECRET, MINE, FOREIGN = (raw_frames(run)[0].dp_id for run in (CONFIDENTIAL_RUN, PROPRIETARY_RUN, FOREIGN_RUN))
OWN = len(raw_frames(CONFIDENTIAL_RUN))


@pytest.fixture(autouse=True)
def _nobody_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    def asked(*_: object, **__: object) -> Any:
        raise AssertionError("astroquery's own login asked for a password")

    monkeypatch.setattr("getpass.getpass", asked)
    monkeypatch.setattr(EsoClass, "_authenticate", asked)


@pytest.fixture
def sandbox(vo_auth_sandbox: Sandbox) -> Sandbox:
    return vo_auth_sandbox


@pytest.fixture
def eso(sandbox: Sandbox, tmp_path: Path) -> Any:
    instance = vo_auth.attach(Eso())
    instance.cache_location = tmp_path / "cache"
    return instance


@pytest.fixture
def sent(sandbox: Sandbox) -> Callable[[str], list[str]]:
    """Return the kinds of Authorization that requests to a path came with."""

    def kinds(path: str) -> list[str]:
        return [one.authorization.partition(" ")[0] for one in requests_to(sandbox, path)]

    return kinds


def requests_to(sandbox: Sandbox, path: str) -> list[Received]:
    return [one for one in sandbox.received if one.path.startswith(path)]


def program(path: str | Path) -> str:
    with fits.open(path) as hdus:
        return str(hdus[0].header["ESO OBS PROG ID"])


# ------------------------------------------------------------------ files


def test_public_and_own_files_are_retrieved_with_one_login(eso, sandbox, sent, tmp_path) -> None:
    got = eso.retrieve_data([SEED, MINE, SECRET], destination=str(tmp_path))
    assert [program(name) for name in got] == [SEED_RUN, PROPRIETARY_RUN, CONFIDENTIAL_RUN]
    assert sent("/dataPortal/file/") == ["Bearer"] * 3
    assert sandbox.bench("eso").counters["logins"] == 1


def test_files_that_one_is_not_entitled_to_are_reported_and_the_others_come(eso, sandbox, tmp_path) -> None:
    with log.log_to_list() as records, pytest.warns(RefusedWarning, match="DEMOPI.*no right"):
        got = eso.retrieve_data([MINE, FOREIGN, SECRET], destination=str(tmp_path))
    assert [program(name) for name in got] == [PROPRIETARY_RUN, CONFIDENTIAL_RUN]
    (line,) = [
        record.getMessage() for record in records if FOREIGN in record.getMessage() and record.levelname == "ERROR"
    ]
    assert "Access denied" in line
    assert sandbox.bench("eso").counters["logins"] == 1


def test_a_file_that_is_here_is_not_downloaded_again(eso, tmp_path) -> None:
    first = eso.retrieve_data(MINE, destination=str(tmp_path))
    before = Path(first).stat().st_mtime_ns
    assert eso.retrieve_data(MINE, destination=str(tmp_path)) == first
    assert Path(first).stat().st_mtime_ns == before


def test_files_go_to_a_folder_of_the_account_by_default(eso, tmp_path) -> None:
    mine = Path(eso.retrieve_data(MINE))
    with vo_auth.anonymous():
        public = Path(eso.retrieve_data(SEED))
    assert mine.parent.name.startswith("eso-DEMOPI-")
    assert public.parent.name == "anonymous"
    assert mine.parent.parent == public.parent.parent == tmp_path / "cache" / "vo_auth"


@without_credentials
def test_missing_credentials_are_said_and_nothing_is_fetched_anonymously(eso, sandbox, tmp_path) -> None:
    """A failure never becomes an anonymous request: some versions raise it, some log it and go on."""
    with log.log_to_list() as records:
        try:
            assert eso.retrieve_data([SEED], destination=str(tmp_path)) == []
            text = "\n".join(record.getMessage() for record in records)
        except vo_auth.VoAuthError as error:
            text = str(error)
    assert "VO_AUTH_ESO_USERNAME" in text
    assert requests_to(sandbox, "/dataPortal/file/") == []


def test_a_rejected_password_is_said_without_it(eso, monkeypatch, sandbox, tmp_path) -> None:
    monkeypatch.setenv("VO_AUTH_ESO_PASSWORD", "obviously-fake-and-wrong")
    with log.log_to_list() as records:
        try:
            assert eso.retrieve_data([MINE, SECRET], destination=str(tmp_path)) == []
            text = "\n".join(record.getMessage() for record in records)
        except vo_auth.VoAuthError as error:
            assert_no_secret(["obviously-fake-and-wrong"], error)
            text = str(error)
    assert_no_secret(["obviously-fake-and-wrong"], text, list(records), tmp_path)
    assert "not accept" in text or "reject" in text
    assert sandbox.bench("eso").counters["token_requests"] == 1


def test_a_token_that_ends_during_a_batch_is_renewed(eso, sandbox, tmp_path) -> None:
    bench = sandbox.bench("eso")
    bench.knobs["token_life"] = 2
    while bench.counters["logins"] < 2:
        assert len(eso.retrieve_data([MINE, SECRET], destination=str(tmp_path))) == 2
    assert bench.counters["refused_downloads"] == 0


# ------------------------------------------------------------------ calibrations, headers


def test_calibrations_of_protected_frames_are_found(eso, sent) -> None:
    """astroquery posts without an Authorization of its own: only the session can bring it."""
    found = eso.get_associated_files([SECRET])
    assert found
    assert len(eso.get_associated_files([SECRET, SEED])) > len(eso.get_associated_files([SEED]))
    assert sent("/calselector/") == ["Bearer"] * 3


def test_a_protected_frame_comes_with_its_calibrations_in_one_call(eso, tmp_path) -> None:
    got = eso.retrieve_data([SECRET], with_calib="raw", destination=str(tmp_path))
    assert len(got) > 1
    assert all(Path(name).is_file() for name in got)


def test_calibrations_of_public_frames_need_no_permit(eso, sent) -> None:
    with vo_auth.anonymous():
        assert eso.get_associated_files([SEED], mode="processed")
    assert sent("/calselector/") == [""]


def test_headers_of_protected_frames_are_read(eso, sent) -> None:
    if "cache" not in inspect.signature(Eso.get_headers).parameters:
        pytest.skip("this version has no get_headers with a cache")
    table = eso.get_headers([SECRET, SEED])
    assert list(table["HIERARCH ESO OBS PROG ID"]) == [CONFIDENTIAL_RUN, SEED_RUN]
    assert sent("/hdr") == ["Bearer", "Bearer"]
    eso.get_headers([SECRET])
    assert len(sent("/hdr")) == 2  # from the cache
    with vo_auth.anonymous(), pytest.raises(IndexError):  # astroquery looks for <pre> in any page
        eso.get_headers([SECRET])
    assert sent("/hdr")[2:] == [""]


# ------------------------------------------------------------------ searches


SEARCHES: dict[str, Callable[..., Any]] = {
    "query_main": lambda eso, **how: eso.query_main(column_filters={"prog_id": CONFIDENTIAL_RUN}, **how),
    "query_instrument": lambda eso, **how: eso.query_instrument(
        "uves", column_filters={"prog_id": CONFIDENTIAL_RUN}, **how
    ),
    "query_tap": lambda eso, **how: eso.query_tap(
        f"select dp_id from dbo.raw where prog_id = '{CONFIDENTIAL_RUN}'", **how
    ),
}


def found(table: Any) -> int:
    return 0 if table is None else len(table)


@by_tap
@pytest.mark.parametrize("name", SEARCHES)
@pytest.mark.filterwarnings("ignore::astroquery.exceptions.NoResultsWarning")
def test_an_authenticated_search_uses_the_permit_and_the_default_stays_anonymous(name, eso, sandbox, sent) -> None:
    search = SEARCHES[name]
    assert found(search(eso, authenticated=True)) == OWN
    with pytest.warns(AnonymousWarning, match="authenticated=True"):
        assert found(search(eso)) == 0
    assert found(search(eso)) == 0  # a second warning would be an error
    assert found(search(eso, authenticated=True)) == OWN
    assert sent("/tap_obs/") == ["Bearer", "", "", "Bearer"]
    assert sandbox.bench("eso").counters["logins"] == 1


@by_tap
def test_the_warning_comes_once_for_each_instance(eso) -> None:
    for one in (eso, vo_auth.attach(Eso())):
        with pytest.warns(AnonymousWarning):
            one.list_surveys()
        one.list_instruments()


@by_tap
def test_searches_of_surveys_and_catalogues_work_with_the_permit(eso, sent) -> None:
    assert found(eso.query_surveys("MUSE", authenticated=True)) > 0
    assert found(eso.query_catalog("DEMO_CLUSTER_V2", authenticated=True)) > 0
    assert sent("/tap_obs/") == ["Bearer"]
    assert sent("/tap_cat/") == [""]  # it is public: permits do not go there


@by_tap
def test_an_authenticated_search_leaves_no_trace_on_the_session_or_the_object(eso, sandbox) -> None:
    SEARCHES["query_tap"](eso, authenticated=True)
    assert isinstance(eso._session.headers, CaseInsensitiveDict)
    assert "Authorization" not in eso._session.headers
    assert not eso.authenticated()
    token = requests_to(sandbox, "/tap_obs/")[-1].authorization.removeprefix("Bearer ")
    assert_no_secret([token], eso, eso._session, dict(eso._session.headers))


@by_tap
@pytest.mark.filterwarnings("ignore::astroquery.exceptions.NoResultsWarning")
def test_an_anonymous_block_holds_for_authenticated_searches_too(eso, sent) -> None:
    with vo_auth.anonymous():
        assert found(SEARCHES["query_tap"](eso, authenticated=True)) == 0
    assert sent("/tap_obs/") == [""]


@by_tap
@without_credentials
def test_an_authenticated_search_without_credentials_says_what_to_set(eso, sandbox) -> None:
    with pytest.raises(Exception, match="VO_AUTH_ESO_USERNAME"):
        SEARCHES["query_main"](eso, authenticated=True)
    assert requests_to(sandbox, "/tap_obs/") == []


@by_tap
def test_a_detached_instance_asks_for_its_own_login_again(eso) -> None:
    from astroquery.exceptions import LoginError

    SEARCHES["query_tap"](eso, authenticated=True)
    vo_auth.detach(eso)
    with pytest.raises(LoginError):
        SEARCHES["query_tap"](eso, authenticated=True)


@by_tap
@pytest.mark.parametrize("how", ["instance", "class"])
def test_attached_as_instance_or_as_class_searches_alike(how, sandbox, sent) -> None:
    try:
        one = vo_auth.attach(Eso if how == "instance" else EsoClass)
        eso = one if how == "instance" else one()
        assert found(SEARCHES["query_tap"](eso, authenticated=True)) == OWN
    finally:
        vo_auth.detach(one)
    assert STANDIN.credentials["pi"]["username"] == "DEMOPI"
    assert sent("/tap_obs/") == ["Bearer"]
