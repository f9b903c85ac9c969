"""Coverage gaps of the baskets: when they were not observed in time, and what the API can still provide."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import aclosing
from datetime import datetime, timedelta
from functools import partial
from itertools import product
from typing import Final

from common.clock import Clock
from common.currencies import EXACT_CURRENCY
from common.errors import ConfigError
from common.time_ranges import GRID, TimeRange, floor_to, intersect, union
from connectors.series import Series
from pipelines.backfill.gap_parts import (
    BEGINNING_OF_TIME,
    BasketGap,
    FilledTime,
    Gap,
    GapPart,
    Retention,
    classify_gap,
    whole_days,
)
from pipelines.backfill.limits import allowed_window, resolve_request
from pipelines.backfill.request import BackfillRequest
from pipelines.catalogs import CatalogCache
from pipelines.config import BasketSettings, Cs2capSettings, Settings
from pipelines.loading import read_published
from pipelines.planning.estimate import LazySource, limits_of_source
from warehouse.database import open_published
from warehouse.gaps import find_coverage_gaps
from warehouse.queries.runner import run_query
from warehouse.state.backfills import BackfillStore
from warehouse.state.database import open_state
from warehouse.state.ticks import read_ticks

# The API must still keep the start of a gap when the backfill that fills the gap ends.
RETENTION_MARGIN: Final = timedelta(hours=1)
FIRST_RUN: Final = "SELECT min(started_at) FROM runs WHERE flow = 'snapshot' AND source = ? AND basket = ?"
FEED_GAPS: Final = """
SELECT run_id, started_at, finished_at, incomplete_reason FROM runs
WHERE flow = 'live' AND state = 'incomplete' AND source = ? AND basket = ? AND finished_at > ?
ORDER BY started_at
"""
WHY_INEXACT: Final = (
    f"the API's history is exact in {EXACT_CURRENCY} only; `floorline backfill` fetches this time in it"
)


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
    for basket in baskets:
        gaps += read_published(settings.paths, clock, partial(_find_feed_gaps, settings, basket, since=since))
    return gaps


def fill_requests(settings: Settings, gaps: Sequence[Gap]) -> list[BackfillRequest]:
    """Return the backfill requests that fill the fillable parts: one for each basket and series.

    In one request, the gaps of an item that fit one page of the API's history cost one request together.
    Daily points are of whole days, and one request has all days from the first to the last.
    """
    windows: dict[tuple[str, Series], list[TimeRange]] = {}
    for gap in gaps:
        spans = [(part.start, part.end) for part in gap.parts("fillable")]
        windows.setdefault((gap.basket, "points"), []).extend(spans)
        days = [whole_days(part.start, part.end) for part in gap.parts("fillable by day")]
        windows.setdefault((gap.basket, "daily"), []).extend(days)
    series: tuple[Series, ...] = ("points", "daily")
    return [
        request_for(basket, spans[0][0], end=spans[-1][1], windows=tuple(spans), series=each)
        for basket in settings.baskets
        for each in series
        if (spans := union(windows.get((basket.name, each), ())))
    ]


def request_for(
    basket: BasketSettings,
    start: datetime,
    *,
    end: datetime | None = None,
    windows: tuple[TimeRange, ...] = (),
    series: Series = "points",
) -> BackfillRequest:
    """Return the backfill request, in USD, for a time range of a basket or for `windows` in it."""
    return BackfillRequest(
        series=series,
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


def _find_feed_gaps(settings: Settings, basket: BasketSettings, *, since: datetime | None) -> list[Gap]:
    """Return the times in which a feed of a basket was not heard."""
    rows = run_query(settings.paths, FEED_GAPS, [basket.source, basket.name, since or BEGINNING_OF_TIME]).rows
    return [
        Gap(
            basket.name,
            basket.source,
            EXACT_CURRENCY,
            start,
            end,
            cause="feed",
            runs=(run_id,),
            reasons=(),
            pieces=(GapPart(start, end, "lost", reason),),
        )
        for run_id, start, end, reason in rows
    ]


async def _classify(
    settings: Settings,
    source: str,
    basket_gaps: Sequence[BasketGap],
    *,
    clock: Clock,
    on_request: Callable[[str], None],
) -> list[Gap]:
    """Split the gaps of one source into parts; see GapPart."""
    async with aclosing(LazySource(settings, source, clock, offline=False)) as lazy_source:
        now = clock.now()
        retention = await _find_retention(settings, lazy_source, now)
        catalogs = CatalogCache(
            settings.paths.catalog,
            lazy_source,
            clock,
            lifetime=timedelta.max,
            must_store=False,
        )
        exact = dict.fromkeys(one.basket for one in basket_gaps if one.currency == EXACT_CURRENCY)
        covered = {
            basket: FilledTime(
                points=await _covered_by_backfills(settings, basket, "points", now=now, catalogs=catalogs),
                daily=await _covered_by_backfills(settings, basket, "daily", now=now, catalogs=catalogs),
            )
            for basket in exact
        }
    if lazy_source.fetched:
        on_request(lazy_source.describe_fetches())
    inexact = retention.without_history(now, WHY_INEXACT)
    return [
        classify_gap(one, covered[one.basket], retention)
        if one.currency == EXACT_CURRENCY
        else classify_gap(one, FilledTime(), inexact)
        for one in basket_gaps
    ]


async def _find_retention(settings: Settings, lazy_source: LazySource, now: datetime) -> Retention:
    """Return what the source still has. Requests the tier only from an API with a history."""
    if not isinstance(settings.sources[lazy_source.source], Cs2capSettings):
        return Retention((now, now), f"{lazy_source.source} has no price history")
    limits, _ = await limits_of_source(settings, lazy_source)
    try:
        allowed = allowed_window("points", None, limits, now=now)
    except ConfigError as error:
        return Retention((now, now), error.detail)
    since = allowed.since or BEGINNING_OF_TIME
    points = since + RETENTION_MARGIN, floor_to(now, GRID)
    return Retention(points, f"older than {allowed.days} days", daily=limits.daily)


async def _covered_by_backfills(
    settings: Settings, basket: BasketSettings, series: Series, *, now: datetime, catalogs: CatalogCache
) -> list[TimeRange]:
    """Return the time ranges that backfills of a series cover for every item and provider of a basket."""
    backfills = BackfillStore(settings.paths)
    coverage = backfills.load_coverage(basket.source, series, EXACT_CURRENCY)
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
