"""Daily points: the closing ask of every provider and UTC day, for ten years, for quant only."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from sandbox.core import Sandbox
from tests.support.clocks import NOON
from tests.support.sandbox_series import DAILY, DOPPLER, ITEM, asks_at, get_json, small_sandbox

DAY = timedelta(days=1)
MIDNIGHT = NOON.replace(hour=0)


@pytest.fixture(scope="module")
def sandbox() -> Sandbox:
    return small_sandbox(tier="quant")


def get_series(sandbox: Sandbox, **query: Any) -> dict[str, dict[datetime, tuple[int, int]]]:
    """Return price and quantity by provider and day."""
    status, body = get_json(sandbox, DAILY, **{"item_id": ITEM, **query})
    assert status == 200, body
    assert body["meta"]["providers"] == [each["provider"] for each in body["series"]]
    return {
        each["provider"]: {
            datetime.fromtimestamp(point["t"], UTC): (point["price"], point["qty"]) for point in each["data"]
        }
        for each in body["series"]
    }


def test_point_of_a_day_is_its_last_ask(sandbox: Sandbox) -> None:
    start = MIDNIGHT - 60 * DAY
    series = get_series(sandbox, start=start.isoformat(), end=NOON.isoformat())
    for number in range(61):
        day = start + number * DAY
        asks = asks_at(sandbox, ITEM, min(day + DAY - timedelta(microseconds=1), NOON))
        assert {provider: points[day] for provider, points in series.items() if day in points} == asks
    assert max(map(len, series.values())) == 61


def test_ground_truth_has_the_same_points(sandbox: Sandbox) -> None:
    start = MIDNIGHT - 400 * DAY
    series = get_series(sandbox, start=start.isoformat(), end=MIDNIGHT.isoformat(), currency="EUR")
    rows = [
        (provider, day.date(), *values)
        for provider, points in series.items()
        for day, values in points.items()
    ]
    expected = sandbox.daily([ITEM], start=start, end=MIDNIGHT, currency="EUR")
    assert rows == expected["provider", "day", "price", "quantity"].rows()
    assert {row[1] for row in rows} >= {date(2026, 5, 31), start.date()}


def test_years_are_told(sandbox: Sandbox) -> None:
    series = get_series(sandbox, providers=["steam"])
    assert list(series) == ["steam"]
    days = sorted(series["steam"])
    assert len(days) == (days[-1] - days[0]) // DAY + 1 > 3_650
    assert get_series(sandbox, lookback=3, start="2020-01-01", providers=["steam"])["steam"].keys() == {
        MIDNIGHT - number * DAY for number in range(3)
    }


def test_phase_has_a_series_of_its_own(sandbox: Sandbox) -> None:
    _, ruby = get_json(sandbox, DAILY, market_hash_name=DOPPLER, phase="Ruby", lookback=2)
    _, aggregate = get_json(sandbox, DAILY, market_hash_name=DOPPLER, lookback=2)
    assert ruby["meta"]["market_hash_name"] == aggregate["meta"]["market_hash_name"] == DOPPLER
    assert ruby["meta"]["item_id"] != aggregate["meta"]["item_id"]


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({}, 400),
        ({"item_id": 999_999}, 404),
        ({"item_id": ITEM, "lookback": 0}, 422),
        ({"item_id": ITEM, "start": "yesterday"}, 400),
        ({"item_id": ITEM, "start": "2026-05-02", "end": "2026-05-01"}, 400),
        ({"item_id": ITEM, "providers": ["nobody"]}, 422),
    ],
)
def test_wrong_query_is_refused(sandbox: Sandbox, query: dict[str, Any], status: int) -> None:
    assert get_json(sandbox, DAILY, **query)[0] == status


@pytest.mark.parametrize("tier", ["free", "starter", "pro"])
def test_smaller_plans_are_refused(tier: str) -> None:
    status, body = get_json(small_sandbox(tier=tier), DAILY, item_id=ITEM)
    assert (status, body["code"]) == (403, "FORBIDDEN")
