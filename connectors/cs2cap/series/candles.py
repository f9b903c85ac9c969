"""CS2Cap's candles over all providers: request parameters, and one response per window."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final

import polars as pl
from msgspec import Meta, Raw, Struct

from common.errors import UnexpectedResponse
from common.text import sanitize
from common.time_ranges import ceil_to, floor_to
from connectors.cs2cap.contract import Count, MinorUnits
from connectors.cs2cap.query import RequestedScope, check_currency, item_params
from connectors.cs2cap.series.parser import (
    MAX_TIMESTAMP,
    ItemFields,
    SeriesQuery,
    SeriesResponse,
    fingerprint_rows,
    iso8601,
    rows_to_frame,
)
from connectors.decoding import PageDecoder, RowDecoder
from connectors.schemas import CANDLES
from connectors.tiers import LOOKBACK_DAYS

PATH: Final = "/v1/prices/candles"
_DAY: Final = timedelta(days=1)
# The API's clock may reach midnight this much before ours.
_CLOCK_SKEW: Final = timedelta(minutes=5)
_SHORT_NAMES: Final = {"open": "o", "high": "h", "low": "l", "close": "c"}


class _Providers(Struct, gc=False, rename=_SHORT_NAMES):
    open: str | None = None
    high: str | None = None
    low: str | None = None
    close: str | None = None


class _Candle(Struct, kw_only=True, rename={**_SHORT_NAMES, "time": "t", "volume": "v", "quantity": "q"}):
    time: Annotated[int, Meta(ge=0, le=MAX_TIMESTAMP)]
    open: MinorUnits
    high: MinorUnits
    low: MinorUnits
    close: MinorUnits
    volume: Count
    quantity: Count | None = None
    providers: _Providers | None = None

    @property
    def start(self) -> datetime:
        """The start of the candle (UTC)."""
        return datetime.fromtimestamp(self.time, UTC)


class _Meta(ItemFields, kw_only=True):
    currency: str
    interval: str


class _CandlesResponse(Struct):
    meta: _Meta
    data: list[Raw]


_CANDLES: Final = RowDecoder(_Candle)
_RESPONSE: Final = PageDecoder(_CandlesResponse)


def build_params(query: SeriesQuery) -> list[tuple[str, str]]:
    """Return the parameters for a window, or for the days from now back to its start."""
    shard = query.shard
    window = [("start", iso8601(shard.start)), ("end", iso8601(shard.request_end))]
    if shard.lookback:
        window = [("lookback", f"{_days_back(shard.start, query.now)}d")]
    interval = [] if shard.interval is None else [("interval", shard.interval)]
    return [*item_params(shard.item), *window, *interval, ("currency", shard.currency)]


def _days_back(start: datetime, now: datetime) -> int:
    """Count the whole days before today, from the first that begins at or after `start`."""
    days = (floor_to(now + _CLOCK_SKEW, _DAY) - ceil_to(start, _DAY)) // _DAY
    return min(max(days, 1), LOOKBACK_DAYS)


def parse(body: bytes, query: SeriesQuery) -> SeriesResponse:
    """Parse the candles of a window, schema `CANDLES`.

    Raises UnexpectedResponse where the body holds no candles, or others than requested.
    """
    source, shard = query.source, query.shard
    response = _RESPONSE.decode_response(body, route=PATH, source=source)
    interval = response.meta.interval
    check_currency(response.meta.currency, shard.currency, source)
    if interval != shard.interval:
        raise UnexpectedResponse(
            f"requested candles of {shard.interval}, received {sanitize(interval, 20)}", source
        )
    if reason := RequestedScope(item=shard.item).find_item_mismatch(response.meta):
        raise UnexpectedResponse(reason, source)
    decoded = _CANDLES.decode_all(response.data, lambda candle: query.find_time_ahead(candle.start))
    rows = _to_frame(decoded.fitting, response.meta)
    fingerprint = fingerprint_rows(response.data)
    return SeriesResponse(rows, decoded.rejects, decoded.unknown_fields, fingerprint=fingerprint)


def _to_frame(candles: Sequence[_Candle], meta: _Meta) -> pl.DataFrame:
    count = len(candles)
    providers = [candle.providers or _Providers() for candle in candles]
    return rows_to_frame(
        candles,
        CANDLES,
        item_id=[str(meta.item_id)] * count,
        market_hash_name=[meta.market_hash_name] * count,
        phase=[meta.phase] * count,
        time=[candle.start for candle in candles],
        interval=[meta.interval] * count,
        open_provider=[each.open for each in providers],
        high_provider=[each.high for each in providers],
        low_provider=[each.low for each in providers],
        close_provider=[each.close for each in providers],
    )
