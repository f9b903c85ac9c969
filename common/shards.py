"""The item and the series shard: the types that planners, connectors and the warehouse share."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple

from common.text import escape
from common.time_ranges import INTERVALS, Interval, ceil_to

# How the reason of a reject begins whose row is of an item or a marketplace that its request did not name.
ITEM_NOT_REQUESTED: Final = "item not requested: "
PROVIDER_NOT_REQUESTED: Final = "marketplace not requested: "


class Item(NamedTuple):
    """One catalog entry; `phase` is None for an unphased item and for the aggregate over an item's phases.

    `item_id` is None for an item that is known by its name only.
    """

    item_id: str | None
    market_hash_name: str
    phase: str | None

    @property
    def full_name(self) -> str:
        """The item as the column `item` of the views has it: NAME, or NAME @ PHASE."""
        return f"{self.market_hash_name} @ {self.phase}" if self.phase else self.market_hash_name

    @property
    def label(self) -> str:
        """The item in messages, as a configuration takes it: NAME, or NAME @ PHASE, in the escape form."""
        return item_label(self.market_hash_name, self.phase)


def item_label(name: str, phase: str | None) -> str:
    """Return an item as messages show it and a configuration takes it: NAME, or NAME @ PHASE, escaped."""
    return escape(f"{name} @ {phase}" if phase else name)


@dataclass(frozen=True, slots=True)
class SeriesShard:
    """One shard of a series (points, candles, sales or daily): the rows of `item` in [start, end), UTC.

    Candles belong to the window that they begin in, and have an `interval`. `item` None stands for every
    item, `provider` None for all providers. With `lookback` the request names a number of days before now
    instead of a window, because some tiers allow nothing else.
    """

    currency: str
    start: datetime
    end: datetime
    item: Item | None = None
    provider: str | None = None
    interval: Interval | None = None
    lookback: bool = False

    @property
    def request_end(self) -> datetime:
        """The end to request: that of the last candle, because a candle that is cut covers its part only."""
        return self.end if self.interval is None else ceil_to(self.end, INTERVALS[self.interval])
