"""The soak fails where a figure grows, and only there."""

from __future__ import annotations

import pytest

from bench.soak.figures import BOUNDS, as_table, find_trends, medians

FLAT = dict.fromkeys(BOUNDS, 100.0)


def test_flat_figures_are_no_trend() -> None:
    assert find_trends([FLAT] * 6) == []


def test_first_window_may_grow() -> None:
    cold = dict.fromkeys(BOUNDS, 1.0)
    assert find_trends([cold, FLAT, FLAT]) == []


@pytest.mark.parametrize("name", BOUNDS)
def test_figure_that_grows_in_each_window_is_a_trend(name: str) -> None:
    windows = [FLAT | {name: 100.0 + 20 * number} for number in range(6)]
    start = 140.0 if BOUNDS[name].rises_in_steps else 120.0
    assert find_trends(windows) == [f"{name} grew from {start} to 200.0"]


def test_figure_that_rises_in_steps_may_grow_until_the_middle() -> None:
    steps = [FLAT | {"memory MB": megabytes} for megabytes in (60.0, 80.0, 120.0, 120.0, 120.0, 120.0)]
    assert find_trends(steps) == []


@pytest.mark.parametrize("name", ["descriptors", "threads", "other files"])
def test_three_more_are_a_leak(name: str) -> None:
    assert len(find_trends([FLAT, FLAT, FLAT | {name: 103.0}])) == 1


def test_table_has_a_column_for_each_window() -> None:
    samples = [medians([{"threads": 1}, {"threads": 3}]), medians([{"threads": 17_000}])]
    assert as_table(samples, 5).splitlines() == [
        "|  | 5 min | 10 min |",
        "| --- | --- | --- |",
        "| threads | 2 | 17,000 |",
    ]
