"""Fetch ten years of daily points of 500 items at all marketplaces, compare them, and draw one item.

    python -m bench.daily_points [--items 500] [--years 10] [--chart FILE.svg]

A sandbox generates the past of its market. A backfill fetches and loads the closing prices; then each of them
is compared with the sandbox's own. The same backfill is repeated at once, and a day later. The time of the
backfill includes that of the sandbox, which runs in the same process. `--chart` writes the chart of one item,
as the dashboard draws it. Exits with 1 where a row differs, or where a repeated backfill fetches what it has.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl

from bench.support import write_config
from dashboard.chart_files import to_svg_file
from dashboard.pages.item import ItemRequest, build_item_page
from dashboard.prepared import PreparedMarket
from pipelines.backfill.pipeline import BackfillPipeline
from pipelines.backfill.request import BackfillRequest
from pipelines.backfill.results import BackfillResult
from pipelines.config import Settings, load_settings
from pipelines.snapshot.pipeline import SnapshotPipeline
from sandbox.core import Sandbox
from sandbox.options import Options
from sandbox.server import serve
from tests.support.clocks import SandboxClock
from warehouse.database import open_published
from warehouse.paths import WarehousePaths

DAY = timedelta(days=1)
AT_ONCE = 20  # items that are compared at a time
# The sandbox takes a second to generate ten years of an item, and shares the process.
SOURCE = 'tier = "quant"\nconcurrency = 2\ndeadline = "5m"'
SELECT = """
SELECT provider, item_id::BIGINT AS item_id, day, amount AS price, quantity FROM daily_points
WHERE list_contains($1, item_id::BIGINT) ORDER BY item_id, provider, day
"""


def main() -> None:
    """Run all steps, and print what they took and found."""
    parser = argparse.ArgumentParser(description="Fetch years of daily points, and compare them.")
    parser.add_argument("--items", type=int, default=500)
    parser.add_argument("--years", type=int, default=10)
    parser.add_argument("--chart", type=Path, help="write the chart of one item to this file")
    options = parser.parse_args()
    now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    # Most items are listed at all 41 marketplaces, and a few of them are aggregates without quotes.
    market = Options(items=options.items, quotes=35 * options.items, limits=False, tier="quant", frozen=now)
    with serve(market) as box, tempfile.TemporaryDirectory(prefix="floorline-bench-") as folder:
        basket = 'items = ["all"]\nroute = "stream"'
        settings = load_settings(write_config(Path(folder), box.url, source=SOURCE, basket=basket))
        asyncio.run(SnapshotPipeline(settings, (), SandboxClock(box)).run())
        start = now.replace(hour=0) - timedelta(days=365 * options.years)
        passed = _fetch_and_compare(settings, box, start)
        item = box.market.board.catalog.items[2].name
        _draw(settings.paths, item, options.chart)
    sys.exit(0 if passed else 1)


def _fetch_and_compare(settings: Settings, box: Sandbox, start: datetime) -> bool:
    items = [item.item_id for item in box.market.board.catalog.items if not item.aggregate]
    began = time.perf_counter()
    first = _backfill(settings, box, start)
    print(
        f"{first.state}: {first.rows:,} points of {len(items)} items from {start:%Y-%m-%d},"
        f" {first.requests} requests, {time.perf_counter() - began:.0f} s"
    )
    print(f"the published file has {settings.paths.published.stat().st_size / 2**20:.0f} MB")
    compared, equal = _compare(settings.paths, box, items, start)
    print(f"{compared:,} points compared with the sandbox's: {'all equal' if equal else 'NOT equal'}")
    again = _backfill(settings, box, start)
    print(f"the same backfill again: {again.requests} requests, {again.rows_new} new rows")
    box.advance(DAY.total_seconds())
    later = _backfill(settings, box, start)
    print(f"a day later: {later.requests} requests, {later.rows:,} rows fetched, {later.rows_new:,} new")
    compared, still = _compare(settings.paths, box, items, box.clock.now().replace(hour=0) - 3 * DAY)
    print(f"{compared:,} points of the last days compared: {'all equal' if still else 'NOT equal'}")
    # A day later the catalogs of items and marketplaces are fetched, too.
    is_frugal = again.requests == 0 and later.requests <= len(items) + 2 and later.rows == later.rows_new
    return equal and still and is_frugal


def _backfill(settings: Settings, box: Sandbox, start: datetime) -> BackfillResult:
    request = BackfillRequest(series="daily", items=("all",), start=start)
    return asyncio.run(BackfillPipeline(settings, request, SandboxClock(box)).run())


def _compare(paths: WarehousePaths, box: Sandbox, items: Sequence[int], start: datetime) -> tuple[int, bool]:
    """Return how many points were compared, and whether each is that of the sandbox, and none is missing."""
    midnight = box.clock.now().replace(hour=0)
    order, compared, equal = ["item_id", "provider", "day"], 0, True
    with open_published(paths) as db:
        for number in range(0, len(items), AT_ONCE):
            chosen = list(items[number : number + AT_ONCE])
            stored = db.execute(SELECT, [chosen]).pl().filter(pl.col("day") >= start.date())
            market = box.daily(chosen, start=start, end=midnight).select(stored.columns).sort(order)
            equal = equal and stored.sort(order).equals(market)
            compared += market.height
    return compared, equal


def _draw(paths: WarehousePaths, item: str, file: Path | None) -> None:
    market = PreparedMarket(paths)
    try:
        began = time.perf_counter()
        page = build_item_page(market, ItemRequest(item, "USD", window="all"))
        assert page is not None
        chart = page.charts[0]
        days = sum(row.values["origin"] == "daily points" for row in chart.data.rows)
        print(f"the page of {item!r}: {time.perf_counter() - began:.2f} s, {days:,} days of daily points")
        if file is not None:
            file.write_text(to_svg_file(chart.svg, "light"), "utf-8")
    finally:
        market.close()


if __name__ == "__main__":
    main()
