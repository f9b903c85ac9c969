"""`GET /v1/prices/history`: raw points on the grid, newest first, with cursors."""

from collections.abc import Iterator
from datetime import datetime
from heapq import merge
from typing import NamedTuple

from sandbox.clock import DAY, iso, micros
from sandbox.cs2cap import params
from sandbox.cs2cap.keys import ApiKey, require_feature
from sandbox.cs2cap.rendering import item_fields
from sandbox.cs2cap.series import cursors
from sandbox.http_types import ApiError, ApiRequest, ApiResponse, Json, dumps
from sandbox.market.archive import MarketHistory
from sandbox.market.catalog import Item
from sandbox.market.grid import SLOT, ceil, floor
from sandbox.market.money import convert
from sandbox.market.price_track import DELISTED, PriceTrack
from sandbox.market.providers import PROVIDERS

RETENTION_DAYS = 35
DEFAULT_DAYS = 14


class Point(NamedTuple):
    """The ask of one provider (position) at a time of the grid (microseconds), US cents."""

    time: int
    provider: int
    price: int
    quantity: int


class HistoryRoute:
    """Points where price or quantity changed since the slot before, or (`dense`) at every slot."""

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
        """Yield the points of an item from `start` to before `end`, newest first, `after` a position.

        A position is a time and a provider; within a slot, providers are in the order of their keys.
        """
        points = (
            self._track_points(track, position, start=start, last=_last_time(end, position, after))
            for position, track in self._archive.tracks(item).items()
            if provider in {None, position}
        )
        return merge(*points, key=lambda point: (-point.time, point.provider))

    def respond(self, request: ApiRequest, key: ApiKey, now: datetime) -> ApiResponse:
        """Return a page. Raises ApiError."""
        require_feature(key.tier.history, request)
        limit = params.parse_int(request, "limit", least=1, most=key.tier.page) or key.tier.page
        currency = params.parse_currency(request, self._market.rates)
        provider = params.parse_provider(request)
        after = cursors.decode_cursor(request, 2)
        start, end = _parse_window(request, micros(now))
        items = self._market.board.catalog.find(*params.parse_item(request))
        points = (
            ((point.time, point.provider), (item, point))
            for item in items[:1]
            for point in self.points(item, start, end, provider=provider, after=after)
        )
        rows, next_cursor = cursors.take_page(points, limit)
        lines = ",".join([self._render(item, point, currency) for item, point in rows])
        filters = _filters_json(request, start)
        meta = dumps({"currency": currency, "filters": filters, "result_count": len(rows)}).decode()
        pagination = dumps(cursors.pagination_fields(limit, request, next_cursor)).decode()
        return ApiResponse(body=f'{{"meta":{meta},"items":[{lines}],"pagination":{pagination}}}'.encode())

    def _track_points(self, track: PriceTrack, provider: int, *, start: int, last: int) -> Iterator[Point]:
        if self._dense:
            for slot in range(floor(last), start - 1, -SLOT):
                if (step := track.step_at(slot)) >= 0 and track.price[step] != DELISTED:
                    yield Point(slot, provider, track.price[step], quantity=track.quantity[step])
            return
        later = last + SLOT
        for step in range(track.step_at(floor(last)), -1, -1):
            if (slot := ceil(track.at[step])) < start:
                return
            if slot < later and track.price[step] != DELISTED:
                yield Point(slot, provider, track.price[step], quantity=track.quantity[step])
            later = slot

    def _render(self, item: Item, point: Point, currency: str) -> str:
        price = convert(point.price, self._market.rates[currency]).minor
        return (
            f'{{"time":"{iso(point.time)}",{item_fields(item)},"provider":"{PROVIDERS[point.provider].name}",'
            f'"price":{price},"currency":"{currency}","quantity":{point.quantity}}}'
        )


def _last_time(end: int, provider: int, after: cursors.CursorPosition | None) -> int:
    """Return the last time at which a page can have points of a provider."""
    if after is None:
        return end - 1
    return min(end - 1, after[0] if provider > after[1] else after[0] - SLOT)


def _parse_window(request: ApiRequest, now: int) -> tuple[int, int]:
    """Return start and end of the requested window, with nothing after `now`. Raises ApiError."""
    start, end = params.parse_timestamp(request, "start"), params.parse_timestamp(request, "end")
    for name, at in (("start", start), ("end", end)):
        if at is not None and at < now - RETENTION_DAYS * DAY:
            raise ApiError(400, None, f"{name} must be within the last {RETENTION_DAYS} days")
    first = now - DEFAULT_DAYS * DAY if start is None else start
    if first >= (now + 1 if end is None else end):
        raise ApiError(400, None, "end must be after start")
    return first, now + 1 if end is None else min(end, now + 1)


def _filters_json(request: ApiRequest, start: int) -> dict[str, Json]:
    item_id, name, phase = params.parse_item(request)
    end = params.parse_timestamp(request, "end")
    filters: dict[str, Json] = {
        "item_id": item_id,
        "market_hash_name": name,
        "phase": phase,
        "provider": request.one("provider"),
        "start": iso(start),
        "end": None if end is None else iso(end),
    }
    return {key: value for key, value in filters.items() if value is not None}
