"""The ledger: what the index served at a moment, as a frame to compare with what a client made of it."""

from decimal import Decimal
from typing import NamedTuple

import polars as pl

from sandbox.market.board import Board
from sandbox.market.market import Index
from sandbox.market.money import convert
from sandbox.market.rows import Row, Scope, rows_at, rows_of_items
from sandbox.market.sides import ASKS, BookSide

_MOMENT = pl.Datetime("us", "UTC")
SCHEMA = {
    "provider": pl.String(),
    "item_id": pl.Int64(),
    "market_hash_name": pl.String(),
    "phase": pl.String(),
    "lowest_ask": pl.Int64(),
    "lowest_ask_decimal": pl.String(),
    "quantity": pl.Int64(),
    "timestamp": _MOMENT,
    "last_updated": _MOMENT,
}


class LedgerRow(NamedTuple):
    """One line of the ledger; times in microseconds since 1970."""

    provider: str
    item_id: int
    market_hash_name: str
    phase: str | None
    lowest_ask: int
    lowest_ask_decimal: str
    quantity: int
    timestamp: int | None
    last_updated: int


def expected_quotes(
    board: Board, index: Index, scope: Scope, currency: str, side: BookSide = ASKS
) -> pl.DataFrame:
    """Return rows in the order of a walk; `index` is the one of the side. Raises KeyError: unknown currency.

    Columns as in `SCHEMA`, with the side's own names for price and quantity; prices in hundredths, times in
    UTC. The whole catalog lists phases; an item's phaseless entry shows only where the scope names it.
    """
    rate = index.rates[currency]
    rows = _whole(board, index, scope) if scope.items is None else rows_of_items(board, index, scope)
    entries = [_entry(row, index, rate) for row in rows]
    raw = {name: pl.Int64() if kind == _MOMENT else kind for name, kind in SCHEMA.items()}
    frame = pl.DataFrame(entries, schema=raw, orient="row")
    names = {ASKS.price: side.price, ASKS.decimal: side.decimal, ASKS.quantity: side.quantity}
    return frame.cast({"timestamp": _MOMENT, "last_updated": _MOMENT}).rename(names)


def _entry(row: Row, index: Index, rate: Decimal) -> LedgerRow:
    item, provider, quote = row
    names, updated = (item.item_id, item.name, item.phase), index.updated(quote)
    return LedgerRow(provider, *names, *convert(quote.price, rate), quote.quantity, quote.changed, updated)


def _whole(board: Board, index: Index, scope: Scope) -> list[Row]:
    return rows_at(board, index, board.of_providers(set(scope.providers) - index.dark))
