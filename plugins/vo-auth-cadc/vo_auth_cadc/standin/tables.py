"""The tables of argus: as much of CAOM 2 as astroquery, cadc-tap and their users ask for."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from vo_auth.sandbox.tap import Column, Table
from vo_auth.sandbox.tap.model import Rights

from .observations import OBSERVATIONS, Observation

__all__ = ["make_tables"]

_RELEASED = Column(name="metaRelease", datatype="char", xtype="timestamp", description="Public from then on")
_ID = Column(name="obsID", datatype="char", description="Key of the observation")
_OBSERVATION = (
    Column(name="collection", datatype="char", description="Collection", principal=True),
    Column(name="observationID", datatype="char", description="Identifier in the collection", principal=True),
    Column(name="observationURI", datatype="char", description="Identifier"),
    Column(name="intent", datatype="char", description="Science or calibration"),
    Column(name="target_name", datatype="char", description="Target"),
    Column(name="proposal_id", datatype="char", description="Proposal"),
    _RELEASED,
    _ID,
)
_PLANE = (
    Column(name="publisherID", datatype="char", description="What DataLink takes", principal=True),
    Column(name="productID", datatype="char", description="Identifier of the product"),
    Column(name="position_bounds", datatype="char", xtype="adql:REGION", description="Outline on the sky"),
    Column(name="energy_emBand", datatype="char", description="Part of the spectrum"),
    Column(name="dataProductType", datatype="char", description="Kind of product"),
    Column(name="quality_flag", datatype="char", description="Junk, where it is"),
    Column(name="calibrationLevel", datatype="int", description="Level"),
    Column(name="dataRelease", datatype="char", xtype="timestamp", description="Data are public from then on"),
    _RELEASED,
    Column(name="planeID", datatype="char", description="Key of the plane"),
    _ID,
)
_ARTIFACT = (
    Column(name="uri", datatype="char", description="Identifier of the file"),
    Column(name="productType", datatype="char", description="What it is to the plane"),
    Column(name="contentType", datatype="char", description="Its type"),
    Column(name="contentLength", datatype="long", unit="byte", description="Its size"),
    _RELEASED,
    Column(name="planeID", datatype="char", description="Key of the plane"),
    _ID,
)
_FIELD = (
    Column(name="collection", datatype="char", description="Collection"),
    Column(name="energy_emBand", datatype="char", description="Part of the spectrum"),
)


def make_tables(
    groups_of: Callable[[str | None], tuple[str, ...]], clock: Callable[[], float] = time.time
) -> tuple[Table, ...]:
    """Make the tables; their rows are seen by those who may.

    Parameters
    ----------
    groups_of
        Returns the groups of a user.
    clock
        The archive's time in seconds since the epoch.

    Returns
    -------
    tuple
        Tables.
    """

    def rights(user: str | None) -> tuple[str, tuple[Any, ...]]:
        groups, now = groups_of(user), clock()
        seen = [item.observation_id for item in OBSERVATIONS if item.may_see(groups, now=now)]
        return f"obsID IN ({', '.join('?' * len(seen))})", tuple(seen)

    return (
        _table("caom2.Observation", _OBSERVATION, _observation, rights),
        _table("caom2.Plane", _PLANE, _plane, rights),
        _table("caom2.Artifact", _ARTIFACT, _artifact, rights),
        Table(name="caom2.EnumField", columns=_FIELD, rows=list(_fields()), description="Which values there are"),
    )


def _table(
    name: str, columns: tuple[Column, ...], row: Callable[[Observation], Mapping[str, Any]], rights: Rights
) -> Table:
    rows = [dict(row(item)) | {"obsID": item.observation_id} for item in OBSERVATIONS]
    return Table(name=name, columns=columns, rows=rows, description=f"CAOM 2: {name}", rights=rights)


def _observation(item: Observation) -> Mapping[str, Any]:
    return {
        "collection": item.collection,
        "observationID": item.observation_id,
        "observationURI": f"caom:{item.collection}/{item.observation_id}",
        "intent": "science",
        "target_name": item.target,
        "proposal_id": item.group or None,
        "metaRelease": _stamp(item.meta_release),
    }


def _plane(item: Observation) -> Mapping[str, Any]:
    return {
        "publisherID": item.publisher_id,
        "productID": item.observation_id,
        "position_bounds": f"CIRCLE ICRS {item.ra} {item.dec} 0.05",
        "energy_emBand": item.band,
        "dataProductType": "image",
        "calibrationLevel": 2,
        "dataRelease": _stamp(item.data_release),
        "metaRelease": _stamp(item.meta_release),
        "planeID": f"{item.observation_id}/plane",
    }


def _artifact(item: Observation) -> Mapping[str, Any]:
    return {
        "uri": item.uri,
        "productType": "science",
        "contentType": "application/fits",
        "contentLength": len(item.content),
        "metaRelease": _stamp(item.meta_release),
        "planeID": f"{item.observation_id}/plane",
    }


def _fields() -> Iterator[Mapping[str, Any]]:
    for collection, band in dict.fromkeys((item.collection, item.band) for item in OBSERVATIONS):
        yield {"collection": collection, "energy_emBand": band}


def _stamp(moment: Any) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%S}.000"
