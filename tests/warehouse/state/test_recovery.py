"""Landed pages are recovered after a kill: before `state.db` was written, before a load, inside of a file."""

import dataclasses
import shutil
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.backfill_state import before, begin_backfill, land_pages, page_meta, series_shard, spans
from tests.support.clocks import NOON
from tests.support.postgres import Postgres, needs_postgres
from tests.support.states import Address
from tests.support.warehouse import create_warehouse
from warehouse.landing.conversion import no_parser
from warehouse.loading.queue_loading import QueueLoader
from warehouse.paths import WarehousePaths
from warehouse.rebuild import rebuild
from warehouse.shared import SharedLocation
from warehouse.state.backfill_rows import BackfillShard
from warehouse.state.backfills import BackfillStore
from warehouse.state.recovery import recover_progress

pytestmark = pytest.mark.file_warehouse("the file state.db is lost or damaged")


@pytest.fixture
def paths(tmp_path: Path) -> WarehousePaths:
    return create_warehouse(tmp_path)


@pytest.fixture
def backfills(paths: WarehousePaths) -> BackfillStore:
    return BackfillStore(paths, lambda: NOON)


def begin_with_items(backfills: BackfillStore, items: int = 2) -> str:
    return begin_backfill(backfills, *(series_shard(str(item)) for item in range(items))).backfill_id


def checkpoints(backfills: BackfillStore, backfill_id: str) -> list[tuple[object, ...]]:
    shards = backfills.list_shards(backfill_id)
    return [(shard.state, shard.page, shard.cursor, shard.rows, shard.oldest) for shard in shards]


def test_landed_page_missing_in_state_db_is_recorded(paths: WarehousePaths, backfills: BackfillStore) -> None:
    id_ = begin_with_items(backfills)
    land_pages(paths, "a", id_, {0: [page_meta(0), page_meta(1)], 1: [page_meta(0)]})
    backfills.record_pages(id_, 0, page_meta(0))
    recovered = recover_progress(paths, backfills, id_)
    assert checkpoints(backfills, id_) == [
        ("running", 2, "c2", 20, before(20)),
        ("running", 1, "c1", 10, before(10)),
    ]
    assert (recovered.rows, recovered.requests) == (30, 3)
    assert recover_progress(paths, backfills, id_) == recovered


@needs_postgres
@pytest.mark.server
def test_other_machines_know_the_pages_of_an_uploaded_landing(postgres: Postgres, tmp_path: Path) -> None:
    shared = SharedLocation(Address(postgres.create_database()), (tmp_path / "shared").as_uri())
    here, elsewhere = (WarehousePaths(tmp_path / name, shared) for name in ("here", "elsewhere"))
    for machine in (here, elsewhere):
        machine.prepare()
    backfills = BackfillStore(elsewhere, lambda: NOON)
    id_ = begin_with_items(backfills, 3)
    land_pages(here, "a", id_, {0: [page_meta(0), page_meta(1)], 1: [page_meta(0, last=True)]}, complete={1})
    land_pages(here, "b", "of-another-warehouse", {0: [page_meta(0)]})
    BackfillStore(here, lambda: NOON).record_pages(id_, 0, page_meta(0))
    loader = QueueLoader(here, shared, now=lambda: NOON, row_parser=no_parser, on_loaded=lambda _: None)
    assert loader.upload(timedelta(days=1)) == []
    assert checkpoints(backfills, id_) == [
        ("running", 2, "c2", 20, before(20)),
        ("done", 1, None, 10, before(10)),
        ("waiting", 0, None, 0, None),
    ]


def test_page_of_rejects_after_another_machine(paths: WarehousePaths, backfills: BackfillStore) -> None:
    """A shard of which rows came is not broken by a last page without one."""
    id_ = begin_with_items(backfills, 1)
    backfills.record_pages(id_, 0, page_meta(0))
    last = dataclasses.replace(page_meta(1, last=True), rows=0, rejects=(("unknown provider", "{}"),))
    land_pages(paths, "a", id_, {0: [last]})
    recover_progress(paths, backfills, id_)
    assert [shard.state for shard in backfills.list_shards(id_)] == ["done"]


def test_truncated_file_loses_only_its_last_page(paths: WarehousePaths, backfills: BackfillStore) -> None:
    id_ = begin_with_items(backfills, 1)
    folder = land_pages(paths, "a", id_, {0: [page_meta(0), page_meta(1), page_meta(2)]})
    truncated = folder / "s0001.arrow.zst"
    truncated.write_bytes(truncated.read_bytes()[:-20])
    recover_progress(paths, backfills, id_)
    assert checkpoints(backfills, id_) == [("running", 2, "c2", 20, before(20))]


