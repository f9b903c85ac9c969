"""Backfills in `state.db`: one under way for each question, shards that only move forward, one runner."""

import dataclasses
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from common.errors import BackfillBusy, BackfillNotFound, WarehouseFull
from common.shards import Item
from tests.support.backfill_state import GRID, before, begin, mark, read, spans, wanted
from tests.support.clocks import NOON
from tests.support.warehouse_failures import fill_disk
from warehouse.state.backfills import BackfillStore

HOLD = """
import sys
from pathlib import Path
from warehouse.state.backfills import BackfillStore
with BackfillStore(Path(sys.argv[1])).lock(sys.argv[2]):
    print("ready", flush=True)
    sys.stdin.read()
"""
OPEN = """
import sys
from pathlib import Path
from warehouse.state.backfills import BackfillStore
backfills = BackfillStore(Path(sys.argv[1]))
sys.stdin.readline()
print(backfills.begin_or_find("d", series="points", source="cs2cap", request={}, cost=(1, None)).backfill_id)
"""
LAND = """
import sys
from pathlib import Path
from common.shards import Item
from tests.support.backfill_state import mark
from warehouse.state.backfills import BackfillStore
backfills = BackfillStore(Path(sys.argv[1]))
number = backfills.list_shards(sys.argv[2])[0].page
while True:
    print(number, flush=True)
    backfills.record_pages(sys.argv[2], 0, mark(number))
    number += 1
"""


@contextmanager
def process(script: str, *arguments: object) -> Iterator[subprocess.Popen[str]]:
    """Run a script in another process; it may read lines and print them."""
    command = [sys.executable, "-c", script, *map(str, arguments)]
    pipe, root = subprocess.PIPE, Path(__file__).parents[3]
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, cwd=root) as started:
        yield started


def said(started: subprocess.Popen[str]) -> str:
    assert started.stdout is not None
    return started.stdout.readline().strip()


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state.db"


@pytest.fixture
def backfills(state: Path) -> BackfillStore:
    return BackfillStore(state, lambda: NOON)


def test_what_was_asked_for_is_kept(backfills: BackfillStore) -> None:
    asked = (
        wanted(),
        wanted("2", provider="steam", currency="EUR"),
        wanted(None, interval="1d", lookback=True),
    )
    begun = begin(backfills, *asked, cost=(3, None))
    assert begun == backfills.get(begun.backfill_id) == backfills.latest("d") == backfills.latest()
    assert (begun.state, begun.request, begun.at_least, begun.at_most) == (
        "running",
        {"items": ["1"]},
        3,
        None,
    )
    assert (begun.created_at, begun.shards, begun.done) == (NOON, 3, 0)
    shards = backfills.list_shards(begun.backfill_id)
    assert [shard.ask for shard in shards] == [shard.walk for shard in shards] == list(asked)
    assert [(shard.number, shard.state, shard.page) for shard in shards] == [
        (0, "waiting", 0),
        (1, "waiting", 0),
        (2, "waiting", 0),
    ]


def test_an_identical_request_finds_the_backfill_that_is_under_way(backfills: BackfillStore) -> None:
    first = begin(backfills)
    assert begin(backfills, wanted("2")).backfill_id == first.backfill_id
    for state in ("stopped", "incomplete"):
        backfills.finish(first.backfill_id, state)
        assert begin(backfills).backfill_id == first.backfill_id
    assert len(backfills.list_shards(first.backfill_id)) == 1
    assert begin(backfills, digest="other").backfill_id != first.backfill_id


@pytest.mark.parametrize("end", ["done", "cancelled"])
def test_one_that_is_over_stays_over_and_a_new_one_begins(backfills: BackfillStore, end: str) -> None:
    first = begin(backfills)
    backfills.finish(first.backfill_id, end)
    assert backfills.resume(first.backfill_id).state == end
    assert backfills.finish(first.backfill_id, "stopped").state == end
    assert backfills.cancel(first.backfill_id).state == end
    second = begin(backfills)
    assert second.backfill_id != first.backfill_id
    assert [one.backfill_id for one in backfills.list_all()] == [second.backfill_id, first.backfill_id]


def test_a_shard_moves_forward_only(backfills: BackfillStore) -> None:
    id_ = begin(backfills).backfill_id
    assert backfills.record_pages(id_, 0, mark(0), mark(1))
    assert backfills.record_pages(id_, 0, mark(0, rows=99))
    (shard,) = backfills.list_shards(id_)
    assert (shard.state, shard.page, shard.cursor, shard.rows) == ("running", 2, "c2", 20)
    assert (shard.requests, shard.oldest) == (2, before(20))
    backfills.record_pages(id_, 0, mark(2, oldest=before(15)), mark(3, last=True))
    backfills.record_pages(id_, 0, mark(4))
    backfills.finish_shard(id_, 0, "broken", "too late to break")
    (shard,) = backfills.list_shards(id_)
    assert (shard.state, shard.page, shard.cursor, shard.rows) == ("done", 4, None, 40)
    assert (shard.oldest, shard.reason) == (before(40), None)
    found = backfills.get(id_)
    assert (found.shards, found.done, found.broken, found.rows, found.requests) == (1, 1, 0, 40, 4)


