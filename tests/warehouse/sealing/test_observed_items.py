"""What the runs of sealed months returned is in files, of which a load reads those that it may need."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from common.warehouse_errors import SealedMonthUnreadable
from tests.support.sealed_months import DAY, LATER, load_landings
from tests.support.warehouse import Quote, create_warehouse, land, minute, observe
from warehouse.database import open_reader, open_writer
from warehouse.export import export_duckdb
from warehouse.paths import WarehousePaths
from warehouse.publish import publish
from warehouse.sealing.months import seal_months
from warehouse.sealing.observed_items import find_item_files, take_back_items, view_items

pytestmark = pytest.mark.file_warehouse("the files of sealed months, of which a lake has rows")

ROWS = "SELECT * FROM {} ORDER BY ALL"
JULY, SEPTEMBER = datetime(2026, 7, 1, tzinfo=UTC), datetime(2026, 9, 1, tzinfo=UTC)


@pytest.fixture
def paths(tmp_path: Path) -> WarehousePaths:
    """Return a warehouse with a run of 1,100 items in June, and of one item in July and in October."""
    paths = create_warehouse(tmp_path / "warehouse")
    quotes = [Quote(str(item)) for item in range(1, 1101)]
    landings = [
        land(paths, "june", observe(minute(0), *quotes)),
        land(paths, "july", observe(minute(40 * DAY), Quote(cents=101), complete=False)),
        land(paths, "october", observe(minute(130 * DAY), Quote(cents=102), complete=False)),
    ]
    with open_writer(paths.loader_database) as db:
        load_landings(db, landings)
    return paths


@pytest.mark.slow
def test_rows_move_into_a_file_of_each_month_and_come_back(paths: WarehousePaths) -> None:
    with open_writer(paths.loader_database) as db:
        rows = db.execute(ROWS.format("store.observed_items")).fetchall()
        assert sorted(len(row[-1]) for row in rows) == [1, 1, 77, 511, 512]
        assert len(seal_months(db, minute(125 * DAY))) == 4  # up to September, of which no run has a row
        assert [file.month.month for file in find_item_files(db)] == [6, 7]
    publish(paths)
    export_duckdb(paths, paths.root / "exported.duckdb")
    with open_reader(paths.root / "exported.duckdb") as db:
        assert db.execute(ROWS.format("store.observed_items")).fetchall() == rows
    with open_writer(paths.loader_database) as db:
        left = db.execute(ROWS.format("store.observed_items")).fetchall()
        assert left == [row for row in rows if row[0] == 3]
        view_items(db)
        assert db.execute(ROWS.format("known_items")).fetchall() == rows
        take_back_items(db, JULY)
        assert [file.month.month for file in find_item_files(db)] == [6]
        take_back_items(db, None)
        assert find_item_files(db) == ()
        assert db.execute(ROWS.format("store.observed_items")).fetchall() == rows


@pytest.mark.slow
def test_only_files_are_needed_that_may_have_a_row(paths: WarehousePaths) -> None:
    with open_writer(paths.loader_database) as db:
        seal_months(db, minute(125 * DAY))
        (july,) = (file.path for file in find_item_files(db, since=JULY))
        july.unlink()
        view_items(db, SEPTEMBER)
        with pytest.raises(SealedMonthUnreadable, match="the observed items of 2026-07, is missing"):
            view_items(db, JULY)
        with pytest.raises(SealedMonthUnreadable, match="the observed items of 2026-07, is missing"):
            take_back_items(db, None)


@pytest.mark.slow
def test_lists_of_an_older_version_are_cut(paths: WarehousePaths) -> None:
    items = list(range(1, 1301))
    with open_writer(paths.loader_database) as db:
        db.execute("INSERT INTO store.observed_items VALUES (2, 1, 1, ?, ?)", [minute(1), items])
        seal_months(db, LATER)
        view_items(db)
        lists = db.execute("SELECT item_keys FROM known_items WHERE observed_at = ?", [minute(1)]).fetchall()
    assert sorted(keys for (keys,) in lists) == [items[:512], items[512:1024], items[1024:]]
