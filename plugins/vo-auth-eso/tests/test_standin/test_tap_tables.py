"""The tables of single instruments, the catalogues, and tables that users bring along."""

from __future__ import annotations

import pytest
import pyvo
from astropy.table import Table

from vo_auth_eso.standin import COMMISSIONING_RUN, CONFIDENTIAL_RUN, PROPRIETARY_RUN, SEED_RUN
from vo_auth_eso.standin.columns import RAW
from vo_auth_eso.standin.holdings import frames, raw_frames

OBS, CAT = "https://archive.eso.org/tap_obs", "https://archive.eso.org/tap_cat"

# astropy's client asks for the newest version of each catalogue in this way.
LATEST = """
SELECT table_name FROM TAP_SCHEMA.tables WHERE schema_name='safcat' AND cat_id IN (
  SELECT t1.cat_id FROM TAP_SCHEMA.tables t1
  LEFT JOIN TAP_SCHEMA.tables t2 ON (t1.title = t2.title AND t1.version < t2.version)
  WHERE t2.title IS NULL)
ORDER BY table_name
"""


@pytest.fixture
def find(session):
    def search(query, role=None, url=OBS, **options):
        return pyvo.dal.TAPService(url, session=session(role)).run_sync(query, **options).to_table()

    return search


def test_every_instrument_has_a_table(find):
    query = "select table_name from TAP_SCHEMA.tables where schema_name='ist' order by table_name"
    instruments = {frame.run.instrument.name.lower() for frame in frames(level="raw")}
    assert set(find(query)["table_name"]) == {f"ist.{name}" for name in instruments} | {"ist.apex_quicklooks"}


@pytest.mark.parametrize(("role", "run"), [("pi", CONFIDENTIAL_RUN), ("team", COMMISSIONING_RUN)])
def test_the_rows_of_an_instrument_are_those_of_dbo_raw_for_everybody(find, role, run):
    instrument = raw_frames(run)[0].run.instrument.name
    for user in (None, "norights", "pi", "team"):
        one = find(f"select * from ist.{instrument} order by dp_id", user)
        other = find(f"select * from dbo.raw where instrument = '{instrument}' order by dp_id", user)
        assert one.colnames == other.colnames == [column.name for column in RAW]
        assert list(one["dp_id"]) == list(other["dp_id"])
        assert (run in set(one["prog_id"])) == (user == role)


def test_protected_rows_do_not_show_through_a_join_with_another_table(find):
    query = "select i.dp_id from ist.uves as i left join dbo.raw as r on i.dp_id = r.dp_id where i.prog_id = '{}'"
    assert len(find(query.format(CONFIDENTIAL_RUN))) == 0
    assert len(find(query.format(CONFIDENTIAL_RUN), "pi")) == len(raw_frames(CONFIDENTIAL_RUN))


def test_quick_looks_lead_to_files(session, find):
    rows = find("select * from ist.apex_quicklooks order by quicklook_id")
    assert len(rows) == 3
    for row in rows:
        answer = session().get(row["access_url"], timeout=20)
        assert answer.status_code == 200
        assert f'filename="{row["quicklook_id"]}"' in answer.headers["Content-Disposition"]
        assert answer.content[257:262] == b"ustar"


def test_the_newest_version_of_each_catalogue_is_told_from_older_ones(find):
    newest = find(LATEST, url=CAT)["table_name"]
    assert list(newest) == ["safcat.DEMO_CLUSTER_V2", "safcat.DEMO_QUIET_V1"]
    every = "select table_name from TAP_SCHEMA.tables where schema_name = 'safcat'"
    assert set(find(every, url=CAT)["table_name"]) == {*newest, "safcat.DEMO_CLUSTER_V1"}


def test_catalogues_are_public_and_the_same_for_everybody(find):
    tables = [find("select * from safcat.DEMO_CLUSTER_V2 order by source_id", role, CAT) for role in (None, "pi")]
    assert [len(table) for table in tables] == [60, 60]
    assert (tables[0] == tables[1]).all()


def test_a_source_keeps_its_place_in_the_next_version_of_its_catalogue(find):
    query = """
    select count(*) as n from safcat.DEMO_CLUSTER_V1 a
    join safcat.DEMO_CLUSTER_V2 b on a.source_id = b.source_id and a.ra = b.ra and a.mag = b.mag
    """
    assert find(query, url=CAT)["n"][0] == 40


def test_catalogues_are_searched_by_position_and_their_columns_have_units(find):
    where = "1 = contains(point('', ra, dec), circle('', 10.46, -27.12, 0.2))"
    near = find(f"select source_id, mag from safcat.DEMO_CLUSTER_V2 where {where}", url=CAT)
    assert 0 < len(near) < 60
    assert str(near["mag"].unit) == "mag"


def test_raw_data_are_not_at_the_catalogues_nor_catalogues_with_the_raw_data(find):
    for url, table in ((CAT, "dbo.raw"), (OBS, "safcat.DEMO_QUIET_V1")):
        with pytest.raises(pyvo.dal.DALQueryError, match="there is no table"):
            find(f"select * from {table}", url=url)


def test_the_schema_of_the_raw_data_has_no_columns_of_catalogues(find):
    query = "select column_name from TAP_SCHEMA.columns where table_name = 'tap_schema.tables'"
    extra = {"cat_id", "title", "version"}
    assert not extra & set(find(query)["column_name"])
    assert extra <= set(find(query, url=CAT)["column_name"])


def test_a_list_of_targets_is_brought_along_and_joined_under_the_rights_of_its_user(find):
    targets = Table({"name": ["DEMO-SECRET", "DEMO-FIELD", "NOWHERE"], "weight": [1, 2, 3]})
    query = """
    select r.dp_id, r.prog_id, t.weight from dbo.raw as r join TAP_UPLOAD.targets as t on r.target = t.name
    where r.dp_cat = 'SCIENCE'
    """
    for role, runs in ((None, {PROPRIETARY_RUN}), ("pi", {PROPRIETARY_RUN, CONFIDENTIAL_RUN})):
        found = find(query, role, uploads={"targets": targets})
        assert set(found["prog_id"]) == runs
        assert len(found) == sum(len(raw_frames(run)) for run in runs)
        assert set(found["weight"]) == ({2} if role is None else {1, 2})


def test_positions_that_were_brought_along_are_matched(find):
    sources = Table({"ra": [353.75836, 10.0], "dec": [1.6143, 80.0]})
    query = """
    select distinct r.prog_id from ist.sphere as r join TAP_UPLOAD.mine as m
    on 1 = contains(point('', r.ra, r.dec), circle('', m.ra, m.dec, 0.01))
    """
    assert list(find(query, uploads={"mine": sources})["prog_id"]) == [SEED_RUN]


def test_an_upload_works_in_a_job_too(session):
    tap = pyvo.dal.TAPService(OBS, session=session("pi"))
    mine = Table({"prog": [CONFIDENTIAL_RUN]})
    found = tap.run_async(
        "select r.dp_id from dbo.raw as r join TAP_UPLOAD.mine as m on r.prog_id = m.prog", uploads={"mine": mine}
    )
    assert len(found) == len(raw_frames(CONFIDENTIAL_RUN))
