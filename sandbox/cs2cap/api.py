"""CS2Cap's routes and rules: one request in, one response out. No server, no faults."""

import gzip
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial

from sandbox.clock import Clock, micros
from sandbox.cs2cap import params, reference_data
from sandbox.cs2cap.batch import build_batch
from sandbox.cs2cap.feed.route import FEEDS, FeedRoutes
from sandbox.cs2cap.item_filters import find_items
from sandbox.cs2cap.keys import ApiKey, KeyRegistry, require_feature
from sandbox.cs2cap.market_stats import MarketStatsRoute
from sandbox.cs2cap.pages import PageCache, PageRequest, filters_json, pagination_json
from sandbox.cs2cap.series.routes import SeriesRoutes
from sandbox.cs2cap.streams import StreamRoute
from sandbox.cs2cap.sub_keys import AccountRoutes
from sandbox.http_types import ApiError, ApiRequest, ApiResponse, Json, dumps
from sandbox.market.catalog import Item
from sandbox.market.market import Market
from sandbox.market.providers import INDEX, PROVIDERS
from sandbox.market.rows import Scope
from sandbox.market.sides import ASKS, BIDS, BookSide

Handler = Callable[[ApiRequest, ApiKey, datetime], ApiResponse]


class Cs2cap:
    """The API over one market. The server adds the Date header."""

    def __init__(
        self, market: Market, clock: Clock, *, keys: KeyRegistry, series: SeriesRoutes, feeds: FeedRoutes
    ) -> None:
        self.market, self.clock, self.keys = market, clock, keys
        self.pages = PageCache(market)
        self.streams = StreamRoute(market, keys)
        self.market_stats = MarketStatsRoute(market, series.sales_feed)
        self._catalog: bytes | None = None
        self._account = AccountRoutes(keys)
        self._routes: Mapping[str, Mapping[str, Handler]] = {
            "/v1/prices": {"GET": partial(self._prices, ASKS), "POST": partial(self.streams.respond, ASKS)},
            "/v1/prices/batch": {"POST": partial(self._batch, ASKS)},
            "/v1/bids": {"GET": self._bids, "POST": partial(self.streams.respond, BIDS)},
            "/v1/bids/batch": {"POST": partial(self._batch, BIDS)},
            "/v1/items": {"GET": self._items},
            "/v1/providers": {"GET": self._providers},
            "/v1/fx": {"GET": self._fx},
            "/v1/prices/history": {"GET": series.history.respond},
            "/v1/prices/candles": {"GET": series.candles.respond},
            "/v1/sales": {"GET": series.sales.respond},
            "/v1/market/history/chart": {"GET": series.daily.respond},
            "/v1/market/items": {"GET": self.market_stats.respond},
            **{path: {"GET": partial(feeds.respond, side)} for path, side in FEEDS.items()},
        }

    def respond(self, request: ApiRequest) -> ApiResponse:
        """Return the response that the rules give now."""
        try:
            return self._route(request, self.clock.now())
        except ApiError as error:
            return error.to_response()

    def _route(self, request: ApiRequest, now: datetime) -> ApiResponse:
        account = self._account.handlers(request.path)
        handlers = self._routes.get(request.path) if account is None else account
        if handlers is None:
            raise ApiError(404, None, "Not Found")
        if request.method not in handlers:
            raise ApiError(405, None, "Method Not Allowed", headers={"Allow": ", ".join(sorted(handlers))})
        # Requests of the account do not count in the month.
        admitted = self.keys.admit(request.authorization, now, monthly=account is None)
        try:
            response = handlers[request.method](request, admitted.key, now)
        except ApiError as error:
            tier = {"X-RateLimit-Tier": admitted.key.tier.name} if error.status == 422 else {}
            error.headers = {**admitted.headers, **tier, **error.headers}
            raise
        # A stream reports its starts instead of the month.
        response.headers = {**admitted.headers, **response.headers}
        return response

    def _prices(self, side: BookSide, request: ApiRequest, key: ApiKey, now: datetime) -> ApiResponse:
        tier = key.tier
        limit = params.parse_int(request, "limit", least=1, most=tier.page) or tier.page
        offset = params.parse_int(request, "offset", least=0) or 0
        currency = params.parse_currency(request, self.market.rates)
        scope, selection = self._scope(request, side)
        page = PageRequest(
            scope,
            currency,
            limit=limit,
            offset=offset,
            url=tier.url and side.links,
            filters=filters_json(scope, side, selection),
            side=side,
        )
        return ApiResponse(body=self.pages.get(page, micros(now)), gzipped=True)

    def _bids(self, request: ApiRequest, key: ApiKey, now: datetime) -> ApiResponse:
        require_feature(key.tier.bulk, request)
        if request.one("item_id") is not None:  # on this route an id wins over name and phase
            query = tuple(pair for pair in request.query if pair[0] not in {"market_hash_name", "phase"})
            request = request._replace(query=query)
        return self._prices(BIDS, request, key, now=now)

    def _batch(self, side: BookSide, request: ApiRequest, key: ApiKey, now: datetime) -> ApiResponse:
        require_feature(key.tier.bulk, request)
        return ApiResponse(body=dumps(build_batch(self.market, side, request, now=now)))

    def _scope(self, request: ApiRequest, side: BookSide) -> tuple[Scope, dict[str, Json]]:
        """Return the scope of a query, and its selection of items as the response repeats it."""
        item_id, phase = params.parse_int(request, "item_id"), params.parse_phase(request)
        name = request.one("market_hash_name")
        fields: dict[str, Json] = {"item_id": item_id, "market_hash_name": name, "phase": phase}
        selection: dict[str, Json] = {key: value for key, value in fields.items() if value is not None}
        positions = params.parse_providers(request, side)
        if not selection:
            return Scope(positions), {}
        items = self.market.board.catalog.find(item_id, name, phase)
        return Scope(positions, tuple(item.item_id for item in items)), selection

    def _items(self, request: ApiRequest, key: ApiKey, _now: datetime) -> ApiResponse:
        if not request.query:
            self._catalog = self._catalog or _items_body(self.market.board.catalog.items, None, 0)
            return ApiResponse(body=self._catalog, gzipped=True)
        limit = params.parse_int(request, "limit", least=1, most=key.tier.page)
        offset = params.parse_int(request, "offset", least=0) or 0
        items = find_items(self.market.board.catalog.items, request)
        return ApiResponse(body=_items_body(items, limit, offset), gzipped=True)

    def _providers(self, request: ApiRequest, _key: ApiKey, now: datetime) -> ApiResponse:
        key = request.one("provider")
        if key is not None and key not in INDEX:
            raise ApiError(404, None, f"Provider not found: {key}")
        providers = PROVIDERS if key is None else (PROVIDERS[INDEX[key]],)
        return ApiResponse(body=dumps(reference_data.providers_json(self.market, providers, micros(now))))

    def _fx(self, _request: ApiRequest, _key: ApiKey, _now: datetime) -> ApiResponse:
        return ApiResponse(body=dumps(reference_data.fx_json(self.market)))


def _items_body(items: Sequence[Item], limit: int | None, offset: int) -> bytes:
    """Return a page of `/v1/items`, or all items without a limit, as gzip."""
    page = items[offset : None if limit is None else offset + limit]
    pagination = pagination_json(len(page) if limit is None else limit, offset, len(items))
    if limit is None:
        pagination["has_next"] = False
    body = dumps({"items": [reference_data.item_json(item) for item in page], "pagination": pagination})
    return gzip.compress(body, compresslevel=1, mtime=0)
