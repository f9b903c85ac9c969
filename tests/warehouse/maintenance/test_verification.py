"""A verification says in one line what is wrong with a warehouse, and nothing of a whole one."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from tests.support.database_damage import flip_every_block, flip_random_bit
from tests.support.sealed_months import first_sealed_states
from tests.support.series_landings import Point, SeriesPage, land_series
from tests.support.warehouse import Quote, create_warehouse, land, load, minute, observe
from warehouse.database import open_writer
from warehouse.maintenance.sealing import seal
from warehouse.maintenance.sizes import measure_sizes
from warehouse.maintenance.verification import verify
from warehouse.paths import WarehousePaths
from warehouse.publish import publish

pytestmark = pytest.mark.file_warehouse("damages the files of one machine")

DAY = 24 * 60  # minutes
Damage = Callable[[WarehousePaths], object]


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> WarehousePaths:
    """Return a warehouse with changes in three months, a closed quote and points, nothing sealed."""
    paths = create_warehouse(tmp_path_factory.mktemp("verify") / "warehouse")
    for number in range(6):
        quotes = [Quote(item, 100 + number % 3) for item in "123" if item != "2" or number != 3]
        land(paths, f"r{number}", observe(minute(number * 15 * DAY), *quotes))
    land_series(paths, "points", SeriesPage(minute(80 * DAY), [Point(minute(7 * DAY), 90, 1, "1")]))
    load(paths)
    return paths


@pytest.fixture(scope="module")
def sealed(template: WarehousePaths, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Return the folder of a copy of the template whose first two months are sealed, and a copy of that."""
    folder = tmp_path_factory.mktemp("sealed")
    paths = WarehousePaths(shutil.copytree(template.root, folder / "warehouse"))
    seal(paths, minute(65 * DAY))
    return paths.root, shutil.copytree(paths.root, folder / "whole")


@pytest.fixture
def paths(sealed: tuple[Path, Path]) -> WarehousePaths:
    """Return a whole warehouse with sealed months, in its one folder: the views name the months' files."""
    folder, whole = sealed
    shutil.rmtree(folder)
    return WarehousePaths(shutil.copytree(whole, folder))


def test_nothing_is_wrong_with_a_warehouse_that_is_whole(
    template: WarehousePaths, paths: WarehousePaths
) -> None:
    plain, sealed = verify(template), verify(paths)
    assert (plain.problems, plain.sealed_months, sealed.problems, sealed.sealed_months) == ((), 0, (), 2)
    assert (sealed.states, sealed.quotes) == (plain.states, plain.quotes) == (18, 3)


def flip_sealed_month(paths: WarehousePaths) -> None:
    file = first_sealed_states(paths)
    file.chmod(0o600)
    flip_random_bit(file, 1)


def change_database(sql: str) -> Damage:
    def change(paths: WarehousePaths) -> None:
        with open_writer(paths.loader_database) as db:
            db.execute(sql)
        publish(paths)

    return change


def flip_published(paths: WarehousePaths) -> None:
    paths.published.chmod(0o600)
    flip_every_block(paths.published)


DAMAGES: dict[str, tuple[Damage, str]] = {
    "a bit of a sealed month is flipped": (
        flip_sealed_month, r"2026-06\.\w+\.parquet, the history of 2026-06, is damaged; put the file of"
    ),
    "a file of observed items is missing": (
        lambda paths: min(paths.sealed.glob("*.items.parquet")).unlink(),
        r"2026-06\.\w+\.items\.parquet, the observed items of 2026-06, is missing; put the file",
    ),
    "what a run returned names no run": (
        change_database("UPDATE store.observed_items SET run_key = 99"),
        "rows of observed_items name no run that exists",
    ),
    "a sealed month is missing": (
        lambda paths: first_sealed_states(paths).unlink(), "the history of 2026-06, is missing; put the file"
    ),
    "a state is lost": (
        change_database("DELETE FROM store.history WHERE rowid = (SELECT min(rowid) FROM store.history)"),
        "the states of 1 quotes overlap, or do not follow each other; restore a backup",
    ),
    "a state is there twice": (
        change_database("INSERT INTO store.history FROM store.history LIMIT 1"),
        "the states of 1 quotes overlap",
    ),
    "a run is lost": (
        change_database("UPDATE store.point SET run_key = 99"), "1 rows of point name no run that exists"
    ),
    "the count of a month is another one": (
        change_database("UPDATE store.sealed_month SET rows = rows + 1 WHERE month = '2026-07-01'"),
        "has .* rows, of which .* ended: .* are right; restore a backup",
    ),
    "the last observation is not the newest one": (
        change_database("UPDATE store.last_observation SET observed_to = observed_to - INTERVAL 1 HOUR"),
        "the last observations of 1 marketplaces are not those that are stored",
    ),
    "a quote is lost": (
        change_database("DELETE FROM store.current WHERE item_key = 1"),
        "the states of 1 quotes overlap|states outlast 2026-07",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("damage", "line"), DAMAGES.values(), ids=DAMAGES)
def test_damage_is_named_with_what_to_do(paths: WarehousePaths, damage: Damage, line: str) -> None:
    damage(paths)
    problems = verify(paths).problems
    assert any(re.search(line, problem) for problem in problems), problems
    assert not any("\n" in problem for problem in problems)


def test_damaged_published_copy_is_named(paths: WarehousePaths) -> None:
    flip_published(paths)
    (problem,) = verify(paths).problems
    assert str(paths.published) in problem
    assert "run `floorline maintain load`" in problem


def test_sizes_have_every_table_and_month(template: WarehousePaths, paths: WarehousePaths) -> None:
    with duckdb.connect(str(paths.published), read_only=True) as db:
        ((runs,),) = db.execute("SELECT count(*) FROM store.run").fetchall()
    open_months = [(s.month, s.sealed, s.rows) for s in measure_sizes(template) if s.table == "history"]
    months = [(s.month, s.sealed) for s in measure_sizes(paths) if s.table == "history"]
    assert open_months == [("2026-06", False, 3), ("2026-07", False, 9), ("2026-08", False, 3)]
    assert months == [("2026-06", True), ("2026-07", True), ("2026-08", False)]
    items = [(s.month, s.sealed) for s in measure_sizes(paths) if s.table == "observed_items"]
    assert items == [("2026-06", True), ("2026-07", True), (None, False)]
    rows = {size.table: size.rows for size in measure_sizes(paths)}
    assert (rows["run"], rows["current"]) == (runs, 3)
