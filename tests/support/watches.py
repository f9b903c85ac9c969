"""A small record for watches: five items at two marketplaces, observed at noon."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl

from connectors.schemas import PROVIDERS
from pipelines.config import WatchSettings
from tests.support.snapshots import REDLINE
from tests.support.warehouse import Quote, create_warehouse, land_and_load, minute, observe, run_header
from warehouse.landing.writer import LandingWriter
from warehouse.paths import WarehousePaths

KARAMBIT = "★ Karambit | Doppler (Factory New)"
LONG = "SELECT count(*) FROM range(1000000) a, range(1000000) b"  # far longer than any time limit
FEES = {"steam": 0.15, "buff163": 0.025}
QUOTES = (
    Quote("1", 1120, 3, "buff163", name=REDLINE),
    Quote("1", 1300, 8, "steam", name=REDLINE),
    Quote("2", 90_000, 1, "steam", name=KARAMBIT, phase="Ruby"),
    Quote("3", 70_000, 1, "buff163", name=KARAMBIT, phase="Sapphire"),
    Quote("3", 95_000, 1, "steam", name=KARAMBIT, phase="Sapphire"),
    Quote("4", 100, 0, "steam", name="Sold out"),
    Quote("5", 0, 5, "steam", name="Free"),
)


def create_record(folder: Path, *quotes: Quote) -> WarehousePaths:
    """Create a warehouse with these quotes, by default `QUOTES`, and the fees of their marketplaces."""
    paths = create_warehouse(folder)
    columns: dict[str, object] = {name: [None] * len(FEES) for name in PROVIDERS}
    fees = {**columns, "provider": list(FEES), "sell_fee": list(FEES.values())}
    with LandingWriter(paths.landing, run_header("fees", minute(-1))) as landing:
        landing.add_catalog("providers", pl.DataFrame(fees, schema=PROVIDERS))
        landing.finish("done")
    land_and_load(paths, "r1", observe(minute(0), *(quotes or QUOTES), providers=tuple(FEES)), basket="core")
    return paths


def watch(name: str = "mine", **fields: Any) -> WatchSettings:
    """Return a watch with these keys."""
    return WatchSettings(name=name, **fields)
