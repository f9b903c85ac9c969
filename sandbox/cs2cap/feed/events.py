"""The events of the live feeds: which quotes changed with a change of the index, by provider."""

from collections.abc import Iterator
from typing import NamedTuple

from sandbox.clock import iso
from sandbox.http_types import Json, dumps
from sandbox.market.board import Board, Quote
from sandbox.market.market import IndexState
from sandbox.market.providers import KEYS
from sandbox.market.sides import BookSide

PING = b": ping\n\n"


class FeedScope(NamedTuple):
    """What a connection is told of: one side, some providers (positions) and items (ids; None: all)."""

    side: BookSide
    providers: frozenset[int]
    items: frozenset[int] | None = None

    def includes(self, board: Board, place: int) -> bool:
        """Return whether a place is in the scope."""
        return board.provider_of[place] in self.providers and (
            self.items is None or board.item(place).item_id in self.items
        )


class FeedItem(NamedTuple):
    """One changed quote: its place, the kind of its change, and what is listed now."""

    place: int
    change: str
    quote: Quote | None


class FeedEvent(NamedTuple):
    """What changed at one provider (position) at one time, microseconds."""

    provider: int
    seen_at: int
    items: tuple[FeedItem, ...]


def events_of(board: Board, state: IndexState, scope: FeedScope) -> list[FeedEvent]:
    """Return the events of one change of the index, ordered by provider: one for each with changes."""
    items: dict[int, list[FeedItem]] = {}
    for item in _changed_items(board, state, scope):
        items.setdefault(board.provider_of[item.place], []).append(item)
    return [FeedEvent(provider, state.at, tuple(items[provider])) for provider in sorted(items)]


def _changed_items(board: Board, state: IndexState, scope: FeedScope) -> Iterator[FeedItem]:
    for place, step in state.visible.items():
        if not scope.includes(board, place):
            continue
        before, after = (scope.side.quote_for(place, quote) for quote in step)
        if after is None:
            if before is not None:
                yield FeedItem(place, "removed", None)
        elif before is None:
            yield FeedItem(place, "added", after)
        elif before[:2] != after[:2]:  # price and quantity
            yield FeedItem(place, "updated", after)


def render_event(board: Board, side: BookSide, event: FeedEvent) -> bytes:
    """Return an event as the API sends it."""
    data: dict[str, Json] = {
        "provider": KEYS[event.provider],
        "seen_at": iso(event.seen_at),
        "items": [_item_json(board, item) for item in event.items],
    }
    return render_sse(f"{side.name}.changed", data)


def render_sse(name: str, data: Json) -> bytes:
    """Return one Server-Sent Event."""
    return b"event: %s\ndata: %s\n\n" % (name.encode(), dumps(data))


def _item_json(board: Board, feed_item: FeedItem) -> dict[str, Json]:
    item, quote = board.item(feed_item.place), feed_item.quote
    return {
        "item_id": item.item_id,
        "market_hash_name": item.name,
        "change": feed_item.change,
        "price": None if quote is None else quote.price,
        "qty": 0 if quote is None else quote.quantity,
        "phase": item.phase,
    }
