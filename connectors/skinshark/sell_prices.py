"""What SkinShark pays for a deposit, by name: the bids of the marketplace. Pure functions.

One answer has at most 5,000 rows, and no second page. A row that is not `accepted` is no bid.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Final

import polars as pl
from msgspec import Meta, Raw, Struct, json

from common.errors import UnexpectedResponse
from connectors.decoding import DECODE_ERRORS, PageDecoder, RowDecoder, explain, to_reject
from connectors.json_text import split_entries
from connectors.pages import Reject, TypedPage, fingerprint_keys
from connectors.pagination import PageInfo
from connectors.schemas import QUOTES
from connectors.skinshark.rows import to_cents

ROUTE: Final = "/market/sell/prices"
MAX_ROWS: Final = 5_000


class SellPrice(Struct, gc=False, rename="camel"):
    """What a deposit of one copy pays, a whole number of cents, and whether copies are taken now."""

    market_hash_name: Annotated[str, Meta(min_length=1)]
    deposit: Decimal
    accepted: bool

    def __post_init__(self) -> None:
        to_cents(self.deposit)  # msgspec turns the ValueError into a ValidationError


class _Name(Struct, rename="camel"):
    item_id: Annotated[str, Meta(min_length=1)]
    market_hash_name: Annotated[str, Meta(min_length=1)]


class _Names(Struct):
    items: list[Raw]


_ROW: Final = RowDecoder(SellPrice)
_NAME: Final = json.Decoder(_Name)
_NAMES: Final = PageDecoder(_Names)


@dataclass(frozen=True, slots=True)
class BidQuery:
    """The names whose bids are kept, with the id of each, and the marketplace they belong to.

    `whole` says that the names are all that the source lists: a bid for another name is a reject.
    """

    source: str
    provider: str
    ids: Mapping[str, str]
    whole: bool


def read_names(data: bytes) -> dict[str, str]:
    """Return the id of each name in a page of the price listing; a row that has none is left out."""
    names: dict[str, str] = {}
    for raw in _NAMES.decode(data).items:
        try:
            row = _NAME.decode(raw)
        except DECODE_ERRORS:
            continue
        names[row.market_hash_name] = row.item_id
    return names


def parse_sell_prices(query: BidQuery, data: bytes, observed_at: datetime) -> tuple[TypedPage, PageInfo]:
    """Parse an answer that the server sent at `observed_at` (UTC).

    Raises UnexpectedResponse where the content of the envelope is no list.
    """
    try:
        raws = split_entries(data)
    except ValueError as error:
        raise UnexpectedResponse(f"{ROUTE}: {explain(error)}", query.source) from None
    decoded = _ROW.decode_all(raws)
    bids = [row for row in decoded.fitting if row.accepted]
    known = [row for row in bids if row.market_hash_name in query.ids]
    rejects = list(decoded.rejects)
    if query.whole:
        rejects += [_reject_unknown(row) for row in bids if row.market_hash_name not in query.ids]
    keys = [row.market_hash_name for row in decoded.fitting]
    page = TypedPage(
        request=0,
        offset=0,
        total=len(raws),
        observed_at=observed_at,
        rows=_to_bids(known, query),
        rejects=tuple(rejects),
        unknown_fields=decoded.unknown_fields,
        fingerprint=fingerprint_keys(keys),
    )
    return page, PageInfo(offset=0, limit=MAX_ROWS, total=len(raws), keys=keys, others=len(decoded.rejects))


def _reject_unknown(row: SellPrice) -> Reject:
    return to_reject("no item of the price listing has this name", json.encode(row))


def _to_bids(rows: list[SellPrice], query: BidQuery) -> pl.DataFrame:
    """Return the bids, schema `QUOTES`; of a name that comes twice, the later row counts."""
    latest = {row.market_hash_name: row for row in rows}
    columns = {
        "item_id": [query.ids[name] for name in latest],
        "market_hash_name": list(latest),
        "phase": [None] * len(latest),
        "provider": [query.provider] * len(latest),
        "delivery": ["bid"] * len(latest),
        "lowest_ask": [to_cents(row.deposit) for row in latest.values()],
        "price": [row.deposit for row in latest.values()],
    }
    missing = {name: [None] * len(latest) for name in QUOTES.names() if name not in columns}
    return pl.DataFrame({**columns, **missing}, schema=QUOTES, strict=True)
