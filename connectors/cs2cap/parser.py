"""Parse rows of CS2Cap's asks and bids: a frame of the rows that fit, rejects, and unknown fields.

Many rows are parsed with Arrow, whose functions take longer to import than few rows take one by one.
"""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Final

import polars as pl
from msgspec import Raw, Struct
from msgspec.structs import replace

from connectors.cs2cap.contract import ASKS, BOOK_SIDES, BookSide, StrictRow, row_keys
from connectors.cs2cap.query import EVERYTHING, RequestedScope, check_requested
from connectors.decoding import DECODE_ERRORS, RowDecoder
from connectors.pages import QUOTE_KEY_COLUMNS, Reject
from connectors.schemas import QUOTES, join_keys, keep_latest, providers_in, quote_keys

FEW_ROWS: Final = 100
_STRICT_ROWS: Final = {delivery: RowDecoder(side.strict_row) for delivery, side in BOOK_SIDES.items()}


class ParsedRows(Struct, frozen=True, eq=False):
    """The rows that fit, schema `QUOTES`, each key once, and their `keys`.

    `repeats` counts the rows that repeat another one: those that were dropped for their key, and equal
    rejects. `unknown_fields` counts the rows that carry a field that the contract does not know.
    """

    rows: pl.DataFrame
    keys: Sequence[str]
    repeats: int = 0
    rejects: tuple[Reject, ...] = ()
    unknown_fields: dict[str, int] = {}

    @property
    def others(self) -> int:
        """Count the distinct rejects: the rows that have no key."""
        return len(set(self.rejects))

    @property
    def received(self) -> int:
        """Count all rows that were parsed."""
        return self.rows.height + self.others + self.repeats


def reparse_reject(raw: str, delivery: str = ASKS.delivery) -> pl.DataFrame | None:
    """Parse a rejected row again, schema `QUOTES`; None if it still does not fit."""
    try:
        row = _STRICT_ROWS[delivery].decode(raw.encode())
    except DECODE_ERRORS:
        return None
    return _to_quotes_frame([row], BOOK_SIDES[delivery])


def parse_rows(
    raws: Sequence[Raw] | Sequence[bytes], side: BookSide, source: str, scope: RequestedScope = EVERYTHING
) -> ParsedRows:
    """Parse rows, many at once with Arrow if they fit the contract exactly, else one by one.

    A row that is not of `scope` is a reject. Raises UnexpectedResponse as `parse_rows_individually` does.
    """
    if len(raws) <= FEW_ROWS:
        return parse_rows_individually(raws, side, source, scope)
    from connectors.cs2cap.arrow_parser import parse_ndjson_columns, to_frame

    columns = parse_ndjson_columns(b"\n".join(raws), side)
    if columns is None or len(columns["item_id"]) != len(raws):
        return parse_rows_individually(raws, side, source, scope)
    rows = to_frame(columns)
    if not _is_within(rows, scope):
        return parse_rows_individually(raws, side, source, scope)
    keys = join_keys(*(columns[name] for name in QUOTE_KEY_COLUMNS))
    return _deduplicate(ParsedRows(rows, keys))


def parse_ndjson(lines: bytes, side: BookSide, source: str, scope: RequestedScope = EVERYTHING) -> ParsedRows:
    """Parse complete lines, a row each, like `parse_rows`; of rows that fit exactly, `keys` is empty."""
    from connectors.cs2cap.arrow_parser import parse_ndjson_columns, to_frame

    columns = parse_ndjson_columns(lines, side)
    rows = None if columns is None else to_frame(columns)
    if rows is None or not _is_within(rows, scope):
        return parse_rows_individually(filter(bytes.strip, lines.split(b"\n")), side, source, scope)
    return ParsedRows(rows, ())


def _is_within(rows: pl.DataFrame, scope: RequestedScope) -> bool:
    return scope.has_providers(providers_in(rows)) and scope.has_items(rows)


def parse_rows_individually(
    raws: Iterable[bytes | Raw], side: BookSide, source: str, scope: RequestedScope = EVERYTHING
) -> ParsedRows:
    """Parse rows one by one: reject those that do not fit or are not of `scope`, and count unknown fields.

    Raises UnexpectedResponse where most rows are not of `scope`.
    """
    decoded = _STRICT_ROWS[side.delivery].decode_all(raws, scope.find_mismatch)
    check_requested(decoded.rejects, len(decoded.fitting), route=side.path, source=source)
    rows, keys = _to_quotes_frame(decoded.fitting, side), row_keys(decoded.fitting)
    rejects = decoded.rejects
    repeats = len(rejects) - len(set(rejects))
    return _deduplicate(
        ParsedRows(rows, keys, repeats=repeats, rejects=rejects, unknown_fields=decoded.unknown_fields)
    )


def _to_quotes_frame(rows: Sequence[StrictRow], side: BookSide) -> pl.DataFrame:
    """Return `rows` as a frame of the schema `QUOTES`."""
    columns = {name: [getattr(row, name, None) for row in rows] for name in QUOTES}
    columns["item_id"] = [str(row.item_id) for row in rows]
    columns["delivery"] = [side.delivery] * len(rows)
    columns["price"] = [_price(row) for row in rows]
    return pl.DataFrame(columns, schema=QUOTES, strict=True)


def _price(row: StrictRow) -> Decimal:
    """Return the decimal; where it is missing, a hundredth of the minor units, whatever the currency."""
    price = row.read_price()
    return Decimal(row.lowest_ask).scaleb(-2) if price is None else price


def _deduplicate(parsed: ParsedRows) -> ParsedRows:
    repeats = len(parsed.keys) - len(set(parsed.keys))
    if not repeats:
        return parsed
    rows = keep_latest(parsed.rows)
    return replace(parsed, rows=rows, keys=quote_keys(rows), repeats=parsed.repeats + repeats)
