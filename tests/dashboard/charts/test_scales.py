"""Scales and ticks: round values inside of the range, and moments that a reader expects."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard.charts.scales import time_ticks, value_scale, value_ticks

PRICES = st.floats(0.0001, 1e6, allow_nan=False)


@given(st.lists(PRICES, max_size=20))
def test_every_value_is_inside_of_the_scale(values: list[float]) -> None:
    scale = value_scale(values, bottom=100, top=10)
    assert all(10 <= scale(value) <= 100 for value in values)
    assert scale.low >= 0
    ticks = value_ticks(scale)
    assert 1 <= len(ticks) <= 6
    assert all(scale.low <= tick <= scale.high * (1 + 1e-9) for tick in ticks)
    assert len({round(after - before, 9) for before, after in pairwise(ticks)}) <= 2


def test_ticks_of_values_are_round() -> None:
    assert value_ticks(value_scale([3200, 5400], bottom=1, top=0)) == [3500, 4000, 4500, 5000, 5500]
    assert value_ticks(value_scale([0.03, 0.03], bottom=1, top=0)) == pytest.approx([0.029, 0.03, 0.031])


START = datetime(2026, 11, 21, 19, 34, tzinfo=UTC)


@pytest.mark.parametrize(
    ("days", "labels"),
    [
        (0.04, ["19:45", "20:00", "20:15", "20:30"]),
        (1, ["21:00", "22 Nov", "03:00", "06:00", "09:00", "12:00", "15:00", "18:00"]),
        (7, ["22 Nov", "23 Nov", "24 Nov", "25 Nov", "26 Nov", "27 Nov", "28 Nov"]),
        (30, ["23 Nov", "30 Nov", "7 Dec", "14 Dec", "21 Dec"]),
        (200, ["Dec 2026", "Jan 2027", "Feb 2027", "Mar 2027", "Apr 2027", "May 2027", "Jun 2027"]),
        (2000, ["2027", "2028", "2029", "2030", "2031", "2032"]),
    ],
)
def test_ticks_of_times_are_round(days: float, labels: list[str]) -> None:
    assert [label for _, label in time_ticks(START, START + timedelta(days=days))] == labels


@given(st.floats(0.01, 5000))
def test_ticks_of_times_are_few_and_inside(days: float) -> None:
    end = START + timedelta(days=days)
    ticks = [moment for moment, _ in time_ticks(START, end)]
    assert len(ticks) <= 16
    assert ticks == sorted(set(ticks))
    assert all(START <= tick <= end for tick in ticks)
