"""What may be asked of the past: the window, the interval, the items and providers; said before it costs."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import polars as pl

from common.errors import ConfigError
from common.shards import Item
from common.time_ranges import GRID, ceil_to
from connectors.tiers import TierLimits
from pipelines.backfill.request import BackfillRequest, Interval, Series
from pipelines.catalogs import CatalogCache
from pipelines.config import expanded
from pipelines.planning.selectors import ALL, resolve_currencies, resolve_items, resolve_providers

INTERVALS: Final[tuple[Interval, ...]] = ("5m", "1h", "1d")
NAMES: Final = {"points": "price history", "candles": "candles", "sales": "sales"}


@dataclasses.dataclass(frozen=True, slots=True)
class AllowedWindow:
    """What a tier lets one ask of a series at the moment `now` (UTC): `days` back, None for any past."""

    tier: str
    what: str
    days: int | None
    now: datetime

    @property
    def since(self) -> datetime | None:
        """The earliest start, on the five-minute grid, UTC."""
        return None if self.days is None else ceil_to(self.now - timedelta(days=self.days), GRID)

    def __str__(self) -> str:
        if self.since is None:
            return f"{self.what}: any time up to now, {format_minute(self.now)}"
        return (
            f"the {self.tier} tier has {self.what} of {self.days} days: from {format_minute(self.since)} to"
            f" {format_minute(self.now)} (now)"
        )


@dataclasses.dataclass(frozen=True, slots=True)
class ResolvedRequest:
    """What a request names, in the source's own words. `items` None: sales of everything.

    `marketplaces` is how many providers the source has: a walk that names none may tell of each.
    """

    items: tuple[Item, ...] | None
    providers: tuple[str, ...]
    every_provider: bool
    currency: str
    marketplaces: int


def format_minute(when: datetime) -> str:
    """A moment as errors tell it, to the minute, or the second where that says more."""
    when = when.astimezone(UTC)
    return f"{when:%Y-%m-%d %H:%M:%S} UTC" if when.second else f"{when:%Y-%m-%d %H:%M} UTC"


def allowed_window(
    series: Series, interval: Interval | None, terms: TierLimits, now: datetime
) -> AllowedWindow:
    """What the tier of `terms` lets one ask of a series at the moment `now` (UTC).

    Raises ConfigError, with what the tier has, where it has nothing of this series.
    """
    what, days = NAMES[series], None
    if series == "candles":
        if interval is None:
            raise ConfigError("say which candles: --interval 5m, 1h or 1d")
        what, days = f"candles of {interval}", terms.candle_days(interval)
    elif interval is not None:
        raise ConfigError(f"an interval ({interval}) is for candles only: leave it out for {what}")
    elif series == "points":
        days = terms.history_days if terms.history else None
    elif terms.sales:
        return AllowedWindow(terms.tier, what, None, now)
    if days is None:
        raise ConfigError(f"the {terms.tier} tier has no {what}; {_describe_tier(terms)}")
    return AllowedWindow(terms.tier, what, days, now)


def requested_window(request: BackfillRequest, terms: TierLimits, now: datetime) -> tuple[datetime, datetime]:
    """The half-open window of a request, UTC, its open end being `now`.

    Raises ConfigError, naming the window that the tier allows, for one that is empty, lies in the future or
    begins before what the API keeps; and as `allowed`.
    """
    may = allowed_window(request.series, request.interval, terms, now)
    start, end = request.start, request.end or now
    for name, when in (("start (--from)", start), ("end (--to)", end)):
        if when > now:
            raise ConfigError(f"the {name}, {format_minute(when)}, lies in the future; {may}")
    if start >= end:
        raise ConfigError(
            f"the start (--from), {format_minute(start)}, is not before"
            f" the end (--to), {format_minute(end)}; {may}"
        )
    if may.since is not None and start < may.since:
        raise ConfigError(
            f"the start (--from), {format_minute(start)}, is before what the API still keeps; {may}"
        )
    return start, end


async def resolve_request(request: BackfillRequest, base: Path, catalogs: CatalogCache) -> ResolvedRequest:
    """The items, providers and currency that a request names; "file:PATH" starts from `base`.

    Asks the source for catalogs only where none is at hand. Raises ConfigError with the nearest name for what
    the source does not know, and what the connector raises.
    """
    marketplaces = await catalogs.providers()
    providers, every = _providers(request, marketplaces)
    upper = request.currency.upper()
    (currency,) = resolve_currencies([upper], None if upper == "USD" else await catalogs.fx())
    items = await _items(request, base, catalogs)
    return ResolvedRequest(items, providers, every, currency, marketplaces.height)


def _providers(request: BackfillRequest, marketplaces: pl.DataFrame) -> tuple[tuple[str, ...], bool]:
    """The providers' keys, and whether these are all that there are for this series."""
    named = resolve_providers(request.providers, marketplaces)
    every = list(request.providers) == [ALL]
    if request.series == "points" or (every and request.series == "candles"):
        return named, every
    if request.series == "candles":
        raise ConfigError("a candle is of all providers together: leave the providers out")
    telling = tuple(marketplaces.filter(pl.col("has_recent_sales"))["provider"])
    silent = [] if every else [key for key in named if key not in telling]
    if silent:
        raise ConfigError(f"no sales are told by {', '.join(silent)}; {', '.join(telling)} tell theirs")
    return (telling, True) if every else (named, False)


async def _items(request: BackfillRequest, base: Path, catalogs: CatalogCache) -> tuple[Item, ...] | None:
    wanted = expanded(request.items, base, "the backfill")
    if list(wanted) == [ALL]:
        if request.series == "sales":
            return None
        wanted = ("*",)  # as a walk of the whole catalog: phases instead of their aggregate
    return resolve_items(wanted, await catalogs.items())


def _describe_tier(terms: TierLimits) -> str:
    """What of the past a tier has, in words."""
    days = {interval: terms.candle_days(interval) for interval in INTERVALS}
    has = [f"candles of {interval}, {back} days back" for interval, back in days.items() if back is not None]
    if terms.history:
        has.append(f"price history, {terms.history_days} days back")
    if terms.sales:
        has.append("sales")
    return f"it has {'; '.join(has)}" if has else "it tells nothing of the past"
