"""What counts as a change, and what `quotes` and `quote_history` then say."""

from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from tests.support.clocks import NOON
from tests.support.warehouse import Quote, history, home_in, land, load, look, minute, named, rows, snapshot

LATER = NOON + timedelta(minutes=7)


def test_an_unmoved_market_adds_nothing(tmp_path: Path) -> None:
    home = home_in(tmp_path)
    first = snapshot(home, "a", look(minute(0), Quote("1"), Quote("2")))
    again = snapshot(home, "b", look(minute(10), Quote("1"), Quote("2")))

    assert (first.rows_fetched, first.rows_changed) == (2, 2)
    assert (again.rows_fetched, again.rows_changed) == (2, 0)
    assert history(home) == [(0, 100, 1)]
    assert rows(home, "SELECT DISTINCT observed_at, run_id FROM quotes") == [(minute(10), "a")]


@pytest.mark.parametrize("moved", [Quote(cents=101), Quote(quantity=2)], ids=["price", "quantity"])
def test_another_price_or_quantity_is_a_change(tmp_path: Path, moved: Quote) -> None:
    home = home_in(tmp_path)
    snapshot(home, "a", look(minute(0), Quote()))
    report = snapshot(home, "b", look(minute(10), moved))

    assert report.rows_changed == 1
    assert history(home) == [(0, 100, 1), (10, moved.cents, moved.quantity)]
    assert rows(home, "SELECT valid_from, valid_to FROM quote_history ORDER BY valid_from") == [
        (minute(0), minute(10)),
        (minute(10), None),
    ]


def test_a_newer_timestamp_alone_is_no_change_in_dollars(tmp_path: Path) -> None:
    home = home_in(tmp_path)
    snapshot(home, "a", look(minute(0), Quote()))
    assert snapshot(home, "b", look(minute(10), Quote(stamp=LATER))).rows_changed == 0


@pytest.mark.parametrize(
    ("stamp", "cents", "quantity", "changed"),
    [
        (NOON, 105, 1, False),
        (NOON + timedelta(microseconds=999_999), 105, 1, False),
        (NOON - timedelta(minutes=5), 105, 1, False),
        (None, 105, 1, False),
        (NOON + timedelta(seconds=1), 105, 1, True),
        (NOON, 100, 2, True),
        (LATER, 100, 1, True),
    ],
    ids=["fx", "precision", "older", "no-longer-told", "a-second-newer", "quantity", "newer-same-amount"],
)
def test_a_converted_amount_moves_with_fx(
    tmp_path: Path, stamp: datetime | None, cents: int, quantity: int, changed: bool
) -> None:
    home = home_in(tmp_path)
    snapshot(home, "a", look(minute(0), Quote(stamp=NOON), currency="EUR"))
    now = Quote(cents=cents, quantity=quantity, stamp=stamp)
    report = snapshot(home, "b", look(minute(10), now, currency="EUR"))

    assert report.rows_changed == int(changed)
    assert rows(home, "SELECT price, quantity FROM quotes") == [(Decimal(cents) / 100, quantity)]


def test_without_any_timestamp_a_converted_amount_counts(tmp_path: Path) -> None:
    home = home_in(tmp_path)
    snapshot(home, "a", look(minute(0), Quote(stamp=None), currency="EUR"))
    assert snapshot(home, "b", look(minute(10), Quote(stamp=None), currency="EUR")).rows_changed == 0
    assert (
        snapshot(home, "c", look(minute(20), Quote(cents=101, stamp=None), currency="EUR")).rows_changed == 1
    )
    assert rows(home, "SELECT changed_at FROM quotes") == [(minute(20),)]


@pytest.mark.parametrize("odd", [None, NOON - timedelta(minutes=5)], ids=["none", "older"])
def test_a_route_that_tells_an_odd_timestamp_makes_no_change_of_the_next(
    tmp_path: Path, odd: datetime | None
) -> None:
    home = home_in(tmp_path)
    snapshot(home, "a", look(minute(0), Quote(stamp=NOON), currency="EUR"))
    snapshot(home, "b", look(minute(10), Quote(cents=105, stamp=odd), currency="EUR"))
    assert snapshot(home, "c", look(minute(20), Quote(stamp=NOON), currency="EUR")).rows_changed == 0


def test_changed_at_is_the_sources_word_or_else_the_observation(tmp_path: Path) -> None:
    home = home_in(tmp_path)
    snapshot(home, "a", look(minute(5), Quote("1", stamp=NOON), Quote("2", stamp=None)))

    for view in ("quotes", "quote_history", "quotes_as_of('2026-06-01 13:00:00Z')"):
        found = rows(home, f"SELECT item_id, changed_at FROM {view} ORDER BY item_id")
        assert found == [("1", NOON), ("2", minute(5))]


def test_two_runs_in_the_same_second_both_count(tmp_path: Path) -> None:
    home = home_in(tmp_path)
    snapshot(home, "a", look(minute(0), Quote(cents=100)), started_at=minute(-2))
    snapshot(home, "b", look(minute(0), Quote(cents=101)), started_at=minute(-1))

    moments = rows(home, "SELECT price, valid_from, valid_to FROM quote_history ORDER BY valid_from")
    behind = NOON + timedelta(microseconds=1)
    assert moments == [(Decimal(1), NOON, behind), (Decimal("1.01"), behind, None)]
    assert rows(home, "SELECT price FROM quotes_as_of(?)", minute(1)) == [(Decimal("1.01"),)]


def test_two_baskets_that_finish_in_the_same_second_both_load(tmp_path: Path) -> None:
    home = home_in(tmp_path)
    land(home, "b", look(minute(0), Quote("1"), items=named("1")), basket="b")
    land(home, "a", look(minute(0), Quote("1"), Quote("2"), items=named("1", "2")), basket="a")
    assert [report.rows_fetched for report in load(home)] == [2, 1]
    assert rows(home, "SELECT count(*) FROM quotes") == [(2,)]
    assert rows(home, "SELECT count(*) FROM runs") == [(2,)]


def test_a_price_ten_times_off_is_kept_and_shown(tmp_path: Path) -> None:
    home = home_in(tmp_path)
    snapshot(home, "a", look(minute(0), Quote("1", 100), Quote("2", 100), Quote("3", 100)))
    report = snapshot(home, "b", look(minute(10), Quote("1", 1000), Quote("2", 999), Quote("3", 0)))

    assert {(o.market_hash_name[15], o.was, o.price) for o in report.outliers} == {
        ("1", Decimal(1), Decimal(10)),
        ("3", Decimal(1), Decimal(0)),
    }
    assert rows(home, "SELECT lowest_ask FROM quotes ORDER BY item_id") == [(1000,), (999,), (0,)]


def test_duplicates_inside_a_batch_resolve_to_the_latest(tmp_path: Path) -> None:
    home = home_in(tmp_path)
    same = [
        Quote(cents=1, stamp=None, updated=LATER),
        Quote(cents=2, stamp=LATER, updated=NOON),
        Quote(cents=3, stamp=LATER, updated=LATER),
        Quote(cents=4, stamp=NOON, updated=LATER),
    ]
    report = snapshot(home, "a", look(minute(0), *same))

    assert report.rows_fetched == 1
    assert history(home) == [(0, 3, 1)]


def test_an_address_that_was_not_told_before_is_kept(tmp_path: Path) -> None:
    home = home_in(tmp_path)
    snapshot(home, "a", look(minute(0), Quote()))
    report = snapshot(home, "b", look(minute(10), Quote(url="https://example.com/1")))

    assert report.rows_changed == 0
    assert rows(home, "SELECT url FROM quotes") == [("https://example.com/1",)]
