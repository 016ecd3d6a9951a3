"""Time that can be trusted with an expiry."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vo_auth.clock import Clock, Instant, skew_of


@pytest.mark.parametrize(
    ("wall", "elapsed", "seconds"),
    [
        (1060.0, 560.0, 60.0),
        (400.0, 560.0, 60.0),  # the wall clock was set back: nothing looks younger
        (1060.0, 500.0, 60.0),  # the other clock stood still while the machine slept
        (4600.0, 560.0, 3600.0),
    ],
)
def test_the_larger_of_two_clocks_counts(wall: float, elapsed: float, seconds: float) -> None:
    clock = Clock(wall=lambda: wall, elapsed=lambda: elapsed)
    assert clock.since(Instant(1000.0, 500.0)) == seconds


def test_the_machines_own_clocks_are_used_by_default() -> None:
    clock = Clock()
    start = clock.instant()
    assert abs(start.wall - time.time()) < 5
    assert 0 <= clock.since(start) < 5


@pytest.mark.parametrize("difference", [-1.5, -1.0, -0.4, 0.0, 0.25])
def test_what_whole_seconds_explain_is_no_skew(difference: float) -> None:
    assert skew_of(1000.0 + difference, 1000.0) == 0.0


@pytest.mark.parametrize("took", [0.0, 0.3, 5.0])
def test_a_slow_answer_makes_no_permit_look_younger(took: float) -> None:
    sent = 1000.0
    for date in (sent - 1.0, sent, sent + took):  # a whole second of any moment while it was on its way
        assert skew_of(date, sent + took, took=took) == 0.0
    behind = skew_of(sent - 100.0, sent + took, took=took)  # the archive's clock really is behind
    assert sent + took + behind >= sent - 100.0 + took


@given(st.floats(-1e9, 1e9).filter(lambda value: not -1.5 <= value <= 0.25))
def test_any_other_difference_is_taken_at_its_later_end(difference: float) -> None:
    wall = 1_700_000_000.0
    assert skew_of(wall + difference, wall) == pytest.approx(difference + 1.0, abs=1e-3)
