"""How often a basket runs: by its interval, or by its cron line in its time zone."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from common.errors import ConfigError
from pipelines.config import BasketSettings
from pipelines.planning.schedule import frequency_of
from tests.support.clocks import NOON


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
def test_runs_in_thirty_days_and_at_most_in_one(fields: dict[str, Any], a_month: float, a_day: int) -> None:
    rhythm = frequency_of(basket(**fields), NOON)
    assert rhythm.a_month == pytest.approx(a_month)
    assert rhythm.a_day_at_most == a_day


@pytest.mark.parametrize("fields", [{"cron": "whenever"}, {"cron": "61 * * * *"}, {"timezone": "Mars/Base"}])
def test_a_schedule_that_does_not_work_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="basket core: its schedule does not work"):
        frequency_of(basket(**{"cron": "* * * * *", **fields}), NOON)
