"""A backup is whole or none, holds what belongs together, and disturbs no run."""

import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from filelock import FileLock

from common.warehouse_errors import (
    DatabaseUnreadable,
    NotPublished,
    StateDamaged,
    TargetExists,
    TargetUnwritable,
    WarehouseLocked,
)
from tests.support.backups import back_up, dump_views, lose_disk, restore
from tests.support.clocks import NOON
from tests.support.database_damage import flip_both, overwrite
from tests.support.warehouse import (
    Quote,
    land_and_load,
    load,
    minute,
    observe,
    query_rows,
    quotes_frame,
    run_header,
)
from warehouse.backup.manifest import verify_backup
from warehouse.database import connect_reader, writer_lock
from warehouse.landing.inventory import pending_landings
from warehouse.landing.writer import LandingWriter
from warehouse.paths import WarehousePaths
from warehouse.targets import partial_of

pytestmark = pytest.mark.file_warehouse("a backup is of one machine's folder")


@pytest.mark.slow
def test_landing_that_is_being_written_is_a_run_that_was_interrupted(
    paths: WarehousePaths, tmp_path: Path
) -> None:
    shard = observe(minute(30), Quote("2", 222))
    with LandingWriter(paths.landing, run_header("fetching", minute(30))) as landing:
        landing.open_shard(shard.header(1)).append(shard.pages[0].meta(), quotes_frame(shard.pages[0].quotes))
        back_up(paths, tmp_path / "backup")
    lose_disk(paths)
    restore(tmp_path / "backup", paths)
    assert {landing.folder.name for landing in pending_landings(paths.landing)} == {"waiting", "fetching"}
    load(paths)
    assert query_rows(paths, "SELECT state FROM runs WHERE run_id = 'fetching'") == [("crashed",)]
    assert query_rows(paths, "SELECT lowest_ask FROM quotes WHERE item_id = '2'") == [(222,)]


def test_changes_of_a_killed_writer_are_in_the_backup(paths: WarehousePaths, tmp_path: Path) -> None:
    """The log of a killed writer belongs to its database."""
    import duckdb

    db = duckdb.connect(str(paths.writer))
    db.execute("PRAGMA disable_checkpoint_on_shutdown")
    db.execute("UPDATE store.run SET basket = 'renamed'")
    db.close()
    assert paths.writer.with_name("market.duckdb.wal").exists()
    back_up(paths, tmp_path / "backup")
    lose_disk(paths)
    restore(tmp_path / "backup", paths)
    assert query_rows(paths, "SELECT DISTINCT basket FROM runs") == [("renamed",)]


@pytest.mark.parametrize("lost", ["writer", "published"])
def test_backup_of_one_damaged_database_uses_the_other(
    paths: WarehousePaths, tmp_path: Path, lost: str
) -> None:
    expected = dump_views(paths)
    database: Path = getattr(paths, lost)
    database.chmod(0o600)
    overwrite(database, b"text" * 1000)
    back_up(paths, tmp_path / "backup")
    lose_disk(paths)
    restore(tmp_path / "backup", paths)
    assert dump_views(paths) == expected


def lose_state(paths: WarehousePaths) -> None:
    overwrite(paths.state, b"text" * 1000)


@pytest.mark.parametrize(
    ("damage", "error"),
    [(flip_both, DatabaseUnreadable), (lose_state, StateDamaged)],
    ids=["database", "state"],
)
def test_damage_is_never_backed_up(
    paths: WarehousePaths, tmp_path: Path, damage: Callable[[WarehousePaths], object], error: type[Exception]
) -> None:
    damage(paths)
    with pytest.raises(error):
        back_up(paths, tmp_path / "backup")
    assert list(tmp_path.iterdir()) == [paths.root]


def test_backup_replaces_nothing(paths: WarehousePaths, tmp_path: Path) -> None:
    target = tmp_path / "backup"
    target.mkdir()
    with pytest.raises(TargetExists, match="exists already"):
        back_up(paths, target)
    assert list(target.iterdir()) == []


def test_next_backup_removes_the_rest_of_one_that_was_killed(paths: WarehousePaths, tmp_path: Path) -> None:
    killed = partial_of(tmp_path / "yesterday")
    shutil.copytree(paths.root, killed)
    killed.with_suffix(".lock").touch()
    running = partial_of(tmp_path / "another")
    running.mkdir()
    with FileLock(running.with_suffix(".lock")):
        back_up(paths, tmp_path / "today")
    folders = {path for path in tmp_path.iterdir() if path.is_dir()}
    assert folders == {paths.root, tmp_path / "today", running}


def test_backup_says_which_folder_cannot_be_written(paths: WarehousePaths, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for target in (tmp_path / "file" / "backup", Path("/proc/backup"), tmp_path / ("x" * 300) / "backup"):
        with pytest.raises(TargetUnwritable, match="choose a folder that you may write"):
            back_up(paths, target)


def test_two_backups_into_one_folder_are_refused(paths: WarehousePaths, tmp_path: Path) -> None:
    lock = partial_of(tmp_path / "backup").with_suffix(".lock")
    with FileLock(lock), pytest.raises(TargetExists, match="another process writes"):
        back_up(paths, tmp_path / "backup")


@pytest.mark.parametrize("name", ["landing", "catalog", "writer"])
def test_backup_is_not_written_among_the_files_that_it_copies(paths: WarehousePaths, name: str) -> None:
    with pytest.raises(TargetUnwritable, match="choose a folder"):
        back_up(paths, paths.root / name / "backup")
    assert not (paths.root / name / "backup").exists()


def test_backup_waits_for_a_load(paths: WarehousePaths, tmp_path: Path) -> None:
    with writer_lock(paths, 0), pytest.raises(WarehouseLocked):
        back_up(paths, tmp_path / "backup")
    assert not (tmp_path / "backup").exists()


def test_no_warehouse_is_no_backup(tmp_path: Path) -> None:
    with pytest.raises(NotPublished, match="no warehouse"):
        back_up(WarehousePaths(tmp_path / "none"), tmp_path / "backup")
    assert list(tmp_path.iterdir()) == []


def test_warehouse_without_runs_can_be_restored(tmp_path: Path) -> None:
    paths = WarehousePaths(tmp_path / "data")
    paths.prepare()
    back_up(paths, tmp_path / "backup")
    restore(tmp_path / "backup", WarehousePaths(tmp_path / "new"))
    assert (
        land_and_load(WarehousePaths(tmp_path / "new"), "first", observe(minute(1), Quote())).rows_fetched
        == 1
    )


def test_manifest_says_when_and_by_which_version(backed_up: Path) -> None:
    manifest = verify_backup(backed_up)
    assert manifest.created_at == NOON.astimezone(UTC)
    assert isinstance(manifest.created_at, datetime)
    with connect_reader(backed_up / "warehouse" / "writer" / "market.duckdb") as db:
        newest = db.execute("SELECT max(version) FROM store.schema_version").fetchall()
    assert newest == [(manifest.database_schema_version,)]
