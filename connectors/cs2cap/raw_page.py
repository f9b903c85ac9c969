"""Build raw pages: each row stays JSON, and is only validated and read for its key and provider.

The worker process imports this module: polars and pyarrow are imported only for rows that do not fit.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import msgspec
from msgspec import Raw

from connectors.cs2cap.contract import BOOK_SIDES, BookSide, Row, decode_listing, row_keys
from connectors.cs2cap.query import PageQuery, check_listing, is_unrequested
from connectors.decoding import DECODE_ERRORS, reject_text
from connectors.http.encoded_body import Decompress
from connectors.json_text import is_json
from connectors.pages import RawPage, Reject, fingerprint_keys
from connectors.pagination import PageInfo

_ROWS: Final = {delivery: msgspec.json.Decoder(side.row) for delivery, side in BOOK_SIDES.items()}


def parse_raw_page(
    query: PageQuery, offset: int, decompress: Decompress, observed_at: datetime
) -> tuple[RawPage, PageInfo]:
    """Build the page at `offset` that the server sent at `observed_at` (UTC).

    Raises UnexpectedResponse, PaginationError, and ConnectionLost where the body is truncated.
    """
    body = decompress()
    listing = decode_listing(body, query.side, query.source)
    check_listing(listing, query, offset)
    raws = _strip_newlines(listing.items) if b"\n" in body else listing.items
    # One call for all rows: a call for each row would take much longer.
    rows = decode_exact_rows(b"\n".join(raws), query.side)
    keys, providers = row_keys(rows or ()), frozenset({row.provider for row in rows or ()})
    others, strays = 0, list[Reject]()
    if rows is None or not query.scope.has_providers(providers):
        rows = None
        keys, providers, others, strays = _keys_and_providers_leniently(raws, query)
    fingerprint = fingerprint_keys(keys)
    page = RawPage(
        request=query.number,
        offset=offset,
        total=listing.pagination.total,
        observed_at=observed_at,
        fingerprint=fingerprint,
        rows=_without(strays, raws) if strays else raws,
        wire_names=query.side.wire_names,
        exact=rows is not None,
        providers=providers,
        rejects=tuple(strays),
    )
    if len(keys) > len(set(keys)):
        keys = list(dict.fromkeys(keys))
    repeats = len(raws) - len(keys) - others
    return page, listing.pagination.page_info(keys, fingerprint, others=others, repeats=repeats)


def empty_raw_page(
    query: PageQuery, offset: int, *, total: int, observed_at: datetime
) -> tuple[RawPage, PageInfo]:
    """Build the page that replaces one beyond the end of a listing that has shrunk."""
    page = RawPage(
        request=query.number,
        offset=offset,
        total=total,
        observed_at=observed_at,
        fingerprint=fingerprint_keys([]),
        rows=(),
        wire_names=query.side.wire_names,
        exact=True,
        providers=frozenset(),
    )
    return page, PageInfo(offset, limit=1, total=total, fingerprint=page.fingerprint)


def _strip_newlines(raws: Sequence[Raw]) -> Sequence[Raw]:
    """Put each row on one line: JSON has line breaks between values only, never inside a string.

    In a row that is no JSON, a line break becomes another character that JSON has nowhere.
    """
    return [Raw((b" " if is_json(raw) else b"\v").join(bytes(raw).splitlines())) for raw in raws]


def decode_exact_rows(lines: bytes, side: BookSide) -> list[Row] | None:
    """Decode complete lines; None unless each row has exactly the contract's fields and types."""
    try:
        return _ROWS[side.delivery].decode_lines(lines)
    except DECODE_ERRORS:
        return None


def _keys_and_providers_leniently(
    raws: Sequence[Raw], query: PageQuery
) -> tuple[list[str], frozenset[str], int, list[Reject]]:
    """Return keys and providers of rows that may not fit.

    Then the count of distinct rows without a key, and those of them that were not requested.
    """
    from connectors.cs2cap.parser import parse_rows_individually
    from connectors.schemas import providers_in

    parsed = parse_rows_individually(raws, query.side, query.source, query.scope)
    strays = [*filter(is_unrequested, parsed.rejects)]
    return list(parsed.keys), providers_in(parsed.rows), parsed.others, strays


def _without(rejects: Sequence[Reject], raws: Sequence[Raw]) -> Sequence[Raw]:
    texts = {reject.raw for reject in rejects}
    return [raw for raw in raws if reject_text(raw) not in texts]
