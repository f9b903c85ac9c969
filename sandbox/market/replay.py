"""A market that replays real prices: at each time of the clock, the index serves the prices of that time."""

from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import polars as pl

from sandbox.market.board import Board, Quote, Quotes
from sandbox.market.catalog import Catalog, ItemDraft, number_items
from sandbox.market.market import Index, Market, QuoteStep
from sandbox.market.providers import INDEX

STEAM = INDEX["steam"]
_KINDS = ("Sticker Slab", "Sticker", "Sealed Graffiti", "Music Kit", "Charm", "Patch")


class Replay(Market):
    """Prices of one marketplace, steam, from a file of changes; the index follows the clock, also back.

    The file is Parquet: `market_hash_name`, `at` (UTC), `price_minor` (US cents), one row per change of a
    price. Items are numbered in the order of their names; an item is not listed before its first row.
    Quantities are derived from item and time. A price of 0 is served as it is.
    Raises ValueError for any other file.
    """

    def __init__(self, path: Path) -> None:
        changes = _read_changes(path)
        drafts = [
            ItemDraft(name, next((kind for kind in _KINDS if name.startswith(kind)), "Weapon"))
            for name in changes["market_hash_name"].cast(pl.String).unique()
        ]
        catalog = Catalog(number_items(drafts))
        self._changes = _with_places(changes, catalog)
        self._crawls: list[int] = self._changes["at"].unique().sort().to_list()
        self._crawl = -1
        board = Board(catalog, [(position, STEAM) for position in range(len(catalog.items))])
        super().__init__(board, [None] * len(board), now=self._crawls[0], refresh=0)

    def catch_up(self, now: int, _drift: Callable[[int], None]) -> None:
        """Serve the prices of the last crawl before a time."""
        crawl = bisect_right(self._crawls, now)
        if crawl != self._crawl:
            before, self._served = self._served, self._quotes_at(now)
            steps = enumerate(map(QuoteStep, before, self._served))
            dark = STEAM in self.dark
            visible = {} if dark else {place: step for place, step in steps if step.before != step.after}
            self._crawl = crawl
            self.versions.touch(STEAM, listing=True)
            self._begin_epoch(now, visible=visible)

    def as_of(self, at: int) -> Index:
        """Return what the index serves when the clock shows a time."""
        index = super().as_of(at)
        return Index(self._quotes_at(at), index.dark, index.rates, collected=index.collected)

    def served_at(self, place: int, at: int) -> Quote | None:
        """Return the quote that the index serves at a place when the clock shows a time."""
        return self._quotes_at(at)[place]

    def steps(self, place: int) -> Iterator[tuple[int, Quote | None]]:
        """Yield every price of a place with its time, including those in the clock's future."""
        for _, at, price, quantity in self._changes.filter(pl.col("place") == place).iter_rows():
            yield at, Quote(price, quantity, at)

    def apply(self, _changes: Mapping[int, Quote | None], _now: int) -> None:
        """Raise ValueError: only the clock changes these prices."""
        raise ValueError("the prices of a replayed market change with the clock only")

    def _quotes_at(self, at: int) -> Quotes:
        latest = self._changes.filter(pl.col("at") <= at).unique("place", keep="last", maintain_order=True)
        quotes: Quotes = [None] * len(self.board)
        for place, changed, price, quantity in latest.iter_rows():
            quotes[place] = Quote(price, quantity, changed)
        return quotes


def _read_changes(path: Path) -> pl.DataFrame:
    """Return the rows of a file of changes. Raises ValueError."""
    if not path.is_file():
        raise ValueError(f"there is no file {path}")
    try:
        changes = pl.read_parquet(path, columns=["market_hash_name", "at", "price_minor"])
    except (OSError, TypeError, pl.exceptions.PolarsError):
        raise ValueError(
            f"{path} is no Parquet file with market_hash_name, at (UTC) and price_minor (US cents)"
        ) from None
    if changes.is_empty():
        raise ValueError(f"{path} has no row")
    return changes


def _with_places(changes: pl.DataFrame, catalog: Catalog) -> pl.DataFrame:
    """Return `place`, `at` (microseconds), `price`, `quantity`, oldest first."""
    names = [item.name for item in catalog.items]
    places = pl.DataFrame({"market_hash_name": names, "place": range(len(names))})
    return (
        changes.with_columns(pl.col("market_hash_name").cast(pl.String))
        .join(places, on="market_hash_name")
        .select("place", pl.col("at").dt.epoch("us"), pl.col("price_minor").alias("price"))
        .with_columns(((pl.col("place") * 7919 + pl.col("at") // 1_000_000) % 97 + 1).alias("quantity"))
        .sort("at", "place")
    )
