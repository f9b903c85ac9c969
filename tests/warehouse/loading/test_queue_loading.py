"""Loaders of a shared warehouse: one waits for another one that works, and not for one that hangs."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest

from common.warehouse_errors import LoaderOvertaken, WarehouseLocked
from tests.support.postgres import Postgres, needs_postgres
from tests.support.states import share
from tests.support.waiting import wait_until
from tests.support.warehouse import DAY, Quote, land, minute, observe
from warehouse.database import writer_lock
from warehouse.landing.conversion import no_parser
from warehouse.landing.queue import LandingQueue
from warehouse.lease import WRITER, hold_lease
from warehouse.loading.loader import Loader
from warehouse.loading.queue_loading import QueueLoader
from warehouse.paths import WarehousePaths

pytestmark = needs_postgres
WAITERS = "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
END_HOLDERS = "SELECT pg_terminate_backend(pid, 10000) FROM pg_locks WHERE locktype = 'advisory' AND granted"


@pytest.fixture
def url(postgres: Postgres) -> str:
    """Return the address of an empty database."""
    return postgres.create_database()


@pytest.fixture
def paths(tmp_path: Path, url: str) -> WarehousePaths:
    """Return a machine of a shared warehouse, with an empty queue."""
    paths = share(tmp_path, url)
    paths.prepare()
    return paths


def loader_of(paths: WarehousePaths) -> QueueLoader:
    assert paths.shared is not None
    return QueueLoader(
        paths, paths.shared, now=lambda: minute(600), row_parser=no_parser, on_loaded=lambda _: None
    )


def queue_of(paths: WarehousePaths, runs: int) -> LandingQueue:
    """Return the queue, with so many landings of this machine."""
    assert paths.shared is not None
    for number in range(runs):
        land(paths, f"r{number}", observe(minute(number), Quote("1", 100 + number)))
    loader_of(paths).upload(DAY)
    queue = LandingQueue(paths.shared)
    assert len(queue.list_waiting()) == runs
    return queue


def test_a_run_that_another_loader_has_loaded_waits_for_nobody(paths: WarehousePaths) -> None:
    queue = queue_of(paths, 1)
    with hold_lease(paths, WRITER, 0):
        with pytest.raises(WarehouseLocked):
            loader_of(paths).load(0.05, [], patient=True)
        for landing in queue.list_waiting():
            queue.mark_loaded(landing, minute(600))
        assert loader_of(paths).load(0.05, [], patient=True) == []


def test_a_loader_that_lost_its_lease_does_not_open_the_lake(paths: WarehousePaths, url: str) -> None:
    with (
        psycopg.connect(url, autocommit=True) as db,
        writer_lock(paths, 0) as is_held,
        Loader(paths.loader_database, lambda: minute(600), no_parser, is_held=is_held) as loader,
    ):
        assert is_held()
        db.execute(END_HOLDERS)
        assert not is_held()
        with pytest.raises(LoaderOvertaken, match="lost with its connection"):
            _ = loader.db


@pytest.mark.slow
@pytest.mark.parametrize("patient", [True, False])
def test_a_patient_loader_waits_while_another_one_works(
    paths: WarehousePaths, url: str, patient: bool
) -> None:
    queue = queue_of(paths, 2)
    with psycopg.connect(url, autocommit=True) as db, ThreadPoolExecutor(1) as thread:

        def waiter() -> int | None:
            row = db.execute(WAITERS).fetchone()
            return None if row is None else int(row[0])

        with hold_lease(paths, WRITER, 0):
            loading = thread.submit(loader_of(paths).load, 3, [], patient=patient)
            wait_until(waiter)
            first = waiter()
            one, other = queue.list_waiting()
            queue.mark_loaded(one, minute(600))
            if not patient:
                with pytest.raises(WarehouseLocked):
                    loading.result(60)
                return
            wait_until(lambda: waiter() not in {None, first})  # it waits again
            queue.mark_loaded(other, minute(600))
            assert loading.result(60) == []
