"""Whatever a query looks like, it finds what it would find if the hidden rows did not exist."""

from __future__ import annotations

import dataclasses
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vo_auth.sandbox.tap.engine import Database
from vo_auth.sandbox.tap.model import Column, QueryError, Table

RAW = Table(
    name="dbo.raw",
    columns=(
        Column(name="dp_id", datatype="char", arraysize="*"),
        Column(name="ra", datatype="double"),
        Column(name="dec", datatype="double"),
        Column(name="prog_id", datatype="char", arraysize="*"),
    ),
    rows=[
        {"dp_id": f"{'HIDDEN' if number % 3 == 0 else 'OPEN'}.{number}", "ra": number, "dec": -number, "prog_id": owner}
        for number, owner in enumerate(["pi", "public", "public"] * 4)
    ],
    rights=lambda user: ("prog_id = 'public' OR prog_id = ?", (user or "",)),
)
OTHER = Table(
    name="ivoa.ObsCore",
    columns=(Column(name="obs_id", datatype="char", arraysize="*"), Column(name="s_ra", datatype="double")),
    rows=[{"obs_id": row["dp_id"], "s_ra": row["ra"]} for row in RAW.rows],
)
OPEN = dataclasses.replace(RAW, rows=[row for row in RAW.rows if row["prog_id"] == "public"], rights=None)
FULL = dataclasses.replace(RAW, rights=None)

SHAPES = """
select * from dbo.raw
select top 20 * from dbo.raw
select dp_id from DBO.Raw
select "dp_id" from "dbo"."raw"
select raw.dp_id from dbo.raw
select dbo.raw.dp_id from dbo.raw
select r.dp_id from dbo.raw as r
select r.dp_id as x from dbo.raw r where r.prog_id = 'pi'
select a.dp_id, b.dp_id from dbo.raw a join dbo.raw b on a.ra = b.ra
select a.dp_id, b.dp_id from dbo.raw a, dbo.raw b where a.prog_id = 'pi' or b.prog_id = 'pi'
select o.obs_id, r.dp_id, r.ra from ivoa.ObsCore o left join dbo.raw r on o.obs_id = r.dp_id
select o.obs_id, r.dp_id from dbo.raw r right outer join ivoa.ObsCore o on o.obs_id = r.dp_id
select o.s_ra, r.dec from ivoa.obscore o full outer join dbo.raw r on o.obs_id = r.dp_id
select o.obs_id from ivoa.ObsCore o inner join (select * from dbo.raw) r on o.obs_id = r.dp_id
select obs_id from ivoa.ObsCore where obs_id in (select dp_id from dbo.raw)
select obs_id from ivoa.ObsCore where obs_id not in (select dp_id from dbo.raw)
select obs_id from ivoa.ObsCore o where exists (select 1 from dbo.raw r where r.dp_id = o.obs_id)
select obs_id from ivoa.ObsCore o where not exists (select * from dbo.raw where raw.dp_id = o.obs_id)
select obs_id, (select max(ra) from dbo.raw r where r.dp_id = o.obs_id) from ivoa.ObsCore o
select obs_id, (select count(*) from dbo.raw r where r.dp_id = o.obs_id) as n from ivoa.ObsCore o
select count(*) from dbo.raw
select count(dp_id), min(ra), max(ra), sum(ra), avg(ra) from dbo.raw
select count(*) from dbo.raw where prog_id = 'pi'
select count(distinct prog_id) from dbo.raw
select prog_id, count(*) from dbo.raw group by prog_id
select prog_id, count(*) from dbo.raw group by prog_id having count(*) > 1 order by 2
select distinct prog_id from dbo.raw
select dp_id from dbo.raw union select dp_id from dbo.raw
select dp_id from dbo.raw union all select obs_id from ivoa.ObsCore where s_ra < 0
select obs_id from ivoa.ObsCore except select dp_id from dbo.raw
select obs_id from ivoa.ObsCore intersect select dp_id from dbo.raw
(select top 3 dp_id from dbo.raw order by ra) union (select top 3 dp_id from dbo.raw order by ra desc)
with q as (select * from dbo.raw) select * from q
with raw as (select * from dbo.raw) select raw.dp_id from raw
with q as (select dp_id from dbo.raw), p as (select * from q) select count(*) from p
select x.dp_id from (select dp_id from (select * from dbo.raw) y) x
select x.n from (select count(*) as n from dbo.raw) x
select dp_id from dbo.raw where 1 = contains(point('ICRS', ra, dec), circle('ICRS', 0, 0, 3))
select dp_id from dbo.raw where dp_id like 'HIDDEN%' or 1 = 1
select upper(dp_id) || prog_id from dbo.raw
select dp_id from dbo.raw order by prog_id offset 2
select case when prog_id = 'pi' then dp_id else 'x' end from dbo.raw
select coalesce(r.dp_id, 'none') from ivoa.ObsCore o left join dbo.raw r on o.obs_id = r.dp_id
select * from (dbo.raw a inner join ivoa.ObsCore b on a.dp_id = b.obs_id)
select * from dbo.raw join dbo.raw as other using (dp_id)
select a.dp_id from dbo.raw a cross join dbo.raw b where b.prog_id = 'pi'
select dp_id from dbo.raw where ra = (select min(ra) from dbo.raw)
select 1 from dbo.raw
""".strip().splitlines()


