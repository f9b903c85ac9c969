"""Time `floorline up` from its start to its address, to the schedule, and to the first published data.

    python -m bench.up_start [--rounds 3] [--every 15s] [--against FOLDER]

Each round starts a new warehouse against a sandbox in another process, and starts the same warehouse again;
the memory is the proportional set size (PSS) of the processes after the first data. With `--against`, each
round does the same with the code of another clone, in turn: compare the ratios, not the seconds of two days.
"""

from __future__ import annotations

import argparse
import os
import signal
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.support import FLOORLINE, read_pss, write_config
from sandbox.options import Options
from sandbox.server import spawn
from tests.support.up import descendants

BASKET = 'items = ["AK-47 | Redline (Field-Tested)"]\nproviders = ["steam"]\nevery = "{every}"'
LIMIT = 240.0  # seconds
MARKS = {"address": "Prefect: ", "scheduled": "Scheduled: "}


def main() -> None:
    """Measure each version in turn, and print the medians."""
    parser = argparse.ArgumentParser(description="Time the start of `floorline up`.")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--every", default="15s")
    parser.add_argument("--against", default="")
    options = parser.parse_args()
    versions = {"this": "", **({"other": options.against} if options.against else {})}
    figures: dict[tuple[str, str], list[dict[str, float]]] = {}
    for _ in range(options.rounds):
        for name, path in versions.items():
            for start, measured in zip(("new", "again"), measure(path, options.every), strict=True):
                figures.setdefault((name, start), []).append(measured)
                print(name, start, measured, f"load {os.getloadavg()[0]:.1f}", flush=True)
    for (name, start), rounds in figures.items():
        medians = {key: round(statistics.median(one[key] for one in rounds), 1) for key in rounds[0]}
        print(f"{name}, {start} warehouse, medians of {len(rounds)}: {medians}")


def measure(path: str, every: str) -> Iterator[dict[str, float]]:
    """Yield the seconds and the megabytes of a first and of a second start."""
    with (
        spawn(Options(items=300, limits=False, tier="quant")) as url,
        tempfile.TemporaryDirectory(prefix="floorline-bench-") as folder,
    ):
        config = write_config(Path(folder), url, basket=BASKET.format(every=every))
        database = Path(folder) / "market.duckdb"
        for _ in range(2):
            before = database.stat().st_mtime_ns if database.exists() else 0
            with running(config, path) as (process, log):
                yield {**_times(log, database, before), "memory MB": _memory(process.pid)}


@contextmanager
def running(config: Path, path: str) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    """Run `floorline up`; yield the process and the file of its output."""
    log = config.with_name("output.log")
    command = [FLOORLINE, "up", "--config", str(config), "--port", "43271"]
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, **({"PYTHONPATH": path} if path else {})},
        )
    try:
        yield process, log
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(90)


def _times(log: Path, database: Path, before: int) -> dict[str, float]:
    """Return the seconds from now to each mark in the output, and to a new database."""
    began = time.perf_counter()
    times: dict[str, float] = {}
    while "data" not in times:
        passed = round(time.perf_counter() - began, 1)
        assert passed < LIMIT, log.read_text()
        output = log.read_text()
        times |= {name: passed for name, mark in MARKS.items() if name not in times and mark in output}
        if database.exists() and database.stat().st_mtime_ns > before:
            times["data"] = passed
        time.sleep(0.05)
    return times


def _memory(ancestor: int) -> float:
    """Return the megabytes of a process and of all its descendants."""
    return round(sum(map(read_pss, {ancestor, *descendants(ancestor)})))


if __name__ == "__main__":
    main()
