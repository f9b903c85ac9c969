"""CS2Cap's routes and rules: one request in, one answer out. No server, no faults."""

import gzip
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial

from sandbox.clock import Clock, micros
from sandbox.cs2cap import params, reference_data
from sandbox.cs2cap.batch import answer_batch
from sandbox.cs2cap.keys import ApiKey, KeyRegistry, require_feature
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

Verb = Callable[[ApiRequest, ApiKey, datetime], ApiResponse]


class Cs2cap:
    """The API over one market. Answers carry no Date; the server adds it."""

    def __init__(self, market: Market, clock: Clock, keys: KeyRegistry, series: SeriesRoutes) -> None:
        self.market, self.clock, self.keys = market, clock, keys
        self.pages = PageCache(market)
        self.streams = StreamRoute(market, keys)
        self._catalog: bytes | None = None
        self._account = AccountRoutes(keys)
        self._routes: Mapping[str, Mapping[str, Verb]] = {
            "/v1/prices": {"GET": partial(self._prices, ASKS), "POST": partial(self.streams.answer, ASKS)},
            "/v1/prices/batch": {"POST": partial(self._batch, ASKS)},
            "/v1/bids": {"GET": self._bids, "POST": partial(self.streams.answer, BIDS)},
            "/v1/bids/batch": {"POST": partial(self._batch, BIDS)},
            "/v1/items": {"GET": self._items},
            "/v1/providers": {"GET": self._providers},
            "/v1/fx": {"GET": self._fx},
            "/v1/prices/history": {"GET": series.history.answer},
            "/v1/prices/candles": {"GET": series.candles.answer},
            "/v1/sales": {"GET": series.sales.answer},
        }

    def answer(self, request: ApiRequest) -> ApiResponse:
        """Return the answer that the rules give at this moment."""
        now = self.clock.now()
        try:
            return self._routed(request, now)
        except ApiError as refusal:
            return refusal.to_response()

    def _routed(self, request: ApiRequest, now: datetime) -> ApiResponse:
        account = self._account.verbs(request.path)
        verbs = self._routes.get(request.path) if account is None else account
        if verbs is None:
            raise ApiError(404, None, "Not Found")
        if request.method not in verbs:
            raise ApiError(405, None, "Method Not Allowed")
        # The account routes are free of the month.
        grant = self.keys.admit(request.authorization, now, monthly=account is None)
        answer = verbs[request.method](request, grant.key, now)
        answer.headers = {**grant.headers, **answer.headers}  # a stream tells of its starts, not of the month
        return answer

    def _prices(self, side: BookSide, request: ApiRequest, key: ApiKey, now: datetime) -> ApiResponse:
        tier = key.tier
        limit = params.parse_int(request, "limit", least=1, most=tier.page) or tier.page
        offset = params.parse_int(request, "offset", least=0) or 0
        currency = params.parse_currency(request, self.market.rates)
        scope, asked = self._scope(request, side)
        url = tier.url and side.links
        page = PageRequest(scope, currency, limit, offset, url, filters_json(scope, side, asked), side)
        return ApiResponse(body=self.pages.get(page, micros(now)), gzipped=True)

    def _bids(self, request: ApiRequest, key: ApiKey, now: datetime) -> ApiResponse:
        require_feature(key.tier.bulk, request)
        if request.one("item_id") is not None:  # it wins over a phase here
            kept = tuple(pair for pair in request.query if pair[0] not in {"market_hash_name", "phase"})
            request = request._replace(query=kept)
        return self._prices(BIDS, request, key, now)

    def _batch(self, side: BookSide, request: ApiRequest, key: ApiKey, now: datetime) -> ApiResponse:
        require_feature(key.tier.bulk, request)
        return ApiResponse(body=dumps(answer_batch(self.market, side, request, now)))

    def _scope(self, request: ApiRequest, side: BookSide) -> tuple[Scope, dict[str, Json]]:
        """Return what a query names, and how its answer repeats it."""
        item_id, phase = params.parse_int(request, "item_id"), params.parse_phase(request)
        name = request.one("market_hash_name")
        asked: dict[str, Json] = {"item_id": item_id, "market_hash_name": name, "phase": phase}
        named: dict[str, Json] = {key: value for key, value in asked.items() if value is not None}
        positions = params.parse_providers(request, side)
        if not named:
            return Scope(positions), {}
        found = self.market.board.catalog.find(item_id, name, phase)
        return Scope(positions, tuple(item.item_id for item in found)), named

    def _items(self, request: ApiRequest, key: ApiKey, _now: datetime) -> ApiResponse:
        if not request.query:
            self._catalog = self._catalog or self._listing(self.market.board.catalog.items, None, 0)
            return ApiResponse(body=self._catalog, gzipped=True)
        limit = params.parse_int(request, "limit", least=1, most=key.tier.page)
        offset = params.parse_int(request, "offset", least=0) or 0
        return ApiResponse(body=self._listing(self._found(request), limit, offset), gzipped=True)

    def _found(self, request: ApiRequest) -> list[Item]:
        """Return the entries that pass every filter; text without regard to case."""
        part, name, phase = (request.one(key) for key in ("q", "market_hash_name", "phase"))
        item_id = params.parse_int(request, "item_id", least=1)
        return [
            item
            for item in self.market.board.catalog.items
            if (item_id is None or item.item_id == item_id)
            and (part is None or part.lower() in item.name.lower())
            and (name is None or name.lower() == item.name.lower())
            and (phase is None or phase.lower() == (item.phase or "").lower())
        ]

    def _listing(self, items: tuple[Item, ...] | list[Item], limit: int | None, offset: int) -> bytes:
        shown = items[offset : None if limit is None else offset + limit]
        window = pagination_json(len(shown) if limit is None else limit, offset, len(items))
        if limit is None:
            window["has_next"] = False
        body = dumps({"items": [reference_data.item_json(item) for item in shown], "pagination": window})
        return gzip.compress(body, compresslevel=1, mtime=0)

    def _providers(self, request: ApiRequest, _key: ApiKey, now: datetime) -> ApiResponse:
        named = request.one("provider")
        if named is not None and named not in INDEX:
            raise ApiError(404, None, f"Provider not found: {named}")
        wanted = PROVIDERS if named is None else (PROVIDERS[INDEX[named]],)
        return ApiResponse(body=dumps(reference_data.providers_json(self.market, wanted, micros(now))))

    def _fx(self, _request: ApiRequest, _key: ApiKey, _now: datetime) -> ApiResponse:
        return ApiResponse(body=dumps(reference_data.fx_json(self.market)))
