"""On real input: five moments of the Steam market, whole catalog, equal to the crawls to the cent."""

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


def prices_at(market: pl.DataFrame, moment: datetime) -> dict[str, int]:
    """What the crawls say of a moment: each name's last price at or before it, in cents."""
    last = market.filter(pl.col("at") <= moment).sort("at").group_by("name").last()
    return dict(last.select("name", "price_minor").iter_rows())


def stored(bench: Bench, view: str) -> dict[str, int]:
    """What the warehouse says: the exact decimal must be the cents over 100."""
    rows = bench.ask(f"SELECT market_hash_name, lowest_ask, price * 100 = lowest_ask AS exact FROM {view}")
    assert all(exact for _, _, exact in rows)
    return {name: cents for name, cents, _ in rows}


def test_snapshots_of_real_prices_equal_the_crawls(make_sandbox: MakeSandbox, tmp_path: Path) -> None:
    market = pl.read_parquet(MARKET).with_columns(pl.col("market_hash_name").cast(pl.String).alias("name"))
    moments = market["at"].unique().sort().gather([3, 30, 55, 80, 106]).to_list()
    box = make_sandbox(market=MARKET)
    bench = Bench.at(tmp_path, box, catalog_of("steam"))
    for moment in moments:
        box.clock.set(moment)
        (result,) = bench.snapshot()
        assert result.state == "done", result
        assert stored(bench, "quotes") == prices_at(market, moment)
    for moment in moments:
        assert stored(bench, f"quotes_as_of('{moment.isoformat()}')") == prices_at(market, moment)
