"""The market: what the index serves, what waits for its next refresh, and what it served before."""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Protocol

from sandbox.clock import MINUTE
from sandbox.market.board import Board, Quote, Quotes
from sandbox.market.money import RATES
from sandbox.market.providers import PROVIDERS


@dataclass(frozen=True, slots=True)
class IndexState:
    """One state of the index from `at` on: which places changed, who is dark, the rates; microseconds.

    `refreshed` is when the index was last made anew; rates and darkness change between refreshes too.
    """

    at: int
    refreshed: int
    changes: Mapping[int, Quote | None]
    dark: frozenset[int]
    rates: Mapping[str, Decimal]


class QuoteLookup(Protocol):
    """Quotes by place."""

    def __getitem__(self, place: int, /) -> Quote | None: ...


@dataclass(frozen=True, slots=True)
class Index:
    """What the API serves at one moment of one side: asks, where the `best` price is the least, or bids.

    `collected`: its last look at the marketplaces, microseconds.
    """

    quotes: QuoteLookup
    dark: frozenset[int]
    rates: Mapping[str, Decimal]
    collected: int
    best: Callable[[Iterable[int]], int] = min

    def updated(self, quote: Quote) -> int:
        """Return a row's `last_updated`: never before its last change."""
        return max(self.collected, quote.changed or 0)


Stamp = tuple[int, int, tuple[int, ...]]


@dataclass(slots=True)
class Versions:
    """Counters that tell a cache what is stale: rows and listings a provider, the rates for all."""

    rows: list[int] = field(default_factory=lambda: [0] * len(PROVIDERS))
    listings: list[int] = field(default_factory=lambda: [0] * len(PROVIDERS))
    rates: int = 0

    def touch(self, provider: int, *, listing: bool) -> None:
        """Return a row of this provider changed; with `listing`, it came or went."""
        self.rows[provider] += 1
        self.listings[provider] += listing


class Market:
    """Quotes on a board behind an index that refreshes every `refresh` microseconds (0: at once)."""

    def __init__(self, board: Board, quotes: Quotes, now: int, refresh: int) -> None:
        self.board = board
        self.refresh = refresh
        self.versions = Versions()
        self.vanished: dict[int, Quote] = {}
        self.moves = 0
        self._first = list(quotes)
        self._served = quotes
        self._pending: dict[int, Quote | None] = {}
        self._listed: dict[tuple[int, ...], tuple[tuple[int, ...], list[int]]] = {}
        self.epochs = [IndexState(now, now, {}, frozenset(), RATES)]

    @property
    def first(self) -> Sequence[Quote | None]:
        """What it began with, by place."""
        return self._first

    @property
    def dark(self) -> frozenset[int]:
        """The providers (by position) whose rows the index does not serve."""
        return self.epochs[-1].dark

    @property
    def rates(self) -> Mapping[str, Decimal]:
        """The exchange rates that the API converts with."""
        return self.epochs[-1].rates

    @property
    def rates_since(self) -> int:
        """When the exchange rates last changed (microseconds)."""
        return next(epoch.at for epoch in self.epochs if epoch.rates is self.rates)

    def current_quote(self, place: int) -> Quote | None:
        """Return what is really asked at a place, served already or not."""
        return self._pending[place] if place in self._pending else self._served[place]

    def apply(self, changes: Mapping[int, Quote | None], now: int) -> None:
        """Change the truth; the index shows it at its next refresh, or at once where it has no interval."""
        self._pending.update(changes)
        if not self.refresh:
            self.publish(now)

    def publish(self, now: int) -> None:
        """Refresh the index from the truth."""
        for place, quote in self._pending.items():
            gone_or_new = (quote is None) != (self._served[place] is None)
            self.versions.touch(self.board.provider_of[place], listing=gone_or_new)
            self._served[place] = quote
        last = self.epochs[-1]
        at = max(now, last.at)
        self.epochs.append(replace(last, at=at, refreshed=at, changes=self._pending))
        self._pending = {}

    def set_dark(self, provider: int, dark: bool, now: int) -> None:
        """Take a provider's rows out of the index, or bring them back. At once."""
        self.versions.touch(provider, listing=True)
        whole = self.dark | {provider} if dark else self.dark - {provider}
        self._enter(now, whole, self.rates)

    def set_rates(self, rates: Mapping[str, Decimal], now: int) -> None:
        """Change exchange rates. At once."""
        self.versions.rates += 1
        self._enter(now, self.dark, {**self.rates, **rates})

    def catch_up(self, now: int, drift: Callable[[int], None]) -> None:
        """Make the refresh that is due by now, after `drift` moved the market; several missed are one."""
        last = self.epochs[-1].refreshed
        if self.refresh and (missed := (now - last) // self.refresh) > 0:
            drift(last + missed * self.refresh)
            self.publish(last + missed * self.refresh)

    def index(self, now: int) -> Index:
        """Return what the API serves now."""
        return Index(self._served, self.dark, self.rates, self._collected(self.epochs[-1], now))

    def stamp(self, providers: tuple[int, ...], now: int) -> Stamp:
        """Return what is different once anything that these providers' rows show has changed."""
        rows = tuple(self.versions.rows[provider] for provider in providers)
        return self._collected(self.epochs[-1], now), self.versions.rates, rows

    def as_of(self, at: int) -> Index:
        """Return what the API served at a moment; before the first one, what it served first."""
        last = max(1, bisect_right(self.epochs, at, key=lambda epoch: epoch.at))
        quotes = list(self._first)
        for epoch in self.epochs[:last]:
            for place, quote in epoch.changes.items():
                quotes[place] = quote
        epoch = self.epochs[last - 1]
        return Index(quotes, epoch.dark, epoch.rates, self._collected(epoch, at))

    def served_at(self, place: int, at: int) -> Quote | None:
        """Return what the index served at a place at a moment; before the first one, what it served first."""
        last = max(1, bisect_right(self.epochs, at, key=lambda epoch: epoch.at))
        if self.board.provider_of[place] in self.epochs[last - 1].dark:
            return None
        changed = (self.epochs[number].changes for number in range(last - 1, 0, -1))
        return next((changes[place] for changes in changed if place in changes), self._first[place])

    def steps(self, place: int) -> Iterator[tuple[int, Quote | None]]:
        """Yield what the index served at a place and since when; not what it began with."""
        provider, quote = self.board.provider_of[place], self._first[place]
        for epoch in self.epochs[1:]:
            quote = epoch.changes.get(place, quote)
            yield epoch.at, None if provider in epoch.dark else quote

    def listed(self, providers: tuple[int, ...]) -> list[int]:
        """Return the places that the index serves for these providers, in the order of a walk."""
        stamp = tuple(self.versions.listings[provider] for provider in providers)
        cached = self._listed.get(providers)
        if cached is None or cached[0] != stamp:
            bright = [provider for provider in providers if provider not in self.dark]
            cached = stamp, self._holding(bright)
            self._listed[providers] = cached
        return cached[1]

    def _holding(self, providers: Iterable[int]) -> list[int]:
        served = self._served
        return [place for place in self.board.of_providers(providers) if served[place] is not None]

    def _collected(self, epoch: IndexState, at: int) -> int:
        # Without an interval the marketplaces are looked at once a minute: pages can be kept that long.
        return epoch.refreshed if self.refresh else max(at, self.epochs[0].at) // MINUTE * MINUTE

    def _enter(self, now: int, dark: frozenset[int], rates: Mapping[str, Decimal]) -> None:
        last = self.epochs[-1]
        self.epochs.append(replace(last, at=max(now, last.at), changes={}, dark=dark, rates=rates))
