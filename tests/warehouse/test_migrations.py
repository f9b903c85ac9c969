"""A database of an older Floorline is migrated with its rows, even if the writer is killed after that."""

import json
import shutil
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from tests.support.attached_reader import MACROS
from tests.support.backups import back_up, restore
from tests.support.warehouse import Quote, land_and_load, minute, observe, query_rows
from warehouse.database import open_reader, open_writer
from warehouse.export import export_duckdb
from warehouse.landing.model import ShardHeader
from warehouse.migration import SQL, schema_version
from warehouse.paths import WarehousePaths

pytestmark = pytest.mark.file_warehouse("files of older versions, which no lake has")

FIRST = (SQL / "migrations" / "0001_first.sql").read_text()
NEWEST = max(int(step.name[:4]) for step in (SQL / "migrations").iterdir() if step.name.endswith(".sql"))
OLD_ROWS = """
CREATE TEMP MACRO noon() AS TIMESTAMPTZ '2026-06-01 12:00:00Z';
INSERT INTO store.schema_version VALUES (1, now());
INSERT INTO store.item BY NAME SELECT 1 AS item_key, 'cs2cap' AS source, '1' AS item_id, 'AK-47' AS base_name,
    'AK-47 | Finish 1 (Field-Tested)' AS market_hash_name, false AS aggregate;
INSERT INTO store.provider BY NAME SELECT 1 AS provider_key, 'cs2cap' AS source, 'steam' AS provider;
INSERT INTO store.run VALUES (1, 'old', 'snapshot', 'cs2cap', 'all', 'done', noon(), NULL, now(),
    1, 1, 1, 0, 1, NULL, NULL, 600, NULL);
INSERT INTO store.scope VALUES (1, 'cs2cap', 'USD', 'standard', 'catalog');
INSERT INTO store.observation VALUES (1, 1, 1, noon(), noon(), true, NULL, 1, NULL);
INSERT INTO store.current VALUES (1, 1, 'USD', 'standard', 100, 1, 3, NULL, NULL, NULL, noon(),
    noon(), 1);
INSERT INTO store.history VALUES (1, 1, 'USD', 'standard', 100, 1, 3, NULL, NULL, noon(), 1);
INSERT INTO store.reject VALUES ('old/0', 1, 'USD', 'standard', noon(), 'why', '{}', NULL);
"""
# Migrates a database and exits while only the write-ahead log contains the result.
MIGRATE_AND_EXIT = """
import duckdb, os, pathlib, sys
from warehouse.migration import migrate
db = duckdb.connect(sys.argv[1])
migrate(db, pathlib.Path(sys.argv[1]))
os._exit(9)
"""


@pytest.fixture
def paths(tmp_path: Path) -> WarehousePaths:
    """Return a warehouse with a database of schema 1 that has a quote and a reject."""
    paths = WarehousePaths(tmp_path)
    paths.prepare()
    with duckdb.connect(str(paths.writer)) as db:
        db.execute(FIRST)
        db.execute(OLD_ROWS)
    return paths


def quotes_and_rejects(path: Path) -> list[tuple[object, ...]]:
    with open_reader(path) as db:
        return db.execute(
            "SELECT q.price, q.quantity, r.deliveries, r.provider, r.reason FROM quotes q, rejects r"
        ).fetchall()


def test_migration_keeps_all_rows(paths: WarehousePaths) -> None:
    with open_writer(paths.writer) as db:
        assert schema_version(db) == NEWEST
    assert quotes_and_rejects(paths.writer) == [(Decimal(1), 3, ["standard"], None, "why")]


def test_migration_keeps_prices_that_differ_from_their_minor_units(paths: WarehousePaths) -> None:
    price_at = {minute(-30): "1", minute(-20): "1.005", minute(-10): None}
    with duckdb.connect(str(paths.writer)) as db:
        for at, price in price_at.items():
            db.execute(
                "INSERT INTO store.history VALUES (1, 1, 'USD', 'standard', ?, ?, ?, NULL, NULL, ?, 1)",
                [100 if price else None, price, 3 if price else 0, at],
            )
        db.execute("UPDATE store.current SET lowest_ask = 0, price = 0.00000001")
    with open_writer(paths.writer) as db:
        history = "SELECT price FROM quote_history WHERE valid_from < ? ORDER BY valid_from"
        prices = db.execute(history, [minute(0)]).fetchall()
        current = db.execute("SELECT price FROM quotes").fetchall()
    assert prices == [(Decimal(price) if price else None,) for price in price_at.values()]
    assert current == [(Decimal("0.00000001"),)]


