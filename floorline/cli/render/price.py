"""Print the price of an item: one line of figures, the week as a line of bars, and a table."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final

from common.text import escape, format_amount, format_duration
from floorline.cli.json_output import print_result
from floorline.console import print_heading, print_line, print_table
from floorline.price import ItemPrice, MarketplacePrice

BARS: Final = "▁▂▃▄▅▆▇█"
NOT_LISTED: Final = "·"
ITEMS: Final = ("item", "best ask", "at", "24 h", "7 d", "week")
ASKS: Final = ("marketplace", "ask", "over best", "listed", "bid", "after fee", "changed", "seen")


def print_price(prices: Sequence[ItemPrice], *, as_json: bool) -> None:
    """Print an item, or the wears and phases of an item."""
    if as_json:
        print_result("price", prices)
    elif len(prices) == 1:
        _print_item(prices[0])
    else:
        rows = [_item_row(price) for price in prices]
        print_table(ITEMS, rows, noun="item", first=("item", "best ask", "at"))
        print_line(f"best asks in {prices[0].currency}; name one item to see its marketplaces")


def _item_row(price: ItemPrice) -> tuple[object, ...]:
    return (
        price.item,
        price.price,
        price.provider or "not listed",
        format_change(price.day_change_share),
        format_change(price.week_change_share),
        draw_bars(price.week),
    )


def _print_item(price: ItemPrice) -> None:
    print_heading(f"{escape(price.item)}  {price.currency}")
    if price.price is None:
        print_line("not listed anywhere now")
    else:
        print_line(
            f"best ask {format_amount(price.price)} at {escape(price.provider or '')}"
            f"   24 h {format_change(price.day_change_share) or 'not listed'}"
            f"   7 d {format_change(price.week_change_share) or 'not listed'}"
            f"   {draw_bars(price.week)}"
        )
    if price.asks:
        newest = max(ask.observed_at for ask in price.asks)
        rows = [_ask_row(ask, newest) for ask in price.asks]
        print_table(ASKS, rows, noun="ask", first=("marketplace", "ask"))
        print_line(f"ages count back from the newest look, {newest.astimezone(UTC):%Y-%m-%d %H:%M} UTC")


def _ask_row(ask: MarketplacePrice, newest: datetime) -> tuple[object, ...]:
    name = ask.provider if ask.delivery == "standard" else f"{ask.provider} ({ask.delivery})"
    return (
        name,
        ask.price,
        format_change(ask.over_best_share),
        ask.quantity,
        ask.highest_bid,
        ask.after_fee,
        "" if ask.changed_at is None else format_duration(newest - ask.changed_at),
        format_duration(newest - ask.observed_at) + ("" if ask.fresh else ", stale"),
    )


def format_change(share: float | None) -> str:
    """Return a relative change with its sign, such as "+4.2%"; nothing where it is not known."""
    return "" if share is None else f"{share:+.1%}"


def draw_bars(prices: Sequence[Decimal | None]) -> str:
    """Return a bar for each price, between the lowest and the highest; a dot where nothing was listed."""
    known = [price for price in prices if price is not None]
    if not known:
        return ""
    low, high = min(known), max(known)
    top = len(BARS) - 1
    return "".join(
        NOT_LISTED if price is None else BARS[int((price - low) / (high - low) * top) if high > low else 0]
        for price in prices
    )
