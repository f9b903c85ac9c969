"""Gaps: where a basket was not looked at in time, and what of that the API can still give."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Final, Literal

from common.clock import Clock
from common.errors import ConfigError
from common.time_ranges import GRID, TimeRange, floor_to, intersect
from pipelines.backfill.limits import allowed_window, resolve_request
from pipelines.backfill.request import BackfillRequest
from pipelines.catalogs import CatalogCache
from pipelines.config import BasketSettings, Cs2capSettings, Settings
from pipelines.planning.estimate import LazySource, limits_of_source
from warehouse.database import open_reader
from warehouse.gaps import CoverageGap, find_coverage_gaps, unfilled_spans
from warehouse.paths import WarehousePaths
from warehouse.queries import run_query
from warehouse.state.backfills import BackfillStore

# A walk of the oldest that is kept takes its time, and what it asks for must still be kept at its end.
RETENTION_MARGIN: Final = timedelta(hours=1)
BEGINNING_OF_TIME: Final = datetime.min.replace(tzinfo=UTC)
FIRST_RUN: Final = "SELECT min(started_at) FROM runs WHERE flow = 'snapshot' AND source = ? AND basket = ?"
What = Literal["filled", "fillable", "lost", "too new"]


@dataclasses.dataclass(frozen=True, slots=True)
class GapPart:
    """A part of a gap, half-open, UTC: filled already, fillable, lost, and then `why`, or too new.

    Too new is what lies behind the last slot of the API's grid: it may still change, and is fillable soon.
    """

    start: datetime
    end: datetime
    what: What
    why: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Gap:
    """A span that no complete look of a basket covers in one currency, and its pieces in order; UTC.

    `cause` is absent (nothing ran), failed or incomplete; `runs` are those that ran in it, with `reasons`.
    `bids_lost`: the basket wants bids, too, of which the API keeps no history.
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

    def of(self, what: What) -> tuple[GapPart, ...]:
        """Its pieces of one sort."""
        return tuple(piece for piece in self.pieces if piece.what == what)


@dataclasses.dataclass(frozen=True, slots=True)
class BasketGap:
    """A hole of a basket in one currency."""

    basket: BasketSettings
    currency: str
    hole: CoverageGap


@dataclasses.dataclass(frozen=True, slots=True)
class RetentionWindow:
    """The span (UTC) of the past that a source tells, empty where none, and `why` what is older is lost."""

    span: TimeRange
    why: str


async def find_gaps(
    settings: Settings,
    clock: Clock,
    names: tuple[str, ...] = (),
    since: datetime | None = None,
    *,
    tell: Callable[[str], None],
) -> list[Gap]:
    """The gaps of these baskets (none: all) since a moment (UTC), or since each one's first run.

    Asks for a tier, which is free, and only where something is missing; `tell` hears what was paid for.
    Raises ConfigError for an unknown basket or a `since` to come, WarehouseError where nothing is published,
    and what the connectors raise.
    """
    now = clock.now()
    if since is not None and since >= now:
        raise ConfigError(f"--since {since:%Y-%m-%d %H:%M} UTC lies in the future")
    chosen, found = settings.chosen(names), []
    for source in dict.fromkeys(basket.source for basket in chosen):
        missing = [
            BasketGap(basket, *hole)
            for basket in chosen
            if basket.source == source
            for hole in _holes(settings, basket, since, now)
        ]
        if missing:
            found += await _classify(settings, source, missing, clock, tell)
    return found


def fill_requests(settings: Settings, gaps: Sequence[Gap]) -> list[BackfillRequest]:
    """What to ask for so that all that is fillable is filled: a request a gap."""
    baskets = {basket.name: basket for basket in settings.baskets}
    fillable = [(gap, gap.of("fillable")) for gap in gaps]
    return [
        request_for(baskets[gap.basket], gap.currency, pieces[0].start, pieces[-1].end)
        for gap, pieces in fillable
        if pieces
    ]


def request_for(
    basket: BasketSettings, currency: str, start: datetime, end: datetime | None = None
) -> BackfillRequest:
    """The request for a span of what a basket looks at."""
    return BackfillRequest(
        source=basket.source,
        items=basket.items,
        providers=basket.providers,
        currency=currency,
        start=start,
        end=end,
    )


