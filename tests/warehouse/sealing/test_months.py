"""Sealed months: what analysts see stays the same, whatever is sealed, reopened, late or killed."""

import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from common.warehouse_errors import QueryRejected, SealedMonthUnreadable
from tests.support.backups import back_up, restore
from tests.support.database_damage import flip_random_bit
from tests.support.series_landings import Point, SeriesPage, land_series
from tests.support.warehouse import Quote, create_warehouse, land, load, minute, observe
from warehouse.database import open_reader, open_writer, quote_path
from warehouse.export import export_duckdb
from warehouse.landing.reader import read_run
from warehouse.loading.quotes import load_run
from warehouse.maintenance.sealing import seal
from warehouse.maintenance.verification import verify
from warehouse.paths import WarehousePaths
from warehouse.publish import publish
from warehouse.query_session import query_results
from warehouse.quote_states import read_sealed_files
from warehouse.rebuild import rebuild
from warehouse.sealing.files import DELETE_AFTER, remove_unused_files
from warehouse.sealing.months import find_damaged_files, reopen_months, seal_months

DAY = 24 * 60  # minutes
DAYS, RUNS = 100, 8
LATER = minute(400 * DAY)
HISTORY = """
SELECT item, provider, delivery, price, quantity, changed_at, valid_from, valid_to, origin, run_id
FROM quote_history ORDER BY ALL
"""
SEAL = """
import pathlib, sys
from datetime import datetime
from warehouse.database import open_writer
from warehouse.sealing.months import seal_months
with open_writer(pathlib.Path(sys.argv[1])) as db:
    print("open", flush=True)
    seal_months(db, datetime.fromisoformat(sys.argv[2]))
"""
Rows = list[tuple[Any, ...]]


def see(db: duckdb.DuckDBPyConnection) -> list[Rows]:
    """Return all states, the quotes of now, and those of a moment in every nine days."""
    moments = [minute(1 + day * DAY) for day in range(0, DAYS, 9)]
    asof = "SELECT item, provider, price, quantity, valid_from, run_id FROM quotes_as_of(?) ORDER BY ALL"
    now = db.execute("FROM quotes ORDER BY ALL").fetchall()
    return [db.execute(HISTORY).fetchall(), now, *(db.execute(asof, [at]).fetchall() for at in moments)]


def land_random_runs(paths: WarehousePaths, chance: random.Random) -> list[Path]:
    """Land runs over four months, each with some of four items, and points in between."""
    times = sorted(chance.sample(range(0, DAYS * DAY, 30), RUNS))
    landings = [
        land(paths, f"r{number:02}", observe(minute(at), *random_quotes(chance)))
        for number, at in enumerate(times)
    ]
    points = [
        Point(minute(chance.randrange(DAYS * DAY)), chance.randint(100, 103), 1, str(chance.randint(1, 4)))
        for _ in range(20)
    ]
    return [*landings, land_series(paths, "points", SeriesPage(minute(300 * DAY), points))]


def random_quotes(chance: random.Random) -> Sequence[Quote]:
    """Return quotes of some of four items."""
    items = [str(item) for item in range(1, 5) if chance.random() < 0.8]
    return [Quote(item, chance.randint(100, 103), chance.randint(1, 2)) for item in items]


def load_landings(db: duckdb.DuckDBPyConnection, landings: Sequence[Path]) -> None:
    for landing in landings:
        load_run(db, read_run(landing), LATER)


def check_random_months(folder: Path, seed: int) -> None:
    """Load landings in order, and shuffled with seals in between; compare all views, and an export."""
    chance = random.Random(seed)
    plain, sealed = create_warehouse(folder / "plain"), create_warehouse(folder / "sealed [a]?b=1")
    landings = land_random_runs(plain, chance)
    with open_writer(plain.writer) as db:
        load_landings(db, landings)
        expected = see(db)
    chance.shuffle(landings)
    with open_writer(sealed.writer) as db:
        for landing in landings:
            load_landings(db, [landing])
            if chance.random() < 0.3:
                seal_months(db, minute(chance.randrange(200 * DAY)))
        seal_months(db, LATER)
        assert see(db) == expected
    publish(sealed)
    with open_reader(sealed.published) as db:
        assert see(db) == expected
    assert verify(sealed).problems == ()
    export_duckdb(sealed, folder / "whole.duckdb")
    for file in sealed.sealed.iterdir():
        file.unlink()
    with open_reader(folder / "whole.duckdb") as db:
        assert see(db) == expected


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6))
def test_many_random_months_equal_an_unsealed_twin(tmp_path: Path, seed: int) -> None:
    check_random_months(tmp_path, seed)


@pytest.fixture(scope="module")
def four_months(tmp_path_factory: pytest.TempPathFactory) -> WarehousePaths:
    """Return a warehouse of random runs over four months, nothing sealed."""
    paths = create_warehouse(tmp_path_factory.mktemp("four_months") / "warehouse")
    with open_writer(paths.writer) as db:
        load_landings(db, land_random_runs(paths, random.Random(7)))
    return paths


@pytest.fixture
def paths(four_months: WarehousePaths, tmp_path: Path) -> WarehousePaths:
    """Return a copy of `four_months`."""
    return WarehousePaths(shutil.copytree(four_months.root, tmp_path / "warehouse"))


