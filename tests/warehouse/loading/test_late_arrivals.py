"""Landings that were held back: history takes them in their place, and `quotes` does not go back."""

import tempfile
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.support.warehouse import (
    Page,
    Quote,
    ShardSpec,
    by_ids,
    create_warehouse,
    land,
    load,
    load_into_memory,
    minute,
    observe,
    price_history,
    query_rows,
)

# One look: the price of item 1 and item 2 in cents.
LOOKS = st.lists(st.tuples(st.integers(1, 3), st.integers(1, 3)), min_size=2, max_size=4)


def taken(folder: Path, looks: Sequence[tuple[int, int]], currency: str) -> list[Path]:
    """Landings of the whole catalog, one each ten minutes; prices move with their timestamps."""
    home, landed = create_warehouse(folder), []
    stamps = [minute(0)] * 2
    for number, cents in enumerate(looks):
        at = minute(number * 10)
        if number:
            stamps = [at if c != b else s for c, b, s in zip(cents, looks[number - 1], stamps, strict=True)]
        quotes = [
            Quote(str(i), c, timestamp=s) for i, (c, s) in enumerate(zip(cents, stamps, strict=True), 1)
        ]
        landed.append(land(home, f"r{number}", observe(at, *quotes, currency=currency)))
    return landed


def facts(db: duckdb.DuckDBPyConnection) -> tuple[list[Any], list[Any]]:
    quotes = "SELECT item_id, currency, lowest_ask, price, quantity, observed_at FROM quotes ORDER BY ALL"
    changes = "SELECT item_id, price, quantity, valid_from, valid_to, run_id FROM quote_history ORDER BY ALL"
    return db.execute(quotes).fetchall(), db.execute(changes).fetchall()


@pytest.mark.slow
@pytest.mark.parametrize("currency", ["USD", "EUR"])
@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(looks=LOOKS, order=st.randoms(use_true_random=False))
@example(looks=[(1, 1), (2, 1), (1, 1)], order=None)
def test_any_order_of_loading_gives_what_the_order_of_observation_gives(
    currency: str, looks: list[tuple[int, int]], order: Any
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        landed = taken(Path(folder), looks, currency)
        shuffled = [landed[0], *landed[:0:-1]] if order is None else order.sample(landed, len(landed))
        in_order, any_order = load_into_memory(landed), load_into_memory(shuffled)

        assert facts(any_order) == facts(in_order)
        for number, cents in enumerate(looks):
            query = "SELECT price FROM quotes_as_of(?) ORDER BY item_id"
            told = any_order.execute(query, [minute(number * 10)]).fetchall()
            assert told == [(Decimal(c) / 100,) for c in cents]


def test_quotes_do_not_go_back(tmp_path: Path) -> None:
    home = create_warehouse(tmp_path)
    held_back = land(home, "early", observe(minute(0), Quote(cents=100)))
    aside = held_back.rename(tmp_path / "held-back")
    land(home, "late", observe(minute(10), Quote(cents=120)))
    load(home)
    aside.rename(held_back)
    report = load(home)[0]

    assert (report.rows_late, report.rows_changed) == (1, 1)
    assert query_rows(home, "SELECT price, observed_at FROM quotes") == [(Decimal("1.20"), minute(10))]
    assert price_history(home) == [(0, 100, 1), (10, 120, 1)]
    assert query_rows(home, "SELECT price FROM quotes_as_of(?)", minute(5)) == [(1,)]


def test_an_item_that_only_a_late_landing_saw_was_listed_until_the_next_look(tmp_path: Path) -> None:
    home = create_warehouse(tmp_path)
    folders = [
        land(home, "a", observe(minute(0), Quote("1"))),
        land(home, "c", observe(minute(20), Quote("1"))),
        land(home, "b", observe(minute(10), Quote("1"), Quote("2", 70))),
    ]
    db = load_into_memory(folders)

    assert db.execute("SELECT item_id FROM quotes").fetchall() == [("1",)]
    seen = "SELECT valid_from, lowest_ask FROM quote_history WHERE item_id = '2' ORDER BY valid_from"
    assert db.execute(seen).fetchall() == [(minute(10), 70), (minute(20), None)]


def test_a_late_landing_closes_nothing_that_was_seen_later(tmp_path: Path) -> None:
    home = create_warehouse(tmp_path)
    folders = [
        land(home, "a", observe(minute(0), Quote("1"), Quote("2"))),
        land(home, "c", observe(minute(20), Quote("1"), Quote("2"))),
        land(home, "b", observe(minute(10), Quote("1"))),
    ]
    db = load_into_memory(folders)
    assert db.execute("SELECT count(*) FROM quotes").fetchall() == [(2,)]


def test_a_row_between_the_pages_of_a_later_walk_is_told_once(tmp_path: Path) -> None:
    """The later walk took 20 s and brought the item on its last page: no row at its first page is wanted."""
    home = create_warehouse(tmp_path)
    walk = ShardSpec([Page(minute(20), [Quote("2")]), Page(minute(20.5), [Quote("1", 130)], offset=1)])
    folders = [
        land(home, "a", observe(minute(0), Quote("1"), Quote("2"))),
        land(home, "c", walk),
        land(home, "b", observe(minute(10), Quote("1", 120), Quote("2"))),
    ]
    db = load_into_memory(folders)
    seen = "SELECT valid_from, lowest_ask FROM quote_history WHERE item_id = '1' ORDER BY valid_from"
    assert db.execute(seen).fetchall() == [(minute(0), 100), (minute(10), 120), (minute(20.5), 130)]


def test_a_basket_is_late_only_where_someone_looked_later(tmp_path: Path) -> None:
    home = create_warehouse(tmp_path)
    folders = [
        land(home, "a", observe(minute(0), Quote("1"), Quote("2"), items=by_ids("1", "2"))),
        land(home, "c", observe(minute(20), Quote("1"), items=by_ids("1"))),
        land(home, "b", observe(minute(10), Quote("1", 110), Quote("2", 110), items=by_ids("1", "2"))),
    ]
    db = load_into_memory(folders)
    assert db.execute("SELECT item_id, lowest_ask FROM quotes ORDER BY ALL").fetchall() == [
        ("1", 100),
        ("2", 110),
    ]
