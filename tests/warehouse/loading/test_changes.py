"""Which rows are a change, and what `quotes` and `quote_history` then hold."""

from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from tests.support.clocks import NOON
from tests.support.warehouse import (
    Quote,
    by_ids,
    create_warehouse,
    land,
    land_and_load,
    load,
    minute,
    observe,
    price_history,
    query_rows,
)

LATER = NOON + timedelta(minutes=7)


def test_unchanged_quotes_add_nothing(tmp_path: Path) -> None:
    paths = create_warehouse(tmp_path)
    first = land_and_load(paths, "a", observe(minute(0), Quote("1"), Quote("2")))
    second = land_and_load(paths, "b", observe(minute(10), Quote("1"), Quote("2")))

    assert (first.rows_fetched, first.rows_changed) == (2, 2)
    assert (second.rows_fetched, second.rows_changed) == (2, 0)
    assert price_history(paths) == [(0, 100, 1)]
    assert query_rows(paths, "SELECT DISTINCT observed_at, run_id FROM quotes") == [(minute(10), "a")]


@pytest.mark.slow
@pytest.mark.parametrize("moved", [Quote(cents=101), Quote(quantity=2)], ids=["price", "quantity"])
def test_other_price_or_quantity_is_a_change(tmp_path: Path, moved: Quote) -> None:
    paths = create_warehouse(tmp_path)
    land_and_load(paths, "a", observe(minute(0), Quote()))
    report = land_and_load(paths, "b", observe(minute(10), moved))

    assert report.rows_changed == 1
    assert price_history(paths) == [(0, 100, 1), (10, moved.cents, moved.quantity)]
    assert query_rows(paths, "SELECT valid_from, valid_to FROM quote_history ORDER BY valid_from") == [
        (minute(0), minute(10)),
        (minute(10), None),
    ]


def test_newer_timestamp_alone_is_no_change_in_dollars(tmp_path: Path) -> None:
    paths = create_warehouse(tmp_path)
    land_and_load(paths, "a", observe(minute(0), Quote()))
    assert land_and_load(paths, "b", observe(minute(10), Quote(timestamp=LATER))).rows_changed == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("timestamp", "cents", "quantity", "changed"),
    [
        (NOON, 105, 1, False),
        (NOON + timedelta(microseconds=999_999), 105, 1, False),
        (NOON - timedelta(minutes=5), 105, 1, False),
        (None, 105, 1, False),
        (NOON + timedelta(seconds=1), 105, 1, True),
        (NOON, 100, 2, True),
        (LATER, 100, 1, True),
    ],
    ids=["fx", "precision", "older", "no-timestamp", "a-second-newer", "quantity", "newer-same-amount"],
)
def test_converted_amount_that_moves_with_fx_is_no_change(
    tmp_path: Path, timestamp: datetime | None, cents: int, quantity: int, changed: bool
) -> None:
    paths = create_warehouse(tmp_path)
    land_and_load(paths, "a", observe(minute(0), Quote(timestamp=NOON), currency="EUR"))
    quote = Quote(cents=cents, quantity=quantity, timestamp=timestamp)
    report = land_and_load(paths, "b", observe(minute(10), quote, currency="EUR"))

    assert report.rows_changed == int(changed)
    assert query_rows(paths, "SELECT price, quantity FROM quotes") == [(Decimal(cents) / 100, quantity)]


@pytest.mark.slow
def test_converted_amount_without_any_timestamp_is_a_change(tmp_path: Path) -> None:
    paths = create_warehouse(tmp_path)
    land_and_load(paths, "a", observe(minute(0), Quote(timestamp=None), currency="EUR"))
    same = observe(minute(10), Quote(timestamp=None), currency="EUR")
    assert land_and_load(paths, "b", same).rows_changed == 0
    moved = observe(minute(20), Quote(cents=101, timestamp=None), currency="EUR")
    assert land_and_load(paths, "c", moved).rows_changed == 1
    assert query_rows(paths, "SELECT changed_at FROM quotes") == [(minute(20),)]


