"""Stage a landing in the temporary tables that the SQL steps read; BookIndex, the keys of books."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any, Self

import duckdb
import polars as pl
import pyarrow as pa
from msgspec import Struct

from common.shards import ITEM_NOT_REQUESTED
from warehouse.landing.arrow import PAGE_SCHEMA, TEXT
from warehouse.landing.model import ShardHeader
from warehouse.landing.ndjson import MAX_PAGES, LandedRawShard
from warehouse.landing.reader import LandedRun, LandedShard
from warehouse.loading.landed_tables import FEW_ROWS, create_table, register_batches
from warehouse.loading.ndjson import insert_ndjson_names

NAME_COLUMNS = ("item_id", "market_hash_name", "phase", "provider")
ROW_COLUMNS = tuple(name for name in PAGE_SCHEMA.names if name not in {"provider", "delivery"})
# A row, the key of its book and its page; a join in DuckDB would cost more than to add the two here.
LANDED_SCHEMA = pa.schema([
    *(PAGE_SCHEMA.field(name) for name in ROW_COLUMNS),
    pa.field("book_key", pa.int32()), pa.field("page", pa.int32()),
])  # fmt: skip
# The names of item_id, market_hash_name and provider in a rejected row: CS2Cap's, then SkinShark's.
REJECT_ID_FIELDS = (("item_id", "itemId"), ("market_hash_name", "marketHashName"), ("provider", "provider"))
# The temporary tables that describe the shards of a landing, with their columns.
METADATA_TABLES = {
    "shard": {
        "shard": "INTEGER", "currency": "VARCHAR", "delivery": "VARCHAR", "selection": "VARCHAR",
        "complete": "BOOLEAN", "reason": "VARCHAR",
        "observed_from": "TIMESTAMPTZ", "observed_to": "TIMESTAMPTZ",
    },
    "page": {"page": "INTEGER", "shard": "INTEGER", "observed_at": "TIMESTAMPTZ"},
    "shard_item": {
        "shard": "INTEGER", "item_id": "VARCHAR", "market_hash_name": "VARCHAR", "phase": "VARCHAR",
    },
    "shard_provider": {"shard": "INTEGER", "provider": "VARCHAR"},
    "reject": {
        "shard": "INTEGER", "currency": "VARCHAR", "deliveries": "VARCHAR[]", "reject_id": "VARCHAR",
        "observed_at": "VARCHAR", "reason": "VARCHAR", "raw": "VARCHAR",
        "item_id": "VARCHAR", "market_hash_name": "VARCHAR", "provider": "VARCHAR", "providers": "VARCHAR[]",
    },
    "reported_down": {"provider": "VARCHAR"},
    "accepted": {"provider": "VARCHAR"},
}  # fmt: skip


class BookIndex(Struct, frozen=True):
    """The keys of a source's providers and of their books.

    `books` maps (currency, delivery) to the book key of each provider key.
    """

    providers: pa.Array
    provider_keys: pa.Array
    books: dict[tuple[str, str], dict[int, int]]

    @classmethod
    def load(cls, db: duckdb.DuckDBPyConnection, source: str) -> Self:
        """Read the keys from the database."""
        query = "SELECT provider, provider_key FROM store.provider WHERE source = ? ORDER BY provider_key"
        rows = db.execute(query, [source]).fetchall()
        books: dict[tuple[str, str], dict[int, int]] = {}
        for book_key, provider_key, currency, delivery in db.execute("FROM store.book").fetchall():
            books.setdefault((currency, delivery), {})[provider_key] = book_key
        providers = pa.array([provider for provider, _ in rows], TEXT)
        return cls(providers, pa.array([key for _, key in rows], pa.int32()), books)

    def keys_for(self, batch: pa.RecordBatch, currency: str) -> pa.Array:
        """Return the `book_key` of each row; null where the provider is new."""
        if len(batch) <= FEW_ROWS:
            return self._keys_of_few(batch, currency)
        import pyarrow.compute as pc  # takes longer to import than the load of few rows

        position = pc.index_in(batch.column("provider"), value_set=self.providers)
        deliveries = batch.column("delivery")
        keys = pa.nulls(len(batch), pa.int32())
        for delivery in pc.unique(deliveries).to_pylist():
            books = self.books.get((currency, delivery), {})
            by_provider = pa.array([books.get(key) for key in self.provider_keys.to_pylist()], pa.int32())
            is_delivery = pc.equal(
                deliveries, pa.scalar(delivery, TEXT)
            )  # for a bare text, Arrow imports dateutil
            keys = pc.if_else(is_delivery, by_provider.take(position), keys)
        return keys

    def _keys_of_few(self, batch: pa.RecordBatch, currency: str) -> pa.Array:
        key_of = dict(zip(self.providers.to_pylist(), self.provider_keys.to_pylist(), strict=True))
        rows = zip(batch.column("provider").to_pylist(), batch.column("delivery").to_pylist(), strict=True)
        keys = (
            self.books.get((currency, delivery), {}).get(key_of[name]) if name in key_of else None
            for name, delivery in rows
        )
        return pa.array(keys, pa.int32(), size=len(batch))


def stage_metadata(db: duckdb.DuckDBPyConnection, run: LandedRun) -> None:
    """Create the tables of METADATA_TABLES from a landing.

    `shard` has a row for each shard and delivery, `page` for each current page, `reject` for each reject.
    """
    shards = [shard for shard in run.all_shards if shard.pages]
    rows_by_table: dict[str, Iterable[tuple[Any, ...]]] = {
        "shard": (row for shard in shards for row in _shard_rows(shard)),
        "page": (row for shard in shards for row in _page_rows(shard)),
        "shard_item": ((s.header.number, *item) for s in shards for item in s.header.items or ()),
        "shard_provider": ((s.header.number, key) for s in shards for key in s.header.providers),
        "reject": (row for shard in run.shards for row in _reject_rows(shard)),
        "reported_down": ((key,) for key in run.done.get("down", ())),
        "accepted": ((key,) for key in run.done.get("accepted", ())),
    }
    for name, rows in rows_by_table.items():
        create_table(db, name, METADATA_TABLES[name], rows)


def stage_names(db: duckdb.DuckDBPyConnection, run: LandedRun) -> None:
    """Create landed_name: each (item_id, phase, market_hash_name) and each provider of a landing's rows.

    `observed_at` is the time of the last page with the name.
    """
    db.execute("""CREATE OR REPLACE TEMP TABLE landed_name (
        item_id VARCHAR, phase VARCHAR, market_hash_name VARCHAR, provider VARCHAR,
        observed_at TIMESTAMPTZ)""")
    if run.shards:
        schema = pa.schema([*map(PAGE_SCHEMA.field, NAME_COLUMNS), pa.field("page", pa.int32())])
        batches = (
            pa.RecordBatch.from_arrays(
                [*map(batch.column, NAME_COLUMNS), _repeat_page(page, batch)], schema=schema
            )
            for shard in run.shards
            for (page, *_), (_, batch) in zip(_page_rows(shard), shard.batches(NAME_COLUMNS), strict=True)
        )
        with register_batches(db, schema, batches):
            db.execute("""INSERT INTO landed_name
                SELECT item_id, phase, market_hash_name, provider, max(observed_at)
                FROM landed_row JOIN page USING (page)
                GROUP BY GROUPING SETS ((item_id, phase, market_hash_name), (provider))""")
    insert_ndjson_names(db, run.raw_shards)


def stage_catalog(db: duckdb.DuckDBPyConnection, run: LandedRun, name: str) -> bool:
    """Create catalog_NAME from a catalog that the run fetched; return False where there is none."""
    frame = run.catalog(name)
    if frame is not None:
        stage_frame(db, f"catalog_{name}", frame)
    return frame is not None


def stage_frame(db: duckdb.DuckDBPyConnection, name: str, frame: pl.DataFrame) -> None:
    """Create a temporary table from a frame."""
    db.register("frame", frame.to_arrow(compat_level=pl.CompatLevel.oldest()))
    db.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS FROM frame")
    db.unregister("frame")


def stream_rows(db: duckdb.DuckDBPyConnection, run: LandedRun) -> AbstractContextManager[None]:
    """Register landed_row, the rows of every current page, for one query.

    `book_key` is null where the provider is new.
    """
    books = BookIndex.load(db, run.header.source)
    return register_batches(db, LANDED_SCHEMA, _row_batches(run.shards, books))


def selection_key(header: ShardHeader) -> str:
    """Return `live`, `catalog`, `listing`, or a digest of a shard's items, in whatever order."""
    if header.live:
        return "live"
    if header.items is None:
        return "listing" if header.listing else "catalog"
    items = json.dumps(sorted(header.items, key=str), ensure_ascii=False)
    return "items:" + hashlib.sha256(items.encode()).hexdigest()[:16]


