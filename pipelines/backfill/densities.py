"""How dense a series is, for estimates: rows a day of items, from earlier backfills and the snapshots."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterable, Mapping
from datetime import timedelta
from statistics import median
from typing import Final

from common.shards import SeriesShard
from common.warehouse_errors import WarehouseError
from connectors.series import Series
from connectors.tiers import TierLimits
from warehouse.paths import WarehousePaths
from warehouse.published import is_published
from warehouse.queries.runner import run_query
from warehouse.state.backfill_rows import ShardDensity
from warehouse.state.backfills import BackfillStore
from warehouse.state.coverage import ANSWERED_AT_ONCE, Scope

DAY: Final = timedelta(days=1)
Kind = tuple[bool, bool]  # of a scope: whether it is every item, whether it is all providers
# How often a quote changes in a day, as the snapshots of a source see it. The median leaves out first runs.
CHANGES_A_DAY: Final = """
SELECT median(rows_changed / rows_fetched * 86400.0 / interval_seconds) FROM (
    SELECT rows_changed, rows_fetched, interval_seconds FROM runs
    WHERE flow = 'snapshot' AND state = 'done' AND source = ? AND rows_fetched > 0 AND interval_seconds > 0
    ORDER BY started_at DESC LIMIT 100
)
"""


@dataclasses.dataclass(frozen=True, slots=True)
class Densities:
    """The densities of one series of a source, by scope: item (None: every item) and provider (None: all).

    `typical` are the medians by kind of scope. `changes_a_day` is how often a quote of the source changes; it
    counts where no backfill has read the series yet, and is None if unknown. `marketplaces` is the number of
    providers.
    """

    seen: Mapping[Scope, ShardDensity] = dataclasses.field(default_factory=dict)
    typical: Mapping[Kind, ShardDensity] = dataclasses.field(default_factory=dict)
    changes_a_day: float | None = None
    marketplaces: int = 1

    def expected_requests(self, series: Series, shard: SeriesShard, limits: TierLimits) -> float | None:
        """Return how many requests a shard is expected to take, at least 1; None where nothing is known."""
        if series in ANSWERED_AT_ONCE:
            return 1
        days = (shard.end - shard.start) / DAY
        if series == "sales":
            known = self._known(shard)
            return None if known is None else max(known.requests_a_day * days, 1)
        rows = self._rows_a_day(shard)
        return None if rows is None else rows * days // limits.page_rows + 1

    def expected_total(
        self, series: Series, shards: Iterable[SeriesShard], limits: TierLimits
    ) -> float | None:
        """Return how many requests the shards are expected to take; None where one of them is unknown."""
        total = 0.0
        for shard in shards:
            expected = self.expected_requests(series, shard, limits)
            if expected is None:
                return None
            total += expected
        return total

    def _rows_a_day(self, shard: SeriesShard) -> float | None:
        """Return the rows of this item, else those of a typical item, else those that snapshots suggest."""
        known = self._known(shard)
        if known is not None:
            return known.rows_a_day
        if self.changes_a_day is None:
            return None
        return self.changes_a_day * (self.marketplaces if shard.provider is None else 1)

    def _known(self, shard: SeriesShard) -> ShardDensity | None:
        scope = (shard.item and shard.item.item_id, shard.provider)
        return self.seen.get(scope) or self.typical.get((shard.item is None, shard.provider is None))


def read_densities(
    paths: WarehousePaths, backfills: BackfillStore, *, source: str, series: Series, marketplaces: int
) -> Densities:
    """Return what the warehouse knows; less than there is where the published copy cannot be read."""
    changes: float | None = None
    if is_published(paths) and series == "points":
        with contextlib.suppress(WarehouseError):
            changes = run_query(paths, CHANGES_A_DAY, [source]).rows[0][0]
    seen = backfills.load_densities(source, series)
    return Densities(seen, _typical(seen), changes, marketplaces)


def _typical(seen: Mapping[Scope, ShardDensity]) -> dict[Kind, ShardDensity]:
    """Return the median densities of items at one or at all providers, and of every item."""
    by_kind: dict[Kind, list[ShardDensity]] = {}
    for (item, provider), density in seen.items():
        by_kind.setdefault((item is None, provider is None), []).append(density)
    return {
        kind: ShardDensity(
            median(one.rows_a_day for one in densities), median(one.requests_a_day for one in densities)
        )
        for kind, densities in by_kind.items()
    }
