"""The effect of single points on `quote_history`, by their place between the observations."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.support.series_landings import Point, SeriesPage, database_with, land_series
from tests.support.warehouse import Quote, ShardSpec, by_ids, create_warehouse, land, minute, observe

Row = tuple[Any, ...]
Load = Callable[..., duckdb.DuckDBPyConnection]
# Each case is an item in two observations of the catalog, at minutes 0 and 60, of an interval of ten minutes:
# the observed cents (None: not listed), the points (minute, cents, quantity), and the expected history.
FIRST, LAST, CHANGED = (0, 100, 1, "snapshot"), (60, 100, 1, "snapshot"), (30, 120, 1, "backfill")
CASES: dict[str, tuple[int | None, int | None, list[tuple[int, int, int]], list[Row]]] = {
    "another price": (100, 100, [(30, 120, 1)], [FIRST, CHANGED, LAST]),
    "another quantity": (100, 100, [(30, 100, 4)], [FIRST, (30, 100, 4, "backfill"), LAST]),
    "the same state twice": (100, 100, [(30, 120, 1), (35, 120, 1)], [FIRST, CHANGED, LAST]),
    "a change and its return": (
        100, 100, [(30, 120, 1), (40, 100, 1)], [FIRST, CHANGED, (40, 100, 1, "backfill")],
    ),
    "no change": (100, 100, [(30, 100, 1)], [FIRST]),
    "at the observation": (100, 100, [(0, 120, 1)], [FIRST]),
    "at the start of the gap": (100, 100, [(15, 120, 1)], [FIRST, (15, 120, 1, "backfill"), LAST]),
    "soon after the observation": (100, 100, [(5, 120, 1)], [FIRST, (5, 120, 1, "backfill"), LAST]),
    "two changes": (
        100, 100, [(5, 130, 1), (10, 120, 1)],
        [FIRST, (5, 130, 1, "backfill"), (10, 120, 1, "backfill"), LAST],
    ),
    "two changes and a return": (
        100, 100, [(5, 130, 1), (10, 100, 1)], [FIRST, (5, 130, 1, "backfill"), (10, 100, 1, "backfill")],
    ),
    "before all observations": (100, 100, [(-30, 100, 1)], [(-30, 100, 1, "backfill"), FIRST]),
    "after all observations": (100, 100, [(80, 120, 1)], [FIRST, (80, 120, 1, "backfill")]),
    "the state of the next observation": (
        100, 130, [(30, 120, 1), (50, 130, 1)],
        [FIRST, CHANGED, (50, 130, 1, "backfill"), (60, 130, 1, "snapshot")],
    ),
    "only points": (None, None, [(30, 120, 1)], [CHANGED, (60, None, 0, "snapshot")]),
    "before the first observation": (None, 100, [(30, 120, 1)], [CHANGED, LAST]),
    "a closure": (100, None, [(30, 120, 1)], [FIRST, CHANGED, (60, None, 0, "snapshot")]),
}  # fmt: skip


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Return a function that loads points, then observations, each a (minute, shard), into a database."""
    paths = create_warehouse(tmp_path)

    def load_all(
        observations: list[tuple[int, ShardSpec]], *points: Point, **run: Any
    ) -> duckdb.DuckDBPyConnection:
        landings = [land(paths, f"run{at}", shard, **run) for at, shard in observations]
        return database_with([land_series(paths, "points", SeriesPage(minute(500), points)), *landings])

    return load_all


def history(db: duckdb.DuckDBPyConnection, item: str = "1") -> list[Row]:
    """Return the (minutes after noon, cents, quantity, origin) of an item."""
    query = """SELECT valid_from, lowest_ask, quantity, origin FROM quote_history
        WHERE item_id = ? AND delivery = 'standard' ORDER BY valid_from"""
    rows = db.execute(query, [item]).fetchall()
    return [((at - minute(0)).total_seconds() / 60, *state) for at, *state in rows]


def test_points_between_two_observations(load: Load) -> None:
    observed = {0: {n: case[0] for n, case in CASES.items()}, 60: {n: case[1] for n, case in CASES.items()}}
    observations = [
        (at, observe(minute(at), *(Quote(name, cents) for name, cents in prices.items() if cents)))
        for at, prices in observed.items()
    ]
    points = [
        Point(minute(at), cents, quantity, name)
        for name, (_, _, states, _) in CASES.items()
        for at, cents, quantity in states
    ]
    db = load(observations, *points)
    assert {name: history(db, name) for name in CASES} == {name: case[3] for name, case in CASES.items()}


