"""Pages of prices and bids: rendered once, kept compressed, rendered again when something on them changed."""

import gzip
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sandbox.answers import Json, dumps
from sandbox.lines import Lines
from sandbox.market import Index, Market, Stamp
from sandbox.providers import KEYS
from sandbox.rows import Row, Scope, at_places, of_items
from sandbox.sides import ASKS, Side, walked

KEPT = 4096  # pages; about 20 MB a thousand


@dataclass(frozen=True, slots=True)
class Page:
    """One page that can be asked for; `filters` is what the answer repeats of the question, as JSON text."""

    scope: Scope
    currency: str
    limit: int
    offset: int
    url: bool
    filters: str = "{}"
    side: Side = ASKS


class Pages:
    """Gives pages as gzip; `rendered` counts how many had to be rendered."""

    def __init__(self, market: Market) -> None:
        self.market = market
        self.rendered = 0
        self._lines = Lines(market.board.catalog)
        self._kept: dict[Page, tuple[Stamp, bytes]] = {}

    def get(self, page: Page, now: int) -> bytes:
        """Return the page as the index stands at `now` (microseconds), gzip at level 1."""
        stamp = self.market.stamp(page.scope.providers, now)
        kept = self._kept.get(page)
        if kept is None or kept[0] != stamp:
            index = page.side.of(self.market.index(now))
            kept = stamp, gzip.compress(self._render(page, index), compresslevel=1, mtime=0)
            self._keep(page, kept)
        return kept[1]

    def ahead(self, limit: int, now: int, *, url: bool) -> int:
        """Render every page of every provider's walk, in US dollars; tells how many."""
        walks = [Scope((provider,)) for provider in range(len(KEYS))]
        pages = [
            Page(scope, "USD", limit, offset, url, filters(scope, ASKS))
            for scope in walks
            for offset in range(0, len(self.market.listed(scope.providers)), limit)
        ]
        for page in pages:
            self.get(page, now)
        return len(pages)

    def _keep(self, page: Page, kept: tuple[Stamp, bytes]) -> None:
        self.rendered += 1
        self._kept.pop(page, None)
        if len(self._kept) >= KEPT:
            self._kept.pop(next(iter(self._kept)))
        self._kept[page] = kept

    def _render(self, page: Page, index: Index) -> bytes:
        rows, total = self._rows(page, index)
        rate = index.rates[page.currency]
        lines = ",".join([self._lines.line(row, page.side, index, rate, url=page.url) for row in rows])
        asked = json.dumps([KEYS[provider] for provider in page.scope.providers], separators=(",", ":"))
        meta = f'{{"currency":"{page.currency}","filters":{page.filters},"providers_queried":{asked}}}'
        tail = dumps(pagination(page.limit, page.offset, total)).decode()
        return f'{{"meta":{meta},"items":[{lines}],"pagination":{tail}}}'.encode()

    def _rows(self, page: Page, index: Index) -> tuple[Sequence[Row], int]:
        board, window = self.market.board, slice(page.offset, page.offset + page.limit)
        if page.scope.items is None:
            places = walked(self.market, page.side, index, page.scope.providers)
            return at_places(board, index, places[window]), len(places)
        rows = of_items(board, index, page.scope)
        return rows[window], len(rows)


def filters(scope: Scope, side: Side, asked: Mapping[str, Json] | None = None) -> str:
    """`meta.filters`: what the question named; all providers of the side count as none."""
    named: dict[str, Json] = dict(asked or {})
    if len(scope.providers) < len(side.providers):
        named["requested_providers"] = [KEYS[provider] for provider in scope.providers]
    return dumps(named).decode()


def pagination(limit: int, offset: int, total: int) -> dict[str, Json]:
    """Return the `pagination` object of every paged answer."""
    return {
        "limit": limit,
        "offset": offset,
        "total": total,
        "has_next": offset + limit < total,
        "has_prev": offset > 0,
    }
