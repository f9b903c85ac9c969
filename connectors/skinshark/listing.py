"""Build typed pages and catalog items of SkinShark's listing. Pure functions."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Final, Self

import msgspec
import polars as pl

from common.errors import PaginationError, RequestRejected
from connectors.decoding import DECODE_ERRORS
from connectors.pages import Reject, TypedPage, fingerprint_keys
from connectors.pagination import PageInfo
from connectors.schemas import ITEMS
from connectors.shards import Shard
from connectors.skinshark.contract import ROUTE, decode_listing, to_quotes_frame
from connectors.skinshark.markets import Market, check_listing, find_foreign_price
from connectors.skinshark.rows import ListingRows, Row, decode_rows

# The limit of the one page that holds the whole listing: no offset lies beyond it.
WHOLE_LISTING: Final = 10**9
# The finishes with phases, the more specific name first. A listing names only the phases that are for sale.
_PHASES: Final = (
    ("Gamma Doppler", ("Phase 1", "Phase 2", "Phase 3", "Phase 4", "Emerald")),
    ("Doppler", ("Phase 1", "Phase 2", "Phase 3", "Phase 4", "Ruby", "Sapphire", "Black Pearl")),
)
_FIELDS: Final = msgspec.json.Decoder(dict[str, object])


@dataclass(frozen=True, slots=True)
class PageRange:
    """The position of a page in the listing: `limit` items from `offset`, or `WHOLE_LISTING`."""

    offset: int
    limit: int

    @property
    def number(self) -> int:
        """The page's number, from 1."""
        return self.offset // self.limit + 1


@dataclass(frozen=True, slots=True)
class ListingQuery:
    """The listing of one marketplace, of which only quotes in `selection` are kept; None keeps all.

    `selection` has pairs of item id and phase.
    """

    source: str
    market: Market
    selection: frozenset[tuple[str, str | None]] | None

    @classmethod
    def of(cls, shard: Shard, source: str, market: Market) -> Self:
        """Return the query for a shard."""
        if shard.items is None:
            return cls(source, market, None)
        selection = frozenset((item.item_id or "", item.phase) for item in shard.items)
        return cls(source, market, selection)

    @property
    def ids(self) -> frozenset[str]:
        """The item ids in `selection`."""
        return frozenset(item_id for item_id, _ in self.selection or ())


def parse_page(
    query: ListingQuery, page_range: PageRange, data: bytes, observed_at: datetime
) -> tuple[TypedPage, PageInfo]:
    """Parse a page that the server sent at `observed_at` (UTC).

    Items that are not selected count for the pagination only. Raises what `parse_page_info` raises.
    """
    decoded, info = parse_page_info(query, page_range, data)
    page = TypedPage(
        request=0,
        offset=page_range.offset,
        total=info.total,
        observed_at=observed_at,
        rows=_selected_quotes(query, decoded.fitting),
        rejects=tuple(_selected_rejects(query, decoded.rejects)),
        unknown_fields=decoded.unknown_fields,
        fingerprint=info.fingerprint,
    )
    return page, info


def parse_page_info(query: ListingQuery, page_range: PageRange, data: bytes) -> tuple[ListingRows, PageInfo]:
    """Parse the rows of a page, and its `PageInfo`, which also counts the items that are not for sale.

    Raises UnexpectedResponse, also for a page that is not of the marketplace, PaginationError for another
    page than requested, and RequestRejected where the API sends one of several pages although the whole
    listing was requested.
    """
    source = query.source
    listing = decode_listing(data, source)
    if listing.page != page_range.number:
        raise PaginationError(f"{ROUTE}: requested page {page_range.number}, received {listing.page}", source)
    whole = page_range.limit == WHOLE_LISTING
    has_next = listing.page < listing.total_pages
    if whole and has_next:
        raise RequestRejected(
            f"{ROUTE}: requested the whole listing, received one of {listing.total_pages} pages", source
        )
    decoded = decode_rows(listing.items, partial(find_foreign_price, query.market))
    check_listing(query.market, decoded, source)
    keys = list(dict.fromkeys(row.item_id for row in decoded.fitting))
    return decoded, PageInfo(
        offset=page_range.offset,
        limit=WHOLE_LISTING if whole else max(listing.limit, 1),
        total=listing.total,
        has_next=has_next,
        keys=keys,
        fingerprint=fingerprint_keys(keys),
        others=decoded.unusable,
        repeats=len(listing.items) - len(keys) - decoded.unusable,
    )


def _selected_quotes(query: ListingQuery, rows: Iterable[Row]) -> pl.DataFrame:
    selection, ids = query.selection, query.ids
    if selection is None:
        return to_quotes_frame(rows, query.market.provider)
    quotes = to_quotes_frame((row for row in rows if row.item_id in ids), query.market.provider)
    selected = [key in selection for key in quotes.select("item_id", "phase").iter_rows()]
    return quotes.filter(pl.Series(selected, dtype=pl.Boolean))


def _selected_rejects(query: ListingQuery, rejects: Iterable[Reject]) -> Iterator[Reject]:
    """Yield the rejects that may be of a selected item: all but those that name another item."""
    for reject in rejects:
        item_id = _item_id_of(reject.raw)
        if query.selection is None or item_id is None or item_id in query.ids:
            yield reject


def _item_id_of(raw: str) -> str | None:
    try:
        item_id = _FIELDS.decode(raw.encode()).get("itemId")
    except DECODE_ERRORS:
        return None
    return item_id if isinstance(item_id, str) else None


def list_items(rows: Iterable[Row], *, phased: bool) -> pl.DataFrame:
    """List the items of `rows`, schema `ITEMS`; with `phased`, also each phase of an item.

    The phases of an item share its id. The item itself comes after them, because an id alone means the item.
    """
    entries = [
        (row.item_id, row.market_hash_name, phase)
        for row in rows
        for phase in (*(_phases(row) if phased else ()), None)
    ]
    frame = pl.DataFrame(entries, schema=dict(list(ITEMS.items())[:3]), orient="row")
    missing = [pl.lit(None, kind).alias(name) for name, kind in ITEMS.items() if name not in frame.columns]
    return frame.unique(maintain_order=True).with_columns(missing).select(ITEMS.names())


def _phases(row: Row) -> tuple[str, ...]:
    known = next((phases for finish, phases in _PHASES if finish in row.market_hash_name), ())
    return tuple(dict.fromkeys((*known, *(row.phases or ()))))
