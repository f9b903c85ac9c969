"""A restore that is killed at any of its durable steps: the next one finishes it, and no half is used."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest

from common.files import fsync_directory
from common.warehouse_errors import RestoreUnfinished
from tests.support.backups import restore
from tests.support.cases import slow_but
from tests.support.warehouse import Quote, copy_warehouse, land_and_load, minute, observe, query_rows
from warehouse.backup import restore as module
from warehouse.landing.inventory import list_landings
from warehouse.paths import WarehousePaths

pytestmark = pytest.mark.file_warehouse("a backup is of one machine's folder")

# On both sides of each end of a phase, of a restore over a warehouse and of one into an empty folder.
CASES = {f"step {step}": (step, True) for step in (0, 3, 7, 8, 15, 25, 26, 32, 38, 39)}
CASES |= {f"step {step}, empty folder": (step, False) for step in (0, 8, 9, 20, 21, 22)}
QUICK = {"step 3", "step 15", "step 32", "step 9, empty folder"}
RESTORED = "SELECT run_id, lowest_ask, valid_from FROM quote_history ORDER BY ALL"


class Killed(BaseException):
    """The process ends here."""


@pytest.fixture(scope="module")
def replaced(template: WarehousePaths, tmp_path_factory: pytest.TempPathFactory) -> WarehousePaths:
    """Return a warehouse with a later load, which the restore replaces."""
    paths = copy_warehouse(template, tmp_path_factory.mktemp("replaced") / "data")
    land_and_load(paths, "later", observe(minute(9), Quote("1", 5)))
    return paths


def restore_until(step: int, folder: Path, paths: WarehousePaths, *, replace: bool) -> bool:
    """Restore a backup and end at a durable step, if there is one with this number; return whether.

    Each durable step ends with `fsync_directory`.
    """
    original, left = fsync_directory, step

    def stop_at_step(synced: Path) -> None:
        nonlocal left
        original(synced)
        left -= 1
        if left < 0:
            raise Killed

    with pytest.MonkeyPatch.context() as patch, contextlib.suppress(Killed):
        patch.setattr(module, "fsync_directory", stop_at_step)
        restore(folder, paths, replace=replace)
    return left < 0


@pytest.mark.parametrize(("step", "replace"), slow_but(QUICK, CASES))
def test_next_restore_finishes_one_that_was_killed(
    template: WarehousePaths,
    replaced: WarehousePaths,
    backed_up: Path,
    tmp_path: Path,
    step: int,
    *,
    replace: bool,
) -> None:
    paths = copy_warehouse(replaced, tmp_path / "data") if replace else WarehousePaths(tmp_path / "data")
    killed = restore_until(step, backed_up, paths, replace=replace)
    if killed and paths.restore_plan.exists():
        with pytest.raises(RestoreUnfinished):
            paths.prepare()
        restore(backed_up, paths)
    elif killed and not (paths.restoring / "cleared").exists():
        paths.prepare()
        assert paths.published.exists() == replace
        restore(backed_up, paths, replace=replace)
    paths.prepare()
    assert query_rows(paths, RESTORED) == query_rows(template, RESTORED)
    assert len(list_landings(paths.landing)) == 3
