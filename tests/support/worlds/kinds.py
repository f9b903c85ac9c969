"""The kinds of worlds: how often what happens in each."""

from __future__ import annotations

import dataclasses
from typing import Final


@dataclasses.dataclass(frozen=True, slots=True)
class Kind:
    """A kind of world. Numbers are probabilities, of a run, a shard, a row or a quote; pairs are sizes."""

    runs: tuple[int, int] = (3, 9)
    items: tuple[int, int] = (2, 8)
    currencies: tuple[str, ...] = ("USD", "EUR")
    sources: tuple[str, ...] = ("cs2cap",)
    overlapping: bool = False  # baskets of other routes beside the first
    many_sides: bool = False  # bids, and in a listing instant deliveries
    moves: float = 0.2  # quotes whose price or quantity changes between two runs
    vanishes: float = 0.12
    returns: float = 0.3
    phases: float = 0.6  # worlds with phased items
    catalog_aggregates: bool = False  # catalogs may bring aggregates
    concurrent: float = 0.0  # runs that start before the last one ended
    incomplete: float = 0.0
    crashed: float = 0.0
    stray: float = 0.0  # shards with a row of a provider that was not requested
    repeated: float = 0.0  # shards with two rows of a key
    refetched: float = 0.0  # shards that fetched a page twice
    down: float = 0.0
    zero: float = 0.0  # rows of price or quantity 0
    no_timestamp: float = 0.0
    older_timestamp: float = 0.0
    rejected: float = 0.0  # quotes that a run cannot read
    replayed: float = 0.0  # chances of a replay after a run
    renamed: float = 0.0  # items whose name or phase changes between two runs
    ahead: float = 0.0  # runs and rows whose times are ahead
    catalogs: float = 0.2
    rates: float = 0.1
    raw: float = 0.2


KINDS: Final = {
    "plain": Kind(),
    "overlapping": Kind(overlapping=True, many_sides=True, concurrent=0.4, catalog_aggregates=True),
    "incomplete": Kind(overlapping=True, incomplete=0.4, crashed=0.1, stray=0.1, down=0.1, refetched=0.1),
    "shuffled": Kind(overlapping=True, many_sides=True, concurrent=0.2, catalog_aggregates=True),
    "late": Kind(overlapping=True, incomplete=0.2, older_timestamp=0.1),
    "replayed": Kind(overlapping=True, rejected=0.2, replayed=0.4, incomplete=0.1, older_timestamp=0.1),
    "renamed": Kind(overlapping=True, many_sides=True, renamed=0.12, catalogs=0.4, concurrent=0.1),
    "ahead": Kind(overlapping=True, ahead=0.15, no_timestamp=0.1, rates=0.3),
    "two sources": Kind(overlapping=True, many_sides=True, sources=("cs2cap", "skinshark"), ahead=0.03),
    "coins": Kind(currencies=("BTC", "USD", "EUR"), zero=0.1, no_timestamp=0.2, older_timestamp=0.1),
    "everything": Kind(
        runs=(4, 12),
        items=(3, 12),
        currencies=("USD", "EUR", "BTC"),
        sources=("cs2cap", "skinshark"),
        overlapping=True,
        many_sides=True,
        catalog_aggregates=True,
        concurrent=0.25,
        incomplete=0.15,
        crashed=0.05,
        stray=0.05,
        repeated=0.1,
        refetched=0.05,
        down=0.05,
        zero=0.03,
        no_timestamp=0.05,
        older_timestamp=0.05,
        rejected=0.06,
        replayed=0.15,
        renamed=0.04,
        ahead=0.03,
    ),
}
