"""One writer: who holds the database is named, and what was landed waits."""

import threading
import time
from pathlib import Path

import pytest

from common.errors import WarehouseLocked
from tests.support.warehouse import DAY, Quote, home_in, land, load, look, minute, prices, snapshot
from tests.support.warehouse_failures import HOLD_DATABASE, HOLD_LOCK, process_holding
from warehouse.database import writer_lock
from warehouse.loading.pipeline import load_pending
from warehouse.paths import WarehousePaths


@pytest.fixture
def home(tmp_path: Path) -> WarehousePaths:
    """Return a warehouse with one run loaded and another one waiting."""
    home = home_in(tmp_path)
    snapshot(home, "a", look(minute(0), Quote("1")))
    land(home, "b", look(minute(10), Quote("1"), Quote("2")))
    return home


@pytest.mark.parametrize("script", [HOLD_DATABASE, HOLD_LOCK], ids=["database", "lock"])
def test_the_holder_is_named_and_the_landing_waits(home: WarehousePaths, script: str) -> None:
    with process_holding(home, script) as holder:
        with pytest.raises(WarehouseLocked) as caught:
            load(home)
        assert f"PID {holder.pid}" in caught.value.holder
        assert f"PID {holder.pid}" in str(caught.value)
        assert "the next run loads it" in str(caught.value)
        assert set(prices(home)) == {"1"}
    assert [report.run_id for report in load(home)] == ["b"]
    assert set(prices(home)) == {"1", "2"}


def test_a_lock_of_a_killed_process_is_free(home: WarehousePaths) -> None:
    with process_holding(home, HOLD_LOCK) as holder:
        holder.kill()
    assert [report.run_id for report in load(home)] == ["b"]


def test_a_loader_waits_for_another_one(home: WarehousePaths) -> None:
    taken, loads = threading.Event(), []

    def hold() -> None:
        with writer_lock(home, 0):
            taken.set()
            time.sleep(0.3)

    other = threading.Thread(target=hold)
    other.start()
    taken.wait()
    loads = load_pending(home, now=lambda: minute(60), keep=DAY, wait=30)
    other.join()
    assert [report.run_id for report in loads] == ["b"]


def test_the_wait_has_an_end(home: WarehousePaths) -> None:
    with process_holding(home, HOLD_LOCK):
        begun = time.monotonic()
        with pytest.raises(WarehouseLocked, match=r"for more than 0\.2 s"):
            load_pending(home, now=lambda: minute(60), keep=DAY, wait=0.2)
        assert 0.2 <= time.monotonic() - begun < 5


def test_several_loaders_at_once_load_each_run_once(home: WarehousePaths) -> None:
    loads: list[str] = []

    def one() -> None:
        loads.extend(
            report.run_id for report in load_pending(home, now=lambda: minute(60), keep=DAY, wait=60)
        )

    loaders = [threading.Thread(target=one) for _ in range(3)]
    for loader in loaders:
        loader.start()
    for loader in loaders:
        loader.join()
    assert loads == ["b"]
