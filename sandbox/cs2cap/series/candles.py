"""Candles of all providers as one: the best ask at start and end, the lowest and the highest between."""

from collections import deque
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from sandbox.market.archive import Tracks
from sandbox.market.grid import SLOT, ceil
from sandbox.market.price_track import DELISTED, PriceTrack

OUTLIER = 2  # an ask beyond so many times the lowest one is no high


class BestAsk(NamedTuple):
    """What one provider (position) asks, US cents."""

    price: int
    provider: int


class Candle(NamedTuple):
    """One bucket from `time` on (microseconds): the asks, the pieces that left, the pieces at its end."""

    time: int
    opened: BestAsk
    high: BestAsk
    low: BestAsk
    close: BestAsk
    volume: int
    quantity: int
    points: int


class _Change(NamedTuple):
    """What a provider asks from a slot on; a price of GONE where it lists nothing any more."""

    slot: int
    provider: int
    price: int
    quantity: int


class CandleBuilder:
    """Draws candles from tracks, whose points lie on the grid: buckets from `start` on, before `end`.

    Both in microseconds, `start` on the interval's grid; nothing from `end` on is seen.
    """

    def __init__(self, tracks: Tracks, start: int, end: int) -> None:
        self._start, self._end = start, end
        self._listed: dict[int, tuple[int, int, int]] = {}  # price, provider, quantity; by provider
        changes: list[_Change] = []
        for provider, track in tracks.items():
            stood = track.until(start - SLOT)
            if stood >= 0 and track.price[stood] != DELISTED:
                self._listed[provider] = track.price[stood], provider, track.quantity[stood]
            changes += _changes(track, provider, stood + 1, end)
        self._coming = deque(sorted(changes))

    def candles(self, step: int, *, dense: bool, fill: bool) -> Iterator[Candle]:
        """Yield a candle for each bucket with a point, all of them where `dense` or `fill`.

        A bucket without a point carries the last best ask on where it is filled, and has no volume.
        """
        for time in range(self._start, self._end, step):
            changes = self._until(time + step)
            if changes or (dense and self._listed):
                yield from self._build_candle(time, changes)
            elif fill and self._listed:
                best = self._best()
                yield Candle(time, best, best, best, best, 0, self._pieces(), 0)

    def _until(self, end: int) -> Mapping[int, list[_Change]]:
        """Return what changes before a moment, by slot."""
        found: dict[int, list[_Change]] = {}
        while self._coming and self._coming[0].slot < end:
            change = self._coming.popleft()
            found.setdefault(change.slot, []).append(change)
        return found

    def _build_candle(self, time: int, changes: Mapping[int, list[_Change]]) -> Iterator[Candle]:
        left = self._apply(changes.get(time, []))
        seen = [BestAsk(*listed[:2]) for listed in self._listed.values()]
        best = [self._best()] if seen else []
        for slot in (slot for slot in changes if slot > time):
            left += self._apply(changes[slot])
            seen += [
                BestAsk(change.price, change.provider) for change in changes[slot] if change.price != DELISTED
            ]
            best += [self._best()] if self._listed else []
        if best:
            low = min(best)
            high = max(ask for ask in seen if ask.price <= OUTLIER * low.price)
            points = sum(change.price != DELISTED for slot in changes.values() for change in slot)
            yield Candle(time, best[0], high, low, best[-1], left, self._pieces(), points)

    def _apply(self, changes: list[_Change]) -> int:
        """Let changes happen; return how many pieces left."""
        left = 0
        for change in changes:
            *_, before = self._listed.pop(change.provider, (0, 0, 0))
            if change.price != DELISTED:
                self._listed[change.provider] = change.price, change.provider, change.quantity
            left += max(0, before - change.quantity)
        return left

    def _best(self) -> BestAsk:
        return BestAsk(*min(self._listed.values())[:2])

    def _pieces(self) -> int:
        return sum(quantity for *_, quantity in self._listed.values())


def _changes(track: PriceTrack, provider: int, first: int, end: int) -> list[_Change]:
    """Return the last change of each slot before `end`, from the step of number `first` on."""
    found: dict[int, _Change] = {}
    for step in range(first, len(track.at)):
        if (slot := ceil(track.at[step])) >= end:
            break
        found[slot] = _Change(slot, provider, track.price[step], track.quantity[step])
    return list(found.values())
