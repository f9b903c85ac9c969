"""Snapshots of the streams as NDJSON: rendered and cached compressed, until a row changes."""

import zlib
from collections.abc import Iterator
from typing import NamedTuple

from sandbox.cs2cap.rendering import RowRenderer
from sandbox.market.market import Index, Market, Stamp
from sandbox.market.rows import rows_at
from sandbox.market.sides import BookSide, listing_order

MAX_CACHED = 4  # snapshots; one of the whole catalog takes about 20 MB
_CHUNK_ROWS = 8192
_GZIP = 31  # the window bits with which zlib writes a gzip frame


class Snapshot(NamedTuple):
    """One body: a gzip member with a row per line, and the number of rows."""

    body: bytes
    rows: int


class SnapshotCache:
    """Renders and caches snapshots in US dollars, with the raw links of the tiers that have streams."""

    def __init__(self, market: Market) -> None:
        self._market = market
        self._renderer: RowRenderer | None = None
        self._cache: dict[tuple[BookSide, tuple[int, ...]], tuple[Stamp, Snapshot]] = {}

    def get(self, side: BookSide, providers: tuple[int, ...], now: int) -> Snapshot:
        """Return the snapshot as the index serves it at `now` (microseconds)."""
        stamp = self._market.stamp(providers, now)
        cached = self._cache.pop((side, providers), None)
        if cached is None or cached[0] != stamp:
            cached = stamp, self._render(side, providers, now)
        if len(self._cache) >= MAX_CACHED:
            self._cache.pop(next(iter(self._cache)))
        self._cache[side, providers] = cached
        return cached[1]

    def _render(self, side: BookSide, providers: tuple[int, ...], now: int) -> Snapshot:
        index = side.of(self._market.index(now))
        places = listing_order(self._market, side, index, providers=providers)
        compressor = zlib.compressobj(3, zlib.DEFLATED, _GZIP)
        compressed = [compressor.compress(chunk) for chunk in self._chunks(side, index, places)]
        return Snapshot(b"".join([*compressed, compressor.flush()]), len(places))

    def _chunks(self, side: BookSide, index: Index, places: list[int]) -> Iterator[bytes]:
        board, rate = self._market.board, index.rates["USD"]
        self._renderer = renderer = self._renderer or RowRenderer(board.catalog, nulls=True)
        for start in range(0, len(places), _CHUNK_ROWS):
            rows = rows_at(board, index, places[start : start + _CHUNK_ROWS])
            lines = [renderer.render(row, side, index, rate=rate, url=True) + "\n" for row in rows]
            yield "".join(lines).encode()
