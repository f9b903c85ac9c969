"""Reading the published database: questions of the user's, and the ones that Floorline itself asks."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from warehouse.database import open_reader
from warehouse.paths import WarehousePaths


@dataclasses.dataclass(frozen=True, slots=True)
class QueryResult:
    """Column names and rows; times are UTC, amounts are Decimals."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]

    def records(self) -> list[dict[str, Any]]:
        """One dictionary a row."""
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows]


def run_query(home: WarehousePaths, sql: str, parameters: Sequence[object] = ()) -> QueryResult:
    """Run one query on the published database. Raises duckdb.Error for a query that DuckDB rejects."""
    with open_reader(home.published) as db:
        done = db.execute(sql, list(parameters))
        columns = tuple(column[0] for column in done.description or ())
        return QueryResult(columns, tuple(done.fetchall()))


LAST_RUNS = """
SELECT basket, source, max(started_at) FILTER (state = 'done') AS last_success,
    arg_max(state, started_at) AS last_state, arg_max_null(incomplete_reason, started_at) AS last_reason,
    arg_max(rows_fetched, started_at) AS rows_fetched, arg_max(rows_changed, started_at) AS rows_changed,
    arg_max(requests, started_at) AS requests, arg_max_null(quota_remaining, started_at) AS quota_remaining,
    arg_max_null(interval_seconds, started_at) AS interval_seconds
FROM runs WHERE flow = 'snapshot'
GROUP BY basket, source ORDER BY basket
"""
LISTED = """
SELECT DISTINCT p.provider
FROM store.current c
JOIN store.item i USING (item_key)
JOIN store.provider p USING (provider_key)
WHERE i.source = ? AND c.currency = ? AND list_contains(?, c.delivery) AND c.lowest_ask IS NOT NULL
    AND (? OR list_contains(?, i.item_id)) AND NOT list_contains(?, p.provider)
"""


def previously_listed_providers(
    home: WarehousePaths,
    source: str,
    currency: str,
    deliveries: Sequence[str],
    item_ids: Sequence[str] | None,
    brought: Sequence[str],
) -> set[str]:
    """Providers that listed some of these items (None: any) when last seen and are not among `brought`."""
    if not home.published.exists():
        return set()
    items = (item_ids is None, list(item_ids or ()))
    found = run_query(home, LISTED, [source, currency, list(deliveries), *items, list(brought)])
    return {row[0] for row in found.rows}


SIZES = """
SELECT delivery, provider, arg_max(rows, observed_to) AS rows
FROM observations WHERE source = ? AND complete AND scope = 'catalog'
GROUP BY delivery, provider
"""


def catalog_row_counts(home: WarehousePaths, source: str) -> dict[tuple[str, str], int]:
    """How many rows each catalog of a source had at its last complete look, by delivery and provider."""
    if not home.published.exists():
        return {}
    return {(delivery, provider): rows for delivery, provider, rows in run_query(home, SIZES, [source]).rows}
