"""The pages of an extraction: typed, or raw as the API sent them. Imports no data frame library."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from msgspec import Struct

from connectors.pagination import PageInfo

if TYPE_CHECKING:
    import polars as pl
    from msgspec import Raw

# The columns of schema QUOTES that identify a quote.
QUOTE_KEY_COLUMNS = ("item_id", "phase", "provider")
# Stands for a missing phase in a key.
NO_PHASE = "\0"


class Reject(Struct, frozen=True):
    """A row that does not fit the contract: the reason, and its exact text."""

    reason: str
    raw: str


class TypedPage(Struct, frozen=True, eq=False):
    """A page parsed into columns.

    `request` is the number of the request in its shard (0 for a catalog); `offset` and `total` are the API's.
    `observed_at` is the server's time (UTC). `rows` has the schema `QUOTES`. `unknown_fields` counts the rows
    that carry a field outside of the contract. `fingerprint` is a digest of the rows' keys. A later page with
    the same request and offset replaces an earlier one.
    """

    request: int
    offset: int
    total: int
    observed_at: datetime
    rows: pl.DataFrame
    rejects: tuple[Reject, ...]
    unknown_fields: dict[str, int]
    fingerprint: str


class RawChunk(Struct, frozen=True, eq=False):
    """A chunk of a streamed response, kept as NDJSON and parsed during the load.

    `parts` hold the `count` lines that the chunk completes, the first of them at `offset`. `wire_names` and
    `exact` are those of `RawPage`. `providers` are the providers that no earlier chunk had. `observed_at` is
    UTC; `total` is -1 where the API gave none.
    """

    parts: tuple[bytes, ...]
    wire_names: Mapping[str, str]
    observed_at: datetime
    total: int
    offset: int
    count: int
    exact: bool
    providers: frozenset[str]


class RawPage(Struct, frozen=True, eq=False):
    """A page kept as the API sent it: its rows as JSON, which are parsed during the load.

    `request` to `fingerprint` are those of `TypedPage`. Each of `rows` is the text of a row, without a line
    break in it. `wire_names` maps our name of a field to the API's name. `exact` rows have the fields of the
    contract and no others, each of its JSON type; amounts and timestamps are not checked yet. `providers` are
    those of the rows. `rejects` are the rows that were not requested; other rows that do not fit are `rows`.
    """

    request: int
    offset: int
    total: int
    observed_at: datetime
    fingerprint: str
    rows: Sequence[Raw]
    wire_names: Mapping[str, str]
    exact: bool
    providers: frozenset[str]
    rejects: tuple[Reject, ...] = ()


# Turns a response into a page, or into a chunk of a stream; raises SourceErrors. The builders of a listing's
# pages can be pickled for the worker process.
PageBuilder = Callable[[], tuple[TypedPage | RawChunk | RawPage, PageInfo]]
# Runs the builder, in whatever process, and returns once the page is on disk.
PageSink = Callable[[PageBuilder], Awaitable[PageInfo]]


def fingerprint_keys(keys: Sequence[str]) -> str:
    """Return a digest of `keys` in their order; prices are left out, so that they do not change a page."""
    return hashlib.blake2b("\n".join(keys).encode(), digest_size=8).hexdigest()
