"""Loading a landing again changes nothing; the next load completes one that was killed anywhere."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.warehouse import (
    DAY,
    Quote,
    create_warehouse,
    dump_facts,
    land,
    land_and_load,
    load,
    load_into_memory,
    minute,
    observe,
    run_header,
)
from warehouse.landing.inventory import mark_loaded, prune
from warehouse.landing.reader import read_run
from warehouse.landing.writer import LandingWriter
from warehouse.loading.pipeline import load_pending
from warehouse.loading.quotes import load_run
from warehouse.loading.run import LoadReport

QUOTES = st.lists(
    st.builds(Quote, item=st.sampled_from("123"), cents=st.integers(0, 3), quantity=st.integers(1, 2),
              provider=st.sampled_from(["steam", "buff163"])),
    max_size=5,
)  # fmt: skip


@pytest.mark.slow
@settings(max_examples=10, deadline=None)
@given(observations=st.lists(QUOTES, min_size=1, max_size=3), data=st.data())
def test_loading_a_landing_twice_changes_nothing(
    observations: list[list[Quote]], data: st.DataObject
) -> None:
    with tempfile.TemporaryDirectory() as root:
        paths = create_warehouse(Path(root))
        providers = ("steam", "buff163")
        folders = [
            land(paths, f"r{n}", observe(minute(n), *quotes, providers=providers))
            for n, quotes in enumerate(observations)
        ]
        db = load_into_memory(folders)
        tables = ("item", "provider", "run", "scope", "scope_item", "observation", "current", "history")
        before = [db.execute(f"FROM store.{table}").fetchall() for table in tables]
        folder = data.draw(st.sampled_from(folders))

        assert load_run(db, read_run(folder), minute(999)) is None
        assert [db.execute(f"FROM store.{table}").fetchall() for table in tables] == before


@pytest.mark.file_warehouse("a landing of one machine is marked; landing/test_queue.py is for a queue")
def test_load_killed_before_marking_the_landing_is_repeated_without_a_change(tmp_path: Path) -> None:
    paths = create_warehouse(tmp_path)
    folder = land(paths, "a", observe(minute(0), Quote("1"), Quote("2")))
    load(paths)
    before = dump_facts(paths)
    (folder / "loaded").unlink()

    assert load(paths) == []
    assert dump_facts(paths) == before
    assert (folder / "loaded").exists()


@pytest.mark.file_warehouse("a lake needs no publish")
def test_load_killed_before_publishing_is_published_by_the_next(tmp_path: Path) -> None:
    paths = create_warehouse(tmp_path)
    land_and_load(paths, "a", observe(minute(0), Quote("1")))
    old = paths.published.read_bytes()
    folder = land(paths, "b", observe(minute(10), Quote("1", 120)))
    load(paths)
    after = dump_facts(paths)
    paths.published.unlink()
    paths.published.write_bytes(old)
    (folder / "loaded").unlink()
    load(paths)
    assert dump_facts(paths) == after


def test_old_loaded_landings_are_pruned(tmp_path: Path) -> None:
    paths = create_warehouse(tmp_path)
    old = land(paths, "old", observe(minute(0), Quote("1")))
    load(paths)
    new = land(paths, "new", observe(minute(10), Quote("1")))
    load_pending(paths, now=lambda: minute(600), keep=0 * DAY, wait=0)

    assert not old.exists()
    assert not new.exists()
    assert list(paths.landing.iterdir()) == []


def test_killed_prune_leaves_no_partial_landing(tmp_path: Path) -> None:
    """A rebuild must not take the rest for a run; the next prune deletes it."""
    paths = create_warehouse(tmp_path)
    folder = land(paths, "a", observe(minute(0), Quote("1")))
    mark_loaded(folder)
    (folder / "run.json").unlink()  # the first file that a prune deletes
    assert load_pending(paths, now=lambda: minute(600), keep=0 * DAY, wait=0) == []
    assert not folder.exists()


def test_landing_without_a_header_is_pruned(tmp_path: Path) -> None:
    paths = create_warehouse(tmp_path)
    (paths.landing / "dead").mkdir()
    with LandingWriter(paths.landing, run_header("alive", minute(0))) as alive:
        (alive.folder / "run.json").unlink()  # as just before it is written
        assert prune(paths.landing, 0 * DAY) == 1
        assert [path.name for path in paths.landing.iterdir()] == ["alive"]


def test_landing_that_was_not_loaded_is_never_pruned(tmp_path: Path) -> None:
    paths = create_warehouse(tmp_path)
    corrupt = land(paths, "a", observe(minute(0), Quote("1")))
    (corrupt / "done.json").write_text("?")
    (report,) = load_pending(paths, now=lambda: minute(600), keep=0 * DAY, wait=0)
    assert report.state == "unreadable"
    assert (corrupt / "0001.arrow.zst").exists()


def test_on_loaded_gets_the_loads(tmp_path: Path) -> None:
    paths = create_warehouse(tmp_path)
    land(paths, "a", observe(minute(0), Quote("1")))
    loaded: list[LoadReport] = []
    load_pending(paths, now=lambda: minute(1), keep=DAY, wait=0, on_loaded=loaded.extend)
    assert [report.run_id for report in loaded] == ["a"]


def test_error_of_on_loaded_reaches_the_caller(tmp_path: Path) -> None:
    paths = create_warehouse(tmp_path)
    land(paths, "a", observe(minute(0), Quote("1")))

    def fail(_: object) -> None:
        raise RuntimeError("the caller's own")

    with pytest.raises(RuntimeError, match="the caller's own"):
        load_pending(paths, now=lambda: minute(1), keep=DAY, wait=0, on_loaded=fail)
    assert load(paths) == []
    assert dump_facts(paths)["run"]
