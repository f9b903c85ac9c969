"""From a landing on disk to the temporary tables that the load's SQL reads."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Self

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from common.files import to_json
from warehouse.landing.arrow import PAGE_SCHEMA, TEXT
from warehouse.landing.model import ShardHeader
from warehouse.landing.ndjson import MOST_PAGES, LandedRawShard
from warehouse.landing.reader import LandedRun, LandedShard
from warehouse.loading.ndjson import insert_ndjson_names


@dataclasses.dataclass(frozen=True, slots=True)
class BookIndex:
    """The keys of a source's providers, and of their books."""

    providers: pa.Array
    keys: pa.Array
    books: dict[tuple[str, str], dict[int, int]]  # of a currency and delivery, by the provider's key

    @classmethod
    def load(cls, db: duckdb.DuckDBPyConnection, source: str) -> Self:
        """As the database knows them."""
        named = "SELECT provider, provider_key FROM store.provider WHERE source = ? ORDER BY provider_key"
        known = db.execute(named, [source]).fetchall()
        books: dict[tuple[str, str], dict[int, int]] = {}
        for key, provider, currency, delivery in db.execute("FROM store.book").fetchall():
            books.setdefault((currency, delivery), {})[provider] = key
        providers = pa.array([provider for provider, _ in known], TEXT)
        return cls(providers, pa.array([key for _, key in known], pa.int32()), books)

    def keys_for(self, batch: pa.RecordBatch, currency: str) -> pa.Array:
        """The `book_key` of each of a page's rows."""
        place = pc.index_in(batch.column("provider"), value_set=self.providers)
        deliveries = batch.column("delivery")
        book = pa.nulls(len(batch), pa.int32())
        for delivery in pc.unique(deliveries).to_pylist():
            books = self.books.get((currency, delivery), {})
            keys = pa.array([books.get(key) for key in self.keys.to_pylist()], pa.int32())
            book = pc.if_else(pc.equal(deliveries, delivery), keys.take(place), book)
        return book


BATCH_ROWS = 16_000  # rows
NAME_COLUMNS = ("item_id", "market_hash_name", "phase", "provider")
ROW_COLUMNS = tuple(name for name in PAGE_SCHEMA.names if name not in {"provider", "delivery"})
# With the page of a row, and the key of its book: a join would cost more.
LANDED_SCHEMA = pa.schema([
    *(PAGE_SCHEMA.field(name) for name in ROW_COLUMNS),
    pa.field("book_key", pa.int32()), pa.field("page", pa.int32()),
])  # fmt: skip
# Where a broken row tells item_id, name and provider: in CS2Cap's words, or in SkinShark's.
REJECT_ID_FIELDS = (("item_id", "itemId"), ("market_hash_name", "marketHashName"), ("provider", "provider"))
SHARD = {
    "shard": "INTEGER", "currency": "VARCHAR", "delivery": "VARCHAR", "selection": "VARCHAR",
    "complete": "BOOLEAN", "reason": "VARCHAR", "observed_from": "TIMESTAMPTZ", "observed_to": "TIMESTAMPTZ",
}  # fmt: skip
PAGE = {"page": "INTEGER", "shard": "INTEGER", "observed_at": "TIMESTAMPTZ"}
SHARD_ITEM = {"shard": "INTEGER", "item_id": "VARCHAR", "market_hash_name": "VARCHAR", "phase": "VARCHAR"}
SHARD_PROVIDER = {"shard": "INTEGER", "provider": "VARCHAR"}
REJECT = {
    "shard": "INTEGER", "currency": "VARCHAR", "deliveries": "VARCHAR[]", "reject_id": "VARCHAR",
    "observed_at": "VARCHAR", "reason": "VARCHAR", "raw": "VARCHAR",
    "item_id": "VARCHAR", "market_hash_name": "VARCHAR", "provider": "VARCHAR",
}  # fmt: skip


def stage_metadata(db: duckdb.DuckDBPyConnection, run: LandedRun) -> None:
    """Make the tables shard, page, shard_item, shard_provider, reject and down_key from a landing.

    `shard` has a row a shard and delivery, `page` a row a page that counts, the others a row a shard.
    """
    shards: list[LandedShard | LandedRawShard] = [*(shard for shard in run.shards if shard.pages), *run.lines]
    items = ((s.header.number, *item) for s in shards for item in s.header.items or ())
    providers = ((s.header.number, key) for s in shards for key in s.header.providers)
    _create_table(db, "shard", SHARD, (row for shard in shards for row in _shard(shard)))
    _create_table(db, "page", PAGE, (row for shard in shards for row in _pages(shard)))
    _create_table(db, "shard_item", SHARD_ITEM, items)
    _create_table(db, "shard_provider", SHARD_PROVIDER, providers)
    _create_table(db, "reject", REJECT, (row for shard in run.shards for row in _rejects(shard)))
    _create_table(db, "down_key", {"provider": "VARCHAR"}, ((key,) for key in run.done.get("down", ())))


