"""A sandbox without a server: market, clock, keys, faults, request log, and the methods that change them."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from threading import RLock
from typing import TypedDict, Unpack

import polars as pl

from sandbox.clock import SECOND, Clock, micros
from sandbox.cs2cap.api import Cs2cap
from sandbox.cs2cap.faults import Fault, build_fault
from sandbox.cs2cap.feed import ground_truth as feed_ground_truth
from sandbox.cs2cap.feed.route import FeedRoutes
from sandbox.cs2cap.keys import ApiKey, KeyRegistry
from sandbox.cs2cap.series import ground_truth
from sandbox.cs2cap.series.routes import SeriesRoutes
from sandbox.cs2cap.snapshots import Snapshot
from sandbox.faults import FaultRegistry
from sandbox.market import board, catalog, moves
from sandbox.market.archive import MarketHistory
from sandbox.market.ledger import expected_quotes
from sandbox.market.market import Market
from sandbox.market.money import drifted
from sandbox.market.moves import QuoteChange, QuoteSelection
from sandbox.market.past import PriceHistory
from sandbox.market.providers import INDEX, KEYS
from sandbox.market.replay import Replay
from sandbox.market.rows import Scope
from sandbox.market.sides import ASKS, BIDS
from sandbox.options import Options
from sandbox.request_log import RequestLog
from sandbox.skinshark.api import Skinshark
from sandbox.skinshark.merchant import Merchant


class Selection(TypedDict, total=False):
    """Which quotes a method changes: of one provider, of some items; the seed repeats a random choice."""

    provider: str | None
    item_ids: Sequence[int] | None
    seed: int | None


class Sandbox:
    """Both APIs over one market. The methods may be called from any thread while a server runs.

    The methods that change quotes change exactly the requested number and return the changes; they raise
    ValueError for an unknown provider and for more quotes than exist.
    """

    def __init__(self, options: Options) -> None:
        self.options = options
        self.lock = RLock()
        self.url = ""
        self.clock = Clock(options.frozen)
        self.keys = KeyRegistry(options.tier, enforced=options.limits, windows=options.windows)
        self.faults = FaultRegistry[Fault]()
        self.requests = RequestLog()
        self.market = _build_market(options, self.clock.us())
        first, start = self.market.first, self.market.epochs[0].at
        past = PriceHistory(first, start, seed=options.seed, every=options.history_every)
        self.archive = MarketHistory(self.market, past)
        self.series = SeriesRoutes(self.archive, options.seed, dense=options.history == "dense")
        self.feeds = FeedRoutes(self.market, self.clock, ping_every=options.feed_ping)
        self.api = Cs2cap(self.market, self.clock, keys=self.keys, series=self.series, feeds=self.feeds)
        merchant = Merchant(options.merchant, enforced=options.limits)
        self.skinshark = Skinshark(
            self.market,
            self.clock,
            merchant,
            shape=options.phases,
            sub_user=options.sub_user,
            seed=options.seed,
        )

    def sync(self) -> int:
        """Refresh the index if the clock says that a refresh is due; return the time (microseconds)."""
        with self.lock:
            now = self.clock.us()
            self.market.catch_up(now, self._drift)
            return now

    def move(
        self, quotes: int = 1, *, factor: float | None = None, **selection: Unpack[Selection]
    ) -> list[QuoteChange]:
        """Change prices, by a factor or at random; their `timestamp` becomes now."""
        with self.lock:
            return moves.move(self.market, _select(quotes, selection), self.sync(), factor=factor)

    def restock(self, quotes: int = 1, **selection: Unpack[Selection]) -> list[QuoteChange]:
        """Change quantities and no price; their `timestamp` becomes now."""
        with self.lock:
            return moves.restock(self.market, _select(quotes, selection), self.sync())

    def vanish(self, quotes: int = 1, **selection: Unpack[Selection]) -> list[QuoteChange]:
        """Remove listed quotes."""
        with self.lock:
            return moves.vanish(self.market, _select(quotes, selection), self.sync())

    def restore(self) -> list[QuoteChange]:
        """List all vanished quotes again, with the same price, quantity and timestamp."""
        with self.lock:
            return moves.restore(self.market, self.sync())

    def appear(self, quotes: int = 1, **selection: Unpack[Selection]) -> list[QuoteChange]:
        """List new quotes."""
        with self.lock:
            return moves.appear(self.market, _select(quotes, selection), self.sync())

    def set_provider_dark(self, provider: str, dark: bool = True) -> None:
        """Remove a provider's rows from the index and report it as down, or serve it again."""
        with self.lock:
            self.market.set_dark(_position(provider), dark, self.sync())

    def refresh(self) -> None:
        """Refresh the index now."""
        with self.lock:
            self.market.publish(self.sync())

    def fx(self, rates: Mapping[str, str | Decimal]) -> None:
        """Set exchange rates, units per US dollar. Raises ValueError for a rate that is not positive."""
        decimals = {code: Decimal(rate) for code, rate in rates.items()}
        if not all(rate.is_finite() and rate > 0 for rate in decimals.values()) or "USD" in decimals:
            raise ValueError("a rate is a positive number, and the rate of USD is always 1")
        with self.lock:
            self.market.set_rates(decimals, self.sync())

    def drift_fx(self) -> None:
        """Change every exchange rate a little."""
        with self.lock:
            now, rng = self.sync(), board.seeded_random("fx", len(self.market.epochs))
            self.market.set_rates(drifted(self.market.rates, rng), now)

    def advance(self, seconds: float) -> None:
        """Advance the clock, and refresh the index if a refresh is due."""
        with self.lock:
            self.clock.advance(seconds)
            self.sync()

    def fault(self, kind: str, **fields: object) -> Fault:
        """Add a fault of CS2Cap; see `sandbox.cs2cap.faults.build_fault`."""
        return self.faults.add(build_fault(kind, **fields))

    def key(self, text: str, state: str = "valid", *, tier: str | None = None, label: str = "") -> ApiKey:
        """Add a key, or change its state and tier."""
        return self.keys.put(text, state, tier=tier, label=label)

    def ledger(
        self,
        at: datetime | None = None,
        *,
        currency: str = "USD",
        providers: Sequence[str] | None = None,
        item_ids: Sequence[int] | None = None,
        bids: bool = False,
    ) -> pl.DataFrame:
        """Return what the index served at a time (default: now), columns as in `market.ledger.SCHEMA`.

        A time before the start is in the market's past. Asks, or `bids` with their own names for price and
        quantity. Without `item_ids`: the whole catalog, in the order of a listing. Raises KeyError for an
        unknown currency or id.
        """
        side = BIDS if bids else ASKS
        positions = sorted({_position(key) for key in providers or KEYS} & set(side.providers))
        scope = Scope(tuple(positions), None if item_ids is None else tuple(item_ids))
        with self.lock:
            now = self.sync()
            index = side.of(self.market.index(now) if at is None else self.archive.index(micros(at)))
            return expected_quotes(self.market.board, index, scope, currency=currency, side=side)

    def history(
        self,
        item_ids: Sequence[int],
        *,
        start: datetime | None = None,
        end: datetime | None = None,
        currency: str = "USD",
    ) -> pl.DataFrame:
        """Return the raw points of items from `start` (default: the oldest) to before `end` (default: now).

        Columns as in `sandbox.cs2cap.series.ground_truth.POINTS`, providers by their keys. Raises KeyError
        for an unknown currency or id.
        """
        with self.lock:
            first = self.archive.raw_since if start is None else micros(start)
            now = self.sync() + 1
            time_range = ground_truth.TimeRange(first, now if end is None else min(now, micros(end)))
            items = [self.market.board.catalog.by_id[item_id] for item_id in item_ids]
            rate = self.market.rates[currency]
            return ground_truth.expected_points(self.series, items, time_range, rate=rate)

    def daily(
        self, item_ids: Sequence[int], *, start: datetime, end: datetime | None = None, currency: str = "USD"
    ) -> pl.DataFrame:
        """Return the daily points of the days that begin from `start` to before `end` (default: now).

        Columns as in `sandbox.cs2cap.series.ground_truth.DAILY`, providers by their keys. Raises KeyError
        for an unknown currency or id.
        """
        with self.lock:
            now = self.sync()
            time_range = ground_truth.TimeRange(micros(start), now + 1 if end is None else micros(end))
            items = [self.market.board.catalog.by_id[item_id] for item_id in item_ids]
            rate = self.market.rates[currency]
            return ground_truth.expected_daily(self.series, items, time_range, now=now, rate=rate)

    def sales(
        self, at: datetime | None = None, *, currency: str = "USD", item_ids: Sequence[int] | None = None
    ) -> pl.DataFrame:
        """Return the sales that the API knows at a time (default: now), of all items or of these.

        Columns as in `sandbox.cs2cap.series.ground_truth.SALES`, newest first. Raises KeyError for an unknown
        currency or id.
        """
        with self.lock:
            now = self.sync()
            by_id = self.market.board.catalog.by_id
            items = None if item_ids is None else [by_id[item_id] for item_id in item_ids]
            known_at = now if at is None else min(now, micros(at))
            rate = self.market.rates[currency]
            return ground_truth.expected_sales(self.series, items, known_at, rate=rate)

    def changes(
        self, start: datetime | None = None, end: datetime | None = None, *, bids: bool = False
    ) -> pl.DataFrame:
        """Return all changes of the index from `start` (default: the first one) to `end` (default: now).

        Columns as in `sandbox.cs2cap.feed.ground_truth.CHANGES`, oldest first; both times are included.
        """
        with self.lock:
            now = self.sync()
            first = self.market.epochs[0].at if start is None else micros(start)
            last = now if end is None else micros(end)
            return feed_ground_truth.changes(self.market, BIDS if bids else ASKS, start=first, end=last)

    def sent_items(self) -> pl.DataFrame:
        """Return what the connections to the feeds were sent.

        Columns as in `sandbox.cs2cap.feed.ground_truth.SENT`.
        """
        with self.lock:
            return feed_ground_truth.sent_items(self.market.board, self.feeds.connections)

    def break_feeds(self, how: str = "drop") -> int:
        """End all open connections to the feeds; return how many.

        "drop" breaks them, "close" ends their bodies, "middle" breaks each in the middle of its next event.
        Raises ValueError for another `how`.
        """
        with self.lock:
            return self.feeds.end_all(how)

    def render(self, *, bids: bool = False) -> Snapshot:
        """Render the full stream of all providers, so that the next request of it is served at once."""
        side = BIDS if bids else ASKS
        with self.lock:
            return self.api.streams.snapshots.get(side, side.providers, self.sync())

    def _drift(self, now: int) -> None:
        if self.options.moving:
            listed = len(self.market.listed(tuple(range(len(KEYS)))))
            moves.move(self.market, QuoteSelection(round(listed * self.options.moving)), now)
        if self.options.moving_fx:
            self.market.set_rates(drifted(self.market.rates, board.seeded_random("fx", now)), now)


def _build_market(options: Options, now: int) -> Market:
    if options.market is not None:
        return Replay(options.market)
    items = catalog.build_catalog(options.items, options.seed)
    first, quotes = board.seed_board(items, options.seed, now=now, count=options.quotes)
    return Market(first, list(quotes), now=now, refresh=round(options.refresh * SECOND))


def _position(provider: str) -> int:
    if provider not in INDEX:
        raise ValueError(f"unknown provider {provider!r}")
    return INDEX[provider]


def _select(quotes: int, selection: Selection) -> QuoteSelection:
    if unknown := set(selection) - Selection.__annotations__.keys():
        raise TypeError(f"unexpected fields: {', '.join(sorted(unknown))}")
    provider, item_ids = selection.get("provider"), selection.get("item_ids")
    return QuoteSelection(
        quotes,
        provider=None if provider is None else _position(provider),
        item_ids=None if item_ids is None else frozenset(item_ids),
        seed=selection.get("seed"),
    )
