"""A generation of the published file, ready for the pages: with the tables in memory that they read."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from dashboard.collector import CollectorState
from dashboard.working_tables import WorkingTables
from pipelines.planning.item_search import ItemSearch
from warehouse.gaps import CoverageGap, find_coverage_gaps
from warehouse.paths import WarehousePaths
from warehouse.queries.generation import Generation, Parameters

SELECT_CURRENCIES: Final = """
SELECT currency FROM memory.main.freshness
GROUP BY currency ORDER BY sum(listed) DESC, currency <> 'USD', currency
"""
SELECT_ITEMS: Final = """
SELECT DISTINCT item_id, market_hash_name, phase FROM items WHERE NOT aggregate ORDER BY ALL
"""
# The baskets of the last weeks by the currency that they observe, each with its interval then.
SELECT_BASKETS: Final = """
SELECT r.basket, r.source, o.currency,
    to_seconds(arg_max(r.interval_seconds, r.started_at)), min(r.started_at)
FROM runs r JOIN observations o USING (run_id)
WHERE r.flow = 'snapshot' AND r.interval_seconds IS NOT NULL AND r.started_at >= $since
GROUP BY r.basket, r.source, o.currency ORDER BY r.basket, r.source, o.currency
"""
FIRST_TABLES: Final = "memory.main.figure, memory.main.mover_24h, memory.main.marketplace"
QUERY_SECONDS: Final = 5.0
GAP_DAYS: Final = 35  # as long as the API keeps the history that fills them


class ObservedBasket(NamedTuple):
    """A basket in one currency: its interval, and its first run of the last weeks (UTC)."""

    basket: str
    source: str
    currency: str
    every: timedelta
    start: datetime


class PreparedMarket:
    """What a warehouse has published, as it is now. Raises as `Generation` does; use it in any thread.

    What the first page needs is ready; `complete` makes the rest, and a page that needs some of it before
    waits for it. `newest` is the end of the newest observation (UTC), from which ages count back.
    `currencies` are those that have quotes, the one with the most quotes first. `collector` is what changes
    without a publish.
    """

    currencies: Sequence[str]
    newest: datetime | None

    def __init__(self, paths: WarehousePaths) -> None:
        self._generation = Generation(paths.published_database)
        self._tables = WorkingTables(self._generation)
        self.collector = CollectorState(paths)
        try:
            self._tables.make_those_of(FIRST_TABLES)
            self.currencies = [currency for (currency,) in self.rows(SELECT_CURRENCIES)]
            ((self.newest,),) = self.rows("SELECT max(observed_to) FROM store.last_observation")
        except BaseException:
            self.close()
            raise

    def complete(self) -> Iterator[object]:
        """Make what the other pages need, a step at a time. Raises what `Generation.fetch` raises."""
        yield self.search
        yield from self._tables.make_all()
        yield self.coverage_gaps

    @functools.cached_property
    def search(self) -> ItemSearch:
        """The search of items by words."""
        items = self._generation.fetch(SELECT_ITEMS, (), lambda cursor: cursor.fetchall())
        return _index_items(tuple(items))

    @functools.cached_property
    def coverage_gaps(self) -> list[tuple[ObservedBasket, CoverageGap]]:
        """The gaps of each basket in the last weeks, up to the newest observation.

        Like the working tables, they have no time limit: `complete` finds them before a page needs them.
        """
        newest = self.newest
        if newest is None:
            return []

        def find(cursor: Any) -> list[tuple[ObservedBasket, CoverageGap]]:  # noqa: ANN401 - a cursor of DuckDB
            return [
                (basket, gap)
                for basket in map(ObservedBasket._make, cursor.fetchall())
                for gap in find_coverage_gaps(
                    cursor, basket.basket, basket.source, interval=basket.every, currency=basket.currency,
                    since=basket.start, until=newest,
                )
            ]  # fmt: skip

        since = newest - timedelta(days=GAP_DAYS)
        return self._generation.fetch(SELECT_BASKETS, {"since": since}, find)

    @property
    def tag(self) -> str:
        """A text that differs between two published files."""
        return "-".join(map(str, self._generation.identity))

    def rows(self, sql: str, parameters: Parameters = ()) -> list[tuple[Any, ...]]:
        """Return the rows of a query. Raises QueryTimedOut after five seconds."""
        self._tables.make_those_of(sql)
        return self._generation.fetch(
            sql, parameters, lambda cursor: cursor.fetchall(), seconds=QUERY_SECONDS
        )

    def records(self, sql: str, parameters: Parameters = ()) -> list[dict[str, Any]]:
        """Return the rows of a query, each by the names of its columns."""

        def convert(cursor: Any) -> list[dict[str, Any]]:  # noqa: ANN401 - a cursor of DuckDB
            names = [column[0] for column in cursor.description or ()]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

        self._tables.make_those_of(sql)
        return self._generation.fetch(sql, parameters, convert, seconds=QUERY_SECONDS)

    def close(self) -> None:
        """Close the file."""
        self._generation.close()


@functools.lru_cache(1)
def _index_items(items: tuple[tuple[str | None, str, str | None], ...]) -> ItemSearch:
    """Return the search of items; that of the generation before, where no item was added."""
    return ItemSearch(items)
