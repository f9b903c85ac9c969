"""`GET /v1/prices/history`: raw points on the grid, newest first, by cursor."""

from collections.abc import Iterator
from datetime import datetime
from heapq import merge
from typing import NamedTuple

from sandbox.clock import iso, micros
from sandbox.cs2cap import params
from sandbox.cs2cap.keys import ApiKey, require_feature
from sandbox.cs2cap.rendering import item_fields
from sandbox.cs2cap.series import cursors
from sandbox.http_types import ApiError, ApiRequest, ApiResponse, Json, dumps
from sandbox.market.archive import MarketHistory
from sandbox.market.catalog import Item
from sandbox.market.grid import DAY, SLOT, ceil, floor
from sandbox.market.money import convert
from sandbox.market.price_track import DELISTED, PriceTrack
from sandbox.market.providers import PROVIDERS

RETENTION = 35  # days
DEFAULT = 14  # days


class Point(NamedTuple):
    """What one provider (position) asked at a moment of the grid (microseconds), in US cents."""

    time: int
    provider: int
    price: int
    quantity: int


class HistoryRoute:
    """Tells a point where price or quantity changed since the slot before, or (`dense`) at every slot."""

    def __init__(self, archive: MarketHistory, *, dense: bool) -> None:
        self._archive = archive
        self._market = archive.market
        self._dense = dense

    def points(
        self,
        item: Item,
        start: int,
        end: int,
        *,
        provider: int | None = None,
        after: cursors.CursorPosition | None = None,
    ) -> Iterator[Point]:
        """Yield an item's points from `start` on and before `end`, the newest first, those `after` a place.

        A place is a moment and a provider; within a slot, providers come in their order.
        """
        tracks = self._archive.tracks(item)
        wanted = [position for position in tracks if provider in {None, position}]
        each = (
            self._of(tracks[position], position, start, _last(end, position, after)) for position in wanted
        )
        return merge(*each, key=lambda point: (-point.time, point.provider))

    def answer(self, request: ApiRequest, key: ApiKey, now: datetime) -> ApiResponse:
        """Return a page, or raise the Refusal that the rules call for."""
        require_feature(key.tier.history, request)
        limit = params.parse_int(request, "limit", least=1, most=key.tier.page) or key.tier.page
        currency, provider = (
            params.parse_currency(request, self._market.rates),
            params.parse_provider(request),
        )
        after = cursors.decode_cursor(request, 2)
        start, end = _window(request, micros(now))
        named = params.parse_item(request)
        found = self._market.board.catalog.find(*named)
        told = (
            ((point.time, point.provider), (item, point))
            for item in found[:1]
            for point in self.points(item, start, end, provider=provider, after=after)
        )
        rows, following = cursors.take_page(told, limit)
        lines = ",".join([self._line(item, point, currency) for item, point in rows])
        meta = dumps(_meta(request, currency, len(rows), start)).decode()
        tail = dumps(cursors.pagination_fields(limit, request, following)).decode()
        return ApiResponse(body=f'{{"meta":{meta},"items":[{lines}],"pagination":{tail}}}'.encode())

    def _of(self, track: PriceTrack, provider: int, start: int, last: int) -> Iterator[Point]:
        if self._dense:
            for slot in range(floor(last), start - 1, -SLOT):
                if (step := track.until(slot)) >= 0 and track.price[step] != DELISTED:
                    yield Point(slot, provider, track.price[step], track.quantity[step])
            return
        later = last + SLOT
        for step in range(track.until(floor(last)), -1, -1):
            if (slot := ceil(track.at[step])) < start:
                return
            if slot < later and track.price[step] != DELISTED:
                yield Point(slot, provider, track.price[step], track.quantity[step])
            later = slot

    def _line(self, item: Item, point: Point, currency: str) -> str:
        price = convert(point.price, self._market.rates[currency]).minor
        return (
            f'{{"time":"{iso(point.time)}",{item_fields(item)},"provider":"{PROVIDERS[point.provider].name}",'
            f'"price":{price},"currency":"{currency}","quantity":{point.quantity}}}'
        )


def _last(end: int, provider: int, after: cursors.CursorPosition | None) -> int:
    """Return the last moment at which a provider's points may stand."""
    if after is None:
        return end - 1
    return min(end - 1, after[0] if provider > after[1] else after[0] - SLOT)


def _window(request: ApiRequest, now: int) -> tuple[int, int]:
    """Return from when on and before when: what is asked for, as far as it has come to pass."""
    start, end = params.parse_timestamp(request, "start"), params.parse_timestamp(request, "end")
    for name, asked in (("start", start), ("end", end)):
        if asked is not None and asked < now - RETENTION * DAY:
            raise ApiError(400, None, f"{name} must be within the last {RETENTION} days")
    first = now - DEFAULT * DAY if start is None else start
    if first >= (now + 1 if end is None else end):
        raise ApiError(400, None, "end must be after start")
    return first, now + 1 if end is None else min(end, now + 1)


def _meta(request: ApiRequest, currency: str, rows: int, start: int) -> dict[str, Json]:
    item_id, name, phase = params.parse_item(request)
    end = params.parse_timestamp(request, "end")
    asked: dict[str, Json] = {
        "item_id": item_id,
        "market_hash_name": name,
        "phase": phase,
        "provider": request.one("provider"),
        "start": iso(start),
        "end": None if end is None else iso(end),
    }
    filters = {key: value for key, value in asked.items() if value is not None}
    return {"currency": currency, "filters": filters, "result_count": rows}
