"""The tables of ``tap_obs`` and ``tap_cat``, with their rows and the rights on them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from vo_auth.sandbox.tap import Table
from vo_auth.sandbox.votable import Column

from .catalogues import CATALOGUES
from .columns import CATALOGUE, OBSCORE, QUICKLOOK, RAW
from .holdings import frames
from .model import User
from .observatory import INSTRUMENTS
from .quicklooks import QUICKLOOKS
from .rights import visible_rows
from .rows import obscore_row, raw_row

__all__ = ["CATALOGUE_FACTS", "catalogue_tables", "observation_tables"]

CATALOGUE_FACTS = (
    Column(name="cat_id", datatype="int", description="Number of the catalogue"),
    Column(name="title", datatype="char", description="Title of the catalogue, the same for all its versions"),
    Column(name="version", datatype="int", description="Version of the catalogue"),
)
"""The columns that ``TAP_SCHEMA.tables`` of ``tap_cat`` has beside the standard's: astropy's client asks for them."""


def observation_tables(users: Mapping[str, User]) -> Iterator[Table]:
    """Make the tables of ``tap_obs``.

    Parameters
    ----------
    users
        The registered users by name: their rights decide about the rows of raw data.

    Yields
    ------
    Table
        ``dbo.raw``, one table ``ist.…`` for each instrument with the same columns and rights (as in the answers of
        the archive that astroquery has recorded), ``ist.apex_quicklooks``, ``ivoa.ObsCore``.
    """

    def rights(username: str | None) -> tuple[str, tuple[str, ...]]:
        return visible_rows(users.get(username or ""))

    rows = [raw_row(frame) for frame in frames(level="raw")]
    yield Table(
        name="dbo.raw",
        columns=RAW,
        rows=rows,
        description="Raw data of all instruments; searches are made with the permissions of who asks",
        rights=rights,
    )
    for instrument in vars(INSTRUMENTS).values():
        yield Table(
            name=f"ist.{instrument.name.lower()}",
            columns=RAW,
            rows=[row for row in rows if row["instrument"] == instrument.name],
            description=f"Raw data of {instrument.name}; searches are made with the permissions of who asks",
            rights=rights,
        )
    yield Table(
        name="ist.apex_quicklooks",
        columns=QUICKLOOK,
        rows=[quicklook.row() for quicklook in QUICKLOOKS.values()],
        description="Quick-look products of APEX",
    )
    yield Table(
        name="ivoa.ObsCore",
        columns=OBSCORE,
        rows=[obscore_row(frame) for frame in frames(level="product")],
        description="Processed data; of all that are here the metadata are public",
        utype="ivo://ivoa.net/std/ObsCore#table-1.1",
    )


def catalogue_tables() -> Iterator[Table]:
    """Make the tables of ``tap_cat``, all of them public.

    Yields
    ------
    Table
        ``safcat.…``.
    """
    for number, catalogue in enumerate(CATALOGUES, start=1):
        yield Table(
            name=catalogue.table_name,
            columns=CATALOGUE,
            rows=list(catalogue.rows()),
            description=f"{catalogue.title}, version {catalogue.version}",
            facts={"cat_id": number, "title": catalogue.title, "version": catalogue.version},
        )
