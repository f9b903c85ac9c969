"""Points of the API's history: one per key and time; the latest observation counts, in any load order."""

from __future__ import annotations

import tempfile
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.series_landings import Point, SeriesPage, database_with, land_series, load_landing
from tests.support.warehouse import (
    Quote,
    create_warehouse,
    item_name,
    land,
    load_into_memory,
    minute,
    observe,
)
from warehouse.landing.reader import CorruptLanding, read_run
from warehouse.loading.quotes import load_run
from warehouse.paths import WarehousePaths

SELECT_POINTS = "SELECT item_id, time, lowest_ask, quantity, run_id FROM price_points ORDER BY ALL"


@pytest.fixture
def paths(tmp_path: Path) -> WarehousePaths:
    return create_warehouse(tmp_path)


def land_points(paths: WarehousePaths, run_id: str, at: float, *points: Point, **shard: Any) -> Path:
    return land_series(paths, run_id, SeriesPage(minute(at), points), **shard)


def select(db: duckdb.DuckDBPyConnection, query: str) -> list[tuple[Any, ...]]:
    return db.execute(query).fetchall()


def test_point_is_stored_as_landed(paths: WarehousePaths) -> None:
    doppler = Point(
        minute(5),
        123_456,
        3,
        item="7",
        provider="csfloat",
        name="Karambit | Doppler (Factory New)",
        phase="Ruby",
    )
    db = database_with([land_points(paths, "a", 100, Point(minute(0), 99, None), doppler)])
    assert select(db, "FROM price_points ORDER BY time") == [
        (item_name("1"), "cs2cap", "steam", "1", item_name("1"), None, "USD", minute(0), 99, Decimal("0.99"),
         None, "a"),
        ("Karambit | Doppler (Factory New) @ Ruby", "cs2cap", "csfloat", "7",
         "Karambit | Doppler (Factory New)", "Ruby", "USD", minute(5), 123_456, Decimal("1234.56"), 3, "a"),
    ]  # fmt: skip


def test_repeated_point_counts_only_where_it_differs(paths: WarehousePaths) -> None:
    db = database_with([])
    first = load_landing(db, land_points(paths, "a", 100, Point(minute(0)), Point(minute(5))))
    second = load_landing(
        db, land_points(paths, "b", 200, Point(minute(0)), Point(minute(5), 120), Point(minute(10)))
    )
    assert (first.rows_fetched, first.rows_changed) == (2, 2)
    assert (second.rows_fetched, second.rows_changed) == (3, 2)
    assert select(db, SELECT_POINTS) == [
        ("1", minute(0), 100, 1, "b"), ("1", minute(5), 120, 1, "b"), ("1", minute(10), 100, 1, "b"),
    ]  # fmt: skip


def test_loading_a_landing_twice_changes_nothing(paths: WarehousePaths) -> None:
    folder = land_points(paths, "a", 100, Point(minute(0)), Point(minute(5)))
    db = database_with([folder])
    before = select(db, "FROM store.point ORDER BY ALL")
    assert load_run(db, read_run(folder), minute(999)) is None
    assert select(db, "FROM store.point ORDER BY ALL") == before


def test_earlier_observation_that_is_loaded_later_does_not_count(paths: WarehousePaths) -> None:
    db = database_with([land_points(paths, "late", 200, Point(minute(0), 120))])
    early = load_landing(db, land_points(paths, "early", 100, Point(minute(0), 100), Point(minute(5), 100)))
    assert early.rows_changed == 1
    assert select(db, SELECT_POINTS) == [("1", minute(0), 120, 1, "late"), ("1", minute(5), 100, 1, "early")]


def test_latest_of_duplicate_points_wins(paths: WarehousePaths) -> None:
    pages = [
        SeriesPage(minute(at), [Point(minute(0), cents)]) for at, cents in ((100, 7), (101, 8), (101, 9))
    ]
    db = database_with([land_series(paths, "a", *pages)])
    assert select(db, SELECT_POINTS) == [("1", minute(0), 9, 1, "a")]


