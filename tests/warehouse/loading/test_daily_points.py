"""Daily points: one per item, marketplace, currency and UTC day; a newer observation counts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.series_landings import DailyPoint, SeriesPage, database_with, land_series, load_landing
from tests.support.warehouse import (
    DAY,
    Quote,
    create_warehouse,
    item_name,
    land,
    load_into_memory,
    minute,
    observe,
)
from warehouse.paths import WarehousePaths

MIDNIGHT = datetime(2026, 5, 1, tzinfo=UTC)  # a month before the snapshots of these tests
OHLC = """
SELECT day, provider, open, high, low, close, quantity, changes, origin FROM daily_ohlc ORDER BY day, provider
"""


@pytest.fixture
def paths(tmp_path: Path) -> WarehousePaths:
    return create_warehouse(tmp_path)


def land_daily(paths: WarehousePaths, run_id: str, at: float, *points: DailyPoint) -> Path:
    return land_series(paths, run_id, SeriesPage(minute(at), points), kind=DailyPoint)


def test_point_is_stored_as_landed(paths: WarehousePaths) -> None:
    db = database_with([land_daily(paths, "a", 100, DailyPoint(MIDNIGHT, 12345, quantity=None))])
    assert db.execute("FROM daily_points").fetchall() == [
        (item_name("1"), "cs2cap", "steam", "1", item_name("1"), None, "USD", date(2026, 5, 1),
         12345, Decimal("123.45"), None, "a"),
    ]  # fmt: skip


def test_point_of_a_day_that_was_not_over_is_replaced(paths: WarehousePaths) -> None:
    db = database_with([])
    days = [MIDNIGHT + number * DAY for number in range(3)]
    first = load_landing(db, land_daily(paths, "a", 70, DailyPoint(days[0]), DailyPoint(days[1], 101)))
    again = [DailyPoint(days[0]), DailyPoint(days[1], 105), DailyPoint(days[2], 99)]
    second = load_landing(db, land_daily(paths, "b", 130, *again))
    assert (first.rows_changed, second.rows_changed) == (2, 2)
    stored = db.execute("SELECT day, amount, run_id FROM daily_points ORDER BY day").fetchall()
    assert stored == [(days[0].date(), 100, "b"), (days[1].date(), 105, "b"), (days[2].date(), 99, "b")]


@pytest.mark.file_warehouse("the views of a lake always read the daily points")
def test_questions_read_daily_points_from_the_first_ones_on(paths: WarehousePaths) -> None:
    db = load_into_memory([])

    def reads_points() -> list[bool]:
        questions = ("FROM daily_ohlc", "FROM best_ask_daily_ohlc")
        plans = [db.execute(f"EXPLAIN {question}").fetchall() for question in questions]
        return ["daily_point" in plan for ((_, plan),) in plans]

    assert reads_points() == [False, False]
    load_landing(db, land_daily(paths, "a", 70, DailyPoint(MIDNIGHT)))
    assert reads_points() == [True, True]


LANDED = st.lists(
    st.tuples(
        st.integers(60, 65),  # the minute of the observation
        st.lists(
            st.builds(
                DailyPoint,
                st.integers(0, 2).map(lambda day: MIDNIGHT + timedelta(days=day)),
                st.integers(1, 3),
                st.none() | st.integers(0, 2),
                provider=st.sampled_from(["steam", "csfloat"]),
            ),
            max_size=5,
        ),
    ),
    min_size=1,
    max_size=3,
)


@pytest.mark.slow
@settings(max_examples=20)  # each loads some landings
@given(landed=LANDED, order=st.randoms(use_true_random=False))
def test_any_order_of_landings_gives_the_latest_points(
    landed: list[tuple[int, list[DailyPoint]]], order: Any
) -> None:
    with TemporaryDirectory() as folder:
        paths = create_warehouse(Path(folder))
        folders = [land_daily(paths, f"run-{n}", at, *points) for n, (at, points) in enumerate(landed)]
        order.shuffle(folders)
        db = database_with(folders)
    stored = db.execute("SELECT provider, day, amount, quantity FROM daily_points ORDER BY ALL").fetchall()
    assert stored == latest_points(landed)


def latest_points(landed: Sequence[tuple[int, Sequence[DailyPoint]]]) -> list[tuple[Any, ...]]:
    """Return the point of each marketplace and day from the latest observation, of equal ones the largest.

    No quantity is larger than any.
    """

    def key(row: tuple[Any, ...]) -> tuple[Any, ...]:
        return row[0], row[1]

    rows = sorted(
        (one.provider, one.at.date(), at, one.cents, math.inf if one.quantity is None else one.quantity)
        for at, points in landed
        for one in points
    )
    newest = [max(group) for _, group in groupby(rows, key)]
    return [
        (provider, day, cents, None if count == math.inf else count)
        for provider, day, _, cents, count in newest
    ]


def test_day_without_a_quote_has_its_point_and_says_so(paths: WarehousePaths) -> None:
    first = minute(0).date()  # of the snapshot
    points = [
        DailyPoint(minute(0).replace(hour=0, minute=0) - DAY, 90, 7),
        DailyPoint(minute(0).replace(hour=0, minute=0), 91, 7),  # the quote is finer
        DailyPoint(minute(0).replace(hour=0, minute=0), 80, None, provider="csfloat"),
    ]
    db = database_with(
        [
            land(paths, "quotes", observe(minute(0), Quote("1", 100, 3))),
            land_daily(paths, "points", 60, *points),
        ]
    )
    price = Decimal
    assert db.execute(OHLC).fetchall() == [
        (first - DAY, "steam", *[price("0.9")] * 4, None, None, "daily points"),
        (first, "csfloat", *[price("0.8")] * 4, None, None, "daily points"),
        (first, "steam", *[price("1")] * 4, 3, 1, "quotes"),
    ]
    best = "SELECT day, open, close, open_at, close_at, origin FROM best_ask_daily_ohlc ORDER BY day"
    assert db.execute(best).fetchall() == [
        (first - DAY, price("0.9"), price("0.9"), "steam", "steam", "daily points"),
        (first, price("1"), price("1"), "steam", "steam", "quotes"),
    ]
    between = f"SELECT day FROM daily_ohlc_between('{first}', '{first}') ORDER BY day"
    assert db.execute(between).fetchall() == [(first,), (first,)]


def test_median_counts_the_points_of_days_without_a_best_ask(paths: WarehousePaths) -> None:
    midnight = minute(0).replace(hour=0, minute=0)
    points = [DailyPoint(midnight - number * DAY, 100 + 10 * number) for number in range(4)]
    cheaper = DailyPoint(midnight - DAY, 50, provider="csfloat")
    folders = [
        land(paths, "a", observe(minute(0), Quote("1", 200)), interval_seconds=86400),
        land(paths, "b", observe(minute(1440), Quote("1", 300)), interval_seconds=86400),
        land_daily(paths, "points", 1500, *points, cheaper),
    ]
    query = "SELECT now, median, days_listed, days_of_points FROM price_vs_median(4)"
    # The day before has a best ask of 2.00, the three before that have points: 0.50, 1.20 and 1.30.
    assert database_with(folders).execute(query).fetchall() == [(3, Decimal("1.25"), 4, 3)]


def test_point_without_a_price_is_no_ask(paths: WarehousePaths) -> None:
    db = database_with([land_daily(paths, "points", 60, DailyPoint(MIDNIGHT, 0))])
    assert db.execute("SELECT count(*) FROM daily_points").fetchall() == [(1,)]
    assert db.execute(OHLC).fetchall() == []
