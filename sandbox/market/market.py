"""The market: the quotes that the index serves, those that its next refresh shows, and its past states."""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import NamedTuple, Protocol

from sandbox.clock import MINUTE
from sandbox.market.board import Board, Quote, Quotes
from sandbox.market.money import RATES
from sandbox.market.providers import PROVIDERS


class QuoteStep(NamedTuple):
    """The quotes that the API served at a place before and after a change; None where nothing is listed."""

    before: Quote | None
    after: Quote | None


@dataclass(frozen=True, slots=True)
class IndexState:
    """The state of the index from `at` on (microseconds): the changed places, dark providers and rates.

    `refreshed` is the last refresh of the index; rates and dark providers change between refreshes too.
    `visible` has the places whose rows changed for a reader, with the quote before and after; `changes` has
    those of dark providers too.
    """

    at: int
    refreshed: int
    changes: Mapping[int, Quote | None]
    dark: frozenset[int]
    rates: Mapping[str, Decimal]
    visible: Mapping[int, QuoteStep] = field(default_factory=dict)


class QuoteLookup(Protocol):
    """Quotes by place."""

    def __getitem__(self, place: int, /) -> Quote | None: ...


@dataclass(frozen=True, slots=True)
class Index:
    """What the API serves of one side at one time: asks, whose `best` price is the lowest, or bids.

    `collected` is when the API last read the marketplaces, microseconds.
    """

    quotes: QuoteLookup
    dark: frozenset[int]
    rates: Mapping[str, Decimal]
    collected: int
    best: Callable[[Iterable[int]], int] = min

    def updated(self, quote: Quote) -> int:
        """Return the `last_updated` of a row, which is never before its last change."""
        return max(self.collected, quote.changed or 0)


Stamp = tuple[int, int, tuple[int, ...]]


@dataclass(slots=True)
class Versions:
    """Counters that invalidate caches: of rows and listings by provider, and of the rates."""

    rows: list[int] = field(default_factory=lambda: [0] * len(PROVIDERS))
    listings: list[int] = field(default_factory=lambda: [0] * len(PROVIDERS))
    rates: int = 0

    def touch(self, provider: int, *, listing: bool) -> None:
        """Count a change of a provider's rows; with `listing`, a row appeared or vanished."""
        self.rows[provider] += 1
        self.listings[provider] += listing


