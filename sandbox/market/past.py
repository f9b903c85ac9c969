"""What every place asked before the sandbox began: made on demand, backwards from its first quote."""

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from sandbox.market.board import Quote, seeded_random
from sandbox.market.grid import DAY, SECOND, SLOT, ceil, floor

RAW = 41 * DAY  # before the start, quotes change as often as asked for; before that, about once a day
REACH = 400 * DAY
_CHUNK = 128
_NOISE = tuple(1 + (byte - 127.5) / 127.5 * 0.05 for byte in range(256))  # a price's factor, by one byte
_PULL = 0.06  # the share of its way home that a price goes with each change


class PastQuote(NamedTuple):
    """What was asked from a moment on (microseconds): US cents and pieces."""

    at: int
    price: int
    quantity: int


class PriceHistory:
    """The asks of a market in the days before its start; they end in its first quotes.

    `every`: seconds between two changes of a quote, on average. The same seed tells the same past.
    """

    def __init__(self, first: Sequence[Quote | None], start: int, seed: int, every: float) -> None:
        self.start = start
        self._first = first
        self._seed = seed
        self._gaps = _gaps(every * SECOND / SLOT)
        self._old_gaps = _gaps(max(every * SECOND, DAY) / SLOT)

    def states(self, place: int) -> Iterator[PastQuote]:
        """Yield what was asked at a place, the newest first, at most one a slot, neighbours different.

        Nothing where the market began with nothing.
        """
        first = self._first[place]
        if first is None:
            return
        chance = seeded_random(self._seed, "past", place)
        newest = floor(self.start)
        at = newest if first.changed is None else min(first.changed, newest)
        price, quantity = first.price, first.quantity
        while at > self.start - REACH:
            lots = chance.randbytes(3 * _CHUNK)
            for gap, noise, kind in zip(lots[::3], lots[1::3], lots[2::3], strict=True):
                yield PastQuote(at, price, quantity)
                gaps = self._gaps if at > self.start - RAW else self._old_gaps
                at = ceil(at) - gaps[gap] * SLOT
                price, quantity = _before(price, quantity, first, noise, kind)

    def since(self, place: int, moment: int) -> list[PastQuote]:
        """Return what was asked at a place from a moment on, the oldest first, with what stood then."""
        newest_first: list[PastQuote] = []
        for state in self.states(place):
            newest_first.append(state)
            if state.at <= moment:
                break
        return newest_first[::-1]

    def ask_at(self, place: int, at: int) -> Quote | None:
        """Return what was asked at a place at a moment before the start; None beyond the reach."""
        state = next((state for state in self.states(place) if state.at <= at), None)
        return state and Quote(state.price, state.quantity, state.at)


def _gaps(slots: float) -> tuple[int, ...]:
    """Return how many slots lie between two changes, by one byte: exponential, at least one."""
    return tuple(max(1, round(-math.log((byte + 0.5) / 256) * slots)) for byte in range(256))


def _before(price: int, quantity: int, home: Quote, noise: int, kind: int) -> tuple[int, int]:
    """Return price and quantity before a change: one of them differs, or both; neither strays for long."""
    older = price if kind < 64 else max(1, round(price * _NOISE[noise] + (home.price - price) * _PULL))
    if older != price and kind & 1:
        return older, quantity
    lot = 1 + kind % 3
    fewer = quantity > lot and (kind & 4 or quantity > 2 * home.quantity)
    return older, quantity - lot if fewer else quantity + lot
