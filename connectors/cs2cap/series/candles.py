"""CS2Cap's candles, over all providers: a window in one answer, typed."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final

import polars as pl
from msgspec import Meta, Raw, Struct

from common.errors import UnexpectedResponse
from common.shards import SeriesShard
from common.text import sanitize
from common.time_ranges import ceil_to, floor_to
from connectors.cs2cap.series.parser import (
    Count,
    ItemFields,
    Minor,
    SeriesResponse,
    build_response,
    check_currency,
    check_items,
    decode_response,
    iso8601,
    item_params,
)
from connectors.rows import RowDecoder
from connectors.schemas import CANDLES
from connectors.tiers import LOOKBACK_DAYS

PATH: Final = "/v1/prices/candles"
_DAY: Final = timedelta(days=1)
# By how much the API's midnight may come before ours.
_SKEW: Final = timedelta(minutes=5)
# The calendar's last day: whatever is later is told in another unit.
_LAST_SECOND: Final = 253_402_214_400


class _Meta(ItemFields, kw_only=True):
    currency: str
    interval: str


class _Answer(Struct):
    meta: _Meta
    data: list[Raw]


class _Providers(Struct, gc=False):
    o: str | None = None
    h: str | None = None
    l: str | None = None  # noqa: E741 - the API's name
    c: str | None = None


class _Candle(Struct, kw_only=True):
    t: Annotated[int, Meta(ge=0, le=_LAST_SECOND)]
    o: Minor
    h: Minor
    l: Minor  # noqa: E741 - the API's name
    c: Minor
    v: Count
    q: Count | None = None
    providers: _Providers


_ROWS: Final = RowDecoder(_Candle)


def build_params(ask: SeriesShard, now: datetime) -> list[tuple[str, str]]:
    """Ask for a window, or for as many days back from `now` (UTC) as it takes."""
    window = [("start", iso8601(ask.start)), ("end", iso8601(ask.request_end))]
    if ask.lookback:
        window = [("lookback", f"{_days_back(ask.start, now)}d")]
    interval = [] if ask.interval is None else [("interval", ask.interval)]
    return [*item_params(ask.item), *window, *interval, ("currency", ask.currency)]


def _days_back(start: datetime, now: datetime) -> int:
    """Count the whole days from the first that begins at or after `start`; today is not one of them."""
    days = (floor_to(now + _SKEW, _DAY) - ceil_to(start, _DAY)) // _DAY
    return min(max(days, 1), LOOKBACK_DAYS)


def parse(body: bytes, ask: SeriesShard, source: str) -> SeriesResponse:
    """Type an answer, schema `CANDLES`; raises ContractBroken for what is none, or not one to `ask`."""
    answer = decode_response(body, _Answer, PATH, source)
    meta = answer.meta
    check_currency(meta.currency, ask, source)
    if meta.interval != ask.interval:
        raise UnexpectedResponse(
            f"asked for candles of {ask.interval}, got {sanitize(meta.interval, 20)}", source
        )
    decoded = _ROWS.decode_all(answer.data)
    rows = _frame(decoded.fitting, meta)
    check_items(rows, ask, source)
    return build_response(rows, decoded, answer.data)


def _frame(candles: Sequence[_Candle], meta: _Meta) -> pl.DataFrame:
    said = [candle.providers for candle in candles]
    count = len(candles)
    columns = {
        "item_id": [str(meta.item_id)] * count,
        "market_hash_name": [meta.market_hash_name] * count,
        "phase": [meta.phase] * count,
        "time": [datetime.fromtimestamp(candle.t, UTC) for candle in candles],
        "interval": [meta.interval] * count,
        "open": [candle.o for candle in candles],
        "high": [candle.h for candle in candles],
        "low": [candle.l for candle in candles],
        "close": [candle.c for candle in candles],
        "volume": [candle.v for candle in candles],
        "quantity": [candle.q for candle in candles],
        "open_provider": [providers.o for providers in said],
        "high_provider": [providers.h for providers in said],
        "low_provider": [providers.l for providers in said],
        "close_provider": [providers.c for providers in said],
    }
    return pl.DataFrame(columns, schema=CANDLES)
