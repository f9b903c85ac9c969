"""Coverage gaps of the baskets: when they were not observed in time, and what the API can still provide."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import product
from typing import Final, Literal

from common.clock import Clock
from common.currencies import EXACT_CURRENCY
from common.errors import ConfigError
from common.time_ranges import GRID, TimeRange, floor_to, intersect, union
from pipelines.backfill.limits import allowed_window, resolve_request
from pipelines.backfill.request import BackfillRequest
from pipelines.catalogs import CatalogCache
from pipelines.config import BasketSettings, Cs2capSettings, Settings
from pipelines.loading import read_published
from pipelines.planning.estimate import LazySource, limits_of_source
from warehouse.database import open_published
from warehouse.gaps import CoverageGap, find_coverage_gaps, unfilled_spans
from warehouse.queries.runner import run_query
from warehouse.state.backfills import BackfillStore
from warehouse.state.database import open_state
from warehouse.state.ticks import MissedTick, describe_ticks, read_ticks

# The API must still keep the start of a gap when the backfill that fills the gap ends.
RETENTION_MARGIN: Final = timedelta(hours=1)
BEGINNING_OF_TIME: Final = datetime.min.replace(tzinfo=UTC)
FIRST_RUN: Final = "SELECT min(started_at) FROM runs WHERE flow = 'snapshot' AND source = ? AND basket = ?"
WHY_INEXACT: Final = (
    f"the API's history is exact in {EXACT_CURRENCY} only; `floorline backfill` fetches this time in it"
)
PartKind = Literal["filled", "fillable", "lost", "too new"]


@dataclasses.dataclass(frozen=True, slots=True)
class GapPart:
    """A part of a gap, half-open, UTC: already filled, fillable, lost for the reason `why`, or too new.

    A part is too new after the last point of the API's grid: it may still change, and is fillable soon.
    """

    start: datetime
    end: datetime
    what: PartKind
    why: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Gap:
    """A time range (UTC) without a complete observation of a basket in one currency, in ordered `pieces`.

    `cause` is absent (nothing ran), skipped or cancelled (runs were due and took nothing), failed or
    incomplete. `runs` are the runs in the gap, and `reasons` say why they, and those that were due, were not
    complete. `bids_lost`: the basket has bids too, of which the API keeps no history.
    """

    basket: str
    source: str
    currency: str
    start: datetime
    end: datetime
    cause: str
    runs: tuple[str, ...]
    reasons: tuple[str, ...]
    pieces: tuple[GapPart, ...]
    bids_lost: bool = False

    def parts(self, kind: PartKind) -> tuple[GapPart, ...]:
        """Return the parts of one kind."""
        return tuple(part for part in self.pieces if part.what == kind)


@dataclasses.dataclass(frozen=True, slots=True)
class BasketGap:
    """A coverage gap of a basket in one currency, before its parts are classified."""

    basket: BasketSettings
    currency: str
    gap: CoverageGap
    missed: tuple[MissedTick, ...] = ()

    @property
    def cause(self) -> str:
        """The cause of the gap; if nothing ran, what the scheduled runs in it came to most often."""
        outcomes = Counter(tick.outcome for tick in self.missed)
        return outcomes.most_common(1)[0][0] if self.gap.cause == "absent" and outcomes else self.gap.cause

    @property
    def reasons(self) -> tuple[str, ...]:
        """The reasons of the runs, then those of the scheduled runs that took nothing."""
        return (*self.gap.reasons, *describe_ticks(self.missed))


async def find_gaps(
    settings: Settings,
    clock: Clock,
    names: tuple[str, ...] = (),
    *,
    since: datetime | None = None,
    on_request: Callable[[str], None],
) -> list[Gap]:
    """Return the gaps of these baskets (none: all) since `since` (UTC), or since each basket's first run.

    Requests the account only if there is a gap; `on_request` gets a message about requests that use quota.
    Raises ConfigError for an unknown basket or a `since` in the future, WarehouseError if nothing is
    published, and what the connectors raise.
    """
    now = clock.now()
    if since is not None and since >= now:
        raise ConfigError(f"--since {since:%Y-%m-%d %H:%M} UTC is in the future")
    baskets, gaps = settings.select_baskets(names), []
    for source in dict.fromkeys(basket.source for basket in baskets):
        basket_gaps = [
            gap
            for basket in baskets
            if basket.source == source
            for gap in read_published(
                settings.paths,
                clock,
                partial(_find_basket_gaps, settings, basket, since=since, now=now),
            )
        ]
        if basket_gaps:
            gaps += await _classify(settings, source, basket_gaps, clock=clock, on_request=on_request)
    return gaps


def fill_requests(settings: Settings, gaps: Sequence[Gap]) -> list[BackfillRequest]:
    """Return the backfill requests that fill the fillable parts: one for each basket.

    In one request, the gaps of an item that fit one page of the API's history cost one request together.
    """
    windows: dict[str, list[TimeRange]] = {}
    for gap in gaps:
        windows.setdefault(gap.basket, []).extend((part.start, part.end) for part in gap.parts("fillable"))
    return [
        request_for(basket, spans[0][0], end=spans[-1][1], windows=tuple(spans))
        for basket in settings.baskets
        if (spans := union(windows.get(basket.name, ())))
    ]


def request_for(
    basket: BasketSettings,
    start: datetime,
    *,
    end: datetime | None = None,
    windows: tuple[TimeRange, ...] = (),
) -> BackfillRequest:
    """Return the backfill request, in USD, for a time range of a basket or for `windows` in it."""
    return BackfillRequest(
        source=basket.source,
        items=basket.items,
        providers=basket.providers,
        start=start,
        end=end,
        windows=windows,
    )


def _find_basket_gaps(
    settings: Settings, basket: BasketSettings, *, since: datetime | None, now: datetime
) -> list[BasketGap]:
    """Return the gaps of a basket in each currency; none for a basket that never ran, without `since`."""
    paths = settings.paths
    start = since or run_query(paths, FIRST_RUN, [basket.source, basket.name]).rows[0][0]
    if start is None:
        return []
    currencies = ("USD",) if basket.fx == "table" else tuple(code.upper() for code in basket.currencies)
    ticks = [tick for tick in read_ticks(open_state(paths)) if tick.basket == basket.name]
    with open_published(paths) as reader:
        return [
            BasketGap(basket, currency, gap, tuple(t for t in ticks if gap.start <= t.due_at < gap.end))
            for currency in currencies
            for gap in find_coverage_gaps(
                reader,
                basket.name,
                basket.source,
                interval=basket.every,
                currency=currency,
                since=start,
                until=now,
            )
        ]


async def _classify(
    settings: Settings,
    source: str,
    basket_gaps: Sequence[BasketGap],
    *,
    clock: Clock,
    on_request: Callable[[str], None],
) -> list[Gap]:
    """Split the gaps of one source into the parts that are filled, fillable, lost or too new."""
    async with aclosing(LazySource(settings, source, clock, offline=False)) as lazy_source:
        now = clock.now()
        available, why_lost = await _retention(settings, lazy_source, now)
        catalogs = CatalogCache(
            settings.paths.catalog,
            lazy_source,
            clock,
            lifetime=timedelta.max,
            must_store=False,
        )
        covered = {
            basket: await _covered_by_backfills(settings, basket, now=now, catalogs=catalogs)
            for basket in dict.fromkeys(one.basket for one in basket_gaps if one.currency == EXACT_CURRENCY)
        }
    if lazy_source.fetched:
        on_request(lazy_source.describe_fetches())
    return [
        _classify_gap(one, covered[one.basket], available=available, why_lost=why_lost)
        if one.currency == EXACT_CURRENCY
        # What a tier without a history keeps is empty in every currency, for the tier's own reason.
        else _classify_gap(
            one, [], available=(now, now), why_lost=why_lost if available == (now, now) else WHY_INEXACT
        )
        for one in basket_gaps
    ]


async def _retention(settings: Settings, lazy_source: LazySource, now: datetime) -> tuple[TimeRange, str]:
    """Return the time range (UTC) that the source still has, empty if none, and why older time is lost.

    Requests the tier only from an API with a history.
    """
    if not isinstance(settings.sources[lazy_source.source], Cs2capSettings):
        return (now, now), f"{lazy_source.source} has no price history"
    limits, _ = await limits_of_source(settings, lazy_source)
    try:
        allowed = allowed_window("points", None, limits, now=now)
    except ConfigError as error:
        return (now, now), error.detail
    since = allowed.since or BEGINNING_OF_TIME
    return (since + RETENTION_MARGIN, floor_to(now, GRID)), f"older than {allowed.days} days"


async def _covered_by_backfills(
    settings: Settings, basket: BasketSettings, *, now: datetime, catalogs: CatalogCache
) -> list[TimeRange]:
    """Return the time ranges that backfills cover for every item and provider of a basket."""
    backfills = BackfillStore(settings.paths)
    coverage = backfills.load_coverage(basket.source, "points", EXACT_CURRENCY)
    if not coverage.by_scope:
        return []
    resolved = await resolve_request(request_for(basket, now), settings.base, catalogs)
    providers = (None,) if resolved.every_provider else resolved.providers
    common = [(BEGINNING_OF_TIME, now)]
    for item, provider in product(resolved.items or (), providers):
        common = intersect(common, coverage.spans_of(item.item_id, provider))
        if not common:  # a basket can have 100,000 pairs
            break
    return common


def _classify_gap(
    basket_gap: BasketGap, covered: Sequence[TimeRange], *, available: TimeRange, why_lost: str
) -> Gap:
    basket, gap = basket_gap.basket, basket_gap.gap
    unfilled = unfilled_spans(gap, covered)
    spans: dict[PartKind, list[TimeRange]] = {
        "filled": intersect([(gap.start, gap.end)], covered),
        "lost": intersect(unfilled, [(BEGINNING_OF_TIME, available[0])]),
        "fillable": intersect(unfilled, [available]),
        "too new": intersect(unfilled, [(available[1], gap.end)]),
    }
    parts = [
        GapPart(start, end, kind, why=why_lost if kind == "lost" else "")
        for kind in spans
        for start, end in spans[kind]
    ]
    return Gap(
        basket=basket.name,
        source=basket.source,
        currency=basket_gap.currency,
        start=gap.start,
        end=gap.end,
        cause=basket_gap.cause,
        runs=gap.runs,
        reasons=basket_gap.reasons,
        pieces=tuple(sorted(parts, key=lambda part: part.start)),
        bids_lost=basket.bids,
    )
