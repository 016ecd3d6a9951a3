"""The catalogues of ``tap_cat``: invented, and the same on every machine."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from .model import scatter

__all__ = ["CATALOGUES", "Catalogue"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalogue:
    """One version of one catalogue of sources.

    Parameters
    ----------
    name
        Of its table, without the version.
    title
        The same for all versions.
    version
        Counts from 1.
    ra, dec
        Middle of its field in degrees.
    sources
        How many it lists.
    """

    name: str
    title: str
    version: int
    ra: float
    dec: float
    sources: int

    @property
    def table_name(self) -> str:
        """With its schema."""
        return f"safcat.{self.name}_V{self.version}"

    def rows(self) -> Iterator[dict[str, Any]]:
        """Make its rows; a source keeps its place and brightness in later versions."""
        for number in range(1, self.sources + 1):
            key = f"{self.name}{number}"
            yield {
                "source_id": f"{self.name}-{number:04d}",
                "ra": round(self.ra + scatter(f"{key}ra", -0.5, 0.5), 6),
                "dec": round(self.dec + scatter(f"{key}dec", -0.5, 0.5), 6),
                "mag": round(scatter(f"{key}mag", 14.0, 24.0), 3),
                "mag_err": round(scatter(f"{key}err", 0.005, 0.2), 3),
                "class_star": round(scatter(f"{key}star", 0.0, 1.0), 3),
            }


_CLUSTER, _QUIET = "Sources around a distant cluster", "Quiet stars"

CATALOGUES = (
    Catalogue(name="DEMO_CLUSTER", title=_CLUSTER, version=1, ra=10.46, dec=-27.12, sources=40),
    Catalogue(name="DEMO_CLUSTER", title=_CLUSTER, version=2, ra=10.46, dec=-27.12, sources=60),
    Catalogue(name="DEMO_QUIET", title=_QUIET, version=1, ra=85.19, dec=-20.14, sources=25),
)
