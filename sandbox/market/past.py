"""The asks of every place before the sandbox began: generated backwards from its first quote."""

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from sandbox.clock import DAY, SECOND
from sandbox.market.board import Quote, seeded_random
from sandbox.market.grid import SLOT, ceil, floor

RAW = 41 * DAY  # for so long before the start quotes change as often as configured; before that, daily
REACH = 3_660 * DAY  # no past before that
_CHUNK = 128  # changes that are generated at once
_NOISE = tuple(1 + (byte - 127.5) / 127.5 * 0.05 for byte in range(256))  # a price's factor, by one byte
_PULL = 0.06  # share of the way back to the first price that a price goes with each change


class PastQuote(NamedTuple):
    """The quote of a place from a time on (microseconds): US cents and quantity."""

    at: int
    price: int
    quantity: int


class PriceHistory:
    """The asks of a market before its start; they end in its first quotes.

    `every`: average seconds between two changes of a quote. The same seed generates the same past.
    """

    def __init__(self, first: Sequence[Quote | None], start: int, *, seed: int, every: float) -> None:
        self.start = start
        self._first = first
        self._seed = seed
        self._gaps = _gaps(every * SECOND / SLOT)
        self._old_gaps = _gaps(max(every * SECOND, DAY) / SLOT)

    def quotes(self, place: int) -> Iterator[PastQuote]:
        """Yield the quotes of a place, newest first, at most one per slot, each unlike the next.

        A place without a first quote has no past.
        """
        first = self._first[place]
        if first is None:
            return
        rng = seeded_random(self._seed, "past", place)
        newest = floor(self.start)
        at = newest if first.changed is None else min(first.changed, newest)
        quote = PastQuote(at, first.price, first.quantity)
        while quote.at > self.start - REACH:
            noise = rng.randbytes(3 * _CHUNK)
            for gap, price_noise, kind in zip(noise[::3], noise[1::3], noise[2::3], strict=True):
                yield quote
                gaps = self._gaps if quote.at > self.start - RAW else self._old_gaps
                price, quantity = _earlier(quote, first, noise=price_noise, kind=kind)
                quote = PastQuote(ceil(quote.at) - gaps[gap] * SLOT, price, quantity)

    def since(self, place: int, at: int) -> list[PastQuote]:
        """Return the quotes of a place from a time on, oldest first, with the one valid at that time."""
        newest_first: list[PastQuote] = []
        for quote in self.quotes(place):
            newest_first.append(quote)
            if quote.at <= at:
                break
        return newest_first[::-1]

    def ask_at(self, place: int, at: int) -> Quote | None:
        """Return the ask of a place at a time before the start; None before `REACH`."""
        quote = next((quote for quote in self.quotes(place) if quote.at <= at), None)
        return quote and Quote(quote.price, quote.quantity, quote.at)


def _gaps(slots: float) -> tuple[int, ...]:
    """Return the slots between two changes, by one random byte: exponential, at least one."""
    return tuple(max(1, round(-math.log((byte + 0.5) / 256) * slots)) for byte in range(256))


def _earlier(quote: PastQuote, first: Quote, *, noise: int, kind: int) -> tuple[int, int]:
    """Return price and quantity before a change: one or both differ, and stay near the first ones."""
    price, quantity = quote.price, quote.quantity
    if kind >= 64:
        price = max(1, round(price * _NOISE[noise] + (first.price - price) * _PULL))
        if price != quote.price and kind & 1:
            return price, quantity
    step = 1 + kind % 3
    decrease = quantity > step and (kind & 4 or quantity > 2 * first.quantity)
    return price, quantity - step if decrease else quantity + step
