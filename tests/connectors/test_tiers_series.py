"""The history that each tier includes, and the retention in the API's messages."""

from __future__ import annotations

import pytest

from common.time_ranges import Interval
from connectors.series import parse_retention_days
from connectors.tiers import limits_for


@pytest.mark.parametrize(
    ("tier", "days"),
    [
        ("free", (None, None, 30)),
        ("starter", (None, None, 30)),
        ("pro", (7, 30, 365)),
        ("quant", (7, 30, 365)),
    ],
)
def test_candle_days_by_tier(tier: str, days: tuple[int | None, ...]) -> None:
    limits = limits_for(tier)
    intervals: tuple[Interval, ...] = ("5m", "1h", "1d")
    assert tuple(limits.candle_days(interval) for interval in intervals) == days
    assert limits.candle_windows == (tier in {"pro", "quant"})


def test_skinshark_has_no_history() -> None:
    limits = limits_for("premium", kind="skinshark")
    assert (limits.history, limits.sales, limits.candle_days("1d")) == (False, False, None)


@pytest.mark.parametrize(
    ("tier", "history", "rows"), [("free", False, None), ("pro", True, 100), ("quant", True, 1_000)]
)
def test_history_and_sales_by_tier(tier: str, history: bool, rows: int | None) -> None:
    limits = limits_for(tier)
    assert (limits.history, limits.sales, limits.history_days) == (history, history, 35)
    assert rows is None or limits.sales_rows == rows
    assert limits.daily == (tier == "quant")


@pytest.mark.parametrize(
    ("detail", "days"),
    [
        ("start must be within the last 730 days", 730),
        ("end must be within the last 35 days", 35),
        ("start must be within last 30 days for 1h interval", 30),
        ("end must be after start", None),
        ("cursor has expired", None),
    ],
)
def test_retention_in_the_apis_message(detail: str, days: int | None) -> None:
    assert parse_retention_days(detail) == days