def stage_names(db: duckdb.DuckDBPyConnection, run: LandedRun) -> None:
    """Make the table named: each (item_id, phase, market_hash_name) and each provider of a landing's rows."""
    db.execute("""CREATE OR REPLACE TEMP TABLE named (
        item_id VARCHAR, phase VARCHAR, market_hash_name VARCHAR, provider VARCHAR)""")
    if run.shards:
        schema = pa.schema([PAGE_SCHEMA.field(name) for name in NAME_COLUMNS])
        batches = (batch for shard in run.shards for _, batch in shard.batches(NAME_COLUMNS))
        with _streamed(db, schema, (batch.select(NAME_COLUMNS) for batch in batches)):
            db.execute("""INSERT INTO named SELECT item_id, phase, market_hash_name, provider FROM landed
                GROUP BY GROUPING SETS ((item_id, phase, market_hash_name), (provider))""")
    insert_ndjson_names(db, run.lines)


def stage_frame(db: duckdb.DuckDBPyConnection, name: str, frame: pl.DataFrame) -> None:
    """A temporary table from a frame."""
    db.register("staged", frame.to_arrow(compat_level=pl.CompatLevel.oldest()))
    db.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS FROM staged")
    db.unregister("staged")


def selection_key(header: ShardHeader) -> str:
    """Name what a shard asks for: `catalog`, `listing`, or a digest of its items whatever their order."""
    if header.items is None:
        return "listing" if header.listing else "catalog"
    listed = json.dumps(sorted(header.items, key=str), ensure_ascii=False)
    return "items:" + hashlib.sha256(listed.encode()).hexdigest()[:16]


def _create_table(
    db: duckdb.DuckDBPyConnection, name: str, columns: Mapping[str, str], rows: Iterable[tuple[Any, ...]]
) -> None:
    """A temporary table of a few rows; by JSON, for which DuckDB imports nothing, as it does for frames."""
    text = to_json([dict(zip(columns, row, strict=True)) for row in rows]).decode()
    db.execute(
        f"CREATE OR REPLACE TEMP TABLE {name} AS"  # noqa: S608 - our own words
        f" SELECT row.* FROM (SELECT unnest(from_json(?, '{json.dumps([columns])}')) AS row)",
        [text],
    )


@contextlib.contextmanager
def stream_rows(db: duckdb.DuckDBPyConnection, run: LandedRun) -> Iterator[None]:
    """The rows of every page that counts as `landed`, read from disk as one query asks for them, once.

    `book_key` is null where the provider is not known yet.
    """
    with _streamed(db, LANDED_SCHEMA, _rows(run.shards, BookIndex.load(db, run.header.source))):
        yield


@contextlib.contextmanager
def _streamed(
    db: duckdb.DuckDBPyConnection, schema: pa.Schema, batches: Iterator[pa.RecordBatch]
) -> Iterator[None]:
    db.register("landed", pa.RecordBatchReader.from_batches(schema, _coalesce(batches)))
    try:
        yield
    finally:
        db.unregister("landed")


def _coalesce(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """The same rows in larger batches: DuckDB asks for them one at a time, from one thread."""
    held: list[pa.RecordBatch] = []
    for batch in batches:
        held.append(batch)
        if sum(map(len, held)) >= BATCH_ROWS:
            yield pa.concat_batches(held)
            held = []
    if held:
        yield pa.concat_batches(held)


def _rows(shards: Sequence[LandedShard], books: BookIndex) -> Iterator[pa.RecordBatch]:
    for shard in shards:
        for (page, *_), (_, batch) in zip(_pages(shard), shard.batches(), strict=True):
            columns = [
                *(batch.column(name) for name in ROW_COLUMNS),
                books.keys_for(batch, shard.header.currency),
                pa.repeat(pa.scalar(page, pa.int32()), len(batch)),
            ]
            yield pa.RecordBatch.from_arrays(columns, schema=LANDED_SCHEMA)


def _shard(shard: LandedShard | LandedRawShard) -> Iterator[tuple[Any, ...]]:
    moments = [mark.observed_at for _, mark in shard.pages]
    header = shard.header
    asked, ended = selection_key(header), (shard.complete, shard.reason, min(moments), max(moments))
    for delivery in header.deliveries:
        yield (header.number, header.currency, delivery, asked, *ended)


def _pages(shard: LandedShard | LandedRawShard) -> Iterator[tuple[int, int, datetime]]:
    number = shard.header.number
    for place, mark in shard.pages:
        page = place if isinstance(shard, LandedRawShard) else number * MOST_PAGES + place
        yield page, number, mark.observed_at


def _rejects(shard: LandedShard) -> Iterator[tuple[Any, ...]]:
    header = shard.header
    head = (header.number, header.currency, list(header.deliveries))
    only = header.providers[0] if len(header.providers) == 1 else None
    for row in shard.rejects():
        *item, provider = _identify_reject(row["raw"])
        yield (
            *head,
            row["reject_id"],
            row["observed_at"],
            row["reason"],
            row["raw"],
            *item,
            provider or only,
        )


def _identify_reject(raw: str) -> tuple[str | None, ...]:
    """The item_id, name and provider that a broken row still tells: these are not taken for gone."""
    try:
        fields = json.loads(raw)
    except (ValueError, RecursionError):
        fields = None
    told = fields if isinstance(fields, dict) else {}
    values = [told.get(name, told.get(other)) for name, other in REJECT_ID_FIELDS]
    return tuple(_text(value) if isinstance(value, str | int) else None for value in values)


def _text(value: str | int) -> str:
    # half a surrogate pair is no character, and neither polars nor DuckDB takes it
    return str(value).encode(errors="replace").decode()
