"""`GET /v1/prices/candles`: which candles a question means, who may ask it, and how they are told."""

import re
from datetime import datetime
from typing import NamedTuple

from sandbox.clock import iso, micros
from sandbox.cs2cap import params
from sandbox.cs2cap.keys import ApiKey, Tier
from sandbox.cs2cap.series.candles import Candle, CandleBuilder
from sandbox.http_types import ApiError, ApiRequest, ApiResponse, Json, dumps
from sandbox.market.archive import MarketHistory
from sandbox.market.catalog import Item
from sandbox.market.grid import DAY, HOUR, SECOND, SLOT, ceil, floor
from sandbox.market.money import convert
from sandbox.market.providers import KEYS

FRESH = 900 * SECOND  # an hour counts as complete for a lookback when it has been over so long
OLD = 30  # days: of windows that begin before, daily candles tell no quantity
SMALL = 30  # days that the smaller plans may look back
_LOOKBACK = re.compile(r"0*([1-9][0-9]{0,3})d?")
_REMOVED = {
    "cursor": "cursor parameter has been removed; /v1/prices/candles no longer supports pagination",
    "limit": "limit parameter has been removed; /v1/prices/candles no longer supports pagination",
    "provider": "provider parameter has been removed; /v1/prices/candles now returns composite candles"
    " across all providers",
}


class Interval(NamedTuple):
    """How long a candle is (microseconds), and for how many days it is kept."""

    name: str
    step: int
    days: int


INTERVALS = {
    each.name: each for each in (Interval("1d", DAY, 365), Interval("1h", HOUR, 30), Interval("5m", SLOT, 7))
}


class Window(NamedTuple):
    """Buckets that begin from `start` on and before `end`, microseconds."""

    start: int
    end: int


class CandleRoute:
    """Answers with candles of one item; sparse, unless they are filled or points come at every slot."""

    def __init__(self, archive: MarketHistory, *, dense: bool) -> None:
        self._archive = archive
        self._market = archive.market
        self._dense = dense

    def answer(self, request: ApiRequest, key: ApiKey, now: datetime) -> ApiResponse:
        """Return the candles asked for, or raise the Refusal that the rules call for."""
        for name, detail in _REMOVED.items():
            if request.one(name) is not None:
                raise ApiError(400, None, detail)
        asked = params.parse_item(request)
        interval = _interval(request)
        window = _window(request, interval, key.tier, micros(now))
        currency, fill = (
            params.parse_currency(request, self._market.rates),
            params.parse_bool(request, "fill"),
        )
        found = self._market.board.catalog.find(*asked)
        if not found:
            raise ApiError(404, None, f"Item not found: {asked[1] if asked[0] is None else asked[0]}")
        old = interval.step == DAY and window.start < micros(now) - OLD * DAY
        chart = self._chart(found[0], interval, window, micros(now))
        told = chart.candles(interval.step, dense=self._dense, fill=fill)
        data: list[Json] = [self._told(candle, currency, old=old) for candle in told]
        return ApiResponse(body=dumps({"meta": _meta(found[0], currency, interval, window), "data": data}))

    def _chart(self, item: Item, interval: Interval, window: Window, now: int) -> CandleBuilder:
        """Return the chart of whole buckets, the one that is still open as far as it has come to pass."""
        tracks, step = self._archive.tracks(item, old=interval.step == DAY), interval.step
        return CandleBuilder(tracks, ceil(window.start, step), min(ceil(window.end, step), now + 1))

    def _told(self, candle: Candle, currency: str, *, old: bool) -> Json:
        rate = self._market.rates[currency]
        asks = {"o": candle.opened, "h": candle.high, "l": candle.low, "c": candle.close}
        return {
            "t": candle.time // SECOND,
            **{name: convert(ask.price, rate).minor for name, ask in asks.items()},
            "v": candle.points if old else candle.volume,
            "q": None if old else candle.quantity,
            "providers": {name: KEYS[ask.provider] for name, ask in asks.items()},
        }


def _meta(item: Item, currency: str, interval: Interval, window: Window) -> dict[str, Json]:
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


def _interval(request: ApiRequest) -> Interval:
    asked = request.one("interval") or "1d"
    if asked not in INTERVALS:
        raise ApiError(400, None, f"interval must be one of: {', '.join(INTERVALS)}")
    return INTERVALS[asked]


def _window(request: ApiRequest, interval: Interval, tier: Tier, now: int) -> Window:
    """Return the window asked for; the smaller plans may look back for daily candles, and nothing else."""
    most = interval.days if tier.history else min(interval.days, SMALL)
    if not tier.history:
        _must_be_small(request, interval)
    start, end = params.parse_timestamp(request, "start"), params.parse_timestamp(request, "end")
    text = request.one("lookback")
    if text is not None or (start is None and end is None):
        return _back(interval, most if text is None else _days(text, interval, most), now)
    if start is not None and start < now - most * DAY:
        raise ApiError(400, None, f"start must be within last {most} days for {interval.name} interval")
    first, until = now - most * DAY if start is None else start, now + 1 if end is None else end
    if until <= first:
        raise ApiError(400, None, "end must be after start")
    return Window(first, until)


def _must_be_small(request: ApiRequest, interval: Interval) -> None:
    asked = [name for name in ("start", "end", "fill") if request.one(name) is not None]
    if interval.step != DAY:
        asked.append(f"interval {interval.name}")
    if asked:
        raise ApiError(403, "FORBIDDEN", f"{asked[0]} is not enabled for this tier.")


def _days(text: str, interval: Interval, most: int) -> int:
    matched = _LOOKBACK.fullmatch(text)
    if matched is None:
        raise ApiError(400, None, "lookback must be a duration (e.g. '7d', '30d')")
    if (days := int(matched[1])) > most:
        raise ApiError(400, None, f"lookback must be within last {most} days for {interval.name} interval")
    return days


def _back(interval: Interval, days: int, now: int) -> Window:
    """Return a window of so many days whose last bucket is complete."""
    end = floor(now - (FRESH if interval.step == HOUR else 0), interval.step)
    return Window(end - days * DAY, end)
