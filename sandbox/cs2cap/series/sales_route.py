"""`GET /v1/sales`: which sales a question names, newest first, by cursor."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from sandbox.clock import iso, micros
from sandbox.cs2cap import params
from sandbox.cs2cap.keys import ApiKey, require_feature
from sandbox.cs2cap.series import cursors
from sandbox.cs2cap.series.sales import SELLERS, ItemTraits, Sale, SalesFeed
from sandbox.http_types import ApiError, ApiRequest, ApiResponse, Json, dumps
from sandbox.market.archive import MarketHistory
from sandbox.market.board import Quote
from sandbox.market.money import convert
from sandbox.market.providers import KEYS

Row = tuple[Sale, Quote, ItemTraits]


@dataclass(frozen=True, slots=True)
class SalesFilter:
    """What a piece must be to be told."""

    providers: tuple[int, ...]
    phase: str | None
    low: float | None
    high: float | None
    seed: int | None
    stickers: frozenset[str]
    charm: str | None

    def matches(self, traits: ItemTraits) -> bool:
        """Return whether the piece is what is wanted."""
        wear = traits.wear
        return (
            (self.low is None or (wear is not None and wear >= self.low))
            and (self.high is None or (wear is not None and wear <= self.high))
            and self.seed in {None, traits.seed}
            and self.stickers <= _names(traits.stickers)
            and (self.charm is None or self.charm in _names(traits.charms))
        )


class SalesRoute:
    """Answers with pages of sales; what is told late appears in the middle of what was told before."""

    def __init__(self, archive: MarketHistory, sales: SalesFeed) -> None:
        self._market = archive.market
        self._sales = sales

    def answer(self, request: ApiRequest, key: ApiKey, now: datetime) -> ApiResponse:
        """Return a page, or raise the Refusal that the rules call for."""
        require_feature(key.tier.sales, request)
        limit = params.parse_int(request, "limit", least=1, most=key.tier.sales) or key.tier.sales
        currency, wanted = params.parse_currency(request, self._market.rates), _wanted(request)
        after, places = cursors.decode_cursor(request, 3), self._places(request)
        feed = self._sales.feed(micros(now), places, after)
        found = (((row[0].at, row[0].place, row[0].twin), row) for row in self._fitting(feed, wanted))
        rows, following = cursors.take_page(found, limit)
        told: list[Json] = [self._told(*row, currency) for row in rows]
        meta: dict[str, Json] = {
            "currency": currency,
            "filters": {**_filters(request, wanted), "limit": limit},
            "providers_queried": [KEYS[provider] for provider in wanted.providers],
            "result_count": len(rows),
        }
        footer = {**cursors.pagination_fields(limit, request, following), "offset": 0, "total": -1}
        return ApiResponse(body=dumps({"meta": meta, "items": told, "pagination": footer}))

    def _places(self, request: ApiRequest) -> list[int] | None:
        """Return the places of the item named; None where none is named. An id wins over name and phase."""
        item_id, name = params.parse_int(request, "item_id"), request.one("market_hash_name")
        if item_id is None and name is None:
            return None
        named = (None, name, params.parse_phase(request)) if item_id is None else (item_id, None, None)
        found = self._market.board.catalog.find(*named)
        if not found:
            raise ApiError(404, None, f"Item not found: {name if item_id is None else item_id}")
        return self._sales.places(found[0])

    def _fitting(self, feed: Iterator[tuple[Sale, Quote]], wanted: SalesFilter) -> Iterator[Row]:
        board = self._market.board
        for sale, quote in feed:
            phase = board.item(sale.place).phase
            if board.provider_of[sale.place] in wanted.providers and wanted.phase in {None, phase}:
                traits = self._sales.traits(sale)
                if wanted.matches(traits):
                    yield sale, quote, traits

    def _told(self, sale: Sale, quote: Quote, traits: ItemTraits, currency: str) -> Json:
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


def _wanted(request: ApiRequest) -> SalesFilter:
    named = request.one("item_id") or request.one("market_hash_name")
    return SalesFilter(
        _sellers(request),
        None if named else params.parse_phase(request),
        params.parse_float(request, "min_float", least=0, most=1),
        params.parse_float(request, "max_float", least=0, most=1),
        params.parse_int(request, "paint_seed", least=0, most=1000),
        frozenset(request.all("stickers")),
        request.one("charms"),
    )


def _sellers(request: ApiRequest) -> tuple[int, ...]:
    found = params.known_positions(request.all("providers"), "query")
    if lacking := sorted(found - set(SELLERS)):
        names = ", ".join(KEYS[position] for position in lacking)
        raise ApiError(400, "BAD_REQUEST", f"Providers do not support Recent Sales: {names}")
    return tuple(sorted(found)) or SELLERS


def _filters(request: ApiRequest, wanted: SalesFilter) -> dict[str, Json]:
    """Return what the answer repeats of the question."""
    asked: dict[str, Json] = {
        "item_id": params.parse_int(request, "item_id"),
        "market_hash_name": request.one("market_hash_name"),
        "phase": request.one("phase"),
        "requested_providers": [*request.all("providers")] or None,
        "min_float": wanted.low,
        "max_float": wanted.high,
        "paint_seed": wanted.seed,
        "stickers": [*sorted(wanted.stickers)] or None,
        "charms": wanted.charm,
    }
    return {name: value for name, value in asked.items() if value is not None}


def _names(parts: list[Json] | None) -> set[Json]:
    return {part["name"] for part in parts or () if isinstance(part, Mapping)}
