"""TypedPage, RawPage, RawChunk, Reject, PageBuilder, PageSink, fingerprint. Imports no polars or pyarrow."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from connectors.pagination import PageInfo

if TYPE_CHECKING:
    import polars as pl
    from msgspec import Raw


@dataclass(frozen=True, slots=True)
class Reject:
    """A row that does not fit: why, and its exact text as it came."""

    reason: str
    raw: str


@dataclass(frozen=True, slots=True, eq=False)
class TypedPage:
    """One answer of a walk, typed.

    `request` is the place of the request in its shard (0 for a catalog), `offset` and `total` are the API's,
    `observed_at` is the server's moment (UTC), `rows` has the schema `QUOTES`, `unknown_fields` counts the
    rows that carry a field the contract does not know, and `fingerprint` stands for the rows' keys. A later
    page with the same request and offset replaces an earlier one.
    """

    request: int
    offset: int
    total: int
    observed_at: datetime
    rows: pl.DataFrame
    rejects: tuple[Reject, ...]
    unknown_fields: dict[str, int]
    fingerprint: str


@dataclass(frozen=True, slots=True, eq=False)
class RawChunk:
    """A part of one streamed answer as it came: JSON lines, which are typed when they are loaded.

    `parts` are the `count` lines that it completes, some at a time, the first of them at `offset`; they are
    `exact` as those of `Told` are. `written` has the API's names of a row's fields, by ours. `providers` are
    those that none of the pieces before told of. `observed_at` is UTC, `total` -1 where it was not told.
    """

    parts: tuple[bytes, ...]
    written: Mapping[str, str]
    observed_at: datetime
    total: int
    offset: int
    count: int
    exact: bool
    providers: frozenset[str]


@dataclass(frozen=True, slots=True, eq=False)
class RawPage:
    """One answer of a walk as it came: its rows as JSON, which are typed when they are loaded.

    What stands in a `Page`, but `rows`: the text of each, without the end of a line in it, and with the API's
    names of its fields, which `written` has by ours. `exact` says that they have the fields of the contract
    and no others, each of its kind, though not that amounts and moments are such. `providers` are those they
    tell of.
    """

    request: int
    offset: int
    total: int
    observed_at: datetime
    fingerprint: str
    rows: Sequence[Raw]
    written: Mapping[str, str]
    exact: bool
    providers: frozenset[str]


# The work that turns an answer into a page, or into a piece of one; it raises FloorlineErrors.
PageBuilder = Callable[[], tuple[TypedPage | RawChunk | RawPage, PageInfo]]
# Does that work, where it likes, and has the page on disk before it returns.
PageSink = Callable[[PageBuilder], Awaitable[PageInfo]]
# What makes a row of the schema QUOTES the quote it is.
QUOTE_KEY_COLUMNS = ("item_id", "phase", "provider")
NO_PHASE = "\0"


def fingerprint_keys(keys: Sequence[str]) -> str:
    """Digest `keys` in their order; prices are left out, so that a moving market has stable pages."""
    return hashlib.blake2b("\n".join(keys).encode(), digest_size=8).hexdigest()
