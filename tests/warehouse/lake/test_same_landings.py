"""The same landings give the same public views in a lake as in a file."""

import random
from pathlib import Path

import pytest

from pipelines.loading import parse_raw_rows
from tests.support.lakes import count_snapshots, create_lake, read_views
from tests.support.sealed_months import LATER, land_random_runs, see
from tests.support.warehouse import Quote, create_warehouse, land, minute, observe
from tests.support.worlds.comparison import fetch_views
from tests.support.worlds.generator import generate_world
from tests.support.worlds.landings import write_landing
from warehouse.database import open_reader, open_writer
from warehouse.landing.reader import read_run
from warehouse.loading.quotes import load_run
from warehouse.sealing.months import seal_months

pytestmark = pytest.mark.file_warehouse("compares a file with a lake")


@pytest.mark.slow
def test_landings_of_a_few_rows(tmp_path: Path) -> None:
    """In a lake, a landing is one snapshot; the one that it holds already is none."""
    paths, lake = create_warehouse(tmp_path / "file"), create_lake(tmp_path / "lake")
    folders = [
        land(paths, "r2", observe(minute(20), Quote("1", 300), Quote("2", 250))),
        land(paths, "r1", observe(minute(10), Quote("1", 200), Quote("3", 100))),
    ]
    with open_writer(paths.writer) as file, open_writer(lake) as shared:
        before = count_snapshots(shared)
        for folder in folders:
            reports = [load_run(db, read_run(folder), LATER) for db in (file, shared)]
            assert reports[0] == reports[1] is not None
        assert load_run(shared, read_run(folders[0]), LATER) is None
        assert count_snapshots(shared) == before + len(folders)
        assert read_views(shared) == read_views(file)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1])
def test_landings_in_any_order_and_sealed_months(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    paths, lake = create_warehouse(tmp_path / "file"), create_lake(tmp_path / "lake")
    folders = land_random_runs(paths, chance)
    chance.shuffle(folders)
    with open_writer(paths.writer) as file, open_writer(lake) as shared:
        for number, folder in enumerate(folders):
            before = count_snapshots(shared)
            expected = load_run(file, read_run(folder), LATER)
            assert load_run(shared, read_run(folder), LATER) == expected
            assert count_snapshots(shared) == before + 1
            if number == 5:  # landings after it reopen months
                sealed = [(month.month, month.rows, month.ended) for month in seal_months(file, LATER)]
                found = seal_months(shared, LATER)
                assert [(month.month, month.rows, month.ended) for month in found] == sealed != []
        assert see(shared) == see(file)
        assert read_views(shared) == read_views(file)
    with open_reader(lake) as reader, open_reader(paths.writer) as file:
        assert see(reader) == see(file)


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "seed"), [("everything", 0)])
def test_a_random_world(tmp_path: Path, kind: str, seed: int) -> None:
    """Ten runs and more: dark marketplaces, late runs, replays, rejects, catalogs, several sources."""
    world = generate_world(kind, seed)
    paths, lake = create_warehouse(tmp_path / "file"), create_lake(tmp_path / "lake")
    for landing in world.landings:
        write_landing(paths.landing, landing)
    with open_writer(paths.writer) as file, open_writer(lake) as shared:
        for landing in world.shuffled():
            run = read_run(paths.landing / landing.run_id)
            reports = [load_run(db, run, LATER, row_parser=parse_raw_rows) for db in (file, shared)]
            assert reports[0] == reports[1]
        assert fetch_views(shared, world.times) == fetch_views(file, world.times)
        assert read_views(shared) == read_views(file)
