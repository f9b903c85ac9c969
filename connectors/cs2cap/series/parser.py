"""What every answer of a series has in common: its pages, its rows that fit, and those that do not."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, TypeVar

import msgspec
import polars as pl
from msgspec import Meta, Raw, Struct

from common.errors import UnexpectedResponse
from common.shards import Item, SeriesShard
from common.text import sanitize
from connectors.cs2cap.contract import MAX_MINOR_UNITS, Int64, NonEmptyStr
from connectors.pages import Reject
from connectors.pagination import MAX_CURSOR_LENGTH
from connectors.rows import DECODE_ERRORS, DecodedRows

Count = Annotated[int, Meta(ge=0, le=2**63 - 1)]
Minor = Annotated[int, Meta(ge=0, le=MAX_MINOR_UNITS)]
_T = TypeVar("_T")
_R = TypeVar("_R", bound=Struct)


class _Meta(Struct):
    currency: str


class Pagination(Struct):
    """Whether another page follows, and its cursor."""

    has_next: bool
    next_cursor: Annotated[str, Meta(max_length=MAX_CURSOR_LENGTH)] | None = None


class CursorResponse(Struct):
    """An answer that comes in pages."""

    meta: _Meta
    items: list[Raw]
    pagination: Pagination


class ItemFields(Struct, gc=False, kw_only=True):
    """What a row tells of its item."""

    item_id: Int64
    market_hash_name: NonEmptyStr
    phase: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class SeriesResponse:
    """One answer about a series: every row that fits, in its window or not, and where it goes on.

    `fingerprint` stands for all that it brought.
    """

    rows: pl.DataFrame
    rejects: tuple[Reject, ...]
    unknown_fields: dict[str, int]
    fingerprint: bytes
    next_cursor: str | None
    has_next: bool


def decode_response(body: bytes, answer: type[_T], route: str, source: str) -> _T:
    """Decode an answer of `route`; raises ContractBroken if it is none."""
    try:
        return msgspec.json.decode(body, type=answer)
    except DECODE_ERRORS as error:
        raise UnexpectedResponse(f"{route}: {sanitize(str(error))}", source) from None


def rows_to_frame(rows: Sequence[Struct], schema: pl.Schema, **made: Sequence[object]) -> pl.DataFrame:
    """Put `rows` into a frame of `schema`: a column is what is `made` for it, or a field of the same name."""
    columns = {name: made[name] if name in made else [getattr(row, name) for row in rows] for name in schema}
    return pl.DataFrame(columns, schema=schema)


def build_response(
    rows: pl.DataFrame, decoded: DecodedRows[_R], raws: Iterable[Raw], footer: Pagination | None = None
) -> SeriesResponse:
    """Put the response together whose rows were `raws`; without a `footer` no other page follows."""
    return SeriesResponse(
        rows=rows,
        rejects=decoded.rejects,
        unknown_fields=decoded.unknown_fields,
        fingerprint=hashlib.blake2b(b"".join(raws), digest_size=16).digest(),
        next_cursor=footer.next_cursor if footer else None,
        has_next=footer is not None and footer.has_next,
    )


def item_ids(rows: Sequence[ItemFields]) -> list[str]:
    """The item ids of `rows`, as text."""
    return [str(row.item_id) for row in rows]


def to_utc(moment: datetime) -> datetime:
    """The same moment in UTC; raises ValueError for one that no calendar has there."""
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("a moment beyond the calendar") from None


def reject_reason(provider: str, currency: str, ask: SeriesShard, providers: Mapping[str, str]) -> str | None:
    """Say why a row from this provider and in this currency does not fit, or None."""
    if provider not in providers:
        return f"unknown provider {sanitize(provider, 60)}"
    return None if currency == ask.currency else f"asked for {ask.currency}, got {sanitize(currency, 20)}"


def check_currency(told: str, ask: SeriesShard, source: str) -> None:
    """Raise ContractBroken for an answer in another currency than was asked for."""
    if told != ask.currency:
        raise UnexpectedResponse(f"asked for {ask.currency}, got {sanitize(told, 20)}", source)


def check_items(rows: pl.DataFrame, ask: SeriesShard, source: str) -> None:
    """Raise ContractBroken for rows about other items than was asked for: a filter was ignored."""
    if ask.item is not None and not _is_only_about(ask.item, rows):
        raise UnexpectedResponse(f"asked for {sanitize(ask.item.market_hash_name)}, got other items", source)


def check_providers(rows: pl.DataFrame, ask: SeriesShard, source: str) -> None:
    """Raise ContractBroken for rows from other providers than was asked for: a filter was ignored."""
    strangers = set(rows["provider"]) - {ask.provider} if ask.provider is not None else ()
    if strangers:
        raise UnexpectedResponse(f"not asked for {sanitize(', '.join(sorted(strangers)))}", source)


def item_params(item: Item | None) -> list[tuple[str, str]]:
    """The parameters that name an item: by its id where it has one, else by name and phase."""
    if item is None:
        return []
    if item.item_id is not None:
        return [("item_id", item.item_id)]
    named = [("market_hash_name", item.market_hash_name)]
    return named if item.phase is None else [*named, ("phase", item.phase)]


def iso8601(moment: datetime) -> str:
    """A moment as the API reads it: ISO 8601 with a Z."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _is_only_about(item: Item, rows: pl.DataFrame) -> bool:
    """Tell whether every row is about `item`, by its id, or by its name where phases are aggregated."""
    named = rows["market_hash_name"] == item.market_hash_name
    return bool((named | (rows["item_id"] == (item.item_id or ""))).all())
