"""Landings on disk: truncated streams, interrupted runs, reusable pages."""

import shutil
import tempfile
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.clocks import NOON
from tests.support.warehouse import (
    DAY,
    Page,
    Quote,
    ShardSpec,
    create_warehouse,
    current_prices,
    land,
    land_and_load,
    load,
    minute,
    observe,
    query_rows,
    quotes_frame,
    run_header,
)
from warehouse.landing.inventory import is_being_written, pending_landings
from warehouse.landing.reader import read_run
from warehouse.landing.resume import find_interrupted_run, reusable_pages
from warehouse.landing.writer import LandingWriter

PAGES = [Page(minute(n / 60), [Quote(str(n * 3 + k)) for k in range(3)], offset=n * 3) for n in range(4)]


@pytest.fixture(scope="module")
def interrupted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the landing of a run that was killed after four pages of three rows."""
    paths = create_warehouse(tmp_path_factory.mktemp("interrupted"))
    return land(paths, "run", ShardSpec(PAGES), state=None)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_stream_cut_anywhere_keeps_the_pages_before_the_cut(interrupted: Path, data: st.DataObject) -> None:
    size = (interrupted / "0001.arrow.zst").stat().st_size
    cut = data.draw(st.integers(0, size - 1), "cut")
    with tempfile.TemporaryDirectory() as folder:
        truncated = Path(shutil.copytree(interrupted, Path(folder) / "truncated"))
        with (truncated / "0001.arrow.zst").open("r+b") as file:
            file.truncate(cut)
        run = read_run(truncated)

        pages = [page for shard in run.shards for page in shard.batches()]
        assert [len(batch) for _, batch in pages] == [3] * len(pages)
        assert [meta.offset for meta, _ in pages] == [page.offset for page in PAGES][: len(pages)]
        assert not any(shard.complete for shard in run.shards)
        assert len(pages) < 4 or cut >= size - 8  # the mark of the last page's end


def test_truncated_stream_loses_only_its_last_page(interrupted: Path, tmp_path: Path) -> None:
    truncated = Path(shutil.copytree(interrupted, tmp_path / "truncated"))
    with (truncated / "0001.arrow.zst").open("r+b") as file:
        file.truncate((interrupted / "0001.arrow.zst").stat().st_size - 100)
    assert [len(shard.pages) for shard in read_run(truncated).shards] == [3]


def test_run_without_an_end_loads_as_crashed_and_closes_nothing(tmp_path: Path) -> None:
    paths = create_warehouse(tmp_path)
    land_and_load(paths, "a", observe(minute(0), Quote("1"), Quote("2")))
    report = land_and_load(paths, "b", observe(minute(10), Quote("1", 150)), state=None)

    assert (report.state, report.rows_changed, report.rows_closed) == ("crashed", 1, 0)
    assert set(current_prices(paths)) == {"1", "2"}
    assert query_rows(paths, "SELECT state, incomplete_reason IS NULL FROM runs ORDER BY run_id") == [
        ("done", True),
        ("crashed", False),
    ]
    assert query_rows(paths, "SELECT complete, reason FROM observations WHERE run_id = 'b'") == [
        (False, "interrupted")
    ]


def test_run_that_is_still_being_written_is_not_pending(tmp_path: Path) -> None:
    paths = create_warehouse(tmp_path)
    shard = observe(minute(0), Quote())
    with LandingWriter(paths.landing, run_header("run", minute(0))) as landing:
        writer = landing.open_shard(shard.header(1))
        writer.append(shard.pages[0].meta(), quotes_frame([Quote()]))
        assert is_being_written(landing.folder)
        assert (load(paths), pending_landings(paths.landing)) == ([], [])
    assert not is_being_written(landing.folder)
    assert [report.run_id for report in load(paths)] == ["run"]


def test_page_of_another_schema_is_refused(tmp_path: Path) -> None:
    paths = create_warehouse(tmp_path)
    with LandingWriter(paths.landing, run_header("run", minute(0))) as landing:
        shard = observe(minute(0), Quote())
        incomplete = quotes_frame([Quote()]).drop("url")
        with pytest.raises(TypeError, match=r"a page of 0001\.arrow\.zst must have the columns"):
            landing.open_shard(shard.header(1)).append(shard.pages[0].meta(), incomplete)


def test_empty_page_counts_as_a_page(tmp_path: Path) -> None:
    folder = land(create_warehouse(tmp_path), "run", observe(minute(0)))
    assert [len(batch) for _, batch in read_run(folder).shards[0].batches()] == [0]


def test_pages_of_an_interrupted_run_are_reusable_for_their_lifetime(tmp_path: Path) -> None:
    paths = create_warehouse(tmp_path)
    land(paths, "1-old", observe(minute(0), Quote()), state=None)
    land(paths, "2-new", ShardSpec(PAGES), state="cancelled", started_at=minute(1))
    run = find_interrupted_run(paths.landing, "cs2cap", "all")
    assert run is not None

    request = ShardSpec(PAGES).header(7)
    pages = reusable_pages(run, request, now=minute(5), lifetime=timedelta(minutes=4, seconds=58.5))
    assert (run.header.run_id, [meta.offset for meta, _ in pages]) == ("2-new", [6, 9])
    assert [page["item_id"].to_list() for _, page in pages] == [["6", "7", "8"], ["9", "10", "11"]]
    assert reusable_pages(run, ShardSpec(PAGES, currency="EUR").header(1), now=NOON, lifetime=DAY) == []


def test_pages_with_rejects_are_not_reusable(tmp_path: Path) -> None:
    """The rejects would be lost, and the quotes of those rows would seem to have vanished."""
    paths = create_warehouse(tmp_path)
    pages = [Page(minute(0), [Quote("1")]), Page(minute(0), [Quote("2")], offset=1, rejects=[("bad", "{}")])]
    folder = land(paths, "run", ShardSpec(pages), state="crashed")
    reusable = reusable_pages(read_run(folder), ShardSpec(pages).header(1), now=minute(0), lifetime=DAY)
    assert [meta.offset for meta, _ in reusable] == [0]


@pytest.mark.parametrize("state", ["done", "incomplete"])
def test_finished_run_is_not_resumed(tmp_path: Path, state: str) -> None:
    paths = create_warehouse(tmp_path)
    land(paths, "cut", observe(minute(0), Quote()), state="cancelled")
    land(paths, "run", observe(minute(1), Quote()), state=state)
    land(paths, "another", observe(minute(2), Quote()), state="cancelled", basket="other")
    assert find_interrupted_run(paths.landing, "cs2cap", "all") is None
    assert find_interrupted_run(paths.landing, "elsewhere", "all") is None
