"""The part `walk`: a snapshot of the whole catalog, page by page, against a bare loop and dlt's rest_api."""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path

from bench.suite.environments import prepare_environment, read_pin
from bench.suite.measurement import (
    ContenderFailed,
    Contenders,
    Figures,
    check_rows,
    collect,
    interleave,
    log,
    measure_module,
    measure_process,
    multiples,
    ratios,
)
from bench.suite.options import SuiteOptions
from bench.suite.results import Figure, Findings
from bench.support import CATALOGS, write_config
from sandbox.market.providers import KEYS
from sandbox.options import Options
from sandbox.server import spawn

FIRST, SECOND, BARE, DLT = "Floorline, first snapshot", "Floorline", "bare httpx loop", "dlt rest_api"
CONCURRENCY = 8


def run_walk(options: SuiteOptions) -> Findings:
    """Walk 600,000 rows in about 600 pages, over one server whose pages are rendered in advance."""
    market = Options(
        items=35_000,
        quotes=options.rows,
        limits=False,
        tier="quant",
        render_ahead=True,
        refresh=86_400,  # no page is rendered again during a round
    )
    with spawn(market) as url, tempfile.TemporaryDirectory(prefix="floorline-bench-") as folder:
        config = _write_config(Path(folder) / "second", url)
        measure_module("bench.suite.floorline", "walk", config)
        contenders: Contenders = {
            SECOND: lambda: measure_module("bench.suite.floorline", "walk", config),
            FIRST: partial(_walk_first, url),
            BARE: lambda: measure_module("bench.rivals.httpx_loop", url, CONCURRENCY),
        }
        left_out = []
        try:
            contenders[DLT] = partial(_walk_with_dlt, prepare_environment("dlt", options.without), url)
        except ContenderFailed as error:
            log(f"left out: dlt: {error}")
            left_out.append(f"dlt: {error}")
        samples = interleave(contenders, options.rounds, options.watch.sample)
    check_rows(samples, samples)
    figures = [
        Figure("second snapshot", collect(samples, SECOND), "s"),
        Figure("second snapshot / bare httpx loop", ratios(samples, SECOND, BARE), "x", at_most=2.5),
        Figure("the CPU seconds of these two, with imports", ratios(samples, SECOND, BARE, "cpu"), "x"),
        Figure("first snapshot / bare httpx loop", ratios(samples, FIRST, BARE), "x"),
        Figure(
            "peak memory of Floorline, with its worker process", collect(samples, SECOND, "peak_mb"), "MB"
        ),
    ]
    if DLT in samples:
        figures += [
            Figure("dlt's rest_api source", collect(samples, DLT), "s"),
            Figure("dlt's rest_api source / second snapshot", ratios(samples, DLT, SECOND), "x", at_least=20),
            Figure("the CPU seconds of these two", ratios(samples, DLT, SECOND, "cpu"), "x"),
        ]
    return Findings(
        figures,
        multiples(samples, SECOND),
        rivals=[read_pin("dlt", "dlt")] if DLT in samples else [],
        left_out=left_out,
    )


def _write_config(folder: Path, url: str) -> Path:
    folder.mkdir()
    return write_config(folder, url, source=f"concurrency = {CONCURRENCY}", basket=CATALOGS)


def _walk_first(url: str) -> Figures:
    with tempfile.TemporaryDirectory(prefix="floorline-bench-") as folder:
        return measure_module("bench.suite.floorline", "walk", _write_config(Path(folder) / "first", url))


def _walk_with_dlt(python: Path, url: str) -> Figures:
    script = str(Path(__file__).parents[1] / "rivals" / "dlt_walk.py")
    with tempfile.TemporaryDirectory(prefix="floorline-bench-") as folder:
        return measure_process([str(python), script, url, folder, *KEYS])
