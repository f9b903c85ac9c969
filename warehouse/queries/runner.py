"""Query the published database: the user's own SQL, and the queries of Floorline itself."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

import duckdb
from msgspec import Struct

from common.text import sanitize
from common.warehouse_errors import NotPublished, QueryRejected
from warehouse.database import open_published, translate_duckdb_error
from warehouse.landing.set_aside import find_set_aside
from warehouse.paths import WarehousePaths

EPOCH: Final = datetime.fromtimestamp(0, UTC)
# One row per basket: its last runs, but for those that a wrong clock has dated ahead.
LAST_RUNS: Final = """
SELECT basket, source, max(started_at) FILTER (state = 'done') AS last_success,
    arg_max(state, started_at) AS last_state, arg_max_null(incomplete_reason, started_at) AS last_reason,
    arg_max(rows_fetched, started_at) AS rows_fetched, arg_max(rows_changed, started_at) AS rows_changed,
    arg_max(requests, started_at) AS requests, arg_max_null(quota_remaining, started_at) AS quota_remaining,
    arg_max_null(interval_seconds, started_at) AS interval_seconds
FROM runs WHERE flow = 'snapshot' AND started_at <= $latest
GROUP BY basket, source ORDER BY basket
"""
LISTED_PROVIDERS: Final = """
SELECT DISTINCT p.provider
FROM store.current c
JOIN store.item i USING (item_key)
JOIN store.provider p USING (provider_key)
WHERE i.source = $source AND c.currency = $currency AND list_contains($deliveries, c.delivery)
    AND c.lowest_ask IS NOT NULL AND ($all_items OR list_contains($item_ids, i.item_id))
    AND NOT list_contains($excluded, p.provider)
"""
LAST_STARTS: Final = """
SELECT basket, source, max(started_at) FROM runs WHERE flow = 'snapshot' GROUP BY basket, source
"""
CATALOG_ROW_COUNTS: Final = """
SELECT s.delivery, p.provider, arg_max(o.rows, o.observed_to) AS rows
FROM store.last_observation l
JOIN store.scope s USING (scope_key)
JOIN store.provider p USING (provider_key)
JOIN store.observation o ON o.scope_key = l.scope_key AND o.provider_key = l.provider_key
    AND o.observed_to = l.complete_to AND o.complete
WHERE s.source = $source AND s.selection = 'catalog'
GROUP BY s.delivery, p.provider
"""


class QueryResult(Struct, frozen=True):
    """Column names and rows; times are UTC, amounts are Decimals."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]

    def records(self) -> list[dict[str, Any]]:
        """Return one dictionary per row."""
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows]


def run_query(
    paths: WarehousePaths, sql: str, parameters: Sequence[object] | dict[str, object] = ()
) -> QueryResult:
    """Run one query on the published database.

    Raises NotPublished where there is no database yet, PublishedUnreadable where it is damaged, and
    QueryRejected for a query that DuckDB rejects.
    """
    with open_published(paths) as db:
        try:
            cursor = db.execute(sql, parameters)
            rows = tuple(cursor.fetchall())
        except duckdb.Error as error:
            if paths.shared is not None and isinstance(error, duckdb.OperationalError):
                raise  # of the lake
            rejected = QueryRejected(f"DuckDB says: {sanitize(str(error), 400)}", paths.published)
            raise translate_duckdb_error(error, paths.published) or rejected from None
        return QueryResult(tuple(column[0] for column in cursor.description or ()), rows)


def set_aside_baskets(paths: WarehousePaths) -> set[tuple[str, str]]:
    """Return the baskets, each with its source, whose last snapshot could not be loaded: it was set aside."""
    started: dict[tuple[str, str], datetime] = {}
    with contextlib.suppress(NotPublished):
        rows = run_query(paths, LAST_STARTS).rows
        started = {(basket, source): last for basket, source, last in rows}
    headers = [landing.header for landing in find_set_aside(paths)]
    return {
        (run.basket, run.source)
        for run in headers
        if run is not None
        and run.flow == "snapshot"
        and run.started_at > started.get((run.basket, run.source), EPOCH)
    }


def previously_listed_providers(
    paths: WarehousePaths,
    source: str,
    currency: str,
    *,
    deliveries: Sequence[str],
    item_ids: Sequence[str] | None,
    excluded: Sequence[str],
) -> set[str]:
    """Return the providers that list one of these items (None: any item) now, without the `excluded` ones."""
    parameters = {
        "source": source,
        "currency": currency,
        "deliveries": list(deliveries),
        "all_items": item_ids is None,
        "item_ids": list(item_ids or ()),
        "excluded": list(excluded),
    }
    with contextlib.suppress(NotPublished):
        return {provider for (provider,) in run_query(paths, LISTED_PROVIDERS, parameters).rows}
    return set()


def catalog_row_counts(paths: WarehousePaths, source: str) -> dict[tuple[str, str], int]:
    """Return the rows of each catalog at its last complete observation, by delivery and provider."""
    with contextlib.suppress(NotPublished):
        result = run_query(paths, CATALOG_ROW_COUNTS, {"source": source})
        return {(delivery, provider): rows for delivery, provider, rows in result.rows}
    return {}
