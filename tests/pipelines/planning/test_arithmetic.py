"""Rates and dates of the planning are finite, and within their month, whatever the numbers are."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.numbers import MAX_COUNT
from connectors.ratelimit.ledger_tables import MonthUsage
from connectors.tiers import TierLimits, limits_for
from pipelines.config import BasketSettings
from pipelines.config.fields import SHORTEST_INTERVAL
from pipelines.planning.baskets import PlannedBasket
from pipelines.planning.forecast import ForecastInput, forecast
from pipelines.planning.model import CatalogSizes, SnapshotRequest
from pipelines.planning.quota import usage_report
from pipelines.planning.schedule import frequency_of, frequency_of_interval
from pipelines.planning.snapshot_planner import plan_snapshot

MOMENTS = st.datetimes(datetime(2000, 1, 1), datetime(9990, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
COUNTS = st.integers(0, MAX_COUNT)
LENGTHS = st.timedeltas(SHORTEST_INTERVAL, timedelta(days=36_500))
CORE = BasketSettings(name="core", source="cs2cap", items=("all",))


@given(
    COUNTS, st.none() | COUNTS, MOMENTS, st.none() | st.timedeltas(-timedelta(days=40), timedelta(days=40))
)
def test_usage_of_a_month_ends_within_the_month(
    used: int, limit: int | None, now: datetime, reset_in: timedelta | None
) -> None:
    """Little usage of a long month ended beyond the calendar."""
    resets_at = None if reset_in is None else now + reset_in
    report = usage_report("cs2cap", MonthUsage(used, limit, resets_at, now), now)
    assert math.isfinite(report.a_day)
    assert report.a_day >= 0
    assert report.ends_at is None or now <= report.ends_at <= now + timedelta(days=32)


@given(LENGTHS, st.integers(1, 10**6), st.none() | st.integers(1, 10**12), st.none() | st.integers(1, 10**9))
def test_forecast_of_any_interval_is_finite(
    every: timedelta, rows: int, per_month: int | None, per_minute: int | None
) -> None:
    limits = TierLimits("pro", per_minute=per_minute, per_month=per_month, page_rows=100, batch=True)
    request = SnapshotRequest("cs2cap", None, ("steam",), runs_a_day=1)
    sizes = CatalogSizes({("standard", "steam"): rows}, rows)
    planned = PlannedBasket(CORE, plan_snapshot(request, limits, sizes, stream_starts={}), request)
    inputs = [ForecastInput("core", frequency_of_interval(every), planned)]
    source = forecast("cs2cap", inputs, limits, sizes=sizes, used=None)
    (basket,) = source.baskets
    assert basket.requests_a_month >= 1
    assert math.isfinite(basket.runs_a_day)
    assert basket.share is None or math.isfinite(basket.share)
    assert basket.fits or basket.verdict


@pytest.mark.parametrize(
    ("tier", "every", "market_stats", "more"),
    [
        ("pro", timedelta(hours=1), timedelta(days=1), 30),
        ("pro", timedelta(hours=1), timedelta(hours=2), 360),
        ("pro", timedelta(days=2), timedelta(days=1), 15),  # no more than there are runs
        ("starter", timedelta(hours=1), timedelta(days=1), 0),
        ("pro", timedelta(hours=1), None, 0),
    ],
)
def test_market_figures_count_with_the_catalogs(
    tier: str, every: timedelta, market_stats: timedelta | None, more: int
) -> None:
    limits, sizes = limits_for(tier), CatalogSizes({("standard", "steam"): 9}, 9)
    request = SnapshotRequest("cs2cap", None, ("steam",), runs_a_day=1)
    planned = PlannedBasket(CORE, plan_snapshot(request, limits, sizes, stream_starts={}), request)
    inputs = [ForecastInput("core", frequency_of_interval(every), planned)]
    source = forecast("cs2cap", inputs, limits, sizes=sizes, used=None, market_stats=market_stats)
    assert source.catalogs_a_month == 2 * min(30, timedelta(days=30) // every) + more


@given(LENGTHS, MOMENTS)
def test_frequency_of_an_interval_is_positive(every: timedelta, now: datetime) -> None:
    frequency = frequency_of(CORE.model_copy(update={"every": every}), now)
    assert frequency.a_month > 0
    assert frequency.a_day_at_most >= 1


@given(MOMENTS, st.sampled_from(["* * * * *", "@yearly", "0 0 29 2 *", "*/15 9-17 * * mon-fri"]))
def test_frequency_of_a_cron_expression_is_finite(now: datetime, cron: str) -> None:
    basket = CORE.model_copy(update={"cron": cron, "timezone": "Europe/Berlin"})
    frequency = frequency_of(basket, now)
    assert 0 <= frequency.a_month <= 30 * 24 * 60 + 60
