"""What each tier includes of the past, and how the API's own word on it is read."""

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
def test_candles(tier: str, days: tuple[int | None, ...]) -> None:
    terms = limits_for(tier)
    intervals: tuple[Interval, ...] = ("5m", "1h", "1d")
    assert tuple(terms.candle_days(interval) for interval in intervals) == days
    assert terms.candle_windows == (tier in {"pro", "quant"})


def test_skinshark_has_no_past() -> None:
    terms = limits_for("premium", kind="skinshark")
    assert (terms.history, terms.sales, terms.candle_days("1d")) == (False, False, None)


@pytest.mark.parametrize(
    ("tier", "history", "rows"), [("free", False, None), ("pro", True, 100), ("quant", True, 1_000)]
)
def test_history_and_sales(tier: str, history: bool, rows: int | None) -> None:
    terms = limits_for(tier)
    assert (terms.history, terms.sales, terms.history_days) == (history, history, 35)
    assert rows is None or terms.sales_rows == rows


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
def test_the_apis_own_retention(detail: str, days: int | None) -> None:
    assert parse_retention_days(detail) == days
