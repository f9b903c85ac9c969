"""CS2Cap's candles, over all providers: a window in one answer, typed."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final

import polars as pl
from msgspec import Meta, Raw, Struct

from connectors.cs2cap_sift import (
    Count,
    Minor,
    Named,
    Told,
    about,
    check_currency,
    check_items,
    decoded,
    sift,
    told,
    written,
)
from connectors.errors import ContractBroken, plain
from connectors.series import SeriesAsk, ceiled, floored
from connectors.series_frames import CANDLES
from connectors.terms import LOOKBACK_DAYS

PATH: Final = "/v1/prices/candles"

_DAY: Final = timedelta(days=1)
# By how much the API's midnight may come before ours.
_SKEW: Final = timedelta(minutes=5)
# The calendar's last day: whatever is later is told in another unit.
_LAST_SECOND: Final = 253_402_214_400


class _Meta(Named, kw_only=True):
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


def params(ask: SeriesAsk, now: datetime) -> list[tuple[str, str]]:
    """Ask for a window, or for as many days back from `now` (UTC) as it takes."""
    window = [("start", written(ask.start)), ("end", written(ask.until))]
    if ask.lookback:
        window = [("lookback", f"{_days_back(ask.start, now)}d")]
    interval = [] if ask.interval is None else [("interval", ask.interval)]
    return [*about(ask.item), *window, *interval, ("currency", ask.currency)]


def _days_back(start: datetime, now: datetime) -> int:
    """Count the whole days from the first that begins at or after `start`; today is not one of them."""
    days = (floored(now + _SKEW, _DAY) - ceiled(start, _DAY)) // _DAY
    return min(max(days, 1), LOOKBACK_DAYS)


def read(body: bytes, ask: SeriesAsk, source: str) -> Told:
    """Type an answer, schema `CANDLES`; raises ContractBroken for what is none, or not one to `ask`."""
    answer = decoded(body, _Answer, PATH, source)
    meta = answer.meta
    check_currency(meta.currency, ask, source)
    if meta.interval != ask.interval:
        raise ContractBroken(f"asked for candles of {ask.interval}, got {plain(meta.interval, 20)}", source)
    sifted = sift(answer.data, _Candle, lambda _: None)
    rows = _frame(sifted.fitting, meta)
    check_items(rows, ask, source)
    return told(rows, sifted)


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
