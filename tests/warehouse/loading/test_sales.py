"""Sales have no id: those that are alike in everything are counted, and the greater count holds."""

from __future__ import annotations

import itertools
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.series_landings import Sale, SeriesPage, database_with, land_series, load_landing
from tests.support.warehouse import create_warehouse, item_name, minute
from warehouse.paths import WarehousePaths

COUNTED = """SELECT time, amount, max(occurrence) FROM sales
    GROUP BY ALL HAVING count(*) = max(occurrence) ORDER BY ALL"""


@pytest.fixture
def home(tmp_path: Path) -> WarehousePaths:
    return create_warehouse(tmp_path)


def told(home: WarehousePaths, run_id: str, at: float, *sales: Sale, **shard: Any) -> Path:
    return land_series(home, run_id, SeriesPage(minute(at), sales), kind=Sale, **shard)


def test_a_sale_is_as_it_was_told(home: WarehousePaths) -> None:
    stickers = '[{"name": "Crown (Foil)"}]'
    db = database_with([told(home, "a", 100, Sale(minute(1), 250, 0.123456789, stickers))])
    (sale,) = db.execute("SELECT * EXCLUDE (price), price = 2.5 FROM sales").fetchall()
    assert sale == (
        "cs2cap", "skinport", "1", item_name("1"), None, "USD", minute(1), 250, 0.123456789, None, stickers,
        None, None, 1, "a", True,
    )  # fmt: skip


def test_equal_sales_are_told_apart_by_their_occurrence(home: WarehousePaths) -> None:
    alike = [Sale(minute(1)), Sale(minute(1))]
    db = database_with([told(home, "a", 100, *alike, Sale(minute(1), 101), Sale(minute(1), stickers="[]"))])
    held = db.execute("SELECT amount, stickers, occurrence FROM sales ORDER BY ALL").fetchall()
    assert held == [(100, "[]", 1), (100, None, 1), (100, None, 2), (101, None, 1)]


def test_a_walk_that_overlaps_adds_what_it_has_more_of(home: WarehousePaths) -> None:
    db = database_with([told(home, "a", 100, Sale(minute(1)), Sale(minute(2)))])
    report = load_landing(db, told(home, "b", 200, Sale(minute(1)), Sale(minute(1)), Sale(minute(3))))
    assert (report.rows_fetched, report.rows_changed) == (3, 2)
    assert db.execute("SELECT time, occurrence, run_id FROM sales ORDER BY ALL").fetchall() == [
        (minute(1), 1, "a"), (minute(1), 2, "b"), (minute(2), 1, "a"), (minute(3), 1, "b"),
    ]  # fmt: skip


def test_an_earlier_walk_that_is_loaded_later_told_it_first(home: WarehousePaths) -> None:
    db = database_with([told(home, "late", 200, Sale(minute(1)), Sale(minute(1)))])
    assert load_landing(db, told(home, "early", 100, Sale(minute(1)))).rows_changed == 0
    assert db.execute("SELECT occurrence, run_id FROM sales ORDER BY ALL").fetchall() == [
        (1, "early"), (2, "late"),
    ]  # fmt: skip


# What each walk told: (minute, cents) of its sales.
WALKED = st.lists(st.tuples(st.integers(0, 1), st.integers(1, 2)), max_size=5)


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(walks=st.lists(WALKED, min_size=2, max_size=3), order=st.randoms(use_true_random=False))
def test_any_order_of_loading_holds_the_greatest_count(walks: list[Any], order: Any) -> None:
    with tempfile.TemporaryDirectory() as folder:
        home = create_warehouse(Path(folder))
        landed = [
            told(home, f"r{number}", 100 + number, *(Sale(minute(at), cents) for at, cents in walk))
            for number, walk in enumerate(walks)
        ]
        orders = (landed, order.sample(landed, len(landed)))
        held = [database_with(some).execute("FROM sales ORDER BY ALL").fetchall() for some in orders]
        counted = database_with(landed).execute(COUNTED).fetchall()

    most: Counter[tuple[int, int]] = Counter()
    for walk in walks:
        most |= Counter(walk)
    assert held[0] == held[1]
    assert counted == sorted((minute(at), cents, count) for (at, cents), count in most.items())


@pytest.mark.parametrize("order", list(itertools.permutations(range(3)))[::5], ids=str)
def test_equal_sales_on_both_sides_of_a_cursor_are_added_up(
    home: WarehousePaths, order: tuple[int, ...]
) -> None:
    """A walk that was stopped at a page's end and went on there, in another landing, is one walk."""
    newer = SeriesPage(minute(100), [Sale(minute(9)), Sale(minute(5)), Sale(minute(5))], None, "c1")
    older = SeriesPage(minute(101), [Sale(minute(5)), Sale(minute(4))], "c1", "c2")
    last = SeriesPage(minute(102), [Sale(minute(4)), Sale(minute(3))], "c2", None)
    landed = [land_series(home, f"r{n}", page, kind=Sale) for n, page in enumerate((newer, older, last))]
    db = database_with(landed[place] for place in order)
    assert db.execute(COUNTED).fetchall() == [
        (minute(3), 100, 1), (minute(4), 100, 2), (minute(5), 100, 3), (minute(9), 100, 1),
    ]  # fmt: skip


def test_a_walk_that_was_begun_anew_is_another_walk(home: WarehousePaths) -> None:
    pages = (
        SeriesPage(minute(100), [Sale(minute(9)), Sale(minute(5))], None, "c1"),
        SeriesPage(minute(200), [Sale(minute(5)), Sale(minute(4))], None, None),
    )
    landed = [land_series(home, f"r{n}", page, kind=Sale) for n, page in enumerate(pages)]
    assert database_with(landed).execute(COUNTED).fetchall() == [
        (minute(4), 100, 1), (minute(5), 100, 1), (minute(9), 100, 1),
    ]  # fmt: skip
