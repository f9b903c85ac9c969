"""The best asks that the loads keep equal a model in plain Python, after each load and after a rebuild."""

from __future__ import annotations

import tempfile
from collections import defaultdict
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.asks_model import AsksModel, rows_of
from tests.support.series_landings import Point, SeriesPage, land_series
from tests.support.warehouse import (
    Quote,
    ShardSpec,
    by_ids,
    create_warehouse,
    land,
    minute,
    observe,
)
from warehouse.database import open_reader, open_writer
from warehouse.landing.reader import read_run
from warehouse.loading.quotes import load_run
from warehouse.paths import WarehousePaths
from warehouse.rebuild import rebuild

BEST = "item, currency, source, provider, delivery, lowest_ask, price, quantity, valid_from, valid_to"
DAILY = "item, currency, day, open, high, low, close, open_at, close_at"
KNIFE = "★ Karambit | Doppler (Factory New)"
PROVIDERS = {"cs2cap": ("steam", "csfloat", "buff163"), "skinshark": ("csfloat", "buff163")}
ITEMS: Sequence[dict[str, Any]] = (
    {"item": "1"},
    {"item": "2"},
    {"item": "9", "name": KNIFE},
    {"item": "8", "name": KNIFE, "phase": "Ruby"},
)
QUOTES = st.builds(
    lambda item, provider, cents, quantity: Quote(
        **item, provider=provider, cents=cents, quantity=quantity, timestamp=None
    ),
    st.sampled_from(ITEMS),
    st.sampled_from(PROVIDERS["cs2cap"]),
    st.sampled_from((0, 95, 100, 100, 105, 130)),
    st.sampled_from((None, 0, 1, 1, 2)),
)
# A run: its source, the minute at which it observes, its interval, and what it returns, from which items.
RUNS = st.tuples(
    st.sampled_from((*PROVIDERS, "cs2cap", "cs2cap")),
    st.integers(0, 400).map(lambda tens: 10 * tens),
    st.sampled_from((None, 600, 86_400, 86_400)),
    st.lists(QUOTES, max_size=9, unique_by=lambda quote: (quote.item, quote.provider)),
    st.sampled_from((None, None, by_ids("1"))),
    st.booleans(),
)
POINTS = st.lists(
    st.builds(
        lambda five, item, cents: Point(minute(5 * five), cents, item=item),
        st.integers(0, 900),
        st.sampled_from("12"),
        st.sampled_from((80, 100, 140)),
    ),
    max_size=12,
    unique_by=lambda point: (point.at, point.item),
)


def check(db: duckdb.DuckDBPyConnection) -> None:
    """Compare the best asks, and their days, with the model."""
    model = AsksModel(db)
    history = defaultdict(list)
    for item, currency, *best_ask in rows_of(db, f"SELECT {BEST} FROM best_ask_history ORDER BY valid_from"):
        history[item, currency].append(tuple(best_ask))
    assert history == model.best_history()
    days = {row[:3]: row[3:] for row in rows_of(db, f"SELECT {DAILY} FROM best_ask_daily_ohlc")}
    assert days == model.daily_best()


def land_run(paths: WarehousePaths, run_id: str, run: Any) -> Path:
    """Land a run of RUNS."""
    source, at, interval, quotes, items, complete = run
    providers = PROVIDERS[source]
    rows = [quote for quote in quotes if quote.provider in providers and (items is None or quote.item == "1")]
    shard: ShardSpec = observe(minute(at), *rows, providers=providers, items=items, complete=complete)
    return land(paths, run_id, shard, source=source, basket=f"b{interval}", interval_seconds=interval)


@pytest.mark.slow
def test_best_ask_that_only_points_know_ends_a_day_after_the_last_point(tmp_path: Path) -> None:
    """No observation would ever end it; one that comes later still may."""
    paths = create_warehouse(tmp_path)
    page = SeriesPage(minute(400), [Point(minute(0), 100), Point(minute(60), 110), Point(minute(120), 110)])
    points = land_series(paths, "points", page)
    week = 7 * 24 * 60
    seen = observe(minute(week), Quote(item="2"), items=by_ids("2"))
    with open_writer(paths.loader_database) as db:
        load_run(db, read_run(points), minute(500))
        load_run(db, read_run(land(paths, "seen", seen, interval_seconds=600)), minute(week))
        times = "SELECT price, valid_from, valid_to FROM best_ask_history WHERE item LIKE '% 1 %' ORDER BY 2"
        first = (Decimal(1), minute(0), minute(60))
        assert rows_of(db, times) == [first, (Decimal("1.1"), minute(60), minute(120 + 24 * 60))]
        days = rows_of(db, "SELECT day FROM best_ask_daily_ohlc WHERE item LIKE '% 1 %' ORDER BY ALL")
        assert [day for (day,) in days] == [minute(0).date(), minute(24 * 60).date()]
        assert rows_of(db, "SELECT max(day) FROM daily_ohlc WHERE item LIKE '% 1 %'") == [days[-1]]
        sooner = land(paths, "sooner", observe(minute(200), Quote(cents=90)), interval_seconds=600)
        load_run(db, read_run(sooner), minute(week))
        check(db)
        assert rows_of(db, times)[1] == (Decimal("1.1"), minute(60), minute(200))


@pytest.mark.file_warehouse("ends with a rebuild, which makes the database's file anew")
@pytest.mark.slow
@settings(max_examples=6, deadline=None)
@given(st.lists(RUNS, min_size=1, max_size=12), POINTS, st.integers(0, 12))
def test_best_asks_of_random_loads_equal_the_model(runs: Any, points: Any, place: int) -> None:
    """Load runs in any order of their times, points between them, and rebuild the database."""
    with tempfile.TemporaryDirectory() as folder:
        paths = create_warehouse(Path(folder))
        folders = [land_run(paths, f"r{number:02}", run) for number, run in enumerate(runs)]
        if points:
            page = SeriesPage(minute(5000), sorted(points, key=lambda point: point.at))
            folders.insert(place, land_series(paths, "points", page))
        with open_writer(paths.loader_database) as db:
            db.execute("SET threads = 1")
            for landed in folders:
                load_run(db, read_run(landed), minute(6000))
                if rows_of(db, "FROM observations LIMIT 1"):
                    check(db)
        rebuild(paths, lambda: minute(6000), wait=0)
        with open_reader(paths.published_database) as reader:
            if rows_of(reader, "FROM observations LIMIT 1"):
                check(reader)
