"""Backfills in a database: one unfinished backfill per request, shards that only advance, one runner."""

import dataclasses
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from common.shards import Item
from common.time_ranges import GRID, TimeRange
from common.warehouse_errors import BackfillBusy, BackfillNotFound, WarehouseFull
from tests.support.backfill_state import (
    before,
    begin_backfill,
    finished_backfill,
    page_meta,
    series_shard,
    spans,
)
from tests.support.clocks import NOON
from tests.support.postgres import Postgres, needs_postgres
from tests.support.states import process_environment, share
from tests.support.waiting import wait_until
from tests.support.warehouse_failures import fill_disk
from warehouse.paths import WarehousePaths
from warehouse.state.backfills import BackfillStore

LOCK_BACKFILL = """
import sys
from tests.support.states import paths_of_process
from warehouse.state.backfills import BackfillStore
with BackfillStore(paths_of_process()).lock(sys.argv[2]):
    print("ready", flush=True)
    sys.stdin.read()
"""
BEGIN_BACKFILL = """
import sys
from tests.support.states import paths_of_process
from warehouse.state.backfills import BackfillStore
backfills = BackfillStore(paths_of_process())
sys.stdin.readline()
print(backfills.begin_or_find("d", series="points", source="cs2cap", request={}, cost=(1, None)).backfill_id)
"""
RECORD_PAGES = """
import sys
from tests.support.backfill_state import page_meta
from tests.support.states import paths_of_process
from warehouse.state.backfills import BackfillStore
backfills = BackfillStore(paths_of_process())
number = backfills.list_shards(sys.argv[2])[0].page
while True:
    print(number, flush=True)
    backfills.record_pages(sys.argv[2], 0, page_meta(number))
    number += 1
"""


@contextmanager
def process(script: str, paths: WarehousePaths, *arguments: object) -> Iterator[subprocess.Popen[str]]:
    """Run a script in another process, connected by pipes."""
    command = [sys.executable, "-c", script, str(paths.root), *map(str, arguments)]
    pipe, root = subprocess.PIPE, Path(__file__).parents[3]
    environment = process_environment(paths)
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, cwd=root, env=environment) as child:
        yield child


def read_line(child: subprocess.Popen[str]) -> str:
    assert child.stdout is not None
    return child.stdout.readline().strip()


def covered_spans(
    backfills: BackfillStore,
    item_id: str | None = "1",
    provider: str | None = None,
    *,
    source: str = "cs2cap",
    series: str = "points",
    currency: str = "USD",
    interval: str | None = None,
) -> list[TimeRange]:
    return backfills.load_coverage(source, series, currency, interval=interval).spans_of(item_id, provider)


@pytest.fixture
def backfills(state_paths: WarehousePaths) -> BackfillStore:
    return BackfillStore(state_paths, lambda: NOON)


def test_new_backfill_stores_its_request_and_its_shards(backfills: BackfillStore) -> None:
    planned = (
        series_shard(),
        series_shard("2", provider="steam", currency="EUR"),
        series_shard(None, interval="1d", lookback=True),
    )
    record = begin_backfill(backfills, *planned, cost=(3, None))
    assert (
        record == backfills.get(record.backfill_id) == backfills.find_latest("d") == backfills.find_latest()
    )
    assert (record.state, record.request, record.at_least, record.at_most) == (
        "running",
        {"items": ["1"]},
        3,
        None,
    )
    assert (record.created_at, record.shards, record.done) == (NOON, 3, 0)
    shards = backfills.list_shards(record.backfill_id)
    assert [shard.ask for shard in shards] == [shard.walk for shard in shards] == list(planned)
    assert [(shard.number, shard.state, shard.page) for shard in shards] == [
        (0, "waiting", 0),
        (1, "waiting", 0),
        (2, "waiting", 0),
    ]


def test_equal_request_finds_the_unfinished_backfill(backfills: BackfillStore) -> None:
    first = begin_backfill(backfills)
    assert begin_backfill(backfills, series_shard("2")).backfill_id == first.backfill_id
    for state in ("stopped", "incomplete"):
        backfills.finish(first.backfill_id, state)
        assert begin_backfill(backfills).backfill_id == first.backfill_id
    assert len(backfills.list_shards(first.backfill_id)) == 1
    assert begin_backfill(backfills, digest="other").backfill_id != first.backfill_id


