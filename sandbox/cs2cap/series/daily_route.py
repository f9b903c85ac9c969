"""`GET /v1/market/history/chart`: the closing price of each provider and UTC day, years deep."""

from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

from sandbox.clock import DAY, SECOND, iso, micros
from sandbox.cs2cap import params
from sandbox.cs2cap.keys import ApiKey, require_feature
from sandbox.http_types import ApiError, ApiRequest, ApiResponse, Json, dumps
from sandbox.market.archive import MarketHistory
from sandbox.market.catalog import Item
from sandbox.market.grid import ceil
from sandbox.market.money import convert
from sandbox.market.past import REACH
from sandbox.market.price_track import DELISTED
from sandbox.market.providers import KEYS
from sandbox.market.sides import ASKS


class DailyPoint(NamedTuple):
    """The last ask of a UTC day that begins at `time` (microseconds), US cents, and the quantity then."""

    time: int
    price: int
    quantity: int


class DailyRoute:
    """Daily points of one item; the point of the current day has the ask of now."""

    def __init__(self, archive: MarketHistory) -> None:
        self._archive = archive
        self._market = archive.market

    def points(self, item: Item, start: int, end: int, *, now: int) -> Iterator[tuple[int, list[DailyPoint]]]:
        """Yield the points of each provider (position) for the days that begin in a window, oldest first.

        A day that ends without an ask has no point. Times are microseconds.
        """
        first = max(ceil(start, DAY), ceil(self._archive.past.start - REACH, DAY))
        for provider, track in self._archive.tracks(item, since=first).items():
            closing = (
                (day, track.step_at(min(day + DAY - 1, now))) for day in range(first, min(end, now + 1), DAY)
            )
            yield (
                provider,
                [
                    DailyPoint(day, track.price[step], track.quantity[step])
                    for day, step in closing
                    if step >= 0 and track.price[step] != DELISTED
                ],
            )

    def respond(self, request: ApiRequest, key: ApiKey, now: datetime) -> ApiResponse:
        """Return the points. Raises ApiError."""
        require_feature(key.tier.daily, request)
        item_id, market_hash_name, phase = params.parse_item(request)
        start, end = _parse_window(request, micros(now), past=self._archive.past.start - REACH)
        currency = params.parse_currency(request, self._market.rates)
        positions = params.parse_providers(request, ASKS)
        params.parse_bool(request, "include_defunct")  # none of the sandbox's providers has shut down
        items = self._market.board.catalog.find(item_id, market_hash_name, phase)
        if not items:
            raise ApiError(404, None, f"Item not found: {market_hash_name if item_id is None else item_id}")
        rate = self._market.rates[currency]
        series: list[Json] = [
            {
                "provider": KEYS[provider],
                "data": [
                    {"t": each.time // SECOND, "price": convert(each.price, rate).minor, "qty": each.quantity}
                    for each in points
                ],
            }
            for provider, points in self.points(items[0], start, end, now=micros(now))
            if points and provider in positions
        ]
        meta: dict[str, Json] = {
            "item_id": items[0].item_id,
            "market_hash_name": items[0].name,
            "currency": currency,
            "start": iso(start),
            "end": iso(end),
            "providers": [each["provider"] for each in series if isinstance(each, dict)],
        }
        return ApiResponse(body=dumps({"meta": meta, "series": series}))


def _parse_window(request: ApiRequest, now: int, *, past: int) -> tuple[int, int]:
    """Return start and end of the window; by default all of the past. Raises ApiError."""
    start, end = params.parse_timestamp(request, "start"), params.parse_timestamp(request, "end")
    lookback = params.parse_int(request, "lookback", least=1)
    until = now + 1 if end is None else end
    first = past if start is None else start
    if lookback is not None:
        first = until - lookback * DAY
    if until <= first:
        raise ApiError(400, None, "end must be after start")
    return first, until
