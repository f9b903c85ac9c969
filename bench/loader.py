"""Measure how many landings a minute one loader takes, into the warehouse's file and into a lake.

    python -m bench.loader [--landings 6] [--quotes 600000] [--changed 0.075]

A sandbox moves a share of its market between two streams; each stream is fetched and landed, and none is
loaded, until the queue is complete. Then one loader enters the landings into the warehouse's file, and into a
lake, whose catalog is in PostgreSQL and whose files are on an S3 server (moto). The first landing fills a
warehouse and does not count. CPU seconds are those of the loader alone: PostgreSQL and the S3 server have
cores of their own where they are on other machines.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import statistics
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from bench.suite.measurement import measure_module
from bench.support import ALL_ITEMS, control, describe, write_config
from pipelines.config import load_settings
from pipelines.loading import parse_raw_rows
from sandbox.cs2cap.keys import VALID_KEY
from sandbox.options import Options
from sandbox.server import spawn
from tests.support.object_store import running_object_store
from tests.support.postgres import running_postgres
from warehouse.database import open_writer
from warehouse.lake.location import LakeLocation, locate_lake
from warehouse.landing.inventory import pending_landings
from warehouse.landing.reader import read_run
from warehouse.loading.quotes import load_run
from warehouse.shared import SharedLocation


def main() -> None:
    """Fill the queue, drain it twice, and print the figures."""
    parser = argparse.ArgumentParser(description="Measure how many landings a minute one loader takes.")
    parser.add_argument("--landings", type=int, default=6, help="that count, after the first one")
    parser.add_argument("--quotes", type=int, default=600_000, help="of each landing")
    parser.add_argument("--changed", type=float, default=0.075, help="share of the quotes")
    options = parser.parse_args()
    market = Options(items=35_000, quotes=options.quotes, limits=False, tier="quant", refresh=86_400)
    with (
        spawn(market) as url,
        tempfile.TemporaryDirectory(prefix="floorline-bench-") as folder,
        _lake_in(Path(folder) / "spill") as lake,
    ):
        basket = f'{ALL_ITEMS}\nroute = "stream"'
        config = write_config(Path(folder), url, source='tier = "quant"', basket=basket)
        fetched = []
        for _ in range(options.landings + 1):
            control(url, "market/move", {"quotes": int(options.quotes * options.changed)})
            control(url, "market/refresh", {})
            control(url, "render", {})
            fetched.append(measure_module("bench.suite.floorline", "land", config)["cpu"])
        paths = load_settings(config).paths
        landings = [landing.folder for landing in pending_landings(paths.landing)]
        print(f"{len(landings)} landings of {options.quotes:,} quotes; load {os.getloadavg()[0]:.1f}")
        sizes = [sum(file.stat().st_size for file in one.rglob("*")) for one in landings]
        landed, sent = statistics.median(sizes) / options.quotes, _download(url, options.quotes)
        print(f"bytes a quote: {landed:.1f} landed, {sent:.1f} sent")
        print(f"CPU seconds to fetch and land one: {describe(fetched)}")
        for name, target in (("file", paths.writer), ("lake", lake)):
            _drain(name, target, landings)


def _drain(name: str, target: Path | LakeLocation, landings: list[Path]) -> None:
    """Enter the landings into a warehouse, and print what one takes."""
    seconds, cpu = [], []
    with open_writer(target) as db:
        for landing in landings:
            began, before = time.perf_counter(), time.process_time()
            report = load_run(db, read_run(landing), datetime.now(UTC), row_parser=parse_raw_rows)
            assert report is not None
            seconds.append(time.perf_counter() - began)
            cpu.append(time.process_time() - before)
    first, *others = seconds
    print(f"{name}: first {first:.2f} s; then {describe(others)} s, CPU {describe(cpu[1:])} s")
    print(f"{name}: {60 / statistics.median(others):.0f} landings a minute")


def _download(url: str, quotes: int) -> float:
    """Return the bytes of a quote in the compressed stream."""
    headers = {"Authorization": f"Bearer {VALID_KEY}", "Accept-Encoding": "gzip"}
    request = urllib.request.Request(f"{url}/v1/prices", method="POST", headers=headers)
    with urllib.request.urlopen(request, timeout=120) as response:
        return len(response.read()) / quotes


@contextlib.contextmanager
def _lake_in(spill: Path) -> Iterator[LakeLocation]:
    """Yield the location of a new lake, on servers that run until the block ends."""
    with running_postgres() as postgres, running_object_store() as store:
        os.environ.update(store.environment)
        spill.mkdir()
        url = postgres.create_database()
        yield locate_lake(SharedLocation(lambda: url, store.create_bucket(), store.endpoint), spill)


if __name__ == "__main__":
    main()
