"""An answer of SkinShark's listing on its way to a page: typed, and seen to answer what was asked.

As with CS2Cap, nothing here knows of a loop, a connection or a disk.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import msgspec
import polars as pl

from common.errors import PaginationError, RequestRejected
from common.shards import Item
from connectors.pages import Reject, TypedPage, fingerprint_keys
from connectors.pagination import PageInfo
from connectors.schemas import ITEMS
from connectors.shards import Shard
from connectors.skinshark.contract import ROUTE, ParsedListing, Row, parse_listing, to_quotes_frame

# The limit of a page that holds everything, beyond which nothing lies.
WHOLE_LISTING: Final = 10**9
# The finishes that have phases, and which: a listing names only those that are for sale just now.
_PHASES: Final = (
    ("Gamma Doppler", ("Phase 1", "Phase 2", "Phase 3", "Phase 4", "Emerald")),
    ("Doppler", ("Phase 1", "Phase 2", "Phase 3", "Phase 4", "Ruby", "Sapphire", "Black Pearl")),
)
_ID: Final = msgspec.json.Decoder(dict[str, object])


@dataclass(frozen=True, slots=True)
class PageRange:
    """Where in the listing a page lies: `limit` items from `offset` on, or `EVERYTHING`."""

    offset: int
    limit: int

    @property
    def number(self) -> int:
        """The page's number, from 1."""
        return self.offset // self.limit + 1


@dataclass(frozen=True, slots=True)
class PageQuery:
    """What a walk asks for: the listing of one marketplace, of which `wanted` is kept, or all if None."""

    source: str
    provider: str
    wanted: frozenset[tuple[str, str | None]] | None

    @classmethod
    def of(cls, shard: Shard, source: str) -> "PageQuery":
        """Return the question that a shard puts."""
        wanted = None if shard.items is None else frozenset(map(_named, shard.items))
        return cls(source, shard.providers[0], wanted)

    @property
    def ids(self) -> frozenset[str]:
        """The ids among what is wanted."""
        return frozenset(item_id for item_id, _ in self.wanted or ())


def _named(item: Item) -> tuple[str, str | None]:
    return item.item_id or "", item.phase


def parse_page(
    question: PageQuery, place: PageRange, data: bytes, moment: datetime
) -> tuple[TypedPage, PageInfo]:
    """Make the page of the content that the server sent at `moment` (UTC).

    Items that are not wanted count for the paging, and stay out of the page. Raises as `read_sheet` does.
    """
    listing, sheet = parse_page_info(place, data, question.source)
    page = TypedPage(
        request=0,
        offset=place.offset,
        total=listing.total,
        observed_at=moment,
        rows=_wanted_rows(question, listing.rows),
        rejects=tuple(_wanted_rejects(question, listing.rejects)),
        unknown_fields=listing.unknown_fields,
        fingerprint=sheet.fingerprint,
    )
    return page, sheet


def parse_page_info(place: PageRange, data: bytes, source: str) -> tuple[ParsedListing, PageInfo]:
    """Read a listing, and what paging has to know of it: each item counts, also one that is not for sale.

    Raises ContractBroken, WalkBroken for another page than the one asked for, and RequestRejected where the
    source keeps to pages although everything was asked for.
    """
    listing = parse_listing(data, source)
    if listing.page != place.number:
        raise PaginationError(f"{ROUTE}: asked for page {place.number}, got {listing.page}", source)
    more = listing.page < listing.total_pages
    if place.limit == WHOLE_LISTING and more:
        raise RequestRejected(
            f"{ROUTE}: everything asked for, one of {listing.total_pages} pages got", source
        )
    keys = list(dict.fromkeys(row.item_id for row in listing.rows))
    limit = place.limit if place.limit == WHOLE_LISTING else max(listing.limit, 1)
    surplus = len(listing.rows) - len(keys) + len(listing.rejects)
    prints = fingerprint_keys(keys)
    return listing, PageInfo(place.offset, limit, listing.total, more, keys, prints, surplus)


def _wanted_rows(question: PageQuery, rows: Iterable[Row]) -> pl.DataFrame:
    wanted, ids = question.wanted, question.ids
    if wanted is None:
        return to_quotes_frame(rows, question.provider)
    quotes = to_quotes_frame((row for row in rows if row.item_id in ids), question.provider)
    kept = [named in wanted for named in quotes.select("item_id", "phase").iter_rows()]
    return quotes.filter(pl.Series(kept, dtype=pl.Boolean))


def _wanted_rejects(question: PageQuery, rejects: Iterable[Reject]) -> Iterator[Reject]:
    """Yield those that may be about what is wanted: all that do not tell another item."""
    for reject in rejects:
        told = _id_of(reject.raw)
        if question.wanted is None or told is None or told in question.ids:
            yield reject


def _id_of(raw: str) -> str | None:
    try:
        told = _ID.decode(raw.encode()).get("itemId")
    except (msgspec.DecodeError, UnicodeError):
        return None
    return told if isinstance(told, str) else None


def items_in(rows: Iterable[Row], *, phased: bool) -> pl.DataFrame:
    """List the items that `rows` are about, schema `ITEMS`; with their phases where the market has `phased`.

    The phases of an item share its id. The item itself comes after them: what names the id alone means it.
    """
    entries = [
        (row.item_id, row.market_hash_name, phase)
        for row in rows
        for phase in (*(_phases(row) if phased else ()), None)
    ]
    frame = pl.DataFrame(entries, schema=dict(list(ITEMS.items())[:3]), orient="row")
    rest = [pl.lit(None, kind).alias(name) for name, kind in ITEMS.items() if name not in frame.columns]
    return frame.unique(maintain_order=True).with_columns(rest).select(ITEMS.names())


def _phases(row: Row) -> tuple[str, ...]:
    known = next((phases for finish, phases in _PHASES if finish in row.market_hash_name), ())
    return tuple(dict.fromkeys((*known, *row.phases)))
