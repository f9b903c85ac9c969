"""There is one writer: an error names the process that holds the database, and landings wait."""

import threading
import time
from pathlib import Path

import pytest

from common.warehouse_errors import WarehouseLocked
from tests.support.warehouse import (
    DAY,
    Quote,
    create_warehouse,
    current_prices,
    land,
    land_and_load,
    load,
    minute,
    observe,
)
from tests.support.warehouse_failures import HOLD_DATABASE, HOLD_LOCK, process_holding
from warehouse.database import writer_lock
from warehouse.loading.pipeline import load_pending
from warehouse.paths import WarehousePaths

pytestmark = pytest.mark.file_warehouse("the lock of a file; test_lease.py is for both")


@pytest.fixture
def paths(tmp_path: Path) -> WarehousePaths:
    """Return a warehouse with a loaded run and a waiting one."""
    paths = create_warehouse(tmp_path)
    land_and_load(paths, "a", observe(minute(0), Quote("1")))
    land(paths, "b", observe(minute(10), Quote("1"), Quote("2")))
    return paths


@pytest.mark.parametrize("script", [HOLD_DATABASE, HOLD_LOCK], ids=["database", "lock"])
def test_holder_is_named_and_the_landing_waits(paths: WarehousePaths, script: str) -> None:
    with process_holding(paths, script) as holder:
        with pytest.raises(WarehouseLocked) as caught:
            load(paths)
        assert f"PID {holder.pid}" in caught.value.holder
        assert f"PID {holder.pid}" in str(caught.value)
        assert "the next run loads it" in str(caught.value)
        assert set(current_prices(paths)) == {"1"}
    assert [report.run_id for report in load(paths)] == ["b"]
    assert set(current_prices(paths)) == {"1", "2"}


def test_lock_of_a_killed_process_is_free(paths: WarehousePaths) -> None:
    with process_holding(paths, HOLD_LOCK) as holder:
        holder.kill()
    assert [report.run_id for report in load(paths)] == ["b"]


def test_loader_waits_for_the_process_of_a_killed_loader(paths: WarehousePaths) -> None:
    """It holds DuckDB's lock of the database, and nobody holds the lock of the one writer."""
    with process_holding(paths, HOLD_DATABASE) as holder:
        end = threading.Timer(0.3, holder.kill)
        end.start()
        reports = load_pending(paths, now=lambda: minute(60), keep=DAY, wait=30)
        end.join()
    assert [report.run_id for report in reports] == ["b"]


def test_loader_waits_for_another_one(paths: WarehousePaths) -> None:
    locked = threading.Event()

    def hold() -> None:
        with writer_lock(paths, 0):
            locked.set()
            time.sleep(0.3)

    other = threading.Thread(target=hold)
    other.start()
    locked.wait()
    reports = load_pending(paths, now=lambda: minute(60), keep=DAY, wait=30)
    other.join()
    assert [report.run_id for report in reports] == ["b"]


def test_wait_for_the_lock_times_out(paths: WarehousePaths) -> None:
    with process_holding(paths, HOLD_LOCK):
        started = time.monotonic()
        with pytest.raises(WarehouseLocked, match=r"for more than 0\.2 s"):
            load_pending(paths, now=lambda: minute(60), keep=DAY, wait=0.2)
        assert time.monotonic() - started >= 0.2


def test_several_loaders_at_once_load_each_run_once(paths: WarehousePaths) -> None:
    loaded: list[str] = []

    def load_all() -> None:
        loaded.extend(
            report.run_id for report in load_pending(paths, now=lambda: minute(60), keep=DAY, wait=60)
        )

    loaders = [threading.Thread(target=load_all) for _ in range(3)]
    for loader in loaders:
        loader.start()
    for loader in loaders:
        loader.join()
    assert loaded == ["b"]
