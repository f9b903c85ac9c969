"""The part `start`: commands from their start to their exit, against an import of the libraries."""

from __future__ import annotations

import os
import sys
import tempfile
from functools import partial
from pathlib import Path

from bench.suite.measurement import Contenders, collect, interleave, measure_process, multiples, ratios
from bench.suite.options import SuiteOptions
from bench.suite.results import Figure, Findings
from bench.support import FLOORLINE, write_config
from sandbox.options import Options
from sandbox.server import spawn

SNAPSHOT, IMPORTS, HELP = "floorline snapshot, one item", "import duckdb, polars, httpx", "floorline --help"
BASKET = 'items = [5]\nproviders = ["steam"]'


def run_start(options: SuiteOptions) -> Findings:
    """Time a snapshot of one item whose catalog is cached, the help, and the bare import."""
    # As where Floorline is installed: Python compiles a module once, and not again in each command.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    with (
        spawn(Options(items=35_000, quotes=options.rows, limits=False)) as url,
        tempfile.TemporaryDirectory(prefix="floorline-bench-") as folder,
    ):
        config = write_config(Path(folder), url, basket=BASKET)
        snapshot = [FLOORLINE, "snapshot", "--no-prefect", "--config", str(config)]
        measure_process(snapshot)  # fills the catalog's cache
        contenders: Contenders = {
            SNAPSHOT: partial(measure_process, snapshot),
            IMPORTS: partial(measure_process, [sys.executable, "-c", IMPORTS]),
            HELP: partial(measure_process, [FLOORLINE, "--help"]),
        }
        samples = interleave(contenders, max(options.rounds, 9), options.watch.sample)
    figures = [
        Figure(SNAPSHOT, collect(samples, SNAPSHOT), "s"),
        Figure(f"{SNAPSHOT} / `{IMPORTS}`", ratios(samples, SNAPSHOT, IMPORTS), "x", at_most=2.0),
        Figure("the CPU seconds of these two", ratios(samples, SNAPSHOT, IMPORTS, "cpu"), "x"),
        Figure(HELP, collect(samples, HELP), "s"),
        Figure(f"{HELP} / `{IMPORTS}`", ratios(samples, HELP, IMPORTS), "x"),
    ]
    return Findings(figures, multiples(samples, SNAPSHOT))
