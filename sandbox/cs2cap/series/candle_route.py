"""`GET /v1/prices/candles`: the candles of one item, without pages."""

import re
from datetime import datetime
from typing import NamedTuple

from sandbox.clock import DAY, HOUR, SECOND, iso, micros
from sandbox.cs2cap import params
from sandbox.cs2cap.keys import ApiKey, Tier
from sandbox.cs2cap.series.candles import Candle, CandleBuilder
from sandbox.http_types import ApiError, ApiRequest, ApiResponse, Json, dumps
from sandbox.market.archive import MarketHistory
from sandbox.market.catalog import Item
from sandbox.market.grid import SLOT, ceil, floor
from sandbox.market.money import convert
from sandbox.market.providers import KEYS

COMPLETE_AFTER = 900 * SECOND  # from the end of an hour until a lookback includes it
OLD_DAYS = 30  # daily candles of windows that begin earlier have no quantity
SMALL_PLAN_DAYS = 30  # lookback of the smaller plans
_LOOKBACK = re.compile(r"0*([1-9][0-9]{0,3})d?")
_REMOVED = {
    "cursor": "cursor parameter has been removed; /v1/prices/candles no longer supports pagination",
    "limit": "limit parameter has been removed; /v1/prices/candles no longer supports pagination",
    "provider": "provider parameter has been removed; /v1/prices/candles now returns composite candles"
    " across all providers",
}


class Interval(NamedTuple):
    """The length of a candle (microseconds), and the days for which the API keeps it."""

    name: str
    step: int
    days: int


INTERVALS = {
    each.name: each for each in (Interval("1d", DAY, 365), Interval("1h", HOUR, 30), Interval("5m", SLOT, 7))
}


class Window(NamedTuple):
    """Buckets that begin from `start` to before `end`, microseconds."""

    start: int
    end: int


class CandleRoute:
    """Candles of one item: only buckets with a point, unless `fill` is requested or points are `dense`."""

    def __init__(self, archive: MarketHistory, *, dense: bool) -> None:
        self._archive = archive
        self._market = archive.market
        self._dense = dense

    def respond(self, request: ApiRequest, key: ApiKey, now: datetime) -> ApiResponse:
        """Return the candles. Raises ApiError."""
        for name, detail in _REMOVED.items():
            if request.one(name) is not None:
                raise ApiError(400, None, detail)
        item_id, market_hash_name, phase = params.parse_item(request)
        interval = _parse_interval(request)
        window = _parse_window(request, interval, key.tier, now=micros(now))
        currency = params.parse_currency(request, self._market.rates)
        fill = params.parse_bool(request, "fill")
        items = self._market.board.catalog.find(item_id, market_hash_name, phase)
        if not items:
            raise ApiError(404, None, f"Item not found: {market_hash_name if item_id is None else item_id}")
        old = interval.step == DAY and window.start < micros(now) - OLD_DAYS * DAY
        candles = self._builder(items[0], interval, window, now=micros(now)).candles(
            interval.step, dense=self._dense, fill=fill
        )
        data: list[Json] = [self._candle_json(candle, currency, old=old) for candle in candles]
        meta = _meta_json(items[0], interval, window, currency=currency)
        return ApiResponse(body=dumps({"meta": meta, "data": data}))

    def _builder(self, item: Item, interval: Interval, window: Window, *, now: int) -> CandleBuilder:
        """Return a builder of whole buckets; the current bucket has no points after `now`."""
        step = interval.step
        start = ceil(window.start, step)
        # The builder needs the asks of the slot before, too.
        tracks = self._archive.tracks(item, since=start - SLOT)
        return CandleBuilder(tracks, start, min(ceil(window.end, step), now + 1))

    def _candle_json(self, candle: Candle, currency: str, *, old: bool) -> Json:
        rate = self._market.rates[currency]
        asks = {"o": candle.opened, "h": candle.high, "l": candle.low, "c": candle.close}
        return {
            "t": candle.time // SECOND,
            **{name: convert(ask.price, rate).minor for name, ask in asks.items()},
            "v": candle.points if old else candle.volume,
            "q": None if old else candle.quantity,
            "providers": {name: KEYS[ask.provider] for name, ask in asks.items()},
        }


def _meta_json(item: Item, interval: Interval, window: Window, *, currency: str) -> dict[str, Json]:
    phase: dict[str, Json] = {"phase": item.phase} if item.phase else {}
    return {
        "item_id": item.item_id,
        "market_hash_name": item.name,
        **phase,
        "provider": "All Providers",
        "currency": currency,
        "interval": interval.name,
        "start": iso(window.start),
        "end": iso(window.end),
    }


def _parse_interval(request: ApiRequest) -> Interval:
    name = request.one("interval") or "1d"
    if name not in INTERVALS:
        raise ApiError(400, None, f"interval must be one of: {', '.join(INTERVALS)}")
    return INTERVALS[name]


def _parse_window(request: ApiRequest, interval: Interval, tier: Tier, *, now: int) -> Window:
    """Return the requested window; the smaller plans have lookbacks of daily candles only."""
    most = interval.days if tier.history else min(interval.days, SMALL_PLAN_DAYS)
    if not tier.history:
        _check_small_plan(request, interval)
    start, end = params.parse_timestamp(request, "start"), params.parse_timestamp(request, "end")
    lookback = request.one("lookback")
    if lookback is not None or (start is None and end is None):
        days = most if lookback is None else _parse_days(lookback, interval, most)
        return _complete_window(interval, days, now)
    if start is not None and start < now - most * DAY:
        raise ApiError(400, None, f"start must be within last {most} days for {interval.name} interval")
    first, until = now - most * DAY if start is None else start, now + 1 if end is None else end
    if until <= first:
        raise ApiError(400, None, "end must be after start")
    return Window(first, until)


def _check_small_plan(request: ApiRequest, interval: Interval) -> None:
    refused = [name for name in ("start", "end", "fill") if request.one(name) is not None]
    if interval.step != DAY:
        refused.append(f"interval {interval.name}")
    if refused:
        raise ApiError(403, "FORBIDDEN", f"{refused[0]} is not enabled for this tier.")


def _parse_days(lookback: str, interval: Interval, most: int) -> int:
    matched = _LOOKBACK.fullmatch(lookback)
    if matched is None:
        raise ApiError(400, None, "lookback must be a duration (e.g. '7d', '30d')")
    if (days := int(matched[1])) > most:
        raise ApiError(400, None, f"lookback must be within last {most} days for {interval.name} interval")
    return days


def _complete_window(interval: Interval, days: int, now: int) -> Window:
    """Return a window of so many days whose last bucket is complete."""
    end = floor(now - (COMPLETE_AFTER if interval.step == HOUR else 0), interval.step)
    return Window(end - days * DAY, end)
