"""What backfills fetched of an item: its candles as a chart and a table, and its sales."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from dashboard.charts.candles import Candle, draw_candles
from dashboard.pages.page import Chart
from dashboard.prepared import PreparedMarket
from dashboard.tables import Column, Row, Table

MOST_CANDLES: Final = 180  # of a chart: one for each five pixels
MOST_ROWS: Final = 50
# The lengths of candles, the shortest first, as the view calls them.
INTERVALS: Final[Mapping[str, timedelta]] = {
    "5m": timedelta(minutes=5),
    "1h": timedelta(hours=1),
    "1d": timedelta(days=1),
}
SELECT_SALES: Final = """
SELECT time, provider, price, float_value FROM sales
WHERE item = $item AND currency = $currency ORDER BY time DESC LIMIT $limit
"""
# One more of each length than a chart takes: this says which ones are too many.
SELECT_CANDLES: Final = """
SELECT "interval", time, open_price, high_price, low_price, close_price, volume, quantity FROM candles
WHERE item = $item AND currency = $currency AND time >= $since AND open_price IS NOT NULL
QUALIFY row_number() OVER (PARTITION BY "interval" ORDER BY time DESC) <= $limit + 1
ORDER BY time DESC
"""
SALE_COLUMNS: Final = (
    Column("time", "Time", "moment"),
    Column("provider", "Where"),
    Column("price", "Price", "price"),
    Column("float_value", "Float", "decimal", secondary=True),
)
CANDLE_COLUMNS: Final = (
    Column("time", "From", "moment"),
    Column("open_price", "Open", "price"),
    Column("high_price", "High", "price", secondary=True),
    Column("low_price", "Low", "price", secondary=True),
    Column("close_price", "Close", "price"),
    Column("volume", "Trades", "count"),
    Column("quantity", "Listed", "count", secondary=True),
)


def read_sales(market: PreparedMarket, item: str, currency: str) -> list[dict[str, Any]]:
    """Return the newest sales of an item, the newest first."""
    return market.records(SELECT_SALES, {"item": item, "currency": currency, "limit": MOST_ROWS})


def sale_table(sales: Sequence[Mapping[str, Any]]) -> Table:
    """Return the sales as a table."""
    empty = "No sales are stored. The command “floorline backfill --series sales” fetches them."
    return Table("sales", "Sales", SALE_COLUMNS, [Row(row) for row in sales], empty=empty)


def read_candles(
    market: PreparedMarket, item: str, currency: str, since: datetime
) -> tuple[list[Chart], Table]:
    """Return the candles of an item from `since` (UTC) on: a chart, where there are any, and a table.

    They are the shortest ones that fit into a chart, or the longest ones that are stored.
    """
    values = {"item": item, "currency": currency, "since": since, "limit": MOST_CANDLES}
    found = market.records(SELECT_CANDLES, values)
    interval = _choose_interval(Counter(row["interval"] for row in found))
    if interval is None:
        empty = "No candles are stored here. The command “floorline backfill --series candles” fetches them."
        return [], Table("candles", "Candles", CANDLE_COLUMNS, [], empty=empty)
    rows = [row for row in found if row["interval"] == interval][:MOST_CANDLES]
    caption = f"Candles of {interval} over all marketplaces"
    drawn = [_to_candle(row) for row in reversed(rows)]
    chart = Chart(
        "candle-chart",
        caption,
        draw_candles(drawn, INTERVALS[interval], title=caption),
        Table("candle-data", "", CANDLE_COLUMNS, [Row(row) for row in rows]),
        note="Best asks as the API reports them, with the trades below. Wicks end where the chart ends.",
    )
    table = Table(
        "candles",
        "Candles",
        CANDLE_COLUMNS,
        [Row(row) for row in rows[:MOST_ROWS]],
        note=f"The newest {MOST_ROWS} are shown." if len(rows) > MOST_ROWS else "",
    )
    return [chart], table


def _to_candle(row: Mapping[str, Any]) -> Candle:
    first, high, low, last = (float(row[f"{name}_price"]) for name in ("open", "high", "low", "close"))
    return Candle(row["time"], first, high, low, last, row["volume"] or 0)


def _choose_interval(counts: Mapping[str, int]) -> str | None:
    stored = [interval for interval in INTERVALS if counts.get(interval)]
    return next((each for each in stored if counts[each] <= MOST_CANDLES), stored[-1] if stored else None)
