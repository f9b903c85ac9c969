"""Sealed months: what analysts see stays the same, whatever is sealed, reopened, late or killed."""

import random
import re
import shutil
import tempfile
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import duckdb
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from common.warehouse_errors import QueryRejected, SealedMonthUnreadable
from tests.support.backups import back_up, restore
from tests.support.database_damage import flip_random_bit
from tests.support.sealed_months import (
    DAY,
    DAYS,
    LATER,
    RUNS,
    Rows,
    check_history_since,
    create_four_months,
    first_sealed_states,
    land_random_runs,
    load_landings,
    see,
)
from tests.support.warehouse import (
    Quote,
    copy_warehouse,
    create_warehouse,
    land,
    land_and_load,
    load,
    minute,
    observe,
)
from warehouse.database import open_reader, open_writer, quote_path
from warehouse.export import export_duckdb
from warehouse.landing.reader import read_run
from warehouse.maintenance.sealing import seal
from warehouse.maintenance.verification import verify
from warehouse.paths import WarehousePaths
from warehouse.publish import publish
from warehouse.queries.session import query_results
from warehouse.rebuild import rebuild
from warehouse.sealing.files import DELETE_AFTER, remove_unused_files
from warehouse.sealing.months import find_damaged_files, reopen_months, seal_months
from warehouse.sealing.observed_items import find_item_files
from warehouse.sealing.retention import delete_history
from warehouse.views.quote_states import find_quote_states, read_sealed_files

of_files = pytest.mark.file_warehouse("is about the files of sealed months, of which a lake has rows")


def see_from(db: duckdb.DuckDBPyConnection, start: datetime) -> list[Rows]:
    """Return what `see` does of the time from `start` on, and the days and best asks, these of all time."""
    history, now, *past = see(db, start)
    days = db.execute("FROM daily_ohlc WHERE day >= ? ORDER BY ALL", [start.date()]).fetchall()
    best = db.execute("FROM best_ask_history ORDER BY ALL").fetchall()
    return [[row for row in history if row[7] is None or row[7] >= start], now, *past, days, best]


def delete_what_is_complete(db: duckdb.DuckDBPyConnection, coming: Sequence[Path]) -> None:
    """Delete the history of the months before all runs that come."""
    if any(run.name == "points" for run in coming):
        return
    first = min((read_run(run).observed_from for run in coming), default=minute(DAYS * DAY))
    delete_history(db, first + timedelta(days=40), timedelta(days=40))


