"""A generated market of 600,000 quotes, 36,000 items at 41 marketplaces, landed and loaded as a snapshot."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import duckdb
import polars as pl

from connectors.schemas import FX, PROVIDERS, QUOTES
from sandbox.market.providers import KEYS
from warehouse.landing.model import PageMeta, RunHeader, ShardHeader
from warehouse.landing.writer import LandingWriter
from warehouse.loading.pipeline import load_pending
from warehouse.loading.run import LoadReport
from warehouse.paths import WarehousePaths

ITEMS, START = 36_000, datetime(2026, 6, 1, 12, tzinfo=UTC)
GENERATED_QUOTES = """
-- In the snapshot $number, the share $share of the quotes has moved.
SELECT i::VARCHAR AS item_id, 'AK-47 | Finish ' || i || ' (Field-Tested)' AS market_hash_name,
    NULL::VARCHAR AS phase, $provider AS provider, 'standard' AS delivery,
    cents + moved AS lowest_ask, ((cents + moved) / 100)::DECIMAL(20, 8) AS price, 5::BIGINT AS quantity,
    $start::TIMESTAMPTZ AS timestamp, $start::TIMESTAMPTZ AS last_updated, NULL::VARCHAR AS url
FROM (
    SELECT i, if(hash(i, $provider, $number) % 1000000 < 1000000 * $share, $number % 50, 0) AS moved,
        (3 + exp(hash(i) % 1000 / 90.0) * (80 + hash(i || $provider) % 60) / 100)::BIGINT AS cents
    FROM range(1, $items + 1) t(i) WHERE hash($provider || i) % 1000 < 407
)
"""


@dataclass(frozen=True, slots=True)
class Move:
    """How a snapshot differs from the first one: its number, and the share of the quotes that moved."""

    number: int = 0
    share: float = 0.0


def land_market(
    paths: WarehousePaths,
    run_id: str,
    at: datetime,
    *,
    catalogs: dict[str, pl.DataFrame] | None = None,
    move: Move = Move(),
    items: int = ITEMS,
) -> None:
    """Land a snapshot of every marketplace's catalog, observed at a time."""
    header = RunHeader(run_id, "snapshot", "cs2cap", basket="all", started_at=at, interval_seconds=600)
    with LandingWriter(paths.landing, header) as landing:
        for number, provider in enumerate(KEYS):
            rows = _generate_quotes(provider, at, move, items=items)
            shard = ShardHeader(number, "USD", ("standard",), providers=(provider,), items=None)
            writer = landing.open_shard(shard)
            meta = PageMeta(0, 0, len(rows), observed_at=at, landed_at=at, fingerprint="")
            writer.append(meta, rows)
            writer.finish(complete=True, reason=None)
        for name, rows in (catalogs or {}).items():
            landing.add_catalog(name, rows)
        landing.finish("done")


def make_catalogs() -> dict[str, pl.DataFrame]:
    """Return the catalogs that the views read: a fee of 5% at every marketplace, and an exchange rate."""
    columns: dict[str, object] = {name: [None] * len(KEYS) for name in PROVIDERS}
    fees = {**columns, "provider": KEYS, "sell_fee": [0.05] * len(KEYS)}
    rates = [("EUR", Decimal("0.8547"), START)]
    return {
        "providers": pl.DataFrame(fees, schema=PROVIDERS),
        "fx": pl.DataFrame(rates, schema=FX, orient="row"),
    }


def load_landing(
    paths: WarehousePaths, at: datetime = START, keep: timedelta = timedelta(days=1)
) -> LoadReport:
    """Load the pending landing and publish the database; forget landings that were loaded before `keep`."""
    (report,) = load_pending(paths, now=lambda: at, keep=keep)
    return report


def time_query(connection: duckdb.DuckDBPyConnection, sql: str) -> float:
    """Return the seconds of a query with all of its result."""
    began = time.perf_counter()
    connection.execute(sql).to_arrow_table()
    return time.perf_counter() - began


def _generate_quotes(provider: str, at: datetime, move: Move, *, items: int) -> pl.DataFrame:
    with duckdb.connect() as connection:
        parameters = {
            "provider": provider,
            "start": at,
            "items": items,
            "number": move.number,
            "share": move.share,
        }
        frame = connection.execute(GENERATED_QUOTES, parameters).pl()
        return frame.cast(dict(QUOTES))  # type: ignore[arg-type]
