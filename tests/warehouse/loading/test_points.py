"""Points of the API's history: one a key and time, the later look counts, whatever the order of loading."""

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

SAID = "SELECT item_id, time, lowest_ask, quantity, run_id FROM price_points ORDER BY ALL"


@pytest.fixture
def home(tmp_path: Path) -> WarehousePaths:
    return create_warehouse(tmp_path)


def told(home: WarehousePaths, run_id: str, at: float, *points: Point, **shard: Any) -> Path:
    return land_series(home, run_id, SeriesPage(minute(at), points), **shard)


def asked(db: duckdb.DuckDBPyConnection, query: str) -> list[tuple[Any, ...]]:
    return db.execute(query).fetchall()


def test_a_point_is_as_it_was_told(home: WarehousePaths) -> None:
    doppler = Point(minute(5), 123_456, 3, "7", "csfloat", "Karambit | Doppler (Factory New)", "Ruby")
    db = database_with([told(home, "a", 100, Point(minute(0), 99, None), doppler)])
    assert asked(db, "FROM price_points ORDER BY time") == [
        ("cs2cap", "steam", "1", item_name("1"), None, "USD", minute(0), 99, Decimal("0.99"), None, "a"),
        ("cs2cap", "csfloat", "7", "Karambit | Doppler (Factory New)", "Ruby", "USD", minute(5), 123_456,
         Decimal("1234.56"), 3, "a"),
    ]  # fmt: skip


def test_what_is_told_again_counts_only_where_it_differs(home: WarehousePaths) -> None:
    db = database_with([])
    first = load_landing(db, told(home, "a", 100, Point(minute(0)), Point(minute(5))))
    again = load_landing(db, told(home, "b", 200, Point(minute(0)), Point(minute(5), 120), Point(minute(10))))
    assert (first.rows_fetched, first.rows_changed) == (2, 2)
    assert (again.rows_fetched, again.rows_changed) == (3, 2)
    assert asked(db, SAID) == [
        ("1", minute(0), 100, 1, "b"), ("1", minute(5), 120, 1, "b"), ("1", minute(10), 100, 1, "b"),
    ]  # fmt: skip


def test_the_same_landing_again_changes_nothing(home: WarehousePaths) -> None:
    folder = told(home, "a", 100, Point(minute(0)), Point(minute(5)))
    db = database_with([folder])
    before = asked(db, "FROM store.point ORDER BY ALL")
    assert load_run(db, read_run(folder), minute(999)) is None
    assert asked(db, "FROM store.point ORDER BY ALL") == before


def test_an_earlier_look_that_is_loaded_later_does_not_count(home: WarehousePaths) -> None:
    db = database_with([told(home, "late", 200, Point(minute(0), 120))])
    early = load_landing(db, told(home, "early", 100, Point(minute(0), 100), Point(minute(5), 100)))
    assert early.rows_changed == 1
    assert asked(db, SAID) == [("1", minute(0), 120, 1, "late"), ("1", minute(5), 100, 1, "early")]


def test_a_point_that_is_told_twice_in_one_landing_is_one(home: WarehousePaths) -> None:
    pages = [
        SeriesPage(minute(at), [Point(minute(0), cents)]) for at, cents in ((100, 7), (101, 8), (101, 9))
    ]
    db = database_with([land_series(home, "a", *pages)])
    assert asked(db, SAID) == [("1", minute(0), 9, 1, "a")]


# Looks at the slots 0 to 2: when, and what each told (price and quantity of a slot; nothing: no point).
LOOKS = st.lists(
    st.tuples(
        st.integers(0, 2),
        st.dictionaries(st.integers(0, 2), st.tuples(st.integers(1, 2), st.integers(1, 2)), max_size=3),
    ),
    min_size=2,
    max_size=4,
)


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(looks=LOOKS, order=st.randoms(use_true_random=False))
def test_any_order_of_loading_gives_the_same(looks: list[Any], order: Any) -> None:
    with tempfile.TemporaryDirectory() as folder:
        home = create_warehouse(Path(folder))
        landed = [
            told(home, f"r{number}", 100 + at, *(Point(minute(5 * s), *said) for s, said in points.items()))
            for number, (at, points) in enumerate(looks)
        ]
        db = database_with(order.sample(landed, len(landed)))
        held = asked(db, "SELECT time, lowest_ask, quantity FROM price_points ORDER BY time")
    assert held == [
        (minute(5 * slot), *max((at, *points[slot]) for at, points in looks if slot in points)[1:])
        for slot in range(3)
        if any(slot in points for _, points in looks)
    ]


def test_currencies_and_providers_are_keys_of_their_own(home: WarehousePaths) -> None:
    dollars = told(home, "usd", 100, Point(minute(0)), Point(minute(0), 101, provider="csfloat"))
    db = database_with([dollars, told(home, "eur", 100, Point(minute(0), 90), currency="EUR")])
    assert asked(db, "SELECT currency, provider, lowest_ask FROM price_points ORDER BY ALL") == [
        ("EUR", "steam", 90), ("USD", "csfloat", 101), ("USD", "steam", 100),
    ]  # fmt: skip


def test_items_have_the_keys_that_quotes_have_and_quotes_stay(home: WarehousePaths) -> None:
    db = database_with([land(home, "a", observe(minute(0), Quote("1"), Quote("2")))])
    facts = ("quotes", "store.history", "observations")
    before = [asked(db, f"FROM {name} ORDER BY ALL") for name in facts]
    load_landing(db, told(home, "b", 100, Point(minute(5), 500), Point(minute(5), item="3")))
    assert [asked(db, f"FROM {name} ORDER BY ALL") for name in facts] == before

    load_landing(db, land(home, "c", observe(minute(110), Quote("3"))))
    assert asked(db, "SELECT item_id, item_key FROM store.item ORDER BY ALL") == [
        ("1", 1), ("2", 2), ("3", 3),
    ]  # fmt: skip


def test_an_id_whose_base_name_changes_gets_a_new_key_and_a_renamed_finish_does_not(
    home: WarehousePaths,
) -> None:
    db = database_with(
        [
            land(home, "a", observe(minute(0), Quote("1", name="AK-47 | Finish (Field-Tested)"))),
            told(home, "b", 100, Point(minute(5), name="AK-47 | Old Finish (Field-Tested)")),
            told(home, "c", 100, Point(minute(5), name="M4A4 | Finish (Field-Tested)")),
        ]
    )
    # what the past tells renames nothing
    assert asked(db, "SELECT market_hash_name FROM price_points ORDER BY ALL") == [
        ("AK-47 | Finish (Field-Tested)",), ("M4A4 | Finish (Field-Tested)",),
    ]  # fmt: skip


def test_a_load_that_fails_half_way_leaves_nothing(home: WarehousePaths) -> None:
    db = load_into_memory([])
    db.execute("DROP VIEW rejects")
    db.execute("DROP TABLE store.reject")
    with pytest.raises(CorruptLanding, match="reject"):
        load_landing(db, told(home, "a", 100, Point(minute(0))))
    assert asked(db, "SELECT count(*) FROM store.point") == [(0,)]
