"""The parts `stream` and `load`: a second snapshot by stream, 7.5% of it changed, against everybody."""

from __future__ import annotations

import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from bench.suite.environments import prepare_environment, read_pin
from bench.suite.measurement import (
    ContenderFailed,
    Contenders,
    Figures,
    Samples,
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
from bench.support import ALL_ITEMS, control, write_config
from sandbox.cs2cap.keys import VALID_KEY
from sandbox.options import Options
from sandbox.server import spawn

FLOORLINE, SCRIPT = "Floorline", "short script"
FLOOR, CHEAP_FLOOR = "DuckDB read_json, DECIMAL(20, 8)", "DuckDB read_json, DECIMAL(18, 8)"
SLING, DLT = "Sling", "dlt"
RIVALS = Path(__file__).parents[1] / "rivals"
MOVED_SHARE = 0.075


def run_stream(options: SuiteOptions) -> Findings:
    """Time a snapshot from its request to the published database; some rivals begin with the file."""
    with _moving_market(options) as (url, folder, file):
        config = _write_config(folder, url)
        contenders: Contenders = {
            FLOORLINE: lambda: measure_module("bench.suite.floorline", "stream", config, url),
            SCRIPT: lambda: measure_module("bench.suite.script", url, _subfolder(folder, "script")),
            **_floors(file, folder),
        }
        left_out: list[str] = []
        for name, environment, script in (
            (SLING, "sling", "sling_stream.py"),
            (DLT, "dlt", "dlt_stream.py"),
        ):
            try:
                python, target = (
                    prepare_environment(environment, options.without),
                    _subfolder(folder, environment),
                )
            except ContenderFailed as error:
                log(f"left out: {name}: {error}")
                left_out.append(f"{name}: {error}")
            else:
                command = [str(python), str(RIVALS / script), str(file), str(target)]
                contenders[name] = partial(measure_process, command)
        samples = _run_rounds(contenders, options, url, file)
    check_rows(samples, [FLOORLINE, SCRIPT, FLOOR, DLT])
    pins = {SLING: read_pin("sling", "sling-linux-amd64"), DLT: read_pin("dlt", "dlt")}
    rivals = [pin for name, pin in pins.items() if name in samples]
    return Findings(_judge_stream(samples), multiples(samples, FLOORLINE), rivals=rivals, left_out=left_out)


def run_load(options: SuiteOptions) -> Findings:
    """Time the load of a stream that has landed, up to its commit."""
    with _moving_market(options) as (url, folder, file):
        config = _write_config(folder, url)

        def load_landed() -> Figures:
            measure_module("bench.suite.floorline", "land", config)
            return measure_module("bench.suite.floorline", "load", config)

        samples = _run_rounds({FLOORLINE: load_landed, **_floors(file, folder)}, options, url, file)
    check_rows(samples, samples)
    figures = [
        Figure("Floorline, landed to committed", collect(samples, FLOORLINE), "s"),
        Figure(f"Floorline / {FLOOR}", ratios(samples, FLOORLINE, FLOOR), "x", at_most=0.5),
        Figure(f"Floorline / {CHEAP_FLOOR}", ratios(samples, FLOORLINE, CHEAP_FLOOR), "x"),
        Figure("Floorline, committed to published", collect(samples, FLOORLINE, "publish"), "s"),
        Figure("peak memory of Floorline", collect(samples, FLOORLINE, "peak_mb"), "MB"),
    ]
    return Findings(figures, multiples(samples, FLOORLINE))


@contextmanager
def _moving_market(options: SuiteOptions) -> Iterator[tuple[str, Path, Path]]:
    """Yield the URL of a sandbox, a folder, and the file of the stream that each round saves there."""
    market = Options(items=35_000, quotes=options.rows, limits=False, tier="quant", refresh=86_400)
    with spawn(market) as url, tempfile.TemporaryDirectory(prefix="floorline-bench-") as folder:
        yield url, Path(folder), Path(folder) / "saved.ndjson.gz"


def _write_config(folder: Path, url: str) -> Path:
    basket = f'{ALL_ITEMS}\nroute = "stream"'
    return write_config(_subfolder(folder, "floorline"), url, source='tier = "quant"', basket=basket)


def _subfolder(folder: Path, name: str) -> Path:
    subfolder = folder / name
    subfolder.mkdir(exist_ok=True)
    return subfolder


def _floors(file: Path, folder: Path) -> Contenders:
    return {
        FLOOR: lambda: measure_module("bench.rivals.duckdb_table", file, folder, 20),
        CHEAP_FLOOR: lambda: measure_module("bench.rivals.duckdb_table", file, folder, 18),
    }


def _run_rounds(contenders: Contenders, options: SuiteOptions, url: str, file: Path) -> Samples:
    """Fill every contender's database; then move 7.5% of the market before each round."""
    _render(url, file)
    log("first snapshots, which do not count")
    filled = interleave(contenders, 1)

    def move_market() -> None:
        control(url, "market/move", {"quotes": int(options.rows * MOVED_SHARE)})
        control(url, "market/refresh", {})
        _render(url, file)
        options.watch.sample()

    return interleave({name: contenders[name] for name in filled}, options.rounds, move_market)


def _render(url: str, file: Path) -> None:
    """Let the sandbox render its stream in advance, and save the stream compressed, as it is sent."""
    control(url, "render", {})
    request = urllib.request.Request(
        f"{url}/v1/prices",
        method="POST",
        headers={"Authorization": f"Bearer {VALID_KEY}", "Accept-Encoding": "gzip"},
    )
    with urllib.request.urlopen(request, timeout=120) as response:
        file.write_bytes(response.read())


def _judge_stream(samples: Samples) -> list[Figure]:
    figures = [
        Figure("Floorline, request to published", collect(samples, FLOORLINE), "s"),
        Figure("Floorline / short script", ratios(samples, FLOORLINE, SCRIPT), "x", at_most=1.0),
        Figure("the CPU seconds of these two, with imports", ratios(samples, FLOORLINE, SCRIPT, "cpu"), "x"),
        Figure(f"Floorline / {FLOOR}", ratios(samples, FLOORLINE, FLOOR), "x", at_most=1.0),
        Figure(f"Floorline / {CHEAP_FLOOR}", ratios(samples, FLOORLINE, CHEAP_FLOOR), "x"),
        Figure("peak memory of Floorline", collect(samples, FLOORLINE, "peak_mb"), "MB", at_most=400),
        Figure("peak memory of the short script", collect(samples, SCRIPT, "peak_mb"), "MB"),
    ]
    for name in [each for each in (SLING, DLT) if each in samples]:
        figures.append(Figure(f"{name}, from the file / Floorline", ratios(samples, name, FLOORLINE), "x"))
        figures.append(Figure(f"peak memory of {name}", collect(samples, name, "peak_mb"), "MB"))
    return figures