def _holes(
    settings: Settings, basket: BasketSettings, since: datetime | None, now: datetime
) -> list[tuple[str, CoverageGap]]:
    """The holes of a basket with their currencies; none of one that never ran and is not asked about."""
    home = WarehousePaths(settings.root)
    begin = since or run_query(home, FIRST_RUN, [basket.source, basket.name]).rows[0][0]
    if begin is None:
        return []
    codes = ("USD",) if basket.fx == "table" else tuple(code.upper() for code in basket.currencies)
    with open_reader(home.published) as reader:
        return [
            (code, hole)
            for code in codes
            for hole in find_coverage_gaps(
                reader,
                basket.name,
                basket.source,
                interval=basket.every,
                currency=code,
                since=begin,
                until=now,
            )
        ]


async def _classify(
    settings: Settings, source: str, missing: Sequence[BasketGap], clock: Clock, tell: Callable[[str], None]
) -> list[Gap]:
    """Say of the holes of one source's baskets what is filled, what can be, and what is lost."""
    far = LazySource(settings, source, clock, offline=False)
    try:
        now = clock.now()
        kept = await _retention(settings, far, now)
        catalogs = CatalogCache(WarehousePaths(settings.root).catalog, far, clock, lifetime=timedelta.max)
        looked_at = dict.fromkeys((one.basket, one.currency) for one in missing)
        held = {
            key: await _covered_by_backfills(settings, *key, now=now, catalogs=catalogs) for key in looked_at
        }
    finally:
        await far.aclose()
    if far.fetched:
        fetched = ", ".join(far.fetched)
        tell(f"{source}: asked for {fetched}, which were not at hand: {far.requests_spent} of the month")
    return [_gap(one, kept, held[one.basket, one.currency]) for one in missing]


async def _retention(settings: Settings, far: LazySource, now: datetime) -> RetentionWindow:
    """What the source still keeps; only an API that has a history is asked for the tier."""
    if not isinstance(settings.sources[far.source], Cs2capSettings):
        return RetentionWindow((now, now), f"{far.source} tells nothing of the past")
    terms, _ = await limits_of_source(settings, far)
    try:
        may = allowed_window("points", None, terms, now)
    except ConfigError as error:
        return RetentionWindow((now, now), error.detail)
    lost = may.since or BEGINNING_OF_TIME
    return RetentionWindow((lost + RETENTION_MARGIN, floor_to(now, GRID)), f"older than {may.days} days")


async def _covered_by_backfills(
    settings: Settings, basket: BasketSettings, currency: str, *, now: datetime, catalogs: CatalogCache
) -> list[TimeRange]:
    """The spans that backfills brought of every item and provider that a basket wants."""
    backfills = BackfillStore(WarehousePaths(settings.root).state)
    coverage = backfills.load_coverage(basket.source, "points", currency)
    if not coverage.held:
        return []
    chosen = await resolve_request(request_for(basket, currency, now), settings.base, catalogs)
    keys = (None,) if chosen.every_provider else chosen.providers
    common = [(BEGINNING_OF_TIME, now)]
    for item, key in product(chosen.items or (), keys):
        common = intersect(common, coverage.spans_of(item.item_id, key))
        if not common:
            break
    return common


def _gap(missing: BasketGap, kept: RetentionWindow, held: Sequence[TimeRange]) -> Gap:
    basket, hole = missing.basket, missing.hole
    since, until = kept.span
    spans: dict[What, list[TimeRange]] = {
        "filled": intersect([(hole.start, hole.end)], held),
        "lost": intersect(unfilled_spans(hole, held), [(BEGINNING_OF_TIME, since)]),
        "fillable": intersect(unfilled_spans(hole, held), [kept.span]),
        "too new": intersect(unfilled_spans(hole, held), [(until, hole.end)]),
    }
    pieces = [
        GapPart(*span, what, kept.why if what == "lost" else "") for what in spans for span in spans[what]
    ]
    return Gap(
        basket=basket.name,
        source=basket.source,
        currency=missing.currency,
        start=hole.start,
        end=hole.end,
        cause=hole.cause,
        runs=hole.runs,
        reasons=hole.reasons,
        pieces=tuple(sorted(pieces, key=lambda piece: piece.start)),
        bids_lost=basket.bids,
    )
