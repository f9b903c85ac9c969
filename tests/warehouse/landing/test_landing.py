"""What is landed is there: torn streams, interrupted runs, pages that are still fresh."""

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
    Shard,
    frame,
    header,
    home_in,
    land,
    load,
    look,
    minute,
    prices,
    rows,
    snapshot,
)
from warehouse.landing.reader import is_being_written, pending_landings, read_run
from warehouse.landing.resume import find_interrupted_run, reusable_pages
from warehouse.landing.writer import LandingWriter

PAGES = [Page(minute(n / 60), [Quote(str(n * 3 + k)) for k in range(3)], offset=n * 3) for n in range(4)]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a finished landing of four pages of three rows."""
    return land(home_in(tmp_path_factory.mktemp("whole")), "run", Shard(PAGES))


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_stream_cut_anywhere_keeps_the_pages_before_the_cut(whole: Path, data: st.DataObject) -> None:
    size = (whole / "0001.arrow").stat().st_size
    cut = data.draw(st.integers(0, size - 1), "cut")
    ended = data.draw(st.booleans(), "with its manifest")
    with tempfile.TemporaryDirectory() as folder:
        torn = Path(shutil.copytree(whole, Path(folder) / "torn"))
        with (torn / "0001.arrow").open("r+b") as file:
            file.truncate(cut)
        if not ended:
            (torn / "0001.json").unlink()
        run = read_run(torn)

        landed = [page for shard in run.shards for page in shard.batches()]
        assert [len(batch) for _, batch in landed] == [3] * len(landed)
        assert [mark.offset for mark, _ in landed] == [page.offset for page in PAGES][: len(landed)]
        assert not any(shard.complete for shard in run.shards)
        assert len(landed) < 4 or cut > size - 32


def test_a_torn_tail_costs_the_last_page_only(whole: Path, tmp_path: Path) -> None:
    torn = Path(shutil.copytree(whole, tmp_path / "torn"))
    (torn / "0001.json").unlink()
    with (torn / "0001.arrow").open("r+b") as file:
        file.truncate((whole / "0001.arrow").stat().st_size - 100)
    assert [len(shard.pages) for shard in read_run(torn).shards] == [3]


def test_a_run_without_an_end_is_loaded_as_crashed_and_closes_nothing(tmp_path: Path) -> None:
    home = home_in(tmp_path)
    snapshot(home, "a", look(minute(0), Quote("1"), Quote("2")))
    report = snapshot(home, "b", look(minute(10), Quote("1", 150)), state=None)

    assert (report.state, report.rows_changed, report.rows_closed) == ("crashed", 1, 0)
    assert set(prices(home)) == {"1", "2"}
    assert rows(home, "SELECT state, incomplete_reason IS NULL FROM runs ORDER BY run_id") == [
        ("done", True),
        ("crashed", False),
    ]
    assert rows(home, "SELECT complete, reason FROM observations WHERE run_id = 'b'") == [
        (False, "interrupted")
    ]


def test_a_run_that_still_writes_is_left_alone(tmp_path: Path) -> None:
    home = home_in(tmp_path)
    shard = look(minute(0), Quote())
    with LandingWriter(home.landing, header("run", minute(0))) as landing:
        writer = landing.open_shard(shard.header(1))
        writer.append(shard.pages[0].mark(), frame([Quote()]))
        assert is_being_written(landing.folder)
        assert (load(home), pending_landings(home.landing)) == ([], [])
    assert not is_being_written(landing.folder)
    assert [report.run_id for report in load(home)] == ["run"]


def test_a_page_of_another_schema_is_refused(tmp_path: Path) -> None:
    home = home_in(tmp_path)
    with LandingWriter(home.landing, header("run", minute(0))) as landing:
        shard = look(minute(0), Quote())
        rowsless = frame([Quote()]).drop("url")
        with pytest.raises(TypeError, match=r"a page of 0001\.arrow must have the columns"):
            landing.open_shard(shard.header(1)).append(shard.pages[0].mark(), rowsless)


def test_an_empty_page_is_a_page(tmp_path: Path) -> None:
    folder = land(home_in(tmp_path), "run", look(minute(0)))
    assert [len(batch) for _, batch in read_run(folder).shards[0].batches()] == [0]


def test_pages_of_an_interrupted_run_are_fresh_for_a_while(tmp_path: Path) -> None:
    home = home_in(tmp_path)
    land(home, "old", look(minute(0), Quote()), state=None)
    land(home, "new", Shard(PAGES), state="cancelled", started_at=minute(1))
    run = find_interrupted_run(home.landing, "cs2cap", "all")
    assert run is not None

    asked = Shard(PAGES).header(7)
    half = reusable_pages(run, asked, now=minute(5), lifetime=timedelta(minutes=5) - timedelta(seconds=1.5))
    assert (run.header.run_id, [mark.offset for mark, _ in half]) == ("new", [6, 9])
    assert [page["item_id"].to_list() for _, page in half] == [["6", "7", "8"], ["9", "10", "11"]]
    assert reusable_pages(run, Shard(PAGES, currency="EUR").header(1), now=NOON, lifetime=DAY) == []


def test_pages_with_rejects_are_fetched_again(tmp_path: Path) -> None:
    """Their rejects would be lost with the interrupted run, and the rows taken for vanished."""
    home = home_in(tmp_path)
    pages = [Page(minute(0), [Quote("1")]), Page(minute(0), [Quote("2")], offset=1, rejects=[("bad", "{}")])]
    folder = land(home, "run", Shard(pages), state="crashed")
    again = reusable_pages(read_run(folder), Shard(pages).header(1), now=minute(0), lifetime=DAY)
    assert [mark.offset for mark, _ in again] == [0]


@pytest.mark.parametrize("state", ["done", "incomplete"])
def test_a_run_that_came_through_leaves_nothing_fresh(tmp_path: Path, state: str) -> None:
    home = home_in(tmp_path)
    land(home, "cut", look(minute(0), Quote()), state="cancelled")
    land(home, "run", look(minute(1), Quote()), state=state)
    land(home, "another", look(minute(2), Quote()), state="cancelled", basket="other")
    assert find_interrupted_run(home.landing, "cs2cap", "all") is None
    assert find_interrupted_run(home.landing, "elsewhere", "all") is None