@pytest.mark.parametrize("end", ["done", "cancelled"])
def test_finished_backfill_stays_finished_and_a_new_one_begins(backfills: BackfillStore, end: str) -> None:
    first = begin_backfill(backfills)
    backfills.finish(first.backfill_id, end)
    assert backfills.resume(first.backfill_id).state == end
    assert backfills.finish(first.backfill_id, "stopped").state == end
    assert backfills.cancel(first.backfill_id).state == end
    second = begin_backfill(backfills)
    assert second.backfill_id != first.backfill_id
    assert [record.backfill_id for record in backfills.list_all()] == [second.backfill_id, first.backfill_id]


def test_shard_only_advances(backfills: BackfillStore) -> None:
    id_ = begin_backfill(backfills).backfill_id
    assert backfills.record_pages(id_, 0, page_meta(0), page_meta(1))
    assert backfills.record_pages(id_, 0, page_meta(0, rows=99))
    (shard,) = backfills.list_shards(id_)
    assert (shard.state, shard.page, shard.cursor, shard.rows) == ("running", 2, "c2", 20)
    assert (shard.requests, shard.oldest) == (2, before(20))
    backfills.record_pages(id_, 0, page_meta(2, oldest=before(15)), page_meta(3, last=True))
    backfills.record_pages(id_, 0, page_meta(4))
    backfills.finish_shard(id_, 0, "broken", reason="too late to break")
    (shard,) = backfills.list_shards(id_)
    assert (shard.state, shard.page, shard.cursor, shard.rows) == ("done", 4, None, 40)
    assert (shard.oldest, shard.reason) == (before(40), None)
    record = backfills.get(id_)
    assert (record.shards, record.done, record.broken, record.rows, record.requests) == (1, 1, 0, 40, 4)


def test_page_without_rows_has_no_oldest(backfills: BackfillStore) -> None:
    id_ = begin_backfill(backfills).backfill_id
    backfills.record_pages(id_, 0, dataclasses.replace(page_meta(0), oldest=None))
    assert backfills.list_shards(id_)[0].oldest is None
    backfills.record_pages(id_, 0, page_meta(1), dataclasses.replace(page_meta(2), oldest=None))
    assert backfills.list_shards(id_)[0].oldest == before(20)


def test_cancel_is_reported_with_the_next_page_and_landed_pages_stay(backfills: BackfillStore) -> None:
    id_ = begin_backfill(backfills, series_shard(), series_shard("2")).backfill_id
    assert backfills.record_pages(id_, 0, page_meta(0, last=True))
    assert backfills.cancel(id_).state == "cancelled"
    assert not backfills.record_pages(id_, 1, page_meta(0))
    assert [shard.rows for shard in backfills.list_shards(id_)] == [10, 10]
    assert covered_spans(backfills) == spans(60, 0)


def test_resumed_broken_shard_restarts_at_its_oldest_row(backfills: BackfillStore) -> None:
    id_ = begin_backfill(backfills, series_shard(), series_shard("2"), series_shard("3")).backfill_id
    backfills.record_pages(id_, 0, page_meta(0, oldest=before(22)))
    backfills.record_pages(id_, 1, page_meta(0))
    backfills.finish_shard(id_, 0, "broken", reason="the cursor 'c1' led back to 'c0'")
    backfills.finish_shard(id_, 2, "broken", reason="the first page was refused")
    backfills.finish(id_, "incomplete", "2 shards broke")
    assert backfills.list_shards(id_)[0].reason == "the cursor 'c1' led back to 'c0'"

    resumed = backfills.resume(id_)
    assert (resumed.state, resumed.reason, resumed.broken) == ("running", None, 0)
    restarted, running, untouched = backfills.list_shards(id_)
    assert (restarted.state, restarted.cursor, restarted.page, restarted.reason) == ("waiting", None, 1, None)
    assert (restarted.walk.start, restarted.walk.end, restarted.ask.end) == (before(60), before(20), NOON)
    assert (running.state, running.cursor, running.walk) == ("running", "c1", running.ask)
    assert (untouched.state, untouched.cursor, untouched.walk) == ("waiting", None, untouched.ask)

    backfills.record_pages(id_, 0, page_meta(1, oldest=before(40), cursor=None))
    assert backfills.resume(id_) == backfills.get(id_)
    (restarted, _, _) = backfills.list_shards(id_)
    assert (restarted.cursor, restarted.walk.end) == ("c2", before(20))


