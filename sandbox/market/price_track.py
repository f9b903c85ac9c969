"""The asks of one place over time, as three arrays: a year takes some kilobytes."""

from array import array
from bisect import bisect_right
from collections.abc import Sequence

DELISTED = -1  # the price where nothing is listed; 0 is a price


class PriceTrack:
    """Steps of a price in US cents and a quantity, each valid from its time `at` on (microseconds)."""

    __slots__ = ("at", "price", "quantity")

    def __init__(self) -> None:
        self.at, self.price, self.quantity = array("q"), array("q"), array("q")

    def append(self, at: int, price: int, quantity: int) -> None:
        """Add a step at or after the last one; ignore a step that changes nothing."""
        last = (self.price[-1], self.quantity[-1]) if self.at else (DELISTED, 0)
        if last == (price, quantity):
            return
        self.at.append(at)
        self.price.append(price)
        self.quantity.append(quantity)

    def step_at(self, at: int) -> int:
        """Return the number of the step that is valid at a time; -1 before the first."""
        return bisect_right(self.at, at) - 1


def merge_tracks(tracks: Sequence[PriceTrack]) -> PriceTrack:
    """Return the tracks of several phases as one: the lowest price and the sum of the quantities."""
    if len(tracks) == 1:
        return tracks[0]
    steps = sorted(
        (at, number, price, quantity)
        for number, track in enumerate(tracks)
        for at, price, quantity in zip(track.at, track.price, track.quantity, strict=True)
    )
    merged, current = PriceTrack(), dict[int, tuple[int, int]]()
    for at, number, price, quantity in steps:
        current[number] = price, quantity
        listed = [ask for ask in current.values() if ask[0] != DELISTED]
        lowest = min((price for price, _ in listed), default=DELISTED)
        merged.append(at, lowest, sum(quantity for _, quantity in listed))
    return merged
