"""Build typed pages of asks or bids. Pure functions: the caller decides in which thread they run."""

from collections.abc import Sequence
from datetime import datetime

import polars as pl

from common.shards import Item
from connectors.cs2cap.contract import decode_listing
from connectors.cs2cap.parser import parse_rows
from connectors.cs2cap.query import PageQuery, check_listing
from connectors.http.encoded_body import Decompress
from connectors.pages import TypedPage, fingerprint_keys
from connectors.pagination import PageInfo
from connectors.schemas import QUOTES


def parse_typed_page(
    query: PageQuery, offset: int, decompress: Decompress, observed_at: datetime
) -> tuple[TypedPage, PageInfo]:
    """Parse the page at `offset` that the server sent at `observed_at` (UTC).

    Raises UnexpectedResponse, PaginationError, and ConnectionLost where the body is truncated.
    """
    listing = decode_listing(decompress(), query.side, query.source)
    check_listing(listing, query, offset)
    parsed = parse_rows(listing.items, query.side, query.source, query.scope)
    fingerprint = fingerprint_keys(parsed.keys)
    page = TypedPage(
        request=query.number,
        offset=offset,
        # without the rows that are dropped, a resumed extraction cannot tell where the next page begins
        total=listing.pagination.total if query.selection is None else -1,
        observed_at=observed_at,
        rows=filter_items(parsed.rows, query.selection),
        rejects=parsed.rejects,
        unknown_fields=parsed.unknown_fields,
        fingerprint=fingerprint,
    )
    others, repeats = parsed.others, parsed.repeats
    return page, listing.pagination.page_info(parsed.keys, fingerprint, others=others, repeats=repeats)


def empty_typed_page(
    query: PageQuery, offset: int, *, total: int, observed_at: datetime
) -> tuple[TypedPage, PageInfo]:
    """Build the page that replaces one beyond the end of a listing that has shrunk."""
    page = TypedPage(
        request=query.number,
        offset=offset,
        total=total,
        observed_at=observed_at,
        rows=QUOTES.to_frame(),
        rejects=(),
        unknown_fields={},
        fingerprint=fingerprint_keys([]),
    )
    return page, PageInfo(offset, limit=1, total=total, fingerprint=page.fingerprint)


def prebuilt_page(page: TypedPage, info: PageInfo) -> tuple[TypedPage, PageInfo]:
    """Return a page that an interrupted extraction has landed, as a `PageBuilder` does."""
    return page, info


def filter_items(rows: pl.DataFrame, selection: Sequence[Item] | None) -> pl.DataFrame:
    """Keep the `rows` of the selected items: by id, or by name where an item has no id."""
    if selection is None:
        return rows
    ids = [item.item_id for item in selection if item.item_id is not None]
    names = [item.market_hash_name for item in selection if item.item_id is None]
    same_name = pl.col("market_hash_name").is_in(names) & pl.col("phase").is_null()
    return rows.filter(pl.col("item_id").is_in(ids) | same_name)
