"""CS2Cap's routes and rules: one request in, one answer out. No server, no faults."""

import gzip
from collections.abc import Callable
from datetime import datetime

from sandbox import directory, query
from sandbox.answers import Answer, Json, Refusal, Request, dumps
from sandbox.catalog import Item
from sandbox.clock import Clock, micros
from sandbox.keys import Grant, Keys
from sandbox.market import Market
from sandbox.pages import Page, Pages, filters, pagination
from sandbox.providers import INDEX, PROVIDERS
from sandbox.rows import Scope

_KEY = "/v1/account/key"


class Cs2cap:
    """The API over one market. Answers carry no Date; the server adds it."""

    def __init__(self, market: Market, clock: Clock, keys: Keys) -> None:
        self.market, self.clock, self.keys = market, clock, keys
        self.pages = Pages(market)
        self._catalog: bytes | None = None
        self._routes: dict[str, Callable[[Request, Grant, datetime], Answer]] = {
            "/v1/prices": self._prices,
            "/v1/items": self._items,
            "/v1/providers": self._providers,
            "/v1/fx": self._fx,
            _KEY: self._key,
        }

    def answer(self, request: Request) -> Answer:
        """Return the answer that the rules give at this moment."""
        now = self.clock.now()
        try:
            return self._routed(request, now)
        except Refusal as refusal:
            return refusal.answer()

    def _routed(self, request: Request, now: datetime) -> Answer:
        route = self._routes.get(request.path)
        if route is None:
            raise Refusal(404, None, "Not Found")
        if request.method != "GET":
            raise Refusal(405, None, "Method Not Allowed")
        # The account routes are free of the month.
        grant = self.keys.admit(request.authorization, now, monthly=request.path != _KEY)
        answer = route(request, grant, now)
        answer.headers.update(grant.headers)
        return answer

    def _prices(self, request: Request, grant: Grant, now: datetime) -> Answer:
        tier = grant.key.tier
        limit = query.whole(request, "limit", least=1, most=tier.page) or tier.page
        offset = query.whole(request, "offset", least=0) or 0
        currency = query.currency(request, self.market.rates)
        scope, asked = self._scope(request)
        page = Page(scope, currency, limit, offset, tier.url, filters(scope, asked))
        return Answer(body=self.pages.get(page, micros(now)), gzipped=True)

    def _scope(self, request: Request) -> tuple[Scope, dict[str, Json]]:
        """Return what a price query names, and how its answer repeats it."""
        item_id, phase = query.whole(request, "item_id"), query.phase(request)
        name = request.one("market_hash_name")
        asked: dict[str, Json] = {"item_id": item_id, "market_hash_name": name, "phase": phase}
        named: dict[str, Json] = {key: value for key, value in asked.items() if value is not None}
        positions = query.providers(request)
        if not named:
            return Scope(positions), {}
        found = self.market.board.catalog.find(item_id, name, phase)
        return Scope(positions, tuple(item.item_id for item in found)), named

    def _items(self, request: Request, grant: Grant, _now: datetime) -> Answer:
        if not request.query:
            self._catalog = self._catalog or self._listing(self.market.board.catalog.items, None, 0)
            return Answer(body=self._catalog, gzipped=True)
        limit = query.whole(request, "limit", least=1, most=grant.key.tier.page)
        offset = query.whole(request, "offset", least=0) or 0
        return Answer(body=self._listing(self._found(request), limit, offset), gzipped=True)

    def _found(self, request: Request) -> list[Item]:
        """Return the entries that pass every filter; text without regard to case."""
        part, name, phase = (request.one(key) for key in ("q", "market_hash_name", "phase"))
        item_id = query.whole(request, "item_id", least=1)
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
        window = pagination(len(shown) if limit is None else limit, offset, len(items))
        if limit is None:
            window["has_next"] = False
        body = dumps({"items": [directory.item(item) for item in shown], "pagination": window})
        return gzip.compress(body, compresslevel=1, mtime=0)

    def _providers(self, request: Request, _grant: Grant, now: datetime) -> Answer:
        key = request.one("provider")
        if key is not None and key not in INDEX:
            raise Refusal(404, None, f"Provider not found: {key}")
        wanted = PROVIDERS if key is None else (PROVIDERS[INDEX[key]],)
        return Answer(body=dumps(directory.providers(self.market, wanted, micros(now))))

    def _fx(self, _request: Request, _grant: Grant, _now: datetime) -> Answer:
        return Answer(body=dumps(directory.fx(self.market)))

    def _key(self, _request: Request, grant: Grant, now: datetime) -> Answer:
        return Answer(body=dumps(directory.key(grant.key, now, limited=self.keys.enforced)))
