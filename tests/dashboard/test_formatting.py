"""Numbers on the pages: exact, with separators, with a sign that is as wide as a digit."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard.formatting import (
    MINUS,
    NOTHING,
    format_age,
    format_change,
    format_count,
    format_moment,
    format_name,
    format_price,
    format_share,
    format_tick,
    trend,
)


@given(st.decimals(-(10**12), 10**12, places=8))
def test_amounts_are_exact(amount: Decimal) -> None:
    shown = format_price(amount)
    assert Decimal(shown.replace(",", "").replace(MINUS, "-")) == amount
    assert len(shown.partition(".")[2]) >= 2


@pytest.mark.parametrize(
    ("shown", "text"),
    [
        (format_price(Decimal("1234.5")), "1,234.50"),
        (format_price(Decimal("0.00120000")), "0.0012"),
        (format_price(None), NOTHING),
        (format_price(1234.567), "1,234.57"),
        (format_price(0.0012), "0.0012"),
        (format_change(0.042), "+4.2%"),
        (format_change(-0.301), f"{MINUS}30.1%"),
        (format_change(0.0001), "0.0%"),
        (format_change(48.5), "+4,850.0%"),
        (format_change(None), NOTHING),
        (format_share(0.025), "2.5%"),
        (format_count(1234567), "1,234,567"),
        (format_tick(0.25), "0.25"),
        (format_tick(4000.0), "4,000"),
        (format_age(timedelta(seconds=40)), "40 s"),
        (format_age(timedelta(minutes=90)), "90 min"),
        (format_age(timedelta(hours=28)), "28 h"),
        (format_age(timedelta(days=3)), "3 d"),
        (format_age(timedelta(seconds=-4)), "0 s"),
        (format_moment(datetime(2026, 11, 28, 19, 34, tzinfo=UTC)), "28 Nov 2026 19:34"),
        (format_name("a\u202eb"), "a\\u202eb"),
    ],
)
def test_values_are_written_as_people_read_them(shown: str, text: str) -> None:
    assert shown == text


def test_trend_is_what_is_shown() -> None:
    assert [trend(share) for share in (0.01, -0.01, 0.0004, -0.0004, None)] == [
        "up", "down", "flat", "flat", "flat",
    ]  # fmt: skip
