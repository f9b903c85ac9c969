"""Plan a backfill: the shards to fetch and their cost, without what is already covered or under way. Pure."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from datetime import datetime
from typing import Final

import polars as pl

from common.currencies import EXACT_CURRENCY
from common.shards import Item, SeriesShard
from common.time_ranges import GRID, TimeRange, floor_to
from connectors.ratelimit.ledger_tables import MonthUsage
from connectors.tiers import TierLimits
from pipelines.backfill.limits import ResolvedRequest, allowed_window, requested_window
from pipelines.backfill.missing import MissingParts, PriorProgress
from pipelines.backfill.request import BackfillRequest
from pipelines.planning.series_planner import SeriesPlan, plan_series

CURRENCY_NOTE: Final = f"in {EXACT_CURRENCY}: the API rounds its history in any other currency"


@dataclasses.dataclass(frozen=True, slots=True)
class BackfillPlan:
    """What a run of a backfill will fetch: `resumed` shards of earlier runs, and `new_shards`.

    `backfill_id` is that of the backfill to resume, empty for a new one. The window is half-open, UTC.
    `at_most` is None if there is no upper bound; `expected` is the likely number of requests, None if the
    warehouse has seen nothing like it. `minutes` are for the least and the most requests at the
    tier's rate. `month` is the key's usage of the month.
    """

    backfill_id: str
    source: str
    request: BackfillRequest
    tier: str
    start: datetime
    end: datetime
    items: int | None
    new_shards: tuple[SeriesShard, ...]
    resumed: int
    at_least: int
    at_most: int | None
    expected: int | None
    minutes: tuple[float | None, float | None]
    month: MonthUsage
    notes: tuple[str, ...]

    @property
    def shards(self) -> int:
        """The number of shards to extract."""
        return len(self.new_shards) + self.resumed

    @property
    def fits(self) -> bool:
        """Whether the least number of requests is left of the month; true if the quota is unknown."""
        return self.month.left is None or self.at_least <= self.month.left


def plan_backfill(
    request: BackfillRequest,
    resolved: ResolvedRequest,
    window: TimeRange,
    *,
    prior: PriorProgress,
    limits: TierLimits,
    month: MonthUsage,
    now: datetime,
) -> BackfillPlan:
    """Plan the resolved request in `window`, without what `prior` has. Raises PlanForbids and ConfigError."""
    missing = MissingParts(request, resolved, prior, limits, now)
    plans = [plan_series(part, limits) for part in missing.requests(window)]
    new_shards = tuple(shard for plan in plans for shard in plan.shards)
    resumed = len(prior.pending)
    at_least = resumed + sum(plan.at_least for plan in plans)
    at_most = _at_most(prior, plans)
    expected = _expected(prior, request, new_shards, limits)
    return BackfillPlan(
        backfill_id=prior.record.backfill_id if prior.record else "",
        source=request.source or "",
        request=request,
        tier=limits.tier,
        start=window[0],
        end=window[1],
        items=None if resolved.items is None else len(resolved.items),
        new_shards=new_shards,
        resumed=resumed,
        at_least=at_least,
        at_most=at_most,
        expected=None if expected is None else min(max(expected, at_least), at_most or expected),
        minutes=(_minutes(at_least, limits), _minutes(at_most, limits)),
        month=month,
        notes=(*dict.fromkeys(note for plan in plans for note in plan.notes), CURRENCY_NOTE),
    )


def effective_window(
    request: BackfillRequest, limits: TierLimits, now: datetime, *, resumed: bool = False
) -> TimeRange:
    """Return the window to fetch (UTC). An open end of points is the last point of their grid: it is final.

    The window of a `resumed` backfill leaves out what the API has dropped since. Raises ConfigError as
    `requested_window`.
    """
    since = allowed_window(request.series, request.interval, limits, now=now).since
    if resumed and since is not None and request.start < since:
        request = request.model_copy(update={"start": since})
    start, end = requested_window(request, limits, now)
    if request.end is None and request.series == "points":
        end = max(floor_to(now, GRID), start)
    return start, end


def expand_aggregates(resolved: ResolvedRequest, catalog: pl.DataFrame) -> ResolvedRequest:
    """Replace each aggregate without an item id by its phases, which have a history.

    `catalog` has the schema `ITEMS`.
    """
    phases: dict[str, list[Item]] = {}
    for row in catalog.select("item_id", "market_hash_name", "phase").iter_rows():
        item = Item(*row)
        phases.setdefault(item.market_hash_name, []).append(item)
    items: list[Item] = []
    for item in resolved.items or ():
        items += phases.get(item.market_hash_name, []) if item.item_id is None else [item]
    return dataclasses.replace(resolved, items=tuple(dict.fromkeys(items)))


def _expected(
    prior: PriorProgress, request: BackfillRequest, shards: Sequence[SeriesShard], limits: TierLimits
) -> int | None:
    """Return the likely number of requests, those of unfinished shards included; None if it is unknown."""
    rest = [dataclasses.replace(one.walk, end=one.unread_end(request.series)) for one in prior.pending]
    expected = prior.densities.expected_total(request.series, (*rest, *shards), limits)
    return None if expected is None else math.ceil(expected)


def _minutes(requests: int | None, limits: TierLimits) -> float | None:
    return None if requests is None or limits.per_minute is None else requests / limits.per_minute


def _at_most(prior: PriorProgress, plans: Sequence[SeriesPlan]) -> int | None:
    """Return the most requests, those that an earlier plan has left included; None without an upper bound."""
    total = 0
    if prior.record is not None:
        if prior.record.at_most is None:
            return None
        total = max(prior.record.at_most - prior.record.requests, len(prior.pending))
    for plan in plans:
        if plan.at_most is None:
            return None
        total += plan.at_most
    return total
