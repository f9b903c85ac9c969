"""Half a million points of the API's history, around the last snapshots of a market."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

import duckdb

from bench.market import load_landing
from connectors.schemas import POINTS
from sandbox.market.providers import KEYS
from warehouse.landing.model import RunHeader
from warehouse.landing.series import SeriesHeader, SeriesPageMeta, SeriesWriter
from warehouse.landing.writer import LandingWriter
from warehouse.paths import WarehousePaths

ITEMS, TIMES, PAGE_ROWS = 200, 61, 1_000
SPAN: Final = timedelta(days=14)
# One in 350 minutes over the time span: points that no snapshot knows.
GENERATED_POINTS: Final = """
SELECT i::VARCHAR AS item_id, 'AK-47 | Finish ' || i || ' (Field-Tested)' AS market_hash_name,
    NULL::VARCHAR AS phase, provider, $start::TIMESTAMPTZ + to_minutes(350 * n) AS time,
    (100 + hash(i, provider, n) % 50)::BIGINT AS lowest_ask, (lowest_ask / 100)::DECIMAL(20, 8) AS price,
    (hash(n) % 9)::BIGINT AS quantity
FROM range(1, $items + 1) t(i), unnest($keys) k(provider), range($times) u(n)
ORDER BY i, time DESC, provider
"""


def load_points(paths: WarehousePaths, now: datetime) -> int:
    """Load points of 200 items at every marketplace, of the two weeks up to a day ago; return how many."""
    start = now.replace(minute=0, second=0, microsecond=0) - SPAN - timedelta(days=1)
    with duckdb.connect() as connection:
        parameters = {"items": ITEMS, "keys": KEYS, "times": TIMES, "start": start}
        frame = connection.execute(GENERATED_POINTS, parameters).pl()
        rows = frame.cast(dict(POINTS))  # type: ignore[arg-type]
    run = RunHeader("points", "backfill", "cs2cap", basket="bench", started_at=now)
    with LandingWriter(paths.landing, run) as landing:
        header = SeriesHeader(
            0, "points", "bench", shard=0, currency="USD", provider=None, item=None, start=start, end=now
        )
        writer = SeriesWriter(landing.folder, header)
        for number, page in enumerate(rows.iter_slices(PAGE_ROWS)):
            meta = SeriesPageMeta(
                number, None, None, observed_at=now, landed_at=now, oldest=None, rows=len(page)
            )
            writer.append(meta, page)
        writer.finish(complete=True, reason=None)
        landing.finish("done")
    return load_landing(paths, now).rows_changed
