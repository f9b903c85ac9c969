"""What a loaded run moved: its outliers and biggest moves of prices, and its counts by marketplace."""

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
# Prices that moved by a factor of ten or more.
OUTLIERS: Final = """
SELECT i.market_hash_name, i.phase, p.provider, u.currency, u.was_price, u.price
FROM updated_quote u JOIN store.item i USING (item_key) JOIN store.provider p USING (provider_key)
WHERE u.changed AND u.was_price > 0 AND (u.price >= 10 * u.was_price OR 10 * u.price <= u.was_price)
ORDER BY greatest(u.price / u.was_price, u.was_price / nullif(u.price, 0)) DESC NULLS FIRST LIMIT 20
"""
OBSERVED: Final = """
SELECT p.provider, s.currency, sum(o.rows)::BIGINT, bool_and(o.complete)
FROM run_observation o JOIN store.scope s USING (scope_key) JOIN store.provider p USING (provider_key)
GROUP BY ALL ORDER BY ALL
"""
COMPLETE: Final = """
SELECT DISTINCT p.provider FROM run_observation o JOIN store.provider p USING (provider_key)
WHERE o.complete ORDER BY ALL
"""
# The changes of this run, as COUNT_CHANGES of warehouse.loading.quotes counts them.
CHANGED: Final = """
SELECT p.provider, c.currency, count(c.lowest_ask), count(*) - count(c.lowest_ask)
FROM (
    SELECT provider_key, currency, lowest_ask FROM updated_quote WHERE changed
    UNION ALL SELECT provider_key, currency, NULL FROM closure
    UNION ALL
    SELECT b.provider_key, b.currency, r.lowest_ask
    FROM recomputed_change r JOIN store.book b ON b.book_key = r.quote_key & 1048575
    WHERE r.run_key = getvariable('run_key')
) c
JOIN store.provider p USING (provider_key) GROUP BY ALL
"""


def find_outliers(db: duckdb.DuckDBPyConnection) -> tuple[PriceMove, ...]:
    """Return up to 20 prices of the run whose rows are staged that moved by a factor of ten or more."""
    return tuple(PriceMove(*row) for row in db.execute(OUTLIERS).fetchall())


def find_biggest_moves(db: duckdb.DuckDBPyConnection) -> tuple[PriceMove, ...]:
    """Return the ten biggest moves of the run whose rows are staged, the biggest first."""
    return tuple(PriceMove(*row) for row in db.execute(MOVES).fetchall())


def find_complete_providers(db: duckdb.DuckDBPyConnection) -> tuple[str, ...]:
    """Return the providers of which the run has a complete observation that counts."""
    return tuple(provider for (provider,) in db.execute(COMPLETE).fetchall())


def count_by_marketplace(db: duckdb.DuckDBPyConnection, *, changed: bool) -> tuple[MarketplaceLoad, ...]:
    """Return what the run whose changes are stored brought of each marketplace and currency.

    `changed` is whether it changed anything.
    """
    moved = db.execute(CHANGED).fetchall() if changed else []
    counts = {(provider, currency): (updated, closed) for provider, currency, updated, closed in moved}
    loads = []
    for provider, currency, rows, complete in db.execute(OBSERVED).fetchall():
        updated, closed = counts.get((provider, currency), (0, 0))
        loads.append(MarketplaceLoad(provider, currency, rows, updated, closed, complete))
    return tuple(loads)
