"""The path of a step line: what it draws equals the steps, and thinning loses no visible extreme."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from dashboard.charts.scales import Scale
from dashboard.charts.steps import Step, clip_steps, step_path

START = datetime(2026, 6, 1, tzinfo=UTC)
VALUES = st.one_of(st.none(), st.integers(0, 100).map(float))


def draw(steps: list[Step], pixels: float = 1000.0) -> list[tuple[float, float, float]]:
    """Return the horizontal lines of a path: (left, right, height)."""
    x = Scale(START.timestamp(), START.timestamp() + 1000, 0.0, pixels)
    y = Scale(0, 100, 100.0, 0.0)
    lines, left, height = [], 0.0, 0.0
    for command, at, second in re.findall(r"([MHV])([\d.]+)(?: ([\d.]+))?", step_path(steps, x, y)):
        if command == "M":
            left, height = float(at), float(second)
        elif command == "V":
            height = float(at)
        else:
            lines.append((left, float(at), height))
            left = float(at)
    return lines


def second(number: int) -> datetime:
    return START + timedelta(seconds=number)


@given(st.lists(VALUES, min_size=1, max_size=40))
def test_lines_are_the_steps(values: list[float | None]) -> None:
    steps = [Step(second(20 * number), value) for number, value in enumerate(values)]
    ends = [*(20.0 * number for number in range(1, len(values))), 1000.0]
    expected = [
        (20.0 * number, end, 100 - value)
        for number, (value, end) in enumerate(zip(values, ends, strict=True))
        if value is not None
    ]
    assert draw(steps) == expected


@given(st.lists(st.integers(0, 100), min_size=1, max_size=1000))
def test_a_thinned_line_keeps_the_extremes_and_the_end(values: list[int]) -> None:
    steps = [Step(second(number), float(value)) for number, value in enumerate(values)]
    lines = draw(steps, pixels=10.0)
    assert len(lines) <= 4 * 11
    heights = [height for _, _, height in lines]
    assert min(heights) == 100 - max(values)
    assert max(heights) == 100 - min(values)
    assert heights[-1] == 100 - values[-1]
    assert lines[-1][1] == 10.0


@given(st.lists(st.tuples(st.integers(0, 100), VALUES), max_size=30), st.integers(0, 100), st.integers(0, 50))
def test_clipped_steps_hold_the_same_values(
    pairs: list[tuple[int, float | None]], first: int, length: int
) -> None:
    steps = [Step(second(at), value) for at, value in sorted(dict(pairs).items())]
    clipped = clip_steps(steps, second(first), second(first + length))

    def at(chosen: list[Step], moment: datetime) -> float | None:
        return next((step.value for step in reversed(chosen) if step.start <= moment), None)

    for number in range(first, first + length):
        assert at(clipped, second(number)) == at(steps, second(number))
    assert all(second(first) <= step.start <= second(first + length) for step in clipped)
