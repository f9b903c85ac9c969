"""How often a basket runs: by its interval, or by its cron expression in its time zone."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prefect.server.schemas.schedules import CronSchedule

from common.errors import ConfigError
from pipelines.config import BasketSettings
from pipelines.planning.schedule import MONTH, frequency_of, scheduled_times
from tests.support.clocks import NOON

DAYS = ("sun", "MON", "tue", "wed", "thu", "FRI", "sat")
ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Australia/Sydney", "Asia/Kathmandu")


def basket(**fields: Any) -> BasketSettings:
    return BasketSettings(name="core", source="cs2cap", items=("all",), **fields)


@pytest.mark.parametrize(
    ("fields", "a_month", "a_day"),
    [
        ({"every": "10m"}, 4320, 144),
        ({"every": timedelta(minutes=7)}, 43_200 / 7, 206),
        ({"every": "7d"}, 30 / 7, 1),
        ({"cron": "*/10 * * * *"}, 4320, 144),
        ({"cron": "0 9-17 * * 1-5", "timezone": "Europe/Berlin"}, 22 * 9, 9),
        ({"cron": "0 4 1 * *"}, 1, 1),
    ],
)
def test_frequency_counts_runs_in_thirty_days_and_at_most_in_one(
    fields: dict[str, Any], a_month: float, a_day: int
) -> None:
    frequency = frequency_of(basket(**fields), NOON)
    assert frequency.a_month == pytest.approx(a_month)
    assert frequency.a_day_at_most == a_day


@pytest.mark.parametrize(
    "fields",
    [{"cron": "whenever"}, {"cron": "61 * * * *"}, {"cron": "0 0 31 2 *"}, {"timezone": "Mars/Base"}],
)
def test_invalid_schedule_is_a_configuration_error(fields: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="basket core: its schedule does not work"):
        frequency_of(basket(**{"cron": "* * * * *", **fields}), NOON)


@pytest.mark.parametrize(
    ("cron", "start", "expected"),
    [
        pytest.param("30 2 * * *", datetime(2026, 3, 29, tzinfo=UTC), ["29 01:30", "30 00:30"], id="skipped"),
        pytest.param(
            "30 2 * * *", datetime(2026, 10, 25, tzinfo=UTC), ["25 00:30", "26 01:30"], id="repeated"
        ),
    ],
)
def test_change_of_the_clock_neither_drops_nor_doubles_a_run(
    cron: str, start: datetime, expected: list[str]
) -> None:
    times = scheduled_times(cron, "Europe/Berlin", start, start + timedelta(days=2))
    assert [f"{time:%d %H:%M}" for time in times] == expected


def list_of(first: int, last: int) -> st.SearchStrategy[str]:
    numbers = st.lists(st.integers(first, last), min_size=1, max_size=3)
    return numbers.map(lambda chosen: ",".join(map(str, chosen)))


HOURS = st.one_of(st.just("*"), list_of(0, 23), st.integers(2, 12).map(lambda step: f"*/{step}"))
DAYS_OF_MONTH = st.one_of(st.just("*"), list_of(1, 28))
DAYS_OF_WEEK = st.one_of(
    st.just("*"),
    list_of(0, 7),
    st.sampled_from(DAYS),
    st.tuples(st.sampled_from(DAYS), st.sampled_from(DAYS)).map("-".join),
)


def without_skipped(times: Sequence[datetime], zone: str) -> list[datetime]:
    """Return the times that are two hours or more away from a skipped hour."""
    hours = timedelta(hours=2)

    def offset(time: datetime) -> timedelta:
        return time.astimezone(ZoneInfo(zone)).utcoffset() or timedelta()

    return [time for time in times if offset(time + hours) <= offset(time - hours)]


@given(
    minute=st.integers(0, 59),
    hours=HOURS,
    days_of_month=DAYS_OF_MONTH,
    days_of_week=DAYS_OF_WEEK,
    zone=st.sampled_from(ZONES),
    start=st.integers(0, 365 * 24).map(lambda hour: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=hour)),
)
@settings(max_examples=100, deadline=None)
def test_scheduled_times_are_those_of_prefect(
    minute: int, hours: str, days_of_month: str, days_of_week: str, zone: str, start: datetime
) -> None:
    """Compare all times but those that the clock skips: Prefect moves these by the version of Python."""
    cron, end = f"{minute} {hours} {days_of_month} * {days_of_week}", start + MONTH
    schedule = CronSchedule(cron=cron, timezone=zone)
    dates = asyncio.run(schedule.get_dates(n=1000, start=start, end=end - timedelta(seconds=1)))
    expected = sorted(date.astimezone(UTC) for date in dates)
    times = scheduled_times(cron, zone, start, end)
    assert without_skipped(times, zone) == without_skipped(expected, zone)


def test_cron_schedule_is_evaluated_without_prefect() -> None:
    program = """if True:
        import sys
        from datetime import UTC, datetime
        from pipelines.config import BasketSettings
        from pipelines.planning.schedule import frequency_of
        basket = BasketSettings(name="core", source="cs2cap", items=("all",), cron="0 4 * * *")
        frequency = frequency_of(basket, datetime(2026, 1, 1, tzinfo=UTC))
        print(frequency.a_month, "prefect" in sys.modules)"""
    command = [sys.executable, "-c", program]
    assert subprocess.check_output(command, text=True).split() == ["30", "False"]
