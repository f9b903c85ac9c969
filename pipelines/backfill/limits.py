"""Check a request before it costs anything: time window, interval, items, providers and currency."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import polars as pl

from common.currencies import EXACT_CURRENCY
from common.errors import ConfigError
from common.shards import Item
from common.text import escape, sanitize
from common.time_ranges import GRID, INTERVALS, Interval, TimeRange, ceil_to, floor_to
from connectors.series import Series
from connectors.tiers import TierLimits
from pipelines.backfill.request import BackfillRequest
from pipelines.catalogs import CatalogCache
from pipelines.item_files import comments_of, expand_files
from pipelines.planning.readable_names import ReadableNames
from pipelines.planning.selectors import ALL, resolve_items, resolve_providers, warn_of_comments

SERIES_NAMES: Final = {
    "points": "price history",
    "candles": "candles",
    "sales": "sales",
    "daily": "daily points",
}


@dataclasses.dataclass(frozen=True, slots=True)
class AllowedWindow:
    """The time that a tier includes of a series, at the time `now` (UTC): `days` back, None for any time."""

    tier: str
    series_name: str
    days: int | None
    now: datetime

    @property
    def since(self) -> datetime | None:
        """The earliest start (UTC), on the five-minute grid; None for any time."""
        return None if self.days is None else ceil_to(self.now - timedelta(days=self.days), GRID)

    def __str__(self) -> str:
        if self.since is None:
            return f"{self.series_name}: any time up to now, {format_minute(self.now)}"
        return (
            f"the {self.tier} tier has {self.series_name} of {self.days} days:"
            f" from {format_minute(self.since)} to {format_minute(self.now)} (now)"
        )


@dataclasses.dataclass(frozen=True, slots=True)
class ResolvedRequest:
    """The items, providers and currency of a request as the source names them.

    `items` None means sales of every item. `marketplaces` is the number of the source's providers: a shard
    without a provider may return rows of each.
    """

    items: tuple[Item, ...] | None
    providers: tuple[str, ...]
    every_provider: bool
    currency: str
    marketplaces: int


def format_minute(time: datetime) -> str:
    """Return a time for messages, in UTC, to the minute, or to the second if it is not a full minute."""
    time = time.astimezone(UTC)
    return f"{time:%Y-%m-%d %H:%M:%S} UTC" if time.second else f"{time:%Y-%m-%d %H:%M} UTC"


def allowed_window(
    series: Series, interval: Interval | None, limits: TierLimits, *, now: datetime
) -> AllowedWindow:
    """Return the time that a tier includes of a series, at the time `now` (UTC).

    Raises ConfigError, which names what the tier includes, if the tier does not include the series.
    """
    name, days = SERIES_NAMES[series], None
    if series == "candles":
        if interval is None:
            raise ConfigError("candles need an interval: --interval 5m, 1h or 1d")
        name, days = f"candles of {interval}", limits.candle_days(interval)
    elif interval is not None:
        raise ConfigError(f"an interval ({interval}) is for candles only: leave it out for {name}")
    elif series == "points":
        days = limits.history_days if limits.history else None
    elif limits.sales if series == "sales" else limits.daily:
        return AllowedWindow(limits.tier, name, None, now)
    if days is None:
        raise ConfigError(f"the {limits.tier} tier has no {name}; {_describe_tier(limits)}")
    return AllowedWindow(limits.tier, name, days, now)


def requested_window(request: BackfillRequest, limits: TierLimits, now: datetime) -> TimeRange:
    """Return the half-open window of a request (UTC); an open end is `now`, or of daily points midnight.

    Raises ConfigError, which names the allowed window, if the window is empty, in the future or starts
    before what the API keeps; and as `allowed_window`.
    """
    allowed = allowed_window(request.series, request.interval, limits, now=now)
    day = floor_to(now, INTERVALS["1d"])
    start, end = request.start, request.end or (day if request.series == "daily" else now)
    for name, time in (("start (--from)", start), ("end (--to)", end)):
        if time > now:
            raise ConfigError(f"the {name}, {format_minute(time)}, is in the future; {allowed}")
    if start >= end:
        raise ConfigError(
            f"the start (--from), {format_minute(start)}, is not before"
            f" the end (--to), {format_minute(end)}; {allowed}"
        )
    if allowed.since is not None and start < allowed.since:
        raise ConfigError(
            f"the start (--from), {format_minute(start)}, is before what the API still keeps; {allowed}"
        )
    return start, end


async def resolve_request(request: BackfillRequest, base: Path, catalogs: CatalogCache) -> ResolvedRequest:
    """Return the items, providers and currency that a request names; "file:PATH" is relative to `base`.

    Requests a catalog only if it is not cached. Raises ConfigError for another currency than USD and, with
    the nearest name, for an unknown name; UnexpectedResponse where the name may be in an entry of a catalog
    that cannot be read; and what the connector raises.
    """
    currency = _check_currency(request.currency)
    names = ReadableNames(catalogs)
    keys = await names.select_all("providers", request.providers, resolve_providers)
    marketplaces = await catalogs.providers()
    providers, every_provider = _choose_providers(request, keys, marketplaces)
    return ResolvedRequest(
        items=await _resolve_items(request, base, catalogs, names),
        providers=providers,
        every_provider=every_provider,
        currency=currency,
        marketplaces=marketplaces.height,
    )


def _check_currency(currency: str) -> str:
    """Return the currency in which a history is exact. Raises ConfigError for any other."""
    if currency.upper() == EXACT_CURRENCY:
        return EXACT_CURRENCY
    raise ConfigError(
        f"--currency {sanitize(currency, 20)}: a history is fetched in {EXACT_CURRENCY} only; the API rounds"
        " every other currency to minor units, and a price in bitcoin to 0"
    )


def _choose_providers(
    request: BackfillRequest, keys: tuple[str, ...], marketplaces: pl.DataFrame
) -> tuple[tuple[str, ...], bool]:
    """Return the keys of the providers, and whether they are all providers of this series."""
    every = list(request.providers) == [ALL]
    if request.series in {"points", "daily"} or (every and request.series == "candles"):
        return keys, every
    if request.series == "candles":
        raise ConfigError("a candle covers all providers together: leave the providers out")
    with_sales = tuple(marketplaces.filter(pl.col("has_recent_sales"))["provider"])
    without_sales = [] if every else [key for key in keys if key not in with_sales]
    if without_sales:
        others = ", ".join(map(escape, with_sales))
        raise ConfigError(f"no sales from {', '.join(map(escape, without_sales))}; {others} have sales")
    return (with_sales, True) if every else (keys, False)


async def _resolve_items(
    request: BackfillRequest, base: Path, catalogs: CatalogCache, names: ReadableNames
) -> tuple[Item, ...] | None:
    owner = "the backfill"
    entries = expand_files(request.items, base, owner)
    if list(entries) == [ALL]:
        if request.series == "sales":
            return None
        entries = ("*",)  # unlike "all", the glob selects the phases of an item instead of their aggregate
    catalog = await catalogs.items()
    warn_of_comments(comments_of(request.items, base, owner), catalog, owner)
    return await names.select_all("items", entries, resolve_items)


def _describe_tier(limits: TierLimits) -> str:
    days = {interval: limits.candle_days(interval) for interval in INTERVALS}
    parts = [
        f"candles of {interval}, {back} days back" for interval, back in days.items() if back is not None
    ]
    if limits.history:
        parts.append(f"price history, {limits.history_days} days back")
    if limits.sales:
        parts.append("sales")
    if limits.daily:
        parts.append("daily points of any time")
    return f"it has {'; '.join(parts)}" if parts else "it has no history"
