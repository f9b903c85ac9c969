"""Snapshots of real Steam prices at five times: the complete catalog equals the crawls to the cent."""

from datetime import datetime
from pathlib import Path

import polars as pl
import pytest

from tests.support.sandboxes import MakeSandbox
from tests.support.snapshots import Bench, catalog_of

MARKET = Path(__file__).parents[3] / "shared" / "market" / "steam-usd-2026.parquet"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not MARKET.exists(), reason="the real prices are not part of the repository"),
]


def prices_at(market: pl.DataFrame, at: datetime) -> dict[str, int]:
    """Return each name's last crawled price at or before a time, in cents."""
    last = market.filter(pl.col("at") <= at).sort("at").group_by("name").last()
    return dict(last.select("name", "price_minor").iter_rows())


def stored_prices(bench: Bench, view: str) -> dict[str, int]:
    """Return the stored prices in cents; the exact decimal must be the cents divided by 100."""
    rows = bench.query(f"SELECT market_hash_name, lowest_ask, price * 100 = lowest_ask AS exact FROM {view}")
    assert all(exact for _, _, exact in rows)
    return {name: cents for name, cents, _ in rows}


def test_snapshots_of_real_prices_equal_the_crawls(make_sandbox: MakeSandbox, tmp_path: Path) -> None:
    market = pl.read_parquet(MARKET).with_columns(pl.col("market_hash_name").cast(pl.String).alias("name"))
    times = market["at"].unique().sort().gather([3, 30, 55, 80, 106]).to_list()
    box = make_sandbox(market=MARKET)
    bench = Bench.at(tmp_path, box, catalog_of("steam"))
    for at in times:
        box.clock.set(at)
        (result,) = bench.snapshot()
        assert result.state == "done", result
        assert stored_prices(bench, "quotes") == prices_at(market, at)
    for at in times:
        assert stored_prices(bench, f"quotes_as_of('{at.isoformat()}')") == prices_at(market, at)
