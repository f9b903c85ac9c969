"""CS2Cap's daily points, years deep: request parameters, and one response per window for all providers.

The API tells the closing price of each marketplace and UTC day. Its quantity counts listings at some
marketplaces and sales at others.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import chain
from typing import Annotated, Final

import msgspec
import polars as pl
from msgspec import Meta, Raw, Struct

from common.errors import UnexpectedResponse
from common.field_counts import FieldCounts
from connectors.cs2cap.contract import Count, Int64, MinorUnits, NonEmptyStr
from connectors.cs2cap.query import RequestedScope, check_currency, check_requested, item_params
from connectors.cs2cap.series.parser import (
    MAX_TIMESTAMP,
    SeriesQuery,
    SeriesResponse,
    fingerprint_rows,
    iso8601,
)
from connectors.decoding import DecodedRows, PageDecoder, RowDecoder, decode_each
from connectors.pages import Reject
from connectors.schemas import DAILY

PATH: Final = "/v1/market/history/chart"


class _DailyPoint(Struct, kw_only=True, rename={"time": "t", "amount": "price", "quantity": "qty"}):
    time: Annotated[int, Meta(ge=0, le=MAX_TIMESTAMP)]
    amount: MinorUnits
    quantity: Count | None = None

    @property
    def midnight(self) -> datetime:
        """The start of the day (UTC)."""
        return datetime.fromtimestamp(self.time, UTC)


class _ProviderSeries(Struct):
    provider: NonEmptyStr
    data: list[Raw] = []


class _Meta(Struct, kw_only=True):
    item_id: Int64
    market_hash_name: NonEmptyStr
    currency: str


class _ChartResponse(Struct):
    meta: _Meta
    series: list[Raw] = []


_POINTS: Final = RowDecoder(_DailyPoint)
_SERIES: Final = PageDecoder(_ProviderSeries)
_RESPONSE: Final = PageDecoder(_ChartResponse)
_SECONDS_A_DAY: Final = 86_400


def build_params(query: SeriesQuery) -> list[tuple[str, str]]:
    """Return the parameters for the days of a window, of one provider or of all."""
    shard = query.shard
    provider = [] if shard.provider is None else [("providers", shard.provider)]
    window = [("start", iso8601(shard.start)), ("end", iso8601(shard.end))]
    return [*item_params(shard.item), *provider, *window, ("currency", shard.currency)]


def parse(body: bytes, query: SeriesQuery) -> SeriesResponse:
    """Parse the points of a window, schema `DAILY`, times are the midnights that begin the days (UTC).

    Raises UnexpectedResponse where the body holds no points, or others than requested.
    """
    source, shard = query.source, query.shard
    response = _RESPONSE.decode_response(body, route=PATH, source=source)
    check_currency(response.meta.currency, shard.currency, source)
    if reason := RequestedScope(item=shard.item).find_item_mismatch(response.meta):
        raise UnexpectedResponse(reason, source)
    series, odd = decode_each(
        _SERIES, response.series, lambda one: query.find_provider_mismatch(one.provider)
    )
    check_requested(odd, len(series), route=PATH, source=source)
    points = [(query.providers[one.provider], _decode_points(one, query)) for one in series]
    unknown = FieldCounts()
    for _, decoded in points:
        unknown.add(decoded.unknown_fields)
    rejects = (*odd, *chain.from_iterable(_name_provider(key, decoded) for key, decoded in points))
    return SeriesResponse(
        rows=_to_frame(points, response.meta, phase=shard.item and shard.item.phase),
        rejects=rejects,
        unknown_fields=dict(unknown),
        fingerprint=fingerprint_rows(response.series),
    )


def _decode_points(series: _ProviderSeries, query: SeriesQuery) -> DecodedRows[_DailyPoint]:
    def find_mismatch(point: _DailyPoint) -> str | None:
        if point.time % _SECONDS_A_DAY:
            return f"its time, {point.midnight:%Y-%m-%d %H:%M:%S} UTC, is not the midnight that begins a day"
        return query.find_time_ahead(point.midnight)

    return _POINTS.decode_all(series.data, find_mismatch)


def _name_provider(key: str, decoded: DecodedRows[_DailyPoint]) -> Iterator[Reject]:
    """Yield the rejects of a provider with its key, which the text of a point lacks."""
    name = msgspec.json.encode(key).decode()
    for reject in decoded.rejects:
        yield Reject(reject.reason, f'{{"provider":{name},"point":{reject.raw}}}')


def _to_frame(
    points: list[tuple[str, DecodedRows[_DailyPoint]]], meta: _Meta, *, phase: str | None
) -> pl.DataFrame:
    # The response names no phase; the id of an item is that of its phase.
    rows = [(key, point) for key, decoded in points for point in decoded.fitting]
    columns = {
        "item_id": pl.repeat(str(meta.item_id), len(rows), eager=True),
        "market_hash_name": pl.repeat(meta.market_hash_name, len(rows), eager=True),
        "phase": pl.repeat(phase, len(rows), dtype=pl.String, eager=True),
        "provider": [key for key, _ in rows],
        "time": [point.midnight for _, point in rows],
        "amount": [point.amount for _, point in rows],
        "quantity": [point.quantity for _, point in rows],
    }
    return pl.DataFrame(columns, schema_overrides=DAILY)
