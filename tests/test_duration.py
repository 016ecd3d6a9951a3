"""Lengths of time as people write them."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vo_auth.duration import seconds_in


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (90, 90.0),
        (1.5, 1.5),
        (0, 0.0),
        ("90", 90.0),
        ("90s", 90.0),
        ("45 min", 2700.0),
        ("45m", 2700.0),
        (" 8H ", 28800.0),
        ("1.5d", 129600.0),
    ],
)
def test_a_length_of_time_is_read(text: float | str, seconds: float) -> None:
    assert seconds_in(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "soon", "8 hours", "-1h", "1,5h", "1h30", "inf", "nan", "1e3", -1, math.nan, math.inf]
)
def test_anything_else_is_refused_and_named(text: float | str) -> None:
    with pytest.raises(ValueError, match="no length of time"):
        seconds_in(text)


@given(st.floats(0, 1e9), st.sampled_from(["s", "m", "min", "h", "d"]))
def test_a_unit_multiplies(number: float, unit: str) -> None:
    factor = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400}[unit]
    assert seconds_in(f"{number:f}{unit}") == pytest.approx(float(f"{number:f}") * factor)
