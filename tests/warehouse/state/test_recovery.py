"""What landed counts, whatever a kill kept from `state.db`, from a loading, or from the end of a file."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.backfill_state import before, begin, land_pages, mark, spans, wanted
from tests.support.clocks import NOON
from tests.support.warehouse import home_in
from warehouse.maintenance import rebuild
from warehouse.paths import WarehousePaths
from warehouse.state.backfill_rows import BackfillShard
from warehouse.state.backfills import BackfillStore
from warehouse.state.recovery import recover_progress


@pytest.fixture
def home(tmp_path: Path) -> WarehousePaths:
    return home_in(tmp_path)


@pytest.fixture
def backfills(home: WarehousePaths) -> BackfillStore:
    return BackfillStore(home.state, lambda: NOON)


def begun(backfills: BackfillStore, shards: int = 2) -> str:
    return begin(backfills, *(wanted(str(item)) for item in range(shards))).backfill_id


def stands(backfills: BackfillStore, backfill_id: str) -> list[tuple[object, ...]]:
    shards = backfills.list_shards(backfill_id)
    return [(one.state, one.page, one.cursor, one.rows, one.oldest) for one in shards]


def test_the_page_that_state_db_lags_behind_by_is_noted(
    home: WarehousePaths, backfills: BackfillStore
) -> None:
    id_ = begun(backfills)
    land_pages(home, "a", id_, {0: [mark(0), mark(1)], 1: [mark(0)]})
    backfills.record_pages(id_, 0, mark(0))
    recovered = recover_progress(home, backfills, id_)
    assert stands(backfills, id_) == [
        ("running", 2, "c2", 20, before(20)),
        ("running", 1, "c1", 10, before(10)),
    ]
    assert (recovered.rows, recovered.requests) == (30, 3)
    assert recover_progress(home, backfills, id_) == recovered


def test_a_torn_tail_costs_its_last_page(home: WarehousePaths, backfills: BackfillStore) -> None:
    id_ = begun(backfills, 1)
    folder = land_pages(home, "a", id_, {0: [mark(0), mark(1), mark(2)]})
    torn = folder / "s0001.arrow"
    torn.write_bytes(torn.read_bytes()[:-20])
    recover_progress(home, backfills, id_)
    assert stands(backfills, id_) == [("running", 2, "c2", 20, before(20))]


def test_legs_are_put_together_in_the_order_of_their_pages(
    home: WarehousePaths, backfills: BackfillStore
) -> None:
    id_ = begun(backfills, 1)
    land_pages(home, "b", id_, {0: [mark(0, observed_at=before(3)), mark(1)]})
    land_pages(home, "a", id_, {0: [mark(2), mark(3, last=True)]})
    recover_progress(home, backfills, id_)
    assert stands(backfills, id_) == [("done", 4, None, 40, before(40))]
    assert backfills.covered_spans("cs2cap", "points", "USD", None, "0", None) == spans(60, 5)


def test_a_walk_that_was_whole_before_its_last_cursor_is_done(
    home: WarehousePaths, backfills: BackfillStore
) -> None:
    id_ = begun(backfills)
    land_pages(home, "a", id_, {0: [mark(0)], 1: [mark(0)]}, complete=[1])
    recover_progress(home, backfills, id_)
    assert [shard.state for shard in backfills.list_shards(id_)] == ["running", "done"]


def test_a_landing_counts_when_it_was_loaded_and_when_it_was_not(
    home: WarehousePaths, backfills: BackfillStore
) -> None:
    id_ = begun(backfills)
    for run, shard in (("a", 0), ("b", 1)):
        folder = land_pages(home, run, id_, {shard: [mark(0)]})
        if run == "a":
            (folder / "loaded").touch()
    recover_progress(home, backfills, id_)
    assert [shard.page for shard in backfills.list_shards(id_)] == [1, 1]


def test_what_is_of_others_or_cannot_be_read_counts_for_nothing(
    home: WarehousePaths, backfills: BackfillStore
) -> None:
    id_, other = begun(backfills), begin(backfills, digest="other").backfill_id
    land_pages(home, "a", other, {0: [mark(0)]})
    land_pages(home, "b", id_, {0: [mark(0)]}, flow="snapshot")
    damaged = land_pages(home, "c", id_, {0: [mark(0)]}, complete=[0])
    (damaged / "s0001.json").write_text("{}")
    headless = land_pages(home, "d", id_, {0: [mark(0)]})
    (headless / "run.json").write_text("{")
    (home.landing / "e").mkdir()
    land_pages(home, "f", id_, {1: [mark(0)]})
    recover_progress(home, backfills, id_)
    assert [shard.page for shard in backfills.list_shards(id_)] == [0, 1]
    assert [shard.page for shard in backfills.list_shards(other)] == [0]


def test_a_database_made_anew_holds_what_the_kept_landings_brought(
    home: WarehousePaths, backfills: BackfillStore
) -> None:
    id_, open_ = begun(backfills), begin(backfills, wanted("7"), digest="open").backfill_id
    pruned = land_pages(home, "a", id_, {0: [mark(0, last=True)]})
    land_pages(home, "b", id_, {1: [mark(0, last=True)]})
    recover_progress(home, backfills, id_)
    backfills.finish(id_, "done")
    gone = land_pages(home, "c", open_, {0: [mark(0)]})
    recover_progress(home, backfills, open_)
    for folder in (pruned, gone):
        shutil.rmtree(folder)

    rebuild(home, lambda: NOON)
    coverage = backfills.load_coverage("cs2cap", "points", "USD")
    assert coverage.spans_of("0", None) == coverage.spans_of("7", None) == []
    assert coverage.spans_of("1", None) == spans(60, 0)
    assert backfills.get(id_).state == "done"
    given_up = backfills.get(open_)
    assert (given_up.state, given_up.reason) == ("cancelled", "what it had brought is lost")


@settings(max_examples=8, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 4), st.booleans()), min_size=1, max_size=6), st.booleans())
def test_any_number_of_kills_leaves_what_none_would_have_left(
    legs: Sequence[tuple[int, bool]], through: bool
) -> None:
    pages = [mark(number) for number in range(sum(count for count, _ in legs))]
    if through:
        pages[-1] = mark(len(pages) - 1, last=True)

    def walked(folder: Path, *, killed: bool) -> list[BackfillShard]:
        home = home_in(folder)
        backfills = BackfillStore(home.state, lambda: NOON)
        id_, first = begun(backfills, 1), 0
        for leg, (count, cut_short) in enumerate(legs):
            backfills.resume(id_)
            recover_progress(home, backfills, id_)
            assert backfills.list_shards(id_)[0].page == first
            mine = pages[first : first + count]
            land_pages(home, f"{leg}", id_, {0: mine})
            backfills.record_pages(id_, 0, *mine[: -1 if killed and cut_short else None])
            first += count
        recover_progress(home, backfills, id_)
        return backfills.list_shards(id_)

    with TemporaryDirectory() as one, TemporaryDirectory() as two:
        killed, whole = walked(Path(one), killed=True), walked(Path(two), killed=False)
    assert [(s.state, s.page, s.cursor, s.rows, s.oldest, s.settled_to) for s in killed] == [
        (s.state, s.page, s.cursor, s.rows, s.oldest, s.settled_to) for s in whole
    ]