def check_random_months(folder: Path, seed: int) -> None:
    """Load landings in order; and shuffled, with seals and deletions, then rebuilt; compare all views."""
    chance = random.Random(seed)
    plain, sealed = create_warehouse(folder / "plain"), create_warehouse(folder / "sealed [a]?b=1")
    landings = land_random_runs(plain, chance)
    shutil.copytree(plain.landing, sealed.landing, dirs_exist_ok=True)
    with open_writer(plain.loader_database) as db:
        load_landings(db, landings)
    order, deletes = chance.sample(landings, len(landings)), chance.random() < 0.5
    with open_writer(sealed.loader_database) as db:
        for number, landing in enumerate(order, 1):
            load_landings(db, [landing])
            if chance.random() < 0.3:
                seal_months(db, minute(chance.randrange(160 * DAY)))
            if deletes and chance.random() < 0.5:
                delete_what_is_complete(db, order[number:])
        if chance.random() < 0.7:
            seal_months(db, LATER)
    if not deletes:  # a rebuild loads all that the landings have
        for landing in landings[: chance.randrange(len(landings) // 2)]:
            shutil.rmtree(sealed.landing / landing.name)
        rebuild(sealed, lambda: LATER, wait=0)
    publish(sealed)
    with open_reader(sealed.published_database) as db, open_reader(plain.loader_database) as plain_db:
        start = find_quote_states(db).kept_from or minute(0)
        expected = see_from(plain_db, start)
        assert see_from(db, start) == expected
        check_history_since(db, [minute(day * DAY) for day in range(-10, 110, 15)])
    assert verify(sealed).problems == ()
    export_duckdb(sealed, folder / "whole.duckdb")
    shutil.rmtree(sealed.sealed, ignore_errors=True)
    with open_reader(folder / "whole.duckdb") as db:
        assert see_from(db, start) == expected


@of_files
@pytest.mark.slow
@settings(max_examples=1, deadline=None)
@given(seed=st.integers(0, 10**6))
@example(seed=0)  # points come before all observations
def test_random_months_equal_an_unsealed_twin(seed: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        check_random_months(Path(folder), seed)


@pytest.mark.slow
def test_deleted_history_is_refused_and_best_asks_stay(paths: WarehousePaths) -> None:
    best = "FROM best_ask_history ORDER BY ALL"
    with open_reader(paths.loader_database) as db:
        before = see_from(db, datetime(2026, 8, 1, tzinfo=UTC))
    report = seal(paths, minute(95 * DAY), keep=timedelta(days=31))  # 2026-09-04, so from August on
    assert report.deleted > 0
    assert seal(paths, minute(95 * DAY), keep=timedelta(days=31)).deleted == 0
    with open_reader(paths.published_database) as db:
        assert see_from(db, datetime(2026, 8, 1, tzinfo=UTC)) == before
        assert db.execute("SELECT min(day) FROM daily_ohlc").fetchall() == [(date(2026, 8, 1),)]
        assert db.execute(best).fetchall() == before[-1]
    with pytest.raises(QueryRejected, match="the history before 2026-08-01 was deleted"):
        run_query(paths, "FROM quotes_as_of('2026-07-31 23:59:59Z')")


@pytest.mark.slow
def test_landing_of_deleted_months_changes_nothing_that_came_later(tmp_path: Path) -> None:
    """Nothing is known any more of the run that returned the quote after this landing."""
    paths = create_warehouse(tmp_path)
    for number, day in enumerate((20, 25, 100)):
        land_and_load(paths, f"r{number}", observe(minute(day * DAY), Quote(cents=100 + number)))
    land_and_load(paths, "listing", observe(minute(30 * DAY), Quote("2", 500), complete=False))
    quotes = run_query(paths, "FROM quotes ORDER BY ALL")
    assert seal(paths, minute(140 * DAY), keep=timedelta(days=31)).deleted > 0
    late = observe(minute(22 * DAY), Quote(cents=555), Quote("2", 555))
    assert land_and_load(paths, "late", late).rows_changed == 0
    assert run_query(paths, "FROM quotes ORDER BY ALL") == quotes


@pytest.fixture(scope="module")
def four_months(tmp_path_factory: pytest.TempPathFactory) -> WarehousePaths:
    """Return a warehouse of random runs over four months, nothing sealed."""
    return create_four_months(tmp_path_factory.mktemp("four_months") / "warehouse")


@pytest.fixture
def paths(four_months: WarehousePaths, tmp_path: Path) -> WarehousePaths:
    """Return a copy of `four_months`."""
    return copy_warehouse(four_months, tmp_path / "warehouse")


@pytest.mark.slow
@of_files
def test_days_of_an_item_open_the_files_of_these_days_only(paths: WarehousePaths) -> None:
    item = "item = 'AK-47 | Finish 1 (Field-Tested)'"
    queries = (
        f"FROM daily_ohlc WHERE {item} AND day >= DATE '{{}}'",
        f"FROM quote_history_since('{{}}') WHERE {item}",
    )
    with open_writer(paths.loader_database) as db:
        # Of a join, the larger side gets what the other one has: the history, as in every real database.
        db.execute("INSERT INTO store.history SELECT h.* FROM store.history h, range(2000)")
        assert len(seal_months(db, minute(110 * DAY))) == 3  # June, July and August
        for day, files in (("2026-08-02", 1), ("2026-07-31", 2), ("2026-06-30", 3)):
            for query in queries:
                ((_, plan),) = db.execute(f"EXPLAIN (ANALYZE, FORMAT json) {query.format(day)}").fetchall()
                assert re.findall(r'"Total Files Read": "(\d+)"', plan) == [str(files)]


@pytest.mark.slow
def test_month_is_sealed_two_days_after_its_end(paths: WarehousePaths) -> None:
    with open_writer(paths.loader_database) as db:
        assert seal_months(db, minute(31.4 * DAY)) == []  # 2026-07-02 21:36
        (june,) = seal_months(db, minute(31.5 * DAY))
        assert (june.month.isoformat(), june.rows > june.ended) == ("2026-06-01", True)
        ((first_end,),) = db.execute("SELECT min(valid_to) FROM store.history").fetchall()
        assert first_end >= minute(29.5 * DAY)  # 2026-07-01


@of_files
@pytest.mark.slow
def test_file_that_is_damaged_or_missing_is_never_taken_back(paths: WarehousePaths) -> None:
    with open_writer(paths.loader_database) as db:
        seal_months(db, LATER)
        before = db.execute("FROM store.sealed_month").fetchall()
        first = first_sealed_states(paths)
        first.chmod(0o600)
        flip_random_bit(first, 1)
        assert list(find_damaged_files(db)) == [(first, f"{first}, the history of 2026-06, is damaged")]
        with pytest.raises(SealedMonthUnreadable, match="is damaged"):
            reopen_months(db, minute(0))
        first.rename(first.with_suffix(".gone"))
        assert list(find_damaged_files(db)) == [(first, f"{first}, the history of 2026-06, is missing")]
        with pytest.raises(SealedMonthUnreadable, match="is missing"):
            reopen_months(db, minute(0))
        assert db.execute("FROM store.sealed_month").fetchall() == before
        first.with_suffix(".gone").rename(first)


@of_files
@pytest.mark.slow
def test_files_that_nothing_uses_are_deleted_when_no_reader_can_need_them(paths: WarehousePaths) -> None:
    with open_writer(paths.loader_database) as db:
        seal_months(db, LATER)
        reopen_months(db, minute(40 * DAY))
        items = [file.path for file in find_item_files(db)]
        files, used = sorted(paths.sealed.iterdir()), sorted([*read_sealed_files(db), *items])
    times = [datetime.fromtimestamp(file.stat().st_mtime, tz=UTC) for file in files if file not in used]
    remove_unused_files(paths.sealed, used, min(times) + DELETE_AFTER - timedelta(seconds=1))
    assert sorted(paths.sealed.iterdir()) == files
    remove_unused_files(paths.sealed, used, max(times) + DELETE_AFTER + timedelta(seconds=1))
    assert sorted(paths.sealed.iterdir()) == used
    assert len(used) < len(files)


@of_files
@pytest.mark.slow
def test_sealed_months_survive_a_backup_and_rebuilds(paths: WarehousePaths, tmp_path: Path) -> None:
    with open_reader(paths.loader_database) as db:
        expected = see(db)
    changes = back_up(paths, tmp_path / "before").counts.changes
    report = seal(paths, LATER)
    assert len(report.sealed) > 1
    assert back_up(paths, tmp_path / "backup").counts.changes == changes
    shutil.rmtree(paths.root)
    restored = WarehousePaths(tmp_path / "restored")
    restore(tmp_path / "backup", restored)
    for landings in (RUNS + 1, 4):
        with open_reader(restored.published) as db:
            assert see(db) == expected
            assert db.execute("SELECT count(*) > 0 FROM store.sealed_month").fetchall() == [(True,)]
        for landing in sorted(restored.landing.iterdir())[:-landings]:
            shutil.rmtree(landing)
        rebuild(restored, lambda: LATER, wait=0)
        with open_reader(restored.published) as db:
            assert see(db) == expected
        seal(restored, LATER)


@of_files
@pytest.mark.slow
def test_query_reads_sealed_months_and_no_other_file(paths: WarehousePaths) -> None:
    seal(paths, LATER)
    assert run_query(paths, "SELECT count(*) > 0 FROM quote_history") == [(True,)]
    file = first_sealed_states(paths)
    for statement in (
        f"COPY quotes TO '{file}'",
        f"EXPLAIN ANALYZE COPY quotes TO '{file}'",
        f"PREPARE p AS COPY quotes TO '{file}'",
        f"ATTACH '{paths.writer}' AS w",
        f"FROM read_blob('{paths.state}')",
    ):
        with pytest.raises(QueryRejected, match="only reads the published database"):
            run_query(paths, statement)


@of_files
@pytest.mark.slow
@pytest.mark.parametrize("problem", ["missing", "damaged"])
def test_only_what_needs_a_file_that_is_missing_or_cut_fails(paths: WarehousePaths, problem: str) -> None:
    """Before a load, where the views name a file that was there, and after it."""
    seal(paths, LATER)
    first, quotes = first_sealed_states(paths), run_query(paths, "FROM quotes ORDER BY ALL")
    july = "FROM quotes_as_of('2026-07-20') ORDER BY ALL"
    july_quotes = run_query(paths, july)
    first.chmod(0o600)
    first.unlink()
    if problem == "damaged":
        first.write_bytes(b"PAR1")
    message = re.escape(
        f"{first}, the history of 2026-06, is {problem}; put the file of a backup in its place"
    )
    for number in range(2):
        assert run_query(paths, "FROM quotes ORDER BY ALL") == quotes
        for sql in (
            "FROM quote_history",
            "FROM quote_history WHERE item = 'no'",
            "SELECT count(*) FROM quote_history",
        ):
            with pytest.raises(SealedMonthUnreadable, match=message):
                run_query(paths, sql)
        land(paths, f"again{number}", observe(minute(399 * DAY + number), Quote("1", 101)))
        load(paths)
        quotes = run_query(paths, "FROM quotes ORDER BY ALL")
        assert run_query(paths, july) == july_quotes
    late = land(paths, "late", observe(minute(1), Quote("1", 555)))
    with open_writer(paths.loader_database) as db, pytest.raises(SealedMonthUnreadable, match=message):
        load_landings(db, [late])


@of_files
@pytest.mark.slow
def test_macro_reads_the_sealed_months_of_its_own_database_only(
    paths: WarehousePaths, tmp_path: Path
) -> None:
    seal(paths, LATER)
    other = create_warehouse(tmp_path / "other")
    with open_writer(other.loader_database) as db:
        load_landings(db, land_random_runs(other, random.Random(8)))
        asof = "FROM quotes_as_of('2026-06-20 12:00:00Z') ORDER BY ALL"
        expected = db.execute(asof).fetchall()
    seal(other, LATER)
    with open_reader(paths.published_database) as db:
        db.execute(f"ATTACH {quote_path(other.published)} AS other (READ_ONLY)")
        named = "quotes_as_of('2026-06-20 12:00:00Z', 'other') ORDER BY ALL"
        assert db.execute(f"FROM other.{named}").fetchall() == expected
        with pytest.raises(duckdb.Error, match="call that of the other one"):
            db.execute(f"FROM {named}").fetchall()


def run_query(paths: WarehousePaths, sql: str) -> Rows:
    """Run one statement as `floorline query` does."""
    with query_results(paths.published_database, sql) as results:
        (output,) = results
        return output.relation.fetchall()


@pytest.mark.slow
@pytest.mark.lake
def test_landing_of_a_sealed_month_that_is_the_newest_one_reopens_the_month(tmp_path: Path) -> None:
    paths = create_warehouse(tmp_path)
    first, second = (
        land(paths, f"r{day}", observe(minute(day * DAY), Quote(cents=100 + day))) for day in (20, 25)
    )
    asof = "SELECT lowest_ask FROM quotes_as_of(?)"
    with open_writer(paths.loader_database) as db:
        load_landings(db, [first])
        seal_months(db, minute(40 * DAY))
        load_landings(db, [second])
        found = [db.execute(asof, [minute(day * DAY)]).fetchall() for day in (21, 26, 30)]
    assert found == [[(120,)], [(125,)], [(125,)]]
