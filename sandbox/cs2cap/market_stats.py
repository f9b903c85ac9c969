"""`GET /v1/market/items`: figures of every item over all providers, in one response without pages."""

from collections import Counter, defaultdict
from datetime import datetime
from typing import NamedTuple

from sandbox.clock import DAY, SECOND, iso, micros
from sandbox.cs2cap.keys import ApiKey, require_feature
from sandbox.cs2cap.series.sales import SalesFeed
from sandbox.http_types import ApiRequest, ApiResponse, Json, dumps
from sandbox.market.board import Quote
from sandbox.market.catalog import Item
from sandbox.market.market import Market
from sandbox.market.sides import ASKS

WINDOWS = (1, 7, 30)  # days
GENERATED_EVERY = 300 * SECOND
MOST_LIQUID = 100


class ItemStats(NamedTuple):
    """The figures of an item; the best ask is in US cents, None where nothing is listed.

    `sales` are those of the last 1, 7 and 30 days.
    """

    item: Item
    best_ask: int | None
    provider_count: int
    supply: int
    sales: tuple[int, int, int]

    @property
    def market_cap(self) -> int:
        """The best ask of all copies together, US cents."""
        return (self.best_ask or 0) * self.supply

    @property
    def liquidity(self) -> int:
        """The share of the copies that were sold in 30 days, in percent."""
        return min(MOST_LIQUID, 100 * self.sales[2] // self.supply) if self.supply else 0


class MarketStatsRoute:
    """Figures of the market, computed every five minutes."""

    def __init__(self, market: Market, sales_feed: SalesFeed) -> None:
        self._market = market
        self._sales_feed = sales_feed

    def stats(self, now: int) -> list[ItemStats]:
        """Return the figures as the API tells them at `now` (microseconds), the largest market cap first."""
        now = now // GENERATED_EVERY * GENERATED_EVERY
        board = self._market.board
        quotes: defaultdict[int, list[Quote]] = defaultdict(list)
        served = self._market.index(now).quotes
        for place in self._market.listed(ASKS.providers):
            if (quote := served[place]) is not None:
                quotes[board.item(place).item_id].append(quote)
        sales = self._count_sales(now)
        rows = [
            ItemStats(
                item,
                best_ask=min((quote.price for quote in quotes[item.item_id]), default=None),
                provider_count=len(quotes[item.item_id]),
                supply=sum(quote.quantity for quote in quotes[item.item_id]),
                sales=(sales[1][item.item_id], sales[7][item.item_id], sales[30][item.item_id]),
            )
            for item in board.catalog.items
            if not item.aggregate
        ]
        return sorted(rows, key=lambda row: (-row.market_cap, row.item.item_id))

    def respond(self, request: ApiRequest, key: ApiKey, now: datetime) -> ApiResponse:
        """Return the figures. Raises ApiError."""
        require_feature(key.tier.history, request)
        generated_at = micros(now) // GENERATED_EVERY * GENERATED_EVERY
        meta: dict[str, Json] = {
            "generated_at": iso(generated_at),
            "data_source": "cache",
            "freshness_sec": (micros(now) - generated_at) // SECOND,
            "window": {"timeframe": "24h"},
        }
        items: list[Json] = [_row_json(row, rank) for rank, row in enumerate(self.stats(micros(now)), 1)]
        return ApiResponse(body=dumps({"meta": meta, "data": {"items": items}}))

    def _count_sales(self, now: int) -> dict[int, Counter[int]]:
        counts: dict[int, Counter[int]] = {days: Counter() for days in WINDOWS}
        for sale, _ in self._sales_feed.sales(now):
            for days in WINDOWS:
                if sale.at > now - days * DAY:
                    counts[days][self._market.board.item(sale.place).item_id] += 1
        return counts


def _row_json(row: ItemStats, rank: int) -> dict[str, Json]:
    phase: dict[str, Json] = {"phase": row.item.phase} if row.item.phase else {}
    day, week, month = row.sales
    return {
        "item_id": row.item.item_id,
        "market_hash_name": row.item.name,
        **phase,
        "summary": {
            "provider_count": row.provider_count,
            "best_ask_usd": None if row.best_ask is None else f"{row.best_ask / 100:.2f}",
            "best_bid_usd": None,
            "avg_spread_pct": None,
            "total_volume_24h": day,
            "liquidity": row.liquidity,
            "supply": row.supply,
            "rank": rank,
            "marketcap": f"{row.market_cap / 100:.2f}",
            "sales_1d": day,
            "sales_7d": week,
            "sales_30d": month,
            "steam_sales_7d": None,
            "steam_sales_30d": None,
        },
    }
