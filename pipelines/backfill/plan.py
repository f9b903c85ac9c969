"""What a backfill has to fetch, and what that costs: what is wanted, less what is held or on its way."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from datetime import datetime

import polars as pl

from common.shards import Item, SeriesShard
from common.time_ranges import GRID, TimeRange, floor_to, subtract, union
from connectors.ratelimit.ledger import MonthUsage
from connectors.tiers import TierLimits
from pipelines.backfill.limits import ResolvedRequest, allowed_window, requested_window
from pipelines.backfill.request import BackfillRequest
from pipelines.planning.series_planner import SeriesPlan, SeriesRequest, plan_series
from warehouse.state.backfill_rows import BackfillRecord, BackfillShard
from warehouse.state.coverage import Coverage

Group = tuple[TimeRange, tuple[str, ...]]


@dataclasses.dataclass(frozen=True, slots=True)
class BackfillPlan:
    """What a run of a backfill will fetch: `begun` shards of earlier runs, and `asks` that are new.

    `backfill_id` is that of the one to take up again, empty for a new one. The window is half-open, UTC.
    `at_most` is None where nothing bounds it; `minutes` are those of the least and the most requests at the
    tier's pace, `month` is what the key has used and may.
    """

    backfill_id: str
    source: str
    request: BackfillRequest
    tier: str
    start: datetime
    end: datetime
    items: int | None
    asks: tuple[SeriesShard, ...]
    begun: int
    at_least: int
    at_most: int | None
    minutes: tuple[float | None, float | None]
    month: MonthUsage
    notes: tuple[str, ...]

    @property
    def shards(self) -> int:
        """How many are to be walked."""
        return len(self.asks) + self.begun

    @property
    def fits(self) -> bool:
        """Whether the least that it takes is left of the month, as far as is known."""
        return self.month.left is None or self.at_least <= self.month.left


@dataclasses.dataclass(frozen=True, slots=True)
class PriorProgress:
    """What is there already: the spans that are held, and the record and shards of an earlier run."""

    held: Coverage
    record: BackfillRecord | None = None
    shards: Sequence[BackfillShard] = ()

    @property
    def pending(self) -> list[BackfillShard]:
        """The shards that have not come to their end."""
        return [shard for shard in self.shards if shard.state != "done"]


def plan_backfill(
    request: BackfillRequest,
    span: TimeRange,
    chosen: ResolvedRequest,
    known: PriorProgress,
    *,
    terms: TierLimits,
    month: MonthUsage,
    now: datetime,
) -> BackfillPlan:
    """Plan what is `chosen` in `span`, less what is `known`. Raises PlanForbids and ConfigError."""
    made = [
        plan_series(_want(request, chosen, group, items, now), terms)
        for group, items in _uncovered(chosen, span, known).items()
    ]
    begun = known.pending
    at_least = len(begun) + sum(plan.at_least for plan in made)
    at_most = _at_most(known, made)
    return BackfillPlan(
        backfill_id=known.record.backfill_id if known.record else "",
        source=request.source or "",
        request=request,
        tier=terms.tier,
        start=span[0],
        end=span[1],
        items=None if chosen.items is None else len(chosen.items),
        asks=tuple(ask for plan in made for ask in plan.shards),
        begun=len(begun),
        at_least=at_least,
        at_most=at_most,
        minutes=(_minutes(at_least, terms), _minutes(at_most, terms)),
        month=month,
        notes=tuple(dict.fromkeys(note for plan in made for note in plan.notes)),
    )


def effective_window(
    request: BackfillRequest, terms: TierLimits, now: datetime, *, begun: bool = False
) -> TimeRange:
    """The window to fetch, UTC; an open end of points is the last place of their grid, which is settled.

    Of one that was `begun`, what the API has dropped meanwhile is left out. Raises ConfigError as `window`.
    """
    since = allowed_window(request.series, request.interval, terms, now).since
    if begun and since is not None and request.start < since:
        request = request.model_copy(update={"start": since})
    start, end = requested_window(request, terms, now)
    if request.end is None and request.series == "points":
        end = max(floor_to(now, GRID), start)
    return start, end


def expand_aggregates(chosen: ResolvedRequest, catalog: pl.DataFrame) -> ResolvedRequest:
    """The same with each aggregate that has no id of its own replaced by its phases, which have a past.

    `catalog` has the schema `ITEMS`.
    """
    rows = catalog.select("item_id", "market_hash_name", "phase").rows()
    phases: dict[str, list[Item]] = {}
    for row in rows:
        phases.setdefault(row[1], []).append(Item(*row))
    items = [phases.get(i.market_hash_name, []) if i.item_id is None else [i] for i in chosen.items or ()]
    return dataclasses.replace(chosen, items=tuple(dict.fromkeys(item for some in items for item in some)))


def _uncovered(
    chosen: ResolvedRequest, window: TimeRange, known: PriorProgress
) -> dict[Group, list[Item | None]]:
    """What is neither held nor on its way: the items of each span and its providers (none: all)."""
    coming = Coverage.from_spans(_spans_by_scope(known.pending))
    groups: dict[Group, list[Item | None]] = {}
    for item in (None,) if chosen.items is None else chosen.items:
        item_id = None if item is None else item.item_id
        lacking: dict[TimeRange, list[str]] = {}
        for provider in (None,) if chosen.every_provider else chosen.providers:
            there = union([*known.held.spans_of(item_id, provider), *coming.spans_of(item_id, provider)])
            for span in subtract([window], there):
                lacking.setdefault(span, []).extend([] if provider is None else [provider])
        for span, providers in lacking.items():
            groups.setdefault((span, tuple(providers)), []).append(item)
    return groups


def _spans_by_scope(
    shards: Iterable[BackfillShard],
) -> Iterable[tuple[tuple[str | None, str | None], TimeRange]]:
    for shard in shards:
        item_id = shard.ask.item[0] if shard.ask.item else None
        yield (item_id, shard.ask.provider), (shard.ask.start, shard.ask.end)


def _want(
    request: BackfillRequest,
    chosen: ResolvedRequest,
    group: Group,
    items: Sequence[Item | None],
    now: datetime,
) -> SeriesRequest:
    (start, end), providers = group
    named = tuple(item for item in items if item is not None)
    return SeriesRequest(
        source=request.source or "",
        series=request.series,
        items=named or None,
        start=start,
        end=end,
        now=now,
        currency=chosen.currency,
        providers=providers,
        all_providers=chosen.marketplaces,
        interval=request.interval,
    )


def _minutes(requests: int | None, terms: TierLimits) -> float | None:
    return None if requests is None or terms.per_minute is None else requests / terms.per_minute


def _at_most(known: PriorProgress, made: Sequence[SeriesPlan]) -> int | None:
    """The most that it can take, the earlier plan's rest among it; None where nothing bounds it."""
    rest = 0
    if known.record is not None:
        if known.record.at_most is None:
            return None
        rest = max(known.record.at_most - known.record.requests, len(known.pending))
    most = [plan.at_most for plan in made]
    return None if None in most else rest + sum(count or 0 for count in most)
