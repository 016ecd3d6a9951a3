"""Rows of figures, and how they are printed."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from statistics import median

__all__ = ["Row", "median_ratio", "print_rows"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One contender in one comparison.

    Parameters
    ----------
    group
        What is compared.
    name
        Who.
    figure
        The measured value with its unit, as text.
    ratio
        To the first contender of the group; None where there is none.
    value
        What the aim is about, where that is not the ratio.
    aim
        The most that the ratio (or the value) may be; None for a peer.
    why_not
        Why there is no measurement.
    """

    group: str
    name: str
    figure: str = ""
    ratio: float | None = None
    value: float | None = None
    aim: float | None = None
    why_not: str = ""

    @property
    def verdict(self) -> str:
        if self.why_not:
            return "not measured"
        if self.aim is None:
            return ""
        reached = self.ratio if self.value is None else self.value
        assert reached is not None
        return "met" if round(reached, 2) <= self.aim else "missed"


def median_ratio(values: list[float], base: list[float]) -> float:
    """Return the median of the ratios within each round."""
    return median(value / other for value, other in zip(values, base, strict=True))


def print_rows(rows: list[Row]) -> None:
    for group, members in groupby(rows, key=lambda row: row.group):
        print(f"\n{group}")
        for row in members:
            ratio = "" if row.ratio is None else f"{row.ratio:.2f} x"
            aim = "" if row.aim is None else f"aim {row.aim:g}"
            print(f"  {row.name:<40} {row.figure:>11} {ratio:>8}  {aim:<9} {row.verdict}".rstrip())
            if row.why_not:
                print(f"    {row.why_not}")
