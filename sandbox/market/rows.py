"""From the index to rows: what a query names, phases summed where no phase was asked for."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from sandbox.market.board import Board, Quote
from sandbox.market.catalog import Item
from sandbox.market.market import Index
from sandbox.market.providers import KEYS


class Row(NamedTuple):
    """One provider's quote of one catalog entry."""

    item: Item
    provider: str
    quote: Quote


@dataclass(frozen=True, slots=True)
class Scope:
    """What to show: these providers (positions, ascending), and these items or (None) the whole catalog."""

    providers: tuple[int, ...]
    items: tuple[int, ...] | None = None


def rows_at(board: Board, index: Index, places: Iterable[int]) -> list[Row]:
    """Return the rows of listed places."""
    rows = ((place, index.quotes[place]) for place in places)
    return [Row(board.item(p), KEYS[board.provider_of[p]], quote) for p, quote in rows if quote is not None]


def rows_of_items(board: Board, index: Index, scope: Scope) -> list[Row]:
    """Return the rows of the scope's items; a phaseless entry gets the best of its phases."""
    wanted = set(scope.providers) - index.dark
    items = (board.catalog.by_id[item_id] for item_id in scope.items or ())
    return [row for item in items for row in _of_item(board, index, item, wanted)]


def _of_item(board: Board, index: Index, item: Item, providers: set[int]) -> Sequence[Row]:
    if item.aggregate:
        phases = [
            row for phase in board.catalog.phases(item) for row in _of_item(board, index, phase, providers)
        ]
        return list(_summed(item, phases, index.best))
    places = [place for place in board.of_item(item) if board.provider_of[place] in providers]
    return rows_at(board, index, places)


def _summed(item: Item, rows: Iterable[Row], best: Callable[[Iterable[int]], int]) -> Iterator[Row]:
    """Return one row a provider: the best phase's price, all quantities, the newest change."""
    quotes: dict[str, list[Quote]] = {}
    for row in rows:
        quotes.setdefault(row.provider, []).append(row.quote)
    for provider in sorted(quotes):
        same = quotes[provider]
        changed = max((quote.changed for quote in same if quote.changed), default=None)
        yield Row(item, provider, Quote(best(q.price for q in same), sum(q.quantity for q in same), changed))
