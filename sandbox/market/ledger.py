"""The ledger: what the index served at a time, as a frame."""

from typing import Final

import polars as pl

from sandbox.market.board import Board
from sandbox.market.frames import ITEM_COLUMNS, TIME, build_frame
from sandbox.market.market import Index
from sandbox.market.money import convert
from sandbox.market.rows import Scope, rows_at, rows_of_items
from sandbox.market.sides import ASKS, BookSide

SCHEMA: Final = {
    **ITEM_COLUMNS,
    "lowest_ask": pl.Int64(),
    "lowest_ask_decimal": pl.String(),
    "quantity": pl.Int64(),
    "timestamp": TIME,
    "last_updated": TIME,
}


def expected_quotes(
    board: Board, index: Index, scope: Scope, *, currency: str, side: BookSide = ASKS
) -> pl.DataFrame:
    """Return the quotes in the API's order, from the index of this side. Raises KeyError: unknown currency.

    Columns as in `SCHEMA`, with the side's own names for price and quantity; prices in hundredths, times in
    UTC. A scope without items lists phases; an aggregate item is listed only where the scope names it.
    """
    rate = index.rates[currency]
    if scope.items is None:
        rows = rows_at(board, index, board.of_providers(set(scope.providers) - index.dark))
    else:
        rows = rows_of_items(board, index, scope)
    values = (
        (
            *(row.provider, row.item.item_id, row.item.name, row.item.phase),
            *convert(row.quote.price, rate),
            *(row.quote.quantity, row.quote.changed, index.updated(row.quote)),
        )
        for row in rows
    )
    names = {ASKS.price: side.price, ASKS.decimal: side.decimal, ASKS.quantity: side.quantity}
    return build_frame(values, SCHEMA).rename(names)
