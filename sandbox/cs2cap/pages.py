"""Pages of prices and bids: rendered once and cached compressed, until a row on them changes."""

import gzip
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sandbox.cs2cap.rendering import RowRenderer
from sandbox.http_types import Json, dumps
from sandbox.market.market import Index, Market, Stamp
from sandbox.market.providers import KEYS
from sandbox.market.rows import Row, Scope, rows_at, rows_of_items
from sandbox.market.sides import ASKS, BookSide, listing_order

MAX_CACHED = 4096  # pages; a thousand take about 20 MB


@dataclass(frozen=True, slots=True)
class PageRequest:
    """The request of one page; `filters` is the JSON text of `meta.filters`."""

    scope: Scope
    currency: str
    limit: int
    offset: int
    url: bool
    filters: str = "{}"
    side: BookSide = ASKS


class PageCache:
    """Renders and caches pages as gzip; `rendered` counts the rendered ones."""

    def __init__(self, market: Market) -> None:
        self.market = market
        self.rendered = 0
        self._renderer = RowRenderer(market.board.catalog)
        self._cache: dict[PageRequest, tuple[Stamp, bytes]] = {}

    def get(self, page: PageRequest, now: int) -> bytes:
        """Return the page as the index serves it at `now` (microseconds), gzip at level 1."""
        stamp = self.market.stamp(page.scope.providers, now)
        cached = self._cache.get(page)
        if cached is None or cached[0] != stamp:
            index = page.side.of(self.market.index(now))
            cached = stamp, gzip.compress(self._render(page, index), compresslevel=1, mtime=0)
            self.rendered += 1
            self._cache.pop(page, None)
            if len(self._cache) >= MAX_CACHED:
                self._cache.pop(next(iter(self._cache)))
            self._cache[page] = cached
        return cached[1]

    def prerender(self, limit: int, now: int, *, url: bool) -> int:
        """Render every page of every provider's listing, in US dollars; return their number."""
        scopes = [Scope((provider,)) for provider in range(len(KEYS))]
        pages = [
            PageRequest(scope, "USD", limit=limit, offset=offset, url=url, filters=filters_json(scope, ASKS))
            for scope in scopes
            for offset in range(0, len(self.market.listed(scope.providers)), limit)
        ]
        for page in pages:
            self.get(page, now)
        return len(pages)

    def _render(self, page: PageRequest, index: Index) -> bytes:
        rows, total = self._rows(page, index)
        rate = index.rates[page.currency]
        side, url = page.side, page.url
        items = ",".join([self._renderer.render(row, side, index, rate=rate, url=url) for row in rows])
        providers = json.dumps([KEYS[provider] for provider in page.scope.providers], separators=(",", ":"))
        meta = f'{{"currency":"{page.currency}","filters":{page.filters},"providers_queried":{providers}}}'
        pagination = dumps(pagination_json(page.limit, page.offset, total)).decode()
        return f'{{"meta":{meta},"items":[{items}],"pagination":{pagination}}}'.encode()

    def _rows(self, page: PageRequest, index: Index) -> tuple[Sequence[Row], int]:
        board, window = self.market.board, slice(page.offset, page.offset + page.limit)
        if page.scope.items is None:
            places = listing_order(self.market, page.side, index, providers=page.scope.providers)
            return rows_at(board, index, places[window]), len(places)
        rows = rows_of_items(board, index, page.scope)
        return rows[window], len(rows)


def filters_json(scope: Scope, side: BookSide, selection: Mapping[str, Json] | None = None) -> str:
    """Return `meta.filters`, which repeats the query; all providers of the side count as none."""
    filters: dict[str, Json] = dict(selection or {})
    if len(scope.providers) < len(side.providers):
        filters["requested_providers"] = [KEYS[provider] for provider in scope.providers]
    return dumps(filters).decode()


def pagination_json(limit: int, offset: int, total: int) -> dict[str, Json]:
    """Return the `pagination` object of responses with offsets."""
    return {
        "limit": limit,
        "offset": offset,
        "total": total,
        "has_next": offset + limit < total,
        "has_prev": offset > 0,
    }