def test_repeated_state_equals_the_observed_one(load: Load) -> None:
    db = load([(at, observe(minute(at), Quote())) for at in (0, 60)], Point(minute(30), 120))
    query = "SELECT lowest_ask, price, changed_at, last_updated, run_id FROM quotes_as_of(?)"
    point = (120, Decimal("1.2"), minute(30), None, "points")
    assert db.execute(query, [minute(59)]).fetchall() == [point]
    assert db.execute(query, [minute(60)]).fetchall() == [(100, 1, minute(0), minute(0), "run60")]


def test_basket_covers_only_its_named_items(load: Load) -> None:
    observations = [(at, observe(minute(at), Quote("2"), items=by_ids("2"))) for at in (20, 30)]
    db = load(observations, Point(minute(35), 120), Point(minute(35), 120, item="2"))
    assert history(db) == [(35, 120, 1, "backfill")]
    assert history(db, "2")[:1] == [(20, 100, 1, "snapshot")]
    assert history(db, "2")[1:] == [(35, 120, 1, "backfill")]


@pytest.mark.slow
def test_observation_of_another_scope_covers_nothing(load: Load) -> None:
    others = [
        observe(minute(20), Quote("2"), currency="EUR"),
        observe(minute(21), Quote("2", provider="csfloat"), providers=("csfloat",)),
        observe(minute(22), Quote("2"), complete=False),
        observe(minute(23), Quote("2", delivery="instant"), deliveries=("instant",)),
    ]
    db = load([(20 + number, other) for number, other in enumerate(others)], Point(minute(30), 120))
    assert history(db) == [CHANGED]


def test_catalog_does_not_cover_an_aggregate(load: Load) -> None:
    phased = Quote("7", name="AK-47 | Finish 1 (Field-Tested)", phase="Ruby")
    db = load([(20, observe(minute(20), phased))], Point(minute(30), 120))
    assert db.execute("SELECT aggregate FROM items WHERE item_id = '1'").fetchall() == [(True,)]
    assert history(db) == [CHANGED]


def test_incomplete_observation_covers_nothing_and_its_rows_count(load: Load) -> None:
    observations = [
        (0, observe(minute(0), Quote())),
        (35, observe(minute(35), Quote(cents=110), complete=False)),
        (60, observe(minute(60), Quote(cents=110))),
    ]
    db = load(observations, Point(minute(30), 120), Point(minute(40), 110), Point(minute(45), 130))
    observed = (35, 110, 1, "snapshot")
    assert history(db) == [FIRST, CHANGED, observed, (45, 130, 1, "backfill"), (60, 110, 1, "snapshot")]


def test_observation_without_an_interval_covers_only_its_own_time(load: Load) -> None:
    observations = [(0, observe(minute(0), Quote()))]
    db = load(observations, Point(minute(0), 130), Point(minute(5), 120), interval_seconds=None)
    assert history(db) == [FIRST, (5, 120, 1, "backfill")]


def test_points_do_not_change_other_deliveries(load: Load) -> None:
    kinds = ("instant", "bid")
    observations = [
        (n, observe(minute(n), Quote(delivery=kind), deliveries=(kind,))) for n, kind in enumerate(kinds)
    ]
    db = load(observations, Point(minute(30), 120))
    query = "SELECT delivery, lowest_ask FROM quote_history ORDER BY ALL"
    assert db.execute(query).fetchall() == [("instant", 100), ("standard", 120)]
    assert db.execute("SELECT highest_bid, origin FROM bid_history").fetchall() == [(100, "snapshot")]
    assert db.execute("SELECT delivery, lowest_ask FROM quotes").fetchall() == [("instant", 100)]


def test_points_of_older_versions_in_a_converted_currency_fill_no_gap(tmp_path: Path) -> None:
    paths = create_warehouse(tmp_path)
    # 25.50 dollars in bitcoin: the API's point has 0 minor units
    coin = Quote(cents=0, price=Decimal("0.000416"))
    observations = [land(paths, f"run{at}", observe(minute(at), coin, currency="BTC")) for at in (0, 60)]
    points = SeriesPage(minute(500), [Point(minute(at), 0, quantity=3) for at in (-30, 30, 80)])
    db = database_with([land_series(paths, "points", points, currency="BTC"), *observations])
    query = "SELECT valid_from, price, quantity, origin FROM quote_history ORDER BY valid_from"
    assert db.execute(query).fetchall() == [(minute(0), Decimal("0.000416"), 1, "snapshot")]
    assert db.execute("FROM quotes_as_of(?)", [minute(-20)]).fetchall() == []