def found(database: Database, query: str, user: str | None) -> Counter[tuple[Any, ...]]:
    return Counter(database.run(database.compile(query), user=user, maxrec=10_000).records)


@pytest.fixture(scope="module")
def protected() -> Database:
    return Database([RAW, OTHER])


@pytest.fixture(scope="module")
def only_open() -> Database:
    return Database([OPEN, OTHER])


@pytest.fixture(scope="module")
def unprotected() -> Database:
    return Database([FULL, OTHER])


@pytest.mark.parametrize("query", SHAPES)
def test_the_anonymous_finds_what_an_archive_without_the_hidden_rows_has(
    query: str, protected: Database, only_open: Database
) -> None:
    assert found(protected, query, None) == found(only_open, query, None)


@pytest.mark.parametrize("query", SHAPES)
def test_the_entitled_finds_everything(query: str, protected: Database, unprotected: Database) -> None:
    assert found(protected, query, "pi") == found(unprotected, query, None)


def test_the_shapes_can_tell_the_two_apart(only_open: Database, unprotected: Database) -> None:
    different = [query for query in SHAPES if found(only_open, query, None) != found(unprotected, query, None)]
    assert len(different) >= len(SHAPES) - 3  # a few are the same either way and only must not fail


@given(
    st.lists(st.sampled_from(SHAPES[:6]), min_size=1, max_size=3),
    st.sampled_from(["union", "union all", "except", "intersect"]),
    st.sampled_from(["select * from ({}) q", "with q as ({}) select * from q", "select count(*) from ({}) q", "{}"]),
    st.sampled_from([None, "stranger", "PI", "' OR 1=1 --", "public"]),
)
def test_no_nesting_shows_a_hidden_row(parts: list[str], link: str, frame: str, user: str | None) -> None:
    database, reference = Database([RAW, OTHER]), Database([OPEN, OTHER])
    single = [part.replace("*", "dp_id") for part in parts]
    query = frame.format(f" {link} ".join(single))
    assert found(database, query, user) == found(reference, query, user)


@pytest.mark.parametrize(
    "name",
    ['"rows of dbo.raw"', '"allowed dbo.raw"', "sqlite_master", "temp.sqlite_master", "main.raw", '"dbo.raw"', "raw"],
)
def test_the_tables_behind_the_views_have_no_name_in_adql(name: str, protected: Database) -> None:
    if name == '"dbo.raw"':  # the view itself, under a name that a user would hardly write
        assert found(protected, f"select dp_id from {name}", None) == found(
            protected, "select dp_id from dbo.raw", None
        )
        return
    with pytest.raises(QueryError, match="there is no table"):
        protected.compile(f"select * from {name}")


@pytest.mark.parametrize(
    "sql",
    [
        'SELECT "dp_id" FROM main."rows of dbo.raw"',
        'SELECT "id" FROM temp."allowed dbo.raw"',
        'SELECT count(*) FROM "dbo.raw", main."rows of dbo.raw" AS x WHERE x.dp_id IS NOT NULL',
        'SELECT name FROM "sqlite_master"',
        "SELECT load_extension('x')",
        "PRAGMA table_info('rows of dbo.raw')",
        'DROP VIEW "dbo.raw"',
        "ATTACH ':memory:' AS x",
        'DELETE FROM main."rows of dbo.raw"',
    ],
)
def test_sqlite_itself_refuses_what_the_translation_would_never_write(sql: str, protected: Database) -> None:
    statement = dataclasses.replace(protected.compile("select dp_id from dbo.raw"), sql=sql)
    with pytest.raises(QueryError, match=r"not authorized|prohibited"):
        protected.run(statement, user=None, maxrec=10)


def test_the_rights_are_asked_again_for_every_query() -> None:
    allowed: list[str] = []
    table = dataclasses.replace(
        RAW, rights=lambda _user: (f"dp_id IN ({','.join('?' * len(allowed))})", tuple(allowed))
    )
    database = Database([table])
    statement = database.compile("select dp_id from dbo.raw")
    assert database.run(statement, user=None, maxrec=10).records == []
    allowed.append("HIDDEN.0")
    assert database.run(statement, user=None, maxrec=10).records == [("HIDDEN.0",)]
