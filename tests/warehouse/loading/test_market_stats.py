"""Market figures: a row per item and fetch, of all items of the response; `liquidity` shows the newest."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from connectors.schemas import MARKET_STATS
from tests.support.warehouse import (
    Quote,
    item_name,
    load_into_memory,
    minute,
    observe,
    quotes_frame,
    run_header,
)
from warehouse.landing.writer import LandingWriter
from warehouse.paths import WarehousePaths

FIGURES = {
    "provider_count": 3, "sales_1d": 1, "sales_7d": 7, "sales_30d": 30,
    "steam_sales_7d": 2, "steam_sales_30d": 9, "supply": 50, "liquidity": 60, "rank": 1,
}  # fmt: skip


def figures_of(item: str, at: datetime, **figures: Any) -> dict[str, Any]:
    name = {"item_id": item, "market_hash_name": item_name(item), "phase": None, "observed_at": at}
    return {**name, **FIGURES, **figures}


def land_figures(paths: WarehousePaths, run_id: str, at: float, *rows: dict[str, Any]) -> Path:
    """Land a run that quoted one item and fetched these figures."""
    shard = observe(minute(at), Quote("1"))
    with LandingWriter(paths.landing, run_header(run_id, minute(at))) as landing:
        writer = landing.open_shard(shard.header(1))
        for page in shard.pages:
            writer.append(page.meta(), quotes_frame(page.quotes))
        writer.finish(complete=True, reason=None)
        landing.add_catalog("market_stats", pl.DataFrame(rows, schema=MARKET_STATS, orient="row"))
        landing.finish("done")
    return landing.folder


def test_figures_are_stored_also_of_items_without_a_quote(tmp_path: Path) -> None:
    at = minute(0)
    folder = land_figures(
        WarehousePaths(tmp_path), "a", 0, figures_of("1", at), figures_of("9", at, supply=None)
    )
    db = load_into_memory([folder])
    columns = 'item, observed_at, sales_30d, supply, liquidity, "rank", run_id'
    assert db.execute(f"SELECT {columns} FROM market_stats ORDER BY item_id").fetchall() == [
        (item_name("1"), at, 30, 50, 60, 1, "a"),
        (item_name("9"), at, 30, None, 60, 1, "a"),
    ]


@pytest.mark.slow
def test_figures_of_one_time_are_stored_once_and_the_newest_count(tmp_path: Path) -> None:
    paths, first, second = WarehousePaths(tmp_path), minute(0), minute(1440)
    folders = [
        land_figures(paths, "a", 0, figures_of("1", first)),
        land_figures(paths, "b", 60, figures_of("1", first, supply=7)),
        land_figures(paths, "c", 1440, figures_of("1", second, sales_1d=5, supply=51, steam_sales_7d=4)),
    ]
    for order in (folders, folders[::-1]):
        db = load_into_memory(order)
        times = db.execute("SELECT observed_at FROM market_stats ORDER BY ALL").fetchall()
        assert times == [(first,), (second,)]
        columns = "volume_1d, volume_7d, sales_1d, sales_7d, sales_30d, supply, liquidity"
        assert db.execute(f"SELECT {columns} FROM liquidity").fetchall() == [(5, 7, None, 4, 9, 51, 60)]


def test_time_ahead_of_the_machine_is_that_of_the_run(tmp_path: Path) -> None:
    ahead = minute(0) + timedelta(days=9)
    db = load_into_memory([land_figures(WarehousePaths(tmp_path), "a", 0, figures_of("1", ahead))])
    assert db.execute("SELECT observed_at FROM market_stats").fetchall() == [(minute(0),)]
