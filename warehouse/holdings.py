"""The user's holdings in the database, which the view `portfolio` values."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Final

import duckdb

from warehouse.transactions import transaction

SELECT: Final = (
    "SELECT line, item, quantity, bought_at, price, currency, bought_on FROM store.holding ORDER BY line"
)
INSERT: Final = "INSERT INTO store.holding VALUES (?, ?, ?, ?, ?, ?, ?)"


@dataclasses.dataclass(frozen=True, slots=True)
class Holding:
    """Copies of one item that were bought together.

    `line` is the number of the line in the file. `item` is NAME or NAME @ PHASE. `price` is that of one copy
    in `currency`; it, the marketplace `bought_at` and the day `bought_on` are None where they are unknown.
    """

    line: int
    item: str
    quantity: int
    bought_at: str | None
    price: Decimal | None
    currency: str
    bought_on: date | None


def store_holdings(db: duckdb.DuckDBPyConnection, holdings: Sequence[Holding] | None) -> None:
    """Replace the stored holdings, unless these are the same, or None."""
    if holdings is None:
        return
    rows = [dataclasses.astuple(holding) for holding in holdings]
    if db.execute(SELECT).fetchall() == rows:
        return
    with transaction(db):
        db.execute("DELETE FROM store.holding")
        for row in rows:
            db.execute(INSERT, row)