def test_month_is_sealed_two_days_after_its_end(paths: WarehousePaths) -> None:
    with open_writer(paths.writer) as db:
        assert seal_months(db, minute(31.4 * DAY)) == []  # 2026-07-02 21:36
        (june,) = seal_months(db, minute(31.5 * DAY))
        assert (june.month.isoformat(), june.rows > june.ended) == ("2026-06-01", True)
        ((first_end,),) = db.execute("SELECT min(valid_to) FROM store.history").fetchall()
        assert first_end >= minute(29.5 * DAY)  # 2026-07-01


def test_file_that_is_damaged_or_missing_is_never_taken_back(paths: WarehousePaths) -> None:
    with open_writer(paths.writer) as db:
        seal_months(db, LATER)
        before = db.execute("FROM store.sealed_month").fetchall()
        first = min(paths.sealed.iterdir())
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


def test_files_that_nothing_uses_are_deleted_when_no_reader_can_need_them(paths: WarehousePaths) -> None:
    with open_writer(paths.writer) as db:
        seal_months(db, minute(200 * DAY))
        reopen_months(db, minute(40 * DAY))
        files, used = sorted(paths.sealed.iterdir()), sorted(read_sealed_files(db))
    times = [datetime.fromtimestamp(file.stat().st_mtime, tz=UTC) for file in files if file not in used]
    remove_unused_files(paths.sealed, used, min(times) + DELETE_AFTER - timedelta(seconds=1))
    assert sorted(paths.sealed.iterdir()) == files
    remove_unused_files(paths.sealed, used, max(times) + DELETE_AFTER + timedelta(seconds=1))
    assert sorted(paths.sealed.iterdir()) == used
    assert len(used) < len(files)


@pytest.mark.slow
def test_sealed_months_survive_a_backup_and_rebuilds(paths: WarehousePaths, tmp_path: Path) -> None:
    with open_reader(paths.writer) as db:
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


def test_query_reads_sealed_months_and_no_other_file(paths: WarehousePaths) -> None:
    seal(paths, LATER)
    assert run_query(paths, "SELECT count(*) > 0 FROM quote_history") == [(True,)]
    file = min(paths.sealed.iterdir())
    for statement in (
        f"COPY quotes TO '{file}'",
        f"EXPLAIN ANALYZE COPY quotes TO '{file}'",
        f"PREPARE p AS COPY quotes TO '{file}'",
        f"ATTACH '{paths.writer}' AS w",
        f"FROM read_blob('{paths.state}')",
    ):
        with pytest.raises(QueryRejected, match="only reads the published database"):
            run_query(paths, statement)


@pytest.mark.parametrize("problem", ["missing", "damaged"])
def test_only_what_needs_a_file_that_is_missing_or_cut_fails(paths: WarehousePaths, problem: str) -> None:
    """Before a load, where the views name a file that was there, and after it."""
    seal(paths, LATER)
    first, quotes = min(paths.sealed.iterdir()), run_query(paths, "FROM quotes ORDER BY ALL")
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
    with open_writer(paths.writer) as db, pytest.raises(SealedMonthUnreadable, match=message):
        load_landings(db, [late])


def test_macro_reads_the_sealed_months_of_its_own_database_only(
    paths: WarehousePaths, tmp_path: Path
) -> None:
    seal(paths, LATER)
    other = create_warehouse(tmp_path / "other")
    with open_writer(other.writer) as db:
        load_landings(db, land_random_runs(other, random.Random(8)))
        asof = "FROM quotes_as_of('2026-06-20 12:00:00Z') ORDER BY ALL"
        expected = db.execute(asof).fetchall()
    seal(other, LATER)
    with open_reader(paths.published) as db:
        db.execute(f"ATTACH {quote_path(other.published)} AS other (READ_ONLY)")
        named = "quotes_as_of('2026-06-20 12:00:00Z', 'other') ORDER BY ALL"
        assert db.execute(f"FROM other.{named}").fetchall() == expected
        with pytest.raises(duckdb.Error, match="call that of the other one"):
            db.execute(f"FROM {named}").fetchall()


def run_query(paths: WarehousePaths, sql: str) -> Rows:
    """Run one statement as `floorline query` does."""
    with query_results(paths.published, sql) as results:
        (output,) = results
        return output.relation.fetchall()


@pytest.mark.slow
def test_seal_that_is_killed_at_any_moment_loses_nothing(paths: WarehousePaths) -> None:
    with open_writer(paths.writer) as db:
        expected = see(db)
    chance = random.Random(3)
    killed = 0
    for number in range(12):
        command = [sys.executable, "-c", SEAL, str(paths.writer), LATER.isoformat()]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as child:
            assert child.stdout is not None
            assert child.stdout.readline() == b"open\n"
            time.sleep(chance.uniform(0, 0.25))
            child.kill()
        killed += child.returncode == -signal.SIGKILL
        with open_writer(paths.writer) as db:
            assert see(db) == expected, number
            assert list(find_damaged_files(db)) == []
            if not number % 3:
                reopen_months(db, minute(0))
    assert killed
