"""What the feeds told, and what changed whether it was told or not, as frames."""

from collections.abc import Iterable, Iterator
from typing import Final

import polars as pl

from sandbox.cs2cap.feed.connection import FeedConnection
from sandbox.cs2cap.feed.events import FeedEvent, FeedScope, events_of
from sandbox.market.board import Board
from sandbox.market.frames import ITEM_COLUMNS, TIME, build_frame
from sandbox.market.market import Market
from sandbox.market.providers import KEYS
from sandbox.market.sides import BookSide

CHANGES: Final = {
    **ITEM_COLUMNS,
    "change": pl.String(),
    "price": pl.Int64(),
    "quantity": pl.Int64(),
    "seen_at": TIME,
}
SENT: Final = {"connection": pl.Int64(), "event": pl.Int64(), "sent_at": TIME, **CHANGES}


def sent_items(board: Board, connections: Iterable[FeedConnection]) -> pl.DataFrame:
    """Return all that connections were told, a row for each item of an event, in the order of the events.

    `event` is the event's number in its connection, from 1. A connection that broke may have lost its last
    ones on the way.
    """
    rows = (
        (connection.number, number, sent.at, *row)
        for connection in connections
        for number, sent in enumerate(connection.sent, 1)
        for row in _rows(board, sent.event)
    )
    return build_frame(rows, SENT)


def changes(market: Market, side: BookSide, *, start: int, end: int) -> pl.DataFrame:
    """Return all changes of the index from `start` to `end` (microseconds, both included), oldest first."""
    scope = FeedScope(side, frozenset(side.providers))
    states = (state for state in market.epochs if start <= state.at <= end)
    events = (event for state in states for event in events_of(market.board, state, scope))
    return build_frame((row for event in events for row in _rows(market.board, event)), CHANGES)


def _rows(board: Board, event: FeedEvent) -> Iterator[tuple[object, ...]]:
    for place, change, quote in event.items:
        item = board.item(place)
        price, quantity = (None, 0) if quote is None else (quote.price, quote.quantity)
        names = (KEYS[event.provider], item.item_id, item.name, item.phase)
        yield (*names, change, price, quantity, event.seen_at)
