"""Pages of prices and bids: rendered once, kept compressed, rendered again when something on them changed."""

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

KEPT = 4096  # pages; about 20 MB a thousand


@dataclass(frozen=True, slots=True)
class PageRequest:
    """One page that can be asked for; `filters` is what the answer repeats of the question, as JSON text."""

    scope: Scope
    currency: str
    limit: int
    offset: int
    url: bool
    filters: str = "{}"
    side: BookSide = ASKS


class PageCache:
    """Gives pages as gzip; `rendered` counts how many had to be rendered."""

    def __init__(self, market: Market) -> None:
        self.market = market
        self.rendered = 0
        self._lines = RowRenderer(market.board.catalog)
        self._kept: dict[PageRequest, tuple[Stamp, bytes]] = {}

    def get(self, page: PageRequest, now: int) -> bytes:
        """Return the page as the index stands at `now` (microseconds), gzip at level 1."""
        stamp = self.market.stamp(page.scope.providers, now)
        kept = self._kept.get(page)
        if kept is None or kept[0] != stamp:
            index = page.side.of(self.market.index(now))
            kept = stamp, gzip.compress(self._render(page, index), compresslevel=1, mtime=0)
            self._keep(page, kept)
        return kept[1]

    def prerender(self, limit: int, now: int, *, url: bool) -> int:
        """Render every page of every provider's walk, in US dollars; tells how many."""
        walks = [Scope((provider,)) for provider in range(len(KEYS))]
        pages = [
            PageRequest(scope, "USD", limit, offset, url, filters_json(scope, ASKS))
            for scope in walks
            for offset in range(0, len(self.market.listed(scope.providers)), limit)
        ]
        for page in pages:
            self.get(page, now)
        return len(pages)

    def _keep(self, page: PageRequest, kept: tuple[Stamp, bytes]) -> None:
        self.rendered += 1
        self._kept.pop(page, None)
        if len(self._kept) >= KEPT:
            self._kept.pop(next(iter(self._kept)))
        self._kept[page] = kept

    def _render(self, page: PageRequest, index: Index) -> bytes:
        rows, total = self._rows(page, index)
        rate = index.rates[page.currency]
        lines = ",".join([self._lines.render(row, page.side, index, rate, url=page.url) for row in rows])
        asked = json.dumps([KEYS[provider] for provider in page.scope.providers], separators=(",", ":"))
        meta = f'{{"currency":"{page.currency}","filters":{page.filters},"providers_queried":{asked}}}'
        tail = dumps(pagination_json(page.limit, page.offset, total)).decode()
        return f'{{"meta":{meta},"items":[{lines}],"pagination":{tail}}}'.encode()

    def _rows(self, page: PageRequest, index: Index) -> tuple[Sequence[Row], int]:
        board, window = self.market.board, slice(page.offset, page.offset + page.limit)
        if page.scope.items is None:
            places = listing_order(self.market, page.side, index, page.scope.providers)
            return rows_at(board, index, places[window]), len(places)
        rows = rows_of_items(board, index, page.scope)
        return rows[window], len(rows)


def filters_json(scope: Scope, side: BookSide, asked: Mapping[str, Json] | None = None) -> str:
    """`meta.filters`: what the question named; all providers of the side count as none."""
    named: dict[str, Json] = dict(asked or {})
    if len(scope.providers) < len(side.providers):
        named["requested_providers"] = [KEYS[provider] for provider in scope.providers]
    return dumps(named).decode()


def pagination_json(limit: int, offset: int, total: int) -> dict[str, Json]:
    """Return the `pagination` object of every paged answer."""
    return {
        "limit": limit,
        "offset": offset,
        "total": total,
        "has_next": offset + limit < total,
        "has_prev": offset > 0,
    }