def test_unknown_backfill_is_reported(backfills: BackfillStore, tmp_path: Path) -> None:
    for id_ in ("20260601-abc", "../../etc"):
        for method in (backfills.get, backfills.cancel, backfills.resume, backfills.lock_holder):
            with pytest.raises(BackfillNotFound, match=r"no backfill .*backfill list"):
                method(id_)
        with pytest.raises(BackfillNotFound), backfills.lock(id_):
            pass
    assert not (tmp_path / "backfills").exists()


def test_one_process_runs_a_backfill_and_others_learn_its_pid(
    backfills: BackfillStore, state_paths: WarehousePaths
) -> None:
    id_, other = begin_backfill(backfills).backfill_id, begin_backfill(backfills, digest="other").backfill_id
    with process(LOCK_BACKFILL, state_paths, id_) as holder:
        assert read_line(holder) == "ready"
        place = "" if state_paths.shared is None else f" on {socket.gethostname()}"
        assert backfills.lock_holder(id_) == f"PID {holder.pid}{place}"
        message = rf"{id_} is run by PID {holder.pid}{place}; wait"
        with pytest.raises(BackfillBusy, match=message) as caught, backfills.lock(id_):
            pass
        assert caught.value.holder == f"PID {holder.pid}{place}"
        with backfills.lock(other):
            assert backfills.lock_holder(other) == f"PID {os.getpid()}{place}"
        holder.kill()
        holder.wait()
    wait_until(lambda: backfills.lock_holder(id_) is None)
    with backfills.lock(id_):
        assert backfills.get(id_).holder == f"PID {os.getpid()}{place}"


@needs_postgres
@pytest.mark.server
def test_process_whose_lock_was_lost_records_no_page_after_another_took_over(
    postgres: Postgres, tmp_path: Path
) -> None:
    url = postgres.create_database()
    backfills, other = BackfillStore(share(tmp_path, url)), BackfillStore(share(tmp_path, url))
    id_ = begin_backfill(backfills).backfill_id
    with backfills.lock(id_):
        assert backfills.record_pages(id_, 0, page_meta(0))
        with psycopg.connect(url, autocommit=True) as db:  # as a restart of the server does
            db.execute("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'")
        wait_until(lambda: other.lock_holder(id_) is None)
        assert backfills.record_pages(id_, 0, page_meta(1))  # nobody else runs it
        with process(LOCK_BACKFILL, share(tmp_path, url), id_) as holder:
            assert read_line(holder) == "ready"
            with pytest.raises(BackfillBusy, match=f"{id_} is run by PID {holder.pid} on"):
                backfills.record_pages(id_, 0, page_meta(2))
            with pytest.raises(BackfillBusy):
                backfills.finish(id_, "stopped")
            holder.kill()
    assert (backfills.get(id_).state, backfills.list_shards(id_)[0].page) == ("running", 2)


def test_processes_with_an_equal_request_share_one_backfill(
    backfills: BackfillStore, state_paths: WarehousePaths
) -> None:
    with process(BEGIN_BACKFILL, state_paths) as one, process(BEGIN_BACKFILL, state_paths) as two:
        for child in (one, two):
            assert child.stdin is not None
            child.stdin.write("go\n")
            child.stdin.flush()
        assert read_line(one) == read_line(two) == backfills.list_all()[0].backfill_id
    assert len(backfills.list_all()) == 1


@pytest.mark.parametrize("kills", [2, pytest.param(15, marks=pytest.mark.slow)])
def test_recorded_pages_survive_a_kill(
    backfills: BackfillStore, state_paths: WarehousePaths, kills: int
) -> None:
    id_ = begin_backfill(backfills).backfill_id
    for kill in range(kills):
        with process(RECORD_PAGES, state_paths, id_) as writer:
            first = int(read_line(writer))
            time.sleep(0.011 * (kill + 1))
            os.kill(writer.pid, signal.SIGKILL)
            assert writer.stdout is not None
            announced = [first, *map(int, writer.stdout.read().split())]
        (shard,) = backfills.list_shards(id_)
        assert shard.page in {announced[-1], announced[-1] + 1}
        cursor = f"c{shard.page}" if shard.page else None
        assert (shard.rows, shard.requests, shard.cursor) == (10 * shard.page, shard.page, cursor)


