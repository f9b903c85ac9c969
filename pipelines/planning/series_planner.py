"""From what is wanted of a series to its shards and what they cost; pure, so it can be shown beforehand."""

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

# How long a shard takes at the tier's pace, at most: what is lost with it is minutes, not hours.
SHARD_MINUTES: Final = 5
# As many as the API keeps of the shortest interval: seven days of five minutes.
MAX_CANDLES: Final = 2_016
# A request for days that starts more than 30 days back brings no quantities; two are left for the walk.
RECENT: Final = timedelta(days=28)
# Requests a minute to reckon with where a key has no limit.
_UNPACED: Final = 300
_DAY: Final = timedelta(days=1)
# Fewer providers than this are asked one by one: a walk of all brings the others along.
_FEW: Final = 3
Window = tuple[datetime, datetime]


@dataclass(frozen=True, slots=True)
class SeriesRequest:
    """What is wanted of a series in [start, end), UTC, in a source's own names; `now` (UTC) is the present.

    `items` None is every item, which only sales can be asked for. No `providers` are all of them, and
    `all_providers` says how many those are. Without an `interval`, candles are daily.
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
    """The shards, how many requests they take at least and at most, and `notes` for whoever reads the plan.

    `at_most` is None where nothing bounds it. Retries come on top of both.
    """

    shards: tuple[SeriesShard, ...]
    at_least: int
    at_most: int | None
    notes: tuple[str, ...]


def plan_series(want: SeriesRequest, terms: TierLimits) -> SeriesPlan:
    """Choose the shards for what is wanted, within the account's `terms`; the oldest windows come first.

    Windows are half-open and disjoint and cover what is wanted, nothing else; an empty window has no
    shards. Raises PlanForbids for what the tier does not include, and ConfigError for what no tier can do.
    """
    _check(want, terms)
    if want.series == "points":
        return _plan_points(want, terms)
    return _plan_candles(want, terms) if want.series == "candles" else _plan_sales(want)


def _check(want: SeriesRequest, terms: TierLimits) -> None:
    if want.items is None and want.series != "sales":
        raise ConfigError(f"{want.series} are asked for item by item: name the items", want.source)
    interval = want.interval or "1d"
    lacking = {
        "points": None if terms.history else "price history",
        "candles": None if terms.candle_days(interval) else f"candles of {interval}",
        "sales": None if terms.sales else "sales",
    }[want.series]
    if lacking:
        raise PlanForbids(f"the {terms.tier} tier does not include {lacking}", want.source)


def _plan_points(want: SeriesRequest, terms: TierLimits) -> SeriesPlan:
    """One walk an item and window: of all providers, or of each if few are wanted and that is no dearer."""
    whole = (want.start, want.end)
    apart, together = (_pages(whole, heads, terms) for heads in (1, want.all_providers))
    few = 0 < len(want.providers) < _FEW and apart * len(want.providers) <= together
    heads = 1 if few else want.all_providers
    windows = _cut(whole, _steps(whole, _max_window(whole, heads, terms), GRID))
    shards = _shards(want, windows, want.providers if few else (None,))
    at_most = sum(_pages((shard.start, shard.end), heads, terms) for shard in shards)
    notes = [
        _describe_size(
            want, windows, f"{_count(len(shards), 'walk')}, of {_describe_providers(want, few=few)}"
        )
    ]
    if len(windows) > 1:
        notes.append(f"windows end where a walk would take {SHARD_MINUTES} minutes at the tier's pace")
    notes.append(f"at most {at_most:,} requests: a point every 5 minutes, {terms.page_rows:,} a page")
    return SeriesPlan(shards, len(shards), at_most, tuple(notes))


def _plan_candles(want: SeriesRequest, terms: TierLimits) -> SeriesPlan:
    """One request an item and window, or one that looks back where the tier knows nothing else."""
    whole, interval = (want.start, want.end), want.interval or "1d"
    recent = floor_to(want.now, _DAY) - RECENT
    cuts = _steps(whole, INTERVALS[interval] * MAX_CANDLES, INTERVALS[interval])
    if interval == "1d":
        cuts = [*cuts, recent]
    windows = _cut(whole, cuts if terms.candle_windows else [])
    asks = _shards(want, windows, (None,))
    shards = tuple(replace(ask, interval=interval, lookback=not terms.candle_windows) for ask in asks)
    notes = [
        _describe_size(want, windows, f"{_count(len(shards), 'request')}, each for all providers together")
    ]
    if not terms.candle_windows:
        notes.append(
            f"the {terms.tier} tier looks back in days; what comes from outside the window is left out"
        )
    if recent in {start for start, _ in windows[1:]}:
        notes.append(f"cut at {recent:%Y-%m-%d}: asked for together with older days, no day has a quantity")
    return SeriesPlan(shards, len(shards), len(shards), tuple(notes))


def _plan_sales(want: SeriesRequest) -> SeriesPlan:
    """One walk an item, or one of everything, back from now: the API knows no windows of sales."""
    windows = _cut((want.start, want.end), ())
    few = 0 < len(want.providers) < _FEW
    shards = _shards(want, windows, want.providers if few else (None,))
    notes = (
        _describe_size(
            want, windows, f"{_count(len(shards), 'walk')}, of {_describe_providers(want, few=few)}"
        ),
        "how many pages there are is not known: a walk goes back from now to the start",
    )
    return SeriesPlan(shards, len(shards), None, notes)


def _shards(
    want: SeriesRequest, windows: Iterable[Window], providers: Sequence[str | None]
) -> tuple[SeriesShard, ...]:
    """Every window, item and provider; the oldest windows first, because the API forgets them first."""
    items: Sequence[Item | None] = (None,) if want.items is None else want.items
    return tuple(
        SeriesShard(want.currency, start, end, item, provider)
        for (start, end), item, provider in product(windows, items, providers)
    )


def _cut(whole: Window, cuts: Iterable[datetime]) -> tuple[Window, ...]:
    """Divide a window at those of `cuts` that lie inside."""
    start, end = whole
    inner = sorted({cut for cut in cuts if start < cut < end})
    return tuple(pairwise([start, *inner, end])) if start < end else ()


def _steps(whole: Window, step: timedelta, grid: timedelta) -> list[datetime]:
    """Mark off a window by `step`, a multiple of `grid`, from a place on the grid."""
    start = floor_to(whole[0], grid)
    return [start + step * n for n in range(1, -(-(whole[1] - start) // step))]


def _max_window(whole: Window, heads: int, terms: TierLimits) -> timedelta:
    """Return how long windows are that take minutes at the tier's pace, all of them about alike."""
    pages = SHARD_MINUTES * (terms.per_minute or _UNPACED)
    most = max((pages * terms.page_rows - 1) // heads - 1, 1)
    total = max((ceil_to(whole[1], GRID) - floor_to(whole[0], GRID)) // GRID, 1)
    return GRID * -(-total // -(-total // most))


def _pages(window: Window, heads: int, terms: TierLimits) -> int:
    """Return how many pages points of so many providers fill at most: one each at every place of the grid.

    The end counts, because one of the API's descriptions includes it; and a last page that is full may be
    followed by an empty one.
    """
    places = (floor_to(window[1], GRID) - ceil_to(window[0], GRID)) // GRID + 1
    return heads * places // terms.page_rows + 1


def _describe_size(want: SeriesRequest, windows: Sequence[Window], what: str) -> str:
    items = "every item" if want.items is None else _count(len(want.items), "item")
    return f"{items} in {_count(len(windows), 'window')}: {what}"


def _describe_providers(want: SeriesRequest, *, few: bool) -> str:
    """Say which providers a walk asks for."""
    if few:
        return " and of ".join(want.providers)
    among = f", {_count(len(want.providers), 'wanted one')} among them" if want.providers else ""
    return f"all providers at once{among}"


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"
