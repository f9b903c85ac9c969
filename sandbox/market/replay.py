"""A market that replays real prices: what the clock says is what was asked then."""

from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import polars as pl

from sandbox.market.board import Board, Quote, Quotes
from sandbox.market.catalog import Catalog, ItemDraft, number_items
from sandbox.market.market import Index, Market
from sandbox.market.providers import INDEX

STEAM = INDEX["steam"]
_KINDS = ("Sticker Slab", "Sticker", "Sealed Graffiti", "Music Kit", "Charm", "Patch")


class Replay(Market):
    """Prices on one marketplace, steam, from a file of changes; the index follows the clock, back as well.

    The file is Parquet: `market_hash_name`, `at` (UTC), `price_minor` (US cents), a row where a price appears
    or changes. Items are numbered in the order of their names; one is not listed before its first row.
    Quantities are made up from item and moment; a price of 0 is served as it stands.
    Raises OSError and polars' errors.
    """

    def __init__(self, path: Path) -> None:
        changes = pl.read_parquet(path, columns=["market_hash_name", "at", "price_minor"])
        items = Catalog(number_items(map(_draft, changes["market_hash_name"].cast(pl.String).unique())))
        self._changes = _numbered(changes, items)
        self._crawls: list[int] = self._changes["at"].unique().sort().to_list()
        self._crawl = -1
        board = Board(items, [(position, STEAM) for position in range(len(items.items))])
        super().__init__(board, [None] * len(board), self._crawls[0], 0)

    def catch_up(self, now: int, _drift: Callable[[int], None]) -> None:
        """Serve the crawl that was the last one at `now`."""
        crawl = bisect_right(self._crawls, now)
        if crawl != self._crawl:
            self._crawl, self._served = crawl, self._at(now)
            self.versions.touch(STEAM, listing=True)

    def as_of(self, at: int) -> Index:
        """Return what the index serves when the clock shows this moment."""
        index = super().as_of(at)
        return Index(self._at(at), index.dark, index.rates, index.collected)

    def served_at(self, place: int, at: int) -> Quote | None:
        """Return what the index serves at a place when the clock shows this moment."""
        return self._at(at)[place]

    def steps(self, place: int) -> Iterator[tuple[int, Quote | None]]:
        """Yield every row of the file for one place, also of what is to come."""
        for _, at, price, quantity in self._changes.filter(pl.col("place") == place).iter_rows():
            yield at, Quote(price, quantity, at)

    def apply(self, _changes: Mapping[int, Quote | None], _now: int) -> None:
        """Refuse: only the clock moves these prices."""
        raise ValueError("a replayed market moves with the clock alone")

    def _at(self, moment: int) -> Quotes:
        known = self._changes.filter(pl.col("at") <= moment).unique("place", keep="last", maintain_order=True)
        quotes: Quotes = [None] * len(self.board)
        for place, at, price, quantity in known.iter_rows():
            quotes[place] = Quote(price, quantity, at)
        return quotes


def _numbered(changes: pl.DataFrame, items: Catalog) -> pl.DataFrame:
    """Return `place`, `at` (microseconds), `price`, `quantity`, oldest first."""
    places = pl.DataFrame(
        {"market_hash_name": [item.name for item in items.items], "place": range(len(items.items))}
    )
    at = pl.col("at").dt.epoch("us")
    return (
        changes.with_columns(pl.col("market_hash_name").cast(pl.String))
        .join(places, on="market_hash_name")
        .select("place", at, pl.col("price_minor").alias("price"))
        .with_columns(((pl.col("place") * 7919 + pl.col("at") // 1_000_000) % 97 + 1).alias("quantity"))
        .sort("at", "place")
    )


def _draft(name: str) -> ItemDraft:
    return ItemDraft(name, next((kind for kind in _KINDS if name.startswith(kind)), "Weapon"))
