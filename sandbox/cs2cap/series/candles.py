"""Candles over all providers: the best ask at start and end, the lowest and the highest ask between."""

from collections import deque
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from sandbox.market.archive import Tracks
from sandbox.market.grid import SLOT, ceil
from sandbox.market.price_track import DELISTED, PriceTrack

OUTLIER = 2  # an ask above so many times the lowest ask is not a high


class BestAsk(NamedTuple):
    """The ask of one provider (position), US cents."""

    price: int
    provider: int


class Candle(NamedTuple):
    """One bucket from `time` on (microseconds); `volume`: by how much quantities decreased in it."""

    time: int
    opened: BestAsk
    high: BestAsk
    low: BestAsk
    close: BestAsk
    volume: int
    quantity: int
    points: int


class _Change(NamedTuple):
    """The ask of a provider from a slot on; the price is DELISTED where it lists nothing any more."""

    slot: int
    provider: int
    price: int
    quantity: int


class CandleBuilder:
    """Builds candles from tracks, whose points are on the grid, from `start` to before `end`.

    Both in microseconds, `start` on the interval's grid.
    """

    def __init__(self, tracks: Tracks, start: int, end: int) -> None:
        self._start, self._end = start, end
        self._listed: dict[int, tuple[int, int, int]] = {}  # by provider: price, provider, quantity
        changes: list[_Change] = []
        for provider, track in tracks.items():
            step = track.step_at(start - SLOT)
            if step >= 0 and track.price[step] != DELISTED:
                self._listed[provider] = track.price[step], provider, track.quantity[step]
            changes += _changes_of(track, provider, first=step + 1, end=end)
        self._pending = deque(sorted(changes))

    def candles(self, step: int, *, dense: bool, fill: bool) -> Iterator[Candle]:
        """Yield a candle for each bucket with a point, for all buckets where `dense` or `fill`.

        A filled bucket without a point repeats the last best ask and has no volume.
        """
        for time in range(self._start, self._end, step):
            changes = self._take_changes(time + step)
            if changes or (dense and self._listed):
                yield from self._build_candle(time, changes)
            elif fill and self._listed:
                best = self._best()
                quantity = self._quantity()
                yield Candle(time, best, best, low=best, close=best, volume=0, quantity=quantity, points=0)

    def _take_changes(self, end: int) -> Mapping[int, list[_Change]]:
        """Remove the changes before a time from the pending ones; return them by slot."""
        changes: dict[int, list[_Change]] = {}
        while self._pending and self._pending[0].slot < end:
            change = self._pending.popleft()
            changes.setdefault(change.slot, []).append(change)
        return changes

    def _build_candle(self, time: int, changes: Mapping[int, list[_Change]]) -> Iterator[Candle]:
        """Yield the candle of a bucket, or none where nothing is listed in it."""
        volume = self._apply(changes.get(time, []))
        asks = [BestAsk(price, provider) for price, provider, _ in self._listed.values()]
        best = [self._best()] if asks else []
        for slot in (slot for slot in changes if slot > time):
            volume += self._apply(changes[slot])
            asks += [
                BestAsk(change.price, change.provider) for change in changes[slot] if change.price != DELISTED
            ]
            best += [self._best()] if self._listed else []
        if best:
            low = min(best)
            yield Candle(
                time,
                opened=best[0],
                high=max(ask for ask in asks if ask.price <= OUTLIER * low.price),
                low=low,
                close=best[-1],
                volume=volume,
                quantity=self._quantity(),
                points=sum(change.price != DELISTED for slot in changes.values() for change in slot),
            )

    def _apply(self, changes: list[_Change]) -> int:
        """Apply changes; return by how much quantities decreased."""
        decrease = 0
        for change in changes:
            *_, before = self._listed.pop(change.provider, (0, 0, 0))
            if change.price != DELISTED:
                self._listed[change.provider] = change.price, change.provider, change.quantity
            decrease += max(0, before - change.quantity)
        return decrease

    def _best(self) -> BestAsk:
        return BestAsk(*min(self._listed.values())[:2])

    def _quantity(self) -> int:
        return sum(quantity for *_, quantity in self._listed.values())


def _changes_of(track: PriceTrack, provider: int, *, first: int, end: int) -> list[_Change]:
    """Return the last change of each slot before `end`, from the step number `first` on."""
    changes: dict[int, _Change] = {}
    for step in range(first, len(track.at)):
        if (slot := ceil(track.at[step])) >= end:
            break
        changes[slot] = _Change(slot, provider, track.price[step], quantity=track.quantity[step])
    return list(changes.values())
