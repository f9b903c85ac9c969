"""Whole snapshots as NDJSON: rendered and compressed once, kept until something on them changed."""

import zlib
from collections.abc import Iterator
from typing import NamedTuple

from sandbox.cs2cap.rendering import RowRenderer
from sandbox.market.market import Index, Market, Stamp
from sandbox.market.rows import rows_at
from sandbox.market.sides import BookSide, listing_order

KEPT = 4  # snapshots; the whole catalog is about 20 MB each
_CHUNK = 8192  # rows
_GZIP = 31  # zlib's window bits that ask for a gzip frame


class Snapshot(NamedTuple):
    """One body: gzip in one member, a row a line, and the number of rows."""

    body: bytes
    rows: int


class SnapshotCache:
    """Gives the rows of a walk in US dollars, with the raw links that all who may stream them get."""

    def __init__(self, market: Market) -> None:
        self._market = market
        self._lines: RowRenderer | None = None
        self._kept: dict[tuple[BookSide, tuple[int, ...]], tuple[Stamp, Snapshot]] = {}

    def get(self, side: BookSide, providers: tuple[int, ...], now: int) -> Snapshot:
        """Return the snapshot as the index stands at `now` (microseconds)."""
        stamp = self._market.stamp(providers, now)
        kept = self._kept.pop((side, providers), None)
        if kept is None or kept[0] != stamp:
            kept = stamp, self._render(side, providers, now)
        if len(self._kept) >= KEPT:
            self._kept.pop(next(iter(self._kept)))
        self._kept[side, providers] = kept
        return kept[1]

    def _render(self, side: BookSide, providers: tuple[int, ...], now: int) -> Snapshot:
        index = side.of(self._market.index(now))
        places = listing_order(self._market, side, index, providers)
        packer = zlib.compressobj(3, zlib.DEFLATED, _GZIP)
        packed = [packer.compress(chunk) for chunk in self._chunks(side, index, places)]
        return Snapshot(b"".join([*packed, packer.flush()]), len(places))

    def _chunks(self, side: BookSide, index: Index, places: list[int]) -> Iterator[bytes]:
        board, rate = self._market.board, index.rates["USD"]
        self._lines = lines = self._lines or RowRenderer(board.catalog, nulls=True)
        for start in range(0, len(places), _CHUNK):
            rows = rows_at(board, index, places[start : start + _CHUNK])
            yield "".join([lines.render(row, side, index, rate, url=True) + "\n" for row in rows]).encode()
