"""Daily points stand in for the days of which nothing finer is known, and for no others."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from dashboard.charts.steps import Step
from dashboard.daily_points import DAY, keep_unknown_days, to_daily_steps

BEGIN = datetime(2026, 6, 1, tzinfo=UTC)
HOURS = st.lists(
    st.tuples(st.integers(0, 200), st.none() | st.just(1.0)), max_size=8, unique_by=lambda one: one[0]
)


@given(HOURS, st.sets(st.integers(-1, 9)))
def test_days_without_any_ask_are_kept(hours: list[tuple[int, float | None]], days: set[int]) -> None:
    steps = [Step(BEGIN + timedelta(hours=hour), value) for hour, value in sorted(hours)]
    given_days = [(BEGIN + day * DAY, Decimal(1)) for day in sorted(days)]
    kept = {(midnight - BEGIN) // DAY for midnight, _ in keep_unknown_days(given_days, steps)}
    # The model asks at each hour, because all steps begin at one.
    values: dict[int, float | None] = {}
    for hour in range(-24, 240):
        values[hour] = next(
            (step.value for step in reversed(steps) if step.start <= BEGIN + hour * DAY / 24), None
        )
    assert kept == {
        day for day in days if all(values[hour] is None for hour in range(24 * day, 24 * day + 24))
    }


def test_step_ends_with_its_day() -> None:
    days = [(BEGIN, Decimal("1.5")), (BEGIN + DAY, Decimal(2)), (BEGIN + 5 * DAY, Decimal(3))]
    assert to_daily_steps(days) == [
        Step(BEGIN, 1.5),
        Step(BEGIN + DAY, 2.0),
        Step(BEGIN + 2 * DAY, None),
        Step(BEGIN + 5 * DAY, 3.0),
        Step(BEGIN + 6 * DAY, None),
    ]
