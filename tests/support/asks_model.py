"""What the views of asks over time must show, worked out in plain Python from the rows of `quote_history`."""

from __future__ import annotations

import itertools
import statistics
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

import duckdb

DAY = timedelta(days=1)
Row = dict[str, Any]
ItemKey = tuple[str, str]


class Ask(NamedTuple):
    """A state of a quote that an order could be filled by, up to and without `end`; None: it goes on."""

    item: str
    currency: str
    lowest_ask: int
    price: Decimal
    source: str
    provider: str
    delivery: str
    quantity: int | None
    start: datetime
    end: datetime | None

    def counts_at(self, moment: datetime) -> bool:
        """Return whether the ask stands at a moment."""
        return self.start <= moment and (self.end is None or moment < self.end)

    @property
    def rank(self) -> tuple[Decimal, str, str, str]:
        """The order of asks, the best one first."""
        return self.price, self.source, self.provider, self.delivery


class BestAsk(NamedTuple):
    """The best ask of an item, up to and without `valid_to`; None: it is still the best one."""

    source: str
    provider: str
    delivery: str
    lowest_ask: int
    price: Decimal
    quantity: int | None
    valid_from: datetime
    valid_to: datetime | None


def records(db: duckdb.DuckDBPyConnection, query: str) -> list[Row]:
    """Return the rows of a query by the names of its columns."""
    result = db.execute(query)
    names = [column[0] for column in result.description]
    return [dict(zip(names, row, strict=True)) for row in result.fetchall()]


def rows_of(db: duckdb.DuckDBPyConnection, query: str) -> list[tuple[Any, ...]]:
    return db.execute(query).fetchall()


class AsksModel:
    """The asks of a warehouse over time."""

    def __init__(self, db: duckdb.DuckDBPyConnection) -> None:
        self.phased = {
            row["market_hash_name"] for row in records(db, "FROM items") if row["phase"] is not None
        }
        self.newest: dict[str, datetime] = {}
        for row in records(db, "SELECT source, observed_to FROM observations"):
            self.newest[row["source"]] = max(
                row["observed_to"], self.newest.get(row["source"], row["observed_to"])
            )
        self.now = max(self.newest.values())
        stale = {
            _quote_key(row): row["fresh_until"] or row["observed_at"]
            for row in records(db, "FROM stale_quotes")
        }
        history, quotes = records(db, "FROM quote_history"), records(db, "FROM quotes")
        # A quote that no observation lists counts for a day after its last point.
        known = {
            _quote_key({**row, "delivery": "standard"}): row["time"] + DAY
            for row in records(db, "FROM price_points WHERE price IS NOT NULL ORDER BY time")
        }
        ends = {**known, **dict.fromkeys(map(_quote_key, quotes)), **stale}
        self.asks = list(self._read(history, ends))
        self.live = [row for row in quotes if row["fresh"] and self.is_offer(row)]
        # The views show no day after this one.
        self.newest_time = max([self.now, *(row["valid_from"] for row in history)])

    def is_offer(self, row: Row) -> bool:
        """Return whether an order could be filled by a quote or a bid."""
        one_item = row["phase"] is not None or row["market_hash_name"] not in self.phased
        return one_item and row["price"] is not None and row["price"] > 0 and row["quantity"] != 0

    def _read(self, rows: Iterable[Row], ends: Mapping[tuple[object, ...], datetime | None]) -> Iterable[Ask]:
        for row in rows:
            end = row["valid_to"] or ends.get(_quote_key(row))
            if self.is_offer(row) and (end is None or row["valid_from"] < end):
                yield read_ask(row, end)

    def best_now(self) -> dict[ItemKey, Row]:
        """Return the best fresh quote of each item and currency."""
        best: dict[ItemKey, Row] = {}
        for row in sorted(self.live, key=_rank):
            best.setdefault((row["item"], row["currency"]), row)
        return best

    def best_before(self, past: timedelta) -> dict[ItemKey, Ask]:
        """Return the best ask at a time before the newest observation."""
        best: dict[ItemKey, Ask] = {}
        for ask in sorted(self.asks, key=lambda ask: ask.rank):
            if ask.counts_at(self.now - past):
                best.setdefault((ask.item, ask.currency), ask)
        return best

    def movers(self, past: timedelta) -> dict[ItemKey, tuple[Any, ...]]:
        """Return (was, now, was_at, now_at, markets, listed) of each item."""
        before, result = self.best_before(past), {}
        for key, row in self.best_now().items():
            if key in before:
                offers = [other for other in self.live if (other["item"], other["currency"]) == key]
                result[key] = (before[key].price, row["price"], before[key].provider, row["provider"],
                               len({offer["provider"] for offer in offers}), _listed(offers))  # fmt: skip
        return result

    def medians(self, days: int) -> dict[ItemKey, tuple[Decimal, Decimal, int]]:
        """Return (now, median, number of days with an ask) of each item."""
        samples = defaultdict(list)
        for back in range(1, days + 1):
            for key, ask in self.best_before(back * DAY).items():
                samples[key].append(ask.price)
        return {
            key: (row["price"], statistics.median(samples[key]), len(samples[key]))
            for key, row in self.best_now().items()
            if key in samples
        }

    def best_history(self) -> dict[ItemKey, list[BestAsk]]:
        """Return the best asks of each item in the order of time: where they changed."""
        by_item = defaultdict(list)
        for ask in self.asks:
            by_item[ask.item, ask.currency].append(ask)
        return {key: list(bests_over_time(asks)) for key, asks in by_item.items()}

    def daily(self) -> dict[tuple[object, ...], tuple[Any, ...]]:
        """Return (open, high, low, close, quantity, changes) of each quote and UTC day."""
        by_day = defaultdict(list)
        for ask in self.asks:
            for day in self._days_between(ask.start, ask.end, self.newest[ask.source]):
                key = (ask.item, ask.currency, ask.source, ask.provider, ask.delivery, day)
                by_day[key].append(ask)
        result: dict[tuple[object, ...], tuple[Any, ...]] = {}
        for key, asks in by_day.items():
            asks.sort(key=lambda ask: ask.start)
            prices = [ask.price for ask in asks]
            changes = sum(ask.start.date() == key[-1] for ask in asks)
            result[key] = (prices[0], max(prices), min(prices), prices[-1], asks[-1].quantity, changes)
        return result

    def daily_best(self) -> dict[tuple[object, ...], tuple[Any, ...]]:
        """Return (open, high, low, close, open_at, close_at) of the best ask of each item and UTC day."""
        by_day = defaultdict(list)
        for item, history in self.best_history().items():
            for best in history:
                for day in self._days_between(best.valid_from, best.valid_to, self.now):
                    by_day[*item, day].append(best)
        result: dict[tuple[object, ...], tuple[Any, ...]] = {}
        for key, bests in by_day.items():
            prices = [best.price for best in bests]
            ends = (bests[0].provider, bests[-1].provider)
            result[key] = (prices[0], max(prices), min(prices), prices[-1], *ends)
        return result

    def _days_between(self, start: datetime, end: datetime | None, newest: datetime) -> list[date]:
        """Return the UTC days of a time range; one that has no end counts up to the newest observation."""
        last = min(end - timedelta(microseconds=1) if end else max(newest, start), self.newest_time)
        return [start.date() + number * DAY for number in range((last.date() - start.date()).days + 1)]