class Market:
    """Quotes on a board behind an index that refreshes every `refresh` microseconds (0: at once).

    An epoch is the time between two changes of the index; `epochs` has its state in each of them.
    """

    def __init__(self, board: Board, quotes: Quotes, *, now: int, refresh: int) -> None:
        self.board = board
        self.refresh = refresh
        self.versions = Versions()
        self.vanished: dict[int, Quote] = {}
        self.moves = 0
        self.first: Sequence[Quote | None] = list(quotes)
        self._served = quotes
        self._pending: dict[int, Quote | None] = {}
        self._listed: dict[tuple[int, ...], tuple[tuple[int, ...], list[int]]] = {}
        self.epochs = [IndexState(at=now, refreshed=now, changes={}, dark=frozenset(), rates=RATES)]

    @property
    def dark(self) -> frozenset[int]:
        """The positions of the providers whose rows the index does not serve."""
        return self.epochs[-1].dark

    @property
    def rates(self) -> Mapping[str, Decimal]:
        """The exchange rates that the API converts with."""
        return self.epochs[-1].rates

    @property
    def rates_since(self) -> int:
        """The last change of the exchange rates, microseconds."""
        return next(epoch.at for epoch in self.epochs if epoch.rates is self.rates)

    def current_quote(self, place: int) -> Quote | None:
        """Return the quote that a place has now, whether the index serves it already or not."""
        return self._pending[place] if place in self._pending else self._served[place]

    def apply(self, changes: Mapping[int, Quote | None], now: int) -> None:
        """Change quotes; the index shows them at its next refresh, or at once where `refresh` is 0."""
        self._pending.update(changes)
        if not self.refresh:
            self.publish(now)

    def publish(self, now: int) -> None:
        """Refresh the index."""
        visible: dict[int, QuoteStep] = {}
        for place, quote in self._pending.items():
            provider, before = self.board.provider_of[place], self._served[place]
            self.versions.touch(provider, listing=(quote is None) != (before is None))
            self._served[place] = quote
            if provider not in self.dark and quote != before:
                visible[place] = QuoteStep(before, quote)
        last = self.epochs[-1]
        at = max(now, last.at)
        self.epochs.append(replace(last, at=at, refreshed=at, changes=self._pending, visible=visible))
        self._pending = {}

    def set_dark(self, provider: int, dark: bool, now: int) -> None:
        """Remove a provider's rows from the index, or serve them again, at once."""
        quotes = [(place, self._served[place]) for place in self.board.by_provider[provider]]
        steps = {
            place: QuoteStep(quote, None) if dark else QuoteStep(None, quote)
            for place, quote in quotes
            if quote is not None and dark != (provider in self.dark)
        }
        self.versions.touch(provider, listing=True)
        self._begin_epoch(now, dark=self.dark | {provider} if dark else self.dark - {provider}, visible=steps)

    def set_rates(self, rates: Mapping[str, Decimal], now: int) -> None:
        """Change exchange rates at once."""
        self.versions.rates += 1
        self._begin_epoch(now, rates={**self.rates, **rates})

    def catch_up(self, now: int, drift: Callable[[int], None]) -> None:
        """Refresh the index if a refresh is due, after `drift` moved the market; several due are one."""
        last = self.epochs[-1].refreshed
        if self.refresh and (missed := (now - last) // self.refresh) > 0:
            drift(last + missed * self.refresh)
            self.publish(last + missed * self.refresh)

    def index(self, now: int) -> Index:
        """Return what the API serves now."""
        collected = self._collected(self.epochs[-1], now)
        return Index(self._served, self.dark, self.rates, collected=collected)

    def stamp(self, providers: tuple[int, ...], now: int) -> Stamp:
        """Return a stamp that changes with anything that rows of these providers show."""
        rows = tuple(self.versions.rows[provider] for provider in providers)
        return self._collected(self.epochs[-1], now), self.versions.rates, rows

    def as_of(self, at: int) -> Index:
        """Return what the API served at a time; before the first epoch, what it served first."""
        number = self._epoch_at(at)
        quotes = list(self.first)
        for epoch in self.epochs[: number + 1]:
            for place, quote in epoch.changes.items():
                quotes[place] = quote
        epoch = self.epochs[number]
        return Index(quotes, epoch.dark, epoch.rates, collected=self._collected(epoch, at))

    def served_at(self, place: int, at: int) -> Quote | None:
        """Return the quote served at a place at a time; before the first epoch, the first one."""
        last = self._epoch_at(at)
        if self.board.provider_of[place] in self.epochs[last].dark:
            return None
        changes_backwards = (self.epochs[number].changes for number in range(last, 0, -1))
        return next((changes[place] for changes in changes_backwards if place in changes), self.first[place])

    def steps(self, place: int) -> Iterator[tuple[int, Quote | None]]:
        """Yield the quotes served at a place, each with its first time; without the first quote."""
        provider, quote = self.board.provider_of[place], self.first[place]
        for epoch in self.epochs[1:]:
            quote = epoch.changes.get(place, quote)
            yield epoch.at, None if provider in epoch.dark else quote

    def listed(self, providers: tuple[int, ...]) -> list[int]:
        """Return the places that the index serves for these providers, in the order of a listing."""
        stamp = tuple(self.versions.listings[provider] for provider in providers)
        cached = self._listed.get(providers)
        if cached is None or cached[0] != stamp:
            places = self.board.of_providers(provider for provider in providers if provider not in self.dark)
            served = self._served
            cached = stamp, [place for place in places if served[place] is not None]
            self._listed[providers] = cached
        return cached[1]

    def _epoch_at(self, at: int) -> int:
        return max(0, bisect_right(self.epochs, at, key=lambda epoch: epoch.at) - 1)

    def _collected(self, epoch: IndexState, at: int) -> int:
        # With `refresh` 0 the API reads the marketplaces once a minute: pages can be cached that long.
        return epoch.refreshed if self.refresh else max(at, self.epochs[0].at) // MINUTE * MINUTE

    def _begin_epoch(
        self,
        now: int,
        *,
        dark: frozenset[int] | None = None,
        rates: Mapping[str, Decimal] | None = None,
        visible: Mapping[int, QuoteStep] | None = None,
    ) -> None:
        last = self.epochs[-1]
        at, dark, rates = max(now, last.at), self.dark if dark is None else dark, rates or self.rates
        self.epochs.append(replace(last, at=at, changes={}, dark=dark, rates=rates, visible=visible or {}))
