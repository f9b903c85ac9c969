"""What a loaded run moved: its biggest moves of prices, and its counts by marketplace."""

from __future__ import annotations

from typing import Final

import duckdb

from warehouse.loading.run import MarketplaceLoad, PriceMove

# One move for each item and marketplace, and not one more for each currency that the API converts.
MOVES: Final = """
SELECT i.market_hash_name, i.phase, p.provider, u.currency, u.was_price, u.price
FROM (
    SELECT *, greatest(price / was_price, was_price / price) AS factor FROM updated_quote
    WHERE changed AND was_price > 0 AND price > 0 AND price <> was_price
    QUALIFY row_number() OVER (PARTITION BY item_key, provider_key ORDER BY factor DESC, currency) = 1
    ORDER BY factor DESC, item_key, provider_key LIMIT 10
) u JOIN store.item i USING (item_key) JOIN store.provider p USING (provider_key)
ORDER BY u.factor DESC, i.market_hash_name, i.phase, p.provider
"""
MARKETPLACES: Final = """
SELECT p.provider, o.currency, o.rows, coalesce(h.changed, 0), coalesce(h.closed, 0), o.complete
FROM (
    SELECT provider_key, currency, sum(rows)::BIGINT AS rows, bool_and(complete) AS complete
    FROM store.observation JOIN store.scope USING (scope_key)
    WHERE run_key = getvariable('run_key') GROUP BY ALL
) o LEFT JOIN (
    SELECT provider_key, currency, count(lowest_ask) AS changed, count(*) - count(lowest_ask) AS closed
    FROM open_state WHERE run_key = getvariable('run_key') GROUP BY ALL
) h USING (provider_key, currency) JOIN store.provider p USING (provider_key) ORDER BY ALL
"""


def find_biggest_moves(db: duckdb.DuckDBPyConnection) -> tuple[PriceMove, ...]:
    """Return the ten biggest moves of the run whose rows are staged, the biggest first."""
    return tuple(PriceMove(*row) for row in db.execute(MOVES).fetchall())


def count_by_marketplace(db: duckdb.DuckDBPyConnection) -> tuple[MarketplaceLoad, ...]:
    """Return what the run whose changes are stored brought of each marketplace and currency."""
    return tuple(MarketplaceLoad(*row) for row in db.execute(MARKETPLACES).fetchall())
