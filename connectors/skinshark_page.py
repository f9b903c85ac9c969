"""An answer of SkinShark's listing on its way to a page: typed, and seen to answer what was asked.

As with CS2Cap, nothing here knows of a loop, a connection or a disk.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import msgspec
import polars as pl

from connectors.base import Page
from connectors.errors import RequestRejected, WalkBroken
from connectors.frames import ITEMS, Reject
from connectors.naming import fingerprint_of
from connectors.paging import Sheet
from connectors.plan import Item, Shard
from connectors.skinshark_rows import ROUTE, Listing, Row, quotes_of, read_listing

# The limit of a page that holds everything, beyond which nothing lies.
EVERYTHING: Final = 10**9
# The finishes that have phases, and which: a listing names only those that are for sale just now.
_PHASES: Final = (
    ("Gamma Doppler", ("Phase 1", "Phase 2", "Phase 3", "Phase 4", "Emerald")),
    ("Doppler", ("Phase 1", "Phase 2", "Phase 3", "Phase 4", "Ruby", "Sapphire", "Black Pearl")),
)
_ID: Final = msgspec.json.Decoder(dict[str, object])


@dataclass(frozen=True, slots=True)
class Place:
    """Where in the listing a page lies: `limit` items from `offset` on, or `EVERYTHING`."""

    offset: int
    limit: int

    @property
    def page(self) -> int:
        """The page's number, from 1."""
        return self.offset // self.limit + 1


@dataclass(frozen=True, slots=True)
class Question:
    """What a walk asks for: the listing of one marketplace, of which `wanted` is kept, or all if None."""

    source: str
    provider: str
    wanted: frozenset[tuple[str, str | None]] | None

    @classmethod
    def of(cls, shard: Shard, source: str) -> "Question":
        """Return the question that a shard puts."""
        wanted = None if shard.items is None else frozenset(map(_named, shard.items))
        return cls(source, shard.providers[0], wanted)

    @property
    def ids(self) -> frozenset[str]:
        """The ids among what is wanted."""
        return frozenset(item_id for item_id, _ in self.wanted or ())


def _named(item: Item) -> tuple[str, str | None]:
    return item.item_id or "", item.phase


def read_page(question: Question, place: Place, data: bytes, moment: datetime) -> tuple[Page, Sheet]:
    """Make the page of the content that the server sent at `moment` (UTC).

    Items that are not wanted count for the paging, and stay out of the page. Raises as `read_sheet` does.
    """
    listing, sheet = read_sheet(place, data, question.source)
    page = Page(
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


def read_sheet(place: Place, data: bytes, source: str) -> tuple[Listing, Sheet]:
    """Read a listing, and what paging has to know of it: each item counts, also one that is not for sale.

    Raises ContractBroken, WalkBroken for another page than the one asked for, and RequestRejected where the
    source keeps to pages although everything was asked for.
    """
    listing = read_listing(data, source)
    if listing.page != place.page:
        raise WalkBroken(f"{ROUTE}: asked for page {place.page}, got {listing.page}", source)
    more = listing.page < listing.total_pages
    if place.limit == EVERYTHING and more:
        raise RequestRejected(
            f"{ROUTE}: everything asked for, one of {listing.total_pages} pages got", source
        )
    keys = list(dict.fromkeys(row.item_id for row in listing.rows))
    limit = place.limit if place.limit == EVERYTHING else max(listing.limit, 1)
    surplus = len(listing.rows) - len(keys) + len(listing.rejects)
    prints = fingerprint_of(keys)
    return listing, Sheet(place.offset, limit, listing.total, more, keys, prints, surplus)


def _wanted_rows(question: Question, rows: Iterable[Row]) -> pl.DataFrame:
    wanted, ids = question.wanted, question.ids
    if wanted is None:
        return quotes_of(rows, question.provider)
    quotes = quotes_of((row for row in rows if row.item_id in ids), question.provider)
    kept = [named in wanted for named in quotes.select("item_id", "phase").iter_rows()]
    return quotes.filter(pl.Series(kept, dtype=pl.Boolean))


def _wanted_rejects(question: Question, rejects: Iterable[Reject]) -> Iterator[Reject]:
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


def items_of(rows: Iterable[Row], *, phased: bool) -> pl.DataFrame:
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