@pytest.mark.slow
@pytest.mark.parametrize("unusual", [None, NOON - timedelta(minutes=5)], ids=["none", "older"])
def test_route_with_an_unusual_timestamp_makes_no_change_of_the_next_row(
    tmp_path: Path, unusual: datetime | None
) -> None:
    paths = create_warehouse(tmp_path)
    land_and_load(paths, "a", observe(minute(0), Quote(timestamp=NOON), currency="EUR"))
    land_and_load(paths, "b", observe(minute(10), Quote(cents=105, timestamp=unusual), currency="EUR"))
    same = observe(minute(20), Quote(timestamp=NOON), currency="EUR")
    assert land_and_load(paths, "c", same).rows_changed == 0


@pytest.mark.slow
def test_changed_at_is_the_timestamp_of_the_source_or_else_the_observation(tmp_path: Path) -> None:
    paths = create_warehouse(tmp_path)
    land_and_load(paths, "a", observe(minute(5), Quote("1", timestamp=NOON), Quote("2", timestamp=None)))

    for view in ("quotes", "quote_history", "quotes_as_of('2026-06-01 13:00:00Z')"):
        rows = query_rows(paths, f"SELECT item_id, changed_at FROM {view} ORDER BY item_id")
        assert rows == [("1", NOON), ("2", minute(5))]


@pytest.mark.slow
@pytest.mark.lake
def test_two_runs_in_the_same_second_both_enter_the_history(tmp_path: Path) -> None:
    paths = create_warehouse(tmp_path)
    land_and_load(paths, "a", observe(minute(0), Quote(cents=100)), started_at=minute(-2))
    land_and_load(paths, "b", observe(minute(0), Quote(cents=101)), started_at=minute(-1))

    rows = query_rows(paths, "SELECT price, valid_from, valid_to FROM quote_history ORDER BY valid_from")
    just_after = NOON + timedelta(microseconds=1)
    assert rows == [(Decimal(1), NOON, just_after), (Decimal("1.01"), just_after, None)]
    assert query_rows(paths, "SELECT price FROM quotes_as_of(?)", minute(1)) == [(Decimal("1.01"),)]


@pytest.mark.slow
def test_two_baskets_in_the_same_second_both_load(tmp_path: Path) -> None:
    paths = create_warehouse(tmp_path)
    land(paths, "b", observe(minute(0), Quote("1"), items=by_ids("1")), basket="b")
    land(paths, "a", observe(minute(0), Quote("1"), Quote("2"), items=by_ids("1", "2")), basket="a")
    assert [report.rows_fetched for report in load(paths)] == [2, 1]
    assert query_rows(paths, "SELECT count(*) FROM quotes") == [(2,)]
    assert query_rows(paths, "SELECT count(*) FROM runs") == [(2,)]


@pytest.mark.slow
def test_price_that_moves_tenfold_is_loaded_and_reported(tmp_path: Path) -> None:
    paths = create_warehouse(tmp_path)
    land_and_load(paths, "a", observe(minute(0), Quote("1", 100), Quote("2", 100), Quote("3", 100)))
    report = land_and_load(paths, "b", observe(minute(10), Quote("1", 1000), Quote("2", 999), Quote("3", 0)))

    assert {(o.market_hash_name[15], o.was, o.price) for o in report.outliers} == {
        ("1", Decimal(1), Decimal(10)),
        ("3", Decimal(1), Decimal(0)),
    }
    assert query_rows(paths, "SELECT lowest_ask FROM quotes ORDER BY item_id") == [(1000,), (999,), (0,)]


@pytest.mark.slow
def test_latest_of_duplicate_rows_wins(tmp_path: Path) -> None:
    paths = create_warehouse(tmp_path)
    duplicates = [
        Quote(cents=1, timestamp=None, last_updated=LATER),
        Quote(cents=2, timestamp=LATER, last_updated=NOON),
        Quote(cents=3, timestamp=LATER, last_updated=LATER),
        Quote(cents=4, timestamp=NOON, last_updated=LATER),
    ]
    report = land_and_load(paths, "a", observe(minute(10), *duplicates))

    assert report.rows_fetched == 1
    assert price_history(paths) == [(10, 3, 1)]


@pytest.mark.slow
def test_first_url_of_a_quote_is_stored_without_a_change(tmp_path: Path) -> None:
    paths = create_warehouse(tmp_path)
    land_and_load(paths, "a", observe(minute(0), Quote()))
    report = land_and_load(paths, "b", observe(minute(10), Quote(url="https://example.com/1")))

    assert report.rows_changed == 0
    assert query_rows(paths, "SELECT url FROM quotes") == [("https://example.com/1",)]
