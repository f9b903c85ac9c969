"""What a feed said to be removed is gone, whatever the order in which that is loaded."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.warehouse import (
    Page,
    Quote,
    Removal,
    ShardSpec,
    create_warehouse,
    item_name,
    land,
    land_and_load,
    load_into_memory,
    minute,
    observe,
    price_history,
    query_rows,
)
from warehouse.paths import WarehousePaths

ITEMS = ("1", "2", "3")
HISTORY = "SELECT item_id, valid_from, price, quantity FROM quote_history ORDER BY ALL"
QUOTES = "SELECT item_id, price FROM quotes ORDER BY ALL"


class Observation(NamedTuple):
    """What a run saw at each of its minutes: prices of items in cents, None for one that was removed.

    A complete one is a snapshot, which lists its items and no others.
    """

    pages: dict[int, dict[str, int | None]]
    complete: bool

    def land(self, paths: WarehousePaths, run_id: str) -> Path:
        """Land the run."""
        pages = [
            Page(minute(at), [self.quote(item, cents) for item, cents in rows.items()], offset=at)
            for at, rows in self.pages.items()
        ]
        live = not self.complete
        shard = ShardSpec(pages, complete=self.complete, live=live, providers=() if live else ("steam",))
        return land(paths, run_id, shard, flow="live" if live else "snapshot")

    def quote(self, item: str, cents: int | None) -> Quote:
        """Return the row of an item."""
        return Removal(item, timestamp=None) if cents is None else Quote(item, cents, timestamp=None)


@st.composite
def observations(draw: st.DrawFn) -> list[Observation]:
    """Draw runs that no two share a minute."""
    prices = st.sampled_from([100, 200])
    minutes = iter(draw(st.permutations(range(12))))
    runs = []
    for _ in range(draw(st.integers(2, 5))):
        if draw(st.booleans()):
            listed = draw(st.dictionaries(st.sampled_from(ITEMS), prices))
            runs.append(Observation({next(minutes): {**listed}}, complete=True))
            continue
        # A landing of a feed has each quote once.
        told = draw(st.dictionaries(st.sampled_from(ITEMS), st.one_of(st.none(), prices), min_size=1))
        pages: dict[int, dict[str, int | None]] = {}
        places = [next(minutes), next(minutes)]
        for item, cents in told.items():
            pages.setdefault(draw(st.sampled_from(places)), {})[item] = cents
        runs.append(Observation(pages, complete=False))
    return runs


def expected_history(runs: Sequence[Observation]) -> list[tuple[str, int, int | None]]:
    """Return each change: the item, the minute, and the price, None where the quote was closed."""
    changes = []
    for item in ITEMS:
        known: int | None = None
        seen = sorted(
            (at, rows.get(item))
            for run in runs
            for at, rows in run.pages.items()
            if item in rows or run.complete
        )
        for at, cents in seen:
            if cents != known:
                changes.append((item, at, cents))
                known = cents
    return changes


@given(observations(), st.randoms(use_true_random=False))
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@pytest.mark.slow
def test_history_is_the_same_in_any_order(
    tmp_path_factory: pytest.TempPathFactory, runs: list[Observation], random: object
) -> None:
    folder = tmp_path_factory.mktemp("market")
    paths = create_warehouse(folder)
    folders = [run.land(paths, f"r{number}") for number, run in enumerate(runs)]
    random.shuffle(folders)  # type: ignore[attr-defined]
    db = load_into_memory(folders)
    history = [
        (item, (at - minute(0)).total_seconds() / 60, None if price is None else int(price * 100))
        for item, at, price, _ in db.execute(HISTORY).fetchall()
    ]
    expected = expected_history(runs)
    assert history == expected
    last = {item: cents for item, _, cents in expected}
    assert db.execute(QUOTES).fetchall() == [
        (item, cents / 100) for item, cents in last.items() if cents is not None
    ]
    shutil.rmtree(folder)


def live(at: float, *quotes: Quote) -> ShardSpec:
    return observe(minute(at), *quotes, complete=False, live=True, providers=())


def test_removed_quote_closes_and_one_that_is_back_is_new(tmp_path: Path) -> None:
    paths = create_warehouse(tmp_path)
    land_and_load(paths, "a", observe(minute(0), Quote("1"), Quote("2", 200)))
    report = land_and_load(paths, "b", live(5, Removal("1"), Removal("9")), flow="live")
    assert (report.rows_changed, report.rows_closed) == (1, 1)
    assert query_rows(paths, "SELECT item_id FROM quotes") == [("2",)]
    assert query_rows(paths, "SELECT market_hash_name, price FROM best_ask") == [(item_name("2"), 2)]
    land_and_load(paths, "c", live(7, Quote("1", 150)), flow="live")
    assert price_history(paths) == [(0, 100, 1), (5, None, 0), (7, 150, 1)]
    ended = "SELECT price, valid_to FROM best_ask_history WHERE market_hash_name = ? ORDER BY valid_from"
    assert query_rows(paths, ended, item_name("1")) == [(1, minute(5)), (1.5, None)]


def test_row_that_was_removed_before_it_arrived_is_no_ghost(tmp_path: Path) -> None:
    paths = create_warehouse(tmp_path)
    land_and_load(paths, "a", observe(minute(0), Quote("2")))
    land_and_load(paths, "b", live(9, Removal("1")), flow="live")
    land_and_load(paths, "c", live(5, Quote("1")), flow="live")
    assert query_rows(paths, "SELECT item_id FROM quotes") == [("2",)]
    assert price_history(paths) == [(5, 100, 1), (9, None, 0)]


def test_feed_closes_nothing_that_it_does_not_name(tmp_path: Path) -> None:
    paths = create_warehouse(tmp_path)
    many = [Quote(str(number)) for number in range(1, 200)]
    land_and_load(paths, "a", observe(minute(0), *many))
    removed = [Removal(str(number)) for number in range(1, 150)]
    land_and_load(paths, "b", live(5, *removed), flow="live")  # which a snapshot would be doubted for
    assert query_rows(paths, "SELECT count(*) FROM quotes") == [(50,)]
    assert query_rows(paths, "SELECT complete, reason FROM observations WHERE run_id = 'b'") == []


@pytest.mark.parametrize("order", ["abc", "acb", "cba"])
def test_what_arrived_last_counts_of_two_events_of_one_time(tmp_path: Path, order: str) -> None:
    paths = create_warehouse(tmp_path)
    folders = {
        "a": land(paths, "a", observe(minute(0), Quote("1"), Quote("2"))),
        "b": land(paths, "b", live(5, Quote("1", 150), Removal("2")), flow="live", started_at=minute(6)),
        "c": land(paths, "c", live(5, Removal("1"), Quote("2", 200)), flow="live", started_at=minute(7)),
    }
    db = load_into_memory(folders[run_id] for run_id in order)
    assert db.execute(QUOTES).fetchall() == [("2", 2)]
