"""Parse and check the responses of the three series: price history, candles and sales."""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Final, TypeVar

import polars as pl
from msgspec import Meta, Raw, Struct

from common.shards import SeriesShard
from common.text import escape, sanitize
from connectors.cs2cap.contract import AwareDatetime, Int64, NonEmptyStr, ResponseMeta, to_utc
from connectors.cs2cap.query import RequestedScope, check_currency, check_requested
from connectors.cursor_pagination import MAX_CURSOR_LENGTH
from connectors.decoding import PageDecoder, RowDecoder
from connectors.pages import Reject

# Unix seconds of the last day of year 9999: a larger number is in another unit than seconds.
MAX_TIMESTAMP: Final = 253_402_214_400


class ItemFields(Struct, gc=False, kw_only=True):
    """The fields that name an item."""

    item_id: Int64
    market_hash_name: NonEmptyStr
    phase: str | None = None

    def __post_init__(self) -> None:
        self.phase = self.phase or None


class SeriesRow(ItemFields, gc=False, kw_only=True):
    """A row of a paged series; its time is converted to UTC."""

    provider: NonEmptyStr
    time: AwareDatetime
    currency: str

    def __post_init__(self) -> None:
        self.phase = self.phase or None
        # msgspec turns a ValueError into a ValidationError, which makes the row a reject.
        self.time = to_utc(self.time)


_R = TypeVar("_R", bound=SeriesRow)


@dataclass(frozen=True, slots=True)
class SeriesQuery:
    """The extraction of `shard` from `source`, which began at `now` (UTC).

    `providers` maps whatever the API may call a provider, its key or its display name, to its key. `is_ahead`
    says whether a time is later than our clock allows at that moment.
    """

    source: str
    shard: SeriesShard
    providers: Mapping[str, str]
    now: datetime
    is_ahead: Callable[[datetime], bool]

    def find_time_ahead(self, time: datetime) -> str | None:
        """Return why a row of this time (UTC) cannot be stored, or None: the past has no time ahead of us."""
        return f"its time, {time:%Y-%m-%d %H:%M} UTC, lies ahead" if self.is_ahead(time) else None

    def find_provider_mismatch(self, provider: str) -> str | None:
        """Return why rows of what the API calls `provider` cannot be stored, or None."""
        if provider not in self.providers:
            return f"unknown provider {sanitize(escape(provider), 60)}"
        scope = RequestedScope(frozenset(filter(None, [self.shard.provider])))
        return scope.find_provider_mismatch(self.providers[provider])

    def find_mismatch(self, row: SeriesRow) -> str | None:
        """Return why a row cannot be stored, or None."""
        if reason := self.find_provider_mismatch(row.provider):
            return reason
        if row.currency != self.shard.currency:
            return f"requested prices in {self.shard.currency}, received {sanitize(row.currency, 20)}"
        return RequestedScope(item=self.shard.item).find_item_mismatch(row) or self.find_time_ahead(row.time)


@dataclass(frozen=True, slots=True, eq=False)
class SeriesResponse:
    """One parsed response: all rows that fit, inside the window or not, and the cursor of the next page.

    `fingerprint` is a digest of all rows, rejects included.
    """

    rows: pl.DataFrame
    rejects: tuple[Reject, ...]
    unknown_fields: dict[str, int]
    fingerprint: bytes
    next_cursor: str | None = None
    has_next: bool = False


class _Pagination(Struct):
    has_next: bool
    next_cursor: Annotated[str, Meta(max_length=MAX_CURSOR_LENGTH)] | None = None


class _CursorPage(Struct):
    meta: ResponseMeta
    items: list[Raw]
    pagination: _Pagination


_CURSOR_PAGE: Final = PageDecoder(_CursorPage)


def parse_cursor_page(
    body: bytes,
    query: SeriesQuery,
    *,
    path: str,
    decoder: RowDecoder[_R],
    to_frame: Callable[[Sequence[_R], Mapping[str, str]], pl.DataFrame],
) -> SeriesResponse:
    """Parse a page of `path`; `to_frame` makes a frame of its rows, given the query's `providers`.

    Raises UnexpectedResponse where the body is not such a page, or not the response to `query`.
    """
    page = _CURSOR_PAGE.decode_response(body, route=path, source=query.source)
    check_currency(page.meta.currency, query.shard.currency, query.source)
    decoded = decoder.decode_all(page.items, query.find_mismatch)
    check_requested(decoded.rejects, len(decoded.fitting), route=path, source=query.source)
    return SeriesResponse(
        rows=to_frame(decoded.fitting, query.providers),
        rejects=decoded.rejects,
        unknown_fields=decoded.unknown_fields,
        fingerprint=fingerprint_rows(page.items),
        next_cursor=page.pagination.next_cursor,
        has_next=page.pagination.has_next,
    )


def fingerprint_rows(raws: Iterable[Raw]) -> bytes:
    """Digest the text of rows, in their order."""
    return hashlib.blake2b(b"".join(raws), digest_size=16).digest()


def rows_to_frame(
    rows: Sequence[Struct], schema: pl.Schema, **columns: Sequence[object] | pl.Series
) -> pl.DataFrame:
    """Build a frame of `schema`: a column is the given one, or the row's field of the same name."""
    given = {
        name: columns[name] if name in columns else [getattr(row, name) for row in rows] for name in schema
    }
    return pl.DataFrame(given, schema=schema)


def iso8601(time: datetime) -> str:
    """Format a time as the API expects it: ISO 8601 in UTC, with a Z."""
    return time.astimezone(UTC).isoformat().replace("+00:00", "Z")