def read_ask(row: Row, end: datetime | None) -> Ask:
    """Return the ask of a row of `quote_history` that ends at `end`."""
    names = ("item", "currency", "lowest_ask", "price", "source", "provider", "delivery", "quantity")
    return Ask._make([*(row[name] for name in names), row["valid_from"], end])


def bests_over_time(asks: Sequence[Ask]) -> Iterable[BestAsk]:
    """Yield the best ask between any two moments at which one begins or ends, equal neighbours as one."""
    moments = sorted({ask.start for ask in asks} | {ask.end for ask in asks if ask.end})
    last: BestAsk | None = None
    for start, end in itertools.zip_longest(moments, moments[1:]):
        standing = [ask for ask in asks if ask.counts_at(start)]
        best = min(standing, key=lambda ask: ask.rank, default=None)
        now = best and BestAsk(
            best.source, best.provider, best.delivery, best.lowest_ask, best.price, best.quantity, start, end
        )
        if last and now and last[:6] == now[:6] and last.valid_to == start:
            last = last._replace(valid_to=end)
            continue
        if last:
            yield last
        last = now
    if last:
        yield last


def _listed(offers: list[Row]) -> int | None:
    """Return the listed quantity: what a marketplace lists in a delivery counts once, whoever reports it."""
    most: dict[tuple[str, str], int] = {}
    for offer in offers:
        if offer["quantity"] is not None:
            key = (offer["provider"], offer["delivery"])
            most[key] = max(most.get(key, 0), offer["quantity"])
    return sum(most.values()) if most else None


def _rank(row: Row) -> tuple[Any, ...]:
    return row["price"], row["source"], row["provider"], row["delivery"]


def _quote_key(row: Row) -> tuple[object, ...]:
    return tuple(row[name] for name in ("item", "item_id", "source", "provider", "currency", "delivery"))