def test_micro_batches_are_joined_in_the_order_of_their_pages(
    paths: WarehousePaths, backfills: BackfillStore
) -> None:
    id_ = begin_with_items(backfills, 1)
    land_pages(paths, "b", id_, {0: [page_meta(0, observed_at=before(3)), page_meta(1)]})
    land_pages(paths, "a", id_, {0: [page_meta(2), page_meta(3, last=True)]})
    recover_progress(paths, backfills, id_)
    assert checkpoints(backfills, id_) == [("done", 4, None, 40, before(40))]
    assert backfills.load_coverage("cs2cap", "points", "USD").spans_of("0", None) == spans(60, 5)


def test_shard_completed_before_its_last_cursor_is_done(
    paths: WarehousePaths, backfills: BackfillStore
) -> None:
    id_ = begin_with_items(backfills)
    land_pages(paths, "a", id_, {0: [page_meta(0)], 1: [page_meta(0)]}, complete=[1])
    recover_progress(paths, backfills, id_)
    assert [shard.state for shard in backfills.list_shards(id_)] == ["running", "done"]


def test_loaded_and_waiting_landings_are_recovered(paths: WarehousePaths, backfills: BackfillStore) -> None:
    id_ = begin_with_items(backfills)
    for run, shard in (("a", 0), ("b", 1)):
        folder = land_pages(paths, run, id_, {shard: [page_meta(0)]})
        if run == "a":
            (folder / "loaded").touch()
    recover_progress(paths, backfills, id_)
    assert [shard.page for shard in backfills.list_shards(id_)] == [1, 1]


def test_other_and_corrupt_landings_are_skipped(paths: WarehousePaths, backfills: BackfillStore) -> None:
    id_, other = begin_with_items(backfills), begin_backfill(backfills, digest="other").backfill_id
    land_pages(paths, "a", other, {0: [page_meta(0)]})
    land_pages(paths, "b", id_, {0: [page_meta(0)]}, flow="snapshot")
    damaged = land_pages(paths, "c", id_, {0: [page_meta(0)]}, complete=[0])
    (damaged / "s0001.json").write_text("{}")
    headless = land_pages(paths, "d", id_, {0: [page_meta(0)]})
    (headless / "run.json").write_text("{")
    (paths.landing / "e").mkdir()
    land_pages(paths, "f", id_, {1: [page_meta(0)]})
    recover_progress(paths, backfills, id_)
    assert [shard.page for shard in backfills.list_shards(id_)] == [0, 1]
    assert [shard.page for shard in backfills.list_shards(other)] == [0]


def test_rebuild_removes_lost_shards_from_the_coverage(
    paths: WarehousePaths, backfills: BackfillStore
) -> None:
    id_, unfinished = (
        begin_with_items(backfills),
        begin_backfill(backfills, series_shard("7"), digest="unfinished").backfill_id,
    )
    pruned = land_pages(paths, "a", id_, {0: [page_meta(0, last=True)]})
    land_pages(paths, "b", id_, {1: [page_meta(0, last=True)]})
    recover_progress(paths, backfills, id_)
    backfills.finish(id_, "done")
    lost = land_pages(paths, "c", unfinished, {0: [page_meta(0)]})
    recover_progress(paths, backfills, unfinished)
    for folder in (pruned, lost):
        shutil.rmtree(folder)

    rebuild(paths, lambda: NOON)
    coverage = backfills.load_coverage("cs2cap", "points", "USD")
    assert coverage.spans_of("0", None) == coverage.spans_of("7", None) == []
    assert coverage.spans_of("1", None) == spans(60, 0)
    assert backfills.get(id_).state == "done"
    cancelled = backfills.get(unfinished)
    assert (cancelled.state, cancelled.reason) == ("cancelled", "its landed rows are lost")


@pytest.mark.slow
@settings(max_examples=8, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 4), st.booleans()), min_size=1, max_size=6), st.booleans())
def test_any_number_of_kills_changes_no_checkpoint(
    micro_batches: Sequence[tuple[int, bool]], complete: bool
) -> None:
    pages = [page_meta(number) for number in range(sum(count for count, _ in micro_batches))]
    if complete:
        pages[-1] = page_meta(len(pages) - 1, last=True)

    def extract(folder: Path, *, killed: bool) -> list[BackfillShard]:
        paths = create_warehouse(folder)
        backfills = BackfillStore(paths, lambda: NOON)
        id_, first = begin_with_items(backfills, 1), 0
        for number, (count, cut_short) in enumerate(micro_batches):
            backfills.resume(id_)
            recover_progress(paths, backfills, id_)
            assert backfills.list_shards(id_)[0].page == first
            batch = pages[first : first + count]
            land_pages(paths, f"{number}", id_, {0: batch})
            backfills.record_pages(id_, 0, *batch[: -1 if killed and cut_short else None])
            first += count
        recover_progress(paths, backfills, id_)
        return backfills.list_shards(id_)

    with TemporaryDirectory() as one, TemporaryDirectory() as two:
        killed, undisturbed = extract(Path(one), killed=True), extract(Path(two), killed=False)
    assert [(s.state, s.page, s.cursor, s.rows, s.oldest, s.settled_to) for s in killed] == [
        (s.state, s.page, s.cursor, s.rows, s.oldest, s.settled_to) for s in undisturbed
    ]
