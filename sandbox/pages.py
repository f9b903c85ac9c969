"""Pages of `/v1/prices`: rendered once, kept compressed, rendered again when something on them changed."""

import gzip
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from sandbox.answers import Json, dumps
from sandbox.catalog import Item
from sandbox.clock import iso
from sandbox.market import Index, Market
from sandbox.money import convert
from sandbox.providers import KEYS
from sandbox.rows import Row, Scope, at_places, of_items

KEPT = 4096  # pages; about 20 MB a thousand
LINK = "https://cs2c.app/r"


@dataclass(frozen=True, slots=True)
class Page:
    """One page that can be asked for; `filters` is what the answer repeats of the question, as JSON text."""

    scope: Scope
    currency: str
    limit: int
    offset: int
    url: bool
    filters: str = "{}"


Stamp = tuple[int, int, tuple[int, ...]]


class Pages:
    """Gives pages as gzip; `rendered` counts how many had to be rendered."""

    def __init__(self, market: Market) -> None:
        self.market = market
        self.rendered = 0
        self._names = [_names(item) for item in market.board.catalog.items]  # by item_id, from 1
        self._kept: dict[Page, tuple[Stamp, bytes]] = {}

    def get(self, page: Page, now: int) -> bytes:
        """Return the page as the index stands at `now` (microseconds), gzip at level 1."""
        index = self.market.index(now)
        stamp = self._stamp(page, index)
        kept = self._kept.get(page)
        if kept is None or kept[0] != stamp:
            kept = stamp, gzip.compress(self._render(page, index), compresslevel=1, mtime=0)
            self._keep(page, kept)
        return kept[1]

    def ahead(self, limit: int, now: int, *, url: bool) -> int:
        """Render every page of every provider's walk, in US dollars; tells how many."""
        walks = [Scope((provider,)) for provider in range(len(KEYS))]
        pages = [
            Page(scope, "USD", limit, offset, url, filters(scope))
            for scope in walks
            for offset in range(0, len(self.market.listed(scope.providers)), limit)
        ]
        for page in pages:
            self.get(page, now)
        return len(pages)

    def _stamp(self, page: Page, index: Index) -> Stamp:
        versions = self.market.versions
        rows = tuple(versions.rows[provider] for provider in page.scope.providers)
        return index.collected, versions.rates, rows

    def _keep(self, page: Page, kept: tuple[Stamp, bytes]) -> None:
        self.rendered += 1
        self._kept.pop(page, None)
        if len(self._kept) >= KEPT:
            self._kept.pop(next(iter(self._kept)))
        self._kept[page] = kept

    def _render(self, page: Page, index: Index) -> bytes:
        rows, total = self._rows(page, index)
        rate = index.rates[page.currency]
        lines = ",".join([self._line(row, index, rate, url=page.url) for row in rows])
        asked = json.dumps([KEYS[provider] for provider in page.scope.providers], separators=(",", ":"))
        meta = f'{{"currency":"{page.currency}","filters":{page.filters},"providers_queried":{asked}}}'
        tail = dumps(pagination(page.limit, page.offset, total)).decode()
        return f'{{"meta":{meta},"items":[{lines}],"pagination":{tail}}}'.encode()

    def _line(self, row: Row, index: Index, rate: Decimal, *, url: bool) -> str:
        item_id, provider, quote = row.item.item_id, row.provider, row.quote
        minor, decimal = convert(quote.price, rate)
        changed = "null" if quote.changed is None else f'"{iso(quote.changed)}"'
        raw = f',"url":"https://{provider}.example/item/{item_id}"' if url else ""
        return (
            f'{{"provider":"{provider}",{self._names[item_id - 1]},"lowest_ask":{minor},'
            f'"lowest_ask_decimal":"{decimal}","quantity":{quote.quantity},"link":"{LINK}/{provider}/{item_id}"{raw},'
            f'"timestamp":{changed},"last_updated":"{iso(index.updated(quote))}"}}'
        )

    def _rows(self, page: Page, index: Index) -> tuple[Sequence[Row], int]:
        board, window = self.market.board, slice(page.offset, page.offset + page.limit)
        if page.scope.items is None:
            places = self.market.listed(page.scope.providers)
            return at_places(board, index, places[window]), len(places)
        rows = of_items(board, index, page.scope)
        return rows[window], len(rows)


def filters(scope: Scope, asked: Mapping[str, Json] | None = None) -> str:
    """`meta.filters`: what the question named; all providers count as none."""
    named: dict[str, Json] = dict(asked or {})
    if len(scope.providers) < len(KEYS):
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


def _names(item: Item) -> str:
    phase = f',"phase":"{item.phase}"' if item.phase else ""
    return f'"item_id":{item.item_id},"market_hash_name":{json.dumps(item.name, ensure_ascii=False)}{phase}'
