"""The page of an item: what it costs now and where, how its price moved, its wears and phases, its sales."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from statistics import median
from typing import Any, Final
from urllib.parse import urlencode

from dashboard.asks_over_time import read_asks, read_best_asks, to_steps
from dashboard.charts.prices import MOST_LINES, PriceChart
from dashboard.charts.sparkline import draw_sparkline
from dashboard.charts.steps import Step, clip_steps
from dashboard.daily_points import keep_unknown_days, read_daily, to_daily_steps
from dashboard.formatting import format_change, format_name, format_price, format_rounded, trend
from dashboard.pages.item_chart import build_chart
from dashboard.pages.item_series import read_candles, read_sales, sale_table
from dashboard.pages.page import Figure, Page, item_address
from dashboard.prepared import PreparedMarket
from dashboard.tables import Column, Row, Table
from warehouse.queries.item_asks import select_asks

DAY: Final = timedelta(days=1)
WEEK: Final = 7 * DAY
WINDOWS: Final[Mapping[str, timedelta | None]] = {"1d": DAY, "7d": WEEK, "30d": 30 * DAY, "all": None}
FAVOURITES: Final = ("steam", "buff163", "csfloat")  # shown where the address names no marketplace
SELECT_NAME: Final = """
SELECT item, market_hash_name, phase, family FROM memory.main.name
WHERE (item = $item OR market_hash_name = $item) AND NOT aggregate ORDER BY item = $item DESC, phase
"""
SELECT_FAMILY: Final = """
SELECT n.item, n.market_hash_name, n.phase, n.wear, n.stattrak, n.souvenir, b.price
FROM memory.main.name n LEFT JOIN memory.main.best b ON b.item = n.item AND b.currency = $currency
WHERE n.family = $family AND NOT n.aggregate
"""
SELECT_ASKS: Final = select_asks("item", bids="memory.main.bid")
SELECT_SPREAD: Final = """
SELECT profit, margin, bought_at, sold_at FROM memory.main.spread WHERE item = $item AND currency = $currency
"""
ASK_COLUMNS: Final = (
    Column("provider", "Marketplace"),
    Column("price", "Ask", "price"),
    Column("over_best", "Over best", "excess", secondary=True),
    Column("quantity", "Listed", "count"),
    Column("bid", "Bid", "price", secondary=True),
    Column("after_fee", "After fee", "rounded", secondary=True),
    Column("chart", "7 d", "chart", secondary=True),
    Column("changed", "Changed", "age", secondary=True),
    Column("seen", "Seen", "age"),
)


@dataclass(frozen=True, slots=True)
class Choice:
    """One of several pages to choose from; `detail` is the price behind a name."""

    label: str
    address: str
    detail: str = ""
    is_current: bool = False


@dataclass(frozen=True, slots=True)
class ItemRequest:
    """What an address asks for: the item, the window of its chart, and the marketplaces in it."""

    item: str
    currency: str
    phase: str = ""
    window: str = "7d"
    show: tuple[str, ...] = ()

    def address(self, **changes: str) -> str:
        """Return the address of the same page with some parameters changed."""
        values = {"window": self.window, "show": ",".join(self.show), "currency": self.currency} | changes
        return f"{item_address(self.item)}?{urlencode({k: v for k, v in values.items() if v})}"


def build_item_page(market: PreparedMarket, request: ItemRequest) -> Page | None:
    """Return the page; None where no item has this name."""
    name = _find_name(market, request)
    if name is None:
        return None
    item, currency = name["item"], request.currency
    now = market.newest or datetime.now(UTC)
    length = WINDOWS.get(request.window, WINDOWS["7d"])
    since = now - length if length else datetime(2012, 1, 1, tzinfo=UTC)
    oldest = min(since, now - WEEK)
    # To plan one of these queries takes as long as to run it, on one core: together they use all cores.
    with ThreadPoolExecutor() as pool:
        reading_asks = pool.submit(market.records, SELECT_ASKS, {"name": item, "currency": currency})
        reading_past = pool.submit(read_asks, market, item, currency, oldest)
        reading_changes = pool.submit(read_best_asks, market, [item], currency, oldest)
        reading_days = pool.submit(read_daily, market, item, currency, since)
        reading_sales = pool.submit(read_sales, market, item, currency)
        reading_candles = pool.submit(read_candles, market, item, currency, since)
    asks, asks_over_time, changes = reading_asks.result(), reading_past.result(), reading_changes.result()
    sales, (candle_charts, candles) = reading_sales.result(), reading_candles.result()
    # `best_ask` leaves out what is no offer: an ask of 0, or with the quantity 0.
    offers = [row for row in asks if row["fresh"] and row["price"] > 0 and row["quantity"] != 0]
    best = offers[0]["price"] if offers else None
    past = to_steps(changes)[item]
    shown = _choose_marketplaces(request, asks)
    title = f"{format_name(name['market_hash_name'])}{' ' + name['phase'] if name['phase'] else ''}"
    days = keep_unknown_days(reading_days.result(), past)
    starts = [*(step.start for step in past[:1]), *(midnight for midnight, _ in days[:1])]
    start = min(starts) if not length and starts else since
    chart = build_chart(
        PriceChart(title, start, now, past, daily=to_daily_steps(days)),
        asks_over_time,
        changes,
        shown=shown,
        days=days,
        sales=sales,
    )
    family = market.records(SELECT_FAMILY, {"family": name["family"], "currency": currency})
    return Page(
        template="item.html",
        title=title,
        figures=_figures(market, item, currency, offers=offers, past=past, now=now),
        charts=(chart, *candle_charts),
        tables=(_ask_table(asks, best, now, asks_over_time), sale_table(sales), candles),
        context={
            "item": item,
            "phases": _phases(family, name, currency),
            "wears": _wears(family, name, currency),
            "windows": [
                Choice(window, request.address(window=window), is_current=window == request.window)
                for window in WINDOWS
            ],
        },
    )


def _find_name(market: PreparedMarket, request: ItemRequest) -> dict[str, Any] | None:
    wanted = f"{request.item} @ {request.phase}" if request.phase else request.item
    found = market.records(SELECT_NAME, {"item": wanted})
    return found[0] if found else None


def _choose_marketplaces(request: ItemRequest, asks: Sequence[Mapping[str, Any]]) -> list[str]:
    listed = list(dict.fromkeys(row["provider"] for row in asks))
    wanted = request.show or tuple(name for name in FAVOURITES if name in listed) or tuple(listed[:3])
    return [name for name in wanted if name in listed][:MOST_LINES]


def _figures(
    market: PreparedMarket,
    item: str,
    currency: str,
    *,
    offers: Sequence[Mapping[str, Any]],
    past: Sequence[Step],
    now: datetime,
) -> list[Figure]:
    prices = [row["price"] for row in offers]
    best = prices[0] if prices else None
    bids = [row for row in offers if row["highest_bid"] is not None]
    top = max(bids, key=lambda row: row["highest_bid"], default=None)
    spread = market.records(SELECT_SPREAD, {"item": item, "currency": currency})
    return [
        Figure("Best ask", format_price(best), offers[0]["provider"] if offers else "not listed now"),
        _change_figure("24 h", past, now - DAY, best),
        _change_figure("7 d", past, now - WEEK, best),
        Figure(f"Median of {len(prices)}", format_price(median(prices) if prices else None)),
        Figure(
            "Highest bid",
            format_price(top["highest_bid"] if top else None),
            top["provider"] if top else "",
        ),
        *(
            Figure(
                "Best flip after fees",
                format_rounded(row["profit"]),
                f"{row['bought_at']} to {row['sold_at']}, {format_change(row['margin'])}",
                trend=trend(row["margin"]),
            )
            for row in spread
        ),
    ]


def _change_figure(label: str, past: Sequence[Step], moment: datetime, best: Decimal | None) -> Figure:
    was = next((step.value for step in reversed(past) if step.start <= moment), None)
    if was is None or best is None:
        return Figure(label, format_change(None), "not listed then" if best is not None else "")
    change = float(best) / was - 1 if was else None
    return Figure(label, format_change(change), f"was {format_price(was)}", trend=trend(change))


def _ask_table(
    asks: Sequence[Mapping[str, Any]],
    best: Decimal | None,
    now: datetime,
    asks_over_time: Mapping[tuple[str, str], Sequence[Step]],
) -> Table:
    rows = []
    for row in asks:
        past = clip_steps(asks_over_time.get((row["provider"], row["delivery"]), ()), now - WEEK, now)
        values = {
            **row,
            "chart": draw_sparkline(past, now - WEEK, now),
            "bid": row["highest_bid"],
            "over_best": float(row["price"] / best - 1) if best else None,
            "changed": row["changed_at"] and now - row["changed_at"],
            "seen": now - row["observed_at"],
        }
        if row["delivery"] != "standard":
            values["provider"] = f"{row['provider']} ({row['delivery']})"
        url = row["url"] or ""
        # Only these two: an address from an API may be a script.
        rows.append(Row(values, {"provider": url} if url.startswith(("https://", "http://")) else {}))
    return Table("asks", "Marketplaces", ASK_COLUMNS, rows, empty="No marketplace lists this item now.")


def _phases(family: Sequence[Mapping[str, Any]], name: Mapping[str, Any], currency: str) -> list[Choice]:
    """Return the phases of the same name."""
    rows = [row for row in family if row["market_hash_name"] == name["market_hash_name"] and row["phase"]]
    return [
        _choice(row["phase"], row, name, currency) for row in sorted(rows, key=lambda row: str(row["phase"]))
    ]


def _wears(family: Sequence[Mapping[str, Any]], name: Mapping[str, Any], currency: str) -> list[Choice]:
    """Return the wears of the same phase, with StatTrak and Souvenir, the dearest last."""
    rows = [row for row in family if row["phase"] == name["phase"] and row["wear"]]
    marks = (("stattrak", "ST "), ("souvenir", "Souvenir "))
    return [
        _choice("".join(mark for key, mark in marks if row[key]) + row["wear"], row, name, currency)
        for row in sorted(rows, key=lambda row: (row["price"] is None, row["price"]))
    ]


def _choice(label: str, row: Mapping[str, Any], name: Mapping[str, Any], currency: str) -> Choice:
    address = f"{item_address(row['item'])}?{urlencode({'currency': currency})}"
    return Choice(label, address, format_price(row["price"]), is_current=row["item"] == name["item"])