def test_full_disk_is_reported_and_loses_no_page(small_disk: Path) -> None:
    backfills = BackfillStore(WarehousePaths(small_disk))
    id_ = begin_backfill(backfills, *(series_shard(str(item)) for item in range(100))).backfill_id
    ballast = fill_disk(small_disk, 0)
    with pytest.raises(WarehouseFull, match="free some space"):
        backfills.record_pages(id_, 0, *(page_meta(number, next_cursor="c" * 4000) for number in range(1000)))
    ballast.unlink()
    assert backfills.list_shards(id_)[0].page == 0
    assert backfills.record_pages(id_, 0, page_meta(0))
    assert backfills.list_shards(id_)[0].page == 1


def test_coverage_of_a_done_shard_ends_where_rows_could_still_change(backfills: BackfillStore) -> None:
    observed = NOON - timedelta(minutes=8)
    finished_backfill(backfills, series_shard(), observed_at=observed)
    assert covered_spans(backfills, "1", "steam") == spans(60, 10)
    finished_backfill(
        backfills, series_shard(interval="1h", start=before(150)), series="candles", observed_at=observed
    )
    assert covered_spans(backfills, series="candles", interval="1h") == spans(150, 60)
    finished_backfill(backfills, series_shard(None, start=before(49 * 60)), series="sales")
    assert covered_spans(backfills, "7", "csfloat", series="sales") == spans(49 * 60, 48 * 60)


def test_later_read_extends_the_coverage(backfills: BackfillStore) -> None:
    finished_backfill(backfills, series_shard(), observed_at=before(7))
    finished_backfill(backfills, series_shard(start=before(10)), observed_at=NOON + GRID)
    assert covered_spans(backfills) == spans(60, 0)


@pytest.mark.parametrize(
    "scope",
    [
        {"source": "other"},
        {"series": "candles"},
        {"currency": "EUR"},
        {"interval": "1h"},
        {"item_id": "2"},
        {"provider": "csfloat"},
        {"provider": None},
        {"item_id": None},
    ],
    ids=["source", "series", "currency", "interval", "item", "provider", "all-providers", "all-items"],
)
def test_another_scope_is_not_covered(backfills: BackfillStore, scope: dict[str, Any]) -> None:
    finished_backfill(
        backfills, series_shard(provider="steam"), series_shard(None, end=before(59), provider="csfloat")
    )
    covered = covered_spans(backfills, **{"item_id": "1", "provider": "steam", **scope})
    assert covered == (spans(60, 59) if scope.get("provider") == "csfloat" else [])


def test_item_without_an_id_does_not_cover_all_items(backfills: BackfillStore) -> None:
    finished_backfill(backfills, series_shard(item=None, provider="steam"))
    finished_backfill(
        backfills,
        dataclasses.replace(series_shard(provider="csfloat"), item=Item(None, "AK-47 | Redline", None)),
    )
    coverage = backfills.load_coverage("cs2cap", "points", "USD")
    assert coverage.spans_of("1", "steam") == spans(60, 0)
    assert coverage.spans_of("1", "csfloat") == []


def test_unfinished_shard_covers_the_time_after_its_oldest_grid_slot(
    backfills: BackfillStore,
) -> None:
    id_ = begin_backfill(backfills, series_shard(), series_shard("2"), series_shard("3")).backfill_id
    backfills.record_pages(id_, 0, page_meta(0, oldest=before(22)))
    backfills.record_pages(id_, 1, page_meta(0, oldest=before(22), observed_at=before(28)))
    backfills.finish_shard(id_, 2, "broken", reason="refused")
    coverage = backfills.load_coverage("cs2cap", "points", "USD")
    assert coverage.spans_of("1", None) == spans(20, 0)
    assert coverage.spans_of("2", None) == coverage.spans_of("3", None) == []
