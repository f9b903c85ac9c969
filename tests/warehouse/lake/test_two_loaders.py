"""Of two loaders that both believe to hold the lease, one enters each run once, and the other one says so."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import duckdb
import pytest

from common.warehouse_errors import LoaderOvertaken
from tests.support.lakes import postgres_lake
from tests.support.postgres import Postgres, needs_postgres
from tests.support.warehouse import Quote, create_warehouse, land, minute, observe
from warehouse.database import open_reader, open_writer
from warehouse.lake.working_tables import WorkingConnection
from warehouse.landing.reader import read_run
from warehouse.loading.quotes import load_run
from warehouse.paths import WarehousePaths
from warehouse.transactions import enter_epoch, prove_epoch

pytestmark = [needs_postgres, pytest.mark.server, pytest.mark.slow]
ITEMS = 30
COUNTS = """
SELECT (SELECT count(*) FROM store.run), (SELECT count(DISTINCT run_id) FROM store.run),
    (SELECT count(*) FROM store.item), (SELECT count(DISTINCT item_id) FROM store.item),
    (SELECT count(*) FROM store.current), (SELECT count(DISTINCT quote_key) FROM store.current)
"""


def land_run(paths: WarehousePaths, number: int) -> Path:
    """Land a run in which every price moves and one item is new."""
    quotes = [Quote(str(item), 100 + number) for item in range(ITEMS + number)]
    return land(paths, f"r{number:03}", observe(minute(number), *quotes))


def load(db: duckdb.DuckDBPyConnection, folder: Path) -> bool:
    """Load a landing; return whether this loader was overtaken."""
    try:
        load_run(db, read_run(folder), minute(600))
    except LoaderOvertaken:
        return True
    return False


def race(loaders: Sequence[duckdb.DuckDBPyConnection], folder: Path) -> list[bool]:
    """Let loaders, all of them past the lease, load one landing at once; return who was overtaken."""
    for db in loaders:
        enter_epoch(db, WorkingConnection)  # as if they opened the lake now
    start = Barrier(len(loaders))

    def load_at_once(db: duckdb.DuckDBPyConnection) -> bool:
        start.wait(60)
        return load(db, folder)

    with ThreadPoolExecutor(len(loaders)) as pool:
        return list(pool.map(load_at_once, loaders))


def test_the_loader_that_was_overtaken_enters_nothing_more(tmp_path: Path, postgres: Postgres) -> None:
    paths = create_warehouse(tmp_path / "file")
    lake = postgres_lake(postgres.create_database(), tmp_path.as_uri(), tmp_path)
    runs = [land_run(paths, number) for number in range(4)]
    with open_writer(lake):
        pass
    with open_writer(lake) as first, open_writer(lake) as second:
        assert not load(first, runs[0])
        assert load(second, runs[1])  # the first one took the epoch that both had read
        with open_writer(lake) as third:
            assert not load(third, runs[1])
            assert [load(first, runs[2]), load(first, runs[2])] == [True, True]
            assert not load(third, runs[2])
            with pytest.raises(LoaderOvertaken, match="another loader took over"):
                prove_epoch(first)
            prove_epoch(third)
        assert race([first, second], runs[3]).count(True) == 1
    with open_reader(lake) as db:
        assert db.execute(COUNTS).fetchall() == [(4, 4, ITEMS + 3, ITEMS + 3, ITEMS + 3, ITEMS + 3)]


def test_twenty_overtakings(tmp_path: Path, postgres: Postgres) -> None:
    paths = create_warehouse(tmp_path / "file")
    lake = postgres_lake(postgres.create_database(), tmp_path.as_uri(), tmp_path)
    with open_writer(lake) as first, open_writer(lake) as second:
        outcomes = [race([first, second], land_run(paths, number)) for number in range(20)]
    assert [outcome.count(True) for outcome in outcomes] == [1] * 20
    items = ITEMS + 19
    with open_reader(lake) as db:
        assert db.execute(COUNTS).fetchall() == [(20, 20, items, items, items, items)]
