"""The parts `growth` and `publish`: what a load and a publish cost, by the length and size of the history."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from itertools import count
from pathlib import Path
from typing import Final

from bench.market import Move, land_market
from bench.suite.history import SHARE, copy_history
from bench.suite.measurement import (
    Figures,
    Samples,
    collect,
    interleave,
    log,
    measure_module,
    multiples,
    ratios,
)
from bench.suite.options import SuiteOptions
from bench.suite.results import Figure, Findings
from bench.suite.sealed_months import add_sealed_months
from warehouse.database import open_reader
from warehouse.paths import WarehousePaths

PUBLISHES, READS = 50, 1_000
MONTHS: Final = (1, 10)  # sealed ones, of a gigabyte each
QUERY: Final = "SELECT count(*), sum(price) FROM best_ask"
Warehouses = dict[str, tuple[WarehousePaths, Path]]  # by name: a warehouse, and its configuration


def run_growth(options: SuiteOptions) -> Findings:
    """Load the same market, 7.5% of it changed, into warehouses with histories of different lengths."""
    with tempfile.TemporaryDirectory(prefix="floorline-bench-") as folder:
        samples = _interleave_loads(options, _copy_histories(options, Path(folder)))
    names = list(samples)
    figures = [
        Figure(f"load with {name}, landed to committed", collect(samples, name), "s") for name in names
    ]
    figures += [
        Figure(f"load with {name} / with {names[0]}", ratios(samples, name, names[0]), "x", at_most=1.3)
        for name in names[1:]
    ]
    return Findings(figures, multiples(samples, names[0]))


def run_publish(options: SuiteOptions) -> Findings:
    """Publish after a small change, by the length and size of the history; then 50 times under a reader."""
    with tempfile.TemporaryDirectory(prefix="floorline-bench-") as folder:
        histories = _copy_histories(options, Path(folder))
        samples = _interleave_loads(options, histories | _add_gigabytes(options, Path(folder)))
        reads, errors = _read_while_publishing(options.history[0], Path(folder))
    samples = {name: [{"seconds": one["publish"]} for one in rounds] for name, rounds in samples.items()}
    names = list(samples)
    figures = [Figure(f"publish with {name}", collect(samples, name), "s", at_most=1.0) for name in names] + [
        Figure(f"publish with {name} / with {names[0]}", ratios(samples, name, names[0]), "x")
        for name in names[1:]
    ]
    figures += [
        Figure(f"opens with a query while another process publishes {PUBLISHES} times", [reads], ""),
        Figure("errors of these", [errors], "", at_most=0),
    ]
    return Findings(figures, multiples(samples, names[0]))


def _copy_histories(options: SuiteOptions, folder: Path) -> Warehouses:
    return {f"{millions} M rows": copy_history(millions, folder) for millions in options.history}


def _add_gigabytes(options: SuiteOptions, folder: Path) -> Warehouses:
    """Copy the shortest history, and add gigabytes of sealed months to each copy."""
    warehouses: Warehouses = {}
    for months in MONTHS:
        paths, config = copy_history(min(options.history), folder / f"sealed-{months}")
        size = add_sealed_months(paths, months)
        warehouses[f"{size / 1e9:.1f} GB of sealed months"] = (paths, config)
    return warehouses


def _interleave_loads(options: SuiteOptions, warehouses: Warehouses) -> Samples:
    contenders: dict[str, Callable[[], Figures]] = {
        name: partial(load_next, paths, config, count(2)) for name, (paths, config) in warehouses.items()
    }
    return interleave(contenders, options.rounds, options.watch.sample)


def load_next(paths: WarehousePaths, config: Path, numbers: Iterator[int]) -> Figures:
    """Land the market with some of its quotes moved, and load and publish it in a process of its own."""
    number = next(numbers)
    land_market(paths, f"round{number}", datetime.now(UTC), move=Move(number, SHARE))
    return measure_module("bench.suite.floorline", "load", config)


def _read_while_publishing(millions: int, folder: Path) -> tuple[int, int]:
    """Query the published copy until another process has published often; return reads and errors."""
    paths, config = (
        WarehousePaths(folder / f"history-{millions}"),
        folder / f"history-{millions}" / "floorline.toml",
    )
    reads = errors = 0
    with ThreadPoolExecutor(1) as threads:
        publisher = threads.submit(measure_module, "bench.suite.floorline", "publish", config, PUBLISHES)
        while not publisher.done() or reads < READS:
            reads += 1
            try:
                with open_reader(paths.published) as db:
                    db.execute(QUERY).fetchall()
            except Exception as error:  # noqa: BLE001 - each error of a reader counts
                errors += 1
                log(str(error))
        publisher.result()  # raises where nothing was published
    return reads, errors
