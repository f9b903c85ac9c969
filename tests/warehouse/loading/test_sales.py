"""Sales have no id: equal sales are counted, and the largest count is stored."""

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

COUNT_SALES = """SELECT time, amount, max(occurrence) FROM sales
    GROUP BY ALL HAVING count(*) = max(occurrence) ORDER BY ALL"""


@pytest.fixture
def paths(tmp_path: Path) -> WarehousePaths:
    return create_warehouse(tmp_path)


def land_sales(paths: WarehousePaths, run_id: str, at: float, *sales: Sale, **shard: Any) -> Path:
    return land_series(paths, run_id, SeriesPage(minute(at), sales), kind=Sale, **shard)


def test_sale_is_stored_as_landed(paths: WarehousePaths) -> None:
    stickers = '[{"name": "Crown (Foil)"}]'
    db = database_with([land_sales(paths, "a", 100, Sale(minute(1), 250, 0.123456789, stickers=stickers))])
    (sale,) = db.execute("SELECT * EXCLUDE (price), price = 2.5 FROM sales").fetchall()
    assert sale == (
        item_name("1"), "cs2cap", "skinport", "1", item_name("1"), None, "USD", minute(1), 250, 0.123456789,
        None, stickers, None, None, 1, "a", True,
    )  # fmt: skip


def test_sale_in_a_converted_currency_has_no_exact_price(paths: WarehousePaths) -> None:
    db = database_with([land_sales(paths, "a", 100, Sale(minute(1), 0), currency="BTC")])
    assert db.execute("SELECT currency, amount, price FROM sales").fetchall() == [("BTC", 0, None)]


def test_equal_sales_differ_by_their_occurrence(paths: WarehousePaths) -> None:
    equal = [Sale(minute(1)), Sale(minute(1))]
    db = database_with(
        [land_sales(paths, "a", 100, *equal, Sale(minute(1), 101), Sale(minute(1), stickers="[]"))]
    )
    rows = db.execute("SELECT amount, stickers, occurrence FROM sales ORDER BY ALL").fetchall()
    assert rows == [(100, "[]", 1), (100, None, 1), (100, None, 2), (101, None, 1)]


def test_overlapping_extraction_adds_its_surplus(paths: WarehousePaths) -> None:
    db = database_with([land_sales(paths, "a", 100, Sale(minute(1)), Sale(minute(2)))])
    report = load_landing(db, land_sales(paths, "b", 200, Sale(minute(1)), Sale(minute(1)), Sale(minute(3))))
    assert (report.rows_fetched, report.rows_changed) == (3, 2)
    assert db.execute("SELECT time, occurrence, run_id FROM sales ORDER BY ALL").fetchall() == [
        (minute(1), 1, "a"), (minute(1), 2, "b"), (minute(2), 1, "a"), (minute(3), 1, "b"),
    ]  # fmt: skip


def test_earlier_extraction_that_is_loaded_later_is_the_origin(paths: WarehousePaths) -> None:
    db = database_with([land_sales(paths, "late", 200, Sale(minute(1)), Sale(minute(1)))])
    assert load_landing(db, land_sales(paths, "early", 100, Sale(minute(1)))).rows_changed == 0
    assert db.execute("SELECT occurrence, run_id FROM sales ORDER BY ALL").fetchall() == [
        (1, "early"), (2, "late"),
    ]  # fmt: skip


# The sales of each extraction: (minute, cents).
EXTRACTIONS = st.lists(st.tuples(st.integers(0, 1), st.integers(1, 2)), max_size=5)


@pytest.mark.slow
@settings(max_examples=12, deadline=None)
@given(extractions=st.lists(EXTRACTIONS, min_size=2, max_size=3), order=st.randoms(use_true_random=False))
def test_largest_count_is_stored_in_any_order_of_loading(extractions: list[Any], order: Any) -> None:
    with tempfile.TemporaryDirectory() as folder:
        paths = create_warehouse(Path(folder))
        folders = [
            land_sales(
                paths, f"r{number}", 100 + number, *(Sale(minute(at), cents) for at, cents in extraction)
            )
            for number, extraction in enumerate(extractions)
        ]
        orders = (folders, order.sample(folders, len(folders)))
        rows = [database_with(chosen).execute("FROM sales ORDER BY ALL").fetchall() for chosen in orders]
        counted = database_with(folders).execute(COUNT_SALES).fetchall()

    largest: Counter[tuple[int, int]] = Counter()
    for extraction in extractions:
        largest |= Counter(extraction)
    assert rows[0] == rows[1]
    assert counted == sorted((minute(at), cents, count) for (at, cents), count in largest.items())


@pytest.mark.lake
@pytest.mark.parametrize("order", list(itertools.permutations(range(3)))[::5], ids=str)
def test_equal_sales_on_both_sides_of_a_cursor_are_added_up(
    paths: WarehousePaths, order: tuple[int, ...]
) -> None:
    """An extraction that stops after a page and continues there in another landing is one extraction."""
    newer = SeriesPage(minute(100), [Sale(minute(9)), Sale(minute(5)), Sale(minute(5))], next_cursor="c1")
    older = SeriesPage(minute(101), [Sale(minute(5)), Sale(minute(4))], cursor="c1", next_cursor="c2")
    last = SeriesPage(minute(102), [Sale(minute(4)), Sale(minute(3))], cursor="c2")
    folders = [land_series(paths, f"r{n}", page, kind=Sale) for n, page in enumerate((newer, older, last))]
    db = database_with(folders[index] for index in order)
    assert db.execute(COUNT_SALES).fetchall() == [
        (minute(3), 100, 1), (minute(4), 100, 2), (minute(5), 100, 3), (minute(9), 100, 1),
    ]  # fmt: skip


def test_restarted_extraction_is_another_extraction(paths: WarehousePaths) -> None:
    pages = (
        SeriesPage(minute(100), [Sale(minute(9)), Sale(minute(5))], next_cursor="c1"),
        SeriesPage(minute(200), [Sale(minute(5)), Sale(minute(4))]),
    )
    folders = [land_series(paths, f"r{n}", page, kind=Sale) for n, page in enumerate(pages)]
    assert database_with(folders).execute(COUNT_SALES).fetchall() == [
        (minute(4), 100, 1), (minute(5), 100, 1), (minute(9), 100, 1),
    ]  # fmt: skip
