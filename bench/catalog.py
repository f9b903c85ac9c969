"""Time a snapshot of the whole catalog, 600,000 rows, against a loop that only fetches the pages.

    python -m bench.catalog [--rows 600000] [--rounds 3] [--concurrency 8]

The sandbox runs in another process, with all pages rendered in advance and without limits. Each round times
three parts, each in its own process: a loop of httpx requests that discards the pages, the first snapshot
into a new warehouse, and a second snapshot of the same market.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import resource
import sys
import tempfile
import threading
import time
from pathlib import Path

from bench.support import CATALOGS, describe, run_part, write_config

Round = dict[str, dict[str, float]]


def main() -> None:
    """Run the rounds and print the medians and the ratios."""
    from sandbox.options import Options
    from sandbox.server import spawn

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=600_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--concurrency", type=int, default=8)
    arguments = parser.parse_args()
    options = Options(
        items=35_000,
        quotes=arguments.rows,
        limits=False,
        tier="quant",
        render_ahead=True,
        refresh=86_400,  # no page is rendered again during a round
    )
    with spawn(options) as url:
        rounds = [_run_round(url, arguments.concurrency) for _ in range(arguments.rounds)]
    for name in ("bare", "first", "second"):
        seconds = [figures[name]["seconds"] for figures in rounds]
        peak = max(figures[name]["peak_mb"] for figures in rounds)
        print(f"{name:>7}: {describe(seconds, ' s')}, peak {peak:4.0f} MB")
    for name in ("first", "second"):
        ratios = [figures[name]["seconds"] / figures["bare"]["seconds"] for figures in rounds]
        rows = {figures[name]["rows"] for figures in rounds}
        print(f"{name} / bare: {describe(ratios)}, rows {rows}")


def _run_round(url: str, concurrency: int) -> Round:
    with tempfile.TemporaryDirectory(prefix="floorline-bench-") as folder:
        source = f"concurrency = {concurrency}"
        config = str(write_config(Path(folder), url, source=source, basket=CATALOGS))
        return {
            "bare": run_part("bench.catalog", "fetch", url, str(concurrency)),
            "first": run_part("bench.catalog", "snapshot", config),
            "second": run_part("bench.catalog", "snapshot", config),
        }


def _run_part(name: str, *arguments: str) -> None:
    children = _ChildMemory()
    children.start()
    began = time.perf_counter()
    if name == "fetch":
        rows = asyncio.run(_fetch_all_pages(arguments[0], int(arguments[1])))
    else:
        rows = asyncio.run(_take_snapshot(arguments[0]))
    seconds = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024 + children.peak_mb
    print(json.dumps({"seconds": seconds, "peak_mb": peak, "rows": rows}))


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


async def _fetch_all_pages(url: str, concurrency: int) -> int:
    """Fetch every page of every provider with httpx and discard it; return the number of rows."""
    import httpx

    limits = httpx.Limits(max_connections=concurrency, max_keepalive_connections=concurrency)
    headers = {"Authorization": f"Bearer {os.environ['BENCH_KEY']}", "Accept-Encoding": "gzip"}
    async with httpx.AsyncClient(base_url=url, headers=headers, limits=limits, timeout=60) as client:
        semaphore = asyncio.Semaphore(concurrency)

        async def fetch_page(provider: str, offset: int) -> httpx.Response:
            async with semaphore:
                return await client.get("/v1/prices", params={"providers": provider, "offset": offset})

        async def fetch_listing(provider: str) -> int:
            pagination = (await fetch_page(provider, 0)).json()["pagination"]
            offsets = range(pagination["limit"], pagination["total"], pagination["limit"])
            await asyncio.gather(*(fetch_page(provider, offset) for offset in offsets))
            return int(pagination["total"])

        providers = (await client.get("/v1/providers")).json().values()
        return sum(await asyncio.gather(*(fetch_listing(provider["key"]) for provider in providers)))


async def _take_snapshot(config: str) -> int:
    from pipelines.config import load_settings
    from pipelines.snapshot.pipeline import SnapshotPipeline

    results = await SnapshotPipeline(load_settings(Path(config))).run()
    if [result.state for result in results] != ["done"] or results[0].load is None:
        raise SystemExit(f"the snapshot did not complete: {results}")
    return results[0].load.rows_fetched


if __name__ == "__main__":
    if sys.argv[1:2] == ["--part"]:
        _run_part(*sys.argv[2:])
    else:
        main()
