"""What random worlds have shown to depend on the order of loading, one case each."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.support.warehouse import (
    Page,
    Quote,
    ShardSpec,
    create_warehouse,
    land,
    land_and_load,
    load_into_memory,
    minute,
    observe,
    open_empty_database,
    query_rows,
    run_header,
)
from tests.support.worlds.landings import CatalogItem, Landing, write_landing
from warehouse.landing.reader import read_run
from warehouse.loading.quotes import load_run
from warehouse.paths import WarehousePaths

KNIFE = "★ Karambit | Doppler (Factory New)"
AGGREGATE, RUBY = Quote("9", name=KNIFE), Quote("8", name=KNIFE, phase="Ruby")
OLD, NEW = "AK-47 | Finish 1 (Field-Tested)", "M4A4 | Finish 1 (Field-Tested)"
RENAMED = "AK-47 | Finish 2 (Field-Tested)"
UNREADABLE = f'{{"item_id": 1, "market_hash_name": "{NEW}", "provider": "steam"}}'


@pytest.mark.slow
def test_catalog_covers_an_aggregate_that_it_returned_before_a_phase_was_known(tmp_path: Path) -> None:
    paths = create_warehouse(tmp_path)
    pages = [Page(minute(0), [AGGREGATE]), Page(minute(2), [], offset=1)]
    land_and_load(paths, "a", ShardSpec(pages))
    land_and_load(paths, "b", observe(minute(5), RUBY, items=(("8", KNIFE, "Ruby"),)))
    assert query_rows(paths, "SELECT observed_at FROM quotes WHERE aggregate") == [(minute(2),)]
    assert land_and_load(paths, "c", observe(minute(10), RUBY)).rows_closed == 1


@pytest.mark.parametrize("order", ["ab", "ba"])
def test_item_that_a_request_named_is_an_item_in_any_order(tmp_path: Path, order: str) -> None:
    paths = create_warehouse(tmp_path)
    shards = {
        "a": observe(minute(0), items=(("1", OLD, None),)),
        "b": observe(minute(10), Quote("1", name=NEW)),
    }
    db = load_into_memory([land(paths, run_id, shards[run_id]) for run_id in order])
    names = db.execute("SELECT market_hash_name FROM items ORDER BY ALL").fetchall()
    assert names == [(OLD,), (NEW,)]


@pytest.mark.slow
def test_doubt_outlives_what_is_computed_anew_from_a_later_time(tmp_path: Path) -> None:
    """Every load computes the quotes of an id with two base names anew, from its own time on."""
    paths = create_warehouse(tmp_path)
    rejected = Page(minute(22), [], offset=1, rejects=[("bad price", UNREADABLE)])
    euros = ShardSpec([Page(minute(30), [Quote("2")]), Page(minute(32), [], offset=1)], currency="EUR")
    folders = [
        land(paths, "a", observe(minute(0), Quote("1", name=OLD))),
        land(paths, "b", ShardSpec([Page(minute(20), []), rejected]), euros),
        land(paths, "c", observe(minute(21), Quote("1", name=NEW), complete=False)),
        land(paths, "d", observe(minute(31), Quote("2"), currency="EUR", complete=False)),
    ]
    db = load_into_memory(folders)
    query = "SELECT observed_at FROM quotes WHERE market_hash_name = ?"
    assert db.execute(query, [NEW]).fetchall() == [(minute(21),)]


@pytest.mark.parametrize("order", ["abcd", "acdb"])
def test_first_of_two_rows_of_one_time_is_the_change(tmp_path: Path, order: str) -> None:
    """Of runs that started at one time, the order of their ids counts."""
    paths = create_warehouse(tmp_path)
    rows = {"a": (0, 100), "b": (10, 120), "c": (10, 120), "d": (20, 120)}
    folders = [
        land(paths, run_id, observe(minute(at), Quote(cents=cents)), started_at=minute(at))
        for run_id, (at, cents) in ((each, rows[each]) for each in order)
    ]
    db = load_into_memory(folders)
    assert db.execute("SELECT run_id FROM quotes").fetchall() == [("b",)]
    assert dict(db.execute("SELECT run_id, rows_changed FROM runs").fetchall()) == {
        "a": 1,
        "b": 1,
        "c": 0,
        "d": 0,
    }


@pytest.mark.parametrize("order", ["abcd", "abdc", "adbc", "dcba"])
@pytest.mark.parametrize("last", [100, 120])
def test_rows_of_one_time_follow_the_starts_of_their_runs(tmp_path: Path, order: str, last: int) -> None:
    """A clock of whole seconds gives one time to the rows of several runs; their landings are gone."""
    rows = {"a": (0, 100), "b": (1, 120), "c": (2, 120), "d": (3, last)}
    db = open_empty_database()
    for run_id in order:
        start, cents = rows[run_id]
        paths = create_warehouse(tmp_path / run_id)
        shard = observe(minute(10), Quote(cents=cents))
        load_run(db, read_run(land(paths, run_id, shard, started_at=minute(start))), minute(600))
        shutil.rmtree(paths.landing)
    changes = db.execute("SELECT run_id, lowest_ask FROM quote_history ORDER BY valid_from").fetchall()
    assert changes == [("a", 100), ("b", 120), ("d", last)][: 3 if last == 100 else 2]


def test_catalog_of_a_later_run_names_an_item_that_this_run_has_a_row_of(tmp_path: Path) -> None:
    paths = create_warehouse(tmp_path)
    long = [Page(minute(0), [Quote("1", name=OLD)]), Page(minute(20), [], offset=1)]
    later = [Page(minute(10), [Quote("1", name=RENAMED)]), Page(minute(30), [], offset=1)]
    db = load_into_memory([land_with_catalog(paths, "a", long), land_with_catalog(paths, "b", later)])
    assert db.execute("SELECT market_hash_name FROM items").fetchall() == [(RENAMED,)]


def land_with_catalog(paths: WarehousePaths, run_id: str, pages: Sequence[Page]) -> Path:
    """Land a run that fetched a catalog of the item in its first row."""
    row = pages[0].quotes[0]
    catalog = [CatalogItem("1", row.name or "", None, "Weapon", None)]
    write_landing(paths.landing, Landing(run_header(run_id, pages[0].at), [ShardSpec(pages)], items=catalog))
    return paths.landing / run_id
