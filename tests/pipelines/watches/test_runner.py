"""Watches run in a process of their own: one that fails or runs too long is ended, and the others go on."""

from __future__ import annotations

import resource
import time
from pathlib import Path

import pytest

from common.warehouse_errors import NotPublished
from common.worker_process import Worker
from pipelines.watches import runner
from pipelines.watches.runner import run_watches
from tests.support.watches import LONG, create_record, watch
from warehouse.paths import WarehousePaths

pytestmark = pytest.mark.server


@pytest.mark.slow
def test_a_watch_that_fails_or_runs_too_long_stops_no_other(tmp_path: Path) -> None:
    paths = create_record(tmp_path / "data")
    watches = [
        watch("slow", query=LONG, time_limit="1s"),
        watch("wrong", query="SELEC 1"),
        watch("unknown", item="Nope", below=1),
        watch("good", query="SELECT 1 AS n"),
    ]
    began = time.monotonic()
    slow, wrong, unknown, good = run_watches(paths, watches)
    assert time.monotonic() - began < 30
    assert slow.failure == "it was ended after 1s, its time limit"
    assert wrong.failure == 'DuckDB says: Parser Error: syntax error at or near "SELEC"'
    assert unknown.failure == "the record does not have it: no item is called 'Nope'"
    assert (good.failure, good.found.records()) == ("", [{"n": "1"}])
    assert [entry.name for entry in tmp_path.iterdir()] == ["data"]


def test_the_process_of_the_watches_has_a_memory_limit(tmp_path: Path) -> None:
    """A list of DuckDB's takes memory that DuckDB's own limit does not count."""
    paths = create_record(tmp_path / "data")
    worker = Worker(runner.__name__, quiet=True)
    try:
        worker.call(runner.find_within_limit, paths, watch(query="SELECT 1"))
        soft, _ = worker.call(resource.getrlimit, resource.RLIMIT_DATA)
    finally:
        worker.stop()
    assert 0 < soft <= runner.MOST_MEMORY


def test_a_warehouse_without_a_database_is_no_fault_of_a_watch(tmp_path: Path) -> None:
    with pytest.raises(NotPublished):
        run_watches(WarehousePaths(tmp_path), [watch(query="SELECT 1")])
