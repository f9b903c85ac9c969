"""Rows of a response: the quotes that a query selects, with phases summed where none was requested."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from sandbox.market.board import Board, Quote
from sandbox.market.catalog import Item
from sandbox.market.market import Index
from sandbox.market.providers import KEYS


class Row(NamedTuple):
    """One provider's quote of one catalog item."""

    item: Item
    provider: str
    quote: Quote


@dataclass(frozen=True, slots=True)
class Scope:
    """The providers of a query (positions, ascending) and its items; None: the whole catalog."""

    providers: tuple[int, ...]
    items: tuple[int, ...] | None = None


def rows_at(board: Board, index: Index, places: Iterable[int]) -> list[Row]:
    """Return the rows of places; a place without a quote has no row."""
    quotes = ((place, index.quotes[place]) for place in places)
    return [Row(board.item(place), KEYS[board.provider_of[place]], quote) for place, quote in quotes if quote]


def rows_of_items(board: Board, index: Index, scope: Scope) -> list[Row]:
    """Return the rows of the scope's items; an aggregate item gets the best price of its phases."""
    providers = set(scope.providers) - index.dark
    items = (board.catalog.by_id[item_id] for item_id in scope.items or ())
    return [row for item in items for row in _rows_of_item(board, index, item, providers=providers)]


def _rows_of_item(board: Board, index: Index, item: Item, *, providers: set[int]) -> Sequence[Row]:
    if item.aggregate:
        phases = board.catalog.phases(item)
        rows = [row for phase in phases for row in _rows_of_item(board, index, phase, providers=providers)]
        return list(_sum_phases(item, rows, index.best))
    return rows_at(board, index, [p for p in board.of_item(item) if board.provider_of[p] in providers])


def _sum_phases(item: Item, rows: Iterable[Row], best: Callable[[Iterable[int]], int]) -> Iterator[Row]:
    """Yield one row per provider: the best price, the sum of the quantities, the latest change."""
    quotes: dict[str, list[Quote]] = {}
    for row in rows:
        quotes.setdefault(row.provider, []).append(row.quote)
    for provider in sorted(quotes):
        phases = quotes[provider]
        changed = max((quote.changed for quote in phases if quote.changed), default=None)
        price, quantity = best(quote.price for quote in phases), sum(quote.quantity for quote in phases)
        yield Row(item, provider, Quote(price, quantity, changed))
