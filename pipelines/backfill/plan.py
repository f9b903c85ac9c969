"""Plan a backfill: the shards to fetch and their cost, without what is already covered or under way. Pure."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final

import polars as pl

from common.shards import Item, SeriesShard
from common.time_ranges import GRID, TimeRange, floor_to, subtract, union
from connectors.ratelimit.ledger_tables import MonthUsage
from connectors.tiers import TierLimits
from pipelines.backfill.limits import EXACT_CURRENCY, ResolvedRequest, allowed_window, requested_window
from pipelines.backfill.request import BackfillRequest
from pipelines.planning.series_planner import SeriesPlan, SeriesRequest, plan_series
from warehouse.state.backfill_rows import BackfillRecord, BackfillShard
from warehouse.state.coverage import Coverage

CURRENCY_NOTE: Final = f"in {EXACT_CURRENCY}: the API rounds its history in any other currency"


@dataclasses.dataclass(frozen=True, slots=True)
class BackfillPlan:
    """What a run of a backfill will fetch: `resumed` shards of earlier runs, and `new_shards`.

    `backfill_id` is that of the backfill to resume, empty for a new one. The window is half-open, UTC.
    `at_most` is None if there is no upper bound. `minutes` are for the least and the most requests at the
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


@dataclasses.dataclass(frozen=True, slots=True)
class PriorProgress:
    """The covered time ranges, and the record and the shards of an earlier run."""

    covered: Coverage
    record: BackfillRecord | None = None
    shards: Sequence[BackfillShard] = ()

    @property
    def pending(self) -> list[BackfillShard]:
        """The shards that are not done."""
        return [shard for shard in self.shards if shard.state != "done"]


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
    plans = [
        plan_series(series_request, limits)
        for series_request in _missing_requests(request, resolved, window, prior=prior, now=now)
    ]
    resumed = len(prior.pending)
    at_least = resumed + sum(plan.at_least for plan in plans)
    at_most = _at_most(prior, plans)
    return BackfillPlan(
        backfill_id=prior.record.backfill_id if prior.record else "",
        source=request.source or "",
        request=request,
        tier=limits.tier,
        start=window[0],
        end=window[1],
        items=None if resolved.items is None else len(resolved.items),
        new_shards=tuple(shard for plan in plans for shard in plan.shards),
        resumed=resumed,
        at_least=at_least,
        at_most=at_most,
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


def _missing_requests(
    request: BackfillRequest,
    resolved: ResolvedRequest,
    window: TimeRange,
    *,
    prior: PriorProgress,
    now: datetime,
) -> Iterator[SeriesRequest]:
    """Yield a request for each group of items that lack the same time range at the same providers."""
    for (span, providers), items in _group_missing(resolved, window, prior).items():
        yield SeriesRequest(
            source=request.source or "",
            series=request.series,
            items=tuple(item for item in items if item is not None) or None,
            start=span[0],
            end=span[1],
            now=now,
            currency=resolved.currency,
            providers=providers,
            all_providers=resolved.marketplaces,
            interval=request.interval,
        )


def _group_missing(
    resolved: ResolvedRequest, window: TimeRange, prior: PriorProgress
) -> dict[tuple[TimeRange, tuple[str, ...]], list[Item | None]]:
    """Group the items by missing time range and providers (empty: all); the item None is every item."""
    under_way = Coverage.from_spans(
        (shard.scope, (shard.ask.start, shard.ask.end)) for shard in prior.pending
    )
    groups: dict[tuple[TimeRange, tuple[str, ...]], list[Item | None]] = {}
    for item in (None,) if resolved.items is None else resolved.items:
        item_id = None if item is None else item.item_id
        missing: dict[TimeRange, list[str]] = {}
        for provider in (None,) if resolved.every_provider else resolved.providers:
            present = union(
                [*prior.covered.spans_of(item_id, provider), *under_way.spans_of(item_id, provider)]
            )
            for span in subtract([window], present):
                missing.setdefault(span, []).extend([] if provider is None else [provider])
        for span, providers in missing.items():
            groups.setdefault((span, tuple(providers)), []).append(item)
    return groups


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
