"""Loading what is loaded changes nothing; a settle that died anywhere is taken up by the next."""

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
from warehouse.landing.reader import mark_loaded, prune, read_run
from warehouse.landing.writer import LandingWriter
from warehouse.loading.pipeline import load_pending
from warehouse.loading.quotes import load_run
from warehouse.loading.run import LoadReport

QUOTES = st.lists(
    st.builds(Quote, item=st.sampled_from("123"), cents=st.integers(0, 3), quantity=st.integers(1, 2),
              provider=st.sampled_from(["steam", "buff163"])),
    max_size=5,
)  # fmt: skip


@settings(max_examples=10, deadline=None)
@given(looks=st.lists(QUOTES, min_size=1, max_size=3), again=st.data())
def test_loading_a_landing_twice_changes_nothing(looks: list[list[Quote]], again: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as folder:
        home = create_warehouse(Path(folder))
        both = ("steam", "buff163")
        landed = [
            land(home, f"r{n}", observe(minute(n), *quotes, providers=both)) for n, quotes in enumerate(looks)
        ]
        db = load_into_memory(landed)
        tables = ("item", "provider", "run", "scope", "scope_item", "observation", "current", "history")
        before = [db.execute(f"FROM store.{table}").fetchall() for table in tables]
        twice = again.draw(st.sampled_from(landed))

        assert load_run(db, read_run(twice), minute(999)) is None
        assert [db.execute(f"FROM store.{table}").fetchall() for table in tables] == before


def test_a_settle_that_died_before_its_mark_is_repeated_without_a_trace(tmp_path: Path) -> None:
    home = create_warehouse(tmp_path)
    folder = land(home, "a", observe(minute(0), Quote("1"), Quote("2")))
    load(home)
    before = dump_facts(home)
    (folder / "loaded").unlink()

    assert load(home) == []
    assert dump_facts(home) == before
    assert (folder / "loaded").exists()


def test_a_settle_that_died_before_its_publish_publishes_next_time(tmp_path: Path) -> None:
    home = create_warehouse(tmp_path)
    land_and_load(home, "a", observe(minute(0), Quote("1")))
    old = home.published.read_bytes()
    folder = land(home, "b", observe(minute(10), Quote("1", 120)))
    load(home)
    after = dump_facts(home)
    home.published.unlink()
    home.published.write_bytes(old)
    (folder / "loaded").unlink()
    load(home)
    assert dump_facts(home) == after


def test_landings_go_when_they_were_loaded_long_enough_ago(tmp_path: Path) -> None:
    home = create_warehouse(tmp_path)
    old = land(home, "old", observe(minute(0), Quote("1")))
    load(home)
    new = land(home, "new", observe(minute(10), Quote("1")))
    load_pending(home, now=lambda: minute(600), keep=0 * DAY, wait=0)

    assert not old.exists()
    assert not new.exists()
    assert list(home.landing.iterdir()) == []


def test_a_prune_that_was_killed_leaves_no_half_landing(tmp_path: Path) -> None:
    """A rebuild must not take the remains for a run; the next prune clears them."""
    home = create_warehouse(tmp_path)
    folder = land(home, "a", observe(minute(0), Quote("1")))
    mark_loaded(folder)
    (folder / "run.json").unlink()  # the first that goes
    assert load_pending(home, now=lambda: minute(600), keep=0 * DAY, wait=0) == []
    assert not folder.exists()


def test_what_never_quite_began_goes_as_well(tmp_path: Path) -> None:
    home = create_warehouse(tmp_path)
    (home.landing / "dead").mkdir()
    with LandingWriter(home.landing, run_header("alive", minute(0))) as alive:
        (alive.folder / "run.json").unlink()  # as in the moment before it is written
        assert prune(home.landing, 0 * DAY) == 1
        assert [path.name for path in home.landing.iterdir()] == ["alive"]


def test_what_was_not_loaded_is_never_pruned(tmp_path: Path) -> None:
    home = create_warehouse(tmp_path)
    bad = land(home, "a", observe(minute(0), Quote("1")))
    (bad / "done.json").write_text("?")
    assert [report.state for report in load_pending(home, now=lambda: minute(600), keep=0 * DAY, wait=0)] == [
        "unreadable"
    ]
    assert (bad / "0001.arrow").exists()


def test_what_on_loaded_raises_is_published(tmp_path: Path) -> None:
    home = create_warehouse(tmp_path)
    land(home, "a", observe(minute(0), Quote("1")))
    heard: list[LoadReport] = []
    load_pending(home, now=lambda: minute(1), keep=DAY, wait=0, on_loaded=heard.extend)
    assert [report.run_id for report in heard] == ["a"]


def test_an_error_of_on_loaded_is_the_callers(tmp_path: Path) -> None:
    home = create_warehouse(tmp_path)
    land(home, "a", observe(minute(0), Quote("1")))

    def fail(_: object) -> None:
        raise RuntimeError("the caller's own")

    with pytest.raises(RuntimeError, match="the caller's own"):
        load_pending(home, now=lambda: minute(1), keep=DAY, wait=0, on_loaded=fail)
    assert load(home) == []
    assert dump_facts(home)["run"]
