"""Coverage gaps: when a basket was not observed, why, and whether a backfill could fill it."""

from __future__ import annotations

from typing import Final

from common.currencies import EXACT_CURRENCY
from dashboard.prepared import PreparedMarket
from dashboard.tables import Column, Row, Table

MOST_GAPS: Final = 30
NOT_FILLABLE: Final = f"no: the history of the API is in {EXACT_CURRENCY}"
MOST_REASONS: Final = 3  # of a gap
COLUMNS: Final = (
    Column("basket", "Basket"),
    Column("currency", "Currency"),
    Column("start", "From", "moment"),
    Column("end", "To", "moment", secondary=True),
    Column("length", "Length", "age"),
    Column("cause", "Cause"),
    Column("reasons", "Why", secondary=True),
    Column("fillable", "Fillable", secondary=True),
)


def gap_table(market: PreparedMarket) -> Table:
    """Return the gaps of the last weeks, the newest first."""
    gaps = sorted(market.coverage_gaps, key=lambda each: (each[1].start, each[0]), reverse=True)
    rows = [
        Row({
            "basket": basket.basket, "currency": basket.currency, "start": gap.start, "end": gap.end,
            "length": gap.end - gap.start, "cause": gap.cause,
            "reasons": "; ".join(gap.reasons[:MOST_REASONS]),
            "fillable": "maybe" if basket.currency == EXACT_CURRENCY else NOT_FILLABLE,
        })
        for basket, gap in gaps[:MOST_GAPS]
    ]  # fmt: skip
    note = "The command “floorline gaps” says which parts backfills have filled, and what the API still has."
    if len(gaps) > MOST_GAPS:
        note = f"{len(gaps):,} gaps; the newest {MOST_GAPS} are shown. {note}"
    return Table(
        "gaps", "Gaps of the last weeks", COLUMNS, rows,
        empty="No basket has a gap.", note=note if rows else "",
    )  # fmt: skip
