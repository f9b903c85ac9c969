"""SkinShark's offers of an item: decode a page of them. Pure functions."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Final
from urllib.parse import quote

import msgspec
from msgspec import Meta, Raw, Struct

from connectors.decoding import DECODE_ERRORS, EntryDecoder, PageDecoder, check_nesting, explain
from connectors.listings import Offer

# The tokens of a request, the most offers of a page, and the most offers that all pages have.
COST: Final = 5
PAGE_OFFERS: Final = 100
REACHABLE: Final = 5_000
_MAX_PRICE: Final = Decimal(10**12)
_LAST_PLACE: Final = Decimal("1e-8")
_NULL: Final = Raw(b"null")


class _Doppler(Struct, rename="camel"):
    name: str | None = None
    paint_index: int | None = None


class _Fade(Struct):
    percentage: float | None = None


class _Hardened(Struct):
    name: str | None = None


class _Row(Struct, rename="camel"):
    id: Annotated[str, Meta(min_length=1)]
    market_hash_name: Annotated[str, Meta(min_length=1)]
    price: Decimal
    name: str | None = None
    wear: Raw = _NULL
    paint_seed: int | None = None
    doppler: _Doppler | None = None
    fade: _Fade | None = None
    hardened: _Hardened | None = None
    stickers: Raw = _NULL
    charm: Raw = _NULL
    delivery: str | None = None

    def __post_init__(self) -> None:
        # msgspec turns the ValueError into a ValidationError
        if not (self.price.is_finite() and 0 <= self.price < _MAX_PRICE and not self.price % _LAST_PLACE):
            raise ValueError("price: not an amount with up to 8 decimal places")


class _Content(Struct):
    items: list[Raw]
    total: Annotated[int, Meta(ge=0)]


class OfferPage(Struct, frozen=True):
    """One page: its offers, the number of its rows, and that of all offers.

    `unreadable` says why rows are no offers of the item, `odd` which fields were left out of offers.
    """

    offers: tuple[Offer, ...]
    unreadable: tuple[str, ...]
    odd: tuple[str, ...]
    rows: int
    total: int


_CONTENT: Final = PageDecoder(_Content)
_ROW: Final = EntryDecoder(_Row)


def route_of(item_id: str) -> str:
    """Return the route of the offers of an item."""
    return f"/market/items/{quote(item_id, safe='')}/listings"


def decode_page(data: bytes, name: str, *, route: str, source: str) -> OfferPage:
    """Decode a page of the offers of the item `name`.

    Raises UnexpectedResponse where the content of the envelope is no page.
    """
    content = _CONTENT.decode_response(data, route=route, source=source)
    offers: list[Offer] = []
    unreadable: list[str] = []
    odd: list[str] = []
    for raw in content.items:
        try:
            check_nesting(raw)
            row, problems = _ROW.decode(raw)
            if row.market_hash_name != name:
                raise ValueError("it is of another item")
            offers.append(_to_offer(row))
        except DECODE_ERRORS as error:
            unreadable.append(explain(error))
        else:
            odd += problems
    return OfferPage(tuple(offers), tuple(unreadable), tuple(odd), len(content.items), content.total)


def _to_offer(row: _Row) -> Offer:
    doppler = row.doppler or _Doppler()
    return Offer(
        listing_id=row.id,
        price=row.price,
        name=row.name,
        phase=doppler.name,
        paint_index=doppler.paint_index,
        wear=_to_text(row.wear),
        paint_seed=row.paint_seed,
        fade=(row.fade or _Fade()).percentage,
        hardened=(row.hardened or _Hardened()).name,
        stickers=_to_json(row.stickers),
        charm=_to_json(row.charm),
        delivery=row.delivery,
    )


def _to_text(raw: Raw) -> str | None:
    """Return the digits of a number that may be a string of JSON."""
    text = bytes(raw).strip()
    return msgspec.json.decode(text, type=str) if text.startswith(b'"') else _to_json(raw)


def _to_json(raw: Raw) -> str | None:
    text = msgspec.json.format(bytes(raw), indent=-1).decode()
    return None if text == "null" else text
