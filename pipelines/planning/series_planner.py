"""Plan the shards of a price history, candles, sales or daily points, and their requests. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import pairwise, product
from typing import Final

from common.errors import ConfigError, PlanForbids
from common.shards import Item, SeriesShard
from common.time_ranges import GRID, INTERVALS, Interval, ceil_to, floor_to
from connectors.series import Series
from connectors.tiers import TierLimits

# A shard takes at most so many minutes at the tier's rate: no more is lost with it.
SHARD_MINUTES: Final = 5
# The API keeps seven days of candles of five minutes, the shortest interval.
MAX_CANDLES: Final = 2_016
# A request for daily candles that starts more than 30 days back returns no quantities; two days are reserve.
RECENT: Final = timedelta(days=28)
# The assumed requests per minute of a key without a limit.
_UNLIMITED_RATE: Final = 300
_DAY: Final = timedelta(days=1)
# Fewer providers are requested one by one; otherwise one request covers all providers.
_FEW: Final = 3
Window = tuple[datetime, datetime]


@dataclass(frozen=True, slots=True)
class SeriesRequest:
    """The part of a series in [start, end), UTC, that is requested from a source; `now` is the current time.

    `items` None is every item, which is possible for sales only. No `providers` are all of them;
    `all_providers` is their number. Without an `interval`, candles are daily.
    """

    source: str
    series: Series
    items: tuple[Item, ...] | None
    start: datetime
    end: datetime
    now: datetime
    currency: str = "USD"
    providers: tuple[str, ...] = ()
    all_providers: int = 50
    interval: Interval | None = None


@dataclass(frozen=True, slots=True)
class SeriesPlan:
    """The shards, the minimum and maximum of their requests, and `notes` for the reader of the plan.

    `at_most` is None if nothing bounds the requests. Retries are not included.
    """

    shards: tuple[SeriesShard, ...]
    at_least: int
    at_most: int | None
    notes: tuple[str, ...]


def plan_series(request: SeriesRequest, limits: TierLimits) -> SeriesPlan:
    """Choose the shards for a request within the limits of the account; the oldest windows come first.

    Windows are half-open and disjoint and cover exactly the requested time; an empty window has no shards.
    Raises PlanForbids for a request that the tier does not include, and ConfigError for a request that no
    tier can serve.
    """
    _check(request, limits)
    match request.series:
        case "points":
            return _plan_points(request, limits)
        case "candles":
            return _plan_candles(request, limits)
        case "sales":
            return _plan_sales(request)
        case "daily":
            return _plan_daily(request)


def _check(request: SeriesRequest, limits: TierLimits) -> None:
    if request.items is None and request.series != "sales":
        raise ConfigError(f"{request.series} are requested item by item: name the items", request.source)
    interval = request.interval or "1d"
    missing = {
        "points": None if limits.history else "price history",
        "candles": None if limits.candle_days(interval) else f"candles of {interval}",
        "sales": None if limits.sales else "sales",
        "daily": None if limits.daily else "daily points",
    }[request.series]
    if missing:
        raise PlanForbids(f"the {limits.tier} tier does not include {missing}", request.source)


def _plan_points(request: SeriesRequest, limits: TierLimits) -> SeriesPlan:
    """Plan one shard per item and window, of all providers, or of each of a few if that costs no more."""
    whole = (request.start, request.end)
    one_by_one = _max_pages(whole, 1, limits) * len(request.providers)
    all_at_once = _max_pages(whole, request.all_providers, limits)
    few = 0 < len(request.providers) < _FEW and one_by_one <= all_at_once
    providers_a_shard = 1 if few else request.all_providers
    windows = _split_at(whole, _grid_steps(whole, _max_window(whole, providers_a_shard, limits), GRID))
    shards = _shards(request, windows, request.providers if few else (None,))
    at_most = sum(_max_pages((shard.start, shard.end), providers_a_shard, limits) for shard in shards)
    notes = [_describe_shards(request, windows, len(shards), few=few)]
    if len(windows) > 1:
        notes.append(f"windows end where a shard would take {SHARD_MINUTES} minutes at the tier's rate limit")
    notes.append(f"at most {at_most:,} requests: a point every 5 minutes, {limits.page_rows:,} a page")
    return SeriesPlan(shards, at_least=len(shards), at_most=at_most, notes=tuple(notes))


def _plan_candles(request: SeriesRequest, limits: TierLimits) -> SeriesPlan:
    """Plan one request per item and window; a tier without windows has one request that looks back."""
    whole, interval = (request.start, request.end), request.interval or "1d"
    recent = floor_to(request.now, _DAY) - RECENT
    cuts = _grid_steps(whole, INTERVALS[interval] * MAX_CANDLES, INTERVALS[interval])
    if interval == "1d":
        cuts = [*cuts, recent]
    windows = _split_at(whole, cuts if limits.candle_windows else [])
    shards = tuple(
        replace(shard, interval=interval, lookback=not limits.candle_windows)
        for shard in _shards(request, windows, (None,))
    )
    size = _describe_size(request, windows)
    notes = [f"{size}: {_count(len(shards), 'request')}, each for all providers"]
    if not limits.candle_windows:
        notes.append(f"the {limits.tier} tier looks back in days; candles outside of the window are dropped")
    if recent in {start for start, _ in windows[1:]}:
        notes.append(
            f"split at {recent:%Y-%m-%d}: in one request with older days, no day would have a quantity"
        )
    return SeriesPlan(shards, at_least=len(shards), at_most=len(shards), notes=tuple(notes))


def _plan_sales(request: SeriesRequest) -> SeriesPlan:
    """Plan one shard per item, or one of everything, back from now: the API has no windows of sales."""
    windows = _split_at((request.start, request.end), ())
    few = 0 < len(request.providers) < _FEW
    shards = _shards(request, windows, request.providers if few else (None,))
    notes = (
        _describe_shards(request, windows, len(shards), few=few),
        "the number of pages is unknown: each shard is read from now back to the start",
    )
    return SeriesPlan(shards, at_least=len(shards), at_most=None, notes=notes)


def _plan_daily(request: SeriesRequest) -> SeriesPlan:
    """Plan one request per item for the whole window: the API has no pages of daily points."""
    windows = _split_at((request.start, request.end), ())
    one = len(request.providers) == 1
    shards = _shards(request, windows, request.providers if one else (None,))
    notes = (_describe_shards(request, windows, len(shards), few=one),)
    return SeriesPlan(shards, at_least=len(shards), at_most=len(shards), notes=notes)


def _shards(
    request: SeriesRequest, windows: Iterable[Window], providers: Sequence[str | None]
) -> tuple[SeriesShard, ...]:
    """Return a shard per window, item and provider; the oldest first, because the API drops them first."""
    items: Sequence[Item | None] = (None,) if request.items is None else request.items
    return tuple(
        SeriesShard(request.currency, start, end, item=item, provider=provider)
        for (start, end), item, provider in product(windows, items, providers)
    )


def _split_at(whole: Window, cuts: Iterable[datetime]) -> tuple[Window, ...]:
    """Split a window at those of `cuts` that lie inside; an empty window has no parts."""
    start, end = whole
    inner = sorted({cut for cut in cuts if start < cut < end})
    return tuple(pairwise([start, *inner, end])) if start < end else ()


def _grid_steps(whole: Window, step: timedelta, grid: timedelta) -> list[datetime]:
    """Return the times inside a window at every `step`, a multiple of `grid`, counted from the grid."""
    start = floor_to(whole[0], grid)
    return [start + step * n for n in range(1, -(-(whole[1] - start) // step))]


def _max_window(whole: Window, providers: int, limits: TierLimits) -> timedelta:
    """Return the length of equal windows that take at most SHARD_MINUTES at the tier's rate limit."""
    # The inverse of _max_pages: the most points that fit into so many pages.
    pages = SHARD_MINUTES * (limits.per_minute or _UNLIMITED_RATE)
    max_points = max((pages * limits.page_rows - 1) // providers - 1, 1)
    points = max((ceil_to(whole[1], GRID) - floor_to(whole[0], GRID)) // GRID, 1)
    windows = -(-points // max_points)
    return GRID * -(-points // windows)


def _max_pages(window: Window, providers: int, limits: TierLimits) -> int:
    """Return the maximum number of pages for the points of so many providers: one point per grid time each.

    The end is included, as in one of the API's descriptions; an empty page may follow a full last page.
    """
    grid_times = (floor_to(window[1], GRID) - ceil_to(window[0], GRID)) // GRID + 1
    return providers * grid_times // limits.page_rows + 1


def _describe_shards(request: SeriesRequest, windows: Sequence[Window], shards: int, *, few: bool) -> str:
    if few:
        providers = " and of ".join(request.providers)
    else:
        among = f", {len(request.providers):,} requested among them" if request.providers else ""
        providers = f"all providers at once{among}"
    return f"{_describe_size(request, windows)}: {_count(shards, 'shard')}, of {providers}"


def _describe_size(request: SeriesRequest, windows: Sequence[Window]) -> str:
    items = "every item" if request.items is None else _count(len(request.items), "item")
    return f"{items} in {_count(len(windows), 'window')}"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