def test_a_page_without_rows_has_no_oldest(backfills: BackfillStore) -> None:
    id_ = begin(backfills).backfill_id
    backfills.record_pages(id_, 0, dataclasses.replace(mark(0), oldest=None))
    assert backfills.list_shards(id_)[0].oldest is None
    backfills.record_pages(id_, 0, mark(1), dataclasses.replace(mark(2), oldest=None))
    assert backfills.list_shards(id_)[0].oldest == before(20)


def test_who_cancels_is_heard_with_the_next_page_and_what_came_stays(backfills: BackfillStore) -> None:
    id_ = begin(backfills, wanted(), wanted("2")).backfill_id
    assert backfills.record_pages(id_, 0, mark(0, last=True))
    assert backfills.cancel(id_).state == "cancelled"
    assert not backfills.record_pages(id_, 1, mark(0))
    assert [shard.rows for shard in backfills.list_shards(id_)] == [10, 10]
    assert backfills.covered_spans("cs2cap", "points", "USD", None, "1", None) == spans(60, 0)


def test_a_broken_shard_begins_anew_where_its_oldest_row_lies(backfills: BackfillStore) -> None:
    id_ = begin(backfills, wanted(), wanted("2"), wanted("3")).backfill_id
    backfills.record_pages(id_, 0, mark(0, oldest=before(22)))
    backfills.record_pages(id_, 1, mark(0))
    backfills.finish_shard(id_, 0, "broken", "the cursor 'c1' led back to 'c0'")
    backfills.finish_shard(id_, 2, "broken", "the first page was refused")
    backfills.finish(id_, "incomplete", "2 shards broke")
    assert backfills.list_shards(id_)[0].reason == "the cursor 'c1' led back to 'c0'"

    resumed = backfills.resume(id_)
    assert (resumed.state, resumed.reason, resumed.broken) == ("running", None, 0)
    anew, on, first = backfills.list_shards(id_)
    assert (anew.state, anew.cursor, anew.page, anew.reason) == ("waiting", None, 1, None)
    assert (anew.walk.start, anew.walk.end, anew.ask.end) == (before(60), before(20), NOON)
    assert (on.state, on.cursor, on.walk) == ("running", "c1", on.ask)
    assert (first.state, first.cursor, first.walk) == ("waiting", None, first.ask)

    backfills.record_pages(id_, 0, mark(1, oldest=before(40), cursor=None))
    assert backfills.resume(id_) == backfills.get(id_)
    (anew, _, _) = backfills.list_shards(id_)
    assert (anew.cursor, anew.walk.end) == ("c2", before(20))


def test_an_unknown_backfill_is_told(backfills: BackfillStore, tmp_path: Path) -> None:
    for id_ in ("20260601-abc", "../../etc"):
        for call in (backfills.get, backfills.cancel, backfills.resume, backfills.lock_holder):
            with pytest.raises(BackfillNotFound, match=r"no backfill .*backfill list"):
                call(id_)
        with pytest.raises(BackfillNotFound), backfills.lock(id_):
            pass
    assert not (tmp_path / "backfills").exists()


def test_one_process_runs_a_backfill_and_is_named_to_others(backfills: BackfillStore, state: Path) -> None:
    id_, other = begin(backfills).backfill_id, begin(backfills, digest="other").backfill_id
    with process(HOLD, state, id_) as holder:
        assert said(holder) == "ready"
        assert backfills.lock_holder(id_) == f"PID {holder.pid}"
        told = rf"{id_} is run by PID {holder.pid}; wait"
        with pytest.raises(BackfillBusy, match=told) as caught, backfills.lock(id_):
            pass
        assert caught.value.holder == f"PID {holder.pid}"
        with backfills.lock(other):
            assert backfills.lock_holder(other) == f"PID {os.getpid()}"
        holder.kill()
        holder.wait()
    assert backfills.lock_holder(id_) is None
    with backfills.lock(id_):
        assert backfills.get(id_).holder == f"PID {os.getpid()}"


def test_processes_that_ask_alike_at_once_share_one_backfill(backfills: BackfillStore, state: Path) -> None:
    with process(OPEN, state) as one, process(OPEN, state) as two:
        for started in (one, two):
            assert started.stdin is not None
            started.stdin.write("go\n")
            started.stdin.flush()
        assert said(one) == said(two) == backfills.list_all()[0].backfill_id
    assert len(backfills.list_all()) == 1


