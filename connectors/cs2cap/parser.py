"""CS2Cap's offers, typed: a body in, a frame with a given schema out, and what does not fit aside."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

import polars as pl
from msgspec import Raw

from common.errors import UnexpectedResponse
from connectors.cs2cap.arrow_parser import parse_ndjson_columns, to_frame, to_quotes_frame
from connectors.cs2cap.contract import (
    ASKS,
    BOOK_SIDES,
    BookSide,
    decode_listing,
    normalize_timestamps,
)
from connectors.pages import QUOTE_KEY_COLUMNS, Reject, fingerprint_keys
from connectors.rows import DECODE_ERRORS, RowDecoder
from connectors.schemas import join_keys, keep_latest, quote_keys

_ROWS: Final = {delivery: RowDecoder(offers.checked) for delivery, offers in BOOK_SIDES.items()}


@dataclass(frozen=True, slots=True, eq=False)
class PricePage:
    """One answer of `/v1/prices` or `/v1/bids`: what it says about itself, and its rows.

    `rows` has the schema `QUOTES`, each key once, `keys` are their keys and `fingerprint` stands for them;
    `surplus` counts the rows that were repeated inside the answer, `rejects` are those that do not fit, and
    `unknown_fields` tells how many rows carry a field the contract does not know.
    """

    currency: str
    limit: int
    offset: int
    total: int
    has_next: bool
    rows: pl.DataFrame
    keys: Sequence[str]
    fingerprint: str
    surplus: int
    rejects: tuple[Reject, ...]
    unknown_fields: dict[str, int]


@dataclass(frozen=True, slots=True, eq=False)
class ParsedRows:
    """Rows of an answer: those that fit, schema `QUOTES`, and what there is to tell of the others."""

    frame: pl.DataFrame
    keys: Sequence[str]
    surplus: int = 0
    rejects: tuple[Reject, ...] = ()
    unknown_fields: dict[str, int] = field(default_factory=dict)


def parse_price_page(body: bytes, source: str = "", offers: BookSide = ASKS) -> PricePage:
    """Type one answer that lists `offers`; raises ContractBroken if it is no such answer at all."""
    page = decode_listing(body, source, offers)
    rows = parse_rows(page.items, offers, source)
    return PricePage(
        currency=page.meta.currency,
        limit=page.pagination.limit,
        offset=page.pagination.offset,
        total=page.pagination.total,
        has_next=page.pagination.has_next,
        rows=rows.frame,
        keys=rows.keys,
        fingerprint=fingerprint_keys(rows.keys),
        surplus=rows.surplus,
        rejects=rows.rejects,
        unknown_fields=rows.unknown_fields,
    )


def reparse_reject(raw: str, delivery: str = ASKS.delivery) -> pl.DataFrame | None:
    """Type one rejected row anew, schema `QUOTES`; None if it still does not fit."""
    offers = BOOK_SIDES[delivery]
    try:
        row = normalize_timestamps(_ROWS[delivery].decode(raw.encode()))
    except DECODE_ERRORS:
        return None
    typed = to_quotes_frame([row], offers)
    return typed[0] if typed else None


def parse_rows(raws: Sequence[Raw] | Sequence[bytes], offers: BookSide, source: str) -> ParsedRows:
    """Type rows that came one by one.

    Almost always they are as the contract has them and are typed in one go; only where they are not are they
    looked at row by row, to tell those that fit from those that do not.
    """
    columns = parse_ndjson_columns(b"\n".join(raws), offers)
    if columns is None or len(columns["item_id"]) != len(raws):
        return parse_rows_individually(raws, offers, source)
    return _deduplicate(to_frame(columns), join_keys(*(columns[name] for name in QUOTE_KEY_COLUMNS)))


def parse_ndjson(lines: bytes, offers: BookSide, source: str) -> ParsedRows:
    """Type whole lines, as rows are; their `keys` are left out."""
    columns = parse_ndjson_columns(lines, offers)
    if columns is None:
        return parse_rows_individually(filter(bytes.strip, lines.split(b"\n")), offers, source)
    return ParsedRows(to_frame(columns), ())


def parse_rows_individually(raws: Iterable[bytes | Raw], offers: BookSide, source: str) -> ParsedRows:
    """Type the rows that fit, reject those that do not, and count the fields nobody knows."""
    decoded = _ROWS[offers.delivery].decode_all(raws)
    typed = to_quotes_frame(list(map(normalize_timestamps, decoded.fitting)), offers)
    if typed is None:
        raise UnexpectedResponse(f"{offers.path}: amounts that are not exact", source)
    return _deduplicate(*typed, decoded.rejects, decoded.unknown_fields)


def _deduplicate(
    rows: pl.DataFrame,
    keys: list[str],
    rejects: tuple[Reject, ...] = (),
    unknown: dict[str, int] | None = None,
) -> ParsedRows:
    """Keep each key once."""
    if surplus := len(keys) - len(set(keys)):
        rows = keep_latest(rows)
        keys = quote_keys(rows)
    return ParsedRows(rows, keys, surplus, rejects, unknown or {})
