"""Landings that arrive late: they enter the history at their time, and `quotes` stays as it is."""

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

# Each observation: the prices of item 1 and item 2 in cents.
OBSERVATIONS = st.lists(st.tuples(st.integers(1, 3), st.integers(1, 3)), min_size=2, max_size=4)


def land_observations(folder: Path, observations: Sequence[tuple[int, int]], currency: str) -> list[Path]:
    """Land the catalog every ten minutes; the timestamp of a quote moves with its price."""
    paths, folders = create_warehouse(folder), []
    previous, timestamps = observations[0], [minute(0)] * 2
    for number, cents in enumerate(observations):
        at = minute(number * 10)
        changed = [now != before for now, before in zip(cents, previous, strict=True)]
        timestamps = [at if moved else time for moved, time in zip(changed, timestamps, strict=True)]
        quotes = [
            Quote(str(item), price, timestamp=time)
            for item, (price, time) in enumerate(zip(cents, timestamps, strict=True), 1)
        ]
        folders.append(land(paths, f"r{number}", observe(at, *quotes, currency=currency)))
        previous = cents
    return folders


def select_facts(db: duckdb.DuckDBPyConnection) -> tuple[list[Any], list[Any]]:
    quotes = "SELECT item_id, currency, lowest_ask, price, quantity, observed_at FROM quotes ORDER BY ALL"
    changes = "SELECT item_id, price, quantity, valid_from, valid_to, run_id FROM quote_history ORDER BY ALL"
    return db.execute(quotes).fetchall(), db.execute(changes).fetchall()


