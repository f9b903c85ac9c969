"""A generation of the published file, ready for the pages: with the tables in memory that they read."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from datetime import datetime
from importlib import resources
from pathlib import Path
from typing import Any, Final

from pipelines.planning.item_search import ItemSearch
from warehouse.queries.generation import Generation, Parameters

WORKING_TABLES: Final = (resources.files("dashboard") / "working_tables.sql").read_text("utf-8")
SELECT_CURRENCIES: Final = "SELECT currency FROM quotes GROUP BY currency ORDER BY count(*) DESC, currency"
SELECT_ITEMS: Final = "SELECT DISTINCT item_id, market_hash_name, phase FROM items WHERE NOT aggregate"
QUERY_SECONDS: Final = 5.0


class PreparedMarket:
    """The published file at `path` as it is now. Raises as `Generation` does; use it in any thread.

    `newest` is the end of the newest observation (UTC), from which ages count back. `currencies` are those
    that have quotes, the one with the most quotes first.
    """

    currencies: Sequence[str]
    newest: datetime | None

    def __init__(self, path: Path) -> None:
        self._generation = Generation(path)
        try:
            self._generation.fetch(WORKING_TABLES, (), lambda cursor: cursor.fetchall())
            self.currencies = [currency for (currency,) in self.rows(SELECT_CURRENCIES)]
            ((self.newest,),) = self.rows("SELECT max(observed_to) FROM store.last_observation")
        except BaseException:
            self.close()
            raise

    @functools.cached_property
    def search(self) -> ItemSearch:
        """The search of items by words."""
        return ItemSearch(self._generation.fetch(SELECT_ITEMS, (), lambda cursor: cursor.pl()))

    @property
    def tag(self) -> str:
        """A text that differs between two published files."""
        return "-".join(map(str, self._generation.identity))

    def rows(self, sql: str, parameters: Parameters = ()) -> list[tuple[Any, ...]]:
        """Return the rows of a query. Raises QueryTimedOut after five seconds."""
        return self._generation.fetch(
            sql, parameters, lambda cursor: cursor.fetchall(), seconds=QUERY_SECONDS
        )

    def records(self, sql: str, parameters: Parameters = ()) -> list[dict[str, Any]]:
        """Return the rows of a query, each by the names of its columns."""

        def convert(cursor: Any) -> list[dict[str, Any]]:  # noqa: ANN401 - a cursor of DuckDB
            names = [column[0] for column in cursor.description or ()]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

        return self._generation.fetch(sql, parameters, convert, seconds=QUERY_SECONDS)

    def close(self) -> None:
        """Close the file."""
        self._generation.close()
