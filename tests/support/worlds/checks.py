"""Load a world in several ways, and check its views against the model each time."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from random import Random

import duckdb

from pipelines.loading import parse_raw_rows
from tests.support.warehouse import create_warehouse, minute
from tests.support.worlds.comparison import Views, fetch_views, find_differences, leave_out_converted_runs
from tests.support.worlds.generator import GeneratedWorld
from tests.support.worlds.landings import Landing, write_landing
from tests.support.worlds.views import ModelViews
from warehouse.database import open_reader, open_writer
from warehouse.landing.reader import read_run
from warehouse.loading.quotes import load_run
from warehouse.paths import WarehousePaths
from warehouse.rebuild import rebuild
from warehouse.sealing.months import seal_months

SEALS = 0.2
LATER = minute(60 * 24 * 60)


def check_world(world: GeneratedWorld, folder: Path, *, in_order: bool) -> list[str]:
    """Load a world one by one, in order or shuffled, and rebuild it; return all differences from the model.

    In every third world, the month that is over is sealed after some landings. The views are compared after
    the first half of the landings, after all, after a rebuild from all of them where they were shuffled (a
    rebuild loads them in order), and after a rebuild without the oldest ones.
    """
    order = list(world.landings) if in_order else world.shuffled()
    half, all_of_them = order[: len(order) // 2], ModelViews(world.landings)
    sealing = Random(f"seals of {world.kind} {world.seed}") if world.seed % 3 == 1 else None
    paths = create_warehouse(folder)
    for landing in world.landings:
        write_landing(paths.landing, landing)
    with open_writer(paths.loader_database) as db:
        db.execute("SET threads = 1")  # faster for landings of a few rows
        found = []
        if half:
            _load_one_by_one(db, paths, half, sealing)
            found += _describe(world, half, fetch_views(db, world.times), ModelViews(half))
        _load_one_by_one(db, paths, order[len(half) :], sealing)
        loaded = fetch_views(db, world.times)
    found += _describe(world, order, loaded, all_of_them)
    if not in_order and (rebuilt := _rebuild(world, paths)) != loaded:
        found += [f"rebuilt: {text}" for text in _describe(world, order, rebuilt, all_of_them)]
    # As if the oldest landings were pruned.
    for landing in world.landings[: len(world.landings) // 3]:
        shutil.rmtree(paths.landing / landing.run_id)
    rebuilt = _rebuild(world, paths)
    if leave_out_converted_runs(rebuilt) != leave_out_converted_runs(loaded):
        found += [f"rebuilt, pruned: {text}" for text in _describe(world, order, rebuilt, all_of_them)]
    shutil.rmtree(folder)
    return found


def _rebuild(world: GeneratedWorld, paths: WarehousePaths) -> Views:
    rebuild(paths, lambda: LATER, wait=0, row_parser=parse_raw_rows)
    with open_reader(paths.published_database) as db:
        return fetch_views(db, world.times)


def _load_one_by_one(
    db: duckdb.DuckDBPyConnection, paths: WarehousePaths, order: Sequence[Landing], sealing: Random | None
) -> None:
    for landing in order:
        if sealing and sealing.random() < SEALS:
            seal_months(db, LATER)
        run = read_run(paths.landing / landing.run_id)
        load_run(db, run, LATER, row_parser=parse_raw_rows)


def _describe(world: GeneratedWorld, order: Sequence[Landing], views: Views, model: ModelViews) -> list[str]:
    runs = " ".join(landing.run_id for landing in order)
    return [f"{world.kind} {world.seed}, loaded {runs}\n  {text}" for text in find_differences(views, model)]
