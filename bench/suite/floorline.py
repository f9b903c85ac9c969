"""What the suite measures of Floorline, each in a process of its own.

    python -m bench.suite.floorline walk CONFIG
    python -m bench.suite.floorline stream CONFIG URL
    python -m bench.suite.floorline load CONFIG
    python -m bench.suite.floorline land CONFIG
    python -m bench.suite.floorline publish CONFIG TIMES

`land` fetches and lands a snapshot that `load` loads: its seconds end when the load is committed.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import resource
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from bench.suite.measurement import Figures
from bench.support import control
from common.clock import SystemClock
from pipelines.config import load_settings
from pipelines.results import RunResult
from pipelines.snapshot.pipeline import LoadStep, SnapshotPipeline
from warehouse.database import writer_lock
from warehouse.loading.pipeline import load_pending
from warehouse.loading.run import LoadReport
from warehouse.publish import publish


def main() -> None:
    """Print the figures of one measurement."""
    name, config, *arguments = sys.argv[1:]
    children = _ChildMemory()
    children.start()
    figures = MEASUREMENTS[name](config, *arguments)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024 + children.peak_mb
    print(json.dumps({**figures, "peak_mb": peak}))


def measure_walk(config: str) -> Figures:
    """Time a snapshot from the start of the pipeline to the published database."""
    began = time.perf_counter()
    report = _take_snapshot(config)
    return {"seconds": time.perf_counter() - began, **_count(report)}


def measure_stream(config: str, url: str) -> Figures:
    """Time a snapshot from the sandbox's log entry of the request to the published database."""
    report = _take_snapshot(config)
    return {"seconds": time.time() - find_request(url), **_count(report)}


def land(config: str) -> Figures:
    """Fetch and land a snapshot, and leave it to `measure_load`."""
    _run_pipeline(config, lambda _: _load_nothing)
    return {}


def measure_load(config: str) -> Figures:
    """Time the load of what has landed, to its commit and to the published database."""
    from pipelines.loading import parse_raw_rows

    settings = load_settings(Path(config))
    committed: list[float] = []
    began = time.perf_counter()
    (report,) = load_pending(
        settings.paths,
        now=SystemClock().now,
        keep=settings.warehouse.keep_landings,
        row_parser=parse_raw_rows,
        on_loaded=lambda _: committed.append(time.perf_counter()),
    )
    ended = time.perf_counter()
    return {"seconds": committed[0] - began, "publish": ended - committed[0], **_count(report)}


def publish_often(config: str, times: str) -> Figures:
    """Publish the database so many times."""
    paths = load_settings(Path(config)).paths
    for _ in range(int(times)):
        with writer_lock(paths, 60):
            publish(paths)
    return {}


def find_request(url: str) -> float:
    """Return when the sandbox received the last request of a stream."""
    return float([entry["t"] for entry in control(url, "requests") if entry["method"] == "POST"][-1])


def _take_snapshot(config: str) -> LoadReport:
    result = _run_pipeline(config, lambda step: step)
    if result.state != "done" or result.load is None:
        raise SystemExit(f"the snapshot did not complete: {result}")
    return result.load


def _run_pipeline(config: str, wrap_load: Callable[[LoadStep], LoadStep]) -> RunResult:
    (result,) = asyncio.run(SnapshotPipeline(load_settings(Path(config))).run(wrap_load))
    return result


async def _load_nothing() -> Sequence[LoadReport]:
    return []


def _count(report: LoadReport) -> Figures:
    return {"rows": report.rows_fetched, "changed": report.rows_changed}


class _ChildMemory(threading.Thread):
    """Measures the peak memory of this process's children while they run.

    RUSAGE_CHILDREN is no use: after a fork it includes the memory of the parent.
    """

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.peak_mb = 0.0

    def run(self) -> None:
        """Measure until this process ends."""
        while True:
            time.sleep(0.05)
            for children in Path("/proc/self/task").glob("*/children"):
                with contextlib.suppress(OSError, ValueError):  # a thread or a process has just ended
                    for pid in children.read_text().split():
                        status = Path(f"/proc/{pid}/status").read_text().partition("VmHWM:")[2]
                        self.peak_mb = max(self.peak_mb, int(status.split()[0]) / 1024)


MEASUREMENTS: dict[str, Callable[..., Figures]] = {
    "walk": measure_walk,
    "stream": measure_stream,
    "land": land,
    "load": measure_load,
    "publish": publish_often,
}

if __name__ == "__main__":
    main()