@pytest.mark.slow
@pytest.mark.parametrize("currency", ["USD", "EUR"])
@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(observations=OBSERVATIONS, order=st.randoms(use_true_random=False))
@example(observations=[(1, 1), (2, 1), (1, 1)], order=None)
def test_order_of_loading_does_not_matter(
    currency: str, observations: list[tuple[int, int]], order: Any
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        folders = land_observations(Path(folder), observations, currency)
        shuffled = [folders[0], *folders[:0:-1]] if order is None else order.sample(folders, len(folders))
        in_order, any_order = load_into_memory(folders), load_into_memory(shuffled)

        assert select_facts(any_order) == select_facts(in_order)
        for number, cents in enumerate(observations):
            query = "SELECT price FROM quotes_as_of(?) ORDER BY item_id"
            prices = any_order.execute(query, [minute(number * 10)]).fetchall()
            assert prices == [(Decimal(c) / 100,) for c in cents]


def test_late_landing_does_not_replace_current_quotes(tmp_path: Path) -> None:
    paths = create_warehouse(tmp_path)
    early = land(paths, "early", observe(minute(0), Quote(cents=100)))
    moved = early.rename(tmp_path / "moved")
    land(paths, "late", observe(minute(10), Quote(cents=120)))
    load(paths)
    moved.rename(early)
    report = load(paths)[0]

    assert (report.rows_late, report.rows_changed) == (1, 1)
    assert query_rows(paths, "SELECT price, observed_at FROM quotes") == [(Decimal("1.20"), minute(10))]
    assert price_history(paths) == [(0, 100, 1), (10, 120, 1)]
    assert query_rows(paths, "SELECT price FROM quotes_as_of(?)", minute(5)) == [(1,)]


def test_item_of_a_late_landing_only_is_listed_until_the_next_observation(tmp_path: Path) -> None:
    paths = create_warehouse(tmp_path)
    folders = [
        land(paths, "a", observe(minute(0), Quote("1"))),
        land(paths, "c", observe(minute(20), Quote("1"))),
        land(paths, "b", observe(minute(10), Quote("1"), Quote("2", 70))),
    ]
    db = load_into_memory(folders)

    assert db.execute("SELECT item_id FROM quotes").fetchall() == [("1",)]
    query = "SELECT valid_from, lowest_ask FROM quote_history WHERE item_id = '2' ORDER BY valid_from"
    assert db.execute(query).fetchall() == [(minute(10), 70), (minute(20), None)]


def test_late_landing_closes_nothing_that_was_observed_later(tmp_path: Path) -> None:
    paths = create_warehouse(tmp_path)
    folders = [
        land(paths, "a", observe(minute(0), Quote("1"), Quote("2"))),
        land(paths, "c", observe(minute(20), Quote("1"), Quote("2"))),
        land(paths, "b", observe(minute(10), Quote("1"))),
    ]
    db = load_into_memory(folders)
    assert db.execute("SELECT count(*) FROM quotes").fetchall() == [(2,)]


def test_row_on_the_last_page_of_a_later_extraction_enters_the_history_once(tmp_path: Path) -> None:
    """The later extraction took 30 s and has the item on its last page: its first page adds no row."""
    paths = create_warehouse(tmp_path)
    extraction = ShardSpec([Page(minute(20), [Quote("2")]), Page(minute(20.5), [Quote("1", 130)], offset=1)])
    folders = [
        land(paths, "a", observe(minute(0), Quote("1"), Quote("2"))),
        land(paths, "c", extraction),
        land(paths, "b", observe(minute(10), Quote("1", 120), Quote("2"))),
    ]
    db = load_into_memory(folders)
    query = "SELECT valid_from, lowest_ask FROM quote_history WHERE item_id = '1' ORDER BY valid_from"
    assert db.execute(query).fetchall() == [(minute(0), 100), (minute(10), 120), (minute(20.5), 130)]


def test_basket_is_late_only_where_a_later_observation_exists(tmp_path: Path) -> None:
    paths = create_warehouse(tmp_path)
    folders = [
        land(paths, "a", observe(minute(0), Quote("1"), Quote("2"), items=by_ids("1", "2"))),
        land(paths, "c", observe(minute(20), Quote("1"), items=by_ids("1"))),
        land(paths, "b", observe(minute(10), Quote("1", 110), Quote("2", 110), items=by_ids("1", "2"))),
    ]
    db = load_into_memory(folders)
    assert db.execute("SELECT item_id, lowest_ask FROM quotes ORDER BY ALL").fetchall() == [
        ("1", 100),
        ("2", 110),
    ]


def test_late_landing_behind_an_incomplete_one_does_not_put_quotes_back(tmp_path: Path) -> None:
    paths = create_warehouse(tmp_path)
    folders = [
        land(paths, "a", observe(minute(0), Quote(cents=100))),
        land(paths, "c", observe(minute(20), Quote(cents=100), complete=False)),
        land(paths, "b", observe(minute(10), Quote(cents=110))),
    ]
    db = load_into_memory(folders)
    assert db.execute("SELECT price, observed_at FROM quotes").fetchall() == [(1, minute(20))]
    changes = db.execute("SELECT valid_from, lowest_ask FROM quote_history ORDER BY ALL").fetchall()
    assert changes == [(minute(0), 100), (minute(10), 110), (minute(20), 100)]


@pytest.mark.lake
def test_late_absence_leaves_its_trace(tmp_path: Path) -> None:
    paths = create_warehouse(tmp_path)
    folders = [
        land(paths, "a", observe(minute(0), Quote("1"), Quote("2"))),
        land(paths, "c", observe(minute(20), Quote("1"), Quote("2", timestamp=minute(15)))),
        land(paths, "b", observe(minute(10), Quote("1"))),
    ]
    db = load_into_memory(folders)
    changes = "SELECT valid_from, lowest_ask, changed_at FROM quote_history WHERE item_id = '2' ORDER BY ALL"
    # The last row was no change when it was loaded: it comes from its landing, with its own timestamp.
    assert db.execute(changes).fetchall() == [
        (minute(0), 100, minute(0)),
        (minute(10), None, minute(10)),
        (minute(20), 100, minute(15)),
    ]


def test_row_from_before_a_loss_closes_where_a_later_run_lacked_it(tmp_path: Path) -> None:
    paths = create_warehouse(tmp_path)
    folders = [
        land(paths, "c", observe(minute(20), Quote("1"))),
        land(paths, "a", observe(minute(0), Quote("1"), Quote("2"), complete=False)),
    ]
    db = load_into_memory(folders)
    assert db.execute("SELECT item_id FROM quotes").fetchall() == [("1",)]
    closed = "SELECT valid_from FROM quote_history WHERE price IS NULL"
    assert db.execute(closed).fetchall() == [(minute(20),)]


@pytest.mark.slow
def test_names_of_a_late_landing_do_not_come_back(tmp_path: Path) -> None:
    paths = create_warehouse(tmp_path)
    new, old = "AK-47 | New Name", "AK-47 | Old Name"
    folders = [
        land(paths, "a", observe(minute(0), Quote(name=new))),
        land(paths, "c", observe(minute(20), Quote(name=new))),
        land(paths, "b", observe(minute(10), Quote(name=old))),
    ]
    db = load_into_memory(folders)
    assert db.execute("SELECT DISTINCT market_hash_name FROM quotes").fetchall() == [(new,)]
    renamed = load_into_memory([*folders, land(paths, "d", observe(minute(30), Quote(name=old)))])
    assert renamed.execute("SELECT DISTINCT market_hash_name FROM quotes").fetchall() == [(old,)]


def run_in_euros(run_id: str, at: float, cents: int, until: float | None = None) -> tuple[str, ShardSpec]:
    """Return a run with one row of item 1, and perhaps a second page without it."""
    pages = [Page(minute(at), [Quote(cents=cents, last_updated=minute(at))])]
    if until is not None:
        pages.append(Page(minute(until), [], offset=1))
    return run_id, ShardSpec(pages, currency="EUR")


@pytest.mark.parametrize(
    ("runs", "answer"),
    [
        # The rows of the runs in order of time; the one that is loaded last is named `late`.
        ([("a", 0, 120), ("b", 10, 110), ("late", 20, 120), ("c", 30, 120)], "late"),
        ([("a", 0, 120), ("b", 10, 110), ("late", 20, 110), ("c", 30, 120)], "c"),
        ([("a", 0, 120), ("b", 10, 110), ("late", 20, 110), ("c", 30, 110)], "b"),
        ([("a", 0, 120), ("b", 10, 110), ("late", 20, 120), ("c", 30, 110)], "c"),
        ([("a", 0, 120), ("b", 10, 110, 25), ("late", 20, 120), ("c", 30, 110)], "c"),
        ([("a", 0, 120), ("b", 10, 110, 25), ("late", 20, 110), ("c", 30, 110)], "b"),
    ],
    ids=["new", "guard-repeated", "guard-all-equal", "guard-other", "new-during", "guard-equal-during"],
)
def test_late_row_of_a_converted_price_leaves_the_last_answer(
    tmp_path: Path, runs: Sequence[tuple[Any, ...]], answer: str
) -> None:
    """An answer is a row with another amount than the row before it."""
    paths = create_warehouse(tmp_path)
    shards = dict(run_in_euros(*run) for run in runs)
    order = sorted(shards, key=lambda run_id: run_id == "late")
    db = load_into_memory([land(paths, run_id, shards[run_id]) for run_id in order])

    at = next(minute(run[1]) for run in runs if run[0] == answer)
    query = "SELECT run_id, last_updated FROM quotes"
    assert db.execute(query).fetchall() == [(answer, at)]


@pytest.mark.parametrize("order", ["ab", "ba"], ids=["in-order", "late"])
@pytest.mark.parametrize("stray", ["row", "reject"])
def test_what_one_shard_has_of_another_provider_keeps_no_quote_of_it(
    tmp_path: Path, stray: str, order: str
) -> None:
    """Two shards request the catalog: the one of steam has a row, or a reject, that is none of steam's.

    A guard only for a reject in order.
    """
    paths = create_warehouse(tmp_path)
    rows = [Quote(provider="csfloat"), Quote("2", provider="csfloat")]
    at_first = [observe(minute(0), Quote("1"), Quote("2")), observe(minute(0), *rows, providers=("csfloat",))]
    extra = [Quote("3", provider="csfloat")] if stray == "row" else []
    rejects = [("did not fit", '{"item_id": 2, "provider": "unheard-of"}')] if stray == "reject" else []
    later = [
        observe(minute(10), Quote("1"), *extra, rejects=rejects),
        observe(minute(10), rows[0], providers=("csfloat",)),
    ]
    folders = {"a": land(paths, "a", *at_first), "b": land(paths, "b", *later)}
    db = load_into_memory([folders[run_id] for run_id in order])

    closed = "SELECT provider, item_id, valid_from FROM quote_history WHERE price IS NULL ORDER BY ALL"
    kept = [] if stray == "reject" else [("steam", "2", minute(10))]
    assert db.execute(closed).fetchall() == [("csfloat", "2", minute(10)), *kept]
    complete = "SELECT bool_and(complete) FROM observations WHERE run_id = 'b' AND provider = 'csfloat'"
    assert db.execute(complete).fetchall() == [(True,)]
