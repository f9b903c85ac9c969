"""A lease has one holder at a time, on one machine and between machines."""

from __future__ import annotations

import os
import threading

import pytest

from common.warehouse_errors import WarehouseLocked
from warehouse.database import writer_lock
from warehouse.lease import WRITER, LeaseHeld, hold_lease, lease_holder
from warehouse.paths import WarehousePaths


@pytest.fixture
def paths(state_paths: WarehousePaths) -> WarehousePaths:
    """Return a prepared warehouse."""
    state_paths.prepare()
    return state_paths


def test_others_learn_who_holds_a_lease(paths: WarehousePaths) -> None:
    assert lease_holder(paths, WRITER) is None
    with hold_lease(paths, WRITER, 0):
        holder = lease_holder(paths, WRITER)
        assert holder is not None
        assert f"PID {os.getpid()}" in holder
        with pytest.raises(LeaseHeld) as caught, hold_lease(paths, WRITER, 0.05):
            pass
        assert caught.value.holder == holder
        written = f"written by PID {os.getpid()}"
        with pytest.raises(WarehouseLocked, match=written) as locked, writer_lock(paths, 0):
            pass
        assert locked.value.holder == holder
    assert lease_holder(paths, WRITER) is None


def test_leases_of_other_names_are_free(paths: WarehousePaths) -> None:
    with hold_lease(paths, "20260601-abcdef", 0), hold_lease(paths, "20260602-abcdef", 0):
        assert lease_holder(paths, WRITER) is None


def test_waiting_process_gets_the_lease_that_is_released(paths: WarehousePaths) -> None:
    waiting = threading.Event()
    done: list[str] = []

    def wait_for_lease() -> None:
        waiting.set()
        with hold_lease(paths, WRITER, 60):
            done.append("second")

    thread = threading.Thread(target=wait_for_lease)
    with hold_lease(paths, WRITER, 0):
        thread.start()
        waiting.wait()
        done.append("first")
    thread.join(60)
    assert done == ["first", "second"]


def test_failure_releases_the_lease(paths: WarehousePaths) -> None:
    with pytest.raises(RuntimeError, match="broken"), hold_lease(paths, WRITER, 0):
        raise RuntimeError("broken")
    with hold_lease(paths, WRITER, 0):
        pass