@pytest.mark.parametrize("kills", [2, pytest.param(15, marks=pytest.mark.slow)])
def test_what_was_noted_survives_a_kill(backfills: BackfillStore, state: Path, kills: int) -> None:
    id_ = begin(backfills).backfill_id
    for kill in range(kills):
        with process(LAND, state, id_) as writer:
            begun = int(said(writer))
            time.sleep(0.011 * (kill + 1))
            os.kill(writer.pid, signal.SIGKILL)
            assert writer.stdout is not None
            started = [begun, *map(int, writer.stdout.read().split())]
        (shard,) = backfills.list_shards(id_)
        assert shard.page in {started[-1], started[-1] + 1}
        assert (shard.rows, shard.requests, shard.cursor) == (10 * shard.page, shard.page, f"c{shard.page}")


def test_a_full_disk_is_told_and_costs_no_page(small: Path) -> None:
    backfills = BackfillStore(small / "state.db")
    id_ = begin(backfills, *(wanted(str(item)) for item in range(100))).backfill_id
    ballast = fill_disk(small, 0)
    with pytest.raises(WarehouseFull, match="make room"):
        backfills.record_pages(id_, 0, *(mark(number, next_cursor="c" * 4000) for number in range(1000)))
    ballast.unlink()
    assert backfills.list_shards(id_)[0].page == 0
    assert backfills.record_pages(id_, 0, mark(0))
    assert backfills.list_shards(id_)[0].page == 1


def test_what_done_shards_hold_ends_where_it_was_settled(backfills: BackfillStore) -> None:
    observed = NOON - timedelta(minutes=8)
    read(backfills, wanted(), observed_at=observed)
    assert backfills.covered_spans("cs2cap", "points", "USD", None, "1", "steam") == spans(60, 10)
    read(backfills, wanted(interval="1h", start=before(150)), series="candles", observed_at=observed)
    assert backfills.covered_spans("cs2cap", "candles", "USD", "1h", "1", None) == spans(150, 60)
    read(backfills, wanted(None, start=before(49 * 60)), series="sales")
    assert backfills.covered_spans("cs2cap", "sales", "USD", None, "7", "csfloat") == spans(49 * 60, 48 * 60)


def test_what_came_later_fills_the_open_end(backfills: BackfillStore) -> None:
    read(backfills, wanted(), observed_at=before(7))
    read(backfills, wanted(start=before(10)), observed_at=NOON + GRID)
    assert backfills.covered_spans("cs2cap", "points", "USD", None, "1", None) == spans(60, 0)


@pytest.mark.parametrize(
    "asked",
    [
        ("other", "points", "USD", None, "1", "steam"),
        ("cs2cap", "candles", "USD", None, "1", "steam"),
        ("cs2cap", "points", "EUR", None, "1", "steam"),
        ("cs2cap", "points", "USD", "1h", "1", "steam"),
        ("cs2cap", "points", "USD", None, "2", "steam"),
        ("cs2cap", "points", "USD", None, "1", "csfloat"),
        ("cs2cap", "points", "USD", None, "1", None),
        ("cs2cap", "points", "USD", None, None, "steam"),
    ],
    ids=["source", "series", "currency", "interval", "item", "provider", "all-providers", "all-items"],
)
def test_another_question_is_not_covered(backfills: BackfillStore, asked: tuple[str, ...]) -> None:
    read(backfills, wanted(provider="steam"), wanted(None, end=before(59), provider="csfloat"))
    held = backfills.covered_spans(*asked)
    assert held == (spans(60, 59) if "csfloat" in asked else [])


def test_an_item_that_was_named_without_an_id_is_not_everything(backfills: BackfillStore) -> None:
    read(backfills, wanted(item=None, provider="steam"))
    read(backfills, dataclasses.replace(wanted(provider="csfloat"), item=Item(None, "AK-47 | Redline", None)))
    coverage = backfills.load_coverage("cs2cap", "points", "USD")
    assert coverage.spans_of("1", "steam") == spans(60, 0)
    assert coverage.spans_of("1", "csfloat") == []


def test_a_shard_that_stopped_on_its_way_holds_what_is_newer_than_its_oldest_slot(
    backfills: BackfillStore,
) -> None:
    id_ = begin(backfills, wanted(), wanted("2"), wanted("3")).backfill_id
    backfills.record_pages(id_, 0, mark(0, oldest=before(22)))
    backfills.record_pages(id_, 1, mark(0, oldest=before(22), observed_at=before(28)))
    backfills.finish_shard(id_, 2, "broken", "refused")
    coverage = backfills.load_coverage("cs2cap", "points", "USD")
    assert coverage.spans_of("1", None) == spans(20, 0)
    assert coverage.spans_of("2", None) == coverage.spans_of("3", None) == []
