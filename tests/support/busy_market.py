"""A random market over some days: phases, several sources, currencies and deliveries, asks that vanish."""

from __future__ import annotations

import functools
import random
import tempfile
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import duckdb
import polars as pl

from connectors.schemas import PROVIDERS
from tests.support.clocks import NOON
from tests.support.series_landings import Point, SeriesPage, land_series
from tests.support.warehouse import (
    Quote,
    ShardSpec,
    create_warehouse,
    item_name,
    land,
    load_into_memory,
    observe,
    run_header,
)
from warehouse.landing.reader import read_run
from warehouse.landing.writer import LandingWriter
from warehouse.paths import WarehousePaths

KNIFE = "★ Karambit | Doppler (Factory New)"
CS2CAP = ("buff163", "c5", "csfloat", "ecosteam", "steam")
FEES = {"buff163": 0.025, "c5": 0.01, "csfloat": 0.02, "ecosteam": 0.015, "steam": 0.15, "skinshark": 0.05}
ITEMS = [
    *((str(number), item_name(str(number)), None) for number in range(1, 9)),
    ("20", KNIFE, None),
    ("20", KNIFE, "Ruby"),
    ("20", KNIFE, "Sapphire"),
]
HOUR = timedelta(hours=1)


@functools.cache
def shared_market() -> duckdb.DuckDBPyConnection:
    """Return the market of one seed: do not change its rows."""
    with tempfile.TemporaryDirectory() as folder:
        return load_busy_market(Path(folder), 1)


def load_busy_market(folder: Path, seed: int) -> duckdb.DuckDBPyConnection:
    """Load a market of some days into memory. In the end some quotes are stale, and others have vanished."""
    paths, chance = create_warehouse(folder), random.Random(seed)
    _land_fees(paths)
    at = NOON
    for number in range(6):
        at += chance.choice((3, 6, 7, 20, 31)) * HOUR
        asks = observe(at, *_quotes(chance, CS2CAP), providers=CS2CAP)
        bids = observe(at, *_quotes(chance, CS2CAP[:3], "bid"), providers=CS2CAP[:3], deliveries=("bid",))
        land(paths, f"all-{number}", asks, bids, interval_seconds=6 * 3600)
        if number < 2:
            land(paths, f"gone-{number}", _observe_euros(chance, at), basket="gone", interval_seconds=60)
        land(paths, f"shark-{number}", *_observe_shark(chance, at - HOUR), basket="shark", source="skinshark",
             interval_seconds=6 * 3600)  # fmt: skip
    points = [
        Point(NOON + hours * HOUR, chance.choice((90, 110, 300)), item=str(1 + hours % 3))
        for hours in range(1, 70, 4)
    ]
    land_series(paths, "points", SeriesPage(at, points))
    return load_into_memory(sorted(paths.landing.iterdir(), key=lambda run: read_run(run).header.started_at))


def _quotes(chance: random.Random, providers: tuple[str, ...], *deliveries: str) -> Iterator[Quote]:
    """Yield about three of four possible quotes; few are far off, or of nothing."""
    for item, name, phase in ITEMS:
        for provider in providers:
            for delivery in deliveries or ("standard",):
                if chance.random() < 0.75:
                    cents = chance.choice((0, 20, *range(80, 125, 3), 300, 500))
                    quantity = chance.choice((None, 0, 1, 2, 5))
                    yield Quote(item, cents, quantity, provider, None, None, name, phase, delivery=delivery)


def _observe_euros(chance: random.Random, at: datetime) -> ShardSpec:
    """Return a shard of the basket that was removed: what it saw is stale in the end."""
    return observe(at, *_quotes(chance, ("steam",)), currency="EUR")


def _observe_shark(chance: random.Random, at: datetime) -> Iterator[ShardSpec]:
    deliveries = ("standard", "instant")
    quotes = _quotes(chance, ("skinshark",), *deliveries)
    yield observe(at, *quotes, providers=("skinshark",), deliveries=deliveries)


def _land_fees(paths: WarehousePaths) -> None:
    for source in ("cs2cap", "skinshark"):
        rows = [
            {"provider": provider, "sell_fee": fee, "insta_sell_fee": fee / 2 if fee > 0.02 else None}
            for provider, fee in FEES.items()
            if (provider == "skinshark") == (source == "skinshark")
        ]
        header = run_header(f"fees-{source}", NOON - HOUR, source=source)
        with LandingWriter(paths.landing, header) as landing:
            landing.add_catalog("providers", pl.DataFrame(rows, schema=PROVIDERS, orient="row"))
            landing.finish("done")
