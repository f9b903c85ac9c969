"""The parts of a backfill that are neither covered nor under way, as requests for a series. Pure."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial

from common.shards import Item
from common.time_ranges import TimeRange, intersect, subtract, union
from connectors.tiers import TierLimits
from pipelines.backfill.densities import Densities
from pipelines.backfill.limits import ResolvedRequest
from pipelines.backfill.request import BackfillRequest
from pipelines.planning.series_planner import SeriesRequest, plan_series
from warehouse.state.backfill_rows import BackfillRecord, BackfillShard
from warehouse.state.coverage import Coverage


@dataclasses.dataclass(frozen=True, slots=True)
class PriorProgress:
    """The covered time ranges, how dense the series is, and the record and the shards of an earlier run."""

    covered: Coverage
    densities: Densities = dataclasses.field(default_factory=Densities)
    record: BackfillRecord | None = None
    shards: Sequence[BackfillShard] = ()

    @property
    def pending(self) -> list[BackfillShard]:
        """The shards that are not done."""
        return [shard for shard in self.shards if shard.state != "done"]


@dataclasses.dataclass(frozen=True, slots=True)
class MissingParts:
    """What a request lacks, given what `prior` has."""

    request: BackfillRequest
    resolved: ResolvedRequest
    prior: PriorProgress
    limits: TierLimits
    now: datetime

    def requests(self, window: TimeRange) -> Iterator[SeriesRequest]:
        """Yield a request for each group of items that lack the same time range at the same providers."""
        wanted = intersect([window], self.request.windows or [window])
        groups: dict[tuple[TimeRange, tuple[str, ...]], list[Item | None]] = {}
        for item, missing in self._by_item(wanted):
            for providers, spans in _by_providers(missing).items():
                cost = partial(self._cost, item, providers)
                for span in bridge_spans(spans, cost) if self.request.series == "points" else spans:
                    groups.setdefault((span, providers), []).append(item)
        for (span, providers), items in groups.items():
            yield self._build(items, providers, span)

    def _by_item(
        self, wanted: Sequence[TimeRange]
    ) -> Iterator[tuple[Item | None, dict[TimeRange, list[str]]]]:
        """Yield each item (None: every item), and what it lacks: time ranges with providers (empty: all)."""
        covered = self.prior.covered
        under_way = Coverage.from_spans(
            (shard.scope, (shard.ask.start, shard.ask.end)) for shard in self.prior.pending
        )
        for item in (None,) if self.resolved.items is None else self.resolved.items:
            item_id = None if item is None else item.item_id
            missing: dict[TimeRange, list[str]] = {}
            for provider in (None,) if self.resolved.every_provider else self.resolved.providers:
                present = union(
                    [*covered.spans_of(item_id, provider), *under_way.spans_of(item_id, provider)]
                )
                for span in subtract(wanted, present):
                    missing.setdefault(span, []).extend([] if provider is None else [provider])
            yield item, missing

    def _build(
        self, items: Sequence[Item | None], providers: tuple[str, ...], span: TimeRange
    ) -> SeriesRequest:
        return SeriesRequest(
            source=self.request.source or "",
            series=self.request.series,
            items=tuple(item for item in items if item is not None) or None,
            start=span[0],
            end=span[1],
            now=self.now,
            currency=self.resolved.currency,
            providers=providers,
            all_providers=self.resolved.marketplaces,
            interval=self.request.interval,
        )

    def _cost(self, item: Item | None, providers: tuple[str, ...], span: TimeRange) -> float:
        """Return the requests that one item takes: the likely number, or the bound where nothing is known."""
        plan = plan_series(self._build([item], providers, span), self.limits)
        expected = self.prior.densities.expected_total(self.request.series, plan.shards, self.limits)
        return expected if expected is not None else plan.at_most or 0


def bridge_spans(spans: Sequence[TimeRange], cost: Callable[[TimeRange], float]) -> list[TimeRange]:
    """Join neighbours where the time from the first to the last costs fewer requests than both of them."""
    joined = list(spans[:1])
    for span in spans[1:]:
        whole = (joined[-1][0], span[1])
        if cost(whole) < cost(joined[-1]) + cost(span):
            joined[-1] = whole
        else:
            joined.append(span)
    return joined


def _by_providers(missing: Mapping[TimeRange, Sequence[str]]) -> dict[tuple[str, ...], list[TimeRange]]:
    """Return the time ranges, in order, that the same providers lack."""
    spans: dict[tuple[str, ...], list[TimeRange]] = {}
    for span, providers in sorted(missing.items()):
        spans.setdefault(tuple(providers), []).append(span)
    return spans