def test_analysts_see_the_documented_macros_only(paths: WarehousePaths) -> None:
    with duckdb.connect(str(paths.writer)) as db:  # where an older version left others
        db.execute("CREATE MACRO base_name(name) AS name; CREATE MACRO covers(a, b) AS a = b")
    land_and_load(paths, "b", observe(minute(10), Quote("1")))
    macros = (
        "SELECT DISTINCT function_name FROM duckdb_functions() WHERE schema_name = 'main' AND NOT internal"
    )
    assert query_rows(paths, f"{macros} ORDER BY ALL") == [(name,) for name in sorted(MACROS)]


def test_next_snapshot_continues_the_migrated_history(paths: WarehousePaths) -> None:
    report = land_and_load(paths, "b", observe(minute(10), Quote("1", 100, 3, timestamp=None)))
    assert report.rows_changed == 0
    without_quantity = land_and_load(paths, "c", observe(minute(20), Quote("1", 100, None, timestamp=None)))
    assert without_quantity.rows_changed == 1
    assert query_rows(paths, "SELECT quantity FROM quote_history ORDER BY valid_from") == [(3,), (None,)]


@pytest.mark.slow
def test_writer_killed_after_a_migration_loses_nothing(paths: WarehousePaths) -> None:
    completed = subprocess.run(
        [sys.executable, "-c", MIGRATE_AND_EXIT, str(paths.writer)], check=False, timeout=60
    )
    assert completed.returncode == 9
    assert paths.writer.with_name("market.duckdb.wal").stat().st_size > 0
    with open_writer(paths.writer) as db:
        assert schema_version(db) == NEWEST
    assert quotes_and_rejects(paths.writer) == [(Decimal(1), 3, ["standard"], None, "why")]


@pytest.mark.slow
def test_backup_keeps_the_schema_of_a_database_and_the_restore_migrates_it(
    paths: WarehousePaths, tmp_path: Path
) -> None:
    """Who goes back to an older Floorline restores the backup that was made before the upgrade."""
    manifest = back_up(paths, tmp_path / "backup")
    assert (manifest.database_schema_version, manifest.counts.quotes, manifest.counts.changes) == (1, 1, 1)
    with open_reader(tmp_path / "backup" / "warehouse" / "writer" / "market.duckdb") as db:
        assert schema_version(db) == 1
    restored = WarehousePaths(tmp_path / "restored")
    restore(tmp_path / "backup", restored)
    with open_reader(restored.published) as db:
        assert schema_version(db) == NEWEST
    assert len(quotes_and_rejects(restored.published)) == 1


def test_published_copy_of_an_older_floorline_can_be_exported(paths: WarehousePaths, tmp_path: Path) -> None:
    shutil.copy(paths.writer, paths.published)
    export_duckdb(paths, tmp_path / "export.duckdb")
    with open_reader(tmp_path / "export.duckdb") as db:
        assert schema_version(db) == 1


def test_landing_of_an_older_floorline_is_read() -> None:
    fields = {"number": 1, "currency": "USD", "delivery": "standard", "providers": ["steam"], "items": None}
    assert ShardHeader.parse(json.dumps(fields)) == ShardHeader(1, "USD", ("standard",), ("steam",), None)


def test_views_of_another_version_are_replaced(paths: WarehousePaths) -> None:
    with open_writer(paths.writer) as db:
        db.execute("CREATE OR REPLACE VIEW quotes AS SELECT 'of another version' AS price")
        db.execute("UPDATE store.views_made SET digest = 'another'")
    with open_writer(paths.writer) as db:
        assert db.execute("SELECT price FROM quotes").fetchall() == [(Decimal(1),)]
