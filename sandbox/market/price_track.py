"""What one place asked, step by step, in three arrays: a year of it takes some kilobytes."""

from array import array
from bisect import bisect_right
from collections.abc import Sequence

DELISTED = -1  # the price where nothing is listed; 0 is a price


class PriceTrack:
    """From each moment `at` (microseconds, ascending) on: a price in US cents and a quantity."""

    __slots__ = ("at", "price", "quantity")

    def __init__(self) -> None:
        self.at, self.price, self.quantity = array("q"), array("q"), array("q")

    def step(self, at: int, price: int, quantity: int) -> None:
        """Add what is asked from a moment on, which is not before the last one; the same again is no step."""
        stands = (self.price[-1], self.quantity[-1]) if self.at else (DELISTED, 0)
        if stands == (price, quantity):
            return
        self.at.append(at)
        self.price.append(price)
        self.quantity.append(quantity)

    def until(self, at: int) -> int:
        """Return the number of the step that holds at a moment; -1 before the first."""
        return bisect_right(self.at, at) - 1


def merge_tracks(tracks: Sequence[PriceTrack]) -> PriceTrack:
    """Return the track of several phases as one: the least price and all quantities."""
    if len(tracks) == 1:
        return tracks[0]
    steps = sorted(
        (at, number, price, quantity)
        for number, track in enumerate(tracks)
        for at, price, quantity in zip(track.at, track.price, track.quantity, strict=True)
    )
    whole, listed = PriceTrack(), dict[int, tuple[int, int]]()
    for at, number, price, quantity in steps:
        listed[number] = price, quantity
        shown = [ask for ask in listed.values() if ask[0] != DELISTED]
        least = min((price for price, _ in shown), default=DELISTED)
        whole.step(at, least, sum(quantity for _, quantity in shown))
    return whole
