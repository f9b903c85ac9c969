"""One sandbox without a server: market, clock, keys, faults, request log, and the verbs that drive them."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from threading import RLock

import polars as pl

from sandbox.clock import Clock, micros
from sandbox.cs2cap.api import Cs2cap
from sandbox.cs2cap.faults import Fault, Faults
from sandbox.cs2cap.keys import ApiKey, KeyRegistry
from sandbox.cs2cap.series import ground_truth
from sandbox.cs2cap.series.routes import SeriesRoutes
from sandbox.cs2cap.snapshots import Snapshot
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

SECOND = 1_000_000


class Sandbox:
    """Everything behind the API. Its methods may be called from any thread while it serves.

    Market verbs return the quotes they touched; ValueError: an unknown provider, too many quotes.
    """

    def __init__(self, options: Options) -> None:
        self.options = options
        self.lock = RLock()
        self.url = ""
        self.clock = Clock(options.frozen)
        self.keys = KeyRegistry(options.tier, enforced=options.limits, windows=options.windows)
        self.faults = Faults()
        self.requests = RequestLog()
        self.market = _market(options, self.clock.us())
        past = PriceHistory(self.market.first, self.market.epochs[0].at, options.seed, options.history_every)
        self.archive = MarketHistory(self.market, past)
        self.series = SeriesRoutes(self.archive, options.seed, dense=options.history == "dense")
        self.api = Cs2cap(self.market, self.clock, self.keys, self.series)
        self.skinshark = Skinshark(
            self.market, self.clock, Merchant(options.merchant, enforced=options.limits)
        )

    def sync(self) -> int:
        """Bring the index up to the clock; tells the present (microseconds)."""
        with self.lock:
            now = self.clock.us()
            self.market.catch_up(now, self._drift)
            return now

    def move(
        self,
        quotes: int = 1,
        *,
        provider: str | None = None,
        item_ids: Sequence[int] | None = None,
        factor: float | None = None,
        seed: int | None = None,
    ) -> list[QuoteChange]:
        """Change exactly so many prices, by a factor or by chance; `timestamp` becomes now."""
        with self.lock:
            return moves.move(self.market, _pick(quotes, provider, item_ids, seed), self.sync(), factor)

    def restock(
        self,
        quotes: int = 1,
        *,
        provider: str | None = None,
        item_ids: Sequence[int] | None = None,
        seed: int | None = None,
    ) -> list[QuoteChange]:
        """Change exactly so many quantities and no price; `timestamp` becomes now."""
        with self.lock:
            return moves.restock(self.market, _pick(quotes, provider, item_ids, seed), self.sync())

    def vanish(
        self,
        quotes: int = 1,
        *,
        provider: str | None = None,
        item_ids: Sequence[int] | None = None,
        seed: int | None = None,
    ) -> list[QuoteChange]:
        """Take exactly so many listings away."""
        with self.lock:
            return moves.vanish(self.market, _pick(quotes, provider, item_ids, seed), self.sync())

    def restore(self) -> list[QuoteChange]:
        """Bring back all that vanished, with the same price, quantity and timestamp."""
        with self.lock:
            return moves.restore(self.market, self.sync())

    def appear(
        self,
        quotes: int = 1,
        *,
        provider: str | None = None,
        item_ids: Sequence[int] | None = None,
        seed: int | None = None,
    ) -> list[QuoteChange]:
        """List exactly so many quotes where there was none."""
        with self.lock:
            return moves.appear(self.market, _pick(quotes, provider, item_ids, seed), self.sync())

    def set_provider_dark(self, provider: str, dark: bool = True) -> None:
        """Take a provider's rows out of the index and call it down, or bring it back."""
        with self.lock:
            self.market.set_dark(_position(provider), dark, self.sync())

    def refresh(self) -> None:
        """Refresh the index now."""
        with self.lock:
            self.market.publish(self.sync())

    def fx(self, rates: Mapping[str, str | Decimal]) -> None:
        """Set exchange rates, units for one US dollar. Raises ValueError for what is no positive rate."""
        decimals = {code: Decimal(rate) for code, rate in rates.items()}
        if not all(rate.is_finite() and rate > 0 for rate in decimals.values()) or "USD" in decimals:
            raise ValueError("a rate is a positive number, and the dollar's is 1")
        with self.lock:
            self.market.set_rates(decimals, self.sync())

    def drift_fx(self) -> None:
        """Move every exchange rate a little."""
        with self.lock:
            now = self.sync()
            self.market.set_rates(
                drifted(self.market.rates, board.seeded_random("fx", len(self.market.epochs))), now
            )

    def advance(self, seconds: float) -> None:
        """Advance the clock and let the index follow."""
        with self.lock:
            self.clock.advance(seconds)
            self.sync()

    def fault(self, kind: str, **how: object) -> Fault:
        """Set a fault; see `sandbox.faults`."""
        return self.faults.add(kind, **how)

    def key(self, text: str, state: str = "valid", *, tier: str | None = None, label: str = "") -> ApiKey:
        """Add a key or change its state and tier."""
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
        """Return what the index served at a moment (now by default), columns as in `sandbox.ledger.SCHEMA`.

        A moment before the start is one of the market's past. Asks, or `bids` with their own names for price
        and quantity. Without `item_ids`: the whole catalog, as a walk lists it. KeyError: an unknown currency
        or id.
        """
        side = BIDS if bids else ASKS
        positions = sorted({_position(key) for key in providers or KEYS} & set(side.providers))
        scope = Scope(tuple(positions), None if item_ids is None else tuple(item_ids))
        with self.lock:
            now = self.sync()
            index = self.market.index(now) if at is None else self.archive.index(micros(at))
            return expected_quotes(self.market.board, side.of(index), scope, currency, side)

    def history(
        self,
        item_ids: Sequence[int],
        *,
        start: datetime | None = None,
        end: datetime | None = None,
        currency: str = "USD",
    ) -> pl.DataFrame:
        """Return the raw points of items, from `start` on (all), before `end` (till now).

        Columns as in `sandbox.truth.POINTS`, providers by their keys. KeyError: an unknown currency or id.
        """
        with self.lock:
            first = self.archive.raw_since if start is None else micros(start)
            now = self.sync() + 1
            span = ground_truth.TimeRange(first, now if end is None else min(now, micros(end)))
            items = [self.market.board.catalog.by_id[item_id] for item_id in item_ids]
            return ground_truth.expected_points(self.series, items, span, self.market.rates[currency])

    def sales(
        self, at: datetime | None = None, *, currency: str = "USD", item_ids: Sequence[int] | None = None
    ) -> pl.DataFrame:
        """Return the sales that the API knows at a moment (now by default), of all items or of these.

        Columns as in `sandbox.truth.SALES`, the newest first. KeyError: an unknown currency or id.
        """
        with self.lock:
            now = self.sync()
            by_id = self.market.board.catalog.by_id
            items = None if item_ids is None else [by_id[item_id] for item_id in item_ids]
            known = now if at is None else min(now, micros(at))
            return ground_truth.expected_sales(self.series, items, known, self.market.rates[currency])

    def render(self, *, bids: bool = False) -> Snapshot:
        """Render the full stream of all providers, so that the next one asked for is served at once."""
        side = BIDS if bids else ASKS
        with self.lock:
            return self.api.streams.snapshots.get(side, side.providers, self.sync())

    def _drift(self, now: int) -> None:
        if self.options.moving:
            listed = len(self.market.listed(tuple(range(len(KEYS)))))
            moves.move(self.market, QuoteSelection(round(listed * self.options.moving)), now)
        if self.options.moving_fx:
            self.market.set_rates(drifted(self.market.rates, board.seeded_random("fx", now)), now)


def _market(options: Options, now: int) -> Market:
    if options.market is not None:
        return Replay(options.market)
    refresh = round(options.refresh * SECOND)
    entries = catalog.build_catalog(options.items, options.seed)
    first, quotes = board.seed_board(entries, options.seed, now, options.quotes)
    return Market(first, quotes, now, refresh)


def _position(provider: str) -> int:
    if provider not in INDEX:
        raise ValueError(f"no provider {provider!r}")
    return INDEX[provider]


def _pick(
    quotes: int, provider: str | None, item_ids: Sequence[int] | None, seed: int | None
) -> QuoteSelection:
    position = None if provider is None else _position(provider)
    return QuoteSelection(quotes, position, None if item_ids is None else frozenset(item_ids), seed)
