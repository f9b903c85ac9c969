"""The books of a source: each is what a provider lists in one currency and delivery. Rows carry keys."""

from __future__ import annotations

import dataclasses
from typing import Self

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from warehouse.pages import TEXT


@dataclasses.dataclass(frozen=True, slots=True)
class Books:
    """The keys of a source's providers, and of their books."""

    providers: pa.Array
    keys: pa.Array
    books: dict[tuple[str, str], dict[int, int]]  # of a currency and delivery, by the provider's key

    @classmethod
    def of(cls, db: duckdb.DuckDBPyConnection, source: str) -> Self:
        """As the database knows them."""
        named = "SELECT provider, provider_key FROM store.provider WHERE source = ? ORDER BY provider_key"
        known = db.execute(named, [source]).fetchall()
        books: dict[tuple[str, str], dict[int, int]] = {}
        for key, provider, currency, delivery in db.execute("FROM store.book").fetchall():
            books.setdefault((currency, delivery), {})[provider] = key
        providers = pa.array([provider for provider, _ in known], TEXT)
        return cls(providers, pa.array([key for _, key in known], pa.int32()), books)

    def keys_of(self, batch: pa.RecordBatch, currency: str) -> pa.Array:
        """The `book_key` of each of a page's rows."""
        place = pc.index_in(batch.column("provider"), value_set=self.providers)
        deliveries = batch.column("delivery")
        book = pa.nulls(len(batch), pa.int32())
        for delivery in pc.unique(deliveries).to_pylist():
            books = self.books.get((currency, delivery), {})
            keys = pa.array([books.get(key) for key in self.keys.to_pylist()], pa.int32())
            book = pc.if_else(pc.equal(deliveries, delivery), keys.take(place), book)
        return book
