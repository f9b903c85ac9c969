"""How long a question over the whole market takes: 600,000 quotes of 36,000 items at 41 marketplaces.

    python -m bench.views [--rounds 7]

The quotes are drawn, landed and loaded as a snapshot's are, and asked for in the published database.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import duckdb
import polars as pl

from connectors.schemas import FX, PROVIDERS, QUOTES
from sandbox.market.providers import KEYS
from warehouse.database import open_reader
from warehouse.landing.model import PageMeta, RunHeader, ShardHeader
from warehouse.landing.writer import LandingWriter
from warehouse.loading.pipeline import load_pending
from warehouse.paths import WarehousePaths

ITEMS, MOMENT = 36_000, datetime(2026, 6, 1, 12, tzinfo=UTC)
DRAWN = """
SELECT i::VARCHAR AS item_id, 'AK-47 | Finish ' || i || ' (Field-Tested)' AS market_hash_name,
    NULL::VARCHAR AS phase, $provider AS provider, 'standard' AS delivery, cents AS lowest_ask,
    (cents / 100)::DECIMAL(20, 8) AS price, 5::BIGINT AS quantity, $moment::TIMESTAMPTZ AS timestamp,
    $moment::TIMESTAMPTZ AS last_updated, NULL::VARCHAR AS url
FROM (
    SELECT i, (3 + exp(hash(i) % 1000 / 90.0) * (80 + hash(i || $provider) % 60) / 100)::BIGINT AS cents
    FROM range(1, $items + 1) t(i) WHERE hash($provider || i) % 1000 < 407
)
"""
ASKED = {
    "best_ask": "FROM best_ask",
    "quotes": "FROM quotes",
    "quotes_in('EUR')": "FROM quotes_in('EUR')",
    "spreads, how many": "SELECT count(*) FROM spreads",
    "spreads of one item": "FROM spreads WHERE market_hash_name = 'AK-47 | Finish 77 (Field-Tested)'",
}


def main() -> None:
    """Load the market, ask each question several times and print the medians."""
    parser = argparse.ArgumentParser(description="Time the views over a whole market.")
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory(prefix="floorline-bench-") as folder:
        home = WarehousePaths(Path(folder))
        home.prepare()
        _land(home)
        (loaded,) = load_pending(home, now=lambda: MOMENT, keep=timedelta(days=1))
        print(f"{loaded.rows_fetched} quotes")
        with open_reader(home.published) as db:
            for name, sql in ASKED.items():
                _told(name, [_seconds(db, sql) for _ in range(rounds)])


def _land(home: WarehousePaths) -> None:
    """One snapshot of every marketplace's catalog, with the rates and fees that the views want."""
    rates = pl.DataFrame([("EUR", Decimal("0.8547"), MOMENT)], schema=FX, orient="row")
    header = RunHeader("bench", "snapshot", "cs2cap", "all", MOMENT, 600)
    with LandingWriter(home.landing, header) as landing:
        for number, provider in enumerate(KEYS):
            rows = _drawn(provider)
            writer = landing.open_shard(ShardHeader(number, "USD", ("standard",), (provider,), None))
            writer.append(PageMeta(0, 0, len(rows), MOMENT, MOMENT, ""), rows)
            writer.finish(complete=True, reason=None)
        landing.add_catalog("providers", _providers())
        landing.add_catalog("fx", rates)
        landing.finish("done")


def _providers() -> pl.DataFrame:
    columns: dict[str, object] = {name: [None] * len(KEYS) for name in PROVIDERS}
    return pl.DataFrame({**columns, "provider": KEYS, "sell_fee": [0.05] * len(KEYS)}, schema=PROVIDERS)


def _drawn(provider: str) -> pl.DataFrame:
    with duckdb.connect() as db:
        wanted = {"provider": provider, "moment": MOMENT, "items": ITEMS}
        return db.execute(DRAWN, wanted).pl().cast(dict(QUOTES))  # type: ignore[arg-type]


def _seconds(db: duckdb.DuckDBPyConnection, sql: str) -> float:
    began = time.perf_counter()
    db.execute(sql).to_arrow_table()
    return time.perf_counter() - began


def _told(name: str, seconds: list[float]) -> None:
    print(f"{name}: {statistics.median(seconds):.2f} s (of {min(seconds):.2f} to {max(seconds):.2f})")


if __name__ == "__main__":
    main()
