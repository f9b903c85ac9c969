"""The whole catalog, 600,000 rows: fetched, landed, loaded and published, against a loop that only fetches.

    python -m bench.walk [--rows 600000] [--rounds 3] [--concurrency 8]

The sandbox runs in a process of its own with its pages rendered ahead and its limits lifted. Each round
times, in turn and in processes of their own: the bare httpx loop that throws the pages away, the first
snapshot into a new warehouse, and a second one of the same market.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from sandbox.cs2cap.keys import VALID_KEY
from sandbox.options import Options
from sandbox.server import spawn

CONFIG = """\
[warehouse]
path = "{path}"
[sources.cs2cap]
base_url = "{url}"
key = "env:BENCH_KEY"
concurrency = {concurrency}
[[baskets]]
name = "all"
source = "cs2cap"
items = ["all"]
"""


def main() -> None:
    """Run the rounds and print the medians and the ratio."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=600_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--concurrency", type=int, default=8)
    given = parser.parse_args()
    os.environ["BENCH_KEY"] = VALID_KEY
    with spawn(
        Options(
            items=35_000,
            quotes=given.rows,
            limits=False,
            tier="quant",
            render_ahead=True,
            refresh=86_400,  # nor rendered anew in the middle of a round
        )
    ) as served:
        rounds = [_round(served.url, given.concurrency) for _ in range(given.rounds)]
    for name in ("bare", "first", "second"):
        seconds = [timed[name]["seconds"] for timed in rounds]
        peak = max(timed[name]["peak_mb"] for timed in rounds)
        print(f"{name:>7}: {statistics.median(seconds):6.2f} s (of {_listed(seconds)}), peak {peak:4.0f} MB")
    for name in ("first", "second"):
        ratios = [timed[name]["seconds"] / timed["bare"]["seconds"] for timed in rounds]
        rows = {timed[name]["rows"] for timed in rounds}
        print(f"{name} / bare: {statistics.median(ratios):.2f} (of {_listed(ratios)}), rows {rows}")


def _listed(numbers: list[float]) -> str:
    return ", ".join(f"{number:.2f}" for number in sorted(numbers))


def _round(url: str, concurrency: int) -> dict[str, dict[str, float]]:
    with tempfile.TemporaryDirectory(prefix="floorline-bench-") as folder:
        config = Path(folder) / "floorline.toml"
        config.write_text(CONFIG.format(path=folder, url=url, concurrency=concurrency), "utf-8")
        bare = _measured("bare", url, str(concurrency))
        return {
            "bare": bare,
            "first": _measured("take", str(config)),
            "second": _measured("take", str(config)),
        }


def _measured(*arguments: str) -> dict[str, float]:
    """What one part, in a process of its own, says of its time, memory and rows."""
    done = subprocess.run(
        [sys.executable, "-m", "bench.walk", "--part", *arguments], check=True, capture_output=True, text=True
    )
    told: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return told


def _part(name: str, *arguments: str) -> None:
    others = _Others()
    others.start()
    began = time.perf_counter()
    rows = asyncio.run(_bare(arguments[0], int(arguments[1])) if name == "bare" else _take(arguments[0]))
    seconds = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024 + others.peak_mb
    print(json.dumps({"seconds": seconds, "peak_mb": peak, "rows": rows}))


class _Others(threading.Thread):
    """Looks now and then how much the processes that were started from here have had at most.

    What the system tells at their end counts what this one had when it started them.
    """

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.peak_mb = 0.0

    def run(self) -> None:
        """Until this process ends."""
        while True:
            time.sleep(0.05)
            for children in Path("/proc/self/task").glob("*/children"):
                with contextlib.suppress(OSError, ValueError):  # the thread or the process has just ended
                    for pid in children.read_text().split():
                        status = Path(f"/proc/{pid}/status").read_text().partition("VmHWM:")[2]
                        self.peak_mb = max(self.peak_mb, int(status.split()[0]) / 1024)


async def _bare(url: str, concurrency: int) -> int:
    """Every page of every provider, fetched as fast as httpx goes, decompressed and thrown away."""
    import httpx

    limits = httpx.Limits(max_connections=concurrency, max_keepalive_connections=concurrency)
    headers = {"Authorization": f"Bearer {os.environ['BENCH_KEY']}", "Accept-Encoding": "gzip"}
    async with httpx.AsyncClient(base_url=url, headers=headers, limits=limits, timeout=60) as client:
        turns = asyncio.Semaphore(concurrency)

        async def page(provider: str, offset: int) -> httpx.Response:
            async with turns:
                return await client.get("/v1/prices", params={"providers": provider, "offset": offset})

        async def walk(provider: str) -> int:
            first = (await page(provider, 0)).json()["pagination"]
            offsets = range(first["limit"], first["total"], first["limit"])
            await asyncio.gather(*(page(provider, offset) for offset in offsets))
            return int(first["total"])

        known = (await client.get("/v1/providers")).json()
        return sum(await asyncio.gather(*(walk(info["key"]) for info in known.values())))


async def _take(config: str) -> int:
    from pipelines.config import load_settings
    from pipelines.snapshot.pipeline import SnapshotPipeline

    results = await SnapshotPipeline(load_settings(Path(config))).run()
    if [result.state for result in results] != ["done"] or results[0].load is None:
        raise SystemExit(f"the snapshot ended {results}")
    return results[0].load.rows_fetched


if __name__ == "__main__":
    if sys.argv[1:2] == ["--part"]:
        _part(*sys.argv[2:])
    else:
        main()