def _row_batches(shards: Sequence[LandedShard], books: BookIndex) -> Iterator[pa.RecordBatch]:
    for shard in shards:
        for (page, *_), (_, batch) in zip(_page_rows(shard), shard.batches(), strict=True):
            columns = [
                *(batch.column(name) for name in ROW_COLUMNS),
                books.keys_for(batch, shard.header.currency),
                _repeat_page(page, batch),
            ]
            yield pa.RecordBatch.from_arrays(columns, schema=LANDED_SCHEMA)


def _repeat_page(page: int, batch: pa.RecordBatch) -> pa.Array:
    return pa.repeat(pa.scalar(page, pa.int32()), len(batch))


def _shard_rows(shard: LandedShard | LandedRawShard) -> Iterator[tuple[Any, ...]]:
    header, times = shard.header, [meta.moment for _, meta in shard.pages]
    end = (shard.complete, shard.reason, min(times), max(times))
    for delivery in header.deliveries:
        yield (header.number, header.currency, delivery, selection_key(header), *end)


def _page_rows(shard: LandedShard | LandedRawShard) -> Iterator[tuple[int, int, datetime]]:
    number = shard.header.number
    for page, meta in shard.pages:
        unique = page if isinstance(shard, LandedRawShard) else number * MAX_PAGES + page
        yield unique, number, meta.moment


def _reject_rows(shard: LandedShard) -> Iterator[tuple[Any, ...]]:
    header = shard.header
    head = (header.number, header.currency, list(header.deliveries))
    only = header.providers[0] if len(header.providers) == 1 else None
    for reject_id, meta, reason, raw in shard.rejects():
        *item, named = _identify_reject(raw)
        if reason.startswith(ITEM_NOT_REQUESTED):
            item = [None, None]  # it may stand in the place of any item that was requested
        provider = named or only
        # A provider that was not requested may be a mistake: the row may be about any that was.
        about = [provider] if provider in header.providers else list(header.providers) or None
        yield (*head, reject_id, meta.moment, reason, raw, *item, provider, about)


def _identify_reject(raw: str) -> tuple[str | None, ...]:
    """Return the item_id, name and provider that a rejected row still has: their quotes must not close."""
    try:
        row = json.loads(raw)
    except (ValueError, RecursionError):
        row = None
    fields = row if isinstance(row, dict) else {}
    values = [fields.get(name, fields.get(other)) for name, other in REJECT_ID_FIELDS]
    # Half of a surrogate pair is not a character: neither Polars nor DuckDB accepts it.
    return tuple(
        str(value).encode(errors="replace").decode() if isinstance(value, str | int) else None
        for value in values
    )
