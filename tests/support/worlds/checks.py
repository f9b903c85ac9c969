"""Load a world in several ways, and check its views against the model each time."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import duckdb

from pipelines.loading import parse_raw_rows
from tests.support.warehouse import create_warehouse, minute
from tests.support.worlds.comparison import Views, fetch_views, find_differences
from tests.support.worlds.generator import GeneratedWorld
from tests.support.worlds.landings import Landing, write_landing
from tests.support.worlds.views import ModelViews
from warehouse.database import open_reader, open_writer
from warehouse.landing.reader import CorruptLanding, read_run
from warehouse.loading.pipeline import load_runs
from warehouse.paths import WarehousePaths
from warehouse.rebuild import rebuild


def check_world(world: GeneratedWorld, folder: Path, *, in_order: bool) -> list[str]:
    """Load a world one by one, in order or shuffled, and rebuild it; return all differences from the model.

    The views are compared after the first half of the landings, after all, and after the rebuild.
    """
    order = list(world.landings) if in_order else world.shuffled()
    half, all_of_them = order[: len(order) // 2], ModelViews(world.landings)
    paths = create_warehouse(folder)
    for landing in world.landings:
        write_landing(paths.landing, landing)
    with open_writer(paths.writer) as db:
        db.execute("SET threads = 1")  # faster for landings of a few rows
        told = []
        if half:
            _load_one_by_one(db, paths, half)
            told += _tell(world, half, fetch_views(db, world.times), ModelViews(half))
        _load_one_by_one(db, paths, order[len(half) :])
        loaded = fetch_views(db, world.times)
    told += _tell(world, order, loaded, all_of_them)
    rebuild(paths, lambda: minute(600), wait=0, row_parser=parse_raw_rows)
    with open_reader(paths.published) as db:
        rebuilt = fetch_views(db, world.times)
    if rebuilt != loaded:
        other = [view for view in loaded if loaded[view] != rebuilt[view]]
        told.append(f"{world.kind} {world.seed}: after the rebuild these views differ: {', '.join(other)}")
        told += [f"rebuilt: {text}" for text in _tell(world, order, rebuilt, all_of_them)]
    shutil.rmtree(folder)
    return told


def _load_one_by_one(db: duckdb.DuckDBPyConnection, paths: WarehousePaths, order: Sequence[Landing]) -> None:
    for landing in order:
        run = read_run(paths.landing / landing.run_id)
        load_runs(db, [run], lambda: minute(600), on_corrupt=_refuse, row_parser=parse_raw_rows)


def _refuse(error: CorruptLanding) -> None:
    raise error


def _tell(world: GeneratedWorld, order: Sequence[Landing], views: Views, model: ModelViews) -> list[str]:
    runs = " ".join(landing.run_id for landing in order)
    return [f"{world.kind} {world.seed}, loaded {runs}\n  {text}" for text in find_differences(views, model)]
