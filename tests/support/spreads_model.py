"""The best spread of each item, worked out in plain Python from the other views: all pairs."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from decimal import Decimal
from typing import Any

import duckdb

from tests.support.asks_model import AsksModel, Row, records

COMBINED = {"skinshark": {"skinshark", "c5", "ecosteam"}}


class SpreadsModel:
    """The offers of a warehouse; `far_off` are those that no spread is built on."""

    def __init__(self, db: duckdb.DuckDBPyConnection) -> None:
        model = AsksModel(db)
        bids = [
            {**row, "quantity": row["num_bids"], "delivery": "bid"}
            for row in records(db, "FROM bids")
            if row["fresh"]
        ]
        self._fees = {(row["source"], row["provider"]): row for row in records(db, "FROM providers")}
        self._offers: dict[tuple[str, str], list[Row]] = defaultdict(list)
        for row in [*model.live, *filter(model.is_offer, bids)]:
            self._offers[row["item"], row["currency"]].append(row)

    def far_off(self) -> dict[tuple[object, ...], tuple[Decimal, int]]:
        """Return (median, number of others) of each offer that is far off the other marketplaces."""
        found = {}
        for offers in self._offers.values():
            for offer in offers:
                others = _lowest_of_others(offers, offer["provider"])
                if _is_far_off(offer, others):
                    key = tuple(
                        offer[name] for name in ("item", "currency", "source", "provider", "delivery")
                    )
                    found[key] = (Decimal(statistics.median(others)), len(others))
        return found

    def best(
        self, bought_at: Collection[str] | None = None, sold_at: Collection[str] | None = None
    ) -> dict[tuple[str, str], tuple[Decimal, int]]:
        """Return (highest profit, number of offers far off) of each item with a profitable pair."""
        best = {}
        for key, offers in self._offers.items():
            sound = [
                row for row in offers if not _is_far_off(row, _lowest_of_others(offers, row["provider"]))
            ]
            buys = [row for row in sound if bought_at is None or row["provider"] in bought_at]
            sales = [row for row in sound if sold_at is None or row["provider"] in sold_at]
            profits = [profit for profit in self._profits(buys, sales) if profit > 0]
            if profits:
                best[key] = (max(profits), len(offers) - len(sound))
        return best

    def _profits(self, buys: Sequence[Row], sales: Sequence[Row]) -> Iterator[Decimal]:
        for buy in buys:
            for sale in sales:
                proceeds = self._proceeds(sale)
                if buy["delivery"] != "bid" and proceeds is not None and not _share_goods(buy, sale):
                    fee = self._fees[buy["source"], buy["provider"]]["buy_fee"] or 0
                    yield proceeds - buy["price"] * (1 + Decimal(str(fee)))

    def _proceeds(self, sale: Row) -> Decimal | None:
        fees = self._fees[sale["source"], sale["provider"]]
        fee = fees["insta_sell_fee"] if sale["delivery"] == "bid" else None
        fee = fees["sell_fee"] if fee is None else fee
        return None if fee is None else sale["price"] * (1 - Decimal(str(fee)))


def _lowest_of_others(offers: Sequence[Row], provider: str) -> list[Decimal]:
    lowest: dict[str, Decimal] = {}
    for row in offers:
        if row["delivery"] != "bid" and row["provider"] != provider:
            lowest[row["provider"]] = min(row["price"], lowest.get(row["provider"], row["price"]))
    return list(lowest.values())


def _is_far_off(offer: Row, others: Sequence[Decimal]) -> bool:
    if not others:
        return False
    median: Any = statistics.median(others)
    low = offer["delivery"] != "bid" and offer["price"] * 3 <= median
    return bool(low or offer["price"] >= median * 3)


def _share_goods(buy: Row, sale: Row) -> bool:
    goods = [COMBINED.get(row["provider"], {row["provider"]}) for row in (buy, sale)]
    return not goods[0].isdisjoint(goods[1])
