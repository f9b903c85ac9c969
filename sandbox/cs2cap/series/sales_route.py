"""`GET /v1/sales`: sales by filters, newest first, with cursors."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from sandbox.clock import iso, micros
from sandbox.cs2cap import params
from sandbox.cs2cap.keys import ApiKey, require_feature
from sandbox.cs2cap.series import cursors
from sandbox.cs2cap.series.sales import ItemTraits, Sale, SalesFeed
from sandbox.http_types import ApiError, ApiRequest, ApiResponse, Json, dumps
from sandbox.market.archive import MarketHistory
from sandbox.market.board import Quote
from sandbox.market.money import convert
from sandbox.market.providers import KEYS, SELLERS

Row = tuple[Sale, Quote, ItemTraits]


@dataclass(frozen=True, slots=True)
class SalesFilter:
    """The filters of a query; `low` and `high` are bounds of the wear."""

    providers: tuple[int, ...]
    phase: str | None
    low: float | None
    high: float | None
    seed: int | None
    stickers: frozenset[str]
    charm: str | None

    def matches(self, traits: ItemTraits) -> bool:
        """Return whether the traits of a sold item match."""
        wear = traits.wear
        return (
            (self.low is None or (wear is not None and wear >= self.low))
            and (self.high is None or (wear is not None and wear <= self.high))
            and self.seed in {None, traits.seed}
            and self.stickers <= _names(traits.stickers)
            and (self.charm is None or self.charm in _names(traits.charms))
        )


class SalesRoute:
    """Pages of sales; a sale that becomes known late appears between sales that were known before."""

    def __init__(self, archive: MarketHistory, feed: SalesFeed) -> None:
        self._market = archive.market
        self._feed = feed

    def respond(self, request: ApiRequest, key: ApiKey, now: datetime) -> ApiResponse:
        """Return a page. Raises ApiError."""
        require_feature(key.tier.sales, request)
        limit = params.parse_int(request, "limit", least=1, most=key.tier.sales) or key.tier.sales
        currency = params.parse_currency(request, self._market.rates)
        sales_filter = _parse_filter(request)
        after, places = cursors.decode_cursor(request, 3), self._parse_places(request)
        matching = self._filter(self._feed.sales(micros(now), places, after), sales_filter)
        positions = (((row[0].at, row[0].place, row[0].twin), row) for row in matching)
        rows, next_cursor = cursors.take_page(positions, limit)
        items: list[Json] = [self._sale_json(row, currency) for row in rows]
        meta: dict[str, Json] = {
            "currency": currency,
            "filters": {**_filters_json(request, sales_filter), "limit": limit},
            "providers_queried": [KEYS[provider] for provider in sales_filter.providers],
            "result_count": len(rows),
        }
        pagination = {**cursors.pagination_fields(limit, request, next_cursor), "offset": 0, "total": -1}
        return ApiResponse(body=dumps({"meta": meta, "items": items, "pagination": pagination}))

    def _parse_places(self, request: ApiRequest) -> list[int] | None:
        """Return the places of the requested item, None without one. An id wins over name and phase."""
        item_id, name = params.parse_int(request, "item_id"), request.one("market_hash_name")
        if item_id is None and name is None:
            return None
        selection = (None, name, params.parse_phase(request)) if item_id is None else (item_id, None, None)
        items = self._market.board.catalog.find(*selection)
        if not items:
            raise ApiError(404, None, f"Item not found: {name if item_id is None else item_id}")
        return self._feed.places(items[0])

    def _filter(self, sales: Iterator[tuple[Sale, Quote]], sales_filter: SalesFilter) -> Iterator[Row]:
        board = self._market.board
        for sale, quote in sales:
            provider, phase = board.provider_of[sale.place], board.item(sale.place).phase
            if provider in sales_filter.providers and sales_filter.phase in {None, phase}:
                traits = self._feed.traits(sale)
                if sales_filter.matches(traits):
                    yield sale, quote, traits

    def _sale_json(self, row: Row, currency: str) -> Json:
        sale, quote, traits = row
        item = self._market.board.item(sale.place)
        phase: dict[str, Json] = {"phase": item.phase} if item.phase else {}
        return {
            "date": iso(sale.at),
            "provider": KEYS[self._market.board.provider_of[sale.place]],
            "price": convert(quote.price, self._market.rates[currency]).minor,
            "currency": currency,
            "item_id": item.item_id,
            "market_hash_name": item.name,
            **phase,
            "float": traits.wear,
            "paint_seed": traits.seed,
            "stickers": traits.stickers,
            "charms": traits.charms,
            "inspect": traits.inspect,
        }


def _parse_filter(request: ApiRequest) -> SalesFilter:
    item_named = request.one("item_id") or request.one("market_hash_name")
    return SalesFilter(
        providers=_parse_sellers(request),
        phase=None if item_named else params.parse_phase(request),
        low=params.parse_float(request, "min_float", least=0, most=1),
        high=params.parse_float(request, "max_float", least=0, most=1),
        seed=params.parse_int(request, "paint_seed", least=0, most=1000),
        stickers=frozenset(request.all("stickers")),
        charm=request.one("charms"),
    )


def _parse_sellers(request: ApiRequest) -> tuple[int, ...]:
    positions = params.known_positions(request.all("providers"), "query")
    if missing := sorted(positions - set(SELLERS)):
        names = ", ".join(KEYS[position] for position in missing)
        raise ApiError(400, "BAD_REQUEST", f"Providers do not support Recent Sales: {names}")
    return tuple(sorted(positions)) or SELLERS


def _filters_json(request: ApiRequest, sales_filter: SalesFilter) -> dict[str, Json]:
    """Return `meta.filters`, which repeats the query."""
    filters: dict[str, Json] = {
        "item_id": params.parse_int(request, "item_id"),
        "market_hash_name": request.one("market_hash_name"),
        "phase": request.one("phase"),
        "requested_providers": [*request.all("providers")] or None,
        "min_float": sales_filter.low,
        "max_float": sales_filter.high,
        "paint_seed": sales_filter.seed,
        "stickers": [*sorted(sales_filter.stickers)] or None,
        "charms": sales_filter.charm,
    }
    return {name: value for name, value in filters.items() if value is not None}


def _names(parts: list[Json] | None) -> set[Json]:
    return {part["name"] for part in parts or () if isinstance(part, Mapping)}