# Observations of the slots 0 to 2: the time, and the price and quantity of each slot that has a point.
OBSERVATIONS = st.lists(
    st.tuples(
        st.integers(0, 2),
        st.dictionaries(st.integers(0, 2), st.tuples(st.integers(1, 2), st.integers(1, 2)), max_size=3),
    ),
    min_size=2,
    max_size=4,
)


@pytest.mark.slow
@settings(max_examples=12, deadline=None)
@given(observations=OBSERVATIONS, order=st.randoms(use_true_random=False))
def test_order_of_loading_does_not_matter(observations: list[Any], order: Any) -> None:
    with tempfile.TemporaryDirectory() as folder:
        paths = create_warehouse(Path(folder))
        folders = [
            land_points(paths, f"r{number}", 100 + at, *(Point(minute(5 * s), *v) for s, v in points.items()))
            for number, (at, points) in enumerate(observations)
        ]
        db = database_with(order.sample(folders, len(folders)))
        rows = select(db, "SELECT time, lowest_ask, quantity FROM price_points ORDER BY time")
    assert rows == [
        (minute(5 * slot), *max((at, *points[slot]) for at, points in observations if slot in points)[1:])
        for slot in range(3)
        if any(slot in points for _, points in observations)
    ]


def test_currency_and_provider_are_part_of_the_key(paths: WarehousePaths) -> None:
    dollars = land_points(paths, "usd", 100, Point(minute(0)), Point(minute(0), 101, provider="csfloat"))
    db = database_with([dollars, land_points(paths, "eur", 100, Point(minute(0), 90), currency="EUR")])
    assert select(db, "SELECT currency, provider, lowest_ask, price FROM price_points ORDER BY ALL") == [
        # an amount that the API converted and rounded has no exact price
        ("EUR", "steam", 90, None), ("USD", "csfloat", 101, Decimal("1.01")), ("USD", "steam", 100, 1),
    ]  # fmt: skip


def test_points_share_item_keys_with_quotes_and_change_no_quote(paths: WarehousePaths) -> None:
    db = database_with([land(paths, "a", observe(minute(0), Quote("1"), Quote("2")))])
    facts = ("quotes", "store.history", "store.current", "observations")
    before = [select(db, f"FROM {name} ORDER BY ALL") for name in facts]
    load_landing(db, land_points(paths, "b", 100, Point(minute(5), 500), Point(minute(5), item="3")))
    assert [select(db, f"FROM {name} ORDER BY ALL") for name in facts] == before

    load_landing(db, land(paths, "c", observe(minute(110), Quote("3"))))
    assert select(db, "SELECT item_id, item_key FROM store.item ORDER BY ALL") == [
        ("1", 1), ("2", 2), ("3", 3),
    ]  # fmt: skip


def test_changed_base_name_gets_a_new_key_and_a_renamed_finish_does_not(
    paths: WarehousePaths,
) -> None:
    db = database_with(
        [
            land(paths, "a", observe(minute(0), Quote("1", name="AK-47 | Finish (Field-Tested)"))),
            land_points(paths, "b", 100, Point(minute(5), name="AK-47 | Old Finish (Field-Tested)")),
            land_points(paths, "c", 100, Point(minute(5), name="M4A4 | Finish (Field-Tested)")),
        ]
    )
    # A name in the past renames nothing.
    assert select(db, "SELECT market_hash_name FROM price_points ORDER BY ALL") == [
        ("AK-47 | Finish (Field-Tested)",), ("M4A4 | Finish (Field-Tested)",),
    ]  # fmt: skip


@pytest.mark.lake
def test_failed_load_leaves_no_rows(paths: WarehousePaths) -> None:
    db = load_into_memory([])
    db.execute("DROP VIEW rejects")
    db.execute("DROP TABLE store.reject")
    with pytest.raises(CorruptLanding, match="reject"):
        load_landing(db, land_points(paths, "a", 100, Point(minute(0))))
    assert select(db, "SELECT count(*) FROM store.point") == [(0,)]
