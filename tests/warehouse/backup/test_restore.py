"""A restore brings back what was there, or nothing: the database, landings, alerts."""

import json
import shutil
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock

from common.warehouse_errors import (
    BackupDamaged,
    WarehouseLocked,
    WarehouseNotEmpty,
    WarehouseUnusable,
)
from tests.support.backups import ALERT, back_up, dump_views, lose_disk, restore
from tests.support.clocks import NOON
from tests.support.warehouse import (
    Quote,
    copy_warehouse,
    land_and_load,
    load,
    minute,
    observe,
    query_rows,
    run_header,
)
from warehouse.database import writer_lock
from warehouse.landing.writer import LandingWriter
from warehouse.paths import WarehousePaths
from warehouse.state.alerts import AlertStore
from warehouse.state.database import open_state

pytestmark = pytest.mark.file_warehouse("a backup is of one machine's folder")


@pytest.mark.slow
def test_restore_onto_an_empty_folder_equals_the_backup(paths: WarehousePaths, tmp_path: Path) -> None:
    manifest = back_up(paths, tmp_path / "backup")
    expected = dump_views(paths)
    land_and_load(paths, "later", observe(minute(9), Quote("1", 5)))
    lose_disk(paths)
    result = restore(tmp_path / "backup", paths)
    assert result.aside is None
    assert dump_views(paths) == expected
    assert (manifest.counts.runs, manifest.counts.quotes, manifest.counts.changes) == (2, 30, 59)
    assert (manifest.counts.landings, manifest.counts.waiting, manifest.counts.open_alerts) == (3, 1, 1)
    assert stat.S_IMODE(paths.published.stat().st_mode) == 0o444
    assert (paths.catalog / "cs2cap" / "items.arrow").stat().st_mtime_ns == 10**18 + 7


@pytest.mark.slow
def test_landing_that_waited_is_loaded_once_after_the_restore(
    template: WarehousePaths, folder: Path, tmp_path: Path
) -> None:
    restored, undisturbed = WarehousePaths(tmp_path / "a"), copy_warehouse(template, tmp_path / "b")
    restore(folder, restored)
    for one in (restored, undisturbed):
        assert [report.run_id for report in load(one)] == ["waiting"]
        land_and_load(one, "next", observe(minute(20), Quote("4", 444), Quote("99", 1)))
    assert dump_views(restored) == dump_views(undisturbed)


def test_open_alert_stays_open_and_is_closed_later(folder: Path, tmp_path: Path) -> None:
    paths = WarehousePaths(tmp_path / "new")
    restore(folder, paths)
    alerts = AlertStore(open_state(paths))
    assert [alert.cause for alert in alerts.list_alerts(open_only=True)] == [ALERT.cause]
    assert not alerts.raise_alert(ALERT, minute(1)), "the alert is open already"
    assert alerts.resolve(ALERT.cause, ALERT.source, ALERT.subject, now=minute(2))
    load(paths)
    assert query_rows(paths, "SELECT closed_at FROM alerts") == [(minute(2),)]


def damage_each_file(folder: Path) -> dict[str, Callable[[], object]]:
    """Return what can happen to a backup, by its name."""
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    flipped = {f"{file.name} flipped": (lambda file=file: _flip(file)) for file in files}
    missing = {f"{file.name} missing": file.unlink for file in files if file.name != "manifest.json"}
    return {**flipped, **missing}


def _flip(file: Path) -> None:
    content = bytearray(file.read_bytes() or b"\0")
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def test_damaged_backup_is_never_restored(backed_up: Path, tmp_path: Path) -> None:
    for number in range(len(damage_each_file(backed_up))):
        copy = Path(shutil.copytree(backed_up, tmp_path / f"{number}"))
        name, damage = list(damage_each_file(copy).items())[number]
        damage()
        paths = WarehousePaths(tmp_path / "data")
        with pytest.raises(BackupDamaged):
            restore(copy, paths)
        assert not paths.root.exists(), name
        shutil.rmtree(copy)


def test_folder_without_manifest_is_no_backup(folder: Path, tmp_path: Path) -> None:
    (folder / "manifest.json").unlink()
    with pytest.raises(WarehouseUnusable, match="not a whole one"):
        restore(folder, WarehousePaths(tmp_path / "new"))


@pytest.mark.parametrize("field", ["format", "database_schema_version", "state_schema_version"])
def test_backup_of_a_newer_version_is_refused(folder: Path, tmp_path: Path, field: str) -> None:
    content = json.loads((folder / "manifest.json").read_text())
    del content["crc32"]
    (folder / "manifest.json").write_text(json.dumps({**content, field: 1000}))
    with pytest.raises(WarehouseUnusable, match="too old to read"):
        restore(folder, WarehousePaths(tmp_path / "new"))


@pytest.mark.parametrize("path", ["warehouse/../../x", "/etc/x", "other/x", "warehouse//etc/x"])
def test_manifest_that_names_another_place_is_refused(folder: Path, tmp_path: Path, path: str) -> None:
    content = json.loads((folder / "manifest.json").read_text())
    del content["crc32"]
    content["files"][0]["path"] = path
    (folder / "manifest.json").write_text(json.dumps(content))
    with pytest.raises(BackupDamaged, match="outside of the backup"):
        restore(folder, WarehousePaths(tmp_path / "new"))


@pytest.mark.slow
def test_restore_refuses_a_warehouse_unless_it_may_replace_it(paths: WarehousePaths, folder: Path) -> None:
    land_and_load(paths, "later", observe(minute(9), Quote("1", 5)))
    before = dump_views(paths)
    with pytest.raises(WarehouseNotEmpty):
        restore(folder, paths)
    assert dump_views(paths) == before

    result = restore(folder, paths, replace=True)
    assert query_rows(paths, "SELECT run_id FROM runs ORDER BY 1") == [("r0",), ("r1",)]
    assert result.aside is not None
    assert dump_views(WarehousePaths(result.aside)) == before


def test_restore_refuses_while_a_command_writes(paths: WarehousePaths, folder: Path) -> None:
    with writer_lock(paths, 0), pytest.raises(WarehouseLocked):
        restore(folder, paths, replace=True)
    with (
        LandingWriter(paths.landing, run_header("fetching", NOON)),
        pytest.raises(WarehouseLocked, match="a command writes"),
    ):
        restore(folder, paths, replace=True)
    lock = paths.root / "backfills" / "b1.lock"
    lock.parent.mkdir()
    with FileLock(lock), pytest.raises(WarehouseLocked, match="a command writes"):
        restore(folder, paths, replace=True)
    restore(folder, paths, replace=True)
